"""Random sequences of changes against a plain Python model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.skus import index_choice
from recognition.skus.compact import compact
from recognition.skus.database import SkuDatabase
from recognition.skus.listing import Listing
from recognition.skus.records import ReferenceRecord
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Unit = Callable[..., np.ndarray]
Key = tuple[str, str]


class Model:
    """What the database should hold. vectors: those that references are given, (n, 12); model: key to one of them."""

    def __init__(self, folder: Path, vectors: np.ndarray, skus: int) -> None:
        self.model: dict[Key, int] = {}
        self.names: dict[str, str] = {}
        self.done = 0
        self._folder, self._vectors, self._skus = folder, vectors, skus

    def change(self, rng: np.random.Generator, writer: DatabaseWriter, size: int) -> None:
        """One commit of up to `size` changes."""
        chosen = np.unique(rng.integers(0, self._skus, rng.integers(1, size + 1)))
        names = [f"S{n}" for n in chosen]
        self.done += len(names)
        kind = rng.random()
        if kind < 0.55:
            replaces = kind < 0.1
            places = rng.integers(0, len(self._vectors), len(names))
            keys = [(name, f"h{n}") for name, n in zip(names, rng.integers(0, 3, len(names)), strict=True)]
            made = [ReferenceRecord(Sku(-1, sku, name=f"n{at}"), f"{at}.jpg", digest)
                    for (sku, digest), at in zip(keys, places.tolist(), strict=True)]  # fmt: skip
            writer.upsert_references(made, self._vectors[places], replace_skus=replaces)
            if replaces:
                self._drop(names)
            self.model |= dict(zip(keys, places.tolist(), strict=True))
            self.names |= {sku: f"n{at}" for (sku, _), at in zip(keys, places.tolist(), strict=True)}
        elif kind < 0.6:
            keys = [key for key in ((name, "h0") for name in names) if key in self.model]
            made = [ReferenceRecord(Sku(-1, sku, name="told"), f"{self.model[sku, h]}.jpg", h) for sku, h in keys]
            writer.update_records(made)
            self.names |= {sku: "told" for sku, _ in keys}
        elif kind < 0.8:
            writer.remove_skus(names)
            self._drop(names)
        else:
            writer.remove_references((name, "h1") for name in names)
            for name in names:
                self.model.pop((name, "h1"), None)

    def _drop(self, names: list[str]) -> None:
        for name in names:
            for digest in ("h0", "h1", "h2"):
                self.model.pop((name, digest), None)

    def compare(self, queries: np.ndarray) -> None:
        """Everything is there, nothing else is, and a search finds the nearest."""
        halves = self._vectors.astype("<f2")
        with SkuDatabase.open(self._folder) as database, Listing(self._folder) as listing:
            database.verify()
            found = {}
            for one in listing.references():
                found[one.sku.sku, one.content_hash] = one
                at = self.model[one.sku.sku, one.content_hash]
                assert (one.image, one.sku.name) == (f"{at}.jpg", self.names[one.sku.sku])
                assert np.array_equal(listing.vectors[one.row], halves[at])
            assert found.keys() == self.model.keys()
            assert database.info().skus == len({sku for sku, _ in self.model})
            database.search_with(nprobe=1 << 20)
            scores = database.search(queries, 1).scores[:, 0]
            held = halves[sorted(set(self.model.values()))].astype(np.float32)
            # With an index, 8-bit codes choose among many references of the same vector.
            short = np.minimum((queries @ held.T).max(axis=1), 1) - scores
            assert short.min() > -1e-5 and short.max() < (0.02 if database.info().index != "exact" else 1e-5)


def play(model: Model, folder: Path, unit: Unit, operations: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = 0
    while model.done < operations:
        with DatabaseWriter(folder, "tiny", 12, "f" * 32) as writer:
            for _ in range(25):
                model.change(rng, writer, size)
        turn += 1
        if turn % 2 == 0:
            compact(folder, rewrite=turn % 6 == 0)
        if turn % 3 == 0 or model.done >= operations:
            model.compare(unit(20, seed=turn))


def test_thousands_of_changes(tmp_path: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 150)
    monkeypatch.setattr(index_choice, "cells_for", lambda rows: 4)
    model = Model(tmp_path / "db", unit(500), skus=300)
    play(model, tmp_path / "db", unit, operations=3000, size=30, seed=1)


@pytest.mark.slow
def test_a_million_changes(tmp_path: Path, unit: Unit) -> None:
    model = Model(tmp_path / "db", unit(5000), skus=60_000)
    play(model, tmp_path / "db", unit, operations=1_000_000, size=2000, seed=3)
    assert model.done >= 1_000_000
