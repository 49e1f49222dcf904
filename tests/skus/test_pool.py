from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.skus import index_choice
from recognition.skus import pool as pool_module
from recognition.skus import tail as tail_module
from recognition.skus.database import SkuDatabase
from recognition.skus.exact import Scan
from recognition.skus.pool import Pool, PoolCache, raised_nprobe, scan_is_cheaper
from recognition.skus.records import ReferenceRecord
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Writer = Callable[..., DatabaseWriter]
Unit = Callable[..., np.ndarray]


@pytest.mark.parametrize(
    ("nprobe", "cells", "share", "expected"),
    [(4, 2048, 1.0, 4), (4, 2048, 0.5, 16), (4, 2048, 0.01, 800), (4, 2048, 0.0001, 2048), (4, 2048, 0.0, 2048)],
)
def test_filters_visit_more_cells(nprobe: int, cells: int, share: float, expected: int) -> None:
    assert raised_nprobe(nprobe, cells, share) == expected


@pytest.mark.parametrize(
    ("inside", "scan"), [(0, True), (1_000, True), (10_000, True), (100_000, False), (900_000, False)]
)
def test_few_rows_are_scanned_many_looked_up(inside: int, scan: bool) -> None:
    nprobe = raised_nprobe(4, 2048, inside / 1_000_000)
    assert scan_is_cheaper(inside, 1_000_000, 2048, nprobe) is scan


def pool_of(rows: int, unit: Unit) -> Pool:
    return Pool(Scan(unit(rows).astype(np.float16), np.arange(rows)), None, rows, rows)


def test_the_cache_keeps_the_latest_filters(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PoolCache()
    assert cache.get({}) is None
    one = pool_of(100, unit)
    monkeypatch.setattr(pool_module, "HELD_BYTES", 2 * (one.scan.held + 800))
    for brand in "abc":
        cache.put({"brand": [brand]}, pool_of(100, unit))
        assert brand == "a" or cache.get({"brand": ["a"]}) is not None
    assert cache.get({"brand": ["b"]}) is None, "the one that was used longest ago goes"
    assert cache.get({"brand": ["a"]}) is not None and cache.get({"brand": ["c"]}) is not None
    cache.put({"sku": ["1", "2"], "brand": ["x"]}, one)
    assert cache.get({"brand": ["x"], "sku": ["2", "1"]}) is one, "order means nothing"
    cache.put({}, pool_of(5000, unit))
    assert cache.get({}) is not None, "a filter too large for the cache still serves the batches of one run"
    cache.clear()
    assert cache.get({}) is None


@pytest.fixture
def shop(tmp_path: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> Path:
    """2,500 indexed rows, 300 in the tail, every seventh removed; families of ten; brands, an attribute, two shops."""
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 500)
    vectors = unit(280, 32, 1).repeat(10, axis=0) + 0.5 * unit(2800, 32, 2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = [
        ReferenceRecord(Sku(-1, f"S{n}", brand=f"b{n % 3}", category=f"c{n % 200}", attributes={"size": str(n % 2)}))
        for n in range(2800)
    ]
    with open_writer(dim=32) as writer:
        writer.upsert_references(made[:2500], vectors[:2500])
        writer.build_index()
        writer.upsert_references(made[2500:], vectors[2500:])
        writer.remove_skus(f"S{n}" for n in range(0, 2800, 7))
    return tmp_path / "db"


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        ({"brand": ["none"]}, lambda n: False),
        ({"brand": ["b1"]}, lambda n: n % 3 == 1),
        ({"brand": ["b1", "b2"]}, lambda n: n % 3 > 0),
        ({"category": ["c5"]}, lambda n: n % 200 == 5),
        ({"size": ["1"], "brand": ["b0"]}, lambda n: n % 6 == 3),
        ({"sku": [f"S{n}" for n in range(2450, 2550)]}, lambda n: 2450 <= n < 2550),
        ({}, lambda n: True),
    ],
)
@pytest.mark.parametrize(
    ("scan_cost", "exact_tail"),
    [(0.0, 2048), (0.0, 0), (1e9, 2048)],
    ids=["through the index", "tail in cells", "one by one"],
)
def test_filters_find_what_brute_force_finds(
    shop: Path,
    unit: Unit,
    monkeypatch: pytest.MonkeyPatch,
    where: dict[str, list[str]],
    keep: Callable[[int], bool],
    scan_cost: float,
    exact_tail: int,
) -> None:
    monkeypatch.setattr(pool_module, "scan_is_cheaper", lambda *_: scan_cost > 0)
    monkeypatch.setattr(pool_module, "EXACT_TAIL", exact_tail)
    with SkuDatabase.open(shop) as database:
        assert (database.info().index, database.info().indexed) == ("ivf-sq8", 2500)
        rows = np.array([n for n in range(2800) if n % 7 and keep(n)], np.int64)
        queries = database.vectors(np.arange(50, 2800, 50)) + 0.3 * unit(55, 32, 3)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        truth, _ = Scan(database._snapshot.vectors, rows).top(queries, 5)
        for _ in range(2):
            found = database.search(queries, 5, where)
            assert np.isin(found.rows, [*rows, -1]).all()
            assert (found.scores[:, 0] >= truth[:, 0] - 1e-5).mean() >= 0.97
            assert (np.isfinite(found.scores) == np.isfinite(truth)).all(), "as many as there are"


