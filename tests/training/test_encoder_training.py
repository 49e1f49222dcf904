from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training.encoder_shop import catalog, encoder_start

from recognition.embedding.loading import load_encoder
from recognition.errors import RecognitionError, UsageError, WeightsError
from recognition.settings import EmbedSettings, Settings
from recognition.training.encoder import Progress
from recognition.training.encoder_options import EncoderOptions
from recognition.training.encoder_run import TrainReport, train_encoder

SETTINGS = Settings(embed=EmbedSettings(device="cpu"))


def go(
    options: EncoderOptions, out: Path, overwrite: bool = False, progress: Callable[[Progress], None] | None = None
) -> tuple[TrainReport, list[str]]:
    said: list[str] = []
    report = train_encoder(options, out, SETTINGS, overwrite, said.append, progress or (lambda now: None), every=1)
    return report, said


@pytest.fixture
def options(tmp_path: Path) -> EncoderOptions:
    """A tiny tower and a catalogue of thirty packs."""
    start = encoder_start(tmp_path / "start", "resnet")
    return EncoderOptions(catalog(tmp_path / "packs", 30), start=str(start), steps=4, batch=8, dim=16)


def stop_at(step: int) -> Callable[[Progress], None]:
    return lambda now: os.kill(os.getpid(), signal.SIGINT) if now.step == step else None


def weights(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((out / "encoder").iterdir())}


def test_a_random_tower_learns_to_match(tmp_path: Path) -> None:
    start = encoder_start(tmp_path / "start", "resnet", trained=False)
    packs = catalog(tmp_path / "packs", 120)
    options = EncoderOptions(packs, start=str(start), steps=40, batch=24, rate=2e-3, dim=32)
    seen: list[Progress] = []
    report, _ = go(options, tmp_path / "out", progress=seen.append)
    assert report.better and report.recall_after > report.recall_before + 0.1
    first, last = (sum(now.loss for now in part) for part in (seen[:10], seen[-10:]))
    assert last < first
    assert (report.held_out, report.queries, report.products, report.steps) == (24, 48, 96, 40)
    assert seen[-1].share == 1 and seen[-1].left_s == 0 < seen[0].left_s and seen[0].views_s > 0


