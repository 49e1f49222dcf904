"""`skus build` and `skus add`: brings a source into the database, embedding only what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.embedding.encoder import Encoder
from recognition.errors import CatalogError, EncoderError, SourceError
from recognition.parallel import map_ahead, thread_pool
from recognition.skus.intake import filled
from recognition.skus.known import Key, Known, portions
from recognition.skus.ledger import Counts, Ledger
from recognition.skus.pictures import content_hash, load_packshot, vector_hash
from recognition.skus.records import ReferenceRecord
from recognition.skus.staging import Catalog, CatalogProblem, CatalogRow, ReadyVectors
from recognition.skus.thumbnails import encode_thumbnail
from recognition.skus.writer import DatabaseWriter
from recognition.telling import Progress
from recognition.types import Image, Sku

THUMBNAILS_UP_TO = 500_000
"""Above this many references the catalogue keeps no thumbnails: they would be most of its size."""
CHUNK = 1024
METADATA_ROWS = 10_000


@dataclass(frozen=True)
class BuildReport:
    """What was done. added, updated, unchanged, removed: SKUs; embedded: references. problems: those of the source
    and pictures that could not be used; rejected: rows left out for them."""

    added: int
    updated: int
    unchanged: int
    removed: int
    embedded: int
    rejected: int
    problems: Sequence[CatalogProblem]


def build_database(
    catalog: Catalog,
    folder: Path,
    encoder: Encoder,
    prune: bool = False,
    batch: int = 64,
    progress: Progress | None = None,
    on_commit: Callable[[int], None] | None = None,
    keep: bool = False,
    commit_seconds: float = 0.0,
) -> BuildReport:
    """Makes the database equal to the source for the SKUs in it; an interrupted build goes on where it stopped.

    A reference that the source no longer lists goes, unless `keep`, which also leaves metadata alone where the source
    has none; SKUs that are not in the source go only with `prune`. A SKU with a row that cannot be used keeps the
    references it has. progress: rows done, of all rows; on_commit: references in the database, called after each
    commit is durable; commit_seconds: batches embedded within this time share a commit, which costs two waits for the
    disk.

    Raises:
        CatalogError: `prune` with a source without SKUs, or its vectors do not suit the encoder. DatabaseLockedError:
        another process is writing. EncoderMismatchError: the database is of another encoder. EncoderError: it failed.
    """
    catalog.forget_late()
    if prune and not catalog.skus() and not any(catalog.incomplete()):
        raise CatalogError(f"{catalog.path}: no SKU in it: pruning would empty the database", "build without --prune")
    if catalog.vectors is not None and catalog.vectors.dim != encoder.dim:
        error = f"{catalog.path}: vectors of {catalog.vectors.dim} numbers; encoder {encoder.name} makes {encoder.dim}"
        raise CatalogError(error, "name the encoder that made them with --encoder")
    with ExitStack() as stack:
        writer = stack.enter_context(DatabaseWriter(folder, encoder.name, encoder.dim, encoder.fingerprint))
        known = stack.enter_context(Known(folder))
        pool = stack.enter_context(thread_pool())
        run = _Build(catalog, writer, known, encoder, pool, batch, keep, commit_seconds, progress, on_commit)
        counts = run.all(prune)
        if writer.index_is_due():
            writer.build_index()
    return BuildReport(
        counts.added, counts.updated, counts.unchanged, counts.removed, run.embedded, catalog.rejected(),
        catalog.problems,
    )  # fmt: skip


class _Build:
    """The state of one build. Rows are looked up, read and embedded in portions, so memory does not grow with them."""

    def __init__(
        self,
        catalog: Catalog,
        writer: DatabaseWriter,
        known: Known,
        encoder: Encoder,
        pool: ThreadPoolExecutor,
        batch: int,
        keep: bool,
        commit_seconds: float,
        progress: Progress | None,
        on_commit: Callable[[int], None] | None,
    ) -> None:
        self.embedded = 0
        self._catalog, self._writer, self._known, self._encoder = catalog, writer, known, encoder
        self._pool, self._batch, self._keep, self._commit_seconds = pool, batch, keep, commit_seconds
        self._progress, self._on_commit = progress, on_commit
        self._ledger = Ledger(known)
        self._done, self._total = 0, len(catalog.rows)
        self._thumbnails = max(self._total, self._ledger.count()) <= THUMBNAILS_UP_TO
        self._kept: list[ReferenceRecord] = []
        self._waiting: dict[Key, tuple[CatalogRow, ReferenceRecord, np.ndarray, bytes | None]] = {}
        self._last_commit = time.monotonic()

    def all(self, prune: bool) -> Counts:
        """Every row, then what the source no longer lists."""
        try:
            for rows in portions(self._catalog.rows, CHUNK):
                self._take(rows)
        except (KeyboardInterrupt, EncoderError):
            self._commit()  # what is embedded is not lost
            raise
        self._commit()
        self._update()
        return self._ledger.close(self._writer, self._catalog.incomplete(), prune, self._keep)

    def _take(self, rows: Sequence[CatalogRow]) -> None:
        """Sorts rows into known, repeated and new ones; the new ones are embedded."""
        digests = list(self._digests(rows))
        keys = [(row.sku.sku, text) for row, text in zip(rows, digests, strict=True) if isinstance(text, str)]
        have = self._known.rows_of(keys)
        facts = self._known.skus_of({sku for sku, _ in keys}) if self._keep else {}
        new: dict[Key, CatalogRow] = {}
        for row, digest in zip(rows, digests, strict=True):
            if isinstance(digest, SourceError):
                self._reject(row, "image", digest.message, digest.hint)
                continue
            key = (row.sku.sku, digest)
            if (line := self._line_of(key, have, new)) is not None:
                self._reject(row, "sku", f"the same picture as {self._catalog.counts} {line}", "delete one of the two")
            elif key in have:
                self._ledger.seen(have[key], row.line)
                self._kept.append(self._record(row, digest, facts))
                self._step()
            else:
                new[key] = row
        if len(self._kept) >= METADATA_ROWS:
            self._update()
        self._embed([(key, row, self._record(row, key[1], facts)) for key, row in new.items()])

    def _digests(self, rows: Sequence[CatalogRow]) -> Iterable[str | SourceError]:
        if self._catalog.vectors is None:
            return self._pool.map(_digest, [row.image for row in rows])
        bare = [row.line for row in rows if not row.content_hash]
        made = dict(zip(bare, map(vector_hash, self._catalog.vectors.take(bare)), strict=True))
        return [made.get(row.line, row.content_hash) for row in rows]

    def _line_of(self, key: Key, have: dict[Key, int], new: dict[Key, CatalogRow]) -> int | None:
        """The line of this source that gave the reference before."""
        if key in new:
            return new[key].line
        if key in self._waiting:
            return self._waiting[key][0].line
        return self._ledger.line_of(have[key]) if key in have else None

    def _record(self, row: CatalogRow, digest: str, facts: dict[str, Sku]) -> ReferenceRecord:
        sku = filled(row.sku, facts[row.sku.sku]) if row.sku.sku in facts else row.sku
        return ReferenceRecord(sku, row.stored, digest)

    def _embed(self, new: Sequence[tuple[Key, CatalogRow, ReferenceRecord]]) -> None:
        vectors = self._catalog.vectors
        if vectors is not None:
            self._take_ready(vectors, new)
            return
        loading = map_ahead(self._pool, lambda item: _load(item[1].image), new, 2 * self._batch)
        for part in portions(zip(new, loading, strict=True), self._batch):
            good = [(item, image) for item, image in part if not isinstance(image, SourceError)]
            made = self._encoder.encode([image for _, image in good]) if good else ()
            for ((key, row, record), image), vector in zip(good, made, strict=True):
                picture = encode_thumbnail(image) if self._thumbnails else None
                self._waiting[key] = (row, record, vector, picture)
                self._step()
            for (_, row, _), failed in part:
                if isinstance(failed, SourceError):
                    self._reject(row, "image", failed.message, failed.hint)
            if time.monotonic() - self._last_commit >= self._commit_seconds:
                self._commit()

    def _take_ready(self, vectors: ReadyVectors, new: Sequence[tuple[Key, CatalogRow, ReferenceRecord]]) -> None:
        made = vectors.take([row.line for _, row, _ in new])
        for (key, row, record), vector in zip(new, made, strict=True):
            self._waiting[key] = (row, record, vector, None)
            self._step()
        if time.monotonic() - self._last_commit >= self._commit_seconds:
            self._commit()

    def _commit(self) -> None:
        if not self._waiting:
            return
        rows, records, vectors, pictures = zip(*self._waiting.values(), strict=True)
        self._writer.upsert_references(records, np.stack(vectors), pictures)
        self._ledger.added(self._known.rows_of(self._waiting), {key: w[0].line for key, w in self._waiting.items()})
        self.embedded += len(rows)
        self._waiting = {}
        self._last_commit = time.monotonic()
        if self._on_commit is not None:
            self._on_commit(self._ledger.count())

    def _update(self) -> None:
        self._ledger.changed(self._writer.update_records(self._kept))
        self._kept = []

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)

    def _reject(self, row: CatalogRow, column: str, error: str, hint: str) -> None:
        self._catalog.report(CatalogProblem(row.line, row.sku.sku, column, error, hint, rejected=True), late=True)
        self._step()


def _digest(image: Path) -> str | SourceError:
    try:
        return content_hash(image)
    except SourceError as error:
        return error


def _load(image: Path) -> Image | SourceError:
    try:
        return load_packshot(image)
    except SourceError as error:
        return error
