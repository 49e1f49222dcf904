import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from recognition.embedding.fingerprint import fingerprint, model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.processor_config import read_spec
from recognition.errors import WeightsError


def of(folder: Path, dim: int = 12, **changes: object) -> str:
    return fingerprint(model_key(open_folder(folder), replace(read_spec(folder, "pad"), **changes)), dim)


def test_same_content_elsewhere(starter_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(starter_folder, tmp_path / "elsewhere" / "copy"))
    assert of(copy) == of(starter_folder)
    assert len(of(copy)) == 32
    int(of(copy), 16)


@pytest.mark.parametrize("file", ["model.safetensors", "head.safetensors"])
def test_one_weight_changes_it(starter_folder: Path, file: str) -> None:
    before = of(starter_folder)
    tensors = load_file(starter_folder / file)
    name = sorted(key for key, tensor in tensors.items() if tensor.is_floating_point())[0]
    tensors[name].view(-1)[0] += 1
    save_file(tensors, starter_folder / file)
    assert of(starter_folder) != before


@pytest.mark.parametrize(
    "change",
    [
        {"fit": "squash"},
        {"size": (48, 48)},
        {"interpolation": "bicubic"},
        {"mean": (0.1, 0.1, 0.1)},
        {"std": (0.1, 0.1, 0.1)},
        {"pad_colour": (0, 0, 0)},
        {"dim": 13},
    ],
)
def test_every_part_of_the_specification_changes_it(starter_folder: Path, change: dict[str, object]) -> None:
    assert of(starter_folder, **change) != of(starter_folder)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "values", "same"),
    [
        ("recognition.json", {"name": "another"}, True),
        ("recognition.json", {"gem_p": 3.5}, False),
        ("recognition.json", {"pooling": "model"}, False),
        ("config.json", {"transformers_version": "4.57.0", "dtype": "float32", "_name_or_path": "x"}, True),
        ("config.json", {"hidden_act": "swish"}, False),
    ],
)
def test_json(starter_folder: Path, file: str, values: dict[str, object], same: bool) -> None:
    before = of(starter_folder)
    path = starter_folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    assert (of(starter_folder) == before) is same


def test_losing_the_head_changes_it(starter_folder: Path) -> None:
    before = of(starter_folder)
    (starter_folder / "head.safetensors").unlink()
    assert of(starter_folder) != before


def test_the_text_half_does_not_count(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model_folder("clip"), tmp_path / "clip"))
    before = of(copy)
    tensors = load_file(copy / "model.safetensors")
    for name, tensor in tensors.items():
        if name.startswith("text"):
            tensor += 1
    save_file(tensors, copy / "model.safetensors")
    assert of(copy) == before
    tensors["visual_projection.weight"] += 1
    save_file(tensors, copy / "model.safetensors")
    assert of(copy) != before


def test_sharding_does_not_count(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    whole = model_folder("vit")
    copy = Path(shutil.copytree(whole, tmp_path / "vit", ignore=shutil.ignore_patterns("*.safetensors")))
    tf.ViTModel.from_pretrained(whole).save_pretrained(copy, max_shard_size="40KB")
    assert len(open_folder(copy).weights) > 1
    assert of(copy) == of(whole)


@pytest.mark.parametrize("content", [b"", b"\x08", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"])
def test_broken_file(starter_folder: Path, content: bytes) -> None:
    (starter_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        of(starter_folder)


def test_file_cut_short(starter_folder: Path) -> None:
    file = starter_folder / "head.safetensors"
    save_file({"weight": torch.zeros(12, 128), "bias": torch.zeros(12)}, file)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(WeightsError, match="ends before weight"):
        of(starter_folder)
