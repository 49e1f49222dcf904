"""The SKU database as a reader uses it: search, metadata, thumbnails. It satisfies `SkuIndex`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseError
from recognition.skus.catalog_sql import ids_where, read_skus
from recognition.skus.index import Where
from recognition.skus.pool import Pool
from recognition.skus.records import DatabaseInfo, ReferenceRecord
from recognition.skus.schema import check_format, connect_reader, reporting
from recognition.skus.snapshot import Snapshot, take_snapshot
from recognition.skus.thumbnails import decode_thumbnail
from recognition.skus.verify import verify
from recognition.skus.writer import DatabaseWriter, check_encoder
from recognition.types import Image, Neighbors, Sku

CACHED_IMAGES = 256


class SkuDatabase:
    """One commit of a database in a folder; `refresh` moves on to the newest. Row numbers hold until then.

    Any number of readers, in any process, may be open while a writer is at work.
    """

    def __init__(self, folder: Path) -> None:
        """As `open`."""
        self.folder = folder
        with ExitStack() as stack, reporting(folder):
            self._db = connect_reader(folder)
            stack.callback(self._db.close)
            self._version = self._data_version()
            self._snapshot = take_snapshot(self._db, folder)
            self.search_with()
            self._closing = stack.pop_all()
        self.reference_image = lru_cache(CACHED_IMAGES)(self._read_image)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A reader of the database in `folder`.

        Raises:
            DatabaseMissingError: there is none. DatabaseVersionError: its format is another.
            DatabaseDamagedError: a file is missing, too short or broken.
        """
        return cls(folder)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self.close()

    def close(self) -> None:
        """Closes the catalogue; the mapped files go with the object."""
        self._closing.close()

    def refresh(self) -> bool:
        """Moves to the newest commit; says whether there was one. Rows handed out before may then be gone.

        Raises:
            EncoderMismatchError: the database was migrated to another encoder; this reader stays with what it has.
        """
        with reporting(self.folder):
            version = self._data_version()
            if version == self._version:
                return False
            newest = take_snapshot(self._db, self.folder, self._snapshot)
        # The queries that this reader is asked are of the former encoder.
        check_encoder(self.folder, newest.live, self._snapshot.live.encoder, self._snapshot.live.fingerprint)
        self._snapshot, self._version = newest, version
        self.reference_image.cache_clear()
        return True

    def search(self, queries: NDArray[np.float32], k: int, where: Where | None = None) -> Neighbors:
        """The k nearest distinct SKUs of each query (n, dim), norm 1, best reference of each, best first.

        Raises:
            DatabaseError: the queries have another dim.
        """
        seen = self._snapshot
        if queries.ndim != 2 or queries.shape[1] != seen.live.dim:
            raise DatabaseError(f"{self.folder}: wanted queries (n, {seen.live.dim}), got {queries.shape}")
        wanted = np.ascontiguousarray(queries, np.float32)
        return seen.search(wanted, k, self._pool(seen, where or {}), self._nprobe)

    def search_with(self, nprobe: int = 0, device: str = "cpu") -> None:
        """How this reader searches from now on. nprobe: cells visited per query, 0 for as many as were measured.

        device: `cuda...` keeps a copy of the vectors on a GPU, where they fit, and searches them exactly there.
        """
        self._nprobe, self._device = nprobe, None
        self._snapshot.pools.clear()
        if device.startswith("cuda"):
            # Only now: a search on the CPU never loads torch.
            from recognition.skus.torch_exact import DeviceVectors

            self._device = DeviceVectors(device)

    def _pool(self, seen: Snapshot, where: Where) -> Pool | None:
        """The rows that a filter lets through, kept for when it comes again; None stands for all, on the CPU."""
        if not where and self._device is None:
            return None
        pool = seen.pools.get(where)
        if pool is None:
            with reporting(self.folder):
                skus = ids_where(self._db, where) if where else None
            pool = seen.among(skus, self._device)
            seen.pools.put(where, pool)
        return pool

    def count(self) -> int:
        """Number of live references."""
        return int(np.count_nonzero(self._snapshot.alive))

    def upsert(self, skus: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Sets the references of SKUs that the database knows: `vectors[i]`, norm 1, belongs to `skus[i]`.

        Raises:
            DatabaseError: an id was never handed out. DatabaseLockedError: another process is writing.
        """
        known = self.describe(skus.tolist())
        unknown = set(skus.tolist()) - set(known)
        if unknown:
            raise DatabaseError(f"{self.folder}: there is no SKU with id {min(unknown)}", "add it from a catalogue")
        with self._writer() as writer:
            records = [ReferenceRecord(known[sku]) for sku in skus.tolist()]
            writer.upsert_references(records, vectors, replace_skus=True)
        self.refresh()

    def remove(self, skus: NDArray[np.int64]) -> None:
        """Removes SKUs and all their references; unknown ids are ignored.

        Raises:
            DatabaseLockedError: another process is writing.
        """
        with self._writer() as writer:
            writer.remove_skus(sku.sku for sku in self.describe(skus.tolist()).values())
        self.refresh()

    def info(self) -> DatabaseInfo:
        """What the database holds."""
        seen, live = self._snapshot, self._snapshot.live
        kind = seen.index.kind if seen.index else "exact"
        with reporting(self.folder):
            written = check_format(self._db, self.folder)
        return DatabaseInfo(
            skus=seen.skus, references=self.count(), encoder=live.encoder, dim=live.dim, fingerprint=live.fingerprint,
            index=kind, indexed=live.indexed_rows, nprobe=live.nprobe, recall=live.recall,
            recall_at_10=live.recall_at_10, views=live.views,
            calibrated=live.calibration is not None, generation=live.generation, format=written,
        )  # fmt: skip

    def describe(self, ids: Iterable[int]) -> dict[int, Sku]:
        """The SKUs with these ids, also ones that were removed since; ids never handed out are left out."""
        with reporting(self.folder):
            return read_skus(self._db, ids)

    def live_rows(self) -> NDArray[np.int64]:
        """Rows of all living references, int64, rising."""
        return np.flatnonzero(self._snapshot.alive).astype(np.int64)

    def reference_skus(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The SKU id of each row, int64."""
        return self._snapshot.row_skus[rows]

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors of rows, float32 (n, dim)."""
        return self._snapshot.vectors[rows].astype(np.float32)

    @property
    def calibration(self) -> str | None:
        """The thresholds' text as the matching room wrote it, or None."""
        return self._snapshot.live.calibration

    def set_calibration(self, text: str | None) -> None:
        """Keeps the thresholds' text.

        Raises:
            DatabaseLockedError: another process is writing. DatabaseError: the folder cannot be written.
        """
        with self._writer() as writer:
            writer.set_calibration(text)
        self.refresh()

    def check_encoder(self, fingerprint: str, name: str) -> None:
        """Refuses an encoder that did not make the vectors.

        Raises:
            EncoderMismatchError: that is the case.
        """
        check_encoder(self.folder, self._snapshot.live, name, fingerprint)

    def verify(self) -> None:
        """Reads everything and holds it against its check sums.

        Raises:
            DatabaseDamagedError: something does not agree; the message names the file, the hint the way out.
        """
        with reporting(self.folder):
            verify(self._db, self.folder, take_snapshot(self._db, self.folder))

    def _read_image(self, row: int) -> Image | None:
        """The thumbnail of a reference, RGB uint8 of at most 256 px, read-only; None when none was kept, or when a
        writer has given the rows other numbers since the last `refresh`."""
        select = "SELECT picture FROM thumbnail WHERE row = ? AND (SELECT vectors FROM live) = ?"
        with reporting(self.folder):
            found = self._db.execute(select, (int(row), self._snapshot.live.vectors)).fetchone()
        return decode_thumbnail(found[0]) if found else None

    def _writer(self) -> DatabaseWriter:
        live = self._snapshot.live
        return DatabaseWriter(self.folder, live.encoder, live.dim, live.fingerprint)

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])
