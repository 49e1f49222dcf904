"""Reads what a model's own preprocessing does from its JSON: transformers' of any age, or open_clip's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recognition.embedding.folder import OPEN_CLIP_CONFIG, is_open_clip, read_json
from recognition.embedding.preprocess import PreprocessSpec
from recognition.errors import WeightsError

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # Pillow's numbers 0 to 5
_HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}

# What a file leaves out, by processor: old files say little. An int `size` means the shortest edge where
# `size` is given so here, else both sides.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "CLIP": {**_CLIP, "size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": True},
    "Bit": {**_CLIP, "size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": True},
    "Siglip": {**_HALF, "size": 224},
    "ViT": {**_HALF, "size": 224, "resample": 2},
    "DeiT": {**_HALF, "size": 256, "crop_size": 224, "do_center_crop": True},
    "ConvNext": {**_HALF, "size": {"shortest_edge": 384}, "crop_pct": 224 / 256},
    "OpenClip": {**_CLIP},
    "EfficientNet": {**_HALF, "size": 346, "crop_size": 289, "include_top": True},
}
_COMMON = {"resample": 3, "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}


def read_spec(folder: Path, fit: str, size: int = 0) -> PreprocessSpec:
    """The preprocessing that a folder states: preprocessor_config.json, processor_config.json, open_clip_config.json.

    fit: `processor`, `pad` or `squash`. size: side of the input for `pad` and `squash`, 0 = the processor's.

    Raises:
        WeightsError: the file is missing or broken, or its processor does what this module does not.
    """
    file, values = _open_clip_values(folder) if is_open_clip(folder) else _processor_values(folder)
    try:
        resize, filled = _geometry(values)
        mean, std = _colours(values)
        interpolation = _FILTERS[values["resample"]]
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        hint = "its image processor is not one this program can follow: resize, centre crop, normalise"
        raise WeightsError(f"encoder file {file}: {type(error).__name__}: {error}", hint) from error
    if fit == "processor":
        return PreprocessSpec(filled, values.get("fit", fit), resize, interpolation, mean, std)
    wanted = (size, size) if size else filled
    return PreprocessSpec(wanted, fit, wanted, "area", mean, std)


def _processor_values(folder: Path) -> tuple[Path, dict[str, Any]]:
    # transformers 5 nests the image processor in processor_config.json when a whole processor was saved.
    nested, file = folder / "processor_config.json", folder / "preprocessor_config.json"
    values = read_json(nested).get("image_processor") if nested.is_file() else None
    if isinstance(values, dict):
        file = nested
    else:
        values = read_json(file)
    kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
    family = kind.removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    if family not in _DEFAULTS:
        hint = f"known are those of {', '.join(_DEFAULTS)}"
        raise WeightsError(f"encoder file {file}: image processor {kind or '(unnamed)'} is not known", hint)
    given = {key: value for key, value in values.items() if value is not None}
    return file, {"family": family, **_COMMON, **_DEFAULTS[family], **given}


def _open_clip_values(folder: Path) -> tuple[Path, dict[str, Any]]:
    """open_clip's preprocessing in the words of transformers."""
    file = folder / OPEN_CLIP_CONFIG
    config = read_json(file)
    try:
        given = {"resize_mode": "shortest", "interpolation": "bicubic", **(config.get("preprocess_cfg") or {})}
        side = int(config["model_cfg"]["vision_cfg"].get("image_size", 224))
        square = {"height": side, "width": side}
        crops: dict[str, Any] = {"size": {"shortest_edge": side}, "crop_size": square, "do_center_crop": True}
        geometry = {"shortest": crops, "squash": {"size": square}}[given["resize_mode"]]
        resample = _FILTERS.index(given["interpolation"])
        colours = {f"image_{name}": given[name] for name in ("mean", "std") if given.get(name) is not None}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        hint = "wanted a square input, resize_mode shortest or squash, interpolation bicubic or bilinear"
        raise WeightsError(f"encoder file {file}: {type(error).__name__}: {error}", hint) from error
    family = {"family": "OpenClip", "fit": "open_clip", "resample": resample}
    return file, {**_COMMON, **_DEFAULTS["OpenClip"], **geometry, **colours, **family}


def _geometry(values: Mapping[str, Any]) -> tuple[tuple[int, int] | int, tuple[int, int]]:
    """Resize target, and size after the centre crop."""
    if not values["do_resize"]:
        raise ValueError("do_resize is off")
    size = values["size"]
    if isinstance(size, int) and isinstance(_DEFAULTS[values["family"]].get("size"), dict):
        size = {"shortest_edge": size}
    if values["family"] == "ConvNext":
        edge = int(size["shortest_edge"])
        # At 384 and above this processor resizes without a crop.
        return ((edge, edge) if edge >= 384 else int(edge / values["crop_pct"])), (edge, edge)
    shortest = isinstance(size, dict) and "shortest_edge" in size
    if shortest and "longest_edge" in size:
        raise ValueError("size has a shortest and a longest edge")
    resize = int(size["shortest_edge"]) if shortest else _sides(size)
    if values.get("do_center_crop"):
        return resize, _sides(values["crop_size"])
    if isinstance(resize, int):
        raise ValueError("a shortest edge without a centre crop gives pictures of many sizes")
    return resize, resize


def _sides(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size["height"]), int(size["width"]))


def _colours(values: Mapping[str, Any]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Rescaling and normalising as one mean and std of values from 0 to 1."""
    factor = 255 * values["rescale_factor"] if values["do_rescale"] else 255.0
    offset = 1.0 if values["do_rescale"] and values.get("rescale_offset") else 0.0
    on = bool(values["do_normalize"])
    mean = np.array(values["image_mean"] if on else (0, 0, 0), float)
    std = np.array(values["image_std"] if on else (1, 1, 1), float)
    # EfficientNet's include_top divides by std a second time.
    twice = np.array(values["image_std"], float) if values.get("include_top") else 1.0
    # Nine digits: a factor written as 0.00392156862745098 or 0.003921568859 must give one fingerprint.
    shift, scale = np.round((mean + offset) / factor, 9), np.round(std * twice / factor, 9)
    if shift.shape != (3,) or scale.shape != (3,) or not (scale > 0).all():
        raise ValueError(f"mean {shift.tolist()}, std {scale.tolist()}")
    return (shift[0].item(), shift[1].item(), shift[2].item()), (scale[0].item(), scale[1].item(), scale[2].item())
