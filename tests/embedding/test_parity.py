"""Encoders of true shape (patches, input, processor; few and narrow layers) against transformers' own way."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image

from recognition.embedding.fingerprint import model_key
from recognition.embedding.folder import open_folder
from recognition.embedding.loading import load_encoder
from recognition.embedding.processor_config import read_spec
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings

NARROW = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXT = {**NARROW, "hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 60}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"height": 256, "width": 256}


def clip(patch: int) -> Any:
    vision = {**NARROW, "image_size": 224, "patch_size": patch}
    return tf.CLIPModel(tf.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=32))


def siglip(side: int) -> Any:
    vision = {**NARROW, "image_size": side, "patch_size": 16}
    return tf.SiglipModel(tf.SiglipConfig(text_config={**TEXT, "hidden_size": 48}, vision_config=vision))


def resnet50() -> Any:
    widths = {"embedding_size": 8, "hidden_sizes": [16, 24, 32, 80]}
    return tf.ResNetForImageClassification(tf.ResNetConfig(depths=[3, 4, 6, 3], layer_type="bottleneck", **widths))


def efficientnet() -> Any:
    config = tf.EfficientNetConfig(image_size=224, width_coefficient=0.2, depth_coefficient=0.3, hidden_dim=256)
    return tf.EfficientNetModel(config)


def convnext() -> Any:
    return tf.ConvNextModel(tf.ConvNextConfig(depths=[1, 1, 2, 1], hidden_sizes=[16, 24, 32, 40]))


# Model, dim, and its processor: an object, or the JSON that an old repository holds.
SHAPES: dict[str, tuple[Callable[[], Any], int, Any]] = {
    "clip-b32": (lambda: clip(32), 32, tf.CLIPImageProcessor),
    "clip-l14": (lambda: clip(14), 32, {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224}),
    "siglip-256": (lambda: siglip(256), 48, lambda: tf.SiglipImageProcessor(size=SQUARE)),
    "siglip2-256": (lambda: siglip(256), 48, lambda: tf.SiglipImageProcessor(size=SQUARE, resample=2)),
    "resnet50": (
        resnet50,
        80,
        {
            "feature_extractor_type": "ConvNextFeatureExtractor",
            "size": 224,
            "crop_pct": 0.875,
            "resample": 3,
            **IMAGENET,
        },
    ),
    "dinov2": (
        lambda: tf.Dinov2Model(tf.Dinov2Config(**NARROW, image_size=518, patch_size=14)),
        48,
        lambda: tf.BitImageProcessor(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}, **IMAGENET),
    ),
    "efficientnet": (
        efficientnet,
        256,
        lambda: tf.EfficientNetImageProcessor(size={"height": 224, "width": 224}, resample=0),
    ),
    "vit": (lambda: tf.ViTModel(tf.ViTConfig(**NARROW, image_size=224, patch_size=16)), 48, tf.ViTImageProcessor),
    "convnext": (convnext, 40, lambda: tf.ConvNextImageProcessor(size={"shortest_edge": 224}, **IMAGENET)),
}


LAST = {"input_data_format": "channels_last"}  # transformers 4 takes a picture one pixel high for a grey one
QUICK = ("clip-b32", "siglip-256")  # the others of true shape take longer; test_huggingface_encoder has all as dwarfs
PARAMS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in SHAPES]


def roughen(model: torch.nn.Module) -> None:
    """A fresh model's layers fade, and its biases and batch statistics are 0 and 1, which would hide an error."""
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
        elif parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.momentum = None  # one batch decides
        with torch.no_grad():
            model.train()(pixel_values=torch.randn(4, 3, 224, 224))
        model.eval()


@pytest.fixture(scope="module", params=PARAMS)
def shape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    model, _, processor = SHAPES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(5)
    made = model()
    roughen(made)
    made.save_pretrained(folder)
    if isinstance(processor, dict):
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    else:
        processor().save_pretrained(folder)
    return request.param, folder


