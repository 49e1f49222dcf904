from __future__ import annotations

import pytest

from recognition.outputs.labels import Rect, drawable, font, overlap, place, printable, wrap


@pytest.mark.parametrize(
    ("text", "width", "lines", "expected"),
    [
        ("", 10, 3, ()),
        ("  ", 10, 3, ()),
        ("?", 1, 3, ("?",)),
        ("cola", 2, 3, ()),
        ("cola zero", 9, 1, ("cola zero",)),
        ("cola zero", 8, 3, ("cola", "zero")),
        ("cola zero", 8, 1, ("cola ze…",)),
        ("oat drink barista", 9, 2, ("oat drink", "barista")),
        ("oat drink barista", 6, 2, ("oat", "drink…")),
        ("LongCompoundName", 8, 3, ("LongComp", "oundName")),
        ("oat drink", 3, 2, ("oa…",)),
        ("oat drinks so", 3, 3, ("oat", "dr…")),
        ("a  b\nc", 5, 1, ("a b c",)),
    ],
)
def test_wrap(text: str, width: int, lines: int, expected: tuple[str, ...]):
    assert wrap(text, width, lines, len) == expected


@pytest.mark.parametrize("width", range(1, 30))
def test_wrap_never_exceeds_its_room(width: int):
    for lines in (1, 2, 3):
        found = wrap("Kölsch Söhne Müsli-Crunch Haselnuss 375 g", width, lines, len)
        assert len(found) <= lines and all(len(line) <= width and line for line in found)


@pytest.mark.parametrize(
    ("size", "box", "taken", "expected"),
    [
        ((10, 5), (20, 20, 40, 60), [], (25, 55, 35, 60)),
        ((10, 5), (20, 20, 40, 60), [(0, 50, 100, 100)], (25, 20, 35, 25)),
        ((10, 5), (20, 20, 40, 60), [(0, 0, 100, 100)], None),
        ((10, 5), (95, 20, 105, 60), [], (90, 55, 100, 60)),
        ((200, 5), (20, 20, 40, 60), [], None),
    ],
)
def test_place(size, box: Rect, taken: list[Rect], expected: Rect | None):
    assert place(size, box, (100, 100), taken) == expected


def test_touching_plates_do_not_overlap():
    assert not overlap((0, 0, 5, 5), (5, 0, 9, 5)) and overlap((0, 0, 5, 5), (4, 4, 9, 9))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("Müsli Żółć Ω Ж 0,5 L", True), ("中", False), ("a\x00", False), ("\ud800", False)],
)
def test_drawable(text: str, expected: bool):
    assert drawable(text) is expected


@pytest.mark.parametrize(("text", "expected"), [("", ""), (" a\n b ", "a b"), ("a\x07\ud800", "a??"), ("中", "中")])
def test_printable_can_be_measured(text: str, expected: str):
    assert printable(text) == expected
    assert font(12).getlength(printable(text)) >= 0
