"""`recognize.py skus ...`: looking into the database and taking care of it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated

import typer

from recognition.commands.common import (
    DEFAULT_DB,
    DbOption,
    DeviceOption,
    FalseKnownOption,
    JsonOption,
    RuntimeOption,
    command_settings,
    progress_bar,
    say_committed,
    sentence,
    write_csv,
)  # fmt: skip
from recognition.errors import UsageError

app = typer.Typer()


@app.command(name="info")
def info(db: DbOption = DEFAULT_DB, as_json: JsonOption = False) -> None:
    """Say what the database holds."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        values = database.info().as_dict()
    from recognition.matching.runtime_choice import read_choice

    probes, choice = read_choice(db, str(values["fingerprint"]))
    values["probes"] = len(probes)
    if as_json:
        typer.echo(json.dumps({**values, "runtime": asdict(choice) if choice else None}))
        return
    for name, value in values.items():
        typer.echo(f"{name:12} {value}")
    typer.echo(f"{'runtime':12} {f'{choice.runtime}: {choice.why}' if choice else 'auto: none was measured'}")
    for one in choice.trials if choice else ():
        speed = f"{1000 * one.seconds:.1f} ms a crop, {one.speedup:.2f} x"
        same = f"{one.agreement:.1%} of {one.queries} views, cosine {one.cosine:.4f}"
        typer.echo(f"{'':12} {one.runtime}: {speed}, {same}: {one.verdict}")


@app.command(name="verify")
def verify(db: DbOption = DEFAULT_DB) -> None:
    """Read the whole database and hold it against its check sums."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        database.verify()
    typer.echo(f"{db}: whole")


@app.command(name="compact")
def compact(
    rewrite: Annotated[bool, typer.Option("--rewrite", help="Also drop removed references from the vectors.")] = False,
    recall: Annotated[
        float, typer.Option(min=0.5, max=1.0, help="Share of nearest references that a search must find.")
    ] = 0.99,
    db: DbOption = DEFAULT_DB,
    as_json: JsonOption = False,
) -> None:
    """Make the index anew over all references, and the vectors without removed ones. Readers go on meanwhile."""
    from recognition.skus.compact import compact as fold

    with progress_bar("references") as advance:
        report = fold(db, rewrite, advance, recall)
    say_committed(as_json)(report.references)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        words = f"{report.references} references, {report.indexed} indexed, {report.dropped} rows dropped"
        typer.echo(f"{db}: generation {report.generation}: {words}")


@app.command(name="migrate")
def migrate(
    context: typer.Context,
    encoder: Annotated[str, typer.Option(help="The new encoder: as --encoder of build.")],
    images: Annotated[Path, typer.Option(help="Folder that image paths start from.")] = Path(),
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Where a picture is gone, take its thumbnail.")
    ] = False,
    without_lost: Annotated[
        bool, typer.Option("--without-lost", help="Leave out references whose picture is gone.")
    ] = False,
    db: DbOption = DEFAULT_DB,
    false_known: FalseKnownOption = 0.02,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Embed all references with another encoder, while the former vectors serve, and switch at the end."""
    settings = command_settings(context, encoder=encoder, device=device, runtime=runtime)
    from recognition.skus.migrate import Pictures, lost_references
    from recognition.upkeep import migrate_and_calibrate

    pictures = Pictures(images, thumbnails)
    for lost in lost_references(db, pictures):
        typer.echo(sentence("lost", f"{lost.sku}, {lost.image or 'no picture'}: {lost.error}", ""), err=True)
    with progress_bar("references") as advance:
        report = migrate_and_calibrate(
            db, settings, pictures, without_lost, false_known, advance, say_committed(as_json)
        )
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        words = f"{report.references} references, {report.embedded} embedded, {len(report.lost)} lost"
        typer.echo(f"{db}: now of encoder {encoder}: {words}")
    raise typer.Exit(3 if report.lost else 0)


@app.command(name="export")
def export(
    out: Annotated[Path, typer.Argument(help="A .csv or .parquet file; with --vectors a folder.")],
    vectors: Annotated[bool, typer.Option("--vectors", help="Vectors too, as clip-retrieval writes them.")] = False,
    db: DbOption = DEFAULT_DB,
) -> None:
    """Write the catalogue as CSV or Parquet, or with its vectors as npy and Parquet."""
    if not vectors and out.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise UsageError(f"{out}: neither .csv nor .parquet", "end the name so, or add --vectors for a folder")
    from recognition.skus.export import export_catalog, export_vectors

    with progress_bar("references") as advance:
        count = (export_vectors if vectors else export_catalog)(db, out, advance)
    typer.echo(f"{out}: {count} references")


@app.command(name="audit")
def audit(
    db: DbOption = DEFAULT_DB,
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from; default: thumbnails are looked at.")
    ] = None,
    cosine: Annotated[
        float | None, typer.Option(min=0, max=1, help="Likeness of twins; default: from the database's thresholds.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV for the findings, instead of a table on stdout.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find SKUs that look alike, shared and bad pictures, and suspicious GTINs."""
    from recognition.skus.audit import Finding
    from recognition.skus.audit import audit as find
    from recognition.skus.database import SkuDatabase
    from recognition.upkeep import tell_apart_cosine

    if cosine is None:
        with SkuDatabase.open(db) as database:
            cosine = tell_apart_cosine(database)
    with progress_bar("references") as advance:
        found = list(find(db, cosine, images, advance))
    rows = [{**asdict(f), "cosine": None if f.cosine != f.cosine else round(f.cosine, 4)} for f in found]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    if out is not None:
        write_csv(out, [f.name for f in fields(Finding)], (tuple(row.values()) for row in rows))
    elif not as_json:
        for row in rows:
            pair = f"{row['sku']} / {row['other']}" if row["other"] else row["sku"]
            near = f"  {row['cosine']:.3f}" if row["cosine"] is not None else ""
            image = f"  {row['image']}" if row["image"] else ""
            typer.echo(f"{row['kind']:15} {pair}{near}{image}  {row['detail']}")
    if not as_json:
        typer.echo(f"{db}: {len(rows)} findings (twins from cosine {cosine:.3f})")