def test_the_report_and_the_encoder_that_is_loaded(options: EncoderOptions, tmp_path: Path) -> None:
    report, said = go(options, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["recall_after"] == report.recall_after and written["options"]["steps"] == 4
    assert said[0] == "22 products to train on, 8 held out (products)"
    encoder = load_encoder(EmbedSettings(encoder=str(tmp_path / "out" / "encoder"), device="cpu"))
    assert (encoder.dim, encoder.name) == (16, "start-trained")
    assert encoder.fingerprint != load_encoder(EmbedSettings(encoder=options.start, device="cpu")).fingerprint


def test_a_run_that_was_stopped_ends_as_one_that_was_not(options: EncoderOptions, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    go(options, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(options, tmp_path / "parts", progress=stop_at(2))
    state = torch.load(tmp_path / "parts" / "last.pt", weights_only=True)
    assert state["step"] == 2 and not (tmp_path / "parts" / "encoder").exists()
    report, said = go(options, tmp_path / "parts")
    assert "goes on after step 2" in said and report.steps == 4
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_is_done_trains_no_more(options: EncoderOptions, tmp_path: Path) -> None:
    go(options, tmp_path / "out")
    before = weights(tmp_path / "out")
    steps: list[Progress] = []
    go(options, tmp_path / "out", progress=steps.append)
    assert not steps and weights(tmp_path / "out") == before


def test_another_command_into_the_same_folder(options: EncoderOptions, tmp_path: Path) -> None:
    go(options, tmp_path / "out")
    other = replace(options, steps=5, loss="sigmoid")
    with pytest.raises(UsageError, match="--overwrite"):
        go(other, tmp_path / "out")
    assert go(other, tmp_path / "out", overwrite=True)[0].steps == 5


def test_other_pictures_than_before(options: EncoderOptions, tmp_path: Path) -> None:
    go(options, tmp_path / "out")
    catalog(tmp_path / "packs", 31)
    with pytest.raises(UsageError, match="pictures are others"):
        go(options, tmp_path / "out")


def test_a_broken_checkpoint(options: EncoderOptions, tmp_path: Path) -> None:
    go(options, tmp_path / "out")
    (tmp_path / "out" / "last.pt").write_bytes(b"no")
    with pytest.raises(WeightsError, match="--overwrite"):
        go(options, tmp_path / "out")


def test_a_folder_of_something_else_is_left_alone(options: EncoderOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="no training made"):
            go(options, out, overwrite)
    assert [p.name for p in out.iterdir()] == ["letter.txt"]


def test_the_start_is_not_written_over(options: EncoderOptions, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in the folder"):
        go(options, tmp_path, overwrite=True)


def test_the_judge_is_looked_for_before_anything_is_done(options: EncoderOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(WeightsError, match="no such folder or name"):
        go(replace(options, judge="no/such/judge"), out)
    assert not out.exists()
    go(options, out)
    before = weights(out)
    with pytest.raises(UsageError, match=r"--judge .* lies in the folder"):
        go(replace(options, judge=str(out / "encoder")), out, overwrite=True)
    assert weights(out) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"catalog": None}, "nothing to learn from"),
        ({"db": Path("sku_db")}, "exclude each other"),
        ({"catalog": None, "rendered": 1, "images": Path("x")}, "belongs to --catalog"),
        ({"minutes": 1.0}, "exclude each other"),
        ({"part": "some"}, "--train some"),
        ({"loss": "triplet"}, "--loss triplet"),
        ({"batch": 1}, "--batch 1"),
        ({"rate": -1.0}, "--rate -1.0"),
        ({"dim": 400}, "--dim 400"),
        ({"catalog": None, "db": None, "photos": Path("nowhere")}, "no products found"),
    ],
)
def test_refusals(options: EncoderOptions, change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(RecognitionError, match=message):
        go(replace(options, **change), tmp_path / "out")  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "error"), [(0, RecognitionError), (20, UsageError)])
def test_catalogues_too_small(options: EncoderOptions, count: int, error: type, tmp_path: Path) -> None:
    with pytest.raises(error):
        go(replace(options, catalog=catalog(tmp_path / "few", count)), tmp_path / "out")


def test_a_judge_says_what_is_alike_and_nothing_else(options: EncoderOptions, tmp_path: Path) -> None:
    judge = encoder_start(tmp_path / "judge", "clip")
    own, _ = go(replace(options, steps=1), tmp_path / "own")
    judged, _ = go(replace(options, steps=1, judge=str(judge)), tmp_path / "judged")
    before, after = (np.load(tmp_path / name / "likeness.npy") for name in ("own", "judged"))
    assert len(before) == len(after) and not np.allclose(before @ before.T, after @ after.T, atol=0.05)
    assert np.allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    assert judged.recall_before == own.recall_before
    encoder = load_encoder(EmbedSettings(encoder=str(tmp_path / "judged" / "encoder"), device="cpu"))
    assert encoder.dim == options.dim


def test_a_thread_needs_no_signals(options: EncoderOptions, tmp_path: Path) -> None:
    done: list[int] = []
    worker = threading.Thread(target=lambda: done.append(go(options, tmp_path / "out")[0].steps))
    worker.start()
    worker.join(60)
    assert done == [4]


@pytest.mark.parametrize("part", ["head", "last"])
def test_a_start_with_a_head_keeps_it(options: EncoderOptions, part: str, tmp_path: Path) -> None:
    go(options, tmp_path / "first")
    again = replace(options, start=str(tmp_path / "first" / "encoder"), dim=0, part=part)  # type: ignore[arg-type]
    report, _ = go(again, tmp_path / "second")
    encoder = load_encoder(EmbedSettings(encoder=report.encoder, device="cpu"))
    assert (encoder.dim, encoder.name) == (16, "start-trained")
