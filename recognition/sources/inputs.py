"""Files, folders and patterns of a command line become one ordered list of photos."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recognition.errors import SourceError

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".hif"}
)


def expand_inputs(inputs: Sequence[str]) -> list[str]:
    """Every photo the inputs name, in the order of the inputs and sorted within a folder or pattern.

    A file is kept whatever its suffix and even if its name looks like a pattern. A folder gives its pictures
    (by suffix, any depth, hidden ones skipped). A pattern (`*`, `?`, `[...]`, `**`) gives what it matches:
    folders are entered, and files that are no pictures count only if the pattern itself ends in a suffix.
    An input that gives nothing is kept as it is, so that reading it fails with one clear line. Paths are
    spelled as found, never resolved.
    """
    return [source for entry in inputs for source in without_repeats(_expand(entry)) or [entry]]


def without_repeats(sources: Iterable[str]) -> list[str]:
    """Each photo once, as first spelled, however often and however it is named."""
    found: dict[str, str] = {}
    for source in sources:
        found.setdefault(str(Path(source).absolute()) if source else "", source)
    return list(found.values())


def not_a_file(source: str) -> SourceError:
    """The error that says why an input which is no file gave no photo."""
    if _is_folder(source):
        if not os.access(source, os.R_OK | os.X_OK):
            return SourceError(f"folder {source}: no permission to read it", "change its permissions")
        if _expand(source):
            return SourceError(f"{source} is a folder, not a photo", "name one of the photos in it")
        return SourceError(f"folder {source}: holds no picture", "give a folder of .jpg, .png, .heic, ... files")
    if glob.has_magic(source):
        return SourceError(f"pattern {source}: matches no picture", "check its folder and spelling")
    if source and Path(source).exists():
        return SourceError(f"{source} is not a regular file", "give a photo, a folder or a pattern")
    return SourceError(f"photo {source or '(empty name)'}: no such file", "check the path")


def _expand(entry: str) -> list[str]:
    # Not Path's: those raise when a name is too long or a folder on the way is locked.
    if os.path.isfile(entry):  # noqa: PTH113
        return [entry]
    if _is_folder(entry):
        return list(_walk(Path(entry)))
    return list(_matches(entry))


def _is_folder(entry: str) -> bool:
    return os.path.isdir(entry)  # noqa: PTH112 -- as above


def _matches(pattern: str) -> Iterator[str]:
    # Path.glob would take no absolute pattern and would show hidden files.
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    any_file = bool(Path(pattern).suffix)
    for name in names:
        if _is_folder(name):
            yield from _walk(Path(name))
        elif any_file or _is_picture(name):
            yield name


def _walk(folder: Path) -> Iterator[str]:
    """Pictures under a folder: its own files first, then folder by folder; folders that refuse come as themselves."""
    refused: list[str] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: refused.append(str(error.filename))):
        folders[:] = _visible(folders)
        yield from (str(Path(root) / name) for name in _visible(files) if _is_picture(name))
    yield from refused


def _visible(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith("."))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES
