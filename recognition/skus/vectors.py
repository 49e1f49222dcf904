"""`vectors-<g>.f16`: one row of little-endian float16 per reference, only ever appended to.

How many rows count, and their check sums, stand in `catalog.sqlite`; bytes behind them are of an append that was
never committed and are cut by the next one.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError

BLOCK_ROWS = 8192
REPAIR = "restore a copy of the folder, or delete it and make the database again: recognize.py skus build"

Halves = NDArray[np.float16]


def map_vectors(path: Path, rows: int, dim: int) -> Halves:
    """The first `rows` rows as float16 (rows, dim), mapped from the file and read-only.

    Raises:
        FileNotFoundError: the file is gone. DatabaseDamagedError: it is shorter than that.
    """
    size = path.stat().st_size if rows else 0
    if size < rows * dim * 2:
        raise DatabaseDamagedError(f"{path}: {size} bytes where {rows} vectors of {dim} numbers are expected", REPAIR)
    if not rows:
        return np.zeros((0, dim), "<f2")
    return np.memmap(path, "<f2", "r", shape=(rows, dim))


def append_vectors(path: Path, rows: int, vectors: Halves) -> None:
    """Writes float16 (n, dim) behind the first `rows` rows, over what an unfinished append left, durable on return.

    Raises:
        DatabaseDamagedError: the file has fewer rows than that. OSError: the disk is full or broken.
    """
    start = rows * vectors.shape[1] * 2
    if rows and not (path.is_file() and path.stat().st_size >= start):
        raise DatabaseDamagedError(f"{path}: missing, or shorter than its {rows} vectors", REPAIR)
    with path.open("r+b" if rows else "wb") as file:
        file.truncate(start)
        file.seek(start)
        file.write(np.ascontiguousarray(vectors, "<f2").data)
        file.flush()
        os.fsync(file.fileno())
    if not rows:
        sync_folder(path.parent)


def checksum(vectors: Halves) -> int:
    """CRC-32 of the rows as they lie in the file."""
    return zlib.crc32(np.ascontiguousarray(vectors, "<f2").data)


def file_checksum(path: Path) -> int:
    """CRC-32 of a whole file."""
    crc = 0
    with path.open("rb") as file:
        while part := file.read(1 << 22):
            crc = zlib.crc32(part, crc)
    return crc


def sync_file(path: Path) -> None:
    """Waits until a file that a library wrote is on the disk, and its name in the folder."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until the names in the folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
