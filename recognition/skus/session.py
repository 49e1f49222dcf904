"""A turn at writing: the lock, the catalogue opened to be changed, and what an earlier turn left unfinished deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from recognition.skus.lock import writer_lock
from recognition.skus.schema import Live, connect_writer, read_live, reporting
from recognition.skus.vectors import sync_folder


@contextmanager
def write_session(folder: Path, fresh: Live | None = None) -> Iterator[sqlite3.Connection]:
    """The catalogue in `folder`, for the one writer; `fresh`: how a database begins that is not there yet.

    Raises:
        DatabaseLockedError: another writer is at work. DatabaseMissingError: there is no database, and `fresh` is
        None. DatabaseVersionError: the format is another. DatabaseError: the folder cannot be written.
    """
    with reporting(folder):
        if fresh is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with writer_lock(folder), closing(connect_writer(folder, fresh)) as db:
            sync_folder(folder)
            delete_strays(db, folder)
            yield db


def delete_strays(db: sqlite3.Connection, folder: Path) -> None:
    """Deletes files of no generation: of one that was never published, or has been replaced.

    Readers that have mapped them keep what they have; a reader that was about to finds the newer generation.
    """
    live = read_live(db)
    unfinished = {name for (name,) in db.execute("SELECT vectors FROM migration")}
    for path in (*folder.glob("vectors-*.f16"), *folder.glob("index-*.faiss")):
        if path.name not in {live.vectors, live.index_file, *unfinished}:
            path.unlink()
