"""The command line: parses, calls the library, prints. `recognize.py COMMAND --help` tells the rest."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recognition.errors import RecognitionError, UsageError
from recognition.settings import Settings, load_settings, override

if TYPE_CHECKING:
    from recognition.types import Failure, FrameResult

app = typer.Typer(
    help="From a shelf photo to a planogram: finds every product, says which SKU it is and where it stands.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
skus_app = typer.Typer(help="The SKU database: build it, look into it, check it.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure on labelled pictures.", no_args_is_help=True)
app.add_typer(skus_app, name="skus")
app.add_typer(evaluate_app, name="evaluate")

DbOption = Annotated[Path, typer.Option("--db", help="Folder of the SKU database.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda:0, mps.")]
EncoderOption = Annotated[str | None, typer.Option(help="starter, a name such as siglip, a local folder, or a hub id.")]
DetectorOption = Annotated[str | None, typer.Option(help="starter, or the path of a .pt file.")]
ConfOption = Annotated[float | None, typer.Option(help="Lowest detection score kept, 0 to 1.")]
IouOption = Annotated[float | None, typer.Option(help="Overlap above which two boxes are one product, 0 to 1.")]
TopKOption = Annotated[int | None, typer.Option(help="Candidates kept for each product.")]
DEFAULT_DB = Path("sku_db")


@app.callback()
def common(
    context: typer.Context,
    settings: Annotated[Path | None, typer.Option(help="TOML file of settings; options of a command win.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the command hold for every command."""
    context.obj = load_settings(settings) if settings else Settings()


def _settings(
    context: typer.Context,
    detector: str | None = None,
    conf: float | None = None,
    iou: float | None = None,
    encoder: str | None = None,
    top_k: int | None = None,
    device: str | None = None,
) -> Settings:
    base: Settings = context.obj
    return replace(
        base,
        detect=override(base.detect, detector=detector, conf=conf, iou=iou, device=device),
        embed=override(base.embed, encoder=encoder, device=device),
        match=override(base.match, top_k=top_k),
    )


