"""benchmarks/index.py: the drawn families, its parts in this process, and what it keeps. No time is asserted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import index as benchmark
from benchmarks import index_parts
from benchmarks.index_data import FAMILY, blocks, family_centres, queries_of, record_of, value_of
from benchmarks.index_parts import PARTS, Plan, recalls
from recognition.skus import faiss_index
from recognition.skus.database import SkuDatabase


def test_families_are_as_near_as_they_are_said_to_be() -> None:
    assert list(blocks(0, 8)) == []
    drawn = list(blocks(1000, 256))
    vectors = np.concatenate([part for _, part in drawn])
    centres = family_centres(1000, 256)
    assert vectors.shape == (1000, 256) and len(centres) == -(-1000 // FAMILY)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose((vectors * centres[np.arange(1000) % len(centres)]).sum(axis=1), 0.92, atol=1e-4)
    assert np.allclose((vectors * queries_of(vectors)).sum(axis=1), 0.86, atol=1e-4)
    assert np.array_equal(next(iter(blocks(1000, 256)))[1], drawn[0][1]), "the same at every run"


def test_drawing_can_begin_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.index_data.BLOCK_ROWS", 100)
    whole = dict(blocks(250, 16))
    rest = dict(blocks(150, 16, 100))
    assert list(rest) == [100, 200] and all(np.array_equal(rest[start], whole[start]) for start in rest)


def test_values_of_fields_are_spread_evenly() -> None:
    values = value_of(np.arange(100_000), 100)
    assert np.bincount(values, minlength=100).min() > 900
    assert record_of(7).sku.brand == f"brand{value_of(7, 100)}" and record_of(7).sku.sku == "S7"


def test_recalls_count_what_is_as_near() -> None:
    truth = np.array([[0.9, 0.8], [0.7, -3e38]], np.float32)
    found = np.array([[0.9, 0.1], [0.2, -np.inf]], np.float32)
    assert recalls(truth, truth) == {"recall_at_1": 1.0, "recall_at_10": 1.0}
    measured = recalls(found, truth)
    assert measured["recall_at_1"] == 0.5 and measured["recall_at_10"] == pytest.approx(1 / 3)


def test_the_parts_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train_cells", "fill_cells", "measure_effort"):
        monkeypatch.setattr(faiss_index, name, getattr(faiss_index, name))
    monkeypatch.setattr("recognition.skus.index_choice.EXACT_BELOW", 500)
    monkeypatch.setattr(index_parts, "CHANGED", 200)
    monkeypatch.setattr(index_parts, "CHUNK_ROWS", 600)
    plan = Plan(str(tmp_path), 2000, 32, 90, 40, 2)
    found = {part: work(plan) for part, work in PARTS.items()}
    assert found["fill"]["rows"] == 2000 and found["index"]["index"].startswith("ivf")
    assert set(found["index"]["seconds"]) == {"train_cells", "fill_cells", "measure_effort", "write_and_sync"}
    assert found["search"]["recall_at_1"] >= 0.95 and len(found["search"]["ratio"]) == 2
    assert found["filters"]["1 %"]["recall_at_1"] == found["filters"]["0.1 %"]["recall_at_10"] == 1.0
    assert found["hnsw"]["recall_at_1"] > 0.9
    assert (found["changes"]["added_not_found"], found["changes"]["removed_still_found"]) == (0, 0)
    truth = np.load(tmp_path / "truth.npz")["truth"]
    with SkuDatabase.open(plan.database) as database:
        assert truth.shape == (90, 10) and database.count() == 2000
    json.dumps(found)


def test_each_part_is_kept_and_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    done: list[str] = []

    def part(name: str, *_: object) -> dict[str, Any]:
        if name == "changes" and "changes" not in done:
            done.append(name)
            raise KeyboardInterrupt
        done.append(name)
        return {"ms": [1.0, 3.0, 2.0], "nested": {"rows": 5}}

    monkeypatch.setattr(benchmark, "_part", part)
    out = tmp_path / "found.json"
    arguments = ["--rows", "100", "--out", str(out), "--beside", "autofaiss"]
    with pytest.raises(KeyboardInterrupt):
        benchmark.main(arguments)
    assert list(json.loads(out.read_text())) == ["plan", "fill", "index", "search", "filters", "autofaiss"]
    benchmark.main(arguments)
    assert done == ["fill", "index", "search", "filters", "changes", "changes"]
    said = capsys.readouterr().out
    assert "2.000 (1.000..3.000)" in said and "nested rows" in said and "no python" in said
    plan = Plan(str(tmp_path), 7, 8, 9, 10, 1)
    with pytest.raises(SystemExit, match="another plan"):
        benchmark.measure(plan, out, 1, [], "")
    assert json.loads(out.read_text())["plan"] != asdict(plan)


@pytest.mark.parametrize("wrong", [["--rows", "0"], ["--batch", "0"], ["--beside", "annoy"]])
def test_wrong_arguments_are_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(wrong)
