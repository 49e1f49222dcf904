"""Files that survive a kill at any instant: replaced as a whole, or grown by whole pieces."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recognition.errors import OutputError

PARTIAL = ".partial"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translates what the disk says while `path` is written.

    Raises:
        OutputError: the disk is full, the place is not writable, or the device failed.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "free some space, then go on with --resume" if full else "check the folder and its permissions"
        raise OutputError(f"cannot write {path}: {error.strerror or error}", hint) from error


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` at `path` in one step: readers see the old file or the new one, never half of it."""
    write_file(partial(path), content)
    with writing(path):
        partial(path).replace(path)
        sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Writes a file and waits until the disk has it."""
    with writing(path), path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def partial(path: Path) -> Path:
    """Where a file stands before it is published under its own name."""
    return path.with_name(path.name + PARTIAL)


def sync_folder(folder: Path) -> None:
    """Waits until the disk knows the names in a folder; Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class GrowingFile:
    """A file known to be whole up to `length` bytes; what stands behind them is cut, or overwritten."""

    def __init__(self, path: Path, length: int = 0) -> None:
        self.path = path
        self.length = length
        with writing(path):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            found = os.fstat(self._handle).st_size
            os.ftruncate(self._handle, min(found, length))
        if found < length:
            self.close()
            message = f"{path} holds {found} bytes where the run had written {length}"
            raise OutputError(message, "it was changed since: start again with --overwrite")

    def put(self, piece: bytes) -> int:
        """Writes a piece and waits for the disk; returns the length to `commit` once everything else is there too.

        Raises:
            OutputError: the piece cannot be written; the committed length stays.
        """
        with writing(self.path):
            os.lseek(self._handle, self.length, os.SEEK_SET)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.ftruncate(self._handle, self.length + len(piece))
            os.fsync(self._handle)
        return self.length + len(piece)

    def commit(self, length: int) -> None:
        """From now on the file is whole up to `length` bytes."""
        self.length = length

    def cut(self) -> None:
        """Cuts off what stands behind the committed length: a piece that a full disk took only in part."""
        with writing(self.path):
            os.ftruncate(self._handle, self.length)

    def close(self) -> None:
        """Hands the file back to the system."""
        os.close(self._handle)
