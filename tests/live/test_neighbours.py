"""Equal neighbours speak for each other's names, by less than a clear view."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from recognition.live.items import Item
from recognition.live.neighbours import consult, measure
from recognition.live.views import Look
from recognition.matching.surroundings import Millimetres
from recognition.types import Matches, Sku, Status

A, B = 1, 2
NOTHING = (-1, 0.05)
SURE, DOUBT = [(A, 0.9)], [(B, 0.7), (A, 0.65)]
UNKNOWN = Millimetres(lambda ids: {})
LOOK = Look.at(np.zeros((200, 400), np.uint8), np.array([10, 10, 40, 60], np.float32))


def view(sku: int, confidence: float) -> Matches:
    """One view that names a SKU, or with -1 none."""
    status = np.array([Status.UNKNOWN if sku < 0 else Status.RECOGNIZED], np.int8)
    return Matches(status, np.array([[sku]]), np.array([[0.8]], np.float32), np.array([confidence], np.float32))


def row(*seen: list[tuple[int, float]], cut: bool = False) -> list[Item]:
    """Products of 30 by 50 pixels side by side, each with its views."""
    items = []
    for place, views in enumerate(seen):
        box = np.array([32 * place, 0, 32 * place + 30, 50], np.float32)
        items.append(Item(place + 1, 0, box, 0.0, LOOK, cut))
        for sku, confidence in views:
            items[-1].votes.add(view(sku, confidence), 0)
    return items


def names(items: list[Item]) -> list[int]:
    consult(items, items, UNKNOWN)
    return [item.votes.answer().sku for item in items]


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([SURE, DOUBT, SURE], [A, A, A]),  # a doubtful one between two clear ones
        ([SURE, DOUBT], [A, A]),
        ([SURE, [(A, 0.6), (B, 0.9)]], [A, B]),  # where a block ends
        ([SURE, [(A, 0.6), (B, 0.97)], SURE], [A, B, A]),  # a pack in the wrong block, seen clearly
        ([SURE, [(B, 0.6)], SURE], [A, B, A]),  # nothing in it was ever taken for its neighbours
        ([SURE, [NOTHING], SURE], [A, -1, A]),  # nor in a product that is in no catalogue
        ([SURE, [(A, 0.6), NOTHING, NOTHING, NOTHING], SURE], [A, A, A]),
        ([[NOTHING]] * 3, [-1, -1, -1]),
        ([SURE], [A]),
        ([], []),
    ],
)
def test_doubtful_names_follow_their_neighbours(seen: list[list[tuple[int, float]]], told: list[int]) -> None:
    assert names(row(*seen)) == told


def test_what_is_not_shown_speaks_and_is_told_nothing() -> None:
    items = row(SURE, DOUBT, DOUBT, SURE)
    consult(items, items[1:2], UNKNOWN)
    assert [item.votes.answer().sku for item in items] == [A, A, B, A]


def test_what_was_said_before_is_forgotten() -> None:
    items = row(SURE, DOUBT, SURE)
    assert names(items) == [A, A, A]
    assert sum(items[1].votes.shares().values()) == pytest.approx(1)
    items[1].votes.add(view(B, 0.95), 0)
    alone = [items[1]]
    consult(alone, alone, UNKNOWN)
    assert alone[0].votes.answer().sku == B


def test_boxes_that_the_border_cuts_say_nothing() -> None:
    assert names(row(SURE, DOUBT, SURE, cut=True)) == [A, B, A]


def described(ids: Iterable[int]) -> dict[int, Sku]:
    """A is twice as high as B, and the others are 60 by 100 mm."""
    heights = {A: 200.0, B: 100.0}
    return {sku: Sku(sku, f"S{sku}", width_mm=60.0, height_mm=heights.get(sku, 100.0)) for sku in ids}


def test_a_name_of_another_size_gives_way_and_a_size_is_told_in_millimetres() -> None:
    items = row([(A, 0.95)] * 2, *[[(other, 0.9)] for other in (3, 4, 5, 6)], [(A, 0.7), (B, 0.6), (B, 0.6)])
    assert items[5].votes.answer().sku == A
    millimetres = Millimetres(described)
    consult(items, items, millimetres)
    assert [item.votes.answer().sku for item in items] == [A, 3, 4, 5, 6, B]  # clear views are believed
    sizes = measure(
        np.array([[190, 0, 220, 50], [160, 0, 190, 100]], np.float32), [items[0], items[5]], items, millimetres
    )
    assert sizes == pytest.approx(np.array([[60, 100], [60, 200]]), rel=0.02)
    items[5].cut = True
    assert np.isnan(measure(np.zeros((1, 4), np.float32), items[5:], items, millimetres)).all()
    assert measure(np.zeros((0, 4), np.float32), [], items, millimetres).shape == (0, 2)
