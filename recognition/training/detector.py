"""Trains the starter detector: a YOLOv8n from scratch on small tiles of shelf photos.

    python -m recognition.training.detector PHOTOS --out runs/detector --epochs 4
    python -m recognition.training.detector --rendered 400 --out runs/synthetic --epochs 8

PHOTOS is a folder with `photos/` (or `images/`) and `labels/` in YOLO format, one class. The second form uses
rendered shelves alone, for users who may not use the licences of real photos. A broken run goes on where its last
epoch ended when the same command is given again. The best file is stripped to half precision as `detector.pt`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recognition.detection.safe_ultralytics import training_model
from recognition.training.render.pairs import render_training_shelves
from recognition.training.tiles import write_tiles

HELD_OUT = slice(5, None, 37)
"""Which photos, sorted by name, are kept for choosing settings and never trained on."""

RECIPE: dict[str, Any] = {
    "imgsz": 320, "batch": 16, "nbs": 16, "optimizer": "AdamW", "lr0": 0.002, "lrf": 0.02, "cos_lr": True,
    "warmup_epochs": 0.3, "weight_decay": 0.01, "box": 7.5, "single_cls": True, "pretrained": False, "amp": False,
    "mosaic": 0.25, "close_mosaic": 1, "scale": 0.3, "translate": 0.1, "degrees": 3, "shear": 1,
    "perspective": 0.0002, "fliplr": 0.5, "hsv_h": 0.02, "hsv_s": 0.6, "hsv_v": 0.4,
}  # fmt: skip


def labelled_photos(folder: Path) -> list[tuple[Path, Path]]:
    """(photo, label file) pairs below a folder, sorted by name."""
    images = folder / ("photos" if (folder / "photos").is_dir() else "images")
    return [(photo, folder / "labels" / f"{photo.stem}.txt") for photo in sorted(images.iterdir())]


def prepare_tiles(photos: Path | None, rendered: int, out: Path, seed: int) -> Path:
    """Writes training and validation tiles once; the data.yaml of ultralytics."""
    description = out / "tiles" / "data.yaml"
    if description.exists():
        return description
    train: list[tuple[Path, Path]] = []
    held_out: list[tuple[Path, Path]] = []
    if photos:
        pairs = labelled_photos(photos)
        held_out = pairs[HELD_OUT]
        train += [pair for pair in pairs if pair not in held_out]
    if rendered:
        render_training_shelves(out / "rendered", rendered, seed)
        pairs = labelled_photos(out / "rendered")
        held_out += pairs[HELD_OUT]
        train += [pair for pair in pairs if pair not in pairs[HELD_OUT]]
    # A large photo holds more distinct tiles than a small one.
    large = [pair for pair in train if pair[0].stat().st_size > 200_000]
    small = [pair for pair in train if pair not in large]
    write_tiles(large, out / "tiles" / "train", per_photo=20, seed=seed)
    write_tiles(small, out / "tiles" / "train", per_photo=8, seed=seed)
    write_tiles(held_out, out / "tiles" / "val", per_photo=4, seed=seed)
    description.write_text(
        f"path: {description.parent.resolve()}\ntrain: train/images\nval: val/images\nnames: {{0: product}}\n"
    )
    return description


def train(photos: Path | None, rendered: int, out: Path, epochs: int, device: str, seed: int) -> Path:
    """Trains, or goes on, and returns the stripped weights file."""
    data = prepare_tiles(photos, rendered, out, seed)
    last = out / "run" / "weights" / "last.pt"
    model = training_model(str(last) if last.exists() else "yolov8n.yaml")
    if last.exists():
        model.train(resume=True)
    else:
        model.train(
            data=str(data), epochs=epochs, device=device, seed=seed, project=str(out.resolve()), name="run",
            exist_ok=True, val=False, plots=False, workers=2, **RECIPE,
        )  # fmt: skip
    best = out / "detector.pt"
    best.write_bytes(last.read_bytes())
    return best


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--rendered", type=int, default=0, help="number of rendered shelves to add")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if not options.photos and not options.rendered:
        parser.error("give a folder of photos, or --rendered N, or both")
    out = train(options.photos, options.rendered, options.out, options.epochs, options.device, options.seed)
    print(out)


if __name__ == "__main__":
    main()
