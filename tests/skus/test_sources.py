"""Every kind of source becomes the same catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars
import pytest

from recognition.errors import CatalogError
from recognition.skus.embeddings import read_embeddings
from recognition.skus.source import read_source
from recognition.skus.staging import Catalog

Picture = Callable[..., Path]
Unit = Callable[..., np.ndarray]


def facts(catalog: Catalog) -> list[tuple[str, str, str]]:
    return [(row.sku.sku, row.stored, row.sku.name) for row in catalog.rows]


def ready(folder: Path, *parts: tuple[np.ndarray, dict[str, list[object]]]) -> Path:
    """Parts of vectors with their tables."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for number, (vectors, table) in enumerate(parts):
        np.save(folder / f"img_emb/img_emb_{number:02}.npy", vectors)
        polars.DataFrame(table).write_parquet(folder / f"metadata/metadata_{number}.parquet")
    return folder


# --- Parquet --------------------------------------------------------------------------------------------------------


def test_a_parquet_table_without_rows_has_no_rows(tmp_path: Path) -> None:
    polars.DataFrame({"sku": [], "image": []}).write_parquet(tmp_path / "c.parquet")
    assert not read_source(tmp_path / "c.parquet").rows


def test_parquet_says_what_a_csv_says(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "p/a.png", 1)
    table = {
        "SKU": [4711.0, None], "image": ["p/a.png", "p/a.png"], "gtin": [36000291452, None], "name": ["Crisps", ""],
        "width_mm": [62.5, None], "flavour": ["salt", None], "tags": [["x"], []], "brand": [None, None],
    }  # fmt: skip
    polars.DataFrame(table, strict=False).write_parquet(tmp_path / "c.parquet")
    catalog = read_source(tmp_path / "c.parquet")
    ((row),) = catalog.rows
    assert (row.sku.sku, row.sku.gtin, row.sku.name, row.sku.width_mm) == ("4711", "00036000291452", "Crisps", 62.5)
    assert (dict(row.sku.attributes), row.image, row.line) == ({"flavour": "salt"}, tmp_path / "p/a.png", 1)
    (problem,) = catalog.problems
    assert (problem.line, problem.error, catalog.counts) == (2, "no SKU", "row")


def test_parquet_rows_keep_their_order_over_parts(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "a.png", 1)
    skus = [f"S{number}" for number in range(21_000)]
    table = polars.DataFrame({"sku": skus, "image": ["a.png"] * len(skus)})
    table.write_parquet(tmp_path / "c.pq", row_group_size=5_000)
    assert [(row.line, row.sku.sku) for row in read_source(tmp_path / "c.pq").rows] == list(enumerate(skus, 1))


@pytest.mark.parametrize(
    ("table", "words"),
    [(None, "not a Parquet file"), ({"name": ["x"]}, "no column sku and no column image"), ({}, "no column sku")],
)
def test_a_parquet_file_that_makes_no_sense_is_refused(
    tmp_path: Path, table: dict[str, list[str]] | None, words: str
) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1")
    if table is not None:
        polars.DataFrame(table).write_parquet(path)
    with pytest.raises(CatalogError, match=words):
        read_source(path)
    with pytest.raises(CatalogError, match=r"none\.parquet"):
        read_source(tmp_path / "none.parquet")


# --- a folder named by SKU ------------------------------------------------------------------------------------------


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(CatalogError, match="holds no picture"):
        read_source(tmp_path)


def test_a_folder_names_its_skus(tmp_path: Path, picture: Picture) -> None:
    for name in ("B.PNG", "A/2.png", "A/deep/1.jpg", "A.png", ".hidden.png", "C.1.png", "D/.x.png"):
        picture(tmp_path / name, 1)
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    catalog = read_source(tmp_path)
    stored = [(row.sku.sku, row.stored) for row in catalog.rows]
    assert stored == [("A", "A/2.png"), ("A", "A/deep/1.jpg"), ("A", "A.png"), ("B", "B.PNG"), ("C.1", "C.1.png")]
    assert all(row.image == tmp_path / row.stored for row in catalog.rows)
    assert list(catalog.incomplete()) == ["D"] and catalog.counts == "file"


# --- ready vectors --------------------------------------------------------------------------------------------------


def test_ready_vectors_of_several_parts(tmp_path: Path, unit: Unit) -> None:
    vectors = unit(5)
    tables = {"sku": ["A", "B", "A"], "image_path": ["a", "b", ""]}, {"sku": ["C", ""], "name": ["Third", "x"]}
    catalog = read_source(ready(tmp_path / "v", (vectors[:3], tables[0]), (vectors[3:], tables[1])))
    assert facts(catalog) == [("A", "a", ""), ("B", "b", ""), ("A", "", ""), ("C", "", "Third")]
    assert [(p.line, p.error) for p in catalog.problems] == [(5, "no SKU")]
    assert catalog.vectors is not None and catalog.vectors.dim == 12
    assert np.array_equal(catalog.vectors.take([4, 1, 3]), vectors[[3, 0, 2]])
    assert catalog.vectors.take([]).shape == (0, 12)


def test_columns_of_ready_vectors_can_be_named(tmp_path: Path, unit: Unit) -> None:
    folder = ready(tmp_path / "v", (unit(1), {"product_id": [17], "caption": ["Oat drink"], "url": ["u"]}))
    with pytest.raises(CatalogError, match="no column sku") as refused:
        read_source(folder)
    assert "--column sku=" in refused.value.hint
    with pytest.raises(CatalogError, match="no column wrong"):
        read_embeddings(folder, {"sku": "wrong"})
    (row,) = read_embeddings(folder, {"sku": "product_id", "name": "caption"}).rows
    assert (row.sku.sku, row.sku.name, dict(row.sku.attributes)) == ("17", "Oat drink", {"url": "u"})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "metadata/metadata_1.parquet").unlink(), "not the same parts"),
        (lambda f: np.save(f / "img_emb/img_emb_01.npy", np.ones((2, 12), np.float32)), "2 vectors, but 1 rows"),
        (lambda f: np.save(f / "img_emb/img_emb_01.npy", np.ones((1, 7), np.float32)), "12 and 7 numbers"),
        (lambda f: np.save(f / "img_emb/img_emb_01.npy", np.ones(1, np.float32)), "wanted float vectors"),
        (lambda f: np.save(f / "img_emb/img_emb_01.npy", np.ones((1, 12), np.int8)), "wanted float vectors"),
        (lambda f: (f / "img_emb/img_emb_01.npy").write_bytes(b"x"), "not an npy file"),
        (lambda f: (f / "img_emb/img_emb_01.npy").write_bytes(b""), "not an npy file"),
    ],
)
def test_ready_vectors_that_do_not_agree_are_refused(
    tmp_path: Path, unit: Unit, spoil: Callable[[Path], object], words: str
) -> None:
    folder = ready(tmp_path / "v", (unit(1), {"sku": ["A"]}), (unit(1), {"sku": ["B"]}))
    spoil(folder)
    with pytest.raises(CatalogError, match=words):
        read_source(folder)


@pytest.mark.parametrize("factor", [0.5, 2.0, np.nan, np.inf])
def test_vectors_of_another_norm_are_refused(tmp_path: Path, unit: Unit, factor: float) -> None:
    vectors = unit(3)
    vectors[1] *= factor
    catalog = read_source(ready(tmp_path / "v", (vectors, {"sku": ["A", "B", "C"]})))
    assert catalog.vectors is not None and len(catalog.vectors.take([1, 3])) == 2
    with pytest.raises(CatalogError, match=r"vector 1 \(from 0\) has not norm 1"):
        catalog.vectors.take([3, 2])
