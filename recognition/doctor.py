"""Looks at this installation and says what works, what does not, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from recognition.errors import DatabaseMissingError, RecognitionError
from recognition.settings import DetectSettings, EmbedSettings

LIBRARIES = ("torch", "transformers", "ultralytics", "opencv-python", "pillow", "numpy", "typer")
LICENCE_NOTICE = (
    "The starter weights were trained partly on pictures for academic use or without a stated licence: they are for "
    "research and trial. weights/README.md names the data and a recipe from rendered pictures alone."
)


@dataclass(frozen=True)
class Check:
    """One finding. ok: false means that something a user needs does not work; hint: what to do then."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(db: Path) -> Iterator[Check]:
    """All findings, one by one: libraries, device, search library, weights, the SKU database at `db`."""
    yield Check("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for library in LIBRARIES:
        yield _attempt(library, partial(importlib.metadata.version, library), "run `make setup` again")
    yield _attempt("faiss", _faiss, "install faiss-gpu (Linux) or faiss-cpu")
    yield Check("openvino", True, _openvino())
    yield _attempt("device", _device, "see the message of torch")
    yield _attempt("detector starter", _detector, "install the program again")
    yield _attempt("encoder starter", _encoder, "install the program again")
    yield _attempt(f"database {db}", lambda: _database(db), "build one: recognize.py skus build catalog.csv")
    yield Check("licence", True, LICENCE_NOTICE)


def _attempt(name: str, look: Callable[[], str], hint: str) -> Check:
    try:
        return Check(name, True, look())
    except RecognitionError as error:
        return Check(name, False, error.message, error.hint or hint)
    except (ImportError, OSError, RuntimeError, importlib.metadata.PackageNotFoundError) as error:
        return Check(name, False, f"{type(error).__name__}: {error}", hint)


def _faiss() -> str:
    import faiss

    return f"{faiss.__version__}, {faiss.get_num_gpus() if hasattr(faiss, 'get_num_gpus') else 0} GPUs"


def _openvino() -> str:
    try:
        return f"{importlib.metadata.version('openvino')}, for encoders on the CPU"
    except importlib.metadata.PackageNotFoundError:
        return "not there: encoders on the CPU run in torch, more slowly; pip install openvino"


def _device() -> str:
    from recognition.devices import best_device

    return best_device("auto")


def _detector() -> str:
    import numpy as np

    from recognition.detection.yolo import YoloDetector
    from recognition.weights import detector_path

    detector = YoloDetector(detector_path("starter"), DetectSettings())
    detector.detect([np.zeros((64, 64, 3), np.uint8)])
    return detector.name


def _encoder() -> str:
    import numpy as np

    from recognition.embedding.loading import load_encoder

    encoder = load_encoder(EmbedSettings())
    encoder.encode([np.full((64, 32, 3), 128, np.uint8)])
    runtime = getattr(encoder, "runtime", "")
    return f"{encoder.name}, {encoder.dim} numbers, run by {runtime}, fingerprint {encoder.fingerprint[:12]}"


def _database(db: Path) -> str:
    from recognition.skus.database import SkuDatabase

    try:
        with SkuDatabase.open(db) as database:
            info = database.info()
    except DatabaseMissingError:  # as on any new machine
        return "none yet; build one: recognize.py skus build catalog.csv"
    return f"{info.skus} SKUs, {info.references} references, encoder {info.encoder}"
