"""The --out folder of a run: tables, pictures and run.json, finished photo by photo.

Per photo: rows go to the tables, the picture beside its final name, then one line of the journal makes all of it count.
A kill at any instant therefore costs at most the photo in hand.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Literal

from recognition.errors import UsageError
from recognition.outputs import tables
from recognition.outputs.files import PARTIAL, GrowingFile, partial, replace_file, sync_folder, write_file, writing
from recognition.outputs.journal import Done, Journal, Log, Origin, read_journal
from recognition.settings import Settings
from recognition.types import Failure, FrameResult

Mode = Literal["new", "overwrite", "resume"]

PRODUCTS, PLANOGRAM, PHOTOS, FAILURES = "products.csv", "planogram.csv", "photos.csv", "failures.csv"
RUN, PICTURES, JOURNAL = "run.json", "pictures", ".journal.jsonl"
_HEADERS = {
    PRODUCTS: tables.PRODUCT_COLUMNS,
    PLANOGRAM: tables.PLANOGRAM_COLUMNS,
    PHOTOS: tables.PHOTO_COLUMNS,
    FAILURES: tables.FAILURE_COLUMNS,
}
_STATES = {0: "done", 1: "failed", 2: "failed", 3: "partly failed", 130: "interrupted"}


@dataclass(frozen=True)
class RunSummary:
    """How a run ended. exit_code: as the command returns it; versions: of this package, models and libraries."""

    exit_code: int
    versions: Mapping[str, str]


def picture_name(source: str) -> str:
    """File name of a photo's annotated picture: folder and name, readable, and a digest of the whole source."""
    path = PurePath(source)
    words = f"{path.parent.name}_{path.stem}" if path.parent.name else path.stem
    readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in words).strip("_")[:60]
    return f"{readable}-{hashlib.sha256(source.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}.jpg"


