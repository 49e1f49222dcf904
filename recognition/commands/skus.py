"""`recognize.py skus ...`: the SKU database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recognition.commands.common import (
    DEFAULT_DB,
    DbOption,
    DeviceOption,
    EncoderOption,
    JsonOption,
    command_settings,
    progress_bar,
    sentence,
)  # fmt: skip

app = typer.Typer(help="The SKU database: build it, look into it, check it.", no_args_is_help=True)


@app.command(name="build")
def build(
    context: typer.Context,
    catalog: Annotated[Path, typer.Argument(help="CSV: sku, image, and gtin, name, brand, category, width_mm ...")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from; default: the file's.")
    ] = None,
    db: DbOption = DEFAULT_DB,
    prune: Annotated[bool, typer.Option("--prune", help="Remove SKUs that are not in the file.")] = False,
    false_known: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="Share of products in no catalogue that may be given a SKU.")
    ] = 0.02,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the database equal to a catalogue file, for the SKUs in it. Only what is new or changed is embedded."""
    settings = command_settings(context, encoder=encoder, device=device)
    from recognition.run import build_and_calibrate
    from recognition.skus.catalog import read_catalog

    def committed(count: int) -> None:
        if as_json:
            typer.echo(json.dumps({"committed_references": count}))

    with progress_bar("references") as advance:
        report, database = build_and_calibrate(
            read_catalog(catalog, images), db, settings, prune, false_known, advance, committed
        )
    with database:
        info = database.info()
    for problem in report.problems:
        text = f"{catalog}, line {problem.line}: {problem.sku or 'no SKU'}, {problem.column}: {problem.error}"
        typer.echo(sentence("left out" if problem.rejected else "kept without it", text, problem.hint), err=True)
    rejected = sum(problem.rejected for problem in report.problems)
    counts = {k: v for k, v in asdict(report).items() if k != "problems"}
    if as_json:
        typer.echo(json.dumps({**counts, "rejected": rejected, "problems": [asdict(p) for p in report.problems]}))
    else:
        words = ", ".join(f"{value} {name}" for name, value in counts.items())
        typer.echo(f"{db}: {info.skus} SKUs, {info.references} references ({words}, {rejected} rows rejected)")
    used = report.added + report.updated + report.unchanged
    raise typer.Exit(1 if not used else 3 if rejected else 0)


@app.command(name="info")
def info(db: DbOption = DEFAULT_DB, as_json: JsonOption = False) -> None:
    """Say what the database holds."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        values = database.info().as_dict()
    if as_json:
        typer.echo(json.dumps(values))
    else:
        for name, value in values.items():
            typer.echo(f"{name:12} {value}")


@app.command(name="verify")
def verify(db: DbOption = DEFAULT_DB) -> None:
    """Read the whole database and hold it against its check sums."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        database.verify()
    typer.echo(f"{db}: whole")