def test_the_cell_of_a_row_in_the_tail_is_found_once(
    shop: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a reader that moves on from commit to commit; what was added last is found at once."""
    monkeypatch.setattr(pool_module, "EXACT_TAIL", 0)
    asked: list[int] = []
    real = tail_module.widen
    monkeypatch.setattr(tail_module, "widen", lambda vectors, rows: asked.append(len(rows)) or real(vectors, rows))
    with SkuDatabase.open(shop) as database:
        database.search(unit(2, 32), 1)
        database.search(unit(2, 32), 1)
        living = 300 - sum(n % 7 == 0 for n in range(2500, 2800))
        assert asked == [300, living], "the cells of all, the vectors of those that live"
        new = unit(5, 32, 77)
        with open_writer(dim=32) as writer:
            writer.upsert_references([ReferenceRecord(Sku(-1, f"N{n}")) for n in range(5)], new)
        assert database.refresh()
        found = database.search(new, 1)
        assert asked[2:] == [5, living + 5]
        assert found.rows[:, 0].tolist() == list(range(2800, 2805)) and (found.scores[:, 0] > 0.999).all()
        database.remove(database.reference_skus(np.array([2802])))
        assert 2802 not in database.search(new, 3).rows


def test_nprobe_of_a_reader(shop: Path, unit: Unit) -> None:
    with SkuDatabase.open(shop) as database:
        exact = database.search(unit(40, 32, 9), 3, {"brand": ["b0", "b1", "b2"]}).scores
        database.search_with(nprobe=10_000)
        assert np.allclose(database.search(unit(40, 32, 9), 3).scores, exact, atol=0.2)
        every = Scan(database._snapshot.vectors, database.live_rows()).top(unit(40, 32, 9), 3)[0]
        assert np.allclose(database.search(unit(40, 32, 9), 3).scores, every, atol=1e-5)


def test_a_filter_is_looked_up_once_per_commit(shop: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    from recognition.skus import database as database_module

    asked = []
    real = database_module.ids_where
    monkeypatch.setattr(database_module, "ids_where", lambda db, where: asked.append(where) or real(db, where))
    with SkuDatabase.open(shop) as database:
        for _ in range(3):
            database.search(unit(2, 32), 1, {"brand": ["b1"]})
        assert len(asked) == 1
        database.remove(database.reference_skus(np.array([1])))
        assert 1 not in database.search(unit(2, 32), 5, {"brand": ["b1"]}).rows and len(asked) == 2


def test_hundreds_of_references_of_one_sku_do_not_hide_the_others(
    tmp_path: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the index too, and without visiting all cells for it."""
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 500)
    query = unit(1, 32)[0]
    crowd, others = query + 0.05 * unit(700, 32, 1), query + 0.5 * unit(20, 32, 2)
    vectors = np.concatenate([crowd, others, unit(3000, 32, 3)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = ["crowd"] * 700 + [f"S{n}" for n in range(3020)]
    with open_writer(dim=32) as writer:
        writer.upsert_references([ReferenceRecord(Sku(-1, name)) for name in names], vectors.astype(np.float32))
        writer.build_index()
    with SkuDatabase.open(tmp_path / "db") as database:
        assert database.info().index == "ivf-sq8"
        found = database.search(query[None], 10)
        assert len(set(found.skus[0].tolist())) == 10 and found.rows[0, 0] < 700
        assert (found.rows[0, 1:] >= 700).all() and (np.diff(found.scores[0]) <= 0).all()
        everybody = database.search(query[None], 4000)
        assert (everybody.skus[0] >= 0).sum() == 3021, "all there are, when more are asked for"
