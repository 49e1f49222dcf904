"""benchmarks/encode.py: crops and models as promised, ratios right, wrong use refused."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.encode import as_table, main, summarise
from benchmarks.encode_files import files_table
from benchmarks.encode_files import summarise as summarise_files
from benchmarks.encode_inputs import CROPS, crops, load_pictures, packs, references, save_files, save_pictures
from benchmarks.encode_ways import agreement, ways, yardstick
from recognition.training.render.gondola import PlanStyle
from recognition.training.render.scene import SceneStyle

ROOT = Path(__file__).parents[1]


def measured(*seconds: float) -> dict[str, Any]:
    cpu = [2 * value for value in seconds]
    return {"seconds": list(seconds), "cpu_seconds": cpu, "open_seconds": 3.0, "cosine": 0.99995, "top1": 1.0}


def test_ratios_are_of_the_rounds_own_pairs() -> None:
    found = {way: measured(0.4, 0.8, 0.6) for way in ways()} | {"openvino": measured(0.1, 0.4, 0.2)}
    rows = {row.way: row for row in summarise("clip-b/32", found)}
    assert list(rows) == list(ways())
    assert rows["naive"].times_naive.median == 1
    assert (rows["openvino"].times_naive.min, rows["openvino"].times_naive.median) == (2, pytest.approx(3))
    assert rows["openvino"].cpu_naive.max == 4
    table = as_table(list(rows.values()))
    assert "200.0 (100.0..400.0)" in table
    assert "3.00 (2.00..4.00)" in table
    assert "0.99995" in table


def test_agreement() -> None:
    references = np.eye(3, dtype=np.float32)
    wanted = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0]], np.float32)
    found = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0]], np.float32)
    assert agreement(wanted, wanted, references) == (pytest.approx(1), 1.0)
    assert agreement(found, wanted, references) == (pytest.approx(0.96), pytest.approx(2 / 3))
    assert agreement(found, wanted, references[:1])[1] == 1  # a single SKU is found by all


@pytest.mark.parametrize(("way", "by"), [("openvino plain", "naive"), ("openvino-int8", "torch"), ("torch", "torch")])
def test_a_way_is_held_against_one_of_the_same_preprocessing(way: str, by: str) -> None:
    assert yardstick(way) == by


def test_files_are_compared_round_by_round() -> None:
    found = {"clip-retrieval": [8.0, 4.0], "skus build": [4.0, 1.0]}
    near = np.array([[1, 0], [0.8, 0.6]], np.float32)
    rows = summarise_files(found, {"clip-retrieval": np.eye(2, dtype=np.float32), "skus build": near}, 4)
    assert [row.way for row in rows] == ["clip-retrieval", "skus build"]
    assert (rows[0].times_theirs.median, rows[0].cosine) == (1, 1)
    assert (rows[1].times_theirs.min, rows[1].times_theirs.max) == (2, 4)
    assert (rows[1].seconds.max, rows[1].cosine) == (1, pytest.approx(0.6))
    assert "3.000 (2.000..4.000)" in files_table(rows)


@pytest.mark.parametrize(
    "arguments",
    [["--images", "1"], ["--repeats", "0"], ["--threads", "0"], ["--shapes", "vgg"], ["--clip-retrieval", "no"]],
)
def test_wrong_use_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_crops_are_of_shelf_like_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.encode_inputs._STYLE", SceneStyle(800, 600, PlanStyle(700, 500, unknowns=0.0)))
    save_pictures(tmp_path / CROPS, list(islice(crops(), 5)))
    kept = load_pictures(tmp_path / CROPS)
    assert len(kept) == 5
    assert all(crop.dtype == np.uint8 and crop.shape[2] == 3 and min(crop.shape[:2]) > 20 for crop in kept)
    assert kept[0].std() > 5


def test_each_pack_has_one_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    some = packs()[:3]
    monkeypatch.setattr("benchmarks.encode_inputs.packs", lambda: some)
    shots = references()
    assert len(shots) == 3
    assert all(shot.dtype == np.uint8 and not (shot[0] == 255).all() for shot in shots)


def test_files_sort_as_the_crops_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.encode_inputs.crops", lambda: (np.full((9, 9, 3), 20 * i, np.uint8) for i in range(12))
    )
    save_files(tmp_path / "files", 11)
    means = [np.asarray(Image.open(path)).mean() for path in sorted((tmp_path / "files").iterdir())]
    assert len(means) == 11 and means == sorted(means)


@pytest.mark.slow
def test_whole_tiny_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.encode", "--shapes", "starter", "--images", "6", "--repeats", "1"]
    out = tmp_path / "rows.json"
    subprocess.run([*command, "--threads", "1", "--out", str(out)], cwd=ROOT, check=True, capture_output=True)
    rows = {row["way"]: row for row in json.loads(out.read_text())}
    assert set(rows) == set(ways())
    assert rows["openvino"]["cosine"] >= 0.9999
    assert rows["openvino plain"]["cosine"] >= 0.9999
    assert rows["openvino"]["times_naive"]["median"] > 1
