"""benchmarks/stream*.py: the score against a known truth, a small film through the live core, what is kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import stream as benchmark
from benchmarks import stream_accuracy, stream_lag, stream_ways
from benchmarks.stream_inputs import FilmChoice, make_film
from benchmarks.stream_score import FilmTruth, Watch
from recognition.live.session import Session
from recognition.outputs.live_events import Event, EventKind
from recognition.settings import StreamSettings
from recognition.training.render.walk_view import VisibleProduct, WalkEvent
from recognition.types import Frame, Matches, Sku, Status

SMALL = FilmChoice("still", 41, 1.6, 640, 5.0, events=0, people=0)


def truth(*events: WalkEvent) -> FilmTruth:
    """Two packs before a camera that stands, ten frames a second; pack 2 can be seen from second 2 on."""
    boxes = {1: (10.0, 10.0, 50.0, 90.0), 2: (60.0, 10.0, 100.0, 90.0)}
    seconds = [number / 10 for number in range(60)]
    shown = [[VisibleProduct(boxes[n], f"S{n}", n, 1.0) for n in boxes if n == 1 or second >= 2] for second in seconds]
    places = {n: np.array(box, np.float32) for n, box in boxes.items()}
    facings = Counter({(1, "S1"): 1, (1, "S2"): 1})
    return FilmTruth(shown, [np.eye(3)] * 60, seconds, (200, 100), places, events, facings, 2)


def event(kind: EventKind, seconds: float, box: tuple[float, ...], sku: str = "S1") -> Event:
    return Event("", seconds, "film", kind, 1, box, sku)


@pytest.mark.parametrize(
    ("told", "claimed", "right", "named"),
    [
        ([], 0, 0, 0),
        ([event(EventKind.APPEARED, 0.1, (10, 10, 50, 90))], 0, 0, 0),
        ([event(EventKind.APPEARED, 2.5, (60, 10, 100, 90))], 0, 0, 0),
        ([event(EventKind.APPEARED, 1.5, (10, 10, 50, 90))], 1, 0, 0),
        ([event(EventKind.APPEARED, 1.5, (120, 10, 160, 90))], 1, 0, 0),
        ([event(EventKind.DISAPPEARED, 4.4, (11, 10, 51, 90))], 1, 1, 1),
        ([event(EventKind.DISAPPEARED, 4.4, (11, 10, 51, 90), "S7")], 1, 1, 0),
        ([event(EventKind.DISAPPEARED, 4.4, (11, 10, 51, 90))] * 2, 2, 1, 1),
        ([event(EventKind.DISAPPEARED, 5.2, (10, 10, 50, 90))], 1, 0, 0),
        ([event(EventKind.DISAPPEARED, 4.0, (60, 10, 100, 90))], 1, 0, 0),
        ([event(EventKind.CHANGED, 4.0, (10, 10, 50, 90))], 1, 0, 0),
        ([event(EventKind.RECOGNIZED, 4.0, (10, 10, 50, 90))], 0, 0, 0),
    ],
)
def test_events_are_held_against_the_truth(told: list[Event], claimed: int, right: int, named: int) -> None:
    watch = Watch(truth(WalkEvent(4.0, "taken", 1, "S1", (1, 1))), Session("film", StreamSettings(), lambda skus: {}))
    watch.look(Frame("film", 55, np.zeros((100, 200, 3), np.uint8), seconds=5.5), told)
    score = watch.score()
    assert (score.claimed, score.right, score.named, score.wanted) == (claimed, right, named, 1)
    assert len(score.missed) == 1 - right and len(score.wrong) == claimed - right
    assert score.facings_f1 == 0 and score.given == 0 and score.standing == 2


def test_a_small_film_with_a_perfect_detector(tmp_path: Path) -> None:
    path, film = make_film(tmp_path, SMALL)
    known = FilmTruth.of(film, path)
    assert len(known.products) == 8 and known.standing > 40
    assert len((tmp_path / "catalog.csv").read_text().splitlines()) == len(list((tmp_path / "packshots").iterdir())) + 1
    perfect = stream_accuracy.Perfect(known)
    score = stream_accuracy.run_film(path, known, perfect, perfect.match, perfect.describe)
    assert score.facings_f1 > 0.97 and score.switches == 0 and score.instances > 40
    assert (score.wanted, score.claimed) == (0, 0)
    table = stream_accuracy.as_table({"still 41": {way: replace(score, wrong=("x",)) for way in stream_accuracy.WAYS}})
    assert "truth: facings F1" in table and "wrong: x" in table


def test_scores_that_are_there_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(truth(), Session("film", StreamSettings(), lambda skus: {}))
    score, asked = watch.score(), []
    monkeypatch.setattr(
        stream_accuracy,
        "measure_film",
        lambda folder, choice: asked.append(choice) or {"truth": score, "starter": score},
    )
    for _ in range(2):
        given = ["--kinds", "still", "--seeds", "1", "2", "--work", str(tmp_path), "--out", str(tmp_path / "out.json")]
        stream_accuracy.main(given)
    assert [choice.seed for choice in asked] == [1, 2]
    assert json.loads((tmp_path / "out.json").read_text())["still 2"]["truth"]["standing"] == 2


def test_the_age_of_a_picture_is_read_from_it() -> None:
    assert 0 <= stream_lag._age(stream_lag._picture()) < 5


def test_ways_take_turns_and_what_is_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []

    def child(module: str, threads: int, part: str, *rest: str) -> dict[str, Any]:
        parts.append(part)
        if part == "make":
            return {"frames": 10, "products": 3}
        if part == "lag":
            return asdict(stream_lag.Lag(5, 20, 0.02, 0.06, 0.02))
        counts = {"embedded": 6, "wanted": 4, "right": 3, "wrong": 1, "checked": [9]}
        return {"frames": 10 if part == "ours" else 1, "seconds": 1.0, **counts}

    monkeypatch.setattr(benchmark, "run_child", child)
    given = ["--kinds", "still", "--shapes", "starter", "--repeats", "2", "--out", str(tmp_path / "out.json")]
    benchmark.main(given)
    assert parts == ["make", "naive", "ours", "naive", "ours", "lag"]
    benchmark.main(given)
    assert len(parts) == 6
    assert "ours to naive: 10.000" in benchmark.as_table(json.loads((tmp_path / "out.json").read_text()))
    benchmark.main([*given, "--checked", "3"])
    assert len(parts) == 12


def test_what_a_frame_shows_is_counted_and_can_be_written(tmp_path: Path) -> None:
    products = [[0, 0, 9, 9, "S1", 1, 1.0], [20, 0, 29, 9, "S2", 2, 1.0], [40, 0, 49, 9, "", 3, 1.0]]
    (tmp_path / stream_ways.TRUTH).write_text(json.dumps({"frames": [{"products": products}]}), encoding="utf-8")
    boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]], np.float32)
    played = stream_ways.Played()
    for skus in ([1, 1, 2], []):
        status = np.full(len(skus), Status.RECOGNIZED, np.int8)
        column, ones = np.array(skus, np.int64).reshape(-1, 1), np.ones(len(skus), np.float32)
        matches = Matches(status, np.hstack([column, column]), np.stack([ones, ones], axis=1), ones)
        stream_ways._check(tmp_path, played, 0, boxes[: len(skus)], matches, {1: Sku(1, "S1"), 2: Sku(2, "S2")})
    assert (played.wanted, played.right, played.wrong) == (4, 1, 2)
    assert json.loads(json.dumps(asdict(played)))["right"] == 1
