"""benchmarks/encode.py: crops and models as promised, ratios right, wrong use refused."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.encode import as_table, main, summarise
from benchmarks.encode_inputs import CROPS, load_crops, save_crops
from benchmarks.encode_ways import agreement, ways

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
    unit = np.eye(3, dtype=np.float32)
    near = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0]], np.float32)
    assert agreement(near, near) == (pytest.approx(1), 1.0)
    assert agreement(near[[0, 1, 2]], np.stack([near[0], near[1], unit[2]])) == (pytest.approx(0), pytest.approx(2 / 3))


@pytest.mark.parametrize("arguments", [["--images", "1"], ["--repeats", "0"], ["--threads", "0"], ["--shapes", "vgg"]])
def test_wrong_use_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_crops_are_of_shelf_like_sizes(tmp_path: Path) -> None:
    save_crops(tmp_path / CROPS, 5)
    crops = load_crops(tmp_path / CROPS)
    assert len(crops) == 5
    assert all(crop.dtype == np.uint8 and crop.shape[2] == 3 and min(crop.shape[:2]) > 20 for crop in crops)
    assert crops[0].std() > 5


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
