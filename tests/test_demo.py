"""The samples with the weights that ship: what `make demo` does, on one photo, and on all as a slow test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import Cli

SAMPLES = Path(__file__).parents[1] / "samples"
PHOTO = "photos/close_up.jpg"


def test_products_of_a_sample_photo_are_found_with_the_weights_that_ship(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header, *rows = (SAMPLES / "truth.csv").read_text(encoding="utf-8").splitlines()
    Path("truth.csv").write_text("\n".join([header, *(row for row in rows if row.startswith(PHOTO))]) + "\n")
    Path("photos").mkdir()
    shutil.copy(SAMPLES / PHOTO, PHOTO)
    # Few SKUs: thresholds need no calibration then, and only what is found is looked at.
    Path("catalog.csv").write_text("\n".join((SAMPLES / "catalog.csv").read_text("utf-8").splitlines()[:4]) + "\n")
    Path("s.toml").write_text("[match]\nverify = false\n")
    assert cli("skus", "build", "catalog.csv", "--images", SAMPLES).code == 0
    assert cli("--settings", "s.toml", "run", PHOTO, "--out", "out", "--no-pictures").code == 0
    answer = cli("evaluate", "end-to-end", "out", ".", "--json")
    assert json.loads(answer.out)["found"] > 0.8


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("skus", "build", SAMPLES / "catalog.csv").code == 0
    assert cli("run", SAMPLES / "photos", "--out", "out").code == 0
    answer = cli("evaluate", "end-to-end", "out", SAMPLES)
    assert answer.code == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["found"] > 0.8
    assert summary["right"] > summary["false_known"]
    files = [Path(line) for line in answer.out.splitlines()[-(len(summary["photos"]) + 3) :]]
    assert all(path.is_file() for path in files)
    assert cli("match", SAMPLES / "packshots" / "P101.jpg").out.split()[1:3] == ["recognized", "P101"]
    assert cli("doctor").code == 0
