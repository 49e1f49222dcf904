"""What makes two encoders' vectors comparable, as one number."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from recognition.embedding.folder import ModelFolder
from recognition.embedding.preprocess import PreprocessSpec
from recognition.errors import WeightsError

FORMAT = 2  # raised when the rule below changes, so that old databases are re-embedded knowingly

# Only the vision half of a two-tower file is used.
_TOWERS = {"clip": ("vision_model.", "visual_projection."), "siglip": ("vision_model.",), "open_clip": ("visual.",)}
_INFORMATIVE = {"transformers_version", "torch_dtype", "dtype", "architectures", "id2label", "label2id", "auto_map"}


class _Tensor(NamedTuple):
    name: str
    kind: str
    data: memoryview


def fingerprint(key: str, dim: int) -> str:
    """Hex digest (BLAKE2b, 128 bits) of a model and the length of its vectors. key: of `model_key`."""
    return hashlib.blake2b(f"{key} {dim}".encode(), digest_size=16).hexdigest()


def model_key(folder: ModelFolder, spec: PreprocessSpec) -> str:
    """Hex digest (BLAKE2b, 128 bits) of the used weights, architecture, preprocessing, pooling and head.

    It is read from the files alone, so it does not depend on the folder's place, on the library's version, or on
    the device and precision of a run. All weights are read, which is why it is asked for once.

    Raises:
        WeightsError: a weights file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    recipe = folder.recipe
    gem_p = recipe.gem_p if recipe.pooling == "gem" else None
    facts = [FORMAT, _architecture(folder.config), asdict(spec), recipe.pooling, gem_p]
    digest.update(json.dumps(facts, sort_keys=True).encode())
    prefixes = _TOWERS.get(folder.model_type, ("",))
    tensors = [tensor for file in folder.weights for tensor in _tensors(file) if tensor.name.startswith(prefixes)]
    head = [] if folder.head is None else list(_tensors(folder.head))
    for part in (tensors, head):
        for tensor in sorted(part, key=lambda tensor: tensor.name):
            digest.update(f"\n{tensor.name} {tensor.kind}\n".encode())
            digest.update(tensor.data)
        digest.update(b"\n--\n")
    return digest.hexdigest()


def _architecture(config: Mapping[str, Any]) -> Any:
    """What of config.json decides the features: the vision half where there are two."""
    used = config
    if config.get("model_type") == "open_clip":
        used = {key: value for key, value in config.items() if key != "text_cfg"}
    elif config.get("model_type") in _TOWERS:
        used = {**(config.get("vision_config") or {}), "projection_dim": config.get("projection_dim")}
    return {key: value for key, value in used.items() if key not in _INFORMATIVE and not key.startswith("_")}


def _tensors(file: Path) -> Iterator[_Tensor]:
    """Name, dtype with shape, and bytes of each float tensor of a safetensors file, mapped, not loaded."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
            body = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))[8 + length :]
        for name, entry in header.items():
            if name != "__metadata__" and "F" in entry["dtype"]:
                first, last = entry["data_offsets"]
                if last > len(body):
                    raise ValueError(f"it ends before {name}")
                yield _Tensor(name, f"{entry['dtype']}{entry['shape']}", body[first:last])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, AttributeError) as error:
        raise WeightsError(f"weights {file}: {error}", "the file is broken: bring it again") from error
