from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import recognition.evaluation.run as evaluation
from recognition.errors import UsageError
from recognition.evaluation.detection_page import tell_apart
from recognition.evaluation.labelled import LabelledPhoto
from recognition.evaluation.marked import FALSE, HIT, MAX_SIDE, MISSED, Mark, mark
from recognition.evaluation.page import Case, Page, Picture, write_page
from recognition.outputs.tables import PHOTO_COLUMNS, PRODUCT_COLUMNS, ProductRow, encode
from recognition.types import Detections

GREY = np.full((60, 80, 3), 120, np.uint8)


def test_an_empty_page(tmp_path: Path) -> None:
    write_page(tmp_path / "new", Page("Nothing", {}, []))
    assert "None." in (tmp_path / "new/index.html").read_text()
    assert json.loads((tmp_path / "new/report.json").read_text()) == {}
    assert not (tmp_path / "new/open_set.csv").exists()


def test_figures_with_their_intervals_and_text_that_would_be_markup(tmp_path: Path) -> None:
    figures = {"recall": 0.5, "recall_low": 0.25, "recall_high": 0.75, "auroc": None, "photos": [1, 2]}
    case = Case("<script>", "a & b", [Picture(GREY, 'say "hello"', "wrong")])
    write_page(tmp_path, Page("T", figures, [case], notes=["one photo was left out"]))
    html = (tmp_path / "index.html").read_text()
    assert "<script>" not in html and "&lt;script&gt;" in html and "a &amp; b" in html
    assert "0.250 to 0.750" in html and "recall_low" not in html
    assert "one photo was left out" in html
    with Image.open(tmp_path / "pictures/case-001-1.jpg") as picture:
        assert picture.size == (80, 60)
    assert json.loads((tmp_path / "report.json").read_text()) == figures


def test_a_page_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    cases = [Case(str(n), "", [Picture(GREY, "x")]) for n in range(50)]
    write_page(tmp_path / "page", Page("T", {}, cases))
    assert len(list((tmp_path / "page/pictures").iterdir())) == 40
    write_page(tmp_path / "page", Page("T", {}, cases[:2]))
    assert len(list((tmp_path / "page/pictures").iterdir())) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("x")
    for place in (tmp_path / "mine", tmp_path / "mine/notes.txt"):
        with pytest.raises(UsageError, match="no report"):
            write_page(place, Page("T", {}, []))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_marks_are_drawn_in_their_colours_and_the_photo_made_small() -> None:
    image = np.full((1000, 4000, 3), 255, np.uint8)
    drawn = mark(image, [Mark((400, 100, 2000, 900), MISSED, "Oat \n drink"), Mark((4000, 1000, 4000, 1000), HIT)])
    assert drawn.shape == (400, MAX_SIDE, 3)
    assert tuple(drawn[200, 160]) == (0xD5, 0x5E, 0x00)
    assert not (image != 255).any(), "the photo itself stays"
    assert mark(GREY, []).shape == GREY.shape


def test_hits_missed_and_false_boxes_are_told_apart() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    photo = LabelledPhoto(Path("a.jpg"), boxes, ("", ""))
    found = Detections(
        np.array([[40, 0, 50, 10], [0, 0, 10, 10], [20, 0, 30, 10]], np.float32), np.array([0.5, 0.9, 0.1], np.float32)
    )
    marked = tell_apart(photo, found, 0.4)
    assert [m.colour for m in marked.marks] == [HIT, FALSE, MISSED]
    assert marked.marks[2].box == (20, 0, 30, 10)
    assert marked.faults == pytest.approx(2 / 3)
    assert tell_apart(LabelledPhoto(Path("b.jpg"), boxes[:0], ()), Detections.empty(), 0.4).faults == 1


def row(number: int, left: float, status: str, sku: str) -> ProductRow:
    return ProductRow(
        "a.png", 0, number, left, 0.0, left + 20, 40.0, 0.9, 1, number, status, sku, *[""] * 4, 0.9, 0.1, 0.9, "", None
    )  # fmt: skip


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run over one photo: A right, B taken for C, a stranger called unknown, one box of nothing, D missed."""
    rows = [
        row(1, 0, "recognized", "A"),
        row(2, 30, "recognized", "C"),
        row(3, 60, "unknown", ""),
        row(4, 90, "unknown", ""),
    ]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/products.csv").write_bytes(encode([PRODUCT_COLUMNS, *rows]))
    seen = ("a.png", 200, 50, "", *[0] * 6, "", "", 0.5)
    (tmp_path / "run/photos.csv").write_bytes(encode([PHOTO_COLUMNS, seen]))
    Image.new("RGB", (200, 50), (90, 90, 90)).save(tmp_path / "a.png")
    lines = [f"a.png,{left},0,{left + 20},40,{sku}\n" for left, sku in ((0, "A"), (30, "B"), (60, ""), (120, "D"))]
    (tmp_path / "truth.csv").write_text("source,x_min,y_min,x_max,y_max,sku\n" + "".join(lines))
    return tmp_path


def test_the_page_of_a_whole_run(finished: Path) -> None:
    report = evaluation.measure_run(finished / "run", finished, finished / "page")
    html = (finished / "page/index.html").read_text()
    assert report.as_dict() == json.loads((finished / "page/report.json").read_text())
    counts = "right SKU, or rightly none: 2; given a wrong SKU, or one where there is none in the catalogue: 1"
    assert counts in html and "missed: 1; box that is no product: 1" in html
    assert "B, taken for C" in html
    assert len(list((finished / "page/pictures").iterdir())) == 2
    with pytest.raises(UsageError, match="no report"):
        evaluation.measure_run(finished / "run", finished, finished / "run")


def test_references_of_a_database_stand_beside_wrong_answers(finished: Path) -> None:
    from fakes import FakeEncoder

    from recognition.skus.records import ReferenceRecord
    from recognition.skus.thumbnails import encode_thumbnail
    from recognition.skus.writer import DatabaseWriter
    from recognition.types import Sku

    encoder = FakeEncoder()
    packs = [np.random.default_rng(seed).integers(0, 255, (40, 20, 3), dtype=np.uint8) for seed in range(2)]
    with DatabaseWriter(finished / "db", encoder.name, encoder.dim, encoder.fingerprint) as writer:
        records = [ReferenceRecord(Sku(-1, sku), f"{sku}.png", sku) for sku in "BC"]
        writer.upsert_references(records, encoder.encode(packs), [encode_thumbnail(pack) for pack in packs])
    evaluation.measure_run(finished / "run", finished, finished / "page", finished / "db")
    html = (finished / "page/index.html").read_text()
    assert "answer: C" in html and "right: B" in html
    assert len(list((finished / "page/pictures").iterdir())) == 4