class RunWriter:
    """Writes one run. Made by `create`; `close` ends it, and without it run.json goes on saying `running`."""

    def __init__(self, out: Path, origin: Origin, log: Log) -> None:
        """Continues from `log` in a folder that `create` has made ready."""
        self._out, self._origin = out, origin
        self._started_at, self._done = _now(), {record.source for record in log.done}
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        for record in log.done:
            self._count(record)
        self._counts["failures"] = len(log.failures)
        self._journal = Journal(out / JOURNAL, origin, log)
        lengths = log.done[-1].lengths if log.done else {}
        self._tables = {name: self._open(name, lengths.get(name, 0)) for name in _HEADERS}
        self._append(FAILURES, map(tables.failure_row, log.failures))
        self._write_run(None)

    @classmethod
    def create(cls, out: Path, mode: Mode, settings: Settings, made_with: Mapping[str, str]) -> RunWriter:
        """Makes `out` ready. made_with: what the rows depend on beside settings, such as the database's state.

        Raises:
            UsageError: `out` is a file, or holds something that `mode` does not allow for, or a run made differently.
            OutputError: the folder cannot be written.
        """
        origin, log = Origin(settings, made_with), Log()
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out} is a file", "name a folder")
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            held = [path for path in out.iterdir() if path.name not in (PICTURES, partial(out / JOURNAL).name)]
            held += (out / PICTURES).glob("*")
        if held and mode == "new":
            hint = "name another folder, or add --overwrite or --resume"
            raise UsageError(f"--out {out} holds something already", hint)
        if held and mode == "overwrite":
            _remove_former(out)
        if held and mode == "resume":
            log = _former(out, origin)
        if settings.output.pictures:
            with writing(out / PICTURES):
                (out / PICTURES).mkdir(exist_ok=True)
        return cls(out, origin, log)

    def done(self, source: str) -> bool:
        """Whether the photo is finished, by this run or the one that it resumes; a failed photo is not."""
        return source in self._done

    def write(self, result: FrameResult) -> None:
        """Writes everything of one photo; once this returns, no kill can lose it.

        Raises:
            OutputError: the disk is full or not writable; what was finished before stays whole.
        """
        begun = time.perf_counter()
        photo = tables.photo_row(result)
        picture = self._put_picture(result) if self._origin.settings.output.pictures else ""
        lengths = {
            PRODUCTS: self._put(PRODUCTS, tables.product_rows(result)),
            PLANOGRAM: self._put(PLANOGRAM, tables.planogram_rows(result)),
            PHOTOS: self._put(PHOTOS, [photo]),
        }
        counts = {name: getattr(photo, name) for name in ("products", "recognized", "ambiguous", "unknown", "empty")}
        seconds = {**result.seconds, "write": time.perf_counter() - begun}
        record = Done(result.frame.source, lengths, counts, seconds, picture)
        self._journal.add(record)
        for name, length in lengths.items():
            self._tables[name].commit(length)
        _publish_picture(self._out, picture)
        self._done.add(record.source)
        self._count(record)

    def fail(self, failure: Failure) -> None:
        """Lists a failure; a resumed run tries its photo again.

        Raises:
            OutputError: the disk is full or not writable.
        """
        self._journal.add(failure)
        self._append(FAILURES, [tables.failure_row(failure)])
        self._counts["failures"] += 1

    def close(self, summary: RunSummary) -> None:
        """Writes run.json and closes the files.

        Raises:
            OutputError: the disk is full or not writable.
        """
        try:
            self._write_run(summary)
        finally:
            self._journal.close()
            for table in self._tables.values():
                table.close()

    def _open(self, name: str, length: int) -> GrowingFile:
        file = GrowingFile(self._out / name, length)
        if not length:
            file.commit(file.put(tables.encode([_HEADERS[name]])))
        return file

    def _put(self, name: str, rows: Iterable[Sequence[str | int | float | None]]) -> int:
        return self._tables[name].put(tables.encode(rows))

    def _append(self, name: str, rows: Iterable[Sequence[str | int | float | None]]) -> None:
        self._tables[name].commit(self._put(name, rows))

    def _put_picture(self, result: FrameResult) -> str:
        # Drawing libraries take seconds to load: not for --no-pictures.
        from recognition.outputs.pictures import picture_bytes

        name = picture_name(result.frame.source)
        content = picture_bytes(result, blur=self._origin.settings.output.blur_faces)
        write_file(partial(self._out / PICTURES / name), content)
        return name

    def _count(self, record: Done) -> None:
        self._counts.update({"photos": 1, **record.counts})
        for stage, seconds in record.seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def _write_run(self, summary: RunSummary | None) -> None:
        content = {
            "state": "running" if summary is None else _STATES.get(summary.exit_code, "failed"),
            "exit_code": None if summary is None else summary.exit_code,
            "started_at": self._started_at,
            "finished_at": None if summary is None else _now(),
            "settings": asdict(self._origin.settings),
            "made_with": dict(self._origin.made_with),
            "versions": {} if summary is None else dict(summary.versions),
            "counts": dict(self._counts),
            "seconds": {stage: round(seconds, 3) for stage, seconds in self._seconds.items()},
        }
        replace_file(self._out / RUN, json.dumps(content, indent=2).encode("ascii") + b"\n")


def _former(out: Path, origin: Origin) -> Log:
    """The log to go on from: finished photos, and failures of photos that were finished all the same."""
    if not (out / JOURNAL).exists():
        raise UsageError(f"--out {out} holds no run to go on with", "name the folder of a run, or an empty one")
    log = read_journal(out / JOURNAL, origin)
    finished = {record.source for record in log.done}
    if log.done:
        _publish_picture(out, log.done[-1].picture)
    return Log(log.done, [failure for failure in log.failures if failure.source in finished])


def _publish_picture(out: Path, name: str) -> None:
    path = out / PICTURES / name
    with writing(path):
        if name and partial(path).exists():
            partial(path).replace(path)
            sync_folder(path.parent)


def _remove_former(out: Path) -> None:
    """Removes what a former run left, its journal last; a table that no run of ours wrote is refused, not removed."""
    ours = [out / name for name in (*_HEADERS, RUN)]
    if not (out / JOURNAL).exists():
        foreign = next((path for path in ours if path.exists()), None)
        if foreign:
            raise UsageError(f"{foreign} was not written by a run", "move it away, or name another folder")
        return
    pictures = [out / PICTURES / record.picture for record in read_journal(out / JOURNAL).done if record.picture]
    unfinished = (out / PICTURES).glob("*-????????????.jpg" + PARTIAL)
    with writing(out):
        for path in (*ours, partial(out / RUN), *pictures, *unfinished, out / JOURNAL):
            path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
