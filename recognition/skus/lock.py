"""One writer at a time: a file lock, and beside it a note that says who holds it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from recognition.errors import DatabaseLockedError

LOCK = "writer.lock"
HOLDER = "writer.json"


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Holds the folder's write lock; it also ends when the process dies.

    Raises:
        DatabaseLockedError: another writer holds it; the message names its process, host and start.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "wait until it has finished, or end that process"
        raise DatabaseLockedError(f"{folder}: {_holder(folder)} is writing to the SKU database", hint) from error
    try:
        # Beside the lock, not in it: whoever tries to take the lock empties the lock file.
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        (folder / HOLDER).write_text(json.dumps(note), encoding="utf-8")
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        note = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {note['pid']} on {note['host']}, since {note['since']},"
    except (OSError, ValueError, KeyError):  # the other writer has the lock but has not written its note yet
        return "another process"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
