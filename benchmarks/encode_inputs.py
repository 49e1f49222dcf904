"""What benchmarks/encode.py is measured on: models of true shape with random weights, packs, and crops of shelves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from recognition.embedding.crops import cut_crops
from recognition.skus.packshot import trim_border
from recognition.training.render.brands import PackDesign, make_brand_world
from recognition.training.render.gondola import PlanStyle, Stock
from recognition.training.render.packs import draw_packshot
from recognition.training.render.scene import SceneStyle, render_scene
from recognition.types import Image

SHAPES = ("siglip-b/16-256", "clip-b/32", "starter")
CROPS, REFERENCES = "crops.npz", "references.npz"
_SEED, _BRANDS, _OF_BRAND, _SHOT_PX, _QUALITY = 51, 40, 5, 400, 92
_STYLE = SceneStyle(3000, 2250, PlanStyle(2350, 1760, gaps=0.05, unknowns=0.0, tidy=0.8, max_wide=2))
_BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}


def make_model(shape: str, folder: Path) -> None:
    """Saves one of SHAPES but `starter` in Hugging Face layout: true configuration, random weights."""
    import torch
    import transformers

    torch.manual_seed(_SEED)
    if shape.startswith("siglip"):
        config = transformers.SiglipVisionConfig(**_BASE, image_size=256, patch_size=16)
        model = transformers.SiglipVisionModel(config)
        processor = transformers.SiglipImageProcessor(size={"height": 256, "width": 256})
    else:
        config = transformers.CLIPVisionConfig(**_BASE, image_size=224, patch_size=32, projection_dim=512)
        model, processor = transformers.CLIPVisionModelWithProjection(config), transformers.CLIPImageProcessor()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def make_clip(folder: Path) -> None:
    """Saves CLIP ViT-B/32 with both towers and random weights, as clip-retrieval wants it: it loads a tokenizer, too,
    whose words do not matter here."""
    import torch
    import transformers

    torch.manual_seed(_SEED)
    transformers.CLIPModel(transformers.CLIPConfig(projection_dim=512)).save_pretrained(folder)
    transformers.CLIPImageProcessor().save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({"<|startoftext|>": 0, "<|endoftext|>": 1}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


def packs() -> list[PackDesign]:
    """The packs that stand on the shelves, in families of look-alikes."""
    return make_brand_world(_SEED, _BRANDS, _OF_BRAND)


def references() -> list[Image]:
    """One packshot of each pack, in order, as it is embedded: RGB uint8 without its white border."""
    return [trim_border(draw_packshot(design, _SHOT_PX)) for design in packs()]


def crops() -> Iterator[Image]:
    """Products of rendered shelves without end, RGB uint8 of about 60 to 300 pixels a side."""
    designs, seed = packs(), _SEED
    stock = Stock.of(designs, [True] * len(designs))
    while True:
        scene = render_scene(stock, _STYLE, seed)
        yield from cut_crops(scene.image, np.array([product.box for product in scene.truth.products], np.float32))
        seed += 1


def save_pictures(file: Path, pictures: Sequence[Image]) -> None:
    """Writes pictures into one file for `load_pictures`."""
    np.savez(file, *pictures)


def load_pictures(file: Path) -> list[Image]:
    """What `save_pictures` wrote, in order."""
    with np.load(file) as kept:
        return [kept[name] for name in kept.files]


def save_files(folder: Path, count: int) -> None:
    """Writes crops as JPEG files, whose names sort as they came."""
    folder.mkdir()
    for number, crop in enumerate(islice(crops(), count)):
        Pictures.fromarray(crop).save(folder / f"{number:06}.jpg", quality=_QUALITY)


if __name__ == "__main__":
    place, wanted, *shapes = sys.argv[1:]
    save_pictures(Path(place) / CROPS, list(islice(crops(), int(wanted))))
    save_pictures(Path(place) / REFERENCES, references())
    for each in shapes:
        if each != "starter":
            make_model(each, Path(place) / each.replace("/", "-"))
    print(json.dumps({"made": True}))
