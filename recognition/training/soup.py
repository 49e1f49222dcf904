"""The mean of encoders, or of detectors, that were trained from one start: often better than each, and no slower.

    python -m recognition.training.soup runs/first/encoder runs/second/encoder runs/start --out runs/soup
    python -m recognition.training.soup runs/start.pt runs/detector/detector.pt --out runs/mean.pt

Wortsman et al. 2022 (arXiv:2203.05482). It works while the encoders are near each other, as those of one start are;
the start itself may be among them (Wortsman et al. 2022, arXiv:2109.01903), and what is named twice counts twice.
Measure the result like any other.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recognition.detection.safe_ultralytics import load_yolo
from recognition.embedding.folder import open_folder
from recognition.errors import OutputError, RecognitionError, UsageError
from recognition.training.detector_fit import write_detector

Tensors = dict[str, NDArray[np.generic]]


def average_encoders(folders: Sequence[Path], out: Path) -> None:
    """Writes a folder like the first with the mean of all weights, half precision.

    Raises:
        WeightsError: a folder is no encoder. UsageError: fewer than two, they are of different networks, or `out` is
        there. OutputError: a file cannot be written.
    """
    _require_several(folders, out)
    opened = [open_folder(folder) for folder in folders]
    names = [sorted(path.name for path in [*folder.weights, *filter(None, [folder.head])]) for folder in opened]
    for folder, files in zip(folders, names, strict=True):
        if files != names[0]:
            raise UsageError(f"{folder} has the files {files}, {folders[0]} has {names[0]}", "average like with like")
    means = {name: _mean([folder / name for folder in folders]) for name in names[0]}
    try:
        shutil.copytree(folders[0], out, ignore=shutil.ignore_patterns(*names[0]))
        for name, tensors in means.items():
            save_file(tensors, out / name, metadata={"format": "pt"})
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error}", "check the folder and its permissions") from error


def average_detectors(files: Sequence[Path], out: Path) -> None:
    """Writes a .pt file like the first with the mean of all weights, half precision.

    Raises:
        WeightsError: a file is no detector. UsageError: fewer than two, they are of different networks, or `out` is
        there. OutputError: the file cannot be written.
    """
    _require_several(files, out)
    models = [load_yolo(file, fuse=False).float() for file in files]
    states = [{name: tensor.numpy() for name, tensor in model.state_dict().items()} for model in models]
    mean = _mean_of_all(states, files)
    models[0].load_state_dict({name: torch.from_numpy(tensor) for name, tensor in mean.items()})
    write_detector(models[0], out)


def _require_several(given: Sequence[Path], out: Path) -> None:
    if len(given) < 2:
        raise UsageError("one alone has no mean", "name two or more")
    if out.exists():
        raise UsageError(f"{out} is there already", "give another --out")


def _mean(files: Sequence[Path]) -> Tensors:
    """The mean of files of the same tensors."""
    try:
        loaded: list[Tensors] = [load_file(file) for file in files]
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise UsageError(f"{files[0].name}: {error}", "every folder must hold whole safetensors files") from error
    return _mean_of_all(loaded, files)


def _mean_of_all(loaded: Sequence[Tensors], files: Sequence[Path]) -> Tensors:
    """The mean of each tensor; numbers that are no floats, such as counters, are the first file's."""
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in loaded]
    for file, found in zip(files, shapes, strict=True):
        if found != shapes[0]:
            raise UsageError(f"{file} is of another network than {files[0]}", "average like with like")
    return {name: _mean_of([tensors[name] for tensors in loaded]) for name in loaded[0]}


def _mean_of(tensors: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    if not np.issubdtype(tensors[0].dtype, np.floating):
        return tensors[0]
    mean = np.mean([tensor.astype(np.float32) for tensor in tensors], axis=0)
    return np.asarray(mean, np.float16)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("given", nargs="+", type=Path, help="folders of encoders, or .pt files of detectors")
    parser.add_argument("--out", type=Path, required=True, help="folder, or .pt file, for their mean")
    options = parser.parse_args()
    average = average_detectors if options.out.suffix == ".pt" else average_encoders
    try:
        average(options.given, options.out)
    except RecognitionError as error:
        parser.exit(error.exit_code, f"error: {error.message} ({error.hint})\n")
    print(options.out)


if __name__ == "__main__":
    main()
