"""Tiny models with random weights, saved as a hub repository would be, one folder per architecture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import save_file

SIDE = 64
VIT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 16,
}
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}
STAGES = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 1, 1]}


def _clip() -> tuple[object, object]:
    config = tf.CLIPConfig(text_config=TEXT, vision_config=VIT, projection_dim=24)
    processor = tf.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return tf.CLIPModel(config), processor


def _siglip() -> tuple[object, object]:
    config = tf.SiglipConfig(text_config=TEXT, vision_config=VIT)
    return tf.SiglipModel(config), tf.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})


def _resnet() -> tuple[object, object]:
    model = tf.ResNetForImageClassification(tf.ResNetConfig(embedding_size=16, **STAGES))
    return model, tf.ConvNextImageProcessor(size={"shortest_edge": SIDE})


def _convnext() -> tuple[object, object]:
    return tf.ConvNextModel(tf.ConvNextConfig(**STAGES)), tf.ConvNextImageProcessor(size={"shortest_edge": SIDE})


def _efficientnet() -> tuple[object, object]:
    config = tf.EfficientNetConfig(
        image_size=SIDE, width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128, hidden_act="relu6"
    )
    size = {"height": SIDE, "width": SIDE}
    return tf.EfficientNetModel(config), tf.EfficientNetImageProcessor(size=size, rescale_offset=True)


def _dinov2() -> tuple[object, object]:
    crop = {"height": SIDE, "width": SIDE}
    processor = tf.BitImageProcessor(size={"shortest_edge": 80}, crop_size=crop, image_mean=[0.5, 0.4, 0.3])
    return tf.Dinov2Model(tf.Dinov2Config(**VIT)), processor


def _vit() -> tuple[object, object]:
    return tf.ViTModel(tf.ViTConfig(**VIT)), tf.ViTImageProcessor(size={"height": SIDE, "width": SIDE})


MAKERS: dict[str, Callable[[], tuple[object, object]]] = {
    "clip": _clip,
    "siglip": _siglip,
    "resnet": _resnet,
    "convnext": _convnext,
    "efficientnet": _efficientnet,
    "dinov2": _dinov2,
    "vit": _vit,
}


def _roughen(model: torch.nn.Module) -> None:
    """Biases and batch statistics of a fresh model are 0 and 1, which would hide an error."""
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand_like(buffer) + (0.5 if "var" in name else -0.5))
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of one architecture; made once, not to be changed."""
    made: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in made:
            torch.manual_seed(7)
            model, processor = MAKERS[kind]()
            _roughen(model)
            made[kind] = tmp_path_factory.mktemp(kind)
            model.save_pretrained(made[kind])
            processor.save_pretrained(made[kind])
        return made[kind]

    return get


@pytest.fixture
def starter_folder(tmp_path: Path) -> Path:
    """A folder like the one that ships: EfficientNet in half precision, gem, a head, padding. To be changed freely."""
    torch.manual_seed(11)
    model, _ = _efficientnet()
    _roughen(model)
    folder = tmp_path / "starter-like"
    model.half().save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    tf.EfficientNetImageProcessor(size=size, include_top=False).save_pretrained(folder)
    head = {"weight": torch.randn(12, 128), "bias": torch.randn(12)}
    save_file({name: tensor.half() for name, tensor in head.items()}, folder / "head.safetensors")
    recipe = {"name": "tiny", "fit": "pad", "size": 96, "pooling": "gem", "gem_p": 2.5}
    (folder / "recognition.json").write_text(json.dumps(recipe))
    return folder


@pytest.fixture(scope="session")
def crops() -> list[np.ndarray]:
    """Odd sizes, grey as RGB, tiny, very tall: RGB uint8."""
    random = np.random.default_rng(3)
    made = []
    for height, width in ((97, 41), (33, 120), (64, 64), (7, 5), (1, 1), (300, 31), (201, 199)):
        coarse = random.integers(0, 256, (height // 9 + 1, width // 9 + 1, 3), dtype=np.uint8)
        made.append(np.ascontiguousarray(np.kron(coarse, np.ones((9, 9, 1), np.uint8))[:height, :width]))
    made.append(np.repeat(made[0][:, :, :1], 3, axis=2))
    return made
