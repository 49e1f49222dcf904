"""Models converted for OpenVINO, kept on this machine: made once, opened by any number of processes.

    <cache>/converted/<key>/entry.json     what `Entry` says, with the digests of the other two
                            model.xml      graph
                            model.bin      weights

A folder appears under its name when it is whole. One that is damaged is made anew. The key is a digest of everything
that the model follows from, so an entry never grows old; it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import filelock
import platformdirs

from recognition.errors import EncoderError

ENVIRONMENT = "SHELF_RECOGNITION_CACHE"
"""Environment variable that names another folder for what can be made again."""
XML, BIN, ENTRY = "model.xml", "model.bin", "entry.json"


@dataclass(frozen=True)
class Entry:
    """A converted model. dim: of its features. cosine: least one between its features and the torch model's, or for
    int8 those of the float32 model, over pictures of noise. failure: why there is no model, or "".

    digests: SHA-256 by file name.
    """

    dim: int = 0
    cosine: float = 0.0
    failure: str = ""
    digests: dict[str, str] = field(default_factory=dict)


def cache_folder() -> Path:
    """The user's cache folder of this platform, or what SHELF_RECOGNITION_CACHE names."""
    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else platformdirs.user_cache_path("shelf-recognition", appauthor=False)


def cached(key: str, make: Callable[[Path], Entry]) -> tuple[Path, Entry]:
    """The folder of an entry and what it says; made now if it is not there or not whole.

    make: writes model.xml and model.bin into a folder, or says in the entry why it could not. Processes that want the
    same entry at once wait for the one that makes it.

    Raises:
        EncoderError: the cache cannot be written. Whatever `make` raises.
    """
    folder = cache_folder() / "converted" / key
    found = _read(folder)
    if found is not None:
        return folder, found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_suffix(".lock")):
            found = _read(folder)  # another process may have made it meanwhile
            return folder, found or _make(folder, make)
    except OSError as error:
        hint = f"let the environment variable {ENVIRONMENT} name a folder with space, or take --runtime torch"
        raise EncoderError(f"converted models cannot be kept in {folder.parent}: {error}", hint) from error


def _make(folder: Path, make: Callable[[Path], Entry]) -> Entry:
    part = folder.with_suffix(".part")
    for former in (part, folder):  # of a process that was killed; damaged
        if former.exists():
            shutil.rmtree(former)
    part.mkdir()
    try:
        made = make(part)
        entry = Entry(made.dim, made.cosine, made.failure, {p.name: _digest(p) for p in sorted(part.iterdir())})
        (part / ENTRY).write_text(json.dumps(asdict(entry)), encoding="utf-8")
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return entry


def _read(folder: Path) -> Entry | None:
    """The entry if all of it is there as it was written."""
    try:
        entry = Entry(**json.loads((folder / ENTRY).read_text(encoding="utf-8")))
        whole = entry.failure or set(entry.digests) == {XML, BIN}
        if whole and all(_digest(folder / name) == digest for name, digest in entry.digests.items()):
            return entry
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