@app.command()
def run(
    context: typer.Context,
    inputs: Annotated[
        list[str], typer.Argument(help="Photos, folders (searched through), or patterns such as 'a/*.jpg'.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    db: DbOption = DEFAULT_DB,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that the folder holds.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds.")] = False,
    conf: ConfOption = None,
    iou: IouOption = None,
    top_k: TopKOption = None,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    detector: DetectorOption = None,
    store_id: Annotated[str, typer.Option(help="Store written in the planogram.")] = "",
    planogram_id: Annotated[str, typer.Option(help="Planogram id written in the planogram.")] = "",
    meta: Annotated[Path | None, typer.Option(help="CSV: source, store_id, planogram_id, captured_at.")] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Write no annotated pictures.")] = False,
    blur_faces: Annotated[bool, typer.Option("--blur-faces", help="Blur faces in the pictures.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Recognise the products on shelf photos: planogram.csv, products.csv and annotated pictures."""
    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", "give one of them")
    settings = _settings(context, detector, conf, iou, encoder, top_k, device)
    pictures = False if no_pictures else None
    settings = replace(settings, output=override(settings.output, pictures=pictures, blur_faces=blur_faces or None))
    from recognition.run import PhotoOptions, recognize_photos
    from recognition.sources.meta import read_meta

    options = PhotoOptions(store_id, planogram_id, read_meta(meta) if meta else None)
    mode: Any = "overwrite" if overwrite else "resume" if resume else "new"
    with _bar("photos") as advance:
        report = _PhotoReport(as_json, advance)
        code = recognize_photos(inputs, db, out, settings, mode, options, report)
    if not as_json:
        for name in ("planogram.csv", "products.csv", "photos.csv", "failures.csv", "run.json", "pictures"):
            if (out / name).exists():
                typer.echo(out / name)
    raise typer.Exit(code)


class _PhotoReport:
    """Prints one line per photo as it is finished."""

    def __init__(self, as_json: bool, advance: Callable[[int, int], None]) -> None:
        self.as_json, self.advance = as_json, advance

    def __call__(self, result: FrameResult | Failure, done: int, total: int) -> None:
        from recognition.outputs.tables import photo_row
        from recognition.types import Failure

        self.advance(done, total)
        if isinstance(result, Failure):
            if self.as_json:
                typer.echo(json.dumps(asdict(result)))
            typer.echo(_sentence(f"{result.source}: {result.stage} failed", result.error, result.hint), err=True)
            return
        row = photo_row(result)
        if self.as_json:
            typer.echo(json.dumps(row._asdict()))
            return
        advice = f"  [{', '.join(result.frame.advice)}]" if result.frame.advice else ""
        typer.echo(
            f"{result.frame.source}: {row.products} products on {row.shelves} shelves, {row.recognized} recognized, "
            f"{row.ambiguous} ambiguous, {row.unknown} unknown, {row.empty} empty places{advice}"
        )


@app.command(name="match")
def match_crops(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(help="Pictures of one product each, folders, or patterns.")],
    db: DbOption = DEFAULT_DB,
    top_k: TopKOption = None,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which SKU already cropped products are."""
    from recognition.run import match_pictures

    settings = _settings(context, encoder=encoder, top_k=top_k, device=device)
    used = failed = 0
    for answer in match_pictures(inputs, db, settings):
        used, failed = used + (not answer.error), failed + bool(answer.error)
        typer.echo(answer.line if as_json else answer.text)
    raise typer.Exit(0 if not failed else 3 if used else 1)


@skus_app.command(name="build")
def skus_build(
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
    settings = _settings(context, encoder=encoder, device=device)
    from recognition.run import build_and_calibrate
    from recognition.skus.catalog import read_catalog

    def committed(count: int) -> None:
        if as_json:
            typer.echo(json.dumps({"committed_references": count}))

    with _bar("references") as advance:
        report, database = build_and_calibrate(
            read_catalog(catalog, images), db, settings, prune, false_known, advance, committed
        )
    with database:
        info = database.info()
    for problem in report.problems:
        text = f"{catalog}, line {problem.line}: {problem.sku or 'no SKU'}, {problem.column}: {problem.error}"
        typer.echo(_sentence("left out" if problem.rejected else "kept without it", text, problem.hint), err=True)
    rejected = sum(problem.rejected for problem in report.problems)
    counts = {k: v for k, v in asdict(report).items() if k != "problems"}
    if as_json:
        typer.echo(json.dumps({**counts, "rejected": rejected, "problems": [asdict(p) for p in report.problems]}))
    else:
        words = ", ".join(f"{value} {name}" for name, value in counts.items())
        typer.echo(f"{db}: {info.skus} SKUs, {info.references} references ({words}, {rejected} rows rejected)")
    used = report.added + report.updated + report.unchanged
    raise typer.Exit(1 if not used else 3 if rejected else 0)


@skus_app.command(name="info")
def skus_info(db: DbOption = DEFAULT_DB, as_json: JsonOption = False) -> None:
    """Say what the database holds."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        values = database.info().as_dict()
    if as_json:
        typer.echo(json.dumps(values))
    else:
        for name, value in values.items():
            typer.echo(f"{name:12} {value}")


@skus_app.command(name="verify")
def skus_verify(db: DbOption = DEFAULT_DB) -> None:
    """Read the whole database and hold it against its check sums."""
    from recognition.skus.database import SkuDatabase

    with SkuDatabase.open(db) as database:
        database.verify()
    typer.echo(f"{db}: whole")


@evaluate_app.command(name="detection")
def evaluate_detection(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Labelled photos: a YOLO or COCO set, or a folder with boxes.csv.")],
    conf: ConfOption = None,
    iou: IouOption = None,
    device: DeviceOption = None,
    detector: DetectorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Average precision of the detector, and precision, recall and counts at the shipping confidence."""
    settings = _settings(context, detector, conf, iou, device=device)
    from recognition.evaluation.run import measure_detection

    with _bar("photos") as advance:
        report = measure_detection(data, settings.detect, advance)
    _print_report(report.as_dict(), as_json)


@evaluate_app.command(name="matching")
def evaluate_matching(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="catalog.csv with photos.csv, or photos/ with boxes.csv.")],
    distractors: Annotated[
        Path | None, typer.Option(help="Folder of further pictures to put in the catalogue.")
    ] = None,
    asked_only: Annotated[
        bool, typer.Option("--asked-only", help="Catalogue of the SKUs that have a query, and no others.")
    ] = False,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """One-shot recall@1 and @5: one reference per SKU, by embedding alone and with verification."""
    settings = _settings(context, encoder=encoder, device=device)
    from recognition.evaluation.run import measure_matching

    with _bar("queries") as advance:
        report = measure_matching(data, settings, distractors, asked_only, advance)
    _print_report(report.as_dict(), as_json)


@evaluate_app.command(name="end-to-end")
def evaluate_end_to_end(
    result: Annotated[Path, typer.Argument(help="The --out folder of a run.")],
    truth: Annotated[Path, typer.Argument(help="Folder with the labels of its photos, such as samples/.")],
    as_json: JsonOption = False,
) -> None:
    """A whole run against the truth: products found, SKUs right, strangers given a SKU. Writes summary.json."""
    from recognition.evaluation.datasets import read_labelled
    from recognition.evaluation.end_to_end import evaluate_run
    from recognition.outputs.files import replace_file

    report = evaluate_run(result, read_labelled(truth))
    summary = result / "summary.json"
    replace_file(summary, json.dumps(report.as_dict(), indent=2).encode() + b"\n")
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
        return
    typer.echo(report.as_table())
    for path in (result / "planogram.csv", result / "products.csv", *sorted((result / "pictures").glob("*")), summary):
        typer.echo(path)


@app.command()
def doctor(db: DbOption = DEFAULT_DB, as_json: JsonOption = False) -> None:
    """Look at this installation and say what works."""
    from recognition.doctor import examine

    broken = 0
    for check in examine(db):
        broken += not check.ok
        if as_json:
            typer.echo(json.dumps(asdict(check)))
        else:
            hint = f" ({check.hint})" if check.hint else ""
            typer.echo(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}{hint}")
    raise typer.Exit(1 if broken else 0)


def _print_report(values: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"{name:24} {value:.4f}" if isinstance(value, float) else f"{name:24} {value}")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _sentence(what: str, error: str, hint: str) -> str:
    return f"{what}: {error}" + (f" ({hint})" if hint else "")


def main() -> None:
    """Runs the command line; errors are printed once, here."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop is an interruption: files are closed
    try:
        app()
    except RecognitionError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        typer.echo(_sentence("error", error.message, error.hint), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
