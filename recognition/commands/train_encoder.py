"""`recognize.py train encoder`: adapt the encoder to your own products."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from recognition.commands.common import DetectorOption, DeviceOption, JsonOption, command_settings

if TYPE_CHECKING:
    from recognition.training.encoder import Progress

LINE_EVERY, BAR_EVERY = 50, 5


def encoder(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the encoder; the same command goes on in it.")],
    catalog: Annotated[Path | None, typer.Option(help="Catalogue whose packshots to learn from.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder that its image paths start from.")] = None,
    db: Annotated[Path | None, typer.Option("--db", help="SKU database whose thumbnails to learn from.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Labelled crops: a folder per SKU, or labels with SKUs.")] = None,
    photos: Annotated[Path | None, typer.Option(help="Shelf photos; boxes from labels/, else the detector's.")] = None,
    rendered: Annotated[int, typer.Option(min=0, help="Worlds of 30 invented look-alike packs to add.")] = 0,
    packshots: Annotated[Path | None, typer.Option(help="Single pictures of other products on white.")] = None,
    start: Annotated[str, typer.Option("--from", help="Encoder to begin with, named as for --encoder.")] = "starter",
    judge: Annotated[str, typer.Option(help="Encoder that says which facings are alike; default the start.")] = "",
    part: Annotated[str, typer.Option("--train", help="What is trained: all, most, last or head.")] = "most",
    loss: Annotated[str, typer.Option(help="infonce or sigmoid.")] = "infonce",
    dim: Annotated[int | None, typer.Option(min=2, help="Numbers in a vector; default the start's, or 256.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="How long to train; default 30.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many batches, instead of minutes.")] = None,
    batch: Annotated[int, typer.Option(min=2, help="Products in a batch.")] = 64,
    rate: Annotated[
        float | None, typer.Option(min=1e-7, max=1.0, help="Highest learning rate of the tower; default by its kind.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=16, help="Side of pictures in training, pixels.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another draw of everything.")] = 1000,
    device: DeviceOption = None,
    detector: DetectorOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the training that --out holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train an encoder on your own references, crops or shelf photos, on rendered packs, or on any mix of them."""
    settings = command_settings(context, detector, device=device)
    from recognition.training.encoder_options import EncoderOptions
    from recognition.training.encoder_run import train_encoder

    options = EncoderOptions(
        catalog, images, db, crops, photos, rendered, packshots, start, judge, cast(Any, part), cast(Any, loss),
        dim or 0, minutes or 0.0, steps or 0, batch, rate or 0.0, size or 0, seed,
    )  # fmt: skip
    with _progress() as (every, report):
        done = train_encoder(options, out, settings, overwrite, partial(typer.echo, err=True), report, every)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    typer.echo(
        f"recall@1 on {done.held_out} held-out products ({done.queries} views, {done.held_out_of}): "
        f"{done.recall_before:.3f} before, {done.recall_after:.3f} after {done.steps} steps"
    )
    if not done.better:
        typer.echo("not better than the start: try more pictures, more --minutes, --train last, or a lower --rate")
    typer.echo(done.encoder)


@contextmanager
def _progress() -> Iterator[tuple[int, Callable[[Progress], None]]]:
    """How often and how progress is shown on stderr: a bar on a terminal, else a line each 50 steps."""
    if not sys.stderr.isatty():
        yield LINE_EVERY, lambda now: typer.echo(f"step {now.step}: {_words(now)}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("step {task.fields[step]}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, step=0)
        yield (
            BAR_EVERY,
            lambda now: bar.update(task, completed=now.share, step=now.step, description=_words(now)),
        )


def _words(now: Progress) -> str:
    minutes, seconds = divmod(round(now.left_s), 60)
    return f"loss {now.loss:.3f}, right {now.right:.3f}, {now.views_s:.0f} views/s, {minutes}:{seconds:02d} left"
