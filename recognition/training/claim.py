"""A folder belongs to one command: its options stand there, so that the same command goes on and no other mixes in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from recognition.errors import UsageError
from recognition.outputs.files import replace_file, writing


def claim(record: Path, options: Mapping[str, object], made: Sequence[str], overwrite: bool) -> None:
    """Makes the folder of the file `record` this command's own, or finds that it is.

    options: all that decides what comes out, ready for JSON. made: names of files and folders that such a command
    writes beside the record; removed where `overwrite` says that an earlier one's are to be replaced.

    Raises:
        UsageError: the folder is a file, or holds what another command, or something else, wrote.
        OutputError: a file cannot be written.
    """
    folder, wanted = record.parent, json.dumps(options, indent=2).encode() + b"\n"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "give another --out")
    if record.is_file():
        if not overwrite and _same(record.read_bytes(), wanted):
            return
        if not overwrite:
            hint = "give the same command to go on with it, --overwrite to replace it, or another --out"
            raise UsageError(f"{folder} holds what another command made", hint)
        with writing(folder):
            for path in (folder / name for name in made):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    elif folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something that no training made", "give another --out")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    replace_file(record, wanted)


def _same(record: bytes, wanted: bytes) -> bool:
    """Whether both say the same, however it was written."""
    try:
        return bool(json.loads(record) == json.loads(wanted))
    except ValueError:
        return False
