from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.skus import torch_exact
from recognition.skus.database import SkuDatabase
from recognition.skus.exact import Scan
from recognition.skus.records import ReferenceRecord
from recognition.skus.torch_exact import DeviceVectors
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Writer = Callable[..., DatabaseWriter]
Unit = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_exact, "BLOCK_ROWS", 64)


@pytest.mark.parametrize(("rows", "count"), [(0, 3), (2, 3), (64, 1), (150, 5), (150, 200)])
def test_it_answers_as_the_scan_does(unit: Unit, rows: int, count: int) -> None:
    vectors, queries = unit(150)[:rows].astype(np.float16), unit(6, seed=1)
    allowed = np.arange(rows) % 3 > 0
    device = DeviceVectors("cpu")
    device.follow("vectors-1.f16", vectors)
    scores, found = device.scan(allowed).top(queries, count)
    truth, wanted = Scan(vectors, np.flatnonzero(allowed)).top(queries, count)
    assert (scores.dtype, found.dtype) == (np.float32, np.int64)
    assert np.array_equal(found, wanted) and np.allclose(scores, truth, atol=1e-6)
    assert device.scan(allowed).top(unit(0), count)[0].shape == (0, count)


def test_the_copy_follows_the_file(unit: Unit) -> None:
    vectors, other = unit(150).astype(np.float16), unit(150, seed=3).astype(np.float16)
    device = DeviceVectors("cpu")
    for file, now in (("a", vectors[:10]), ("a", vectors[:70]), ("a", vectors), ("b", other[:90]), ("b", other[:80])):
        device.follow(file, now)
        _, found = device.scan(np.ones(len(now), np.bool_)).top(now.astype(np.float32), 1)
        assert found[:, 0].tolist() == list(range(len(now)))


def test_a_reader_on_a_device(tmp_path: Path, open_writer: Writer, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_writer() as writer, SkuDatabase.open(tmp_path / "db") as database:
        made = [ReferenceRecord(Sku(-1, f"S{n // 2}", brand=f"b{n % 4}"), "", f"{n}") for n in range(200)]
        writer.upsert_references(made[:150], unit(200)[:150])
        database.refresh()
        # What a CUDA device does, done by the CPU.
        monkeypatch.setattr(torch_exact, "DeviceVectors", lambda _: DeviceVectors("cpu"))
        for where in (None, {"brand": ["b0", "b1"]}):
            database.search_with()
            truth = database.search(unit(9, seed=2), 4, where)
            database.search_with(device="cuda:0")
            found = database.search(unit(9, seed=2), 4, where)
            assert np.array_equal(found.rows, truth.rows) and np.allclose(found.scores, truth.scores, atol=1e-6)
        writer.upsert_references(made[150:], unit(200)[150:])
        writer.remove_skus(["S0"])
        database.refresh()
        found = database.search(unit(200), 1)
        assert found.rows[2:, 0].tolist() == list(range(2, 200)) and (found.rows[:2, 0] > 1).all()
        # Where the vectors do not fit the CPU goes on.
        monkeypatch.setattr(DeviceVectors, "fits", lambda *_: False)
        database.search_with(device="cuda:0")
        assert np.array_equal(database.search(unit(200), 1).rows, found.rows)


@pytest.mark.gpu
def test_float16_on_a_gpu_finds_the_nearest(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_exact, "BLOCK_ROWS", 16_384)
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    vectors, queries = unit(50_000, 256).astype(np.float16), unit(200, 256, 1)
    device = DeviceVectors("cuda:0")
    assert device.fits(*vectors.shape) and not device.fits(10**12, 256)
    device.follow("a", vectors)
    allowed = np.random.default_rng(0).random(len(vectors)) < 0.9
    scores, found = device.scan(allowed).top(queries, 10)
    truth, wanted = Scan(vectors, np.flatnonzero(allowed)).top(queries, 10)
    assert np.allclose(scores, truth, atol=1e-4) and (found == wanted).mean() > 0.999
