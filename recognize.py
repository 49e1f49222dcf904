"""The command line: parses, calls the library, prints. `recognize.py COMMAND --help` tells the rest."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recognition.commands import compare, evaluate, skus, stream, train, weights
from recognition.commands.common import (
    DEFAULT_DB,
    AssortmentOption,
    ConfOption,
    DbOption,
    DetectorOption,
    DeviceOption,
    EffortOption,
    EncoderOption,
    IouOption,
    JsonOption,
    RuntimeOption,
    TopKOption,
    WhereOption,
    command_settings,
    progress_bar,
    sentence,
)  # fmt: skip
from recognition.errors import RecognitionError, UsageError
from recognition.settings import Settings, load_settings, override

if TYPE_CHECKING:
    from recognition.types import Failure, FrameResult

app = typer.Typer(
    help="From a shelf photo to a planogram: finds every product, says which SKU it is and where it stands.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
app.command()(stream.stream)
app.add_typer(skus.app, name="skus")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")
app.add_typer(weights.app, name="weights")
app.command(name="compare-encoders")(compare.compare_encoders)


@app.callback()
def common(
    context: typer.Context,
    settings: Annotated[Path | None, typer.Option(help="TOML file of settings; options of a command win.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the command hold for every command."""
    context.obj = load_settings(settings) if settings else Settings()


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
    effort: EffortOption = None,
    where: WhereOption = None,
    assortment: AssortmentOption = None,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    detector: DetectorOption = None,
    store_id: Annotated[str, typer.Option(help="Store written in the planogram.")] = "",
    planogram_id: Annotated[str, typer.Option(help="Planogram id written in the planogram.")] = "",
    meta: Annotated[Path | None, typer.Option(help="CSV: source, store_id, planogram_id, captured_at.")] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Write no annotated pictures.")] = False,
    blur_faces: Annotated[bool, typer.Option("--blur-faces", help="Blur faces in the pictures.")] = False,
    group: Annotated[
        bool | None, typer.Option("--group/--no-group", help="Embed one of equal facings beside each other for all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recognise the products on shelf photos: planogram.csv, products.csv and annotated pictures."""
    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", "give one of them")
    settings = command_settings(
        context, detector, conf, iou, encoder, top_k, device, effort, where, assortment, runtime
    )
    pictures = False if no_pictures else None
    settings = replace(
        settings,
        embed=override(settings.embed, group=group),
        output=override(settings.output, pictures=pictures, blur_faces=blur_faces or None),
    )
    from recognition.run import PhotoOptions, recognize_photos
    from recognition.sources.meta import read_meta

    options = PhotoOptions(store_id, planogram_id, read_meta(meta) if meta else None)
    mode: Any = "overwrite" if overwrite else "resume" if resume else "new"
    with progress_bar("photos") as advance:
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
            typer.echo(sentence(f"{result.source}: {result.stage} failed", result.error, result.hint), err=True)
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
    effort: EffortOption = None,
    where: WhereOption = None,
    assortment: AssortmentOption = None,
    device: DeviceOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which SKU already cropped products are."""
    from recognition.run import match_pictures

    settings = command_settings(
        context, encoder=encoder, top_k=top_k, device=device, effort=effort, where=where, assortment=assortment,
        runtime=runtime,
    )  # fmt: skip
    used = failed = 0
    for answer in match_pictures(inputs, db, settings):
        used, failed = used + (not answer.error), failed + bool(answer.error)
        typer.echo(answer.line if as_json else answer.text)
    raise typer.Exit(0 if not failed else 3 if used else 1)


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


def main() -> None:
    """Runs the command line; errors are printed once, here."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop is an interruption: files are closed
    try:
        app()
    except RecognitionError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        typer.echo(sentence("error", error.message, error.hint), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
