"""A comparison of encoders for people: one table, and a sentence for each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recognition.evaluation.compare_report import ComparisonReport, EncoderReport, PairReport
from recognition.evaluation.statistics import Estimate

VIEWS_NOTE = (
    "The queries are made views of the references, not photos: they rank encoders, and promise no recall in a store."
)
INDEX_NOTE = (
    "An encoder that answers at random has a brand fairness near 1: read it only beside recall@1 of head, middle and "
    "tail brands."
)


@dataclass(frozen=True)
class Row:
    """A figure of every encoder. better: 1 = more, -1 = less, 0 = says nothing of which is better."""

    title: str
    values: tuple[Estimate | float, ...]
    digits: int
    better: int

    @property
    def cells(self) -> list[str]:
        """As text, with the interval where there is one."""
        return [_cell(value, self.digits) for value in self.values]

    @property
    def best(self) -> list[bool]:
        """Which encoders have the best value, none where they are all alike."""
        values = np.array([value.value if isinstance(value, Estimate) else value for value in self.values], float)
        if not self.better or not np.isfinite(values).any() or np.nanmin(values) == np.nanmax(values):
            return [False] * len(values)
        return list(values == np.nanmax(self.better * values) * self.better)


def rows(report: ComparisonReport) -> Iterator[Row]:
    """The table: a row per figure, a column per encoder."""
    bands = f"head ({report.head_queries})", f"middle ({report.middle_queries})", f"tail ({report.tail_queries})"
    batch = f"ms per image, batch of {report.batch}"
    by_chance = f"n {report.fairness_n:,}, by chance {report.fairness_random:.3f}" if report.fairness_n else "n 0"

    def row(title: str, get: Callable[[EncoderReport], Estimate | float], digits: int, better: int) -> Row:
        return Row(title, tuple(get(encoder) for encoder in report.encoders), digits, better)

    yield row("recall@1", lambda e: e.recall_at_1, 3, 1)
    yield row("recall@5", lambda e: e.recall_at_5, 3, 1)
    yield row("recall@10", lambda e: e.recall_at_10, 3, 1)
    yield row(f"recall@1, {bands[0]}", lambda e: e.recall_at_1_head, 3, 1)
    yield row(f"recall@1, {bands[1]}", lambda e: e.recall_at_1_middle, 3, 1)
    yield row(f"recall@1, {bands[2]}", lambda e: e.recall_at_1_tail, 3, 1)
    yield row("wrong to ten largest brands", lambda e: e.wrong_to_largest, 3, 0)
    yield row(f"brand fairness ({by_chance})", lambda e: e.brand_fairness, 3, 0)
    yield row("silhouette by category", lambda e: e.silhouette, 3, 1)
    yield row("ms per image, single, P50", lambda e: e.single_p50_ms, 1, -1)
    yield row("ms per image, single, P95", lambda e: e.single_p95_ms, 1, -1)
    yield row(f"{batch}, P50", lambda e: e.batch_p50_ms, 1, -1)
    yield row(f"{batch}, P95", lambda e: e.batch_p95_ms, 1, -1)
    yield row("MB of weights", lambda e: e.weights_mb, 1, -1)
    yield row("bytes of vectors per SKU", lambda e: e.vector_bytes_per_sku, 0, -1)


def as_text(report: ComparisonReport) -> str:
    """Table, notes and sentences, for a terminal."""
    table = [["", *(encoder.name for encoder in report.encoders)]]
    table += [[row.title, *row.cells] for row in rows(report)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return "\n".join([heading(report), "", *lines, "", *report.notes, *map(sentence, report.pairs)])


def heading(report: ComparisonReport) -> str:
    """What was compared on what."""
    return (
        f"{report.references} references of {report.skus} SKUs, {report.brands} brands, {report.categories} "
        f"categories; {report.queries} queries, {report.queries_are}"
    )


def sentence(pair: PairReport) -> str:
    """What is known of the second encoder against the first, on the same queries."""
    found = pair.recall_at_1_difference
    verdict = "no difference can be told"
    if found.low > 0 or found.high < 0:
        verdict = "better" if found.low > 0 else "worse"
    words = [
        f"{pair.second} against {pair.first}: recall@1 {_signed(found)}, {verdict}",
        f"{pair.gained} queries gained, {pair.lost} lost",
    ]
    if np.isfinite(pair.tail_difference.value):
        words.append(f"tail brands {_signed(pair.tail_difference)}")
    words.append(
        f"{pair.time_ratio:.2f} times the time per image, {pair.vector_ratio:.2f} times the length of the vector"
    )
    return "; ".join(words) + "."


def _signed(found: Estimate) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _cell(value: Estimate | float, digits: int) -> str:
    if not isinstance(value, Estimate):
        return f"{value:,.{digits}f}" if np.isfinite(value) else "-"
    if not np.isfinite(value.value):
        return "-"
    return f"{value.value:.{digits}f} ({value.low:.2f} to {value.high:.2f})"
