from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recognition.errors import CatalogError
from recognition.skus.catalog import read_catalog
from recognition.skus.staging import Catalog


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Catalog]:
    def make(content: str | bytes, *images: str) -> Catalog:
        for name in images:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"picture")
        path = tmp_path / "catalog.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_catalog(path, None)

    return make


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("name\nx\n", "no column sku and no column image"),
        ("sku,name\nA,x\n", "no column image"),
        ("sku,image,image\nA,x,y\n", "twice"),
        ('sku,image\nA,"x.jpg\n', "row of line 2"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(read: Callable[..., Catalog], content: str, words: str) -> None:
    with pytest.raises(CatalogError, match=words):
        read(content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"none\.csv"):
        read_catalog(tmp_path / "none.csv", None)


def test_a_header_alone_has_no_rows(read: Callable[..., Catalog]) -> None:
    assert list(read("sku,image\n").rows) == []


def test_all_columns_are_read(read: Callable[..., Catalog]) -> None:
    text = "SKU;Image;gtin;name;brand;category;width_mm;height_mm;depth_mm;Flavour\n" + (
        "A;p/a.jpg;4006381333931;'=Crisps;Brand, Inc;snacks;62,5;100;;salt\n"
    )
    catalog = read(text, "p/a.jpg")
    assert not catalog.problems
    (row,) = catalog.rows
    assert (row.sku.sku, row.sku.gtin, row.sku.name, row.sku.brand) == ("A", "04006381333931", "=Crisps", "Brand, Inc")
    assert (row.sku.width_mm, row.sku.height_mm, row.sku.depth_mm) == (62.5, 100.0, None)
    assert row.sku.attributes == {"Flavour": "salt"}
    assert (row.stored, row.line, row.image.read_bytes()) == ("p/a.jpg", 2, b"picture")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_western_texts_are_recognised(read: Callable[..., Catalog], encoding: str) -> None:
    text = "sku;image;name;brand\nA;a.jpg;Crème brûlée;Müsli Früchte\n"
    (row,) = read(text.encode(encoding), "a.jpg").rows
    assert (row.sku.name, row.sku.brand) == ("Crème brûlée", "Müsli Früchte")


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("cp1250", "Kiełbasa wiejska, żółty ser, gęsi pasztet"),
        ("cp1250", "Čerstvé mléko, šunka, řízek, žampiony"),
        ("cp1250", "Tejföl, sütőtök, fűszer"),
        ("cp1252", "Doce de maçã e limões"),
        ("cp1252", "Smørrebrød på fløde"),
        ("cp1252", "Così è più buono"),
        ("cp1254", "Yağlı süt ürünü, şekerli ışık"),
        ("cp1251", "Молоко пастеризованное цельное"),
        ("cp1253", "Γάλα πλήρες παστεριωμένο"),
    ],
)
def test_other_code_pages_are_recognised(read: Callable[..., Catalog], page: str, name: str) -> None:
    (row,) = read(f"sku;image;name\nA;a.jpg;{name}\n".encode(page), "a.jpg").rows
    assert row.sku.name == name


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",a.jpg,", "sku", "no SKU"),
        ("B,,", "image", "no image"),
        ("B,none.jpg,", "image", "no such image"),
        (f"B,{'x' * 5000}.jpg,", "image", "no such image"),
        ("A,./a.jpg,", "sku", "line 2"),
        ("B,a.jpg,,surplus", "", "more cells"),
    ],
)
def test_rows_that_cannot_be_used_are_rejected_and_listed(
    read: Callable[..., Catalog], row: str, column: str, words: str
) -> None:
    catalog = read(f"sku,image,gtin\nA,a.jpg,\n{row}\nC,a.jpg,\n", "a.jpg")
    assert [r.sku.sku for r in catalog.rows] == ["A", "C"]
    (problem,) = catalog.problems
    assert (problem.line, problem.column, problem.rejected) == (3, column, True)
    assert words in problem.error and problem.hint
    assert set(catalog.incomplete()) == ({"B"} if column in ("image", "") else set())


@pytest.mark.parametrize(
    ("column", "value"), [("gtin", "5.01E+12"), ("gtin", "4006381333932"), ("width_mm", "broad"), ("width_mm", "-3")]
)
def test_a_wrong_value_is_emptied_and_listed(read: Callable[..., Catalog], column: str, value: str) -> None:
    catalog = read(f"sku,image,{column}\nA,a.jpg,{value}\n", "a.jpg")
    assert not getattr(catalog.rows[0].sku, column)
    (problem,) = catalog.problems
    assert (problem.line, problem.sku, problem.column, problem.rejected) == (2, "A", column, False)


def test_several_pictures_of_a_sku_share_its_metadata(read: Callable[..., Catalog]) -> None:
    catalog = read("sku,image,name,colour\nA,a.jpg,,\nA,b.jpg,Name,red\nA,c.jpg,Other,\n", "a.jpg", "b.jpg", "c.jpg")
    assert [(r.sku.name, dict(r.sku.attributes)) for r in catalog.rows] == [("Name", {"colour": "red"})] * 3
    (problem,) = catalog.problems
    assert (problem.line, problem.column, problem.rejected) == (4, "name", False)


def test_lines_are_counted_over_quoted_line_breaks_and_blank_lines(read: Callable[..., Catalog]) -> None:
    catalog = read('sku,image,name\r\nA,a.jpg,"two\r\nlines"\r\n\r\nB,none.jpg,\r\n', "a.jpg")
    assert catalog.problems[0].line == 5


def test_paths_with_backslashes_and_a_folder_of_images(tmp_path: Path, read: Callable[..., Catalog]) -> None:
    (row,) = read("sku,image\nA,p\\a.jpg\n", "p/a.jpg").rows
    assert row.image == tmp_path / "p" / "a.jpg"
    (tmp_path / "catalog.csv").write_text("sku,image\nA,a.jpg\n")
    assert read_catalog(tmp_path / "catalog.csv", tmp_path / "p").rows[0].image == tmp_path / "p" / "a.jpg"
