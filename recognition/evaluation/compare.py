"""What `compare-encoders` calls: opens catalogue and encoders, asks them all the same, measures, writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recognition.errors import EncoderError, UsageError
from recognition.evaluation.compare_measure import Contest, Entry, answer, report_comparison
from recognition.evaluation.compare_page import write_comparison
from recognition.evaluation.compare_report import ComparisonReport
from recognition.evaluation.compare_text import INDEX_NOTE, VIEWS_NOTE
from recognition.evaluation.fairness import Names, draw_rows
from recognition.evaluation.gallery import Gallery, Shot, labelled_shots, open_gallery, view_shots
from recognition.evaluation.lineup import Lineup
from recognition.evaluation.page import check_folder
from recognition.settings import EmbedSettings
from recognition.telling import Progress

PHOTOS, VIEWS = "photos", "views of references"


@dataclass(frozen=True)
class CompareOptions:
    """source: catalogue or database's folder; None: the labelled set's own references. images: as `skus build`.

    merchant: attribute that names one, "" for none. top: answers per query that brand fairness pools. views: how many
    views of references are asked for, about.
    """

    source: Path | None = None
    images: Path | None = None
    labelled: Path | None = None
    merchant: str = ""
    top: int = 10
    views: int = 500


def compare_encoders(
    names: Sequence[str], settings: EmbedSettings, options: CompareOptions, progress: Progress, out: Path | None = None
) -> ComparisonReport:
    """Every encoder on the same references and queries. out: folder for the page.

    Encoders that cannot be used, and pictures that cannot be read, are failures of the report.

    Raises:
        UsageError: the options or the data make no sense. RecognitionError: the data cannot be used, or no encoder can.
    """
    if out is not None:
        check_folder(out)
    gallery = open_gallery(options.source, options.images, options.labelled)
    photos, strangers = labelled_shots(options.labelled, gallery) if options.labelled else ([], [])
    _check_merchant(gallery, options.merchant)
    lineup = Lineup(names, settings, gallery.shots)
    contest, entries = _ask(gallery, photos, lineup, options, progress)
    report = report_comparison(contest, entries, [*gallery.left_out, *lineup.failures], _notes(contest, strangers))
    if out is not None:
        write_comparison(out, report, contest, entries)
    return report


def _ask(
    gallery: Gallery, photos: Sequence[Shot], lineup: Lineup, options: CompareOptions, progress: Progress
) -> tuple[Contest, list[Entry]]:
    """Embeds references, then views of them, then photos, and searches."""
    drawn = len(draw_rows(Names.number(gallery.texts("brand")).of, options.views))
    total = len(gallery.shots) + drawn + len(photos)
    _somebody(lineup)
    lineup.time_alone(gallery.shots)
    references = lineup.embed(gallery.shots, progress, 0, total)
    _somebody(lineup)
    if not len(references.kept):
        raise UsageError("not one reference's picture can be read", lineup.failures[0].error)
    gallery = gallery.take(references.kept)
    known = {sku.sku for sku in gallery.facts}
    photos = [photo for photo in photos if photo.sku in known]
    rows = draw_rows(Names.number(gallery.texts("brand")).of, options.views)
    views = view_shots(gallery, rows)
    seen = lineup.embed(views, progress, len(references.kept), total)
    asked = lineup.embed(photos, progress, len(references.kept) + len(rows), total) if photos else seen
    _somebody(lineup)
    queries = [(photos or views)[i] for i in asked.kept]
    if not queries:
        raise UsageError("not one query's picture can be read", lineup.failures[0].error)
    contest = Contest(gallery, rows[seen.kept], queries, PHOTOS if photos else VIEWS, options.top, options.merchant)
    entries = [
        answer(contest, one, references.vectors[one.name], seen.vectors[one.name], asked.vectors[one.name])
        for one in lineup.contestants
    ]
    return contest, entries


def _somebody(lineup: Lineup) -> None:
    if not lineup.contestants:
        reasons = "; ".join(f"{failure.source}: {failure.error}" for failure in lineup.failures)
        raise EncoderError(f"no encoder can be compared: {reasons}", lineup.failures[-1].hint)


def _check_merchant(gallery: Gallery, merchant: str) -> None:
    if merchant and not any(gallery.texts(merchant)):
        there = sorted({name for sku in gallery.facts for name in sku.attributes})
        raise UsageError(f"--merchant {merchant}: no such column", f"there are {', '.join(there) or 'no attributes'}")


def _notes(contest: Contest, strangers: Sequence[str]) -> list[str]:
    notes = [INDEX_NOTE]
    if contest.queries_are == VIEWS:
        notes.append(VIEWS_NOTE)
    if strangers:
        few = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        notes.append(f"{len(strangers)} SKUs of the labelled set are not in the catalogue and are not asked for: {few}")
    return notes
