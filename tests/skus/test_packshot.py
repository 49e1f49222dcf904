from __future__ import annotations

import numpy as np
import pytest

from recognition.skus.packshot import trim_border
from recognition.skus.thumbnails import decode_thumbnail, encode_thumbnail


def on(field: tuple[int, int, int], top: int, left: int, height: int, width: int) -> np.ndarray:
    image = np.full((100, 80, 3), field, np.uint8)
    image[top : top + height, left : left + width] = (200, 30, 40)
    return image


WHITE = (255, 255, 255)


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (on(WHITE, 0, 0, 0, 0), (100, 80)),  # nothing in it
        (on(WHITE, 10, 20, 60, 30), (60, 30)),
        (on((238, 240, 239), 10, 20, 60, 30), (60, 30)),
        (on(WHITE, 40, 20, 60, 30), (60, 30)),  # stands on the lower edge
        (on((20, 20, 20), 10, 20, 60, 30), (100, 80)),  # a dark field may be the pack itself
        (on((255, 225, 130), 10, 20, 60, 30), (100, 80)),  # so may a coloured one
        (on(WHITE, 0, 0, 100, 80), (100, 80)),
        (on(WHITE, 50, 40, 10, 30), (100, 80)),  # too little would be left
    ],
)
def test_only_a_white_field_is_cut_away(image: np.ndarray, size: tuple[int, int]) -> None:
    assert trim_border(image).shape[:2] == size


def test_noise_and_a_speck_of_dust_do_not_count() -> None:
    image = on((248, 248, 248), 10, 20, 60, 30)
    noise = np.random.default_rng(0).integers(-4, 5, image.shape)
    noisy = (image + noise).clip(0, 255).astype(np.uint8)
    noisy[95, 75] = 0
    assert trim_border(noisy).shape == (60, 30, 3)


def test_thumbnails_keep_colour_order_and_proportion() -> None:
    image = np.zeros((600, 300, 3), np.uint8)
    image[..., 0] = 200
    small = decode_thumbnail(encode_thumbnail(image))
    assert small.shape == (256, 128, 3)
    assert np.abs(small.mean(axis=(0, 1)) - (200, 0, 0)).max() < 4
    assert not small.flags.writeable
    assert decode_thumbnail(encode_thumbnail(image[:20, :10])).shape == (20, 10, 3)
