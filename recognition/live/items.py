"""One product in its place: what is remembered of it from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from recognition.live.parallax import Parallax
from recognition.live.tracking import UNTRACKED
from recognition.live.views import Look, better
from recognition.live.votes import Answer, Votes, log_odds
from recognition.types import NO_SKU, Matches, Status

Box = NDArray[np.float32]

_APPEAR_S = 0.4  # seconds for which a candidate is waited for
_CUT_S, _CUT_NAMED_S = 3.0, 0.8  # the same at the border of the picture: a camera that moves shows the rest soon
_UNSURE_S = 3.0  # for which a still picture is looked at again and again to be sure of a product
_CUT_SURE = 0.6  # confidence of a SKU of which a cut view is enough

_RETRIES = 7  # further views of a product whose answer is contested or unsure
_APART_S = 0.3  # seconds between two views of one product
_MOST_EVIDENCE, _MOST_AGAINST, _MOST_NAMED = 10.0, 2.0, 2.0
_MISTAKEN = -1.0  # log-odds of what was believed, and was no product
_LEAST_SCORE = 0.4  # of the detector, below which it shows nothing


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
    box. look: the place when the product was known to stand there; glance, before: the place in the latest frame, and
    in the one before; steady_since: since when glances agree. empty_since, odd_since: since when the place looks as if
    the product were gone, or were another one, and nothing moves there. vanished: when it first looked so, somebody in
    front or not; calm_since: since when it has looked as it did above and below. row: of the current frame. seen:
    frames in which it was found. score: of the detector, mean over these. evidence: log-odds that there is a product;
    each box speaks for it, each frame that should have one and has none against it. proven: whether there once was
    enough of it for events, and a name; sure: whether events are told of it. renewed: since when the place looks
    otherwise than when the answer was told. jumped: when its look changed within two frames; alike: when it last looked
    as it should. parallax: what a moving camera tells of its depth. nameless_at: of the latest view after which it had
    no name. best: quality of the best view that was embedded. told: the answer last told.
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
    score: float = 0.0
    evidence: float = 0.0
    proven: bool = False
    sure: bool = False
    renewed: float | None = None
    jumped: float = -1e9
    alike: float = -1e9
    row: int = -1
    votes: Votes = field(default_factory=Votes)
    parallax: Parallax = field(default_factory=Parallax)
    told: Answer | None = None
    best: float = 0.0
    embedded_at: float = -1e9
    nameless_at: float = -1e9
    retries: int = 0
    fresh: bool = True
    empty_since: float | None = None
    vanished: float | None = None
    calm_since: float | None = None
    odd_since: float | None = None
    away_since: float | None = None

    def __post_init__(self) -> None:
        self.last = self.sighted = self.first
        self.box, self.anchor, self.rest = self.home.copy(), self.home.copy(), self.home.copy()
        self.before = self.glance = self.look
        self.steady_since = self.first

    @property
    def certain(self) -> bool:
        """Whether there once was enough evidence that it is a product for events to tell of it."""
        return self.sure or self.proven

    @property
    def nameless(self) -> bool:
        """Whether its views name no SKU."""
        return self.votes.answer().sku == NO_SKU

    @property
    def told_sku(self) -> int:
        """The SKU that was told last, or `NO_SKU`."""
        return NO_SKU if self.told is None else self.told.sku

    @property
    def mistaken(self) -> bool:
        """Whether it was no product: a few boxes in a gap between products, say, that did not come back."""
        return not self.certain and self.belief <= _MISTAKEN and self.nameless

    @property
    def restless(self) -> bool:
        """Whether the next frames are needed to decide something."""
        undecided = (self.empty_since, self.odd_since, self.away_since) != (None, None, None)
        retry = self._doubted and self.retries < _RETRIES
        unsure = not self.sure and self.last - self.first < _UNSURE_S
        waiting = undecided or retry or self.fresh or unsure
        return self.phase is Phase.CANDIDATE or (self.phase is Phase.PRESENT and waiting)

    def found(self, score: float, weight: float) -> None:
        """A box of the detector for it. weight: of this frame, 0..1."""
        self.score += (score - self.score) / self.seen
        self.evidence = min(self.evidence + weight * _speaks(score), _MOST_EVIDENCE)

    def overlooked(self, weight: float) -> None:
        """No box for it where there should be one: the surer the detector was before, the more this says."""
        self.evidence = max(self.evidence - weight * _speaks(self.score), -_MOST_AGAINST)

    @property
    def belief(self) -> float:
        """Log-odds that there is a product: what detector and matching say together."""
        answer = self.votes.answer()
        named = log_odds(answer.confidence) if answer.status is Status.RECOGNIZED else 0.0
        return self.evidence + min(max(named, 0.0), _MOST_NAMED)

    def old_enough(self, now: float) -> bool:
        """Whether a candidate was waited for: one that the border cuts until the rest of it should have been seen."""
        if not self.cut:
            return now - self.first >= _APPEAR_S
        named = self.votes.answer().confidence >= _CUT_SURE and not self.nameless
        return now - self.first >= (_CUT_NAMED_S if named else _CUT_S)

    @property
    def _doubted(self) -> bool:
        return self.votes.contested or (self.votes.views > 0 and self.votes.unsure)

    def take_glance(self, look: Look, now: float) -> float:
        """Notes how the place looks now; for how many seconds it has looked like that."""
        if not look.steady(self.glance):
            self.steady_since = now
        if look.jumped(self.glance) or look.jumped(self.before):  # a hand takes a frame or two
            self.jumped = now
        if look.same_place(self.look):
            self.alike = now
        self.before, self.glance = self.glance, look
        return now - self.steady_since

    def take_surroundings(self, now: float) -> float:
        """Notes whether it looks as it did above and below the place; for how many seconds it has done so."""
        if not self.glance.same_around(self.look):
            self.calm_since = None
            return 0.0
        self.calm_since = now if self.calm_since is None else self.calm_since
        return now - self.calm_since

    def stand(self, first: float, look: Look) -> None:
        """A candidate that is followed elsewhere: its place is where its box is now, and did not jump."""
        self.home, self.anchor, self.first = self.box, self.box, first
        self.look = self.glance = self.before = look

    @property
    def abrupt(self) -> bool:
        """Whether its place came to look otherwise from one frame to the next, as it does when a product goes."""
        return self.jumped > self.alike

    def behind_hand(self, now: float) -> bool:
        """Whether its place may show a hand, not it: what was named has jumped now, what has no name since."""
        return self.abrupt if self.nameless else self.proven and self.jumped == now

    def drift(self) -> None:
        """The place looks otherwise, little by little: its box trembles, or the light changes."""
        self.look, self.odd_since = self.glance, None

    def renew(self) -> None:
        """What stands here may be another product, or is seen in another place: its best view is to be made anew."""
        self.renewed = self.odd_since
        self.fresh, self.best, self.retries, self.look = True, 0.0, 0, self.glance
        self.odd_since = None
        self.votes.reconsider()

    def wants_view(self, quality: float, now: float) -> bool:
        """Whether this frame's view is worth embedding: it is new, its place changed, the view is clearly better, or
        the answer is in doubt."""
        if self.seen < 2 or (self.cut and now - self.first < _CUT_NAMED_S / 2):
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

    def answered(self, matches: Matches, row: int, now: float) -> None:
        """Takes the answer to its view into account: row `row` of `matches`."""
        self.votes.add(matches, row, weight=0.5 if self.cut else 1.0)
        if self.nameless:
            self.nameless_at = now


def _speaks(score: float) -> float:
    """Log-odds that a box of this score adds: sure boxes come back in every frame, unsure ones in every other."""
    return float(np.clip(4 * (score - _LEAST_SCORE) + 0.4, 0.4, 2.0))
