"""`skus migrate`: embeds all references with another encoder, beside the vectors that serve, and switches at the end.

The new vectors grow in a file of their own; how far they have come stands in the catalogue, so a killed migration goes
on where it stopped. It holds the write lock while it runs; what other writers change between two runs is caught up.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recognition.embedding.encoder import Encoder
from recognition.errors import DatabaseError, SourceError
from recognition.parallel import thread_pool
from recognition.skus.generations import move_rows, with_index
from recognition.skus.intake import find_image, is_file
from recognition.skus.migration_log import (
    append,
    begin,
    embedded_blocks,
    embedded_rows,
    embedded_sources,
    forget,
    read_migration,
)
from recognition.skus.pictures import load_packshot
from recognition.skus.probes import forget_probes
from recognition.skus.schema import (
    connect_reader,
    read_live,
    read_rows,
    reporting,
    snapshot_of,
    transaction,
    write_live,
)
from recognition.skus.session import delete_strays, write_session
from recognition.skus.thumbnails import decode_thumbnail
from recognition.skus.vectors import check_blocks, map_vectors, unit_halves
from recognition.telling import Progress
from recognition.types import Image

_REFERENCES = """
SELECT reference.row, sku.sku, image, picture FROM json_each(?) AS wanted
CROSS JOIN reference ON reference.row = wanted.value
CROSS JOIN sku ON sku.id = reference.sku LEFT JOIN thumbnail ON thumbnail.row = reference.row
"""
_PLACES = """
SELECT reference.row, sku.sku, image, thumbnail.row IS NOT NULL FROM reference
CROSS JOIN sku ON sku.id = reference.sku LEFT JOIN thumbnail ON thumbnail.row = reference.row ORDER BY reference.row
"""


@dataclass(frozen=True)
class Pictures:
    """Where the pictures are. images: the folder that paths of the catalogue start from. thumbnails: where a picture
    is gone its thumbnail (at most 256 px) stands in."""

    images: Path
    thumbnails: bool = False


@dataclass(frozen=True)
class LostReference:
    """A reference that cannot be embedded anew. image: its path as the catalogue has it."""

    sku: str
    image: str
    error: str


@dataclass(frozen=True)
class MigrationReport:
    """embedded: references embedded by this run; references: all in the new version; lost: those left out."""

    embedded: int
    references: int
    lost: tuple[LostReference, ...]


def lost_references(folder: Path, pictures: Pictures) -> list[LostReference]:
    """References whose picture is gone: a migration loses them.

    Raises:
        DatabaseError: the database cannot be read.
    """
    with reporting(folder):
        db = connect_reader(folder)
        try:
            with snapshot_of(db):
                return [lost for _, lost in _lost(db, pictures)]
        finally:
            db.close()


def migrate_database(
    folder: Path,
    encoder: Encoder,
    pictures: Pictures,
    without_lost: bool = False,
    batch: int = 64,
    progress: Progress | None = None,
    on_commit: Callable[[int], None] | None = None,
) -> MigrationReport:
    """Makes the vectors those of `encoder`; readers that are open go on with the former ones. Thresholds and probes go.

    With the encoder that the database has already, an unfinished migration is given up. without_lost: references whose
    picture is gone, or cannot be read, are left out. progress: references done, of all; on_commit: references embedded
    so far, called after each batch is durable.

    Raises:
        DatabaseError: pictures are gone; there is no database, or another process is writing. SourceError: a picture
        cannot be read. EncoderError: the encoder failed.
    """
    with write_session(folder) as db:
        if read_live(db).fingerprint == encoder.fingerprint:
            return _give_up(db, folder)
        begin(db, encoder.name, encoder.dim, encoder.fingerprint)
        todo = read_rows(db)[1] & ~embedded_rows(db)
        lost = {row: gone for row, gone in _lost(db, pictures) if todo[row]}
        todo[list(lost)] = False
        rows = np.flatnonzero(todo).tolist()
        # Without any picture the folder is wrong: nobody wants to lose everything.
        if lost and not (without_lost and (rows or read_migration(db).rows)):
            raise _refusal(folder, list(lost.values()))
        with thread_pool() as pool:
            run = _Run(db, folder, encoder, pictures, without_lost, pool)
            for start in range(0, len(rows), batch):
                run.embed(rows[start : start + batch])
                if on_commit is not None:
                    on_commit(read_migration(db).rows)
                if progress is not None:
                    progress(min(start + batch, len(rows)), len(rows))
        _publish(db, folder)
        (references,) = db.execute("SELECT count(*) FROM reference").fetchone()
    return MigrationReport(run.count, references, (*lost.values(), *run.lost))


class _Run:
    """What one run embeds. count: references; lost: those whose picture could not be read after all."""

    def __init__(
        self,
        db: sqlite3.Connection,
        folder: Path,
        encoder: Encoder,
        pictures: Pictures,
        without_lost: bool,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.count = 0
        self.lost: list[LostReference] = []
        self._db, self._folder, self._encoder, self._pictures = db, folder, encoder, pictures
        self._without_lost, self._pool = without_lost, pool

    def embed(self, rows: Sequence[int]) -> None:
        """The references of some rows of the live generation; durable on return."""
        found = self._db.execute(_REFERENCES, (json.dumps(rows),)).fetchall()
        loaded = self._pool.map(lambda one: _load(self._pictures, *one[2:]), found)
        good: list[tuple[int, str, Image]] = []
        for (row, sku, image, _), picture in zip(found, loaded, strict=True):
            if not isinstance(picture, SourceError):
                good.append((row, sku, picture))
            elif self._without_lost:
                self.lost.append(LostReference(sku, image, picture.message))
            else:
                raise picture
        if not good:
            return
        sources, skus, images = zip(*good, strict=True)
        vectors = self._encoder.encode(images)
        halves = unit_halves(self._folder, vectors, self._encoder.dim, skus)
        append(self._db, self._folder, np.array(sources, np.int64), halves)
        self.count += len(good)


def _give_up(db: sqlite3.Connection, folder: Path) -> MigrationReport:
    with transaction(db):
        forget(db)
    delete_strays(db, folder)
    (references,) = db.execute("SELECT count(*) FROM reference").fetchone()
    return MigrationReport(0, references, ())


def _publish(db: sqlite3.Connection, folder: Path) -> None:
    new, live = read_migration(db), read_live(db)
    sources, blocks = embedded_sources(db), embedded_blocks(db)
    check_blocks(folder / new.vectors, map_vectors(folder / new.vectors, new.rows, new.dim), blocks)
    moved = replace(
        live, vectors=new.vectors, rows=new.rows, encoder=new.encoder, fingerprint=new.fingerprint, dim=new.dim,
        calibration=None,
    )  # fmt: skip
    fresh = with_index(folder, moved, np.append(read_rows(db)[1], False)[sources])
    with transaction(db):
        forget(db)
        forget_probes(db)
        move_rows(db, sources, blocks)
        write_live(db, fresh)
    delete_strays(db, folder)


def _lost(db: sqlite3.Connection, pictures: Pictures) -> Iterator[tuple[int, LostReference]]:
    """Living rows whose picture is gone."""
    for row, sku, image, kept in db.execute(_PLACES):
        there = bool(image) and is_file(find_image(str(pictures.images), image))
        if not (there or (kept and pictures.thumbnails)):
            error = f"no such image: {image}" if image else "it came without a picture"
            yield row, LostReference(sku, image, error)


def _refusal(folder: Path, lost: Sequence[LostReference]) -> DatabaseError:
    first = f"SKU {lost[0].sku}: {lost[0].error}"
    hint = "name the folder that image paths start from, let thumbnails stand in, or go on without these references"
    return DatabaseError(f"{folder}: {len(lost)} references cannot be embedded anew, first {first}", hint)


def _load(pictures: Pictures, image: str, thumbnail: bytes | None) -> Image | SourceError:
    path = Path(find_image(str(pictures.images), image))
    stand_in = thumbnail if pictures.thumbnails else None
    try:
        if image and (stand_in is None or is_file(str(path))):
            return load_packshot(path)
    except SourceError as error:
        if stand_in is None:
            return error
    return decode_thumbnail(stand_in) if stand_in is not None else SourceError(f"{image}: it has no picture")
