"""Packs on top of each other that the detector takes for one: the shelf holds each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from live.live_scene import STRANGER, Film, Scene, kinds

from recognition.live.items import Item
from recognition.live.stacks import Stacks, levels
from recognition.live.views import Look
from recognition.shelves.keyframes import Joined
from recognition.types import Detections, Matches, Status

Place = tuple[int, int, int, int]
BESIDE: Place = (150, 60, 205, 160)
LOOK = Look.at(np.zeros((300, 300), np.uint8), np.array([20, 40, 60, 160], np.float32))
BOX = np.array([20, 40, 60, 160], np.float32)
UPPER, LOWER = [20, 40, 60, 100], [20, 100, 60, 160]


def stack(high: int) -> list[Place]:
    """Packs of 55 by 45 pixels on top of each other, from the top."""
    return [(40, 25 + 45 * level, 95, 70 + 45 * level) for level in range(high)]


def film_of(skus: Sequence[int], *, seconds: float = 3) -> Film:
    """A stack that the detector always takes for one product, and another pack beside it."""
    places = stack(len(skus))
    film = Film(Scene({**dict(zip(places, skus, strict=True)), BESIDE: 9}, merged=[tuple(places)]))
    film.play(seconds)
    return film


def shelf(film: Film) -> list[tuple[Place, int]]:
    """What stands in the stack's place, from the top: box and SKU."""
    result = film.session.picture()
    assert result is not None
    boxes = np.round(result.detections.xyxy).astype(int).tolist()
    found = zip(map(tuple, boxes), result.matches.decided.tolist(), strict=True)
    return sorted(one for one in found if one[0] != BESIDE)


@pytest.mark.parametrize("skus", [(3, 3), (3, 3, 3), (3, 4)])
def test_a_box_that_holds_a_stack_becomes_the_packs_in_it(skus: tuple[int, ...]) -> None:
    film = film_of(skus)
    assert shelf(film) == list(zip(stack(len(skus)), skus, strict=True))
    told = sorted(kinds(film.events))
    assert told == sorted([(kind, f"S{n}") for kind in ("appeared", "recognized") for n in (9, *skus)])
    assert all(event.seconds < 1 for event in film.events if event.event.value == "appeared")
    assert film.play(30) == []


def test_one_pack_of_a_stack_is_taken_and_told() -> None:
    film = film_of((3, 3))
    upper, lower = stack(2)
    film.scene.hand = (30, 10, 110, 70)
    film.play(0.5)
    film.scene.merged, film.scene.hand = [], None
    del film.scene.places[upper]
    assert kinds(film.play(3)) == [("disappeared", "S3")]
    assert shelf(film) == [(lower, 3)]


def test_a_part_of_a_known_stack_is_cut_too() -> None:
    film = film_of((3, 3, 3))
    places = stack(3)
    film.scene.merged = [(places[0], places[1])]
    film.scene.noise = 4
    assert film.play(20) == []
    assert [sku for _, sku in shelf(film)] == [3, 3, 3]


def test_a_larger_stack_is_found_where_a_part_of_it_was() -> None:
    film = film_of((3, 3, 3), seconds=0)
    places = stack(3)
    film.scene.merged = [(places[0], places[1])]
    film.play(3)
    film.scene.merged = [tuple(places)]
    film.play(20)
    assert [sku for _, sku in shelf(film)] == [3, 3, 3]


def test_a_tall_stranger_stays_one_and_is_not_searched_for_ever() -> None:
    tall: Place = (40, 40, 95, 150)
    film = Film(Scene({tall: STRANGER, BESIDE: 9}))
    film.play(10)
    assert shelf(film) == [(tall, -1)]
    embedded = film.scene.embedded
    film.play(60)
    assert film.scene.embedded == embedded


def test_a_named_product_is_not_searched() -> None:
    film = Film(Scene({BESIDE: 9}))
    film.play(5)
    assert film.scene.embedded == 1


