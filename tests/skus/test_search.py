from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.skus import exact, index_choice
from recognition.skus.database import SkuDatabase
from recognition.skus.exact import Scan
from recognition.skus.records import ReferenceRecord
from recognition.skus.snapshot import first_of_each
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Writer = Callable[..., DatabaseWriter]
Unit = Callable[..., np.ndarray]


@pytest.mark.parametrize(("rows", "count"), [(0, 3), (2, 3), (70, 1), (70, 5), (70, 100)])
def test_a_scan_gives_what_sorting_everything_gives(
    unit: Unit, monkeypatch: pytest.MonkeyPatch, rows: int, count: int
) -> None:
    vectors, queries = unit(80).astype(np.float16), unit(6, seed=1)
    chosen = np.random.default_rng(2).permutation(80)[:rows].astype(np.int64)
    scores, found = Scan(vectors, chosen).top(queries, count)
    monkeypatch.setattr(exact, "CACHED_BYTES", 0)
    monkeypatch.setattr(exact, "CHUNK_ROWS", 16)
    chunked = Scan(vectors, chosen).top(queries, count)
    truth = queries @ vectors[chosen].astype(np.float32).T
    order = np.argsort(-truth, axis=1)[:, :count]
    assert np.array_equal(found[:, : order.shape[1]], chosen[order])
    assert (found[:, rows:] == -1).all() and np.isneginf(scores[:, rows:]).all()
    assert np.array_equal(chunked[1], found) and np.allclose(chunked[0], scores, atol=1e-6)


def test_the_first_row_of_each_sku_is_kept() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, -np.inf]], np.float32)
    rows = np.array([[5, 3, 8, 1, -1]])
    skus = np.array([[2, 2, 7, 2, -1]])
    best, kept = first_of_each(scores, rows, skus, 3)
    assert kept.tolist() == [[5, 8, -1]]
    assert np.allclose(best[0, :2], [0.9, 0.7]) and np.isneginf(best[0, 2])


def test_distinct_skus_are_found_behind_many_references_of_one(tmp_path: Path, open_writer: Writer, unit: Unit) -> None:
    query = unit(1)[0]
    crowd = query + 0.05 * unit(500, seed=1)
    others = query + 3 * unit(4, seed=2)
    vectors = np.concatenate([crowd, others])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = ["crowd"] * 500 + ["a", "b", "c", "d"]
    with open_writer() as writer:
        writer.upsert_references([ReferenceRecord(Sku(-1, name)) for name in names], vectors.astype(np.float32))
    with SkuDatabase.open(tmp_path / "db") as database:
        found = database.search(query[None], 7)
        assert len(set(found.skus[0, :5].tolist())) == 5 and found.skus[0, 5:].tolist() == [-1, -1]
        assert found.rows[0, 0] < 500 and sorted(found.rows[0, 1:5].tolist()) == [500, 501, 502, 503]


def fill(writer: DatabaseWriter, first: int, vectors: np.ndarray) -> None:
    writer.upsert_references([ReferenceRecord(Sku(-1, f"S{first + n}")) for n in range(len(vectors))], vectors)


def test_index_and_exact_search_agree_at_thirty_thousand(tmp_path: Path, open_writer: Writer, unit: Unit) -> None:
    vectors = unit(30_000, dim=32)
    queries = vectors[150::300] + 0.6 * unit(100, dim=32, seed=1)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    with open_writer(dim=32) as writer, SkuDatabase.open(tmp_path / "db") as database:
        fill(writer, 0, vectors[:29_000])
        writer.build_index()
        fill(writer, 29_000, vectors[29_000:])
        writer.remove_skus(f"S{n}" for n in range(0, 30_000, 600))
        database.refresh()
        info = database.info()
        assert (info.index, info.indexed, info.references) == ("ivf-sq8", 29_000, 29_950) and info.recall >= 0.99
        fast = database.search(queries, 5)
        database.search_with(nprobe=10_000)
        slow = database.search(queries, 5)
        assert (fast.skus[:, 0] == slow.skus[:, 0]).mean() >= 0.97
        shared = (fast.rows[:, :, None] == slow.rows[:, None, :]).any(axis=2)
        assert shared.mean() >= 0.8, "vectors without any structure are the hardest case"
        same = fast.rows == slow.rows
        assert np.allclose(fast.scores[same], slow.scores[same], atol=1e-5)
        assert not np.isin(fast.rows, np.arange(0, 30_000, 600)).any(), "what was removed is never found"
        assert (fast.rows >= 29_000).any(), "what was added since the index is found"


def test_random_changes_agree_with_a_plain_model(
    tmp_path: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 60)
    rng = np.random.default_rng(3)
    model: dict[tuple[str, str], np.ndarray] = {}
    with open_writer() as writer, SkuDatabase.open(tmp_path / "db") as database:
        for step in range(120):
            names = [f"S{n}" for n in rng.choice(60, rng.integers(0, 8), replace=False)]
            if step % 40 == 39:
                writer.build_index()
            elif rng.random() < 0.65:
                made = [ReferenceRecord(Sku(-1, name), "", f"h{rng.integers(3)}") for name in names]
                vectors = unit(len(names), seed=step)
                replaces = bool(rng.random() < 0.3)
                writer.upsert_references(made, vectors, replace_skus=replaces)
                if replaces:
                    model = {key: vector for key, vector in model.items() if key[0] not in names}
                model |= {(r.sku.sku, r.content_hash): v for r, v in zip(made, vectors, strict=True)}
            elif rng.random() < 0.5:
                writer.remove_skus(names)
                model = {key: vector for key, vector in model.items() if key[0] not in names}
            else:
                keys = {(name, "h1") for name in names}
                writer.remove_references(keys)
                model = {key: vector for key, vector in model.items() if key not in keys}
            if step % 6 == 0:
                database.refresh()
                assert set(writer.known_references()) == set(model)
                compare(database, model, unit(3, seed=1000 + step))
        database.verify()


def compare(database: SkuDatabase, model: dict[tuple[str, str], np.ndarray], queries: np.ndarray) -> None:
    """The exact answers of the database are those of the model."""
    assert database.count() == len(model)
    assert database.info().skus == len({sku for sku, _ in model})
    database.search_with(nprobe=10_000)
    found = database.search(queries, 4)
    for query, scores, skus in zip(queries, found.scores, found.skus, strict=True):
        best: dict[str, float] = {}
        for (sku, _), vector in model.items():
            best[sku] = max(best.get(sku, -2), float(query @ vector.astype(np.float16).astype(np.float32)))
        wanted = sorted(best, key=lambda sku: -best[sku])[:4]
        known = database.describe(skus[skus >= 0].tolist())
        assert [known[sku].sku for sku in skus[skus >= 0].tolist()] == wanted
        assert np.allclose(scores[: len(wanted)], [best[sku] for sku in wanted], atol=1e-5)
