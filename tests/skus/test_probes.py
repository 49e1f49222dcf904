"""Probes are kept with the database, come back pixel by pixel, and go only with the encoder that they are of."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import CatalogError, DatabaseDamagedError, EncoderMismatchError
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.compact import compact
from recognition.skus.database import SkuDatabase
from recognition.skus.export import export_vectors
from recognition.skus.migrate import Pictures, migrate_database
from recognition.skus.probes import (
    FILE,
    PROBES,
    Probes,
    least_cosine,
    load_probes,
    make_probes,
    read_probes,
    save_probes,
    spread,
)
from recognition.skus.removal import remove_skus
from recognition.skus.writer import DatabaseWriter

DATA = Path(__file__).parents[1] / "data"
TINY = "f" * 32
CHOICE = '{"chosen": "torch"}'


def crops(count: int, side: int = 24) -> list[np.ndarray]:
    dice = np.random.default_rng(3)
    return [dice.integers(0, 256, (side, side + place, 3), dtype=np.uint8) for place in range(count)]


def probes_of(encoder: object, images: list[np.ndarray]) -> Probes:
    return make_probes(encoder, images, encoder.encode(images))


def same(one: Probes, other: Probes) -> bool:
    return one.pictures == other.pictures and np.array_equal(one.vectors, other.vectors)


@pytest.fixture
def db(tmp_path: Path, picture: Callable[..., Path], encoder: object) -> Path:
    """Five SKUs and three probes."""
    rows = [f"S{n},{picture(tmp_path / f'{n}.png', n).name}\n" for n in range(5)]
    (tmp_path / "catalog.csv").write_text("sku,image\n" + "".join(rows))
    build_database(read_catalog(tmp_path / "catalog.csv", None), tmp_path / "db", encoder)
    keep(tmp_path / "db", probes_of(encoder, crops(3)))
    return tmp_path / "db"


def keep(folder: Path, probes: Probes, choice: str | None = CHOICE) -> None:
    with DatabaseWriter(folder, "tiny", 12, TINY) as writer:
        writer.set_probes(probes, choice)


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    ("count", "most", "wanted"),
    [(0, 4, []), (1, 4, [0]), (4, 4, [0, 1, 2, 3]), (5, 1, [0]), (9, 3, [0, 4, 8]), (64, 4, [0, 21, 42, 63])],
)
def test_spread(count: int, most: int, wanted: list[int]) -> None:
    assert spread(count, most) == wanted


def test_no_crops_make_no_probes(encoder: object) -> None:
    probes = probes_of(encoder, [])
    assert len(probes) == 0 and probes.vectors.shape == (0, 12) and least_cosine(encoder, probes) == 1
    assert len(probes.few(4)) == 0 and probes.crops() == []


def test_probes_are_pictures_of_few_pixels_and_the_vectors_of_just_these(encoder: object) -> None:
    made = [*crops(130), np.full((300, 400, 3), 7, np.uint8)]
    encoder.encoded = 0
    vectors = encoder.encode(made)
    probes = make_probes(encoder, made, vectors)
    assert encoder.encoded == len(made) + 1, "only the large one anew"
    assert len(probes) == PROBES and probes.vectors.dtype == np.float32 and probes.fingerprint == TINY
    assert all(max(crop.shape[:2]) <= 256 for crop in probes.crops())
    assert np.array_equal(probes.crops()[0], made[0]), "a small one is kept pixel by pixel"
    assert np.array_equal(encoder.encode(probes.crops()), probes.vectors)
    assert least_cosine(encoder, probes) == pytest.approx(1)
    few = probes.few(4)
    assert few.pictures == tuple(probes.pictures[n] for n in (0, 21, 42, 63)) and few.vectors.shape == (4, 12)


def test_another_way_to_embed_is_seen(encoder: object, other_encoder: object) -> None:
    assert least_cosine(other_encoder, probes_of(encoder, crops(3))) < 0.9


def test_what_was_kept_is_read(db: Path, encoder: object) -> None:
    probes, choice = read_probes(db, TINY)
    assert same(probes, probes_of(encoder, crops(3))) and choice == CHOICE
    keep(db, probes_of(encoder, crops(2)), None)
    probes, choice = read_probes(db, TINY)
    assert len(probes) == 2 and choice is None
    with SkuDatabase.open(db) as database:
        database.verify()


def test_of_another_encoder_there_are_none(db: Path, other_encoder: object) -> None:
    assert len(read_probes(db, other_encoder.fingerprint)[0]) == 0
    with pytest.raises(EncoderMismatchError):
        keep(db, probes_of(other_encoder, crops(1)))
    assert len(read_probes(db, TINY)[0]) == 3


def test_they_survive_everything_but_another_encoder(db: Path, other_encoder: object) -> None:
    before, choice = read_probes(db, TINY)
    remove_skus(db, ["S0", "S3"])
    compact(db)
    compact(db, rewrite=True)
    after = read_probes(db, TINY)
    assert same(after[0], before) and after[1] == choice
    migrate_database(db, other_encoder, Pictures(db.parent))
    for fingerprint in (TINY, other_encoder.fingerprint):
        probes, choice = read_probes(db, fingerprint)
        assert len(probes) == 0 and choice is None


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_format_has_none_and_can_be_given_some(tmp_path: Path, encoder: object, version: int) -> None:
    folder = tmp_path / "db"
    shutil.copytree(DATA / f"sku-db-format-{version}", folder)
    DatabaseWriter(folder, "tiny", 12, TINY).close()
    probes, choice = read_probes(folder, TINY)
    assert len(probes) == 0 and choice is None
    keep(folder, probes_of(encoder, crops(3)))
    assert len(read_probes(folder, TINY)[0]) == 3
    with SkuDatabase.open(folder) as database:
        database.verify()


@pytest.mark.parametrize("writable", [True, False])
def test_a_reader_takes_format_2_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool) -> None:
    folder = tmp_path / "db"
    shutil.copytree(DATA / "sku-db-format-2", folder)
    before = (folder / "catalog.sqlite").read_bytes()
    monkeypatch.setattr(os, "access", lambda *_: writable)
    with SkuDatabase.open(folder) as database:
        database.verify()
        assert database.count() == 6
    probes, choice = read_probes(folder, TINY)
    assert len(probes) == 0 and choice is None
    assert (folder / "catalog.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE probe SET picture = x'00' WHERE number = 1", "probe 1"),
        ("UPDATE probe SET vector = zeroblob(48) WHERE number = 2", "probe 2"),
        ("UPDATE probe SET fingerprint = 'x' WHERE number = 0", "probe 0"),
        ("UPDATE runtime SET choice = 'x'", "choice of the runtime"),
    ],
)
def test_damage_is_found_and_the_next_build_mends_it(db: Path, encoder: object, statement: str, words: str) -> None:
    change(db, statement)
    with SkuDatabase.open(db) as database, pytest.raises(DatabaseDamagedError, match=words) as told:
        database.verify()
    assert "skus build" in told.value.hint
    if "fingerprint" not in statement:
        with pytest.raises(DatabaseDamagedError, match="probes"):
            read_probes(db, TINY)
    keep(db, probes_of(encoder, crops(3)))
    with SkuDatabase.open(db) as database:
        database.verify()


def test_an_export_carries_them(db: Path, tmp_path: Path) -> None:
    export_vectors(db, tmp_path / "out")
    carried = load_probes(tmp_path / "out")
    assert carried is not None and same(carried, read_probes(db, TINY)[0]) and carried.fingerprint == TINY
    assert load_probes(tmp_path) is None
    keep(db, Probes((), np.zeros((0, 12), np.float32), TINY))
    export_vectors(db, tmp_path / "none")
    assert not (tmp_path / "none" / FILE).exists()


@pytest.mark.parametrize("damage", ["no zip", "cut", "pictures", "vectors"])
def test_a_broken_export_is_refused(db: Path, tmp_path: Path, damage: str) -> None:
    probes = read_probes(db, TINY)[0]
    if damage == "pictures":
        probes = Probes((b"no picture", *probes.pictures[1:]), probes.vectors, TINY)
    elif damage == "vectors":
        probes = Probes(probes.pictures, probes.vectors[:2], TINY)
    save_probes(tmp_path, probes)
    data = (tmp_path / FILE).read_bytes()
    if damage in ("no zip", "cut"):
        (tmp_path / FILE).write_bytes(b"x" if damage == "no zip" else data[: len(data) // 2])
    with pytest.raises(CatalogError, match=FILE):
        load_probes(tmp_path)


def test_a_full_disk_or_a_kill_leaves_the_former_ones(db: Path, encoder: object) -> None:
    """The writer dies in the middle of the transaction, by SQLite's page limit and by SIGKILL."""
    before = read_probes(db, TINY)[0]
    for die in ("db.execute('PRAGMA max_page_count = 1')", "os.kill(os.getpid(), signal.SIGKILL)"):
        code = f"""
import os, signal, sys
from pathlib import Path
import numpy as np
from recognition.skus import probes, writer
put = probes.put_probes
def dying(db, *args):
    put(db, *args) if "KILL" in {die!r} else None
    {die}
    put(db, *args)
writer.put_probes = dying
noise = tuple(np.random.default_rng(0).bytes(200_000) for _ in range(64))
with writer.DatabaseWriter(Path(sys.argv[1]), "tiny", 12, {TINY!r}) as one:
    one.set_probes(probes.Probes(noise, np.zeros((64, 12), np.float32), {TINY!r}), "new")
"""
        paths = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run([sys.executable, "-c", code, str(db)], env=paths, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL or "full" in done.stderr, done.stderr
        probes, choice = read_probes(db, TINY)
        assert same(probes, before) and choice == CHOICE
        with SkuDatabase.open(db) as database:
            database.verify()
