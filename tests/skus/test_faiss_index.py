from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import DatabaseDamagedError, DatabaseError
from recognition.skus.exact import Scan
from recognition.skus.faiss_index import IvfIndex, build_ivf, exact_cosines, measure_effort, train_cells
from recognition.skus.index_choice import choose_ivf

Unit = Callable[..., np.ndarray]
ROWS, DIM = 3000, 32


@pytest.fixture(scope="module")
def families() -> np.ndarray:
    """Look-alikes, ten of each kind, float16."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ROWS // 10, DIM)).repeat(10, axis=0) + 0.4 * rng.standard_normal((ROWS, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("kind", ["ivf-sq8", "ivf-sq4"])
def test_each_kind_answers_as_exact_search_does(tmp_path: Path, families: np.ndarray, unit: Unit, kind: str) -> None:
    rows = np.arange(0, ROWS, 2)
    path = tmp_path / "index-1.faiss"
    effort = build_ivf(path, families, rows, choice=replace(choose_ivf(len(rows), DIM), kind=kind))
    index = IvfIndex(path, effort.nprobe, np.ones(ROWS, np.bool_), families)
    assert (index.kind, index.nprobe) == (kind, effort.nprobe)
    assert effort.recall >= 0.99 and effort.recall_at_10 >= 0.9
    queries = families[1::30].astype(np.float32) + 0.3 * unit(100, DIM)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth, _ = Scan(families, rows).top(queries, 10)
    scores, found = index.top(queries, 28)
    assert (found % 2 == 0).all(), "row numbers are ids"
    assert (scores[:, 0] >= truth[:, 0] - 1e-5).mean() >= 0.97
    everything, _ = index.top(queries, 28, reach=10_000)
    assert np.allclose(everything[:, :3], truth[:, :3], atol=1e-5)
    size = path.stat().st_size / len(rows)
    assert size < {"ivf-sq8": DIM + 8, "ivf-sq4": DIM / 2 + 8}[kind] + 20


def test_only_allowed_rows_are_found_and_the_wider_index_stays_as_it_was(tmp_path: Path, families: np.ndarray) -> None:
    build_ivf(tmp_path / "i", families, np.arange(ROWS))
    alive = np.ones(ROWS, np.bool_)
    index = IvfIndex(tmp_path / "i", 4, alive, families)
    odd = index.among(np.arange(ROWS) % 2 == 1, index.cells)
    queries = families[:50].astype(np.float32)
    _, rows = odd.top(queries, 5)
    assert (rows % 2 == 1).all()
    assert np.array_equal(rows, Scan(families, np.arange(1, ROWS, 2)).top(queries, 5)[1])
    assert (index.top(queries, 1)[1][:, 0] == np.arange(50)).all()
    nothing = index.among(np.zeros(ROWS, np.bool_), 4)
    assert (nothing.top(queries, 2)[1] == -1).all()


def test_a_higher_goal_takes_more_effort(families: np.ndarray) -> None:
    rows = np.arange(ROWS)
    index = train_cells(families, rows, choose_ivf(ROWS, DIM))
    index.add_with_ids(families.astype(np.float32), rows)
    low, high = (measure_effort(index, families, rows, goal) for goal in (0.3, 1.0))
    assert low.nprobe < high.nprobe <= index.nlist
    assert low.recall <= high.recall and high.recall == 1.0


def test_a_disk_that_cannot_take_the_index_is_reported(tmp_path: Path, families: np.ndarray) -> None:
    with pytest.raises(DatabaseError, match="cannot be written"):
        build_ivf(tmp_path / "no such folder" / "i", families, np.arange(200))


def test_a_missing_file_and_one_that_is_no_index(tmp_path: Path, families: np.ndarray) -> None:
    alive = np.ones(3, np.bool_)
    with pytest.raises(FileNotFoundError):
        IvfIndex(tmp_path / "gone", 1, alive, families)
    (tmp_path / "text").write_text("no index at all, but long enough to be looked at" * 9)
    with pytest.raises(DatabaseDamagedError, match="text"):
        IvfIndex(tmp_path / "text", 1, alive, families)


def test_cosines_are_computed_in_parts(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = unit(20).astype(np.float16), unit(7, seed=1)
    rows = np.random.default_rng(0).integers(-1, 20, (7, 5))
    whole = exact_cosines(queries, vectors, rows)
    monkeypatch.setattr("recognition.skus.faiss_index._RESCORED_BYTES", 500)
    assert np.array_equal(np.isneginf(whole), rows < 0)
    truth = queries @ vectors.astype(np.float32).T
    for line, wanted, where in zip(exact_cosines(queries, vectors, rows), truth, rows, strict=True):
        assert np.allclose(line[where >= 0], wanted[where[where >= 0]], atol=1e-5)
