"""`recognize.py compare-encoders`: several encoders on one catalogue and one labelled set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recognition.commands.common import DeviceOption, JsonOption, command_settings, progress_bar, sentence


def compare_encoders(
    context: typer.Context,
    encoder: Annotated[list[str], typer.Option(help="As --encoder of evaluate, or NAME@RUNTIME; repeatable.")],
    source: Annotated[
        Path | None, typer.Argument(help="CSV, Parquet, folder named by SKU, or the folder of a SKU database.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from; default: the file's.")
    ] = None,
    labelled: Annotated[
        Path | None, typer.Option(help="Labelled photos as evaluate matching reads them; default: views of references.")
    ] = None,
    merchant: Annotated[str, typer.Option(help="Column that names a merchant, for brand fairness of each.")] = "",
    top_n: Annotated[int, typer.Option(min=1, max=100, help="Answers per query that brand fairness counts.")] = 10,
    views: Annotated[int, typer.Option(min=1, help="Views of references to ask for, about.")] = 500,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and a page with maps and cases.")] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare encoders before a switch: recall, brands, categories, time and size, side by side."""
    settings = command_settings(context, device=device)
    from recognition.evaluation.compare import CompareOptions
    from recognition.evaluation.compare import compare_encoders as compare
    from recognition.evaluation.compare_text import as_text

    options = CompareOptions(source, images, labelled, merchant, top_n, views)
    with progress_bar("pictures") as advance:
        report = compare(encoder, settings.embed, options, advance, out)
    for failure in report.failures:
        typer.echo(sentence(f"{failure.source}: {failure.stage} failed", failure.error, failure.hint), err=True)
    typer.echo(json.dumps(report.as_dict()) if as_json else as_text(report))
    if out is not None and not as_json:
        typer.echo(out / "index.html")
    raise typer.Exit(3 if report.failures else 0)
