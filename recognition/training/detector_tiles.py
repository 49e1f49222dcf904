"""Makes the tiles that a detector is trained on, once: from labelled photos, from rendered shelves, or from both."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.errors import SourceError
from recognition.outputs.files import replace_file, writing
from recognition.skus.catalog import read_catalog
from recognition.sources.decode import read_image
from recognition.telling import Bar, Say
from recognition.training.detector_data import Split, read_examples, require
from recognition.training.render.pairs import Rgb, render_training_shelves
from recognition.training.tiles import Cut, TileSettings, write_tiles
from recognition.types import Failure

REQUEST, MADE = "request.json", "made.json"
"""What the tiles are of; what they came to, written last."""
MEASURED = 100
"""Most held-out photos that a detector is measured on, spread evenly."""
_VAL_SHARE = 0.25
_PACKSHOTS, _PACKSHOT_PX = 2000, 512


@dataclass(frozen=True)
class TileRequest:
    """What tiles are made from. data: labelled sets; catalog, images: packshots for the rendered shelves, or "";
    rendered: number of shelves; val: share of photos held out; tile: side of a tile, pixels."""

    data: tuple[str, ...] = ()
    catalog: str = ""
    images: str = ""
    rendered: int = 0
    val: float = 0.05
    tile: int = 320
    seed: int = 7


@dataclass(frozen=True, eq=False)
class Tiles:
    """What stands in a folder of tiles. data: the data.yaml; photos: trained on; train, val: numbers of tiles;
    measured: held-out photos and their boxes (n, 4) float32, pixels; left_out: what could not be used."""

    data: Path
    photos: int
    train: int
    val: int
    measured: tuple[tuple[Path, NDArray[np.float32]], ...]
    left_out: tuple[Failure, ...]


def prepare_tiles(request: TileRequest, folder: Path, say: Say, bar: Bar) -> Tiles:
    """Writes the tiles into `folder`, or finds them there as an earlier call with the same request left them; of one
    that was stopped, rendered shelves are kept.

    bar: gives a progress bar by its name.

    Raises:
        UsageError: the data or catalogue cannot be read, or too few photos are there.
        SourceError: not one photo to train on, or none to measure on, can be read.
        OutputError: a file cannot be written.
    """
    asked, wanted = folder / REQUEST, json.dumps(asdict(request))
    if not asked.is_file() or asked.read_text() != wanted:
        with writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        replace_file(asked, wanted.encode())
    if not (folder / MADE).is_file():
        replace_file(folder / MADE, json.dumps(_make(request, folder, say, bar)).encode())
    return _load(folder)


def _make(request: TileRequest, folder: Path, say: Say, bar: Bar) -> dict[str, object]:
    split = _joined(request, folder, say, bar)
    settings = TileSettings(size=request.tile)
    for part in ("train", "val"):
        shutil.rmtree(folder / part, ignore_errors=True)
    say(f"cutting tiles of {len(split.train)} photos to train on and {len(split.held_out)} to measure on")
    with bar("photos") as progress:
        train = write_tiles(split.train, folder / "train", request.seed, settings, progress=progress)
    val = write_tiles(split.held_out, folder / "val", request.seed, settings, _VAL_SHARE)
    left_out = [*split.left_out, *train.left_out, *val.left_out]
    for cut, use in ((train, "train on"), (val, "measure on")):
        _require_tiles(cut, use, left_out)
    with writing(folder):
        (folder / "data.yaml").write_text("train: train/images\nval: val/images\nnames: {0: product}\n")
    every = -(-len(val.measured) // MEASURED)
    return {
        "photos": len(train.measured), "train": train.tiles, "val": val.tiles,
        "measured": [[str(path), boxes.tolist()] for path, boxes in val.measured[::every]],
        "left_out": [asdict(failure) for failure in left_out],
    }  # fmt: skip


def _require_tiles(cut: Cut, use: str, left_out: list[Failure]) -> None:
    if cut.tiles:
        return
    first = f"; the first that was left out: {left_out[0].source}: {left_out[0].error}" if left_out else ""
    raise SourceError(f"no photo to {use} could be used{first}", "give photos that can be read, with their labels")


def _load(folder: Path) -> Tiles:
    made = json.loads((folder / MADE).read_text())
    measured = tuple((Path(p), np.array(boxes, np.float32).reshape(-1, 4)) for p, boxes in made["measured"])
    left_out = tuple(Failure(**failure) for failure in made["left_out"])
    return Tiles(folder / "data.yaml", made["photos"], made["train"], made["val"], measured, left_out)


def _joined(request: TileRequest, folder: Path, say: Say, bar: Bar) -> Split:
    """Photos and rendered shelves. Rendered ones are measured on only where there are no photos."""
    photos = read_examples([Path(place) for place in request.data], request.val)
    if request.rendered:
        packshots, failures = _packshots(request)
        own = f" with {len(packshots)} packshots" if packshots else ""
        say(f"rendering {request.rendered} shelves{own}, about a second each on a core")
        with bar("shelves") as progress:
            render_training_shelves(folder / "rendered", request.rendered, request.seed, packshots, progress)
        shelves = read_examples([folder / "rendered"], request.val)
        train = (*photos.train, *shelves.train, *(shelves.held_out if photos.held_out else ()))
        left_out = (*photos.left_out, *failures)
        photos = Split(train, photos.held_out or shelves.held_out, left_out)
    require(photos)
    return photos


def _packshots(request: TileRequest) -> tuple[list[Rgb], list[Failure]]:
    """The catalogue's pictures, RGB, made small; of very many a fixed choice. Rows without a picture are failures."""
    if not request.catalog:
        return [], []
    catalog = read_catalog(Path(request.catalog), Path(request.images) if request.images else None)
    failures = [
        Failure(f"{catalog.path}, line {problem.line}", 0, "catalog", problem.error, problem.hint)
        for problem in catalog.problems
        if problem.rejected
    ]
    every = max(1, -(-len(catalog.rows) // _PACKSHOTS))
    pictures = []
    for row in catalog.rows[::every]:
        try:
            pictures.append(_small(read_image(row.image).image))
        except SourceError as error:
            failures.append(Failure(str(row.image), 0, "read", error.message, error.hint))
    if not pictures:
        raise SourceError(f"{catalog.path}: not one packshot could be used", "correct the paths, or give --images")
    return pictures, failures


def _small(image: NDArray[np.uint8]) -> Rgb:
    """RGB of at most 512 pixels. image: BGR."""
    zoom = min(1.0, _PACKSHOT_PX / max(image.shape[:2]))
    size = max(8, round(image.shape[1] * zoom)), max(8, round(image.shape[0] * zoom))
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)[:, :, ::-1], np.uint8)
