from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import CatalogError, UsageError
from recognition.skus.database import SkuDatabase
from recognition.skus.records import ReferenceRecord
from recognition.skus.selection import Selection, select
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

Unit = Callable[..., np.ndarray]
GTIN = "04006381333931"


@pytest.fixture
def database(tmp_path: Path, open_writer: Callable[..., DatabaseWriter], unit: Unit) -> SkuDatabase:
    """Six SKUs of three brands; the last has a GTIN, the fifth lost its reference."""
    made = [
        Sku(
            -1, f"S{n}", brand=f"b{n % 3}", category="tea", gtin=GTIN if n == 5 else "", attributes={"size": str(n % 2)}
        )
        for n in range(6)
    ]
    with open_writer() as writer:
        writer.upsert_references([ReferenceRecord(sku) for sku in made], unit(6))
        writer.remove_skus(["S4"])
    return SkuDatabase.open(tmp_path / "db")


@pytest.mark.parametrize(
    ("pairs", "listed", "found"),
    [
        ([], "", "S0 S1 S2 S3 S5"),
        (["brand=b0"], "", "S0 S3"),
        (["brand=b0", "brand = b1"], "", "S0 S1 S3"),
        (["brand=b0", "size=1"], "", "S3"),
        ([], "S1\n4006381333931\nS4\nnever heard of\n", "S1 S5"),
        (["brand=b2"], "S1\nS5\n", "S5"),
        (["sku=S1", "sku=S2"], "sku,shelf\nS2,4\nS3,1\n", "S2"),
    ],
)
def test_only_what_is_named_is_found(
    database: SkuDatabase, unit: Unit, tmp_path: Path, pairs: list[str], listed: str, found: str
) -> None:
    (tmp_path / "store.csv").write_text(listed)
    index = select(database, pairs, str(tmp_path / "store.csv") if listed else "")
    ids = index.search(unit(1, seed=9), 6).skus[0]
    assert sorted(sku.sku for sku in database.describe(ids.tolist()).values()) == found.split()
    assert index.count() == 5


def test_what_a_search_asks_for_comes_on_top(database: SkuDatabase, unit: Unit) -> None:
    index = Selection(database, {"brand": ["b0", "b1"]})
    ids = index.search(unit(1), 6, {"brand": ["b1", "b2"], "size": ["1"]}).skus[0]
    assert [sku.sku for sku in database.describe(ids.tolist()).values()] == ["S1"]


def test_changes_go_to_the_whole_index(database: SkuDatabase, unit: Unit) -> None:
    index = Selection(database, {"brand": ["b0"]})
    other = database.search(unit(6)[1:2], 1).skus[0]
    index.upsert(other, unit(1, seed=5))
    assert database.search(unit(1, seed=5), 1).skus[0] == other
    index.remove(other)
    assert index.count() == 4


@pytest.mark.parametrize("pairs", [["brand"], ["=b0"], ["brnd=b0"], ["brand=b7"], ["sku=S4"]])
def test_what_selects_nothing_is_refused(database: SkuDatabase, pairs: list[str]) -> None:
    with pytest.raises(UsageError, match=pairs[0]):
        select(database, pairs)


def test_an_assortment_that_cannot_be_used(database: SkuDatabase, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="none"):
        select(database, [], str(tmp_path / "none"))
    (tmp_path / "other.txt").write_text("X1\nX2\n")
    with pytest.raises(UsageError, match=r"other\.txt"):
        select(database, [], str(tmp_path / "other.txt"))
