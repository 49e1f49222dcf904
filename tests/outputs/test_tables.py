from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from recognition.errors import SourceError
from recognition.outputs import tables
from recognition.types import Failure

PRODUCTS = (
    "source,frame,product,x_min,y_min,x_max,y_max,detection_score,shelf,position,status,sku,gtin,name,brand,category,"
    "score,margin,confidence,second_sku,second_score"
)
PLANOGRAM = (
    "planogram_id,store_id,captured_at,source,frame,bay,shelf,position,gtin,sku,name,brand,category,facings_wide,"
    "facings_high,facings_deep,orientation,x,y,width,height,unit,status,confidence,margin"
)
PHOTOS = "source,width,height,captured_at,products,recognized,ambiguous,unknown,shelves,empty,advice,notes,seconds"


def cells(rows) -> list[dict[str, str]]:
    content = tables.encode([rows[0]._fields, *rows]).decode("utf-8")
    return list(csv.DictReader(io.StringIO(content, newline="")))


def test_columns_are_the_contract():
    assert ",".join(tables.PRODUCT_COLUMNS) == PRODUCTS
    assert ",".join(tables.PLANOGRAM_COLUMNS) == PLANOGRAM
    assert ",".join(tables.PHOTO_COLUMNS) == PHOTOS
    assert ",".join(tables.FAILURE_COLUMNS) == "source,frame,stage,error,hint"


def test_no_products(make_empty):
    result = make_empty()
    assert tables.product_rows(result) == [] and tables.planogram_rows(result) == []
    row = cells([tables.photo_row(result)])[0]
    assert (row["source"], row["width"], row["height"], row["products"], row["captured_at"]) == (
        "nothing.jpg", "120", "90", "0", "",
    )  # fmt: skip


def test_products_name_what_is_known(make_result):
    recognized, ambiguous, unknown = cells(tables.product_rows(make_result()))
    assert (recognized["sku"], recognized["second_sku"], recognized["x_max"]) == ("A-7", "'-8", "60.3")
    assert (recognized["score"], recognized["margin"], recognized["confidence"]) == ("0.9", "0.15", "0.97")
    assert (ambiguous["sku"], ambiguous["second_sku"], ambiguous["confidence"]) == ("'-8", "A-7", "")
    assert (
        unknown["sku"] == unknown["second_sku"] == unknown["name"] == unknown["second_score"] == unknown["margin"] == ""
    )
    assert (unknown["status"], unknown["score"], unknown["product"]) == ("unknown", "0.2", "3")


def test_planogram_in_order_with_gap(make_result):
    rows = cells(tables.planogram_rows(make_result()))
    assert [(r["position"], r["status"]) for r in rows] == [
        ("1", "recognized"), ("2", "ambiguous"), ("3", "unknown"), ("4", "empty"),
    ]  # fmt: skip
    assert (rows[0]["x"], rows[0]["width"], rows[0]["unit"]) == ("10.0", "50.3", "px")
    assert rows[0]["facings_deep"] == rows[0]["orientation"] == rows[3]["sku"] == rows[3]["confidence"] == ""
    assert rows[0]["store_id"] == "'+S1"


def test_photo_counts(make_result):
    row = cells([tables.photo_row(make_result())])[0]
    assert [row[k] for k in ("products", "recognized", "ambiguous", "unknown", "shelves", "empty")] == [*"311111"]
    assert (row["advice"], row["seconds"]) == ("dark", "0.75")


def test_round_trip(tmp_path: Path, make_result):
    result = make_result("-photos/ü.jpg")
    for name, columns, rows, read in (
        ("products.csv", tables.PRODUCT_COLUMNS, tables.product_rows(result), tables.read_products),
        ("planogram.csv", tables.PLANOGRAM_COLUMNS, tables.planogram_rows(result), tables.read_planogram),
    ):
        path = tmp_path / name
        path.write_bytes(tables.encode([columns, *rows]))
        assert read(path) == rows
    assert rows[0].name == 'Öl, "fein"\nzum Braten' and rows[0].source == "-photos/ü.jpg" and rows[0].x == 10.0


def test_bytes_are_rfc_4180_without_bom():
    row = tables.failure_row(Failure("a,b.jpg", 0, "read", 'said "no"', "-"))
    assert tables.encode([]) == b""
    assert tables.encode([row]) == b'"a,b.jpg",0,read,"said ""no""",\'-\r\n'


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_disarmed(text: str):
    (source, *_) = next(csv.reader(io.StringIO(tables.encode([(text, -1.5)]).decode(), newline="")))
    assert source == "'" + text


def test_numbers_are_never_touched_and_nan_is_empty():
    assert tables.encode([(-1.5, -3, None, float("nan"), float("inf"), 0.0)]) == b"-1.5,-3,,,,0.0\r\n"


def test_a_path_that_is_no_utf8_is_written_as_its_escape():
    assert tables.encode([("a\udcff.jpg",)]) == b"a\\udcff.jpg\r\n"


@pytest.mark.parametrize("content", [None, b"", b"source,frame\r\n", PRODUCTS.encode() + b"\r\na,b\r\n", b"\xff\xfe"])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes | None):
    path = tmp_path / "products.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"products\.csv"):
        tables.read_products(path)
