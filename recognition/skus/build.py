"""`skus build`: makes the database equal to a catalogue file for the SKUs in it, embedding only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.embedding.encoder import Encoder
from recognition.errors import CatalogError, SourceError
from recognition.skus.catalog import Catalog, CatalogProblem, CatalogRow
from recognition.skus.packshot import VERSION, trim_border
from recognition.skus.records import ReferenceRecord
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.types import Image

THUMBNAILS_UP_TO = 500_000
"""Above this many references the catalogue keeps no thumbnails: they would be most of its size."""
METADATA_ROWS = 10_000


@dataclass(frozen=True)
class BuildReport:
    """What a build did. added, updated, unchanged, removed: SKUs; embedded: references. problems: those of the file
    and pictures that could not be used."""

    added: int
    updated: int
    unchanged: int
    removed: int
    embedded: int
    problems: tuple[CatalogProblem, ...]


def build_database(
    catalog: Catalog,
    folder: Path,
    encoder: Encoder,
    prune: bool = False,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
    on_commit: Callable[[int], None] | None = None,
) -> BuildReport:
    """Makes the database equal to the file for the SKUs in it; an interrupted build goes on where it stopped.

    A reference that the file no longer lists goes; SKUs that are not in the file go only with `prune`. A SKU with a
    picture that cannot be read keeps the references it has. progress: rows done, of all rows; on_commit: references
    in the database, called after each commit is durable.

    Raises:
        CatalogError: `prune` with a file without SKUs. DatabaseLockedError: another process is writing.
        EncoderMismatchError: the database is of another encoder. EncoderError: the encoder failed.
    """
    listed = {row.sku.sku for row in catalog.rows} | {problem.sku for problem in catalog.problems if problem.sku}
    if prune and not listed:
        raise CatalogError(f"{catalog.path}: no SKU in it: pruning would empty the database", "build without --prune")
    with DatabaseWriter(folder, encoder.name, encoder.dim, encoder.fingerprint) as writer:
        run = _Build(writer, encoder, batch, len(catalog.rows) <= THUMBNAILS_UP_TO, on_commit)
        for done, row in enumerate(catalog.rows, 1):
            run.take(row)
            if progress is not None:
                progress(done, len(catalog.rows))
        run.finish(listed, catalog.incomplete)
        removed = {sku for sku, _ in run.known} - listed if prune else set()
        writer.remove_skus(removed)
        if writer.index_is_due():
            writer.build_index()
    return run.report(len(removed), catalog)


class _Build:
    """The state of one build. known: references before it; seen: (SKU, content) of the file to its line."""

    def __init__(
        self,
        writer: DatabaseWriter,
        encoder: Encoder,
        batch: int,
        thumbnails: bool,
        on_commit: Callable[[int], None] | None,
    ) -> None:
        self.known = writer.known_references()
        self._writer = writer
        self._encoder = encoder
        self._batch = batch
        self._thumbnails = thumbnails
        self._on_commit = on_commit
        self._seen: dict[tuple[str, str], int] = {}
        self._kept: list[ReferenceRecord] = []
        self._new: list[tuple[ReferenceRecord, Image]] = []
        self._problems: list[CatalogProblem] = []
        self._unreadable: set[str] = set()
        self._changed: set[str] = set()
        self._embedded = 0

    def take(self, row: CatalogRow) -> None:
        """One row of the file: kept when its picture is known, else read, and embedded when a batch is full."""
        try:
            digest = content_hash(row.image)
            key = (row.sku.sku, digest)
            record = ReferenceRecord(row.sku, row.stored, digest)
            if key in self._seen:
                hint = "delete one of the two rows"
                self._reject(row, "sku", f"the same picture as line {self._seen[key]}", hint)
            elif key in self.known:
                self._kept.append(record)
                self._seen[key] = row.line
            else:
                self._new.append((record, load_packshot(row.image)))
                self._seen[key] = row.line
        except SourceError as error:
            self._unreadable.add(row.sku.sku)
            self._reject(row, "image", error.message, error.hint)
        if len(self._new) >= self._batch:
            self._commit()

    def finish(self, listed: set[str], incomplete: frozenset[str]) -> None:
        """Commits the last batch, writes metadata, and removes references that the file no longer lists."""
        self._commit()
        for start in range(0, len(self._kept), METADATA_ROWS):
            self._changed |= self._writer.update_records(self._kept[start : start + METADATA_ROWS])
        keep_all = incomplete | self._unreadable
        stale = {key for key in self.known if key[0] in listed and key not in self._seen and key[0] not in keep_all}
        self._writer.remove_references(stale)
        self._changed |= {sku for sku, _ in stale}

    def report(self, removed: int, catalog: Catalog) -> BuildReport:
        """What was done."""
        before = {sku for sku, _ in self.known}
        present = {sku for sku, _ in self._seen}
        updated = len(self._changed & before)
        unchanged = len((present & before) - self._changed)
        problems = sorted((*catalog.problems, *self._problems), key=lambda problem: problem.line)
        return BuildReport(len(present - before), updated, unchanged, removed, self._embedded, tuple(problems))

    def _commit(self) -> None:
        if not self._new:
            return
        records, images = [record for record, _ in self._new], [image for _, image in self._new]
        vectors = self._encoder.encode(images)
        pictures = [encode_thumbnail(image) if self._thumbnails else None for image in images]
        self._writer.upsert_references(records, vectors, pictures)
        self._changed |= {record.sku.sku for record in records}
        self._embedded += len(records)
        self._new = []
        if self._on_commit is not None:
            self._on_commit(self._writer.count())

    def _reject(self, row: CatalogRow, column: str, error: str, hint: str) -> None:
        self._problems.append(CatalogProblem(row.line, row.sku.sku, column, error, hint, rejected=True))


def content_hash(path: Path) -> str:
    """Digest of a picture file and of how packshots are cut.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16, person=VERSION).hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", "check the file and its rights") from error


def load_packshot(path: Path) -> Image:
    """The picture as it is embedded: RGB uint8 (h, w, 3) without its white border.

    Raises:
        SourceError: it cannot be read as a picture.
    """
    # Only now: decoding loads OpenCV, which adding ready vectors does not need.
    from recognition.sources.decode import read_image

    return trim_border(np.ascontiguousarray(read_image(path).image[:, :, ::-1]))
