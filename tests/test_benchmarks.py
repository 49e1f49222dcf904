"""benchmarks/photo.py: its parts in this process, and a whole tiny run in its own (slow). No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.photo import Spread, as_table, main, summarise
from benchmarks.photo_inputs import Inputs, draw_distractors, make_inputs
from benchmarks.photo_ways import BOXES, DISTRACTOR, NAMES, VECTORS, Choice, naive, ours, peak_mib
from recognition.skus.database import SkuDatabase

ROOT = Path(__file__).resolve().parent.parent
INPUTS = {
    "width": 4000, "height": 3000, "rendered": 200, "distractors": 100_000, "index": "ivf-sq8", "nprobe": 4,
    "recall": 0.99, "nearest_rendered": 0.8, "nearest_distractor": 0.7,
}  # fmt: skip


def unit_rows(count: int, dim: int) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def way(answers: list[str], **seconds: float) -> dict[str, Any]:
    return {"seconds": seconds, "answers": answers, "exact": answers, "ready_mib": 800.0, "peak_mib": 900.0}


def one_round(ours_embed: float = 1.0, naive_embed: float = 5.0) -> dict[str, dict[str, Any]]:
    stages = {"decode": 0.5, "crop": 0.25, "search": 0.25}
    return {
        "detect": way([], detect=2.0),
        "ours": way(["a", "b", "c", "d"], **stages, embed=ours_embed, verify=2.0),
        "naive": way(["a", "b", "c", "x"], **stages, embed=naive_embed),
    }


@pytest.mark.parametrize("count", [0, 1, 50])
def test_distractors_are_unit_vectors_near_the_references(count: int) -> None:
    references = unit_rows(20, 64)
    drawn = draw_distractors(references, count, 3)
    assert drawn.shape == (count, 64)
    assert drawn.dtype == np.float32
    assert np.allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
    assert np.array_equal(drawn, draw_distractors(references, count, 3))
    if count:
        strangers = unit_rows(count + 20, 64)[20:]
        assert (drawn @ references.T).max(axis=1).mean() > (strangers @ references.T).max(axis=1).mean() + 0.2


def test_summary_of_rounds() -> None:
    report = summarise([one_round(), one_round(ours_embed=2.0), one_round()], INPUTS, threads=2)
    assert (report.products, report.rounds, report.threads) == (4, 3, 2)
    assert report.seconds["ours"]["embed"] == Spread(1.0, 1.0, 2.0)
    assert report.ratios["same work"] == Spread(3.0, 2.0, 3.0)
    assert report.ratios["with detection"] == Spread(2.0, 1.6, 2.0)
    assert report.ratios["with verification"].median == pytest.approx(8 / 6)
    assert (report.agreement, report.agreement_exact) == (0.75, 0.75)
    assert report.memory_mib["naive"]["peak"].median == 900


def test_photo_without_products_has_no_naive_stages() -> None:
    nothing = one_round()
    nothing["ours"]["answers"] = nothing["naive"]["answers"] = nothing["ours"]["exact"] = []
    nothing["naive"]["seconds"] = {"decode": 1.0}
    report = summarise([nothing], INPUTS, threads=1)
    assert report.products == 0
    assert report.agreement == 0
    assert "search" in as_table(report)


def test_table_names_every_stage_and_what_it_was_measured_on() -> None:
    table = as_table(summarise([one_round()], INPUTS, threads=2))
    for word in ("4000 x 3000", "4 products", "100200 SKUs", "2 threads", "decode", "verify", "0.750", "900 MiB"):
        assert word in table
    assert next(line for line in table.splitlines() if line.startswith("embed")).endswith(" 5.0")


@pytest.mark.parametrize(
    "arguments", [["--repeats", "0"], ["--skus", "0"], ["--threads", "0"], ["--photo", "nowhere.jpg"]]
)
def test_wrong_use_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Inputs]:
    """A grey photo with two packs pasted in, 50 distractors, and the two boxes."""
    where = tmp_path_factory.mktemp("inputs")
    photo = np.full((300, 500, 3), 128, np.uint8)
    for number, left in ((101, 20), (105, 260)):
        pack = cv2.imread(str(ROOT / f"samples/packshots/P{number}.jpg"))
        assert pack is not None
        photo[20:280, left : left + 200] = cv2.resize(pack, (200, 260), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(where / "own.png"), photo)
    inputs = make_inputs(where, where / "own.png", distractors=50, other_packs=5)
    np.save(where / BOXES, np.array([[20, 20, 220, 280], [260.4, 20, 459.6, 280]], np.float32))
    return where, inputs


def test_inputs_agree_with_each_other(folder: tuple[Path, Inputs]) -> None:
    where, inputs = folder
    assert (inputs.width, inputs.height, inputs.rendered, inputs.distractors) == (500, 300, 45, 50)
    assert inputs.index == "exact"
    names = (where / NAMES).read_text(encoding="utf-8").split("\n")
    vectors = np.load(where / VECTORS)
    assert [name.startswith(DISTRACTOR) for name in names] == [False] * 45 + [True] * 50
    with SkuDatabase.open(where / "sku_db") as database:
        rows = database.live_rows()
        assert np.allclose(database.vectors(rows), vectors, atol=1e-3)
        skus = database.describe(database.reference_skus(rows).tolist())
        assert [skus[sku].sku for sku in database.reference_skus(rows).tolist()] == names
        assert database.reference_image(44) is not None
        assert database.reference_image(45) is None


def test_both_ways_give_the_same_answers(folder: tuple[Path, Inputs]) -> None:
    own, other = ours(folder[0]), naive(folder[0])
    assert len(own.answers) == 2
    assert own.answers == other.answers == own.exact
    assert set(own.seconds) == {"decode", "crop", "embed", "search", "verify"}
    assert set(other.seconds) == {"decode", "crop", "embed", "search"}
    assert 0 < own.ready_mib <= peak_mib()


@pytest.mark.slow
def test_whole_tiny_run() -> None:
    command = [sys.executable, "benchmarks/photo.py", "--skus", "100", "--repeats", "1", "--threads", "1", "--json"]
    photo = ROOT / "samples" / "photos" / "close_up.jpg"
    done = subprocess.run([*command, "--photo", str(photo)], cwd=ROOT, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["products"] > 5
    assert report["agreement"] >= 0.9
    assert set(report["seconds"]) == set(report["memory_mib"]) == {"detect", "ours", "naive"}
    assert report["memory_mib"]["ours"]["peak"]["median"] >= report["memory_mib"]["ours"]["ready"]["median"] > 0


def test_grouping_is_a_stage_of_its_own_and_counts_for_our_way(folder: tuple[Path, Inputs]) -> None:
    where = folder[0]
    Choice(group=True).save(where)
    grouped = ours(where)
    Choice().save(where)
    assert "group" in grouped.seconds
    assert len(grouped.answers) == 2
    one = one_round()
    one["ours"]["seconds"]["group"] = 1.0
    assert summarise([one], INPUTS, threads=1).ratios["same work"].median == pytest.approx(2)
