"""A folder of pictures named by SKU: FOLDER/SKU.jpg, or FOLDER/SKU/ with any pictures in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from recognition.errors import CatalogError
from recognition.skus.intake import take_all
from recognition.skus.staging import Catalog
from recognition.sources.inputs import PICTURE_SUFFIXES


def read_folder(folder: Path) -> Catalog:
    """The SKUs of a folder, in the order of their names; `line` counts pictures from 1.

    A picture directly in the folder belongs to the SKU that its name without suffix says; pictures in a folder, however
    deep, to the SKU that the outermost folder's name says. Hidden files and other files are passed over; a folder
    without a picture is listed.

    Raises:
        CatalogError: it cannot be read, or holds no picture.
    """
    try:
        catalog = take_all(Catalog(folder, "file"), folder, enumerate(_references(folder), 1))
    except OSError as error:
        raise CatalogError(f"{folder}: {error.strerror}", "check the folder and its rights") from error
    if not catalog.skus():
        hint = "it wants FOLDER/SKU.jpg, or FOLDER/SKU/ with pictures in it"
        raise CatalogError(f"{folder}: the folder holds no picture", hint)
    return catalog


def _references(folder: Path) -> Iterator[dict[str, str]]:
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names alone: millions of paths would not be small
        path = folder / name
        if name.startswith("."):
            continue
        if path.is_dir():
            found = False
            for picture in _pictures(path):
                found = True
                yield {"sku": name, "image": picture.relative_to(folder).as_posix()}
            if not found:
                yield {"sku": name, "image": ""}
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            yield {"sku": path.stem, "image": name}


def _pictures(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in PICTURE_SUFFIXES and not hidden and path.is_file():
            yield path
