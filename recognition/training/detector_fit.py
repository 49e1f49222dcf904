"""Trains a YOLO detector on tiles with ultralytics: goes on after the last finished epoch, downloads nothing."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recognition.detection.safe_ultralytics import load_yolo, training_model
from recognition.devices import best_device
from recognition.errors import DetectorError, UsageError
from recognition.outputs.files import replace_file, writing
from recognition.telling import Say
from recognition.weights import detector_path

SCRATCH = "scratch"
_NETWORK = "yolov8n.yaml"
_SCRATCH_RATE, _TUNE_RATE = 0.002, 0.0015

RECIPE: dict[str, Any] = {
    "optimizer": "AdamW", "lrf": 0.02, "cos_lr": True, "warmup_epochs": 0.2, "weight_decay": 0.01, "box": 7.5,
    "single_cls": True, "mosaic": 0.3, "close_mosaic": 1, "scale": 0.2, "translate": 0.1, "degrees": 3, "shear": 1,
    "perspective": 0.0002, "fliplr": 0.5, "hsv_h": 0.02, "hsv_s": 0.6, "hsv_v": 0.45,
    "max_det": 1000, "patience": 0, "plots": False, "verbose": False,
}  # fmt: skip
"""Shelves: hundreds of boxes a picture, upright, little perspective, any light. No early stop: the rate falls to the
end. No plots: their font would be downloaded."""


@dataclass(frozen=True)
class FitRequest:
    """start: `starter`, `scratch` or a .pt file. rate: highest learning rate, 0 for the start's usual one."""

    start: str = "starter"
    epochs: int = 4
    batch: int = 16
    rate: float = 0.0


@dataclass(frozen=True)
class Machine:
    """Where it runs, which changes no result. device: auto, cpu, a card's number or several, as 0,1."""

    device: str = "auto"
    workers: int = 2


@dataclass
class EpochKeeper:
    """ultralytics calls it when it has saved an epoch: puts the checkpoint where an interruption cannot break it."""

    folder: Path
    epochs: int
    say: Say

    def __call__(self, trainer: Any) -> None:
        """Keeps the checkpoint, then says losses and time."""
        done = trainer.epoch + 1
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / f"epoch-{done:04d}.pt", Path(trainer.last).read_bytes())
        for path, epoch in kept_epochs(self.folder):
            if epoch < done:
                path.unlink()
        spent = time.time() - trainer.train_time_start
        left = spent / (done - trainer.start_epoch) * (self.epochs - done)
        losses = ", ".join(f"{name} {float(value):.3f}" for name, value in trainer.tloss.items())
        ap50 = trainer.metrics.get("metrics/mAP50(B)", 0.0)
        self.say(f"epoch {done} of {self.epochs}: {losses}, AP50 of tiles {ap50:.3f}, {_minutes(left)} left")


def kept_epochs(folder: Path) -> list[tuple[Path, int]]:
    """Checkpoints in the folder and the number of epochs that each has seen, last one last."""
    return [(path, int(path.stem.split("-")[1])) for path in sorted(folder.glob("epoch-*.pt"))]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def start_file(start: str) -> Path | None:
    """The weights file of a start, looked into; None for `scratch`.

    Raises:
        WeightsError: it is missing, broken, no detector, or would run code.
    """
    if start == SCRATCH:
        return None
    path = detector_path(start)
    load_yolo(path)
    return path


def training_device(wanted: str) -> str:
    """A device as ultralytics names it: cpu, mps, 0, or 0,1 for several cards.

    Raises:
        UsageError: it is not there, or a package that several cards need is missing.
    """
    cards = wanted.split(",")
    if all(card.isdigit() for card in cards):
        for card in cards:
            best_device(f"cuda:{card}")
        if len(cards) > 1:
            _require_cloudpickle()
        return wanted
    return best_device(wanted).removeprefix("cuda:")


def _require_cloudpickle() -> None:
    from importlib.util import find_spec

    if find_spec("cloudpickle") is None:
        raise UsageError("several cards need the package cloudpickle", "pip install cloudpickle, or name one card")