def textured(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Coarse and fine structure, as print has."""
    random = np.random.default_rng(height * 1000 + width)
    coarse = random.integers(0, 256, (height // 12 + 1, width // 12 + 1, channels))
    large = np.kron(coarse, np.ones((12, 12, 1)))[:height, :width]
    return np.asarray(np.clip(large + random.normal(0, 12, (height, width, channels)), 0, 255), np.uint8)


SIZES = [(331, 127), (97, 240), (224, 224), (13, 9), (1, 1), (2, 300), (300, 2), (225, 227)]


@cache
def crops() -> list[np.ndarray]:
    grey = Image.fromarray(textured(150, 61, 1)[:, :, 0])
    return [*(textured(*size) for size in SIZES), np.asarray(grey.convert("RGB"))]


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@cache
def theirs(folder: Path) -> np.ndarray:
    """transformers' way, picture by picture: whole model, own processor, projected feature."""
    processor, model = tf.AutoImageProcessor.from_pretrained(folder), tf.AutoModel.from_pretrained(folder).eval()
    run = getattr(model, "get_image_features", model)
    rows = []
    with torch.no_grad():
        for crop in crops():
            output = run(**processor(images=Image.fromarray(crop), return_tensors="pt", **LAST))
            feature = output if isinstance(output, torch.Tensor) else output.pooler_output
            rows.append(feature.flatten().numpy())
    return unit(np.stack(rows))


def test_agrees_with_transformers_by_the_same_path(shape: tuple[str, Path]) -> None:
    kind, folder = shape
    encoder = load_encoder(
        EmbedSettings(encoder=str(folder), fit="processor", device="cpu", runtime="torch", batch_size=4)
    )
    vectors, wanted = encoder.encode(crops()), theirs(folder)
    assert encoder.dim == SHAPES[kind][1] == wanted.shape[1]
    cosines = (vectors * wanted).sum(axis=1)
    assert cosines.min() >= 0.9999, dict(zip([*SIZES, "grey"], cosines.round(5), strict=True))


def test_crops_can_be_told_apart(shape: tuple[str, Path]) -> None:
    """Without this, agreement could mean that every picture has the same vector."""
    vectors = theirs(shape[1])
    assert (vectors[0] * vectors[1:]).sum(axis=1).min() < 0.9999


def test_each_way_to_fit_has_its_own_fingerprint(shape: tuple[str, Path]) -> None:
    folder = open_folder(shape[1])
    made = {fit: model_key(folder, read_spec(folder.path, fit)) for fit in ("processor", "pad", "squash")}
    assert len(set(made.values())) == 3
    assert made["pad"] == model_key(folder, read_spec(folder.path, "pad"))


def test_siglip2_of_any_resolution_is_refused(tmp_path: Path) -> None:
    vision = {**NARROW, "patch_size": 16, "num_patches": 256}
    tf.Siglip2Model(tf.Siglip2Config(text_config={**TEXT, "hidden_size": 48}, vision_config=vision)).save_pretrained(
        tmp_path
    )
    (tmp_path / "preprocessor_config.json").write_text('{"image_processor_type": "Siglip2ImageProcessor"}')
    with pytest.raises(WeightsError, match="Siglip2ImageProcessor is not known"):
        load_encoder(EmbedSettings(encoder=str(tmp_path), device="cpu", runtime="torch"))


def test_own_code_of_a_known_architecture_is_passed_over(tmp_path: Path) -> None:
    clip(32).save_pretrained(tmp_path)
    tf.CLIPImageProcessor().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "hostile.Config", "AutoModel": "hostile.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    settings = EmbedSettings(encoder=str(tmp_path), fit="processor", device="cpu", runtime="torch")
    assert load_encoder(settings).encode(crops()[:1]).shape == (1, 32)
    assert not (tmp_path / "ran").exists()
