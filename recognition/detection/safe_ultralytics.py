"""The one place that imports ultralytics: loading never runs code from a file, installs nothing, asks no network.

ultralytics reads its switches when it is imported, so they are set first. With `ULTRALYTICS_SAFE_LOAD` a weights
file is read by torch's restricted unpickler, which builds known layers only and refuses a file that names more.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from recognition.errors import WeightsError

_SWITCHES = {
    "ULTRALYTICS_SAFE_LOAD": "1",
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
}


def load_yolo(path: Path, fuse: bool = True) -> Any:
    """The ultralytics DetectionModel in a .pt file: float32, on the CPU, in evaluation mode.

    fuse: join convolutions with their batch norms, for use; a model that is saved again must not be.

    Raises:
        WeightsError: the file is missing, broken, no detector, or names code outside the layers of a YOLO model.
    """
    if not path.is_file():
        raise WeightsError(f"detector weights {path}: no such file", "give the path of a .pt file")
    if path.suffix != ".pt":
        raise WeightsError(f"detector weights {path}: not a .pt file", "give an ultralytics detector saved as .pt")
    tasks = _tasks()
    try:
        model, _ = tasks.load_checkpoint(str(path.resolve()), fuse=False)
    except Exception as error:  # a broken or hostile file can make an unpickler raise anything
        raise WeightsError(
            f"detector weights {path} are broken, or hold something else than a YOLO model's own layers",
            "give a .pt file as ultralytics saves it; --debug shows what was refused",
        ) from error
    if not isinstance(model, tasks.DetectionModel) or model.task != "detect":
        raise WeightsError(f"detector weights {path}: a {model.task} model, not a detector", "give a YOLO detector")
    return model.fuse(verbose=False).eval() if fuse else model.eval()


def training_model(weights: str) -> Any:
    """ultralytics' YOLO, to be trained: from a .yaml of an architecture, or a .pt to go on with."""
    _tasks()
    from ultralytics import YOLO

    return YOLO(weights)


def export_yolo(path: Path, form: str, size: int, max_boxes: int) -> Path:
    """Writes a detector beside its .pt file in another format, for pictures of any size; where it was written.

    form: `onnx` or `openvino`. size: side of the picture it is traced with, pixels. max_boxes: cap that a head
    without suppression keeps for good.

    Raises:
        WeightsError: the exporter failed.
    """
    plain = {"simplify": False} if form == "onnx" else {}  # else onnxslim is wanted too
    shape = {"imgsz": size, "dynamic": True, "max_det": max_boxes}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of its own tracing
            model = training_model(str(path.resolve()))
            return Path(model.export(format=form, device="cpu", verbose=False, **shape, **plain))
    except Exception as error:  # exporters raise anything
        hint = "the .pt file is whole; try the other format, or newer packages of this one"
        raise WeightsError(f"{path} could not be exported as {form}: {error}", hint) from error


def non_max_suppression(*args: Any, **kwargs: Any) -> Any:
    """ultralytics' own decoding of a model's output; torchvision does the suppression."""
    _tasks()
    from ultralytics.utils.nms import non_max_suppression as decode

    return decode(*args, **kwargs)


@cache
def _tasks() -> Any:
    """ultralytics.nn.tasks, imported behind the switches.

    Raises:
        WeightsError: another import came first, without the switches, or torch is too old for restricted loading.
    """
    os.environ.update(_SWITCHES, YOLO_CONFIG_DIR=str(_config_dir()))
    opener = Image.open
    from ultralytics.nn import tasks

    Image.open = opener  # ultralytics puts in its own, which looks for a package we lack where a file is no picture
    if not tasks._SafeLoad.restricted():
        raise WeightsError(
            "ultralytics would run code from weights files",
            "use torch 2.6 or newer, and import recognition before ultralytics or set ULTRALYTICS_SAFE_LOAD=1",
        )
    return tasks


def _config_dir() -> Path:
    """Our own folder for ultralytics' settings, so that a user's are neither read nor changed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recognition" / "ultralytics"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError:
        return Path(tempfile.mkdtemp(prefix="recognition-"))
