"""Equal neighbours speak for each other's names, by less than a clear view."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.live.items import Item
from recognition.live.neighbours import consult
from recognition.live.views import Look
from recognition.types import Matches, Status

A, B = 1, 2
NOTHING = (-1, 0.05)
SURE, DOUBT = [(A, 0.9)], [(B, 0.7), (A, 0.65)]
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
    consult(items)
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


def test_what_was_said_before_is_forgotten() -> None:
    items = row(SURE, DOUBT, SURE)
    assert names(items) == [A, A, A]
    assert sum(items[1].votes.shares().values()) == pytest.approx(1)
    items[1].votes.add(view(B, 0.95), 0)
    alone = [items[1]]
    consult(alone)
    assert alone[0].votes.answer().sku == B


def test_boxes_that_the_border_cuts_say_nothing() -> None:
    assert names(row(SURE, DOUBT, SURE, cut=True)) == [A, B, A]
