"""An encoder's folder in Hugging Face layout: which files it holds and what its JSON says.

    config.json                architecture
    model.safetensors          weights (or shards with model.safetensors.index.json)
    preprocessor_config.json   the model's own preprocessing
    recognition.json           optional: how this program uses the model (`Recipe`)
    head.safetensors           optional: `weight` (d, D) and `bias` (d,), applied to the pooled feature
    tokenizer.json, ...        optional: for the text tower

or in open_clip's, which is taken where there is no config.json, or one that asks for code of its own:

    open_clip_config.json      architecture and preprocessing
    open_clip_model.safetensors

No model is loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from recognition.errors import WeightsError

INDEX_FILE = "model.safetensors.index.json"
OPEN_CLIP_CONFIG = "open_clip_config.json"
OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "recognition.json",
    "head.safetensors",
    "model.safetensors",
    "model-*-of-*.safetensors",
    INDEX_FILE,
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
)
"""What is fetched from a hub: never Python files or pickles. A `.model` is sentencepiece's vocabulary, no weights."""

_CONVERT = (
    "convert it once, where you trust the file: load it with transformers and call "
    "model.save_pretrained(folder), which writes model.safetensors"
)


@dataclass(frozen=True)
class Recipe:
    """How this program uses a model; "" and 0 leave the choice to the caller.

    name: what messages call it. fit: `processor`, `pad` or `squash`. size: side of the model's input in pixels for
    `pad` and `squash`. pooling: `model` takes the model's own pooled or projected feature, `gem` the generalised
    mean over its last feature map with exponent gem_p.
    """

    name: str = ""
    fit: str = ""
    size: int = 0
    pooling: str = "model"
    gem_p: float = 3.0


@dataclass(frozen=True)
class ModelFolder:
    """Paths and parsed JSON of one encoder. config: config.json as it is, or open_clip's model_cfg with `model_type`
    "open_clip". head: None when there is none."""

    path: Path
    config: Mapping[str, Any] = field(repr=False)
    recipe: Recipe
    weights: tuple[Path, ...]
    head: Path | None

    @property
    def model_type(self) -> str:
        """The architecture's name in transformers."""
        return str(self.config.get("model_type", ""))


def open_folder(path: Path) -> ModelFolder:
    """Reads the small files of an encoder's folder and finds the large ones.

    Raises:
        WeightsError: a file is missing or broken, or the weights are in a format that can run code.
    """
    config = _read_config(path)
    head = path / "head.safetensors"
    return ModelFolder(path, config, _read_recipe(path), _weight_files(path, config), head if head.is_file() else None)


def is_open_clip(path: Path) -> bool:
    """Whether a folder is to be read in open_clip's layout.

    Raises:
        WeightsError: its config.json is broken.
    """
    if not (path / OPEN_CLIP_CONFIG).is_file():
        return False
    plain = path / "config.json"
    return not plain.is_file() or "auto_map" in read_json(plain)


def _read_config(path: Path) -> dict[str, Any]:
    if not is_open_clip(path):
        return read_json(path / "config.json")
    model = read_json(path / OPEN_CLIP_CONFIG).get("model_cfg")
    if not isinstance(model, dict):
        raise WeightsError(f"encoder file {path / OPEN_CLIP_CONFIG}: no model_cfg", "bring the whole folder again")
    return {**model, "model_type": "open_clip"}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        WeightsError: it cannot be read, or holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"encoder file {path}: {error}", "give a whole folder in Hugging Face layout") from error
    if not isinstance(value, dict):
        raise WeightsError(f"encoder file {path}: wanted a JSON object", "give a whole folder in Hugging Face layout")
    return value


def _weight_files(path: Path, config: Mapping[str, Any]) -> tuple[Path, ...]:
    index = path / INDEX_FILE
    if config.get("model_type") == "open_clip":
        files: tuple[Path, ...] = (path / OPEN_CLIP_WEIGHTS,)
    elif index.is_file():
        shards = read_json(index).get("weight_map")
        names = set(shards.values()) if isinstance(shards, dict) else {""}
        # A shard is a plain file of this folder: an index must not lead anywhere else.
        files = tuple(sorted(path / Path(str(name)).name for name in names))
    else:
        files = (path / "model.safetensors",)
    missing = [file.name for file in files if not file.is_file()]
    if missing and any(path.glob("*pytorch_model*.bin")):
        raise WeightsError(f"encoder {path}: only pytorch_model.bin, a format that can run code", _CONVERT)
    if missing:
        raise WeightsError(
            f"encoder {path}: {missing[0]} is missing", f"bring the whole folder; if it is a .bin, {_CONVERT}"
        )
    return files


def _read_recipe(path: Path) -> Recipe:
    file = path / "recognition.json"
    if not file.is_file():
        return Recipe()
    values = read_json(file)
    known = {f.name: type(f.default) for f in fields(Recipe)}
    for key, value in values.items():
        wanted = (int, float) if known.get(key) is float else known.get(key, ())
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise WeightsError(f"encoder file {file}: {key} = {value!r}", f"keys are {', '.join(known)}")
    recipe = Recipe(**values)
    if recipe.fit not in ("", "processor", "pad", "squash") or recipe.pooling not in ("model", "gem"):
        hint = "fit is processor, pad or squash; pooling is model or gem"
        raise WeightsError(f"encoder file {file}: fit = {recipe.fit!r}, pooling = {recipe.pooling!r}", hint)
    if recipe.size < 0 or not recipe.gem_p > 0:
        raise WeightsError(f"encoder file {file}: size = {recipe.size}, gem_p = {recipe.gem_p}", "wanted more than 0")
    return recipe
