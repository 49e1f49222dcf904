from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.skus import averaged, index_choice
from recognition.skus.averaged import Averages
from recognition.skus.database import SkuDatabase
from recognition.skus.records import ReferenceRecord
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Writer = Callable[..., DatabaseWriter]
Unit = Callable[..., np.ndarray]


def test_means_of_interleaved_rows(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(40).astype(np.float16)
    rows = np.flatnonzero(np.arange(40) % 5)
    skus = np.random.default_rng(0).integers(3, 9, len(rows))
    monkeypatch.setattr(averaged, "CHUNK_ROWS", 7)
    means = Averages(vectors, rows, skus)
    wanted = np.array([8, 3, 5])
    truth = np.stack([vectors[rows[skus == sku]].astype(np.float32).mean(axis=0) for sku in wanted])
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    assert np.allclose(means.means(wanted), truth, atol=1e-5)
    assert means.means(wanted[:0]).shape == (0, 12)
    queries = unit(2, seed=4)
    cosines = means.cosines(queries, np.array([[8, -1, 5], [3, 3, -1]]))
    assert np.allclose(
        cosines[[0, 0, 1, 1], [0, 2, 0, 1]], np.einsum("nd,nd->n", queries[[0, 0, 1, 1]], truth[[0, 2, 1, 1]])
    )
    assert np.isneginf(cosines[[0, 1], [1, 2]]).all()


@pytest.mark.parametrize("indexed", [False, True])
def test_averaged_views_rank_by_the_mean(
    tmp_path: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 100 if indexed else 10_000)
    vectors = unit(150, 16).repeat(4, axis=0) + 0.6 * unit(600, 16, 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with open_writer(dim=16) as writer:
        made = [ReferenceRecord(Sku(-1, f"S{n // 4}"), "", f"h{n}") for n in range(600)]
        writer.upsert_references(made, vectors)
        writer.remove_references([("S0", "h0"), ("S0", "h1")])
        writer.build_index()
        writer.set_calibration("thresholds")
        queries = unit(30, 16, 5)
        with SkuDatabase.open(tmp_path / "db") as database:
            apart = database.search(queries, 3)
            writer.set_views("averaged")
            database.refresh()
            assert database.info().index == ("ivf-sq8" if indexed else "exact")
            assert database.info().views == "averaged" and database.calibration is None
            found = database.search(queries, 3)
            stored = database.vectors(np.arange(600))
    means = np.stack([stored[max(4 * n, 2) : 4 * n + 4].sum(axis=0) for n in range(150)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    truth = queries @ means.T
    order = np.argsort(-truth, axis=1)[:, :3]
    assert (found.rows[:, 0] // 4 == order[:, 0]).mean() >= 0.95, "candidates come from their best view"
    assert not np.isin(found.rows, [0, 1]).any()
    same = found.rows // 4 == order
    assert np.allclose(found.scores[same], np.take_along_axis(truth, order, 1)[same], atol=1e-3)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert (found.skus[:, 0] != apart.skus[:, 0]).any(), "the mean says something else than the best view"


def test_with_one_reference_each_both_are_the_same(tmp_path: Path, open_writer: Writer, unit: Unit) -> None:
    with open_writer() as writer, SkuDatabase.open(tmp_path / "db") as database:
        writer.upsert_references([ReferenceRecord(Sku(-1, f"S{n}")) for n in range(30)], unit(30))
        database.refresh()
        apart = database.search(unit(5, seed=2), 4)
        writer.set_views("averaged")
        database.refresh()
        assert np.array_equal(database.search(unit(5, seed=2), 4).rows, apart.rows)
