"""`recognize.py train ...`: adapt the detector and the encoder to your own shelves and packs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from recognition.commands.common import JsonOption, progress_bar, sentence
from recognition.commands.train_encoder import encoder

app = typer.Typer(help="Adapt the detector and the encoder to your own shelves and packs.", no_args_is_help=True)
app.command(name="encoder")(encoder)


@app.command(name="detector")
def train_detector(
    out: Annotated[Path, typer.Option(help="Folder for the detector; the same command goes on in it.")],
    data: Annotated[
        list[Path] | None, typer.Argument(help="Labelled photos: YOLO (folder or data.yaml), COCO, boxes.csv.")
    ] = None,
    rendered: Annotated[int, typer.Option(min=0, help="Number of rendered shelves to add.")] = 0,
    catalog: Annotated[Path | None, typer.Option(help="Catalogue CSV whose packshots stand on them.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder that its image paths start from.")] = None,
    start: Annotated[str, typer.Option("--from", help="starter, scratch, or the path of a .pt file.")] = "starter",
    epochs: Annotated[int, typer.Option(min=1, help="Times that every tile is seen.")] = 4,
    batch: Annotated[int, typer.Option(min=2, help="Tiles per step.")] = 16,
    tile: Annotated[int, typer.Option(help="Side of a tile, pixels.")] = 320,
    rate: Annotated[
        float | None, typer.Option(min=1e-7, max=0.1, help="Highest learning rate; default by --from.")
    ] = None,
    val: Annotated[float, typer.Option(min=0.005, max=0.5, help="Share of photos held out.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another draw of everything.")] = 7,
    device: Annotated[str, typer.Option(help="auto, cpu, mps, a card's number, or several: 0,1.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that read tiles, on a GPU.")] = 2,
    export: Annotated[str, typer.Option(help="Also write onnx or openvino.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the training that --out holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a detector on labelled photos, on rendered shelves with your own packs, or on both."""
    from recognition.training import detector
    from recognition.training.detector_fit import FitRequest, Machine
    from recognition.training.detector_tiles import TileRequest

    sets = tuple(str(place.resolve()) for place in data or [])
    shelf = str(catalog.resolve()) if catalog else "", str(images.resolve()) if images else ""
    begin = start if start in ("starter", "scratch") else str(Path(start).resolve())
    request = detector.DetectorRequest(
        TileRequest(sets, *shelf, rendered, val, tile, seed), FitRequest(begin, epochs, batch, rate or 0.0)
    )
    say = partial(typer.echo, err=True)
    report, left_out, files = detector.train_detector(
        request, out, Machine(device, workers), export, overwrite, say, progress_bar
    )
    for failure in left_out:
        typer.echo(sentence("left out", f"{failure.source}: {failure.error}", failure.hint), err=True)
    for line in [json.dumps(report.as_dict())] if as_json else [*report.lines(), *map(str, files)]:
        typer.echo(line)
    raise typer.Exit(3 if left_out else 0)
