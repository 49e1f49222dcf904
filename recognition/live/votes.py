"""Many views, one answer: the evidence of each view is added up, and a changed answer needs more than the old one has.

A view speaks for its first candidate with the log-odds of its calibrated confidence, an undecided one for its first
two. That a view names nothing says little, and many such views hardly more: they are alike, and a small or blurred
pack is often not found in the catalogue. A sum fades a little with each view and is bounded, so another product wins
in the end; much faster once the place is known to look otherwise (`reconsider`). An answer stays until another one
leads it by `_LEAD`, by less among the first views, which are often cut or blurred; a SKU that was named gives way only
to what two views have said, or one that is far ahead, and to "none" only after three. Others (see neighbours.py) count
as one view more, for what the product's own views have seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from recognition.types import NO_SKU, Matches, Status

_FADES = 0.9
_RECONSIDERED = 0.2  # of the evidence that is left when the place looks otherwise
_LEAD = 0.7
_APART = 0.3  # by which the first candidate must lead to be named at first, or in the place of what a few views named
_SETTLED = 6  # views after which an answer is no longer one of the first
_VIEWS, _VIEWS_UNKNOWN = 2, 3
_FAR_AHEAD = 1.4
_LEAST, _MOST = 0.4, 4.0  # log-odds of one view
_MOST_TOGETHER = 6.0  # the same of all views
_UNKNOWN = 0.3  # what a view says for "no SKU of the catalogue"
_FIRST, _SECOND = 0.5, 0.35  # what an ambiguous view says for its candidates
_SURE = 0.75  # confidence from which on no further view is asked for
_FORGOTTEN = 0.05  # sums below are dropped


@dataclass(frozen=True)
class Answer:
    """What the views say. sku: -1 unless RECOGNIZED. candidates: first and second SKU, -1 = none. score: best cosine
    seen for the first, NaN when there is none. confidence: of the first candidate, 0..1."""

    status: Status
    sku: int
    candidates: tuple[int, int]
    score: float
    confidence: float


class Votes:
    """The evidence on one product."""

    def __init__(self) -> None:
        self._sums: dict[int, float] = {}
        self._heard: dict[int, float] = {}
        self._spoken: dict[int, int] = {}
        self._scores: dict[int, float] = {}
        self._held: int | None = None
        self._status = Status.UNKNOWN
        self._last_candidate: int | None = None
        self._answer: Answer | None = None  # as long as nothing new is said
        self.views = 0

    @property
    def latest(self) -> int:
        """The SKU that the latest view named, or `NO_SKU`."""
        return NO_SKU if self._last_candidate is None else self._last_candidate

    @property
    def contested(self) -> bool:
        """Whether the latest view spoke for something else than the answer: another view would help."""
        return self._held is not None and self._last_candidate not in (None, self._held)

    @property
    def unsure(self) -> bool:
        """Whether what was seen so far named no SKU with confidence: a first view is often a poor one."""
        return self._held is None or self._held == NO_SKU or self.answer().confidence < _SURE

    def add(self, matches: Matches, row: int, weight: float = 1.0) -> None:
        """Takes one view into account: row `row` of `matches`. weight: 0..1, less for a view known to be poor."""
        self.views, self._answer = self.views + 1, None
        self._sums = {sku: value * _FADES for sku, value in self._sums.items() if value * _FADES > _FORGOTTEN}
        status, first = Status(int(matches.status[row])), _candidate(matches, row, 0)
        sure = float(matches.confidence[row])
        for column in range(matches.skus.shape[1]):
            sku = int(matches.skus[row, column])
            if sku != NO_SKU:
                self._scores[sku] = max(self._scores.get(sku, -1.0), float(matches.scores[row, column]))
        if status is Status.RECOGNIZED:
            self._give(first, _evidence(sure, weight))
        elif status is Status.UNKNOWN:
            self._give(NO_SKU, weight * _UNKNOWN)
        else:
            self._give(first, weight * _FIRST)
            self._give(_candidate(matches, row, 1), weight * _SECOND)
        self._last_candidate = None if status is Status.AMBIGUOUS else first if status is Status.RECOGNIZED else NO_SKU
        self._decide()
        self._scores = {sku: score for sku, score in self._scores.items() if sku in self._sums or sku == self._held}
        self._spoken = {sku: views for sku, views in self._spoken.items() if sku in self._sums}

    def shares(self) -> dict[int, float]:
        """What the views say, of each SKU and of none; together 1, or nothing before the first."""
        whole = sum(self._sums.values())
        return {sku: value / whole for sku, value in self._sums.items()}

    def hear(self, said: Mapping[int, float]) -> None:
        """Takes into account what others say, in place of what they said before: log-odds of SKUs and of none."""
        self._heard, self._answer = dict(said), None
        if self._sums:
            self._decide()

    def answer(self) -> Answer:
        """What all views together say; UNKNOWN before the first."""
        if self._answer is None:
            self._answer = self._say()
        return self._answer

    def reconsider(self) -> None:
        """The place looks otherwise: what was seen before may have been another product."""
        self._sums, self._answer = {sku: value * _RECONSIDERED for sku, value in self._sums.items()}, None

    def _say(self) -> Answer:
        sums = self._together()
        named = sorted((sku for sku in sums if sku != NO_SKU), key=lambda sku: -sums[sku])
        if self._held is not None and self._held != NO_SKU:
            named = [self._held, *(sku for sku in named if sku != self._held)]
        first, second = ([*named, NO_SKU, NO_SKU])[:2]
        recognized = self._status is Status.RECOGNIZED
        return Answer(
            self._status,
            first if recognized else NO_SKU,
            (first, second),
            self._scores.get(first, float("nan")),
            self._share(first) if named else 0.0,
        )

    def _give(self, sku: int, evidence: float) -> None:
        self._sums[sku] = min(self._sums.get(sku, 0.0) + evidence, _MOST_TOGETHER)
        self._spoken[sku] = self._spoken.get(sku, 0) + 1

    def _together(self) -> dict[int, float]:
        """The evidence of the views, and of others for what these views have seen: others do not name a stranger."""
        return {sku: value + self._heard.get(sku, 0.0) for sku, value in self._sums.items()}

    def _decide(self) -> None:
        sums = self._together()
        ranked = sorted(sums, key=lambda sku: -sums[sku])
        leader = ranked[0]
        second = sums[ranked[1]] if len(ranked) > 1 else 0.0
        if self._held is not None and leader != self._held:
            settled = self._held != NO_SKU and self.views > _SETTLED
            lead = _LEAD if settled else _APART
            ahead = sums[leader] - sums.get(self._held, 0.0)
            wanted = _VIEWS_UNKNOWN if leader == NO_SKU else 1 if ahead >= _FAR_AHEAD else _VIEWS
            spoken = self._spoken[leader] + (self._heard.get(leader, 0.0) > 0)
            if ahead < lead or (self._held != NO_SKU and spoken < wanted):
                return
        elif self._held is None and leader != NO_SKU and sums[leader] - second < _APART:
            self._status = Status.AMBIGUOUS
            return
        self._held = leader
        self._status = Status.UNKNOWN if leader == NO_SKU else Status.RECOGNIZED

    def _share(self, sku: int) -> float:
        """Softmax of the sums, against each other and against no evidence at all."""
        sums = self._together()
        values = np.array([sums.get(sku, 0.0), 0.0, *(v for other, v in sums.items() if other != sku)])
        weights = np.exp(values - values.max())
        return float(weights[0] / weights.sum())


def _candidate(matches: Matches, row: int, column: int) -> int:
    return int(matches.skus[row, column]) if matches.skus.shape[1] > column else NO_SKU


def log_odds(probability: float) -> float:
    """Of a probability, finite for 0 and 1 too."""
    sure = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(sure / (1 - sure)))


def _evidence(probability: float, weight: float) -> float:
    return float(np.clip(weight * log_odds(probability), _LEAST, _MOST))
