"""Holds labels against what a detector finds, and writes the set anew: a round of self-training.

    python -m recognition.training.relabel shelves/ --detector runs/first/detector.pt --out relabelled
    python recognize.py train detector relabelled --from runs/first/detector.pt --out runs/second

Labels that a model made, or people in haste, leave products out and hold boxes of none. A detector that has seen a
thousand such photos has not learnt each of their faults by heart, so what both say is surer than either (Xie et al.
2020, arXiv:1911.04252). Photos without labels get what the detector is sure of.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from recognition.detection.detector import Detector
from recognition.detection.merge import fuse, unite
from recognition.detection.yolo import YoloDetector
from recognition.detection.yolo_labels import label_lines
from recognition.errors import RecognitionError, SourceError
from recognition.outputs.files import replace_file, writing
from recognition.settings import DetectSettings
from recognition.sources.decode import read_image
from recognition.telling import Say
from recognition.training.claim import claim
from recognition.training.detector_data import Example, read_examples
from recognition.types import Detections, Failure, Image
from recognition.weights import detector_path

LEAST = 0.35
"""Lowest score of a new label. A label that the detector does not confirm counts 0.6 of its score (see `fuse`): one of
people, whose score is 1, stays; what the detector alone finds must be as sure."""
FLOOR = 0.05
"""Lowest score of a box that confirms a label."""
SETTINGS = replace(DetectSettings(), conf=FLOOR)
REQUEST, DESCRIPTION = "request.json", "data.yaml"
EVERY = 50


def relabel(
    place: Path, judge: Detector, weights: str, out: Path, val: float, overwrite: bool, say: Say
) -> tuple[int, tuple[Failure, ...]]:
    """Writes a YOLO set of the photos of `place` with new labels; how many photos, and what was left out.

    judge: of the file `weights`; reports boxes from `FLOOR` up.

    Held-out photos (its own `val`, else the share `val`, as `train detector` chooses them) keep their labels. Photos
    are linked to. What stands in `out` already is passed over, so that the same call goes on where it was stopped.

    Raises:
        UsageError: no labelled photos are there, or `out` holds another set. DetectorError: the model failed.
        OutputError: a file cannot be written.
    """
    split = read_examples([place], val)
    options = {"data": str(place.resolve()), "detector": weights, "val": val}
    claim(out / REQUEST, options, ("train", "val", DESCRIPTION), overwrite)
    left_out = list(split.left_out)
    for use, examples, judging in (("train", split.train, judge), ("val", split.held_out, None)):
        taken: set[str] = set()
        for number, example in enumerate(examples):
            name = example.path.stem if example.path.stem not in taken else f"{number:06d}_{example.path.stem}"
            taken.add(name)
            try:
                _write(out / use, name, example, judging)
            except SourceError as error:
                left_out.append(Failure(str(example.path), 0, "read", error.message, error.hint))
            if number % EVERY == 0:
                say(f"{use}: {number} of {len(examples)} photos")
    replace_file(out / DESCRIPTION, b"train: train/images\nval: val/images\nnames: {0: product}\n")
    return len(split.train), tuple(left_out)


def _write(folder: Path, name: str, example: Example, judge: Detector | None) -> None:
    """Links to the photo and writes its labels, last, since they say that it is done.

    Raises:
        SourceError: the photo cannot be read. DetectorError: the model failed. OutputError: nothing can be written.
    """
    photo, labels = folder / "images" / f"{name}{example.path.suffix}", folder / "labels" / f"{name}.txt"
    if labels.is_file():
        return
    image = read_image(example.path).image
    height, width = image.shape[:2]
    given = example.scored(width, height)
    found = given if judge is None else judged(image, given, judge)
    found = found.select(np.flatnonzero(found.scores >= LEAST))
    with writing(folder):
        for place in (photo, labels):
            place.parent.mkdir(parents=True, exist_ok=True)
        photo.unlink(missing_ok=True)
        photo.symlink_to(example.path.resolve())
    replace_file(labels, label_lines(found.xyxy, width, height, found.scores).encode())


def judged(image: Image, labels: Detections, judge: Detector) -> Detections:
    """Labels and what the judge finds, as it is and mirrored, as one list: boxes averaged."""
    seen, mirrored = judge.detect([image, np.ascontiguousarray(image[:, ::-1])])
    back = mirrored.xyxy.copy()
    back[:, [0, 2]] = image.shape[1] - mirrored.xyxy[:, [2, 0]]
    found = _one_list(seen, Detections(back, mirrored.scores))
    return _one_list(found, labels)


def _one_list(first: Detections, second: Detections) -> Detections:
    return unite(fuse(first, second), SETTINGS.iou, SETTINGS.max_boxes)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="labelled photos of any layout; scores of labels count")
    parser.add_argument("--detector", default="starter", help="what judges: starter, or a .pt file")
    parser.add_argument("--val", type=float, default=0.05, help="share of photos that stay as they are, to measure on")
    parser.add_argument("--device", default="auto", help="as for run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new set; the same command goes on in it")
    parser.add_argument("--overwrite", action="store_true", help="replace the set that --out holds")
    options = parser.parse_args()
    try:
        file = detector_path(options.detector).resolve()
        judge = YoloDetector(file, replace(SETTINGS, device=options.device))
        say = partial(print, file=sys.stderr)
        photos, left_out = relabel(options.data, judge, str(file), options.out, options.val, options.overwrite, say)
    except RecognitionError as error:
        parser.exit(error.exit_code, f"error: {error.message} ({error.hint})\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped: the same command goes on from here\n")
    for failure in left_out:
        print(f"left out: {failure.source}: {failure.error} ({failure.hint})", file=sys.stderr)
    print(f"{options.out / DESCRIPTION}: {photos} photos")
    parser.exit(3 if left_out else 0)


if __name__ == "__main__":
    main()
