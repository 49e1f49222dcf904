from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import SourceError, UsageError
from recognition.evaluation.end_to_end import EndToEndReport, judge_run, report_run
from recognition.evaluation.labelled import LabelledPhoto
from recognition.outputs.tables import PHOTO_COLUMNS, PRODUCT_COLUMNS, ProductRow, encode

PLACES = [(0.0, 0.0, 10.0, 20.0), (20.0, 0.0, 30.0, 20.0), (40.0, 0.0, 50.0, 20.0)]
Answer = tuple[int, str, str]  # place, status, sku


def evaluate_run(result: Path, truth: Sequence[LabelledPhoto]) -> EndToEndReport:
    return report_run(judge_run(result, truth))


def row(source: str, number: int, answer: Answer) -> ProductRow:
    place, status, sku = answer
    return ProductRow(
        source, 0, number, *PLACES[place], 0.9, 1, number, status, sku, "", "", "", "", 0.9, 0.1, 0.9, "", None
    )


def run_of(folder: Path, photos: dict[str, list[Answer]]) -> Path:
    """The tables of a run that saw `photos`."""
    rows = [row(source, n, answer) for source, found in photos.items() for n, answer in enumerate(found, 1)]
    seen = [(source, 100, 100, "", *[0] * 6, "", "", 0.5) for source in photos]
    (folder / "products.csv").write_bytes(encode([PRODUCT_COLUMNS, *rows]))
    (folder / "photos.csv").write_bytes(encode([PHOTO_COLUMNS, *seen]))
    return folder


def labelled(path: str, *skus: str) -> LabelledPhoto:
    """Products in the first places; "" is a stranger."""
    return LabelledPhoto(Path(path), np.array(PLACES[: len(skus)], np.float32).reshape(-1, 4), skus)


R, A, U = "recognized", "ambiguous", "unknown"


@pytest.mark.parametrize(
    ("answers", "truth", "found", "right", "false_known", "f1", "facings"),
    [
        ([], ("A", "B"), 0, 0, 0, 0, 0),
        ([(0, R, "A"), (1, R, "B")], ("A", "B"), 1, 1, 0, 1, 1),
        ([(0, R, "B"), (1, R, "A")], ("A", "B"), 1, 0, 0, 0, 1),
        ([(0, R, "A"), (1, U, "")], ("A", "B"), 1, 0.5, 0, 2 / 3, 2 / 3),
        ([(0, A, "A"), (1, R, "B")], ("A", "B"), 1, 0.5, 0, 2 / 3, 2 / 3),
        ([(0, R, "A")], ("A", "B"), 0.5, 1, 0, 2 / 3, 2 / 3),
        ([(0, R, "A"), (1, R, "A")], ("A", ""), 1, 1, 1, 2 / 3, 2 / 3),
        ([(0, R, "A"), (1, U, "")], ("A", ""), 1, 1, 0, 1, 1),
        ([(0, R, "A"), (2, R, "A")], ("A", "B"), 0.5, 1, 0, 0.5, 0.5),
    ],
)
def test_figures_by_hand(
    tmp_path: Path, answers: list[Answer], truth: tuple[str, ...],
    found: float, right: float, false_known: float, f1: float, facings: float,
) -> None:  # fmt: skip
    report = evaluate_run(run_of(tmp_path, {"a.jpg": answers}), [labelled("a.jpg", *truth)])
    assert (report.found, report.right, report.false_known) == (found, right, false_known)
    assert (report.f1, report.facings_f1) == pytest.approx((f1, facings))


def test_a_photo_in_which_nothing_was_found_counts(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"a.jpg": [(0, R, "A")], "b.jpg": []})
    report = evaluate_run(run, [labelled("a.jpg", "A"), labelled("b.jpg", "A", "B", "C")])
    assert report.found == 0.25
    assert [score.products for score in report.photos] == [1, 3]
    assert "b.jpg" in report.as_table()


def test_a_labelled_photo_that_was_not_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"b\.jpg: this labelled photo is not in the run"):
        evaluate_run(run_of(tmp_path, {"a.jpg": []}), [labelled("b.jpg", "A")])


def test_sources_are_matched_by_the_end_of_their_paths(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"/data/x/1.jpg": [(0, R, "A")], "/data/y/1.jpg": [(0, R, "B")], "/data/y/2.jpg": []})
    truth = [labelled("elsewhere/y/1.jpg", "B"), labelled("elsewhere/x/1.jpg", "A"), labelled("2.jpg", "C")]
    report = evaluate_run(run, truth)
    assert [(s.source, s.right) for s in report.photos] == [
        ("/data/y/1.jpg", 1),
        ("/data/x/1.jpg", 1),
        ("/data/y/2.jpg", 0),
    ]
    with pytest.raises(UsageError):
        evaluate_run(run, [labelled("z/1.jpg", "A")])


def test_two_labelled_photos_never_share_a_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two labelled photos"):
        evaluate_run(run_of(tmp_path, {"x/1.jpg": []}), [labelled("x/1.jpg", "A"), labelled("y/1.jpg", "A")])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"photos\.csv"):
        evaluate_run(tmp_path, [labelled("a.jpg", "A")])
