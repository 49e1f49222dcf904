"""Accuracy of `stream` on rendered walks and watched shelves, whose every frame has an exact truth.

`python -m benchmarks.stream_accuracy [--kinds walk still] [--seeds 41 42 43] [--seconds 10] [--width 1280] [--out F]`

Each film goes through the stream twice: with the detector and the encoder that ship, against a database of the packs'
packshots; and with boxes and SKUs of the truth, so that what following and merging alone lose can be told apart. A film
and its answers are kept with `--work`, and a run that is started again goes on with the films that are missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.stream_inputs import FilmChoice, database_name, make_database, make_film, settings_for
from benchmarks.stream_score import FilmTruth, StreamScore, Watch
from recognition.detection.detector import Detector
from recognition.embedding.crops import cut_crops
from recognition.live.engine import Engine, Match
from recognition.live.session import Session
from recognition.run import open_recognizer
from recognition.settings import StreamSettings
from recognition.sources.video import read_video
from recognition.types import NO_SKU, Detections, Frame, Image, Matches, Sku, Status

WAYS = ("starter", "truth")
SCORE, CONFIDENCE = 0.9, 0.95


class Perfect:
    """Detector and match that know the truth: products of which half can be seen, and what each crop shows."""

    name = "truth"

    def __init__(self, truth: FilmTruth) -> None:
        self._truth = truth
        self._names = sorted({p.sku for frame in truth.products for p in frame if p.sku})
        self._shown: dict[bytes, str] = {}
        self.index = 0

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Products of frame `index`."""
        (image,) = images
        products = [p for p in self._truth.products[self.index] if p.visible >= 0.5]
        boxes = np.array([p.box for p in products], np.float32).reshape(-1, 4)
        crops = cut_crops(image, boxes)
        self._shown = {crop.tobytes(): p.sku for crop, p in zip(crops, products, strict=True)}
        return [Detections(boxes, np.full(len(boxes), SCORE, np.float32))]

    def match(self, crops: list[Image], physical: NDArray[np.float64]) -> Matches:
        """What the crops of the latest frame show; a piece of a product is none."""
        names = [self._shown.get(crop.tobytes(), "") for crop in crops]
        skus = np.array([self._names.index(name) if name else NO_SKU for name in names], np.int64)
        known = skus != NO_SKU
        return Matches(
            np.where(known, Status.RECOGNIZED, Status.UNKNOWN).astype(np.int8),
            np.stack([skus, np.full_like(skus, NO_SKU)], axis=1).reshape(-1, 2),
            np.stack([np.where(known, SCORE, -np.inf), np.full(len(skus), -np.inf)], axis=1).astype(np.float32),
            np.where(known, CONFIDENCE, 0.0).astype(np.float32),
        )

    def describe(self, skus: Iterable[int]) -> dict[int, Sku]:
        """SKUs by their numbers here."""
        return {number: Sku(number, self._names[number]) for number in skus}


def run_film(
    path: Path,
    truth: FilmTruth,
    detector: Detector,
    match: Match,
    describe: Callable[[Iterable[int]], Mapping[int, Sku]],
) -> StreamScore:
    """Plays a film through the live core, every frame of it, and scores what came out."""
    session = Session(path.name, StreamSettings(), describe)
    engine, watch = Engine(detector, match), Watch(truth, session)
    for item in read_video(path):
        assert isinstance(item, Frame), item
        if isinstance(detector, Perfect):
            detector.index = item.index
        watch.look(item, engine.step([(session, item)]))
    return watch.score()


def measure_film(folder: Path, choice: FilmChoice) -> dict[str, StreamScore]:
    """Scores of both ways on one film."""
    path, film = make_film(folder, choice)
    truth = FilmTruth.of(film, path)
    perfect = Perfect(truth)
    scores = {"truth": run_film(path, truth, perfect, perfect.match, perfect.describe)}
    make_database(folder)
    with open_recognizer(settings_for(folder), folder / database_name()) as (recognizer, _):
        scores["starter"] = run_film(path, truth, recognizer.detector, recognizer.match, recognizer.describe)
    return scores


def as_table(scores: Mapping[str, Mapping[str, StreamScore]]) -> str:
    """One line for each film and way, what was wrong under it, and the medians."""
    lines = ["film         way      facings F1  by SKU  products  switches  events right/ours/true"]
    for film, ways in scores.items():
        for way, one in ways.items():
            events = f"{one.right}/{one.claimed}/{one.wanted}"
            lines.append(
                f"{film:12} {way:8} {one.facings_f1:10.3f} {one.counts_f1:7.3f} {one.given:4}/{one.standing:<4} "
                f"{one.switches:9} {events:>23}"
            )
            lines += [f"    missed: {words}" for words in one.missed] + [f"    wrong: {words}" for words in one.wrong]
    for way in WAYS:
        given = [ways[way] for ways in scores.values()]
        right, ours, true = (sum(getattr(one, name) for one in given) for name in ("right", "claimed", "wanted"))
        lines.append(
            f"{way}: facings F1 {median(one.facings_f1 for one in given):.3f} "
            f"({min(one.facings_f1 for one in given):.3f} the worst of {len(given)} films), "
            f"events: precision {right / max(ours, 1):.2f}, recall {right / max(true, 1):.2f} of {true}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures film by film, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=("walk", "still"), default=["walk", "still"], help="of films")
    parser.add_argument("--seeds", nargs="+", type=int, default=[41, 42], help="another seed is another shelf")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each film")
    parser.add_argument("--width", type=int, default=1280, help="of the films' pictures, pixels")
    parser.add_argument("--fps", type=float, default=12.5, help="frames a second of the films")
    parser.add_argument("--work", type=Path, help="folder that keeps films and answers; the same one goes on")
    parser.add_argument("--out", type=Path, help="JSON file for the scores")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="stream-accuracy-") as folder:
        scores, size = {}, (given.seconds, given.width, given.fps)
        for choice in (FilmChoice(kind, seed, *size) for kind in given.kinds for seed in given.seeds):
            print(f"{choice.kind} {choice.seed} ...", file=sys.stderr, flush=True)
            scores[f"{choice.kind} {choice.seed}"] = _kept(given.work or Path(folder), choice)
    if given.out:
        content = {film: {way: asdict(one) for way, one in ways.items()} for film, ways in scores.items()}
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(as_table(scores))


def _kept(work: Path, choice: FilmChoice) -> dict[str, StreamScore]:
    """The scores of a film, measured unless an earlier run has left them."""
    folder = work / "-".join(str(value) for value in asdict(choice).values())
    file = folder / "scores.json"
    if file.exists():
        return {way: StreamScore(**one) for way, one in json.loads(file.read_text(encoding="utf-8")).items()}
    folder.mkdir(parents=True, exist_ok=True)
    scores = measure_film(folder, choice)
    file.write_text(json.dumps({way: asdict(one) for way, one in scores.items()}), encoding="utf-8")
    return scores


if __name__ == "__main__":
    main()
