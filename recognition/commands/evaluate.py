"""`recognize.py evaluate ...`: measures on labelled pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from recognition.commands.common import (
    ConfOption,
    DetectorOption,
    DeviceOption,
    EncoderOption,
    IouOption,
    JsonOption,
    RuntimeOption,
    command_settings,
    print_report,
    progress_bar,
)  # fmt: skip

OutOption = Annotated[Path | None, typer.Option(help="Folder for report.json and a page with the worst cases.")]
MethodName = Literal["embedding", "histogram", "sift", "untrained"]

app = typer.Typer(help="Measure on labelled pictures.", no_args_is_help=True)


@app.command(name="detection")
def evaluate_detection(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Labelled photos: a YOLO or COCO set, SKU-110K, or a folder with boxes.csv.")
    ],
    out: OutOption = None,
    conf: ConfOption = None,
    iou: IouOption = None,
    device: DeviceOption = None,
    detector: DetectorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Average precision of the detector, and precision, recall and counts at the shipping confidence."""
    settings = command_settings(context, detector, conf, iou, device=device)
    from recognition.evaluation.run import measure_detection

    with progress_bar("photos") as advance:
        report = measure_detection(data, settings.detect, advance, out)
    _print(report.as_dict(), as_json, out)


@app.command(name="matching")
def evaluate_matching(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="catalog.csv with photos.csv, photos/ with boxes.csv, or GroceryStoreDataset.")
    ],
    out: OutOption = None,
    method: Annotated[
        MethodName, typer.Option(help="The product's way, or a baseline to compare it with.")
    ] = "embedding",
    distractors: Annotated[
        Path | None, typer.Option(help="Folder of further pictures to put in the catalogue.")
    ] = None,
    asked_only: Annotated[
        bool, typer.Option("--asked-only", help="Catalogue of the SKUs that have a query, and no others.")
    ] = False,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """One-shot recall, mean average precision, and how well unknown products are told from known ones."""
    settings = command_settings(context, encoder=encoder, device=device, runtime=runtime)
    from recognition.evaluation.run import MatchingOptions, measure_matching

    options = MatchingOptions(method, distractors, asked_only)
    with progress_bar("queries") as advance:
        report = measure_matching(data, settings, options, advance, out)
    _print(report.as_dict(), as_json, out)


@app.command(name="end-to-end")
def evaluate_end_to_end(
    result: Annotated[Path, typer.Argument(help="The --out folder of a run.")],
    truth: Annotated[Path, typer.Argument(help="Folder with the labels of its photos, such as samples/.")],
    out: OutOption = None,
    db: Annotated[Path | None, typer.Option(help="SKU database whose reference pictures stand on the page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """A whole run against the truth: products found, SKUs right, strangers given a SKU. Writes summary.json."""
    from recognition.evaluation.run import measure_run
    from recognition.outputs.files import replace_file

    report = measure_run(result, truth, out, db)
    summary = result / "summary.json"
    replace_file(summary, json.dumps(report.as_dict(), indent=2).encode() + b"\n")
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
        return
    typer.echo(report.as_table())
    for path in (result / "planogram.csv", result / "products.csv", *sorted((result / "pictures").glob("*")), summary):
        typer.echo(path)
    if out is not None:
        typer.echo(out / "index.html")


def _print(values: dict[str, Any], as_json: bool, out: Path | None) -> None:
    """Figures, and for people the place of the page."""
    print_report(values, as_json)
    if out is not None and not as_json:
        typer.echo(out / "index.html")
