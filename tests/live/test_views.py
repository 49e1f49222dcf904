"""How a place looks, and when it looks as if something came or went."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.live.items import Item
from recognition.live.views import Look


def look(seed: int = 0, gain: float = 1.0, shade: float = 0.0, other: float = 0.0) -> Look:
    """A pack. gain: of its contrast. shade: darker by. other: share of another pack's print."""
    print_ = [np.kron(np.random.default_rng(s).normal(0, 30, (8, 8)), np.ones((4, 4))) for s in (seed, seed + 1)]
    return Look((120 - shade + gain * ((1 - other) * print_[0] + other * print_[1])).astype(np.float32))


@pytest.mark.parametrize(
    ("after", "jumped"),
    [
        (look(), False),
        (look(gain=0.7, shade=40), False),  # a cloud, or the camera's exposure
        (look(gain=0.3, shade=40), True),  # the same pack, behind the gap
        (look(seed=5), True),
        (look(other=0.4), False),
    ],
)
def test_what_is_a_jump(after: Look, jumped: bool) -> None:
    assert look().jumped(after) is jumped and after.jumped(look()) is jumped


def test_a_pack_that_a_hand_takes_in_two_frames_jumps() -> None:
    item = Item(1, 0, np.array([0, 0, 9, 9], np.float32), 0.0, look(), False)
    for number, other in enumerate((0.0, 0.4, 0.75)):
        item.take_glance(look(other=other), number / 12.5)
    assert item.jumped == 2 / 12.5
    assert not look(other=0.4).jumped(look(other=0.75))


@pytest.mark.parametrize(("gain", "same"), [(0.85, True), (0.6, False)])
def test_the_same_pack_in_the_shade_behind_is_not_the_same(gain: float, same: bool) -> None:
    assert look().roughly(look(gain=gain)) is same
    assert look(gain=gain).roughly(look()) is same


def test_a_pack_that_turns_slowly_does_not() -> None:
    item = Item(1, 0, np.array([0, 0, 9, 9], np.float32), 0.0, look(), False)
    for number, other in enumerate(np.linspace(0, 1, 12)):
        item.take_glance(look(other=float(other)), number / 12.5)
    assert item.jumped < 0
