"""Measures a whole run: its tables against the true boxes and SKUs of the same photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import UsageError
from recognition.evaluation.detection import match_boxes
from recognition.evaluation.labelled import LabelledPhoto
from recognition.outputs.tables import ProductRow, read_photo_rows, read_products


@dataclass(frozen=True)
class PhotoScore:
    """Counts of one photo. known: true products of the catalogue; strangers: true products in no catalogue.

    found: true products that a box of the run claims at IoU 0.5. right, false_known: found products of the
    catalogue with the right SKU, and found strangers that were given a SKU. boxes: boxes of the run.
    """

    source: str
    products: int
    boxes: int
    found: int
    known_found: int
    right: int
    strangers_found: int
    false_known: int


@dataclass(frozen=True)
class EndToEndReport:
    """Fractions over all photos, and the counts behind them.

    found: of all true products. right: of found products of the catalogue. false_known: of found products in no
    catalogue. precision, recall, f1: of products of the catalogue at IoU 0.5 with the right SKU. facings_f1: of
    facing counts, per photo and SKU.
    """

    found: float
    right: float
    false_known: float
    precision: float
    recall: float
    f1: float
    facings_f1: float
    photos: list[PhotoScore] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def as_table(self) -> str:
        """One line per photo and the fractions below, for people."""
        lines = [f"{'photo':32} products   found   right  strangers given a SKU"]
        for s in self.photos:
            name = Path(s.source).name
            right = f"{s.right:3}/{s.known_found:<3}"
            lines.append(f"{name:32} {s.products:8} {s.found:7} {right}   {s.false_known}/{s.strangers_found}")
        lines.append(f"found {self.found:.3f}   right {self.right:.3f}   false known {self.false_known:.3f}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class JudgedPhoto:
    """A labelled photo beside its rows of a run, best box first. claimed: int64, true box of each row, -1 for none."""

    source: str
    photo: LabelledPhoto
    rows: tuple[ProductRow, ...]
    claimed: NDArray[np.int64]

    @property
    def answers(self) -> list[str]:
        """The SKU that each row was given; "" for ambiguous and unknown ones."""
        return [row.sku if row.status == "recognized" else "" for row in self.rows]


def judge_run(result: Path, truth: Sequence[LabelledPhoto]) -> list[JudgedPhoto]:
    """Lays the run over the truth, box on box at IoU 0.5; sources are matched by the end of their paths.

    Raises:
        UsageError: a labelled photo is not in the run, or two are the same there.
        SourceError: the folder holds no tables of a run.
    """
    rows: dict[str, list[ProductRow]] = {row.source: [] for row in read_photo_rows(result / "photos.csv")}
    for row in read_products(result / "products.csv"):
        rows[row.source].append(row)
    judged = []
    for photo in truth:
        source = _source_of(photo.path, rows)
        own = sorted(rows[source], key=lambda row: -(row.detection_score or 0.0))
        boxes = np.array([corners(row) for row in own], np.float32).reshape(-1, 4)
        judged.append(JudgedPhoto(source, photo, tuple(own), match_boxes(boxes, photo.boxes)))
    if len({one.source for one in judged}) < len(judged):
        raise UsageError(f"{result}: two labelled photos fit one photo of the run", "run it over all labelled photos")
    return judged


def report_run(judged: Sequence[JudgedPhoto]) -> EndToEndReport:
    """The figures of a run laid over the truth."""
    scores, shares = [], Counter[str]()
    for one in judged:
        score, facings = _score(one)
        scores.append(score)
        shares.update(facings)
    return _report(scores, shares)


def _source_of(path: Path, sources: Iterable[str]) -> str:
    parts = path.parts
    for length in range(len(parts), 0, -1):
        ends = [source for source in sources if Path(source).parts[-length:] == parts[-length:]]
        if len(ends) == 1:
            return ends[0]
    raise UsageError(f"{path}: this labelled photo is not in the run", "run it first, or label fewer photos")


def corners(row: ProductRow) -> tuple[float, float, float, float]:
    """The box of a row, pixels."""
    return row.x_min, row.y_min, row.x_max, row.y_max


def _score(judged: JudgedPhoto) -> tuple[PhotoScore, dict[str, int]]:
    photo, answers = judged.photo, judged.answers
    pairs = [(photo.skus[t], answers[i]) for i, t in enumerate(judged.claimed) if t >= 0]
    known = [(want, got) for want, got in pairs if want]
    strangers = [got for want, got in pairs if not want]
    score = PhotoScore(
        judged.source, len(photo.boxes), len(judged.rows), len(pairs), len(known),
        sum(want == got for want, got in known), len(strangers), sum(bool(got) for got in strangers),
    )  # fmt: skip
    wanted, given = Counter(filter(None, photo.skus)), Counter(filter(None, answers))
    facings = {"wanted": wanted.total(), "given": given.total(), "both": (wanted & given).total()}
    return score, facings


def _report(scores: list[PhotoScore], facings: Mapping[str, int]) -> EndToEndReport:
    total: NDArray[np.int64] = np.array(
        [[s.products, s.found, s.known_found, s.right, s.strangers_found, s.false_known] for s in scores]
    ).sum(axis=0)
    products, found, known_found, right, strangers, false_known = (int(v) for v in total)
    precision = right / max(facings["given"], 1)
    recall = right / max(facings["wanted"], 1)
    return EndToEndReport(
        found=found / max(products, 1),
        right=right / max(known_found, 1),
        false_known=false_known / max(strangers, 1),
        precision=precision,
        recall=recall,
        f1=_f1(precision, recall),
        facings_f1=_f1(facings["both"] / max(facings["given"], 1), facings["both"] / max(facings["wanted"], 1)),
        photos=scores,
    )


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / max(precision + recall, 1e-9)
