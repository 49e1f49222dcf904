"""Tiny encoders and made-up products for the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers as tf
from PIL import Image

from recognition.training.crops import whole
from recognition.training.material import Product

SIDE = 32
VIT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "image_size": SIDE, "patch_size": 8,
}  # fmt: skip
STAGES = {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 2, 1, 2]}


def _clip() -> object:
    return tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**VIT, projection_dim=24))


def _efficientnet() -> object:
    return tf.EfficientNetModel(
        tf.EfficientNetConfig(image_size=SIDE, width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128)
    )


MODELS: dict[str, Callable[[], object]] = {
    "clip": _clip,
    "siglip": lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**VIT)),
    "dinov2": lambda: tf.Dinov2Model(tf.Dinov2Config(**VIT)),
    "vit": lambda: tf.ViTModel(tf.ViTConfig(**VIT)),
    "resnet": lambda: tf.ResNetModel(tf.ResNetConfig(embedding_size=16, layer_type="basic", **STAGES)),
    "convnext": lambda: tf.ConvNextModel(tf.ConvNextConfig(**STAGES)),
    "efficientnet": _efficientnet,
}


def encoder_start(folder: Path, kind: str, trained: bool = True) -> Path:
    """A tower with random weights in the layout that --from loads; trained: its batch norms have seen something."""
    torch.manual_seed(5)
    model = MODELS[kind]()
    for module in model.modules() if trained else ():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(0.01)
    for weight in model.parameters() if trained else ():
        if weight.ndim == 1:  # fresh biases are zero
            weight.data += 0.2 * torch.randn_like(weight)
    model.save_pretrained(folder)
    tf.ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def pack(number: int, size: tuple[int, int] = (48, 36)) -> np.ndarray:
    """A picture of coloured blocks, another for each number: RGB uint8 (h, w, 3)."""
    blocks = np.random.default_rng(number).integers(0, 220, (4, 3, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((size[0] // 4, size[1] // 3, 1), np.uint8))


def product(number: int, group: str = "brand A", named: bool = True) -> Product:
    crop = whole(pack(number))
    return Product(f"sku {number}", (crop,) if named else (), () if named else (crop,), group, named)


def catalog(folder: Path, count: int, brands: int = 3) -> Path:
    """A catalogue of made-up packs and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["sku,image,brand"]
    for number in range(count):
        Image.fromarray(pack(number)).save(folder / f"{number}.png")
        lines.append(f"sku {number},{number}.png,brand {number % brands}")
    (folder / "catalog.csv").write_text("\n".join(lines) + "\n")
    return folder / "catalog.csv"