def test_what_replaces_a_stack_is_one_product_again() -> None:
    film = film_of((3, 3))
    tall: Place = (40, 25, 95, 115)
    film.scene.hand = (20, 5, 120, 240)
    film.play(0.5)
    film.scene.places, film.scene.merged, film.scene.hand = {tall: STRANGER, BESIDE: 9}, [], None
    film.play(60)
    assert [sku for _, sku in shelf(film)] == [-1]


def test_levels_are_of_equal_height_from_the_top() -> None:
    assert levels(BOX, 2).tolist() == [UPPER, LOWER]
    assert levels(BOX, 3).dtype == np.float32 and levels(BOX, 3)[:, 1].tolist() == [40, 80, 120]


def known() -> Stacks:
    """Stacks that know of one, in BOX of part 0."""
    stacks, item = Stacks(), doubtful()
    assert len(stacks.ask([item], boxes(BOX))) == 5
    assert stacks.hear(shown([0.9, 0.9, 0.1, 0.1, 0.1]), {item: 0.0}, [item]) == [(item, 2)]
    return stacks


def boxes(*rows: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Detections:
    return Detections(np.stack(rows), np.linspace(0.9, 0.8, len(rows)).astype(np.float32))


def shown(confidence: Sequence[float], status: Status = Status.RECOGNIZED) -> Matches:
    n = len(confidence)
    return Matches(
        np.full(n, status, np.int8), np.ones((n, 1), np.int64), np.ones((n, 1), np.float32),
        np.array(confidence, np.float32),
    )  # fmt: skip


def doubtful() -> Item:
    """A product in BOX of which two views named nothing."""
    item = Item(1, 0, BOX, 0.0, LOOK, False)
    for _ in range(2):
        item.votes.add(shown([0.1], Status.UNKNOWN), 0)
    item.row = 0
    return item


def test_boxes_of_known_stacks_are_cut_and_others_stay() -> None:
    other = np.array([100, 40, 140, 160], np.float32)
    found = boxes(other, BOX + 3)
    cut = known().part(found, found.xyxy, 0)
    assert cut.xyxy.tolist() == [other.tolist(), *(levels(BOX + 3, 2)).tolist()]
    assert cut.scores.tolist() == pytest.approx([0.9, 0.8, 0.8])
    assert known().part(found, found.xyxy, 1) is found


def test_stacks_go_along_when_parts_of_the_shelf_are_joined() -> None:
    stacks, found = known(), boxes(BOX)
    shift = np.array([[1, 0, 200], [0, 1, 0], [0, 0, 1]], np.float64)
    stacks.join(Joined(0, 4, shift))
    assert stacks.part(found, found.xyxy, 0) is found
    assert len(stacks.part(found, found.xyxy + np.array([200, 0, 200, 0], np.float32), 4)) == 2


def test_levels_that_are_less_sure_than_the_whole_are_no_stack() -> None:
    stacks, item = Stacks(), doubtful()
    assert len(stacks.ask([item], boxes(BOX))) == 5
    assert stacks.hear(shown([0.4] * 5), {item: 0.5}, [item]) == []
    assert len(stacks.ask([item], boxes(BOX))) == 0


def test_two_weak_views_or_a_sure_one_make_a_stack_and_an_unnamed_level_none() -> None:
    stacks, item = Stacks(), doubtful()
    stacks.ask([item], boxes(BOX))
    assert stacks.hear(shown([0.1, 0.1, 0.2, 0.2, 0.2]), {item: 0.0}, [item]) == []
    stacks.ask([item], boxes(BOX))
    assert stacks.hear(shown([0.1, 0.1, 0.2, 0.2, 0.2]), {item: 0.0}, [item]) == [(item, 3)]
    stacks, item = Stacks(), doubtful()
    for _ in range(2):
        stacks.ask([item], boxes(BOX))
        assert stacks.hear(shown([0.9] * 5, Status.UNKNOWN), {item: 0.0}, [item]) == []


def test_levels_that_could_not_be_matched_are_asked_for_again() -> None:
    stacks, item = Stacks(), doubtful()
    stacks.ask([item], boxes(BOX))
    stacks.retry()
    assert stacks.hear(shown([]), {}, [item]) == []
    assert len(stacks.ask([item], boxes(BOX))) == 5
