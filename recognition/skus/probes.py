"""Probes: a few crops kept with a database, and the vectors that its encoder gave them.

They calibrate int8 to the same model on every machine, and they prove that a runtime still makes the vectors that the
database was built from. As PNG they need no reference picture and come back pixel by pixel.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from recognition.embedding.encoder import Encoder
from recognition.errors import CatalogError, DatabaseDamagedError
from recognition.skus.schema import connect_reader, reporting, snapshot_of
from recognition.skus.tables import DIGESTED
from recognition.skus.thumbnails import MAX_SIDE, decode_thumbnail
from recognition.types import Image

PROBES = 64
FILE = "probes.npz"
_SHOWN = f"number, picture, vector, fingerprint, digest = row_digest({DIGESTED['probe']})"
_PUT = """
INSERT INTO probe (number, picture, vector, fingerprint, digest) VALUES (?1, ?2, ?3, ?4, row_digest(?1, ?2, ?3, ?4))
"""
REMAKE = "run recognize.py skus build with the catalogue: probes are made anew"


@dataclass(frozen=True, eq=False)
class Probes:
    """pictures: PNG files of at most 256 px. vectors: float32 (n, dim), norm 1, by the exact encoder. fingerprint: of
    that encoder."""

    pictures: tuple[bytes, ...]
    vectors: NDArray[np.float32]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.pictures)

    def crops(self) -> list[Image]:
        """The pictures as RGB uint8 (h, w, 3)."""
        return [decode_thumbnail(picture) for picture in self.pictures]

    def few(self, most: int) -> Probes:
        """At most `most` of them, spread evenly."""
        places = spread(len(self), most)
        return Probes(tuple(self.pictures[place] for place in places), self.vectors[places], self.fingerprint)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly apart, rising."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).astype(int)).tolist() if count else []


def make_probes(encoder: Encoder, crops: Sequence[Image], vectors: NDArray[np.float32]) -> Probes:
    """64 of the crops, RGB uint8 (h, w, 3), spread evenly, fewer where there are fewer; `vectors` (n, dim) are theirs.

    Those with a side above 256 px are brought down to that, and embedded again.

    Raises:
        EncoderError: the model failed.
    """
    places = spread(len(crops), PROBES)
    pictures, kept = tuple(_png(crops[place]) for place in places), vectors[places]
    large = [number for number, place in enumerate(places) if max(crops[place].shape[:2]) > MAX_SIDE]
    kept[large] = encoder.encode([decode_thumbnail(pictures[number]) for number in large])
    return Probes(pictures, kept, encoder.fingerprint)


def least_cosine(encoder: Encoder, probes: Probes) -> float:
    """The smallest cosine between the vectors that an encoder gives the probes now and those that are kept; 1 for none.

    Raises:
        EncoderError: the model failed.
    """
    if not len(probes):
        return 1.0
    return float(np.einsum("nd,nd->n", encoder.encode(probes.crops()), probes.vectors).min())


def read_probes(folder: Path, fingerprint: str) -> tuple[Probes, str | None]:
    """The probes of an encoder, none when there are none, and what was measured of its runtimes, as of one commit.

    Raises:
        DatabaseDamagedError: they do not agree with their digests. DatabaseError: the database cannot be read.
    """
    with reporting(folder), closing(connect_reader(folder)) as db, snapshot_of(db):
        select = f"SELECT {_SHOWN} FROM probe WHERE fingerprint = ? ORDER BY number"
        rows = db.execute(select, (fingerprint,)).fetchall()
        choice = db.execute(f"SELECT choice, digest = row_digest({DIGESTED['runtime']}) FROM runtime").fetchone()
    if not all(whole for *_, whole in rows) or (choice and not choice[1]):
        raise DatabaseDamagedError(f"{folder}: the probes do not agree with their digests", REMAKE)
    vectors = [np.frombuffer(vector, "<f4") for _, _, vector, *_ in rows]
    kept = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
    return Probes(tuple(row[1] for row in rows), kept, fingerprint), choice[0] if choice else None


def put_probes(db: sqlite3.Connection, probes: Probes, choice: str | None) -> None:
    """Keeps probes, and what was measured of the runtimes, in place of the former; in a transaction."""
    forget_probes(db)
    rows = zip(probes.pictures, probes.vectors, strict=True)
    db.executemany(_PUT, ((n, png, v.astype("<f4").tobytes(), probes.fingerprint) for n, (png, v) in enumerate(rows)))
    if choice is not None:
        db.execute("INSERT INTO runtime (one, choice, digest) VALUES (1, ?1, row_digest(?1))", (choice,))


def forget_probes(db: sqlite3.Connection) -> None:
    """No probes any more, as those of a former encoder; in a transaction."""
    db.execute("DELETE FROM probe")
    db.execute("DELETE FROM runtime")


def save_probes(folder: Path, probes: Probes) -> None:
    """Writes probes beside exported vectors: pictures end to end in one array, as npz without pickles.

    Raises:
        OSError: the file cannot be written.
    """
    ends = np.cumsum([len(picture) for picture in probes.pictures], dtype=np.int64)
    joined = np.frombuffer(b"".join(probes.pictures), np.uint8)
    np.savez(folder / FILE, pictures=joined, ends=ends, vectors=probes.vectors, fingerprint=probes.fingerprint)


def load_probes(folder: Path) -> Probes | None:
    """What `save_probes` wrote into a folder, None when it wrote none.

    Raises:
        CatalogError: the file cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            joined, ends = kept["pictures"].tobytes(), kept["ends"].tolist()
            pictures = tuple(joined[a:b] for a, b in zip([0, *ends], ends, strict=False))
            probes = Probes(pictures, kept["vectors"].astype(np.float32), str(kept["fingerprint"]))
        if len(probes.vectors) != len(probes.crops()):
            raise ValueError(f"{len(pictures)} pictures, {len(probes.vectors)} vectors")
        return probes
    # A PNG that is broken inside is a SyntaxError to Pillow.
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, SyntaxError, Pictures.DecompressionBombError) as error:
        raise CatalogError(f"{path}: no probes of an export: {error}", "delete it, or export again") from error


def _png(image: Image) -> bytes:
    picture = Pictures.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Pictures.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
