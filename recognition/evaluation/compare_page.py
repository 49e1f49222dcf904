"""The page of `compare-encoders`: table, sentences, a map of each embedding space, worst cases of each encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.evaluation.compare_measure import Contest, Entry
from recognition.evaluation.compare_report import ComparisonReport
from recognition.evaluation.compare_text import heading, rows, sentence
from recognition.evaluation.embedding_map import principal_plane
from recognition.evaluation.fairness import Fairness, Names
from recognition.evaluation.page import INDEX, REPORT, Case, Picture, as_json, open_page, render, save_cases
from recognition.outputs.files import replace_file

CASES_EACH = 10
MOST_POINTS = 2000
MOST_GROUPS = 30
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c564b", "#b8a900", "#17a2a2")
"""Of the ten largest groups, the first six told apart by people who confuse red and green (Okabe and Ito 2008)."""
OTHER = "#c3c8ce"


@dataclass(frozen=True)
class Dot:
    """A reference on a map. category, brand: place among the colours, -1 for none of the ten largest."""

    x: str
    y: str
    title: str
    category: int
    brand: int


@dataclass(frozen=True)
class Map:
    """The space of one encoder. explained: share of the variance that the plane shows."""

    name: str
    explained: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class GroupRow:
    """Brand fairness of one category or merchant, an index per encoder."""

    name: str
    n: int
    brands: int
    random: float
    indexes: tuple[float, ...]


def write_comparison(folder: Path, report: ComparisonReport, contest: Contest, entries: Sequence[Entry]) -> None:
    """Writes the folder: index.html, report.json and pictures/; an earlier page is replaced.

    Raises:
        UsageError: the folder holds something else. OutputError: it cannot be written.
    """
    open_page(folder)
    cases = [
        (entry.contestant.name, save_cases(folder, _worst(contest, entry, entries), 1 + CASES_EACH * place))
        for place, entry in enumerate(entries)
    ]
    category, brand = (_coloured(contest.gallery.texts(column)) for column in ("category", "brand"))
    groups = {
        "category": _group_rows([encoder.by_category for encoder in report.encoders]),
        contest.merchant or "merchant": _group_rows([encoder.by_merchant for encoder in report.encoders]),
    }
    html = render(
        "comparison.html",
        report=report,
        heading=heading(report),
        table=list(rows(report)),
        sentences=[sentence(pair) for pair in report.pairs],
        groups={name: table for name, table in groups.items() if table},
        maps=_maps(contest, entries, category, brand),
        legends={"category": _legend(category), "brand": _legend(brand)},
        colours=list(enumerate(COLOURS)),
        other=OTHER,
        cases=cases,
    )
    replace_file(folder / INDEX, html)
    replace_file(folder / REPORT, as_json(report.as_dict()))


@dataclass(frozen=True, eq=False)
class _Coloured:
    """names: of the largest groups. of: (n,) place of each row's group among them, -1 for others. others: how many."""

    names: tuple[str, ...]
    of: NDArray[np.int64]
    others: int


def _coloured(texts: Sequence[str]) -> _Coloured:
    found = Names.number(texts)
    counts = np.bincount(found.of[found.of >= 0], minlength=len(found.names))
    largest = np.argsort(-counts, kind="stable")[: len(COLOURS)]
    place = np.full(len(found.names) + 1, -1, np.int64)  # the last: of rows without a group
    place[largest] = np.arange(len(largest))
    of = place[found.of]
    return _Coloured(tuple(found.names[i] for i in largest), of, int((of < 0).sum()))


def _legend(coloured: _Coloured) -> list[tuple[str, str]]:
    """Colour and name."""
    named = list(zip(COLOURS, coloured.names, strict=False))
    return [*named, (OTHER, f"others ({coloured.others})")] if coloured.others else named


def _maps(contest: Contest, entries: Sequence[Entry], category: _Coloured, brand: _Coloured) -> list[Map]:
    facts = contest.gallery.facts
    chosen = np.sort(np.random.default_rng(0).permutation(len(facts))[:MOST_POINTS])
    maps = []
    for entry in entries:
        plane = principal_plane(entry.references[chosen])
        dots = tuple(
            Dot(
                f"{x:.3f}", f"{-y:.3f}", " · ".join(filter(None, (sku.sku, sku.name, sku.brand, sku.category))),
                int(category.of[row]), int(brand.of[row]),
            )
            for row, sku, (x, y) in zip(chosen, (facts[i] for i in chosen), plane.points, strict=True)
        )  # fmt: skip
        maps.append(Map(entry.contestant.name, plane.explained, dots))
    return maps


def _group_rows(tables: Sequence[Mapping[str, Fairness]]) -> list[GroupRow]:
    """The groups with the most answers first. tables: of each encoder."""
    made = [
        GroupRow(name, found.n, found.brands, found.random, tuple(table[name].index for table in tables))
        for name, found in tables[0].items()
    ]
    return sorted(made, key=lambda row: -row.n)[:MOST_GROUPS]


def _worst(contest: Contest, entry: Entry, entries: Sequence[Entry]) -> list[Case]:
    """Wrong answers, the surest first."""
    wrong = np.flatnonzero(~entry.right)
    order = wrong[np.argsort(-entry.nearest.scores[wrong, 0], kind="stable")][:CASES_EACH]
    return [_case(contest, entry, entries, i) for i in order.tolist()]


def _case(contest: Contest, entry: Entry, entries: Sequence[Entry], i: int) -> Case:
    query, shots = contest.queries[i], contest.gallery.shots
    answer = shots[int(entry.nearest.rows[i, 0])]
    place = np.flatnonzero(entry.nearest.skus[i] == entry.own[i])
    right = shots[int(entry.nearest.rows[i, place[0]])] if len(place) else next(s for s in shots if s.sku == query.sku)
    rank = f"score {entry.nearest.scores[i, place[0]]:.3f}, rank {place[0] + 1}" if len(place) else "not among ten"
    others = [other.contestant.name for other in entries if other.right[i]]
    return Case(
        f"{query.sku}, taken for {answer.sku}",
        f"named rightly by {', '.join(others)}" if others else "named rightly by none of the encoders",
        [
            Picture(query.read(), f"query: {query.sku}, {query.name}"),
            Picture(answer.read(), f"answer: {answer.sku}, score {entry.nearest.scores[i, 0]:.3f}", "wrong"),
            Picture(right.read(), f"right: {right.sku}, {rank}", "right"),
        ],
    )