def fit(request: FitRequest, data: Path, folder: Path, tile: int, seed: int, machine: Machine, say: Say) -> Path:
    """Trains on the tiles of a data.yaml, or goes on; the checkpoint of the last epoch.

    folder: of this training; ultralytics writes into its run/, and kept/ holds the last finished epoch.

    Raises:
        DetectorError: ultralytics or torch failed; what is finished stays.
    """
    keeper = EpochKeeper(folder / "kept", request.epochs, say)
    kept = kept_epochs(keeper.folder)
    if kept and kept[-1][1] >= request.epochs:
        return kept[-1][0]
    device = training_device(machine.device)
    place = {"data": str(data.resolve()), "device": device, "workers": machine.workers}
    if kept:
        say(f"going on after epoch {kept[-1][1]} of {request.epochs}")
        start: Path | None = kept[-1][
            0
        ].resolve()  # a path given relative would be sought below ultralytics' own folder
        how: dict[str, Any] = {"resume": True, "save_dir": str((folder / "run").resolve())}
    else:
        start = start_file(request.start)
        how = {**_options(request, tile, seed, device), "project": str(folder.resolve()), "name": "run"}
    threads = torch.get_num_threads()
    try:
        model = training_model(str(start or _NETWORK))
        model.add_callback("on_train_start", lambda trainer: _on_cpu(trainer, threads))
        model.add_callback("on_model_save", keeper)
        model.train(**how, **place)
    except (RuntimeError, ValueError, AssertionError, OSError) as error:
        hint = "try a smaller --batch, or --device cpu; the same command goes on after the last finished epoch"
        raise DetectorError(f"training in {folder} failed: {error}", hint) from error
    return kept_epochs(keeper.folder)[-1][0]


def _options(request: FitRequest, tile: int, seed: int, device: str) -> dict[str, Any]:
    scratch = request.start == SCRATCH
    rate = request.rate or (_SCRATCH_RATE if scratch else _TUNE_RATE)
    # Other mixed precision is tried out first on a model that would be downloaded.
    mixed = "bf16" if device not in ("cpu", "mps") and torch.cuda.is_bf16_supported() else False
    return {
        **RECIPE, "epochs": request.epochs, "batch": request.batch, "nbs": request.batch, "lr0": rate, "imgsz": tile,
        "seed": seed, "amp": mixed, "pretrained": not scratch, "exist_ok": True,
    }  # fmt: skip


def _on_cpu(trainer: Any, threads: int) -> None:
    """What ultralytics leaves undone on a CPU: all threads, of which it takes one fewer, and `suit_cpu`."""
    if trainer.device.type == "cpu":
        torch.set_num_threads(threads)
        suit_cpu(trainer.model, multiplies_bfloat16())


def suit_cpu(model: Any, bfloat16: bool) -> None:
    """Lets a DetectionModel train faster on a CPU: weights with channels last, and its layers in bfloat16 if wanted.

    Weights, gradients and the loss stay in float32. Of the model itself `predict` is replaced; copies made before are
    as they were. benchmarks/training.py says how much faster.
    """
    model.to(memory_format=torch.channels_last)
    if bfloat16:
        predict = model.predict

        def mixed(pictures: Tensor) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return _in_float32(predict(pictures))

        model.predict = mixed


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16 matrices (AMX); False where torch cannot tell."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # not there in older versions
    return capabilities is not None and bool(capabilities().get("amx_bf16"))


def _in_float32(outputs: Any) -> Any:
    """The head's tensors, in dicts and lists as they are."""
    if isinstance(outputs, dict):
        return {name: _in_float32(value) for name, value in outputs.items()}
    if isinstance(outputs, list | tuple):
        return type(outputs)(_in_float32(value) for value in outputs)
    return outputs.float()


def save_detector(checkpoint: Path, path: Path) -> None:
    """The averaged weights of a checkpoint as a detector: half precision, without optimizer or paths of this machine.

    Raises:
        OutputError: the file cannot be written.
    """
    write_detector(load_yolo(checkpoint, fuse=False), path)


def write_detector(model: Any, path: Path) -> None:
    """A DetectionModel as a detector's file, half precision.

    Raises:
        OutputError: the file cannot be written.
    """
    model = model.half()
    model.args = {"task": "detect", "imgsz": model.args["imgsz"], "single_cls": True}
    model.pt_path, model.criterion = path.name, None
    if model.yaml.get("yaml_file"):
        model.yaml["yaml_file"] = Path(model.yaml["yaml_file"]).name
    for parameter in model.parameters():
        parameter.requires_grad = False
    content = io.BytesIO()
    torch.save({"epoch": -1, "model": model, "train_args": model.args}, content)
    replace_file(path, content.getvalue())
