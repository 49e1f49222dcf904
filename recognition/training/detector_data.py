"""What a detector learns from: labelled photos of every layout joined, and which of them are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.detection.yolo_labels import read_yolo_labels, read_yolo_scores
from recognition.errors import UsageError
from recognition.evaluation.datasets import read_labelled
from recognition.evaluation.yolo_sets import Pair, yolo_pairs
from recognition.types import Detections, Failure


@dataclass(frozen=True, eq=False)
class Example:
    """A photo and its products. boxes: float64 (n, 4) x_min, y_min, x_max, y_max, pixels of the upright photo, or
    fractions of it, so that a photo need not be opened before it is cut. scores: float32 (n,), of labels that a model
    made; None where people made them."""

    path: Path
    boxes: NDArray[np.float64]
    fractions: bool = False
    scores: NDArray[np.float32] | None = None

    def in_pixels(self, width: int, height: int) -> NDArray[np.float64]:
        """Boxes (m, 4) of a photo of that size, cut to it; those of which nothing is inside are left out."""
        boxes, inside = self._cut(width, height)
        return boxes[inside]

    def scored(self, width: int, height: int) -> Detections:
        """The same with scores, 1 for labels without one."""
        boxes, inside = self._cut(width, height)
        scores = np.ones(len(boxes), np.float32) if self.scores is None else self.scores
        return Detections(boxes[inside].astype(np.float32), scores[inside])

    def _cut(self, width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        boxes = self.boxes * ([width, height] * 2 if self.fractions else 1)
        boxes = boxes.clip(0, [width, height] * 2)
        return boxes, np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))


@dataclass(frozen=True)
class Split:
    """Photos to train on, photos kept for measuring, and what was left out because its labels are broken."""

    train: tuple[Example, ...] = ()
    held_out: tuple[Example, ...] = ()
    left_out: tuple[Failure, ...] = ()


def read_examples(places: Sequence[Path], val: float) -> Split:
    """Labelled photos of several sets of any layout; every class counts as a product.

    A data.yaml's own `val` is held out; of other sets the share `val` of the photos. A photo that is named twice is
    taken once, and one that is held out anywhere is trained on nowhere.

    Raises:
        UsageError: a place holds no labelled photos, or labels that cannot be read as a whole.
    """
    train: dict[Path, Example] = {}
    held_out: dict[Path, Example] = {}
    left_out: list[Failure] = []
    for place in places:
        pairs = yolo_pairs(place)
        if pairs is None:
            found = [
                Example(photo.path, photo.boxes.astype(np.float64), scores=photo.scores)
                for photo in read_labelled(place)
            ]
            kept, own = _checked(found, left_out), None
        else:
            kept, own = _read(pairs.train, left_out), _read(pairs.val, left_out) if pairs.val else None
        rest, measured = hold_out(kept, val) if own is None else (kept, own)
        train |= {example.path.resolve(): example for example in rest}
        held_out |= {example.path.resolve(): example for example in measured}
    trained = tuple(example for path, example in train.items() if path not in held_out)
    return Split(trained, tuple(held_out.values()), tuple(left_out))


def hold_out(examples: Sequence[Example], val: float) -> tuple[list[Example], list[Example]]:
    """Photos to train on and photos to measure on: every nth of them by name, so that the choice stays the same.

    val: share to hold out; at least one of two photos or more.
    """
    ordered = sorted(examples, key=lambda example: (example.path.name, str(example.path)))
    if len(ordered) < 2:
        return ordered, []
    step = max(2, round(1 / val))
    first = min(step // 7, len(ordered) - 1)
    kept = ordered[first::step]
    return [example for example in ordered if example not in kept], kept


def _read(pairs: Sequence[Pair], left_out: list[Failure]) -> list[Example]:
    examples = []
    for photo, label in pairs:
        try:
            examples.append(Example(photo, _fractions(label), True, read_yolo_scores(label)))
        except (OSError, ValueError) as error:
            left_out.append(_failure(label, f"labels cannot be read: {error}"))
    return _checked(examples, left_out)


def _fractions(label: Path) -> NDArray[np.float64]:
    # A sixth number is the score of a label that a model made.
    if label.exists() and any(len(line.split()) > 6 for line in label.read_text().splitlines()):
        raise ValueError("outlines instead of boxes")
    return read_yolo_labels(label, 1, 1)


def _checked(examples: Sequence[Example], left_out: list[Failure]) -> list[Example]:
    whole = [example for example in examples if np.isfinite(example.boxes).all()]
    broken = [example for example in examples if not np.isfinite(example.boxes).all()]
    left_out += [_failure(example.path, "a box is no number") for example in broken]
    return whole


def _failure(source: Path, error: str) -> Failure:
    return Failure(str(source), 0, "labels", error, "wanted lines of: class x_center y_center width height")


def require(split: Split) -> None:
    """Refuses a split with nothing to train on or nothing to measure on.

    Raises:
        UsageError: there are fewer than two photos that can be used.
    """
    if not split.train or not split.held_out:
        hint = "give two labelled photos at least: one to train on, one to measure on"
        raise UsageError(f"{len(split.train) + len(split.held_out)} labelled photos are too few", hint)
