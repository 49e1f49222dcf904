from __future__ import annotations

import json

import numpy as np
import pytest

from recognition.errors import SourceError
from recognition.outputs.jsonl import error_line, match_line
from recognition.types import Matches, Sku, Status

SKUS = {1: Sku(1, "ä\n1"), 2: Sku(2, "two")}


def matches(skus: list[int], status: Status) -> Matches:
    scores = np.where(np.array([skus]) >= 0, 0.5, -np.inf).astype(np.float32)
    return Matches(np.array([status], np.int8), np.array([skus], np.int64), scores, np.array([np.nan], np.float32))


@pytest.mark.parametrize(
    ("skus", "status", "expected"),
    [
        ([], Status.UNKNOWN, []),
        ([-1, -1], Status.UNKNOWN, []),
        ([2, -1], Status.UNKNOWN, ["two"]),
        ([1, 2], Status.AMBIGUOUS, ["ä\n1", "two"]),
    ],
)
def test_line(skus: list[int], status: Status, expected: list[str]):
    line = match_line("crop\udcff.jpg", matches(skus, status), 0, SKUS)
    assert "\n" not in line and line.isascii()
    best = [{"sku": sku, "score": 0.5, "rank": rank} for rank, sku in enumerate(expected, 1)]
    assert json.loads(line) == {"source": "crop\udcff.jpg", "status": status.label, "matches": best, "error": None}


def test_error_line_has_the_same_keys():
    line = json.loads(error_line("x.jpg", SourceError("x.jpg is empty", "copy it again")))
    assert line == {"source": "x.jpg", "status": None, "matches": [], "error": "x.jpg is empty (copy it again)"}
