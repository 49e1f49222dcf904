"""Where the photos and label files of a YOLO set stand: by its data.yaml, or by its folders.

ultralytics' rules hold: an entry of a data.yaml is a folder, a text file with a photo per line, or a list of those,
relative to `path` or to the file; the label of `.../images/a.jpg` is `.../labels/a.txt`; no label means no products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recognition.errors import UsageError
from recognition.sources.inputs import PICTURE_SUFFIXES

Pair = tuple[Path, Path]
PHOTO_FOLDERS = ("images", "photos")
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class YoloPairs:
    """(photo, label file) pairs by use; val: empty where the set has no split of its own."""

    train: tuple[Pair, ...]
    val: tuple[Pair, ...] = ()


def yolo_pairs(place: Path) -> YoloPairs | None:
    """The pairs of a data.yaml, of a folder with one, or of `images/` (or `photos/`) beside `labels/` at any depth.

    None where the place is no YOLO set.

    Raises:
        UsageError: the data.yaml cannot be read, or what it names is not there.
    """
    if place.suffix in _SUFFIXES:
        return _described(place)
    if (place / "data.yaml").is_file():
        return _described(place / "data.yaml")
    folders = [p for name in PHOTO_FOLDERS for p in sorted(place.rglob(name)) if (p.parent / "labels").is_dir()]
    pairs = tuple(_pair(photo) for folder in folders for photo in _pictures(folder))
    return YoloPairs(pairs) if pairs else None


def _described(path: Path) -> YoloPairs:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "give the data.yaml of a YOLO set") from error
    if not isinstance(content, dict) or not content.get("train"):
        raise UsageError(f"{path}: names no photos", "wanted the key train, and val if the set is split")
    train, val = (_split(path, content, content.get(key)) for key in ("train", "val"))
    pairs = YoloPairs(train, () if set(val) == set(train) else val)
    if not any(label.is_file() for _, label in (*pairs.train, *pairs.val)):
        hint = "labels stand in labels/ beside images/, a text file per photo"
        raise UsageError(f"{path}: no label file found for its {len(pairs.train) + len(pairs.val)} photos", hint)
    return pairs


def _split(path: Path, content: dict[str, Any], entries: Any) -> tuple[Pair, ...]:
    roots = [path.parent / str(content.get("path") or ""), path.parent]
    names = entries if isinstance(entries, list) else [entries] if entries else []
    found = {photo: _pair(photo) for name in names for photo in _listed(path, roots, str(name))}
    return tuple(found.values())


def _listed(path: Path, roots: list[Path], name: str) -> Iterator[Path]:
    # Sets exported by Roboflow say ../train/images and mean train/images.
    names = [name, name.removeprefix("../")]
    place = next((root / n for n in names for root in roots if (root / n).exists()), None)
    if place is None:
        raise UsageError(f"{path}: {name}: no such folder or list of photos", "correct path, train and val in it")
    if place.is_dir():
        yield from _pictures(place)
        return
    for line in place.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield place.parent / line.strip()


def _pictures(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()]


def _pair(photo: Path) -> Pair:
    """A photo and its label file: the last `images` or `photos` of its path becomes `labels`."""
    parts = list(photo.parts)
    last = max((i for i, part in enumerate(parts[:-1]) if part in PHOTO_FOLDERS), default=None)
    if last is not None:
        parts[last] = "labels"
    return photo, Path(*parts).with_suffix(".txt")
