from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from recognition.training.augment import hand_view, reference_view, shelf_view

View = Callable[[np.ndarray, np.ndarray, int, random.Random], np.ndarray]


def hand(crop: np.ndarray, box: np.ndarray, size: int, rng: random.Random) -> np.ndarray:
    return hand_view(crop, box, np.full((40, 50, 3), 90, np.uint8), size, rng)


def unsized(view: Callable[..., np.ndarray]) -> View:
    return lambda crop, box, size, rng: view(crop, box, rng)


VIEWS = {"reference": unsized(reference_view), "shelf": unsized(shelf_view), "hand": hand}


def crop(height: int = 120, width: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A pack, left half red and right half blue, on green; and its box."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 1] = 200
    box = np.array([width // 8, height // 8, width - width // 8, height - height // 8], np.float32)
    left, top, right, bottom = box.astype(int)
    image[top:bottom, left:right] = (0, 0, 220)
    image[top:bottom, left : (left + right) // 2] = (220, 0, 0)
    return image, box


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_fixed_by_its_seed(name: str) -> None:
    view: View = VIEWS[name]
    views = [view(*crop(), 64, random.Random(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("shape", [(120, 80), (30, 200), (400, 20), (6, 6), (4, 4), (2, 2)])
def test_a_view_is_a_picture_whatever_the_crop(name: str, shape: tuple[int, int]) -> None:
    view: View = VIEWS[name]
    for seed in range(40):
        made = view(*crop(*shape), 48, random.Random(seed))
        assert made.ndim == 3 and made.shape[2] == 3 and made.size
        assert made.dtype == np.uint8


@pytest.mark.parametrize("name", VIEWS)
def test_the_input_is_not_changed(name: str) -> None:
    image, box = crop()
    before = image.copy()
    for seed in range(20):
        VIEWS[name](image, box, 48, random.Random(seed))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_is_mirrored_and_none_swaps_colours(name: str) -> None:
    """Red stays left of blue: text tells products apart."""
    rightly = 0
    for seed in range(40):
        view = VIEWS[name](*crop(), 64, random.Random(seed)).astype(int)
        red, blue = (view[..., c] - view[..., 2 - c] > 40 for c in (0, 2))
        if red.sum() > 30 and blue.sum() > 30:
            rightly += np.nonzero(red)[1].mean() < np.nonzero(blue)[1].mean()
    assert rightly > 30


def test_a_reference_is_tight() -> None:
    """The green surroundings are cut away but for the jitter."""
    for seed in range(20):
        view = reference_view(*crop(), random.Random(seed)).astype(int)
        green = (view[..., 1] > view[..., 0] + 60) & (view[..., 1] > view[..., 2] + 60)
        assert green.mean() < 0.12


def test_a_hand_view_fits_the_size() -> None:
    assert all(max(hand(*crop(), 48, random.Random(seed)).shape) <= 48 for seed in range(20))


def test_a_hand_view_shows_its_background() -> None:
    image, box = crop()
    seen = [hand_view(image, box, np.full((9, 9, 3), v, np.uint8), 64, random.Random(3)).mean() for v in (0, 255)]
    assert seen[1] > seen[0] + 10
