"""The two ways that benchmarks/stream.py compares, and a camera looked at too slowly; each in its own process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.stream_inputs import NAME, FilmChoice, database_name, make_database, make_film, settings_for
from benchmarks.stream_lag import look_too_slowly
from recognition.detection.boxes import iou_matrix
from recognition.embedding.crops import cut_crops
from recognition.live.engine import Engine
from recognition.live.session import Session
from recognition.run import open_recognizer
from recognition.settings import StreamSettings
from recognition.sources.video import read_video
from recognition.types import NO_SKU, Frame, Matches, Sku

TRUTH = "film.json"
_VISIBLE, _SAME_PRODUCT = 0.5, 0.5


@dataclass
class Played:
    """A film, or some frames of it. frames, seconds: handled, and how long that took, reading too. embedded: crops.
    wanted: products of the catalogue that the checked frames show, half of each at least; right: those of them that
    were found with their SKU; wrong: products, of no catalogue too, that were found with the SKU of another."""

    frames: int = 0
    seconds: float = 0.0
    embedded: int = 0
    wanted: int = 0
    right: int = 0
    wrong: int = 0
    checked: list[int] = field(default_factory=list)


def naive(folder: Path, shape: str, checked: int) -> Played:
    """Detects, embeds and matches all that a frame shows; of `checked` frames, for each of them costs the same."""
    played = Played(checked=_spread(folder, checked))
    with open_recognizer(settings_for(folder, shape), folder / database_name(shape)) as (recognizer, _):
        recognizer.match([np.full((160, 160, 3), 128, np.uint8)])
        for frame in _timed(folder, played, lambda index: index in played.checked):
            found = recognizer.detector.detect([frame.image])[0]
            played.embedded += len(found)
            matches = recognizer.match(cut_crops(frame.image, found.xyxy))
            _check(folder, played, frame.index, found.xyxy, matches, recognizer.describe(map(int, matches.decided)))
    return played


def ours(folder: Path, shape: str, checked: int) -> Played:
    """The live core over every frame; what it shows is checked at the same frames."""
    played = Played(checked=_spread(folder, checked))
    with open_recognizer(settings_for(folder, shape), folder / database_name(shape)) as (recognizer, _):
        recognizer.match([np.full((160, 160, 3), 128, np.uint8)])
        session = Session(NAME, StreamSettings(), recognizer.describe)
        engine = Engine(recognizer.detector, recognizer.match)
        for frame in _timed(folder, played, lambda index: True):
            engine.step([(session, frame)])
            shown = session.picture() if frame.index in played.checked else None
            if shown is not None:
                _check(folder, played, frame.index, shown.detections.xyxy, shown.matches, dict(shown.skus))
        played.embedded = session.embeddings
    return played


def _timed(folder: Path, played: Played, wanted: Callable[[int], bool]) -> Iterator[Frame]:
    """Frames of the film; the clock runs while they are read and while the caller has them."""
    frames = read_video(folder / f"{NAME}.mp4")
    start = time.perf_counter()
    for frame in frames:
        if isinstance(frame, Frame) and wanted(frame.index):
            yield frame
            played.frames += 1
            played.seconds += time.perf_counter() - start
        start = time.perf_counter()


def _spread(folder: Path, count: int) -> list[int]:
    """Numbers of some frames, the last one among them."""
    frames = len(json.loads((folder / TRUTH).read_text(encoding="utf-8"))["frames"])
    return sorted({round(frames * (number + 1) / count) - 1 for number in range(count)})


def _check(folder: Path, played: Played, index: int, boxes: np.ndarray, matches: Matches, skus: dict[int, Sku]) -> None:
    """Counts what is right in a frame."""
    products = json.loads((folder / TRUTH).read_text(encoding="utf-8"))["frames"][index]["products"]
    shown = [p for p in products if p[6] >= _VISIBLE]
    overlap = iou_matrix(np.array([p[:4] for p in shown], np.float32).reshape(-1, 4), boxes)
    named = [skus[int(sku)].sku if sku != NO_SKU else "" for sku in matches.decided]
    for row, sku in enumerate(p[4] for p in shown):
        best = int(overlap[row].argmax()) if len(boxes) else -1
        ours = named[best] if best >= 0 and overlap[row, best] >= _SAME_PRODUCT else ""
        played.wanted += bool(sku)
        played.right += bool(ours) and ours == sku
        played.wrong += bool(ours) and ours != sku


def make(folder: Path, shapes: Sequence[str], choice: FilmChoice) -> dict[str, int]:
    """Film and databases."""
    _, film = make_film(folder, choice)
    for shape in shapes:
        make_database(folder, shape)
    return {"frames": len(film.cameras), "products": len(film.panorama.instances)}


def main() -> None:
    """One part, named first; prints what it measured as JSON."""
    part, place, *rest = sys.argv[1:]
    folder = Path(place)
    if part == "make":
        print(json.dumps(make(folder, rest[0].split(","), FilmChoice(**json.loads(rest[1])))))
    elif part == "lag":
        print(json.dumps(asdict(look_too_slowly(float(rest[0])))))
    else:
        print(json.dumps(asdict({"naive": naive, "ours": ours}[part](folder, rest[0], int(rest[1])))))


if __name__ == "__main__":
    main()
