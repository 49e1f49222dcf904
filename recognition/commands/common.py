"""What several commands share: options, settings, the progress bar, and how results and errors are printed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recognition.settings import Settings, override
from recognition.telling import Progress

DbOption = Annotated[Path, typer.Option("--db", help="Folder of the SKU database.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda:0, mps.")]
EncoderOption = Annotated[str | None, typer.Option(help="starter, a name such as siglip, a local folder, or a hub id.")]
RuntimeOption = Annotated[
    str | None, typer.Option(help="auto, torch, openvino, openvino-bf16, openvino-int8-weights, openvino-int8.")
]
DetectorOption = Annotated[str | None, typer.Option(help="starter, or the path of a .pt file.")]
ConfOption = Annotated[float | None, typer.Option(help="Lowest detection score kept, 0 to 1.")]
IouOption = Annotated[float | None, typer.Option(help="Overlap above which two boxes are one product, 0 to 1.")]
TopKOption = Annotated[int | None, typer.Option(help="Candidates kept for each product.")]
EffortOption = Annotated[
    int | None, typer.Option(help="Cells of the index that a search visits; default: as many as were measured.")
]
WhereOption = Annotated[
    list[str] | None, typer.Option(help="field=value: look only for such SKUs, as brand=Acme. Repeatable.")
]
AssortmentOption = Annotated[
    Path | None, typer.Option(help="Look only for these SKUs or GTINs: a file, one per line, or a CSV.")
]
FalseKnownOption = Annotated[
    float, typer.Option(min=0.001, max=0.5, help="Share of products in no catalogue that may be given a SKU.")
]
DEFAULT_DB = Path("sku_db")


def command_settings(
    context: typer.Context,
    detector: str | None = None,
    conf: float | None = None,
    iou: float | None = None,
    encoder: str | None = None,
    top_k: int | None = None,
    device: str | None = None,
    effort: int | None = None,
    where: list[str] | None = None,
    assortment: Path | None = None,
    runtime: str | None = None,
) -> Settings:
    """The settings file of the command line, with the options that were given above it."""
    base: Settings = context.obj
    return replace(
        base,
        detect=override(base.detect, detector=detector, conf=conf, iou=iou, device=device),
        embed=override(base.embed, encoder=encoder, device=device, runtime=runtime),
        match=override(
            base.match,
            top_k=top_k,
            nprobe=effort,
            where=tuple(where) if where else None,
            assortment=str(assortment) if assortment else None,
        ),
    )


def print_report(values: dict[str, Any], as_json: bool) -> None:
    """Prints figures: a line each, or one line of JSON."""
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A progress bar with rate and time left on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None, rate="")

        def advance(done: int, total: int) -> None:
            speed = progress.tasks[task].speed
            progress.update(task, completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield advance


def say_committed(as_json: bool) -> Callable[[int], None]:
    """Prints, with --json, how many references are in the database after each commit that is durable."""

    def committed(count: int) -> None:
        if as_json:
            typer.echo(json.dumps({"committed_references": count}))

    return committed


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table that a spreadsheet may open, in one step.

    Raises:
        OutputError: it cannot be written.
    """
    from recognition.outputs.files import partial, writing
    from recognition.skus.csv_text import guard

    with writing(path), partial(path).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([guard(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    with writing(path):
        partial(path).replace(path)


def sentence(what: str, error: str, hint: str) -> str:
    """What happened, to what, and in brackets what to do next: one line for people."""
    return f"{what}: {error}" + (f" ({hint})" if hint else "")
