"""The starter encoder's network: EfficientNet-Lite0 as a transformers EfficientNetModel, and a linear head.

EfficientNet-Lite is EfficientNet (Tan and Le 2019, arXiv:1905.11946) with ReLU6 and without squeeze-and-excitation.
transformers always builds the latter: here it is one channel wide and its gate stands open (sigmoid of 16).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import EfficientNetConfig, EfficientNetModel

FEATURES, DIM = 1280, 256
MEAN, STD = 127.0, 128.0
FROZEN_BLOCKS = 5


def build_tower(size: int, weights: Path | None) -> EfficientNetModel:
    """The network for `size` x `size` pixels; weights: a .pth of EfficientNet-Lite0, else random.

    Raises:
        ValueError: the file is of another network.
    """
    config = EfficientNetConfig(
        image_size=size, width_coefficient=1.0, depth_coefficient=1.0, hidden_act="relu6", hidden_dim=FEATURES,
        squeeze_expansion_ratio=1e-6, dropout_rate=0.0, drop_connect_rate=0.0, batch_norm_eps=1e-3,
    )  # fmt: skip
    model = EfficientNetModel(config)
    own = model.state_dict()
    for name, value in own.items():
        if "squeeze_excite" in name:
            value.fill_(16.0 if name.endswith("expand.bias") else 0.0)
    if weights is not None:
        _copy(torch.load(weights, map_location="cpu", weights_only=True), own)
    model.load_state_dict(own)
    return model


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    """Both list their layers in the order of the network, which is how they are paired."""
    theirs = [name for name in source if "num_batches" not in name and not name.startswith("_fc")]
    ours = [name for name in target if "num_batches" not in name and "squeeze_excite" not in name]
    if [source[name].shape for name in theirs] != [target[name].shape for name in ours]:
        raise ValueError("the weights are not those of EfficientNet-Lite0")
    for mine, other in zip(ours, theirs, strict=True):
        target[mine].copy_(source[other])


class StarterNet(nn.Module):
    """Pictures to unit vectors. Of a pretrained tower the first five blocks and all batch-norm statistics stay."""

    def __init__(self, tower: EfficientNetModel, pretrained: bool) -> None:
        """The head is random until `start_head`."""
        super().__init__()
        self.tower, self.head = tower.train(not pretrained), nn.Linear(FEATURES, DIM)
        for part in (tower.embeddings, *tower.encoder.blocks[:FROZEN_BLOCKS]) if pretrained else ():
            part.requires_grad_(False)
        for name, value in tower.named_parameters():
            if "squeeze_excite" in name:
                value.requires_grad_(False)

    def features(self, pictures: Tensor) -> Tensor:
        """Pooled features float32 (n, 1280) of uint8 RGB (n, h, w, 3)."""
        pixels = pictures.permute(0, 3, 1, 2).float().sub(MEAN).div(STD)
        pooled: Tensor = self.tower(pixels.contiguous(memory_format=torch.channels_last)).pooler_output
        return pooled

    def forward(self, pictures: Tensor) -> Tensor:
        """Vectors float32 (n, 256), norm 1, of uint8 RGB (n, h, w, 3)."""
        return nn.functional.normalize(self.head(self.features(pictures)))

    def start_head(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Starts the head as a half-whitening PCA of features (m, 1280); returns the PCA's rotation (1280, 256)."""
        mean = features.mean(axis=0)
        values, axes = np.linalg.eigh(np.cov(features, rowvar=False))
        largest = axes[:, ::-1][:, :DIM].T
        rotation = (largest / values[::-1][:DIM, None].clip(1e-3) ** 0.25).astype(np.float32)
        self.head.weight.data = torch.from_numpy(rotation)
        self.head.bias.data = torch.from_numpy(-rotation @ mean.astype(np.float32))
        return rotation.T

    def save(self, folder: Path, size: int) -> None:
        """Writes the folder that `--encoder` loads, in half precision."""
        self.tower.eval().half().save_pretrained(folder)
        head = {"weight": self.head.weight.data.half(), "bias": self.head.bias.data.half()}
        save_file({name: value.contiguous() for name, value in head.items()}, folder / "head.safetensors")
        recipe = {"name": "starter", "fit": "pad", "size": size, "pooling": "model"}
        processor = {
            "image_processor_type": "EfficientNetImageProcessor", "do_resize": True,
            "size": {"height": size, "width": size}, "resample": 2, "do_center_crop": False, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "include_top": False,
            "image_mean": [MEAN / 255] * 3, "image_std": [STD / 255] * 3,
        }  # fmt: skip
        for name, values in (("recognition.json", recipe), ("preprocessor_config.json", processor)):
            (folder / name).write_text(json.dumps(values, indent=2) + "\n")
