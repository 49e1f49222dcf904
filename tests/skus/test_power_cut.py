"""What SIGKILL cannot show: at a power cut, bytes and names that nobody synced may be on the disk or not.

The steps of a writer are recorded: bytes written, syncs, deletions, commits. Each moment is then played back onto a
fresh folder, with what was not synced kept or lost, and what was committed must be there and whole. SQLite itself is
trusted: a commit counts as durable when it returns (`synchronous=FULL`), not before.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recognition.errors import DatabaseDamagedError
from recognition.skus import compact as compact_module
from recognition.skus import generations, index_choice, migration_log
from recognition.skus import migrate as migrate_module
from recognition.skus import writer as writer_module
from recognition.skus.build import build_database
from recognition.skus.catalog import read_catalog
from recognition.skus.compact import compact
from recognition.skus.database import SkuDatabase
from recognition.skus.migrate import Pictures, migrate_database
from recognition.skus.removal import remove_skus

CUTS = 60


@dataclass(frozen=True)
class Step:
    """kind: `bytes` (the file as it stands now), `sync`, `names` (the folder was synced), `gone`, `commit` (the
    catalogue as it stands now)."""

    kind: str
    name: str = ""
    data: bytes = b""


@dataclass
class Recorder:
    folder: Path
    steps: list[Step] = field(default_factory=list)

    def file(self, path: Path) -> None:
        self.steps.append(Step("bytes", path.name, path.read_bytes()))

    def commit(self) -> None:
        """The catalogue, copied by SQLite."""
        copy = self.folder.with_name("copy.sqlite")
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.folder / "catalog.sqlite")) as db, closing(sqlite3.connect(copy)) as to:
            db.backup(to)
        self.steps.append(Step("commit", "catalog.sqlite", copy.read_bytes()))


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Stands between the writer and the functions that touch the disk."""
    made = Recorder(tmp_path / "db")
    monkeypatch.setattr(index_choice, "EXACT_BELOW", 4)
    monkeypatch.setattr(index_choice, "cells_for", lambda rows: 2)
    fsync, unlink, transaction = os.fsync, Path.unlink, writer_module.transaction

    def recording_fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path == made.folder:
            made.steps.append(Step("names"))
        elif path.parent == made.folder and path.suffix in (".f16", ".faiss"):
            # The bytes were written before they are synced: a cut may come between the two.
            made.file(path)
            made.steps.append(Step("sync", path.name))
        fsync(handle)

    def recording_unlink(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if path.parent == made.folder and path.suffix in (".f16", ".faiss"):
            made.steps.append(Step("gone", path.name))

    @contextmanager
    def recording_transaction(db: sqlite3.Connection) -> Iterator[None]:
        with transaction(db):
            yield
        made.commit()

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "unlink", recording_unlink)
    for module in (writer_module, generations, compact_module, migrate_module, migration_log):
        monkeypatch.setattr(module, "transaction", recording_transaction)
    return made


def play(steps: list[Step], folder: Path, dice: random.Random) -> bool:
    """The folder after a power cut behind these steps; False when there is no database yet."""
    folder.mkdir()
    synced: dict[str, bytes] = {}
    loose: dict[str, list[Step]] = {}
    unnamed: set[str] = set()
    catalog = b""
    for step in steps:
        if step.kind == "commit":
            catalog = step.data
        elif step.kind == "names":
            unnamed = set()
            synced = {name: data for name, data in synced.items() if loose.get(name, [Step("")])[-1].kind != "gone"}
        elif step.kind == "sync":
            synced[step.name] = loose.pop(step.name)[-1].data
        else:
            unnamed |= {step.name} - set(synced)
            loose.setdefault(step.name, []).append(step)
    for name, data in synced.items() | {name: b"" for name in loose if name not in synced}.items():
        late = loose.get(name, [])
        if name in unnamed and dice.random() < 0.5:
            continue
        if late and late[-1].kind == "gone" and dice.random() < 0.5:
            continue
        torn = next((step.data for step in reversed(late) if step.kind == "bytes"), data)
        (folder / name).write_bytes(tear(data, torn, dice))
    (folder / "catalog.sqlite").write_bytes(catalog)
    return bool(catalog)


def tear(old: bytes, new: bytes, dice: random.Random) -> bytes:
    """Old content of which some of what was written over or behind it has reached the disk; zeros where it has not."""
    size = dice.choice((len(old), len(new), dice.randint(min(len(old), len(new)), max(len(old), len(new)))))
    out = bytearray(old.ljust(size, b"\0")[:size])
    for start in range(0, min(size, len(new)), 16):
        part = slice(start, min(start + 16, size, len(new)))
        if old[part] == new[part] or dice.random() < 0.5:
            out[part] = new[part]
    return bytes(out)


@pytest.fixture
def history(
    tmp_path: Path, recorder: Recorder, encoder: object, other_encoder: object, picture: Callable[..., Path]
) -> list[Step]:
    """The steps of a build, a removal, an addition, and both ways to compact, and of a migration."""
    rows = [f"S{n},{picture(tmp_path / f'{n}.png', n).name}\n" for n in range(12)]
    for name, some in (("first", rows[:8]), ("second", rows[8:])):
        (tmp_path / f"{name}.csv").write_text("sku,image\n" + "".join(some))
    folder = recorder.folder
    build_database(read_catalog(tmp_path / "first.csv", None), folder, encoder, batch=3)
    remove_skus(folder, ["S1", "S7"])
    build_database(read_catalog(tmp_path / "second.csv", None), folder, encoder, batch=3, keep=True)
    compact(folder)
    compact(folder, rewrite=True)
    migrate_database(folder, other_encoder, Pictures(tmp_path), batch=4)
    return recorder.steps


def survives(steps: list[Step], folder: Path, dice: random.Random) -> None:
    if play(steps, folder, dice):
        with SkuDatabase.open(folder) as database:
            database.verify()


def test_what_was_committed_is_whole_after_a_power_cut_at_any_moment(tmp_path: Path, history: list[Step]) -> None:
    dice = random.Random()
    assert {step.kind for step in history} == {"bytes", "sync", "names", "gone", "commit"}
    for number in range(CUTS):
        survives(history[: dice.randint(0, len(history))], tmp_path / f"cut{number}", dice)


@pytest.mark.parametrize("forgotten", ["sync", "names"])
def test_a_forgotten_sync_would_be_noticed(tmp_path: Path, history: list[Step], forgotten: str) -> None:
    dice, careless = random.Random(0), [step for step in history if step.kind != forgotten]
    with pytest.raises(DatabaseDamagedError):
        for number in range(CUTS):
            survives(careless[: dice.randint(0, len(careless))], tmp_path / f"cut{number}", dice)


@pytest.mark.parametrize(("old", "new"), [(b"", b""), (b"", b"abc"), (b"abc", b""), (b"a" * 40, b"a" * 40 + b"b" * 40)])
def test_a_torn_write_is_made_of_both(old: bytes, new: bytes) -> None:
    for seed in range(20):
        made = tear(old, new, random.Random(seed))
        assert set(made) <= set(old) | set(new) | {0} and made[: min(len(old), len(new))] in old
