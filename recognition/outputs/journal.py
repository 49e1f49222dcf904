"""What a run has finished: one line per photo, appended after everything that the line speaks of is on the disk.

The first line says what the run is made with. A line holds the lengths of the tables after its photo, so a resumed run
cuts what an interrupted photo left behind it; a last line without its end was never acknowledged and is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recognition.errors import OutputError, UsageError
from recognition.outputs.files import GrowingFile, replace_file, writing
from recognition.settings import Settings
from recognition.types import Failure

FORMAT = 1
_FREE_TO_CHANGE = ("device", "batch_size")  # how fast it goes, not what comes out


@dataclass(frozen=True)
class Origin:
    """What a run is made with. settings: of all stages; made_with: everything else that its rows depend on."""

    settings: Settings
    made_with: Mapping[str, str]

    def values(self) -> dict[str, object]:
        """Name to value of all that has to stay the same when a run goes on."""
        stages = asdict(self.settings).items()
        found = {f"{stage}.{k}": v for stage, keys in stages for k, v in keys.items() if k not in _FREE_TO_CHANGE}
        return found | dict(self.made_with)


@dataclass(frozen=True)
class Done:
    """One finished photo. lengths: bytes of each table after it; picture: its file name, or ""; seconds: per stage."""

    source: str
    lengths: Mapping[str, int]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]
    picture: str = ""


@dataclass
class Log:
    """The records of a journal, in order."""

    done: list[Done] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Journal:
    """The open journal of a run: `add` acknowledges one photo or failure."""

    def __init__(self, path: Path, origin: Origin, log: Log) -> None:
        """Starts the journal at `path` anew with the records of `log`, in one step."""
        head = {"format": FORMAT, "origin": origin.values()}
        content = b"".join(map(_line, (head, *map(_record, log.done), *map(_record, log.failures))))
        replace_file(path, content)
        self._file = GrowingFile(path, len(content))

    def add(self, record: Done | Failure) -> None:
        """Appends a record and waits for the disk.

        Raises:
            OutputError: it cannot be written; the photo is then not done.
        """
        self._file.commit(self._file.put(_line(_record(record))))

    def close(self) -> None:
        """Hands the file back to the system."""
        self._file.close()


def read_journal(path: Path, origin: Origin | None = None) -> Log:
    """The records at `path`. origin: what they have to be made with, when that matters.

    Raises:
        UsageError: the run was made with something else.
        OutputError: the journal cannot be read, or is damaged.
    """
    with writing(path):
        lines = path.read_bytes().split(b"\n")[:-1]
    try:
        head, *records = map(json.loads, lines)
        values = head["origin"] if head["format"] == FORMAT else None
        done = [Done(**record["done"]) for record in records if "done" in record]
        failures = [Failure(**record["failure"]) for record in records if "failure" in record]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is damaged, or of another release", "start again in another folder") from error
    if origin is not None:
        # As it was written: JSON knows no tuples.
        _check_same(path.parent, values, json.loads(json.dumps(origin.values())))
    return Log(done, failures)


def _check_same(out: Path, former: Any, now: dict[str, object]) -> None:
    if former is None:
        raise UsageError(f"the run in {out} was begun by another release", "start again with --overwrite")
    changed = [name for name in now | former if now.get(name) != former.get(name)]
    if changed:
        changes = ", ".join(f"{name} was {former.get(name)!r}, now {now.get(name)!r}" for name in changed)
        hint = "give the same settings and database, or start again with --overwrite"
        raise UsageError(f"the run in {out} was begun with something else: {changes}", hint)


def _record(record: Done | Failure) -> dict[str, object]:
    return {"done" if isinstance(record, Done) else "failure": asdict(record)}


def _line(record: Mapping[str, object]) -> bytes:
    # ASCII on purpose: a path that is no UTF-8 comes back as it was.
    return json.dumps(record).encode("ascii") + b"\n"
