"""Packs drawn on the spot: print, blocks of colour and a logo, one look per seed."""

import cv2
import numpy as np
import pytest


def pack(seed, size=(220, 120)):
    rng = np.random.default_rng(seed)
    height, width = size
    image = np.full((height, width, 3), rng.integers(30, 230, 3), np.uint8)
    for _ in range(14):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.circle(image, (x, y), int(rng.integers(4, 22)), colour, -1)
        corner = x + int(rng.integers(5, 40)), y + int(rng.integers(5, 40))
        cv2.rectangle(image, (x, y), corner, tuple(int(c) for c in rng.integers(0, 256, 3)), 2)
    for line in range(4):
        text = "".join(chr(int(c)) for c in rng.integers(65, 91, 7))
        cv2.putText(image, text, (4, 40 + 48 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    return image


def seen(image, angle=4.0, zoom=0.8, shift=(12, 8)):
    """The pack as a camera might see it: turned a little, smaller, on grey."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom)
    turn[:, 2] += shift
    return cv2.warpAffine(image, turn, (width + 20, height + 20), borderValue=(90, 90, 90))


@pytest.fixture(scope="session")
def packs():
    return [pack(seed) for seed in range(12)]


@pytest.fixture
def draw_pack():
    return pack


@pytest.fixture
def photograph():
    return seen
