"""A folder to look at: report.json, index.html and pictures/, complete in itself."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image as Pictures

from recognition.errors import UsageError
from recognition.evaluation.unknowns import OpenSetCurve
from recognition.outputs.files import replace_file, write_file, writing
from recognition.types import Image

REPORT, INDEX, CURVES, PICTURES = "report.json", "index.html", "open_set.csv", "pictures"
MOST_CASES = 40
QUALITY = 85
TEMPLATES = Path(__file__).parent / "templates"
COLOURS = ("#0072b2", "#d55e00")
"""Of the curves: told apart by people who confuse red and green (Okabe and Ito 2008)."""


@dataclass(frozen=True, eq=False)
class Picture:
    """image: RGB uint8 (h, w, 3). caption: below it. tone: "", "right" or "wrong"."""

    image: Image
    caption: str
    tone: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """One thing that went wrong, with its pictures side by side."""

    title: str
    text: str
    pictures: Sequence[Picture]


@dataclass(frozen=True, eq=False)
class Page:
    """What the page says. figures: name to value, as in report.json. legend: colour to what it marks in the pictures.

    notes: sentences, such as the photos that could not be read.
    """

    title: str
    figures: Mapping[str, object]
    cases: Sequence[Case]
    curves: Sequence[OpenSetCurve] = ()
    legend: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write_page(folder: Path, page: Page) -> None:
    """Writes the folder; a page that it already holds is replaced.

    Raises:
        UsageError: the folder holds something else. OutputError: it cannot be written.
    """
    open_page(folder)
    cases = save_cases(folder, page.cases[:MOST_CASES])
    curves = [(curve, _line(curve), colour) for curve, colour in zip(page.curves, COLOURS, strict=False)]
    html = render("report.html", page=page, cases=cases, curves=curves, figures=_figures(page.figures))
    replace_file(folder / INDEX, html)
    if page.curves:
        replace_file(folder / CURVES, _curves_csv(page.curves).encode())
    report = {**page.figures, "open_set": [asdict(curve) for curve in page.curves]} if page.curves else page.figures
    replace_file(folder / REPORT, as_json(report))


def open_page(folder: Path) -> None:
    """Makes the folder, without the pictures of an earlier page.

    Raises:
        UsageError: the folder holds something else. OutputError: it cannot be written.
    """
    check_folder(folder)
    with writing(folder):
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for old in (folder / PICTURES).glob("case-*.jpg"):
            old.unlink()


@dataclass(frozen=True, eq=False)
class SavedCase:
    """A case whose pictures are files of the page. pictures: path below the folder, and the picture."""

    title: str
    text: str
    pictures: Sequence[tuple[str, Picture]]


def save_cases(folder: Path, cases: Sequence[Case], first: int = 1) -> list[SavedCase]:
    """Writes the pictures of cases. first: number of the first case; two cases of a page have two numbers.

    Raises:
        OutputError: a picture cannot be written.
    """
    saved = []
    for number, case in enumerate(cases, first):
        files = [f"{PICTURES}/case-{number:03}-{place}.jpg" for place in range(1, len(case.pictures) + 1)]
        for file, picture in zip(files, case.pictures, strict=True):
            write_file(folder / file, _jpeg(picture.image))
        saved.append(SavedCase(case.title, case.text, list(zip(files, case.pictures, strict=True))))
    return saved


def render(template: str, **values: object) -> bytes:
    """The page that a template of `templates/` makes of some values."""
    loader = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return loader.get_template(template).render(values).encode()


def as_json(report: object) -> bytes:
    """The content of report.json."""
    return json.dumps(report, indent=2).encode() + b"\n"


def check_folder(folder: Path) -> None:
    """Refuses a place that is not a new or empty folder, or one of an earlier page: nothing of the user's is lost.

    Raises:
        UsageError: that is the case.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / REPORT).is_file()):
        raise UsageError(f"--out {folder}: holds something that is no report", "give a new folder")


def _jpeg(image: Image) -> bytes:
    out = io.BytesIO()
    Pictures.fromarray(image).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _figures(figures: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Name, value and interval of each figure; lists stand in report.json alone."""
    ends = ("_low", "_high")
    names = [name for name, value in figures.items() if not name.endswith(ends) and not isinstance(value, list)]
    intervals = {name: [_figure(figures[name + end]) for end in ends if name + end in figures] for name in names}
    return [(name, _figure(figures[name]), " to ".join(intervals[name])) for name in names]


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


def _line(curve: OpenSetCurve) -> str:
    """Corners of a polyline in a unit square whose y grows downwards; the share named is 0 above every threshold."""
    points = [(0.0, 0.0), *((point.strangers_named, point.knowns_right) for point in curve.points)]
    return " ".join(f"{x * 100:.2f},{100 - y * 100:.2f}" for x, y in points)


def _curves_csv(curves: Sequence[OpenSetCurve]) -> str:
    lines = ["score,threshold,strangers_named,knowns_right"]
    for curve in curves:
        name = curve.score.replace(",", "")
        lines += [f"{name},{p.threshold:.6g},{p.strangers_named:.6f},{p.knowns_right:.6f}" for p in curve.points]
    return "\n".join(lines) + "\n"
