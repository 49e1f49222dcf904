import numpy as np
import pytest
from fakes import FakeEncoder

from recognition.matching.views import HEIGHTS_PX, shelf_view


def test_views_are_fixed_by_their_seed(packs):
    assert np.array_equal(shelf_view(packs[0], 5), shelf_view(packs[0], 5))
    assert not np.array_equal(shelf_view(packs[0], 5), shelf_view(packs[0], 6)[: packs[0].shape[0]])


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (12, 200), (256, 40), (256, 256)])
def test_views_of_any_reference_are_pictures(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    for seed in range(12):
        view = shelf_view(image, seed)
        assert view.dtype == np.uint8 and view.ndim == 3 and view.shape[2] == 3 and min(view.shape[:2]) >= 4


def test_views_are_no_larger_than_the_reference_and_differ_in_size(packs):
    heights = [shelf_view(packs[1], seed).shape[0] for seed in range(60)]
    assert max(heights) <= max(packs[1].shape[0], HEIGHTS_PX[1])
    assert min(heights) < 80 and max(heights) > 180


def test_some_views_show_a_part_of_the_pack(packs):
    aspects = [np.divide(*shelf_view(packs[1], seed).shape[1::-1]) for seed in range(200)]
    stretch = np.abs(np.log(np.array(aspects) / np.divide(*packs[1].shape[1::-1])))
    assert 0.04 < (stretch > 0.25).mean() < 0.2 and np.median(stretch) < 0.1


def test_the_reference_is_left_as_it_was(packs):
    before = packs[2].copy()
    before.flags.writeable = False
    for seed in range(10):
        shelf_view(before, seed)
    assert np.array_equal(before, packs[2])


def test_a_view_still_shows_its_pack(packs):
    encoder = FakeEncoder()
    references = encoder.encode(packs)
    views = encoder.encode([shelf_view(pack, seed) for seed in range(4) for pack in packs])
    right = (views @ references.T).argmax(axis=1) == np.tile(np.arange(len(packs)), 4)
    assert right.mean() > 0.6
