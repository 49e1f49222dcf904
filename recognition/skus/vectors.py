"""`vectors-<g>.f16`: one row of little-endian float16 per reference, only ever appended to.

How many rows count, and their check sums, stand in `catalog.sqlite`; bytes behind them are of an append that was
never committed and are cut by the next one.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseDamagedError, DatabaseError

BLOCK_ROWS = 8192
HEAD_BYTES = 1 << 26
"""As much of an index is held against its check sum before FAISS reads it: a flipped bit there can ask for more memory
than the machine has. It is more than the centres and list lengths take; the codes behind them are only mapped."""
REPAIR = "restore a copy of the folder, or delete it and make the database again: recognize.py skus build"
REMAKE = "run recognize.py skus compact: the index is made anew"

Halves = NDArray[np.float16]
Block = tuple[int, int, int]
"""First row, number of rows, CRC-32 of their vectors."""


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


def append_blocks(path: Path, rows: int, vectors: Halves) -> list[Block]:
    """As `append_vectors`; the blocks that were added."""
    append_vectors(path, rows, vectors)
    parts = [(start, vectors[start : start + BLOCK_ROWS]) for start in range(0, len(vectors), BLOCK_ROWS)]
    return [(rows + start, len(part), checksum(part)) for start, part in parts]


def unit_halves(folder: Path, vectors: NDArray[np.float32], dim: int, names: Sequence[str]) -> Halves:
    """The vectors of the SKUs `names` as they are stored.

    Raises:
        DatabaseError: the shape is not (number of names, dim), or a norm is not 1.
    """
    wanted = (len(names), dim)
    if vectors.shape != wanted:
        raise DatabaseError(f"{folder}: wanted vectors of shape {wanted}, got {vectors.shape}")
    wrong = np.flatnonzero(~(np.abs(np.einsum("nd,nd->n", vectors, vectors) - 1) < 0.01))
    if len(wrong):
        raise DatabaseError(f"{folder}: the vector of SKU {names[wrong[0]]} has not norm 1", "normalise the vectors")
    return vectors.astype("<f2")


def check_blocks(path: Path, vectors: Halves, blocks: Iterable[Block]) -> None:
    """Holds the vectors of a file, (rows, dim), against the check sums of its blocks.

    Raises:
        DatabaseDamagedError: one does not hold, or the blocks do not follow each other.
    """
    expected = 0
    for first, rows, crc in blocks:
        if first != expected or checksum(vectors[first : first + rows]) != crc:
            raise DatabaseDamagedError(f"{path}: vectors {first} to {first + rows - 1} are damaged", REPAIR)
        expected += rows


def checksum(vectors: Halves) -> int:
    """CRC-32 of the rows as they lie in the file."""
    return zlib.crc32(np.ascontiguousarray(vectors, "<f2").data)


def file_checksum(path: Path, first: int | None = None) -> int:
    """CRC-32 of a whole file, or of its first bytes."""
    crc, left = 0, path.stat().st_size if first is None else first
    with path.open("rb") as file:
        while part := file.read(min(left, 1 << 22)):
            crc, left = zlib.crc32(part, crc), left - len(part)
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
