"""Models in open_clip's layout against that library's own preprocessing and model."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from recognition.embedding.fingerprint import model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.loading import load_encoder
from recognition.embedding.processor_config import read_spec
from recognition.embedding.text import load_text_encoder
from recognition.embedding.towers import ImageTower
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings

open_clip = pytest.importorskip("open_clip")

WORDS = ["oat", "drink", "a", "crunchy", "bar", "of", "chocolate"]
TEXTS = ["oat drink", "A bar, of chocolate!", "a crunchy bar of oat", "", "drink " * 100]
CLIP: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
SIGLIP: dict[str, Any] = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": True,
        "timm_pool": "map", "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 16, "vocab_size": 16, "width": 64, "heads": 2, "layers": 1, "no_causal_mask": True,
        "hf_tokenizer_name": "nobody/none", "tokenizer_kwargs": {"clean": "canonicalize", "trust_remote_code": True},
        "proj_bias": True, "pool_type": "last",
    },
}  # fmt: skip
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clip": (CLIP, {}),
    "siglip": (SIGLIP, {**HALF, "interpolation": "bicubic", "resize_mode": "squash"}),
}


def save(folder: Path, config: dict[str, Any], preprocess: dict[str, Any]) -> Path:
    """A folder as `hf-hub:` repositories are."""
    torch.manual_seed(3)
    settings = copy.deepcopy(config)
    settings["vision_cfg"].pop("timm_model_pretrained", None)
    kind = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
    model = kind(**settings)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    if "hf_tokenizer_name" in config["text_cfg"]:
        save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp(request.param), *KINDS[request.param])


def unit(vectors: torch.Tensor) -> np.ndarray:
    return np.asarray(torch.nn.functional.normalize(vectors, dim=1).numpy())


@cache
def their_model(folder: Path) -> tuple[Any, Any]:
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), preprocess


def textured(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(height * 1000 + width)
    coarse = random.integers(0, 256, (height // 12 + 1, width // 12 + 1, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((12, 12, 1), np.uint8))[:height, :width])


# Among them sizes whose centre crop drops an odd number of pixels: 224 x 225, 226 and 227.
SIZES = [(331, 127), (97, 240), (13, 9), (1, 1), (2, 300), (300, 2), (224, 225), (224, 226), (227, 224), (231, 224)]


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    return [*(textured(*size) for size in SIZES), np.repeat(textured(150, 61)[:, :, :1], 3, axis=2)]


def test_agrees_with_open_clip(folder: Path, crops: Sequence[np.ndarray]) -> None:
    encoder = load_encoder(
        EmbedSettings(encoder=str(folder), fit="processor", device="cpu", runtime="torch", batch_size=4)
    )
    model, preprocess = their_model(folder)
    with torch.no_grad():
        pictures = torch.stack([preprocess(Image.fromarray(crop)) for crop in crops])
        wanted = unit(model.encode_image(pictures))
    assert encoder.dim == wanted.shape[1]
    assert (encoder.encode(crops) * wanted).sum(axis=1).min() >= 0.9999


def test_texts_agree_with_open_clip(folder: Path) -> None:
    encoder = load_text_encoder(EmbedSettings(encoder=str(folder), device="cpu", runtime="torch", batch_size=2))
    model, _ = their_model(folder)
    kwargs = {"trust_remote_code": False} if (folder / "tokenizer.json").is_file() else {}
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}", **kwargs)(TEXTS)
    with torch.no_grad():
        wanted = unit(model.encode_text(tokens))
    assert (
        encoder.dim
        == wanted.shape[1]
        == load_encoder(EmbedSettings(encoder=str(folder), device="cpu", runtime="torch")).dim
    )
    assert (encoder.encode(TEXTS) * wanted).sum(axis=1).min() >= 0.9999
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_only_the_image_half_decides_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    spec = read_spec(folder, "pad")
    config = json.loads((folder / "open_clip_config.json").read_text())
    other = copy.deepcopy(config["model_cfg"])
    other["text_cfg"]["layers"] = 2
    torch.manual_seed(3)
    save(tmp_path, other, config["preprocess_cfg"])
    assert model_key(open_folder(folder), spec) != model_key(open_folder(folder), read_spec(folder, "processor"))
    half = ImageTower(open_folder(tmp_path), spec).model
    assert all(name.startswith("visual.") for name, _ in half.named_parameters())


def test_a_repository_with_code_of_its_own_is_read_in_this_layout(tmp_path: Path, crops: Sequence[np.ndarray]) -> None:
    plain = load_encoder(EmbedSettings(encoder=str(save(tmp_path, CLIP, {})), device="cpu", runtime="torch")).encode(
        crops[:1]
    )
    (tmp_path / "config.json").write_text('{"model_type": "siglip", "auto_map": {"AutoModel": "hostile.Model"}}')
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    (tmp_path / "model.safetensors").write_bytes(b"for that code")
    assert np.array_equal(
        load_encoder(EmbedSettings(encoder=str(tmp_path), device="cpu", runtime="torch")).encode(crops[:1]), plain
    )
    assert not (tmp_path / "ran").exists()
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')  # no code: transformers' layout comes first
    assert open_folder(tmp_path).model_type == "siglip"


def edited(folder: Path, **model: Any) -> Path:
    file = folder / "open_clip_config.json"
    config = json.loads(file.read_text())
    config["model_cfg"].update(model)
    file.write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vision_cfg": {**CLIP["vision_cfg"], "layers": 3}}, "Missing key"),
        ({"vision_cfg": {**CLIP["vision_cfg"], "timm_model_name": "hf-hub:me/evil"}}, "lies elsewhere"),
        ({"text_cfg": {**CLIP["text_cfg"], "hf_model_name": "me/evil"}}, "none of open_clip's own"),
        ({"multimodal_cfg": {}}, "none of open_clip's own"),
        ({"nonsense": 1}, "nonsense"),
        ({"vision_cfg": None}, "open_clip_config"),
        ({"vision_cfg": {"image_size": [224, 112]}}, "open_clip_config"),
    ],
)
def test_refused_configurations(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_encoder(
            EmbedSettings(encoder=str(edited(save(tmp_path, CLIP, {}), **change)), device="cpu", runtime="torch")
        )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("open_clip_model.safetensors", None, r"only pytorch_model\.bin|open_clip_model\.safetensors is missing"),
        ("open_clip_model.safetensors", b"broken", "the file is broken|SafetensorError"),
        ("open_clip_config.json", b"{}", "no model_cfg"),
        ("open_clip_config.json", b"", "open_clip_config"),
    ],
)
def test_broken_folders(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    save(tmp_path, CLIP, {})
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_encoder(EmbedSettings(encoder=str(tmp_path), device="cpu", runtime="torch"))


def test_missing_tokenizer(tmp_path: Path) -> None:
    save(tmp_path, SIGLIP, HALF)
    for file in tmp_path.glob("*token*"):
        file.unlink()
    with pytest.raises(WeightsError, match="tokenizer") as caught:
        load_text_encoder(EmbedSettings(encoder=str(tmp_path), device="cpu", runtime="torch"))
    assert "tokenizer's files" in caught.value.hint


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, CLIP, {})
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(WeightsError, match="not installed") as caught:
        load_encoder(EmbedSettings(encoder=str(tmp_path), device="cpu", runtime="torch"))
    assert "open_clip_torch" in caught.value.hint
