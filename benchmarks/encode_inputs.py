"""What benchmarks/encode.py is measured on: models of true shape with random weights, and crops of rendered shelves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from recognition.embedding.crops import cut_crops
from recognition.training.render.gondola import PlanStyle
from recognition.training.render.samples import sample_stock
from recognition.training.render.scene import SceneStyle, render_scene
from recognition.types import Image

SHAPES = ("siglip-b/16-256", "clip-b/32", "starter")
CROPS = "crops.npz"
_SEED = 51
_STYLE = SceneStyle(3000, 2250, PlanStyle(2350, 1760, gaps=0.05, unknowns=0.05, tidy=0.8, max_wide=4))


def make_model(shape: str, folder: Path) -> None:
    """Saves one of SHAPES but `starter` in Hugging Face layout: true configuration, random weights."""
    import torch
    import transformers

    torch.manual_seed(_SEED)
    base = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    if shape.startswith("siglip"):
        config = transformers.SiglipVisionConfig(**base, image_size=256, patch_size=16)
        model = transformers.SiglipVisionModel(config)
        processor = transformers.SiglipImageProcessor(size={"height": 256, "width": 256})
    else:
        config = transformers.CLIPVisionConfig(**base, image_size=224, patch_size=32, projection_dim=512)
        model, processor = transformers.CLIPVisionModelWithProjection(config), transformers.CLIPImageProcessor()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def save_crops(file: Path, count: int) -> None:
    """Crops of rendered shelves, RGB uint8 of about 60 to 300 pixels a side, in a file for `load_crops`."""
    np.savez(file, *islice(_crops(), count))


def load_crops(file: Path) -> list[Image]:
    """What `save_crops` wrote, in order."""
    with np.load(file) as kept:
        return [kept[name] for name in kept.files]


def _crops() -> Iterator[Image]:
    stock, seed = sample_stock(), _SEED
    while True:
        scene = render_scene(stock, _STYLE, seed)
        yield from cut_crops(scene.image, np.array([product.box for product in scene.truth.products], np.float32))
        seed += 1


if __name__ == "__main__":
    place, wanted, *shapes = sys.argv[1:]
    save_crops(Path(place) / CROPS, int(wanted))
    for each in shapes:
        if each != "starter":
            make_model(each, Path(place) / each.replace("/", "-"))
    print(json.dumps({"made": True}))
