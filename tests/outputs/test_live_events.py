"""events.jsonl and the folder of a stream: whole after kills, full logs, full disks."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from recognition.errors import OutputError, UsageError
from recognition.outputs.live_events import EVENTS, Event, EventKind, EventLog, older_logs
from recognition.outputs.live_folder import STATS, LiveFolder
from recognition.outputs.writer import PLANOGRAM


def event(seconds: float = 1.0, sku: str = "S1") -> Event:
    return Event("", seconds, "cam", EventKind.APPEARED, 3, (1.04, 2.0, 3.0, 4.0), sku, 0.91234)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize(
    ("one", "key", "value"),
    [
        (Event("", float("nan"), "cam", EventKind.GAP, was="no frame"), "seconds", None),
        (Event("", 0.0, "cam", EventKind.GAP, was="no frame"), "box", None),
        (event(), "event", "appeared"),
        (event(), "box", [1.0, 2.0, 3.0, 4.0]),
        (event(), "confidence", 0.9123),
        (event(sku="Käse\n"), "sku", "Käse\n"),
    ],
)
def test_a_line(one: Event, key: str, value: object) -> None:
    line = one.line()
    assert line.count(b"\n") == 1 and line.isascii() and json.loads(line)[key] == value


def test_no_events_leave_an_empty_file(tmp_path: Path) -> None:
    log = EventLog(tmp_path, 0)
    log.write([])
    log.close()
    assert (tmp_path / EVENTS).read_bytes() == b""


def test_full_logs_are_kept_and_none_is_lost(tmp_path: Path) -> None:
    for first in (0, 25):  # the second log goes on with what the first left
        log = EventLog(tmp_path, 1000)
        for number in range(first, first + 25):
            log.write([event(number)])
        log.close()
    files = [*older_logs(tmp_path), tmp_path / EVENTS]
    assert len(files) > 5 and all(path.stat().st_size <= 1000 for path in files)
    assert [line["seconds"] for path in files for line in lines(path)] == list(range(50))


def test_full_logs_that_are_left_are_not_replaced_when_the_first_was_taken_away(tmp_path: Path) -> None:
    log = EventLog(tmp_path, 300)
    for number in range(10):
        log.write([event(number)])
    first, *rest = older_logs(tmp_path)
    first.unlink()
    kept = [path.read_bytes() for path in rest]
    log.write([event(10)])
    log.write([event(11)])
    log.close()
    assert len(rest) > 1 and [path.read_bytes() for path in rest] == kept
    assert lines(older_logs(tmp_path)[-1])[-1]["seconds"] == 10 and lines(tmp_path / EVENTS)[-1]["seconds"] == 11


def test_a_line_cut_short_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / EVENTS).write_bytes(event(1).line() + event(2).line()[:20])
    log = EventLog(tmp_path, 0)
    log.write([event(3)])
    log.close()
    assert [line["seconds"] for line in lines(tmp_path / EVENTS)] == [1, 3]


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = LiveFolder.create(tmp_path, "new", 1)
    folder.write([event(1)])
    folder.show([], [])
    whole = os.write

    def half(handle: int, piece: bytes) -> int:
        if len(piece) > 40:
            return whole(handle, piece[:40])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OutputError, match=r"No space left.*free some space"):
        folder.write([event(2)])
    monkeypatch.setattr(os, "write", whole)
    folder.close([], [], "failed")
    assert [line["seconds"] for line in lines(tmp_path / EVENTS)] == [1]
    assert json.loads((tmp_path / STATS).read_text())["state"] == "failed"


def test_what_a_folder_may_hold(tmp_path: Path) -> None:
    out = tmp_path / "live"
    folder = LiveFolder.create(out, "new", 1)
    folder.write([event(1)])
    folder.close([], [], "done")
    with pytest.raises(UsageError, match=r"holds something already.*--resume"):
        LiveFolder.create(out, "new", 1)
    again = LiveFolder.create(out, "resume", 1)
    again.write([event(2)])
    again.close([], [], "stopped")
    assert len(lines(out / EVENTS)) == 2
    (out / "notes.txt").write_text("mine")
    LiveFolder.create(out, "overwrite", 1).close([], [], "done")
    assert lines(out / EVENTS) == [] and (out / "notes.txt").exists() and (out / PLANOGRAM).exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / PLANOGRAM).write_text("mine")
    for mode in ("overwrite", "resume"):
        with pytest.raises(UsageError, match="no stream wrote"):
            LiveFolder.create(tmp_path / "other", mode, 1)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        LiveFolder.create(tmp_path / "file", "new", 1)
