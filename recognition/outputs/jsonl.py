"""The lines of `match --json`: one JSON object for every input, in order, in plain ASCII.

`{"source", "status", "matches": [{"sku", "score", "rank"}], "error"}`: `matches` holds the k best whatever the status;
`status` is null where `error` is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from recognition.errors import RecognitionError
from recognition.types import NO_SKU, Matches, Sku, Status


def match_line(source: str, matches: Matches, i: int, skus: Mapping[int, Sku]) -> str:
    """The line of row i of `matches`, without a line end. skus: by id, at least those that the row names."""
    row = zip(matches.skus[i].tolist(), matches.scores[i].tolist(), strict=True)
    found = [(skus[sku].sku, score) for sku, score in row if sku != NO_SKU]
    best = [{"sku": sku, "score": round(score, 4), "rank": rank} for rank, (sku, score) in enumerate(found, 1)]
    status = Status(int(matches.status[i])).label
    return json.dumps({"source": source, "status": status, "matches": best, "error": None})


def error_line(source: str, error: RecognitionError) -> str:
    """The line of an input that could not be matched, without a line end."""
    return json.dumps({"source": source, "status": None, "matches": [], "error": str(error)})
