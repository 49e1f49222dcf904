"""Changes to the SKU database: each call is one transaction, durable when it returns, and safe to kill at any instant.

Files are written and synced before the transaction that names them is committed, so a kill leaves at most bytes and
files that nothing names; the next write cuts and deletes those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseError, EncoderMismatchError
from recognition.skus.catalog_sql import bury, ids_of, put_sku, rows_of_keys, rows_of_texts
from recognition.skus.generations import index_is_due, publish_index, put_blocks
from recognition.skus.probes import Probes, put_probes
from recognition.skus.records import ReferenceRecord
from recognition.skus.schema import Live, new_live, read_live, reporting, transaction, write_live
from recognition.skus.session import write_session
from recognition.skus.vectors import Halves, append_blocks, unit_halves

_PUT_REFERENCE = "INSERT INTO reference (row, sku, image, hash, digest) VALUES (?1, ?2, ?3, ?4, row_digest(?2, ?3, ?4))"
_PUT_THUMBNAIL = "INSERT INTO thumbnail (row, picture, digest) VALUES (?1, ?2, row_digest(?2))"


class DatabaseWriter:
    """The one writer of a database, which it creates when there is none."""

    def __init__(self, folder: Path, encoder_name: str, dim: int, fingerprint: str) -> None:
        """Takes the write lock.

        Raises:
            DatabaseLockedError: another writer is at work. EncoderMismatchError: the vectors there are of another
            encoder. DatabaseVersionError: the format is another. DatabaseError: the folder cannot be written.
        """
        self._folder = folder
        with ExitStack() as stack:
            self._db = stack.enter_context(write_session(folder, new_live(encoder_name, dim, fingerprint)))
            check_encoder(folder, read_live(self._db), encoder_name, fingerprint)
            self._closing = stack.pop_all()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self.close()

    def close(self) -> None:
        """Gives the lock back."""
        self._closing.close()

    def count(self) -> int:
        """Number of live references."""
        with reporting(self._folder):
            return int(self._db.execute("SELECT count(*) FROM reference").fetchone()[0])

    def known_references(self) -> dict[tuple[str, str], str]:
        """Every live reference: (SKU text, content hash) to its image path."""
        select = "SELECT sku.sku, hash, image FROM reference JOIN sku ON sku.id = reference.sku"
        with reporting(self._folder):
            return {(sku, digest): image for sku, digest, image in self._db.execute(select)}

    def upsert_references(
        self,
        records: Sequence[ReferenceRecord],
        vectors: NDArray[np.float32],
        thumbnails: Sequence[bytes | None] | None = None,
        replace_skus: bool = False,
    ) -> None:
        """Adds references with the metadata of their SKUs; one with the same SKU and content hash is replaced.

        vectors: (n, dim), norm 1; thumbnails: encoded pictures, or None. With `replace_skus` all former references
        of the SKUs go. Vectors, metadata and removals become visible together.

        Raises:
            DatabaseError: shapes or norms are wrong, a reference appears twice, or the disk is full.
        """
        pictures = thumbnails if thumbnails is not None else [None] * len(records)
        halves = self._checked(records, vectors, pictures)
        keys = [(r.sku.sku, r.content_hash or _digest(row)) for r, row in zip(records, halves, strict=True)]
        if len(set(keys)) < len(keys):
            error = f"{self._folder}: two references of one SKU have the same content"
            raise DatabaseError(error, "give each one once")
        if not keys:
            return
        with self._changing() as live:
            for sku in {r.sku.sku: r.sku for r in records}.values():
                put_sku(self._db, sku)
            texts = {sku for sku, _ in keys}
            bury(self._db, rows_of_texts(self._db, texts) if replace_skus else rows_of_keys(self._db, keys))
            ids = ids_of(self._db, texts)
            rows = range(live.rows, live.rows + len(keys))
            inserts = [
                (row, ids[sku], r.image, digest) for row, (sku, digest), r in zip(rows, keys, records, strict=True)
            ]
            self._db.executemany(_PUT_REFERENCE, inserts)
            kept = [(row, picture) for row, picture in zip(rows, pictures, strict=True) if picture is not None]
            self._db.executemany(_PUT_THUMBNAIL, kept)
            blocks = append_blocks(self._folder / live.vectors, live.rows, halves)
            put_blocks(self._db, blocks, np.array([number for _, number, *_ in inserts], np.int64))
            write_live(self._db, replace(live, rows=live.rows + len(halves)))

    def update_records(self, records: Iterable[ReferenceRecord]) -> set[str]:
        """Writes metadata and image paths of references that are there already; returns the SKUs that changed."""
        move = (
            "UPDATE reference SET image = ?1, digest = row_digest(sku, ?1, hash) "
            "WHERE hash = ?3 AND sku = (SELECT id FROM sku WHERE sku.sku = ?2) "
            "AND (image, digest) IS NOT (?1, row_digest(sku, ?1, hash))"
        )
        changed = set()
        with self._changing():
            for record in records:
                moved = self._db.execute(move, (record.image, record.sku.sku, record.content_hash)).rowcount > 0
                if put_sku(self._db, record.sku) or moved:
                    changed.add(record.sku.sku)
        return changed

    def remove_skus(self, sku_texts: Iterable[str]) -> None:
        """Removes SKUs with all their references; unknown ones are ignored."""
        with self._changing():
            bury(self._db, rows_of_texts(self._db, set(sku_texts)))

    def remove_references(self, keys: Iterable[tuple[str, str]]) -> None:
        """Removes single references by (SKU text, content hash); unknown ones are ignored."""
        with self._changing():
            bury(self._db, rows_of_keys(self._db, set(keys)))

    def set_calibration(self, text: str | None) -> None:
        """Keeps the thresholds' text, which belongs to the matching room."""
        with self._changing() as live:
            write_live(self._db, replace(live, calibration=text))

    def set_views(self, views: str) -> None:
        """How several references of a SKU are compared: `apart` (the best counts) or `averaged`; thresholds go."""
        with self._changing() as live:
            if views != live.views:
                write_live(self._db, replace(live, views=views, calibration=None))

    def set_probes(self, probes: Probes, choice: str | None) -> None:
        """Keeps probes of the encoder, and what was measured of its runtimes as the matching room wrote it, in place of
        the former.

        Raises:
            EncoderMismatchError: they are of another encoder.
        """
        with self._changing() as live:
            check_encoder(self._folder, live, "another", probes.fingerprint)
            put_probes(self._db, probes, choice)

    def index_is_due(self) -> bool:
        """Whether the rows outside the index have become many, or its file is gone."""
        with reporting(self._folder):
            return index_is_due(self._db, self._folder)

    def build_index(self) -> None:
        """Publishes a new index over all living references; none when they are few."""
        with reporting(self._folder):
            publish_index(self._db, self._folder)

    @contextmanager
    def _changing(self) -> Iterator[Live]:
        with reporting(self._folder), transaction(self._db):
            yield read_live(self._db)

    def _checked(
        self, records: Sequence[ReferenceRecord], vectors: NDArray[np.float32], pictures: Sequence[bytes | None]
    ) -> Halves:
        with reporting(self._folder):
            dim = read_live(self._db).dim
        if len(pictures) != len(records):
            raise DatabaseError(f"{self._folder}: {len(records)} references, {len(pictures)} thumbnails")
        return unit_halves(self._folder, vectors, dim, [record.sku.sku for record in records])


def check_encoder(folder: Path, live: Live, name: str, fingerprint: str) -> None:
    """Refuses an encoder that did not make the database's vectors.

    Raises:
        EncoderMismatchError: that is the case.
    """
    if fingerprint != live.fingerprint:
        raise EncoderMismatchError(
            f"{folder}: its vectors were made by encoder {live.encoder} ({live.fingerprint[:12]}), "
            f"not by {name} ({fingerprint[:12]})",
            f"use --encoder {live.encoder}, or embed its references anew: recognize.py skus migrate --encoder {name} "
            f"--db {folder}",
        )


def _digest(vector: Halves) -> str:
    return hashlib.blake2b(vector.tobytes(), digest_size=16).hexdigest()
