"""What a stream made of a rendered film, against the film's exact truth: products, identities, events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import iou_matrix
from recognition.live.items import Phase
from recognition.live.session import Session
from recognition.outputs.live_events import Event, EventKind
from recognition.shelves.places import moved
from recognition.training.render.walk import Film
from recognition.training.render.walk_view import VisibleProduct, WalkEvent
from recognition.types import NO_SKU, Frame

WITHIN_S = 1.0
"""How far an event may be from the truth, and how late a product may appear that is shown for the first time."""
_SAME_PLACE, _SAME_PRODUCT = 0.4, 0.5
_WHOLE, _SHOWN = 0.9, 0.5
_ANSWERS = {"taken": {EventKind.DISAPPEARED}, "restocked": {EventKind.APPEARED, EventKind.RESTOCKED}}

Boxes = NDArray[np.float32]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, eq=False)
class FilmTruth:
    """products: what each frame shows. homographies: pixels of the panorama to those of each frame. seconds: of each
    frame. size: width, height of a frame. places: box of each instance, pixels of the panorama. facings: at the end, by
    shelf and SKU, of products of which a frame has shown half. standing: these, those of no catalogue too."""

    products: Sequence[Sequence[VisibleProduct]]
    homographies: Sequence[NDArray[np.float64]]
    seconds: Sequence[float]
    size: tuple[int, int]
    places: dict[int, Boxes]
    events: Sequence[WalkEvent]
    facings: Counter[tuple[int, str]]
    standing: int

    @classmethod
    def of(cls, film: Film, path: Path) -> FilmTruth:
        """Of a film that `write_film` wrote to `path`."""
        frames = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["frames"]
        products = [[VisibleProduct(tuple(p[:4]), p[4], p[5], p[6]) for p in frame["products"]] for frame in frames]
        shown = {p.instance for frame in products for p in frame if p.visible >= _SHOWN} - film.absent(float("inf"))
        shelf = film.panorama.truth(frozenset(i.number for i in film.panorama.instances) - shown)
        facings: Counter[tuple[int, str]] = Counter()
        for place in shelf.places:
            if place.sku:
                facings[place.shelf, place.sku] += place.facings_wide * place.facings_high
        return cls(
            products,
            [np.array(frame["homography"], np.float64) for frame in frames],
            [frame["seconds"] for frame in frames],
            (film.style.width, film.style.height),
            {i.number: np.array(i.box, np.float32) for i in film.panorama.instances},
            film.events, facings, len(shelf.products),
        )  # fmt: skip

    def shown_since(self, box: Boxes, instance: int | None) -> float:
        """When the film first showed an instance whole, or, of no instance, the middle of a box; inf if never."""
        for seconds, products, homography in zip(self.seconds, self.products, self.homographies, strict=True):
            if instance is not None and any(p.instance == instance and p.visible >= _WHOLE for p in products):
                return seconds
            if instance is None and _inside(moved(box[None], homography)[0], self.size):
                return seconds
        return float("inf")

    def instance_at(self, box: Boxes) -> int | None:
        """The instance whose place a box of the panorama is."""
        numbers = list(self.places)
        overlap = iou_matrix(box[None], np.stack([self.places[n] for n in numbers]))[0]
        best = int(overlap.argmax())
        return numbers[best] if overlap[best] >= _SAME_PLACE else None


@dataclass(frozen=True)
class Claim:
    """An event, its place told in the panorama. wrong: why it answers to nothing, "" if it is right."""

    event: EventKind
    seconds: float
    instance: int | None
    sku: str
    wrong: str = ""


@dataclass(frozen=True)
class StreamScore:
    """standing, given: products on the shelf at the end, of the truth and ours. facings_f1: of facing counts by shelf
    and SKU; counts_f1: by SKU alone. instances: that were followed; switches: times one changed its number. wanted:
    events of the truth; claimed: events of ours, those of products shown for the first time left out; right: claims
    that meet one within a second; named: those of them with the right SKU. missed, wrong: in words."""

    standing: int
    given: int
    facings_f1: float
    counts_f1: float
    instances: int
    switches: int
    wanted: int
    claimed: int
    right: int
    named: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]


class Watch:
    """Looks over a session's shoulder. Call `look` after each step, `score` at the end."""

    def __init__(self, truth: FilmTruth, session: Session) -> None:
        self.truth, self.session = truth, session
        self.claims: list[Claim] = []
        self.switches = 0
        self._numbers: dict[int, int] = {}
        self._processed = 0

    def look(self, frame: Frame, events: Sequence[Event]) -> None:
        """Takes in what a frame led to."""
        back = np.asarray(np.linalg.inv(self.truth.homographies[frame.index]), np.float64)
        for event in events:
            if event.box is not None and event.event is not EventKind.RECOGNIZED:
                box = moved(self.session.in_picture(np.array([event.box], np.float32)), back)[0]
                self._claim(event, box)
        if self.session.processed > self._processed:
            self._processed = self.session.processed
            self._follow(self.truth.products[frame.index])

    def score(self) -> StreamScore:
        """What all frames came to."""
        shelf = self.session.planogram()
        facings: Counter[tuple[int, str]] = Counter()
        for slot in shelf.layout.slots if shelf is not None else ():
            if shelf is not None and slot.sku != NO_SKU:
                facings[slot.shelf, shelf.skus[slot.sku].sku] += len(slot.members)
        wanted = self.truth.facings
        right = [claim for claim in self.claims if not claim.wrong]
        met = [(true, self._met(true)) for true in self.truth.events]
        wrong = [claim for claim in self.claims if claim.wrong]
        return StreamScore(
            standing=self.truth.standing,
            given=0 if shelf is None else len(shelf.detections),
            facings_f1=_f1(wanted, facings),
            counts_f1=_f1(_by_sku(wanted), _by_sku(facings)),
            instances=len(self._numbers),
            switches=self.switches,
            wanted=len(met),
            claimed=len(self.claims),
            right=len(right),
            named=sum(claim is not None and claim.sku == true.sku for true, claim in met),
            missed=tuple(f"{true.kind} {true.sku} at {true.seconds:.2f}" for true, claim in met if claim is None),
            wrong=tuple(f"{c.event} {c.sku or 'unknown'} at {c.seconds:.2f}: {c.wrong}" for c in wrong),
        )

    def _claim(self, event: Event, box: Boxes) -> None:
        instance = self.truth.instance_at(box)
        claim = Claim(event.event, event.seconds, instance, event.sku)
        if any(_answers(claim, true) and not self._met(true) for true in self.truth.events):
            self.claims.append(claim)
            return
        since = self.truth.shown_since(box, instance)
        if event.event is EventKind.APPEARED and event.seconds <= since + WITHIN_S:
            return  # shown for the first time
        where = f"instance {instance}" if instance is not None else "no product"
        self.claims.append(Claim(event.event, event.seconds, instance, event.sku, f"{where}, shown since {since:.2f}"))

    def _met(self, true: WalkEvent) -> Claim | None:
        return next((c for c in self.claims if not c.wrong and _answers(c, true)), None)

    def _follow(self, products: Sequence[VisibleProduct]) -> None:
        """Which item stands for which instance, and whether it is the same as before."""
        shown = [p for p in products if p.visible >= _WHOLE]
        items = [i for i in self.session.shelf.items if i.row >= 0 and i.phase is Phase.PRESENT]
        if not shown or not items:
            return
        ours = self.session.in_picture(np.stack([item.box for item in items]))
        overlap = iou_matrix(np.array([p.box for p in shown], np.float32), ours)
        for row, product in enumerate(shown):
            best = int(overlap[row].argmax())
            if overlap[row, best] >= _SAME_PRODUCT:
                number = items[best].number
                self.switches += self._numbers.get(product.instance, number) != number
                self._numbers[product.instance] = number


def _answers(claim: Claim, true: WalkEvent) -> bool:
    near = abs(claim.seconds - true.seconds) <= WITHIN_S and claim.instance == true.instance
    return near and claim.event in _ANSWERS[true.kind]


def _by_sku(facings: Counter[tuple[int, str]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (_, sku), count in facings.items():
        counts[sku] += count
    return counts


def _f1(one: Counter[Key], other: Counter[Key]) -> float:
    return 2 * (one & other).total() / max(one.total() + other.total(), 1)


def _inside(box: Boxes, size: tuple[int, int]) -> bool:
    middle = (box[:2] + box[2:]) / 2
    return bool((middle > 0).all() and (middle < np.array(size)).all())
