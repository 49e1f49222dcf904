"""Products that are put where a box in a gap was found, or before what stands in the second row."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from live import live_scene
from live.live_scene import PLACES, STRANGER, Film, Scene, kinds, pack

from recognition.live.engine import Engine
from recognition.live.gone import came_later
from recognition.live.items import Item
from recognition.live.rivals import something_before
from recognition.live.sighting import Sighting
from recognition.live.state import Shelf
from recognition.live.views import Look
from recognition.live.votes import Votes
from recognition.matching.surroundings import Millimetres
from recognition.types import NO_SKU, Matches, Status

SHADED, LIKE = STRANGER + 7, STRANGER + 3


@pytest.fixture(autouse=True)
def packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SHADED` is pack 7 far behind, `LIKE` one of no catalogue that is much like pack 3."""
    made = {SHADED: 60 + 0.3 * pack(7), LIKE: 0.5 * pack(3) + 0.5 * pack(STRANGER)}
    monkeypatch.setattr(live_scene, "pack", lambda sku: made[sku].astype(np.uint8) if sku in made else pack(sku))


WALL = np.random.default_rng(1).integers(60, 120, (240, 300), np.uint8)


def sighting(seconds: float, box: tuple[int, ...], grey: np.ndarray = WALL) -> Sighting:
    """One box before a camera that walks, always of the same track."""
    return Sighting(
        seconds=seconds,
        part=0,
        moving=True,
        middle=np.array([150.0, 120.0]),
        boxes=np.array([box], np.float32),
        scores=np.full(1, 0.9, np.float32),
        tracks=np.zeros(1, np.int64),
        qualities=np.full(1, 50.0),
        cut=np.zeros(1, bool),
        whole=lambda box: True,
        within=lambda boxes, reach: np.ones(len(boxes), bool),
        look=lambda box: Look.at(grey, box),
        since=lambda item, first: first,
    )


def nameless(views: int) -> Matches:
    nothing, low = np.full((views, 1), NO_SKU, np.int64), np.zeros((views, 1), np.float32)
    return Matches(np.full(views, Status.UNKNOWN, np.int8), nothing, low, low[:, 0])


def test_a_box_in_a_gap_gives_way_to_what_is_put_there_before_a_camera_that_walks() -> None:
    """Nothing rests for the second and a half after which a known product would be looked at again."""
    shelf, put = Shelf(Millimetres(lambda ids: {})), WALL.copy()
    put[60:160, 100:155] = cv2.cvtColor(pack(2), cv2.COLOR_BGR2GRAY)
    for number in range(48):
        shelf.observe(sighting(number / 10, (100, 60, 155, 160), WALL if number < 40 else put))
        shelf.conclude(nameless(len(shelf.wanted)))
        if number == 39:
            (phantom,) = shelf.present
    (item,) = shelf.items
    assert item is not phantom and item.first == pytest.approx(4.4)


@pytest.mark.parametrize(("whole", "first"), [((95, 60, 155, 160), 0.0), ((140, 60, 200, 160), 0.2)])
def test_a_product_is_as_old_as_the_part_of_it_that_was_found_first(whole: tuple[int, ...], first: float) -> None:
    """Its box grows; one that is carried elsewhere is there since it is seen there. Neither is a jump of its place."""
    shelf = Shelf(Millimetres(lambda ids: {}))
    for number, box in enumerate([(100, 60, 125, 160), (100, 60, 125, 160), whole, whole]):
        shelf.observe(sighting(number / 10, box))
        shelf.conclude(nameless(len(shelf.wanted)))
    (item,) = shelf.items
    assert item.first == pytest.approx(first) and item.jumped < 0


def test_what_has_no_name_and_is_followed_by_its_like_which_has_one_appears() -> None:
    film = Film(Scene({PLACES[0]: 1, PLACES[2]: LIKE}))
    film.session.shelf._moved = 1e9
    film.play(4.0)
    assert [kind for kind, sku in kinds(film.events) if sku != "S1"] == []
    film.scene.hand = (160, 40, 240, 240)
    film.play(0.3)
    film.scene.hand, film.scene.places[PLACES[2]], brought = None, 3, film.seconds
    (item,) = [item for item in film.session.shelf.present if item.votes.answer().sku < 0]
    item.votes, item.fresh = Votes(), True  # as if few views had been taken
    came = next(event for event in film.play(4.0) if event.sku == "S3")
    assert came.event.value == "appeared" and came.seconds == pytest.approx(brought, abs=0.5)


def test_what_gets_a_name_after_a_hand_was_before_it_was_there_before() -> None:
    film = Film(Scene({PLACES[0]: 1, PLACES[2]: 3}))
    film.session.shelf._moved = 1e9
    known = film.scene.match
    film.engine = Engine(film.scene, lambda crops, physical: known([np.zeros_like(crop) for crop in crops]))
    film.play(4.0)
    film.scene.hand = (160, 40, 240, 240)
    film.play(0.3)
    film.scene.hand, film.engine = None, Engine(film.scene, known)
    for item in film.session.shelf.present:
        item.votes, item.fresh = Votes(), True
    assert {kind for kind, sku in kinds(film.play(4.0)) if sku == "S3"} == {"recognized"}


@pytest.mark.parametrize(
    ("since", "viewed", "later"), [(4.0, 3.0, True), (2.1, 2.0, False), (5.0, 3.0, False), (4.0, 4.5, False)]
)
def test_a_name_that_comes_with_a_jump_is_that_of_another_product(since: float, viewed: float, later: bool) -> None:
    item = Item(1, 0, np.array(PLACES[0], np.float32), 2.0, Look(np.zeros((32, 32), np.float32)), False)
    item.jumped, item.nameless_at = 4.1, viewed
    assert came_later(item, since) == later


def test_a_unit_that_is_put_before_its_like_appears() -> None:
    behind, before = (140, 64, 184, 160), (146, 60, 201, 160)
    film = Film(Scene({PLACES[0]: 1, behind: SHADED}))
    film.play(3.0)
    assert ("appeared", "S7") in kinds(film.events)
    film.scene.hand = (130, 40, 210, 240)
    film.play(0.4)
    film.scene.hand, film.scene.places, brought = None, {PLACES[0]: 1, before: 7}, film.seconds
    came, named = film.play(4.0)
    assert kinds([came, named]) == [("appeared", "S7"), ("recognized", "S7")]
    assert came.seconds == pytest.approx(brought, abs=0.5)
    assert len(film.session.planogram().detections) == 2


@pytest.mark.parametrize(
    ("behind", "to", "after", "other"),
    [(True, 7, 0.3, True), (True, 5, 0.3, False), (False, 7, 0.3, False), (True, 6, 0.3, True), (True, 6, 0.1, False)],
)
def test_what_stands_behind_gives_way_to_what_looks_otherwise(behind: bool, to: int, after: float, other: bool) -> None:
    """What is much like it, as 6 is here, might be itself in a sharper picture, unless it was covered meanwhile."""
    grey = {sku: cv2.cvtColor(pack(sku), cv2.COLOR_BGR2GRAY) for sku in (5, 7)}
    grey[6] = (0.45 * grey[5] + 0.55 * grey[7]).astype(np.uint8)
    whole = np.array([10, 20, 45, 80], np.float32)
    item = Item(1, 0, whole, 0.0, Look.at(grey[5], whole), False)
    item.parallax = SimpleNamespace(behind=behind)  # type: ignore[assignment]
    seen = SimpleNamespace(seconds=after, whole=lambda box: True, look=lambda box: Look.at(grey[to], box))
    assert something_before(item, seen) == other  # type: ignore[arg-type]
