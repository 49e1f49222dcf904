"""Trains a detector for your own shelves: tiles, training that goes on where it stopped, figures before and after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from recognition.detection.safe_ultralytics import export_yolo
from recognition.errors import UsageError
from recognition.outputs.files import replace_file
from recognition.settings import DetectSettings
from recognition.telling import Bar, Say
from recognition.training.claim import claim
from recognition.training.detector_fit import FitRequest, Machine, fit, save_detector, start_file, training_device
from recognition.training.detector_report import TrainReport, draw_curves, measure
from recognition.training.detector_tiles import TileRequest, Tiles, prepare_tiles
from recognition.types import Failure

REQUEST, DETECTOR, REPORT, CURVES = "request.json", "detector.pt", "report.json", "curves.png"
_MADE = (DETECTOR, REPORT, CURVES, "kept", "run")
"""What a training writes; tiles stay, for the next one may want the same."""
EXPORTS = {"onnx": "onnx", "openvino": "openvino"}
"""Formats and the package that each needs."""
_EXPORT_SIDE = 1280


@dataclass(frozen=True)
class DetectorRequest:
    """All that decides what comes out."""

    tiles: TileRequest
    fit: FitRequest

    def check(self) -> None:
        """Refuses what cannot be trained.

        Raises:
            UsageError: nothing to train on, options that contradict each other, or a number out of its range.
        """
        if not self.tiles.data and not self.tiles.rendered:
            raise UsageError("nothing to train on", "give labelled photos, or --rendered N, or both")
        if self.tiles.catalog and not self.tiles.rendered:
            raise UsageError("--catalog is for rendered shelves", "say how many with --rendered N")
        if self.tiles.images and not self.tiles.catalog:
            raise UsageError("--images belongs to --catalog", "name the catalogue's CSV with --catalog")
        if self.tiles.tile % 32 or not 64 <= self.tiles.tile <= 1280:
            raise UsageError(f"--tile {self.tiles.tile}", "wanted a multiple of 32 from 64 to 1280")


def train_detector(
    request: DetectorRequest, out: Path, machine: Machine, export: str, overwrite: bool, say: Say, bar: Bar
) -> tuple[TrainReport, tuple[Failure, ...], list[Path]]:
    """Trains into the folder `out`, or goes on with the same request there; report, what was left out, and files.

    export: "" or a key of EXPORTS. overwrite: replace another training that the folder holds. bar: gives a progress
    bar by its name.

    Raises:
        UsageError: the request makes no sense, or the folder holds something else.
        RecognitionError: no photo can be used, the start cannot be loaded, or training failed.
    """
    request.check()
    _require_exporter(export)
    device = training_device(machine.device)
    start = start_file(request.fit.start)
    claim(out / REQUEST, asdict(request), _MADE, overwrite)
    tiles = prepare_tiles(request.tiles, out / "tiles", say, bar)
    say(f"{tiles.train} tiles of {tiles.photos} photos, {tiles.val} held-out tiles, on {device}")
    last = fit(request.fit, tiles.data, out, request.tiles.tile, request.tiles.seed, machine, say)
    save_detector(last, out / DETECTOR)
    draw_curves(out / "run" / "results.csv", out / CURVES)
    report = _report(request, out, tiles, start, device, bar)
    replace_file(out / REPORT, json.dumps(report.as_dict(), indent=2).encode() + b"\n")
    files = [out / DETECTOR, out / REPORT, out / CURVES]
    if export:
        files.append(export_yolo(out / DETECTOR, export, _EXPORT_SIDE, DetectSettings().max_boxes))
    return report, tiles.left_out, files


def _require_exporter(export: str) -> None:
    if export and export not in EXPORTS:
        raise UsageError(f"--export {export}", f"wanted {' or '.join(EXPORTS)}")
    if export and find_spec(EXPORTS[export]) is None:
        raise UsageError(f"--export {export} needs the package {EXPORTS[export]}", f"pip install {EXPORTS[export]}")


def _report(
    request: DetectorRequest, out: Path, tiles: Tiles, start: Path | None, device: str, bar: Bar
) -> TrainReport:
    where = f"cuda:{device.split(',')[0]}" if device[0].isdigit() else device
    weights: Sequence[Path] = [out / DETECTOR] if start is None else [start, out / DETECTOR]
    figures = []
    for path in weights:
        with bar("measuring") as progress:
            figures.append(measure(path, tiles.measured, where, progress))
    first = figures[0] if start is not None else None
    return TrainReport(
        str(out / DETECTOR), tiles.photos, tiles.train, request.fit.epochs, len(tiles.measured), len(tiles.left_out),
        first, figures[-1], figures[-1].ap > (first.ap if first else 0.0),
    )  # fmt: skip
