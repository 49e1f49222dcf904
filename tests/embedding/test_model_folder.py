import json
from pathlib import Path
from typing import Any

import pytest

from recognition.embedding.folder import Recipe, open_folder
from recognition.errors import WeightsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "model.safetensors").touch()
    return tmp_path


def test_plain_folder(folder: Path) -> None:
    opened = open_folder(folder)
    assert (opened.model_type, opened.recipe, opened.head) == ("vit", Recipe(), None)
    assert opened.weights == (folder / "model.safetensors",)


def test_recipe_and_head(folder: Path) -> None:
    (folder / "head.safetensors").touch()
    recipe = {"name": "mine", "fit": "squash", "size": 160, "pooling": "gem", "gem_p": 4}
    (folder / "recognition.json").write_text(json.dumps(recipe))
    opened = open_folder(folder)
    assert opened.recipe == Recipe("mine", "squash", 160, "gem", 4)
    assert opened.head == folder / "head.safetensors"


def test_shards_stay_inside_the_folder(folder: Path) -> None:
    names = {"a": "model-00002-of-00002.safetensors", "b": "../model-00001-of-00002.safetensors"}
    for name in names.values():
        (folder / Path(name).name).touch()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert [file.parent for file in open_folder(folder).weights] == [folder, folder]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"colour": "red"}, "colour = 'red'"),
        ({"size": "160"}, "size = '160'"),
        ({"size": True}, "size = True"),
        ({"size": -1}, "size = -1"),
        ({"gem_p": 0.0}, "gem_p = 0.0"),
        ({"fit": "stretch"}, "fit = 'stretch'"),
        ({"pooling": "max"}, "pooling = 'max'"),
        ([], "wanted a JSON object"),
    ],
)
def test_refused_recipes(folder: Path, recipe: Any, message: str) -> None:
    (folder / "recognition.json").write_text(json.dumps(recipe))
    with pytest.raises(WeightsError, match=r"recognition\.json") as caught:
        open_folder(folder)
    assert message in caught.value.message


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\udc80"])
def test_broken_config(folder: Path, text: str | None) -> None:
    config = folder / "config.json"
    config.unlink()
    if text is not None:
        config.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(WeightsError, match=r"config\.json"):
        open_folder(folder)


def test_a_pickle_is_refused_and_the_way_out_told(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"only pytorch_model\.bin") as caught:
        open_folder(folder)
    assert "save_pretrained" in caught.value.hint


@pytest.mark.parametrize("index", [None, {"weight_map": {"a": "model-00001-of-00001.safetensors"}}, {}])
def test_missing_weights(folder: Path, index: Any) -> None:
    (folder / "model.safetensors").unlink()
    if index is not None:
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="is missing"):
        open_folder(folder)
