from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.outputs.faces import blur_faces

FACE = (slice(60, 170), slice(170, 270))  # where the astronaut's face is


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """BGR (512, 512, 3): the public-domain portrait that ships inside scikit-image."""
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    return cv2.imread(str(folder / "astronaut.png"))


def sharpness(image: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


@pytest.mark.parametrize("shape", [(1, 1, 3), (10, 400, 3), (200, 300, 3)])
def test_no_face_nothing_changes(shape: tuple[int, int, int]):
    image = np.full(shape, 77, np.uint8)
    assert (blur_faces(image) == image).all()


@pytest.mark.parametrize("size", [256, 512])
def test_a_face_is_blurred_and_the_photo_given_stays(portrait: np.ndarray, size: int):
    image = cv2.resize(portrait, (size, size), interpolation=cv2.INTER_AREA)
    before, face = image.copy(), tuple(slice(s.start * size // 512, s.stop * size // 512) for s in FACE)
    blurred = blur_faces(image)
    assert sharpness(blurred[face]) < 0.05 * sharpness(before[face])
    assert (image == before).all() and (blurred[: size // 20] == before[: size // 20]).all()


def test_a_face_in_a_large_photo(portrait: np.ndarray):
    image = np.full((1500, 2560, 3), 128, np.uint8)
    image[500:1012, 1000:1512] = portrait
    face = image[500 + FACE[0].start : 500 + FACE[0].stop, 1000 + FACE[1].start : 1000 + FACE[1].stop]
    blurred = blur_faces(image)[500 + FACE[0].start : 500 + FACE[0].stop, 1000 + FACE[1].start : 1000 + FACE[1].stop]
    assert sharpness(blurred) < 0.05 * sharpness(face)
