"""`stream`: keeps a shelf up to date from cameras and films."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recognition.commands.common import (
    DEFAULT_DB,
    ConfOption,
    DbOption,
    DetectorOption,
    DeviceOption,
    EncoderOption,
    JsonOption,
    RuntimeOption,
    command_settings,
    sentence,
)
from recognition.errors import UsageError
from recognition.settings import override

if TYPE_CHECKING:
    from recognition.outputs.live_events import Event
    from recognition.types import Failure


def stream(
    context: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(help="Camera URLs (rtsp, http), device numbers, video files, folders of frames.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for events, planogram, figures and video.")] = None,
    db: DbOption = DEFAULT_DB,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the stream that the folder holds.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the events that the folder holds.")] = False,
    every: Annotated[int, typer.Option(min=1, help="Take each n-th frame.")] = 1,
    fps: Annotated[float, typer.Option(min=0, help="Take at most so many frames a second; 0: all.")] = 0.0,
    start: Annotated[str, typer.Option(help="Films: begin here: 90, 1:30 or 01:02:03.")] = "0",
    end: Annotated[str, typer.Option(help="Films: end here.")] = "",
    give_up: Annotated[float, typer.Option(min=0, help="Give a lost camera up after so many seconds; 0: never.")] = 0.0,
    interval: Annotated[float | None, typer.Option(help="Seconds between two writings of planogram.csv.")] = None,
    save_video: Annotated[bool, typer.Option("--save-video", help="Save annotated video.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show a window with the labelled picture.")] = False,
    page: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve a page with the labelled picture on this port.")
    ] = None,
    blur_faces: Annotated[
        bool | None, typer.Option("--blur-faces/--no-blur-faces", help="Blur faces in all that is saved or shown.")
    ] = None,
    conf: ConfOption = None,
    encoder: EncoderOption = None,
    runtime: RuntimeOption = None,
    detector: DetectorOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a shelf up to date from cameras or films: events, planogram, figures, labelled video."""
    if overwrite and resume:
        raise UsageError("--overwrite and --resume exclude each other", "give one of them")
    settings = command_settings(context, detector, conf, encoder=encoder, device=device, runtime=runtime)
    changed = override(settings.stream, interval_s=interval, blur_faces=blur_faces)
    settings = replace(settings, stream=changed)
    from recognition.outputs.live_pictures import PictureWishes
    from recognition.sources.choice import ReadOptions, parse_time
    from recognition.stream import recognize_stream

    options = ReadOptions(
        every=every,
        fps=fps,
        start=parse_time(start),
        end=parse_time(end) if end else float("inf"),
        give_up_s=give_up,
    )
    mode: Any = "overwrite" if overwrite else "resume" if resume else "new"
    wishes = PictureWishes(save_video, show, page)
    stats, code = recognize_stream(
        sources, options, db, out, settings, mode, wishes, lambda event: _print(event, as_json)
    )
    for one in stats:
        typer.echo(
            f"{one.source}: {one.frames_read} frames, {one.products} products on the shelf, {one.processed} frames "
            f"searched, {one.skipped} unchanged, {one.dropped} dropped, {one.embeddings} embeddings, {one.fps:.1f} fps",
            err=as_json,
        )
        if one.frames_read and one.left_out == one.frames_read:
            hint = "check --start, --end, --every and --fps"
            typer.echo(sentence(one.source, "every frame was left out", hint), err=True)
    raise typer.Exit(code)


def _print(event: Event | Failure, as_json: bool) -> None:
    from recognition.types import Failure

    if isinstance(event, Failure):
        typer.echo(sentence(event.source, event.error, event.hint), err=True)
        return
    if as_json:
        typer.echo(event.line().decode("ascii").rstrip())
        return
    when = event.time or f"{event.seconds:.2f} s"
    what = f" {event.sku or 'unknown'} (track {event.track})" if event.track else ""
    was = f", was {event.was}" if isinstance(event.was, str) else ""
    typer.echo(f"{when} {event.source}: {event.event.value}{what}{was}")
