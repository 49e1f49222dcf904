"""Renders samples/: a small catalogue of invented packs, and photos of shelves with their exact truth.

`python -m recognition.training.render.samples --out samples` writes the same pixels every time.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from recognition.errors import OutputError
from recognition.training.render.brands import SAMPLE_SEED, PackDesign, make_brand_world
from recognition.training.render.camera import Look
from recognition.training.render.gondola import PlanStyle, Stock
from recognition.training.render.packs import draw_packshot
from recognition.training.render.scene import Scene, SceneStyle, render_scene
from recognition.training.render.truth import SceneTruth, write_truth

CATALOG_COLUMNS = (
    "sku", "image", "gtin", "name", "brand", "category", "width_mm", "height_mm", "depth_mm", "flavour",
)  # fmt: skip
_BRANDS, _SKUS_PER_BRAND, _SHOT_PX = 8, 5, 400
_ORIENTATION, _EXIF_FOLDER, _TAKEN, _TAKEN_OFFSET = 0x0112, 0x8769, 0x9003, 0x9011


@dataclass(frozen=True)
class Photo:
    """One sample photo. turned: stored lying on its side, EXIF orientation 6, with the time it was taken."""

    name: str
    style: SceneStyle
    turned: bool = False


PHOTOS = (
    Photo("aisle_front", SceneStyle(
        plan=PlanStyle(2050, 1500, gaps=0.08, unknowns=0.1, tidy=0.8, max_wide=4), side=0.1, up=0.06, roll=0.008,
        look=Look(1.05, (0.98, 1.0, 1.02), (0.06, -0.08), 0.12, 1, 0.5, 0, 2.0, 84))),
    Photo("aisle_left", SceneStyle(
        1200, 1600, PlanStyle(1450, 1850, gaps=0.1, unknowns=0.12, tidy=0.5, max_wide=4),
        side=-0.24, up=0.08, roll=-0.015, talkers=3,
        look=Look(0.92, (0.92, 1.0, 1.06), (-0.14, 0.1), 0.2, 1, 0.6, 0, 3.0, 84))),
    Photo("aisle_right", SceneStyle(
        plan=PlanStyle(2150, 1500, gaps=0.07, unknowns=0.12, tidy=0.3, max_wide=5), side=0.3, up=0.02, roll=0.02,
        look=Look(1.12, (1.05, 1.0, 0.96), (0.12, -0.12), 0.15, 4, 0.5, 0, 2.5, 84))),
    Photo("aisle_above", SceneStyle(
        1200, 1600, PlanStyle(1500, 1950, gaps=0.06, unknowns=0.08, tidy=0.6, max_wide=5),
        side=0.08, up=0.2, roll=0.035, cart=True,
        look=Look(0.85, (1.0, 1.0, 1.0), (0.05, 0.18), 0.25, 1, 0.5, 2, 4.5, 80))),
    Photo("close_up", SceneStyle(
        plan=PlanStyle(1450, 1080, gaps=0.1, unknowns=0.1, tidy=0.7, max_wide=3),
        side=-0.1, up=0.05, roll=-0.01, talkers=1,
        look=Look(1.0, (0.96, 1.0, 1.04), (0.1, -0.1), 0.1, 2, 0.7, 0, 2.0, 82))),
    Photo("phone_upright", SceneStyle(
        1200, 1600, PlanStyle(1450, 1900, gaps=0.08, unknowns=0.1, tidy=0.4, max_wide=4),
        side=0.15, up=-0.04, roll=0.01, hand=True,
        look=Look(0.95, (1.03, 1.0, 0.99), (-0.1, -0.06), 0.18, 2, 0.5, 0, 3.5, 84)), turned=True),
)  # fmt: skip
"""The photos of samples/: front and side views, both orientations, one close, one stored turned."""


def sample_stock() -> Stock:
    """The packs on the sample shelves: first those of the catalogue, then those in no catalogue."""
    known = [
        replace(d, sku=f"P{101 + i}") for i, d in enumerate(make_brand_world(SAMPLE_SEED, _BRANDS, _SKUS_PER_BRAND))
    ]
    strangers = make_brand_world(SAMPLE_SEED + 1, 5, 4)
    return Stock.of([*known, *strangers], [True] * len(known) + [False] * len(strangers))


def write_samples(out: Path, photos: Sequence[Photo] = PHOTOS) -> dict[str, SceneTruth]:
    """Writes catalogue, packshots, photos and truth below `out`; the truth by source (path below `out`).

    Raises:
        OutputError: a file cannot be written.
    """
    stock, truths = sample_stock(), {}
    catalogue = [design for design, known in zip(stock.designs, stock.known, strict=True) if known]
    try:
        for folder in ("packshots", "photos"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        write_catalogue(out, catalogue)
        for number, photo in enumerate(photos):
            scene = render_scene(stock, photo.style, SAMPLE_SEED + number)
            source = f"photos/{photo.name}.jpg"
            _write_photo(out / source, scene, photo.turned)
            truths[source] = scene.truth
        write_truth(out, truths)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error}", "give a folder that can be written to") from error
    return truths


def write_catalogue(out: Path, catalogue: Sequence[PackDesign]) -> None:
    """Writes `catalog.csv` and its `packshots/` below `out`, which holds that folder already.

    Raises:
        OSError: a file cannot be written.
    """
    with (out / "catalog.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(CATALOG_COLUMNS)
        for pack in catalogue:
            image = f"packshots/{pack.sku}.jpg"
            size = [f"{v:g}" for v in (pack.width_mm, pack.height_mm, pack.depth_mm)]
            writer.writerow(
                [pack.sku, image, pack.gtin, pack.name, pack.brand.name, pack.category, *size, pack.flavour.name]
            )
            Image.fromarray(draw_packshot(pack, _SHOT_PX)).save(out / image, quality=88)


def _write_photo(path: Path, scene: Scene, turned: bool) -> None:
    rgb = scene.image[..., ::-1]
    exif = Image.Exif()
    if turned:
        rgb = np.rot90(rgb)  # orientation 6: the reader turns it clockwise
        exif[_ORIENTATION] = 6
        exif.get_ifd(_EXIF_FOLDER).update({_TAKEN: "2026:11:03 10:42:17", _TAKEN_OFFSET: "+01:00"})
    Image.fromarray(np.ascontiguousarray(rgb)).save(path, quality=scene.jpeg, exif=exif)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and writes the samples."""
    parser = argparse.ArgumentParser(description="Render the sample catalogue, photos and truth.")
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write to")
    out: Path = parser.parse_args(arguments).out
    for source, truth in write_samples(out).items():
        print(f"{out / source}: {len(truth.products)} products, {len(truth.places)} positions")


if __name__ == "__main__":
    main()
