"""One product in its place: what is remembered of it from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from recognition.live.tracking import UNTRACKED
from recognition.live.views import Look, better
from recognition.live.votes import Answer, Votes

Box = NDArray[np.float32]

CUT_S = 3.0
"""Seconds for which a candidate at the border of the picture is waited for: a camera that moves shows the rest soon."""

_RETRIES = 3  # further views of a product whose answer is contested or unsure
_APART_S = 0.3  # seconds between two views of one product


class Phase(Enum):
    """CANDIDATE: seen, not yet believed. PRESENT: on the shelf. GONE: its place was seen without it."""

    CANDIDATE = 0
    PRESENT = 1
    GONE = 2


@dataclass(eq=False)
class Item:
    """A product, and its place in shelf coordinates.

    number: from 1 in its source. part: the stretch of shelf whose coordinates its boxes have. home: where it stands;
    box: where it was seen last; rest: where it came to rest outside its place; anchor: the place last told. first,
    last: seconds of its first and latest sighting, or of when its place still looked the same; sighted: of the latest
    box. look: the place when the product was known to stand there; glance: the place in the latest frame; steady_since:
    since when glances agree. empty_since, odd_since: since when the place looks as if the product were gone, or were
    another one. row: of the current frame.
    seen, chances: frames in which it was found, and, of a candidate, in which it might have been.
    best: quality of the best view that was embedded. told: the answer last told.
    """

    number: int
    part: int
    home: Box
    first: float
    look: Look
    cut: bool
    last: float = 0.0
    sighted: float = 0.0
    phase: Phase = Phase.CANDIDATE
    track: int = UNTRACKED
    seen: int = 1
    chances: int = 1
    row: int = -1
    votes: Votes = field(default_factory=Votes)
    told: Answer | None = None
    best: float = 0.0
    embedded_at: float = -1e9
    retries: int = 0
    fresh: bool = True
    empty_since: float | None = None
    odd_since: float | None = None
    away_since: float | None = None

    def __post_init__(self) -> None:
        self.last = self.sighted = self.first
        self.box, self.anchor, self.rest = self.home.copy(), self.home.copy(), self.home.copy()
        self.glance, self.steady_since = self.look, self.first

    @property
    def restless(self) -> bool:
        """Whether the next frames are needed to decide something."""
        undecided = (self.empty_since, self.odd_since, self.away_since) != (None, None, None)
        retry = self._doubted and self.retries < _RETRIES
        return self.phase is Phase.CANDIDATE or (self.phase is Phase.PRESENT and (undecided or retry or self.fresh))

    @property
    def steadily_seen(self) -> bool:
        """Whether a candidate was found in at least half of the frames since it was found first."""
        return self.seen > 1 and 2 * self.seen >= self.chances

    @property
    def _doubted(self) -> bool:
        return self.votes.contested or (self.votes.views > 0 and self.votes.unsure)

    def take_glance(self, look: Look, now: float) -> float:
        """Notes how the place looks now; for how many seconds it has looked like that."""
        if not look.steady(self.glance):
            self.steady_since = now
        self.glance = look
        return now - self.steady_since

    def renew(self) -> None:
        """What stands here may be another product, or is seen in another place: its best view is to be made anew."""
        self.fresh, self.best, self.retries, self.look = True, 0.0, 0, self.glance
        self.odd_since = None

    def wants_view(self, quality: float, now: float) -> bool:
        """Whether this frame's view is worth embedding: it is new, its place changed, the view is clearly better, or
        the answer is in doubt."""
        if self.seen < 2 or (self.cut and now - self.first < CUT_S / 2):
            return False
        if now - self.embedded_at < _APART_S:
            return self.fresh
        if self.fresh or better(quality, self.best):
            return True
        return self._doubted and self.retries < _RETRIES

    def viewed(self, quality: float, now: float) -> None:
        """Notes that this frame's view is embedded."""
        self.retries = 0 if self.fresh else self.retries + self._doubted
        self.fresh, self.best, self.embedded_at = False, max(self.best, quality), now
