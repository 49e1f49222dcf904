"""What of a long shelf a frame is about, and what a camera that comes back finds."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.live.items import Phase
from recognition.live.sighting import Sighting
from recognition.live.state import Shelf
from recognition.live.views import Look
from recognition.matching.surroundings import Millimetres
from recognition.types import Matches, Status

WIDTH, PITCH, COUNT = 400, 50, 60
PACKS = np.array([(PITCH * i, 50, PITCH * i + 40, 150) for i in range(COUNT)], np.float32)
END = PITCH * COUNT - WIDTH
SHELF = np.random.default_rng(3).integers(40, 220, (200, PITCH * COUNT), np.uint8)


class Walk:
    """A camera that sees `WIDTH` pixels of a long shelf, every pack of another SKU; `taken` stand there no more."""

    def __init__(self) -> None:
        self.shelf, self.grey, self.taken, self.seconds = Shelf(Millimetres(lambda ids: {})), SHELF.copy(), set(), 0.0
        self.news: list[tuple[str, int]] = []

    def look(self, x: int) -> None:
        """Shows the stretch that begins at x."""
        seen = [i for i, box in enumerate(PACKS) if box[0] >= x and box[2] <= x + WIDTH and i not in self.taken]
        self.shelf.observe(
            Sighting(
                seconds=self.seconds,
                part=0,
                moving=True,
                middle=np.array([x + WIDTH / 2, 100.0]),
                boxes=PACKS[seen],
                scores=np.full(len(seen), 0.9, np.float32),
                tracks=np.array(seen, np.int64),
                qualities=np.full(len(seen), 50.0),
                cut=np.zeros(len(seen), bool),
                whole=lambda box: bool(box[0] >= x and box[2] <= x + WIDTH),
                within=lambda boxes, reach: (boxes[:, 2] > x - reach * WIDTH) & (boxes[:, 0] < x + (1 + reach) * WIDTH),
                look=lambda box: Look.at(self.grey, box),
                since=lambda item, first: first,
            )
        )
        skus = np.array([[seen[item.row], -1] for item in self.shelf.wanted], np.int64).reshape(-1, 2)
        sure = np.full(len(skus), 0.9, np.float32)
        status = np.full(len(skus), Status.RECOGNIZED, np.int8)
        news = self.shelf.conclude(Matches(status, skus, np.stack([sure, -sure], axis=1), sure))
        self.news += [(one.kind.value, one.item.votes.answer().sku) for one in news]
        self.seconds += 0.1

    def go(self, start: int, end: int) -> None:
        """Walks along a stretch, from rest to rest."""
        for x in [start] * 30 + list(range(start, end, 20 if end > start else -20)) + [end] * 30:
            self.look(x)

    def take(self, pack: int) -> None:
        """Empties a place."""
        self.taken.add(pack)
        x = PITCH * pack
        self.grey[40:160, x : x + 40] = 20


@pytest.fixture
def walk() -> Walk:
    """A walk from one end of the shelf to the other."""
    made = Walk()
    made.go(0, END)
    return made


def test_a_frame_at_the_end_of_a_walk_is_about_what_stands_there(walk: Walk) -> None:
    assert {item.votes.answer().sku for item in walk.shelf.present} == set(range(COUNT))
    assert len(walk.shelf.near) <= 2 * WIDTH / PITCH


def test_what_was_told_at_the_start_stays_and_is_known_again(walk: Walk) -> None:
    assert sorted(walk.news) == sorted((kind, sku) for kind in ("appeared", "recognized") for sku in range(COUNT))
    walk.news.clear()
    walk.go(END, 0)
    assert walk.news == []


def test_a_place_that_the_camera_left_is_looked_at_anew_when_it_comes_back(walk: Walk) -> None:
    """It was empty for a moment before: that is no reason to tell of a take in the first frame."""
    walk.go(END, 0)
    walk.take(3)
    walk.look(0)
    (item,) = [item for item in walk.shelf.present if item.votes.answer().sku == 3]
    assert item.vanished is not None
    for _ in range(30):
        walk.look(2000)
    assert item.vanished is None
    walk.look(0)
    assert item.phase is Phase.PRESENT
    for _ in range(30):
        walk.look(0)
    assert item.phase is Phase.GONE and walk.news[-1] == ("disappeared", 3)
