"""Settings: one frozen object per stage. A TOML file has one table per stage; the command line wins over it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from recognition.errors import UsageError

RUNTIMES = ("torch", "openvino", "openvino-bf16", "openvino-int8-weights", "openvino-int8")
"""What can run an encoder, beside `auto`."""


@dataclass(frozen=True)
class DetectSettings:
    """detector: a weights file, or `starter` for the one that ships. conf: lowest score kept, 0..1.

    iou: overlap above which two boxes are one product. product_px: size (square root of area) that the
    median product is brought to before detection, pixels. close_look: look a second time, closer, and fuse what both
    looks find. max_boxes: cap per image, warned about when hit.
    """

    detector: str = "starter"
    conf: float = 0.40
    iou: float = 0.5
    product_px: float = 44.0
    close_look: bool = True
    max_boxes: int = 3000
    device: str = "auto"


@dataclass(frozen=True)
class EmbedSettings:
    """encoder: `starter`, a local folder in Hugging Face layout, or a hub id. fit: `processor`, `pad` or `squash`;
    "" takes what the encoder's folder says, else `pad`. runtime: one of RUNTIMES, or `auto`.
    group: embed one of equal facings beside each other for all; the starter encoder tells which are equal."""

    encoder: str = "starter"
    fit: str = ""
    batch_size: int = 32
    device: str = "auto"
    runtime: str = "auto"
    group: bool = False


@dataclass(frozen=True)
class MatchSettings:
    """top_k: candidates kept per product. verify: look at local features of the candidates before deciding.

    nprobe: cells of the index that a search visits, 0 for as many as were measured when the index was built.
    where: `field=value` pairs, assortment: a file of SKUs or GTINs; only SKUs that these let through are looked for.
    """

    top_k: int = 5
    verify: bool = True
    nprobe: int = 0
    where: tuple[str, ...] = ()
    assortment: str = ""


@dataclass(frozen=True)
class OutputSettings:
    """pictures: write annotated photos. blur_faces: blur faces in them."""

    pictures: bool = True
    blur_faces: bool = False


@dataclass(frozen=True)
class StreamSettings:
    """every_s: a picture that does not change is searched again after this time, seconds. interval_s: seconds between
    two writings of the shelf and the figures. picture_fps: most annotated pictures a second. events_mb, video_mb: a
    full file makes room for the next one, megabytes, 0 for no limit; video_minutes: the same for a video's length.
    close_look: of the detector, in place of its own: blurred pictures gain nothing from it.
    """

    every_s: float = 10.0
    interval_s: float = 10.0
    picture_fps: float = 5.0
    events_mb: float = 64.0
    video_mb: float = 512.0
    video_minutes: float = 60.0
    blur_faces: bool = True
    close_look: bool = False


@dataclass(frozen=True)
class Settings:
    """All stages."""

    detect: DetectSettings = field(default_factory=DetectSettings)
    embed: EmbedSettings = field(default_factory=EmbedSettings)
    match: MatchSettings = field(default_factory=MatchSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)

    @property
    def for_stream(self) -> Settings:
        """The same with the detector as a stream has it."""
        return replace(self, detect=replace(self.detect, close_look=self.stream.close_look))


def override(settings: Any, **values: Any) -> Any:
    """A copy of one stage's settings with every value that is not None put in.

    Raises:
        UsageError: a value is out of its range.
    """
    changed = replace(settings, **{name: value for name, value in values.items() if value is not None})
    _check(changed)
    return changed


def load_settings(path: Path) -> Settings:
    """Settings from a TOML file; what it leaves out keeps its default.

    Raises:
        UsageError: the file cannot be read, or names an unknown table or key, or a value of the wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"settings file {path}: {error}", "give a readable TOML file") from error
    settings = Settings()
    known = {f.name: getattr(settings, f.name) for f in fields(Settings)}
    for table, values in tables.items():
        if table not in known or not isinstance(values, dict):
            raise UsageError(f"settings file {path}: no table [{table}]", f"tables are {', '.join(known)}")
        settings = replace(settings, **{table: _merge(path, table, known[table], values)})
    return settings


def _merge(path: Path, table: str, stage: Any, values: dict[str, Any]) -> Any:
    values = {key: tuple(map(str, value)) if isinstance(value, list) else value for key, value in values.items()}
    for key, value in values.items():
        keys = [f.name for f in fields(stage)]
        if key not in keys:
            raise UsageError(f"settings file {path}: [{table}] has no key {key}", f"keys are {', '.join(keys)}")
        default = getattr(stage, key)
        number = isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
        if type(value) is not type(default) and not number:
            wanted = "list" if isinstance(default, tuple) else type(default).__name__
            raise UsageError(f"settings file {path}: [{table}] {key} = {value!r}", f"wanted a value of type {wanted}")
    return override(stage, **values)


def _check(stage: Any) -> None:
    for name in ("conf", "iou"):
        value = getattr(stage, name, 0.5)
        if not 0 <= value <= 1:
            raise UsageError(f"{name} = {value}", "wanted a number from 0 to 1")
    for name in ("top_k", "batch_size", "max_boxes"):
        value = getattr(stage, name, 1)
        if value < 1:
            raise UsageError(f"{name} = {value}", "wanted 1 or more")
    for name in ("every_s", "interval_s", "picture_fps", "video_minutes"):
        value = getattr(stage, name, 1.0)
        if not 0 < value < float("inf"):
            raise UsageError(f"{name} = {value}", "wanted a number above 0")
    for name in ("events_mb", "video_mb"):
        value = getattr(stage, name, 1.0)
        if not 0 <= value < float("inf"):
            raise UsageError(f"{name} = {value}", "wanted megabytes, or 0 for no limit")
    if getattr(stage, "nprobe", 0) < 0:
        raise UsageError(f"nprobe = {stage.nprobe}", "wanted 0 or more")
    size = getattr(stage, "product_px", 1.0)
    if not 0 < size < float("inf"):
        raise UsageError(f"product_px = {size}", "wanted a number of pixels above 0")
    if getattr(stage, "runtime", "auto") not in ("auto", *RUNTIMES):
        raise UsageError(f"runtime = {stage.runtime}", f"wanted auto, {', '.join(RUNTIMES)}")
    if getattr(stage, "fit", "") not in ("", "processor", "pad", "squash"):
        raise UsageError(f"fit = {stage.fit}", "wanted processor, pad or squash")
