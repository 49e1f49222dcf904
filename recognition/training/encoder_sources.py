"""Products with names to learn from: a catalogue, a database, labelled crops, packshots, rendered packs."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image as Pictures

from recognition.errors import OutputError, SourceError, UsageError
from recognition.evaluation.datasets import read_labelled
from recognition.skus.database import SkuDatabase
from recognition.skus.pictures import load_packshot
from recognition.skus.source import read_source
from recognition.sources.inputs import PICTURE_SUFFIXES, expand_inputs
from recognition.telling import Say
from recognition.training.crops import StoredCrop, some_boxes, store, whole
from recognition.training.encoder_shelves import read_photo
from recognition.training.material import Product
from recognition.training.render.packs import draw_packshot
from recognition.training.render.pairs import training_world

MOST_PRODUCTS = 50_000
"""Drawn of larger catalogues: their pictures are held in memory, about 20 kB each."""
PACK_PX = 256
CROPS = "crops"

_Item = TypeVar("_Item")


def read_references(catalog: Path, images: Path | None, longest: int, seed: int, say: Say) -> tuple[Product, ...]:
    """Products of a catalogue (CSV, Parquet, a folder named by SKU), grouped by brand.

    longest: side that pictures are brought down to, pixels.

    Raises:
        CatalogError: the file cannot be read. UsageError: not one picture of it can be.
    """
    rows = [row for row in read_source(catalog, images).rows if row.stored]
    drawn = set(_drawn(list(dict.fromkeys(row.sku.sku for row in rows)), seed, say))
    wanted = [row for row in rows if row.sku.sku in drawn]
    crops = _packshots([row.image for row in wanted], longest, say)
    pictures: dict[str, list[StoredCrop]] = defaultdict(list)
    for row in (row for row in wanted if row.image in crops):
        pictures[row.sku.sku].append(crops[row.image])
    if not pictures:
        raise UsageError(f"{catalog}: not one reference can be used", "`skus build` says what is wrong with each row")
    brands = {row.sku.sku: row.sku.brand for row in wanted}
    return tuple(Product(sku, tuple(crops), (), f"brand {brands[sku]}") for sku, crops in pictures.items())


def read_database(folder: Path, longest: int, seed: int, say: Say) -> tuple[Product, ...]:
    """Products of a SKU database, from the thumbnails that it keeps, grouped by brand.

    Raises:
        DatabaseError: it cannot be opened. UsageError: it keeps no thumbnails.
    """
    with SkuDatabase.open(folder) as database:
        rows = database.live_rows()
        ids = database.reference_skus(rows)
        known = database.describe(_drawn(np.unique(ids).tolist(), seed, say))
        pictures: dict[int, list[StoredCrop]] = defaultdict(list)
        for row, sku in zip(rows.tolist(), ids.tolist(), strict=True):
            image = database.reference_image(row) if sku in known else None
            if image is not None:
                pictures[sku].append(whole(image, longest))
    if not pictures:
        raise UsageError(f"{folder}: the database keeps no pictures", "give the catalogue with --catalog instead")
    return tuple(Product(known[i].sku, tuple(crops), (), f"brand {known[i].brand}") for i, crops in pictures.items())


def read_crops(folder: Path, longest: int, seed: int, say: Say) -> tuple[Product, ...]:
    """Labelled crops: folders named by SKU; or photos.csv (image,sku,split; the split `test` is left alone) with
    catalog.csv beside it; or labelled photos whose boxes name SKUs.

    Raises:
        UsageError: no crop with a name is found, or labels cannot be read.
    """
    if (folder / "photos.csv").is_file() and (folder / "catalog.csv").is_file():
        products = _from_tables(folder, longest, say)
    elif folder.is_file() or any((folder / name).is_file() for name in ("boxes.csv", "truth.csv")):
        products = _from_boxes(folder, longest, seed, say)
    else:
        products = _from_folders(folder, longest, say)
    if not products:
        hint = "wanted a folder per SKU with its pictures, or labels that name SKUs"
        raise UsageError(f"{folder}: no labelled crops found", hint)
    return products


def read_packshots(folder: Path, longest: int, say: Say) -> tuple[Product, ...]:
    """Single pictures of products on white, each another product.

    Raises:
        UsageError: not one picture can be read.
    """
    crops = _packshots(map(Path, expand_inputs([str(folder)])), longest, say)
    if not crops:
        raise UsageError(f"{folder}: holds no picture that can be read", "give a folder of packshots")
    return tuple(Product(f"packshot {path}", (crop,), (), f"packshot {path}") for path, crop in crops.items())


def render_packs(folder: Path, worlds: int, longest: int, seed: int) -> tuple[Product, ...]:
    """Packs of invented look-alike brands, 30 a world, drawn once into `folder`, grouped by brand.

    Raises:
        OutputError: a picture cannot be written. UsageError: a seed is one kept for samples/.
    """
    products = []
    for world in range(worlds):
        for number, design in enumerate(training_world(seed + world)):
            path = folder / f"{world:04d}_{number:02d}.png"
            if not path.exists():
                _write(path, Pictures.fromarray(draw_packshot(design, PACK_PX)))
            crop = whole(load_packshot(path), longest)
            products.append(Product(f"pack {path.stem}", (crop,), (), f"world {world} {design.brand.name}"))
    return tuple(products)


def _write(path: Path, picture: Pictures.Image) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path.with_suffix(".partial"), "PNG")
        path.with_suffix(".partial").replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}", "give an --out that can be written to") from error


def _from_folders(folder: Path, longest: int, say: Say) -> tuple[Product, ...]:
    places = [p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."] if folder.is_dir() else []
    products = []
    for place in sorted(places):
        paths = sorted(p for p in place.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
        crops = tuple(_packshots(paths, longest, say).values())
        products += [Product(place.name, (), crops, CROPS)] if crops else []
    return tuple(products)


def _from_tables(folder: Path, longest: int, say: Say) -> tuple[Product, ...]:
    try:
        with (folder / "photos.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = [(folder / row["image"], row["sku"]) for row in csv.DictReader(file) if row["split"] != "test"]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise UsageError(f"{folder / 'photos.csv'}: {error!r}", "wanted the columns image, sku, split") from error
    crops = _packshots([path for path, _ in rows], longest, say)
    seen: dict[str, list[StoredCrop]] = defaultdict(list)
    for path, sku in (row for row in rows if row[0] in crops):
        seen[sku].append(crops[path])
    references = read_references(folder / "catalog.csv", folder, longest, 0, say)
    return tuple(Product(p.key, p.clean, tuple(seen[p.key]), p.group) for p in references)


def _from_boxes(place: Path, longest: int, seed: int, say: Say) -> tuple[Product, ...]:
    seen: dict[str, list[StoredCrop]] = defaultdict(list)
    rng = random.Random(seed)
    for photo in read_labelled(place):
        pairs = zip(photo.boxes.tolist(), photo.skus, strict=True)
        named = {tuple(box): sku for box, sku in pairs if sku and not sku.startswith("__")}
        image = read_photo(photo.path, say) if named else None
        if image is not None:
            for box in some_boxes(np.array(list(named), np.float64), rng):
                seen[named[tuple(box)]].append(store(image, box, longest))
    return tuple(Product(sku, (), tuple(crops), CROPS) for sku, crops in seen.items())


def _packshots(paths: Iterable[Path], longest: int, say: Say) -> dict[Path, StoredCrop]:
    """Pictures of one product each, without white borders; one that cannot be read is told and left out."""
    crops = {}
    for path in dict.fromkeys(paths):
        try:
            crops[path] = whole(load_packshot(path), longest)
        except SourceError as error:
            say(f"left out: {error}")
    return crops


def _drawn(skus: Sequence[_Item], seed: int, say: Say) -> Sequence[_Item]:
    if len(skus) <= MOST_PRODUCTS:
        return skus
    say(f"{len(skus)} SKUs: {MOST_PRODUCTS} of them are drawn")
    return random.Random(f"drawn/{seed}").sample(skus, MOST_PRODUCTS)
