"""`recognize.py skus ...`: what changes the catalogue. The rest of the group is in skus_upkeep.py."""

from __future__ import annotations

import json
from dataclasses import astuple
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognition.commands import skus_upkeep
from recognition.commands.common import (
    DEFAULT_DB,
    DbOption,
    DeviceOption,
    EncoderOption,
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
from recognition.settings import Settings

if TYPE_CHECKING:
    from recognition.skus.build import BuildReport
    from recognition.skus.staging import Catalog

app = typer.Typer(help="The SKU database: build it, change it, look into it.", no_args_is_help=True)
SourceArgument = Annotated[Path, typer.Argument(help="CSV, Parquet, folder named by SKU, or folder of ready vectors.")]
ImagesOption = Annotated[Path | None, typer.Option(help="Folder that image paths start from; default: the file's.")]
FailuresOption = Annotated[Path | None, typer.Option(help="CSV for rows with a problem; default: listed on stderr.")]


class Views(StrEnum):
    """The best reference of a SKU counts, or their mean."""

    apart = "apart"
    averaged = "averaged"


@app.command(name="build")
def build(
    context: typer.Context,
    source: SourceArgument,
    images: ImagesOption = None,
    db: DbOption = DEFAULT_DB,
    prune: Annotated[bool, typer.Option("--prune", help="Remove SKUs that are not in the source.")] = False,
    views: Annotated[Views | None, typer.Option(help="How several references of a SKU are compared.")] = None,
    false_known: FalseKnownOption = 0.02,
    failures: FailuresOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the database equal to a source, for the SKUs in it. Only what is new or changed is embedded."""
    settings = command_settings(context, encoder=encoder, device=device, runtime=runtime)
    from recognition.skus.source import read_source

    _bring(read_source(source, images), db, settings, prune, False, false_known, failures, as_json, views)


@app.command(name="add")
def add(
    context: typer.Context,
    source: SourceArgument,
    images: ImagesOption = None,
    db: DbOption = DEFAULT_DB,
    false_known: FalseKnownOption = 0.02,
    failures: FailuresOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add references and SKUs. What the database has beside them stays, also other references of the same SKUs."""
    settings = command_settings(context, encoder=encoder, device=device, runtime=runtime)
    from recognition.skus.source import read_source

    _bring(read_source(source, images), db, settings, False, True, false_known, failures, as_json)


@app.command(name="import")
def import_vectors(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder with img_emb/*.npy and metadata/*.parquet.")],
    encoder: Annotated[str, typer.Option(help="What made the vectors: as --encoder of build.")],
    column: Annotated[list[str] | None, typer.Option(help="OURS=THEIRS, such as sku=product_id; repeatable.")] = None,
    db: DbOption = DEFAULT_DB,
    false_known: FalseKnownOption = 0.02,
    failures: FailuresOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add ready vectors: an export, or what clip-retrieval made. Like add, without embedding."""
    columns = dict(_pair(text) for text in column or ())
    settings = command_settings(context, encoder=encoder, device=device, runtime=runtime)
    from recognition.skus.embeddings import check_mapping, read_embeddings

    check_mapping(columns)
    _bring(read_embeddings(source, columns), db, settings, False, True, false_known, failures, as_json)


@app.command(name="remove")
def remove(
    skus: Annotated[list[str] | None, typer.Argument(help="SKUs or GTINs.")] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="File of SKUs or GTINs: one per line, or a CSV column sku or gtin.")
    ] = None,
    db: DbOption = DEFAULT_DB,
    as_json: JsonOption = False,
) -> None:
    """Remove SKUs with all their references."""
    if bool(skus) == (from_file is not None):
        raise UsageError("nothing says which SKUs" if not skus else "SKUs and --from exclude each other", "give one")
    from recognition.skus.names import read_names
    from recognition.skus.removal import remove_skus

    names = read_names(from_file) if from_file is not None else skus or []
    report = remove_skus(db, names, say_committed(as_json))
    for name in report.unknown:
        typer.echo(sentence("left out", f"{name}: no such SKU or GTIN in {db}", ""), err=True)
    if as_json:
        typer.echo(json.dumps({"removed": report.removed, "unknown": report.unknown}))
    else:
        typer.echo(f"{db}: {report.removed} SKUs removed, {len(report.unknown)} names unknown")
    raise typer.Exit(0 if not report.unknown else 3 if report.removed else 1)


def _bring(
    catalog: Catalog,
    db: Path,
    settings: Settings,
    prune: bool,
    keep: bool,
    false_known: float,
    failures: Path | None,
    as_json: bool,
    views: Views | None = None,
) -> None:
    """Brings a catalogue into the database, says what happened, and ends with the exit code."""
    from recognition.upkeep import build_and_calibrate

    with progress_bar("references") as advance:
        report, database = build_and_calibrate(
            catalog, db, settings, prune, false_known, advance, say_committed(as_json), keep, views
        )
    with database:
        info = database.info()
    _list_problems(catalog, report, failures)
    names = ("added", "updated", "unchanged", "removed", "embedded")
    counts = {name: getattr(report, name) for name in names}
    if as_json:
        problems = [dict(zip(_COLUMNS, astuple(p), strict=True)) for p in report.problems]
        typer.echo(json.dumps({**counts, "rejected": report.rejected, "problems": problems}))
    else:
        words = ", ".join(f"{value} {name}" for name, value in counts.items())
        typer.echo(f"{db}: {info.skus} SKUs, {info.references} references ({words}, {report.rejected} rows rejected)")
    used = report.added + report.updated + report.unchanged
    if not used:
        typer.echo(sentence("error", f"{catalog.path}: no row could be used", "see what is listed above"), err=True)
    raise typer.Exit(1 if not used else 3 if report.rejected else 0)


_COLUMNS = ("line", "sku", "column", "error", "hint", "rejected")


def _list_problems(catalog: Catalog, report: BuildReport, failures: Path | None) -> None:
    """Each problem: a line on stderr, or a row of the file."""
    if failures is None:
        for problem in report.problems:
            place = f"{catalog.path}, {catalog.counts} {problem.line}"
            text = f"{place}: {problem.sku or 'no SKU'}, {problem.column}: {problem.error}"
            typer.echo(sentence("left out" if problem.rejected else "kept without it", text, problem.hint), err=True)
        return
    write_csv(failures, _COLUMNS, (astuple(problem) for problem in report.problems))
    typer.echo(f"{len(report.problems)} problems listed in {failures}", err=True)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise UsageError(f"--column {text}: not of the form OURS=THEIRS", "such as --column sku=product_id")
    return ours, theirs


app.add_typer(skus_upkeep.app)
