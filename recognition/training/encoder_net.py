"""The network in training: the tower of any encoder's folder as it is saved there, and a linear head."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from recognition.embedding.folder import open_folder
from recognition.embedding.preprocess import PreprocessSpec, to_batch
from recognition.embedding.processor_config import read_spec
from recognition.embedding.towers import ImageTower
from recognition.errors import OutputError, UsageError
from recognition.training.augment import Rgb
from recognition.training.encoder_blocks import Part, choose_trained

DIM = 256
SHORTER = 0.9
"""Share of the input's side that a convolutional net trains at: objects look larger in training than at use (Touvron
et al. 2019, arXiv:1906.06423), and it is faster."""
STEP_PX = 16
BATCH = 64


class _SavedTower(ImageTower):
    """A tower whose weights keep the names they are saved under: at use batch norms are folded away."""

    def _fuse(self, spec: PreprocessSpec) -> None:
        pass


class EncoderNet(nn.Module):
    """Pictures to unit vectors.

    spec: preprocessing at use; training_spec: the same at the size of training; convolutional: it has feature maps.
    """

    def __init__(self, path: Path, name: str, fit: str, size: int, part: Part) -> None:
        """Loads an encoder's folder. name: used unless the folder gives one; fit: "" takes the folder's; size: side of
        the pictures in training, 0 chooses.

        Raises:
            WeightsError: the folder cannot be loaded. UsageError: the network takes no pictures of that size.
        """
        super().__init__()
        self.folder = open_folder(path)
        recipe = self.folder.recipe
        fit = fit or recipe.fit or "pad"
        self.recipe = replace(recipe, name=recipe.name or name, fit=fit)
        self.spec = read_spec(path, fit, recipe.size)
        self.tower = _SavedTower(self.folder, self.spec)
        self.fresh_norms = choose_trained(self.tower.model, part)
        self.head, self.tower.head = self.tower.head, None
        if self.head is not None:
            self.head.requires_grad_(True)
        self.convolutional = self.tower.layout == torch.channels_last
        self.training_spec = self._sized(size)
        self.features = self._try_out()

    def forward(self, pictures: Tensor) -> Tensor:
        """Vectors float32 (n, dim), norm 1, of uint8 RGB (n, h, w, 3). Frozen leading blocks keep no gradients."""
        return nn.functional.normalize(self._outputs(pictures))

    def _outputs(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.tower(pictures)
        return features if self.head is None else self.head(features).float()

    def train(self, mode: bool = True) -> EncoderNet:
        """Only norms that never saw a picture learn their statistics; there is no dropout."""
        super().train(False)
        for norm in self.fresh_norms:
            norm.train(mode)
        return self

    @torch.inference_mode()
    def outputs(self, pictures: Iterable[Rgb], spec: PreprocessSpec) -> NDArray[np.float32]:
        """What comes out before it is brought to norm 1, (n, dim), of RGB pictures of any size, in evaluation mode."""
        self.eval()
        parts = [np.empty((0, self.dim), np.float32)]
        waiting = iter(pictures)
        while some := list(islice(waiting, BATCH)):
            batch = torch.from_numpy(to_batch(some, spec)).to(self.device)
            parts.append(self._outputs(batch).cpu().numpy())
        return np.concatenate(parts)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tower.scale.device

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.features if self.head is None else self.head.out_features

    def add_head(self, rotation: NDArray[np.float32], mean: NDArray[np.float32]) -> None:
        """Puts a head of weights (dim, features) in place of the one there is; features less their mean go in."""
        self.head = nn.Linear(rotation.shape[1], rotation.shape[0]).to(self.device)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(rotation))
            self.head.bias.copy_(torch.from_numpy(-rotation @ mean))

    def save(self, folder: Path) -> None:
        """Writes the folder that `--encoder` loads, in half precision, with the start's preprocessing.

        Raises:
            OutputError: a file cannot be written.
        """
        model = copy.deepcopy(self.tower.model).to("cpu", torch.float16, memory_format=torch.contiguous_format)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _without_bar():
                model.save_pretrained(folder)
            if self.head is not None:
                head = {"weight": self.head.weight, "bias": self.head.bias}
                halves = {name: value.detach().cpu().half().contiguous() for name, value in head.items()}
                save_file(halves, folder / "head.safetensors")
            for name in ("preprocessor_config.json", "processor_config.json"):
                if (self.folder.path / name).is_file():
                    shutil.copyfile(self.folder.path / name, folder / name)
            recipe = replace(self.recipe, name=f"{self.recipe.name.removesuffix('-trained')}-trained")
            (folder / "recognition.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {error}", "check the folder and its permissions") from error

    def _sized(self, size: int) -> PreprocessSpec:
        side = min(self.spec.size)
        if self.spec.fit == "processor" and size not in (0, side):
            hint = f'leave --size away; it can be set with fit = "pad" or "squash" (the processor gives {side})'
            raise UsageError(f"--size {size}: the model's own processor fixes the size", hint)
        if self.spec.fit == "processor":
            return self.spec
        if not size:
            size = max(STEP_PX, round(SHORTER * side / STEP_PX) * STEP_PX) if self.convolutional else side
        return replace(self.spec, size=(size, size), resize=(size, size))

    def _try_out(self) -> int:
        """The number of features of the tower, from one grey picture at the size of training."""
        try:
            with torch.inference_mode():
                grey = torch.full((1, *self.training_spec.size, 3), 128, dtype=torch.uint8)
                return int(self.tower(grey).shape[1])
        except (RuntimeError, ValueError, IndexError) as error:
            size, own = self.training_spec.size[0], self.spec.size[0]
            hint = f"leave --size away: the model then trains at the {own} pixels it is used at"
            raise UsageError(f"--size {size}: {self.recipe.name} takes no such pictures: {error}", hint) from error


@contextmanager
def _without_bar() -> Iterator[None]:
    """Keeps the library's bar of written files off stderr."""
    log = transformers.utils.logging
    shown = log.is_progress_bar_enabled()
    log.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            log.enable_progress_bar()


def half_whitening(features: NDArray[np.float32], dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """PCA of features (n, d) to (dim, d), each axis divided by the root of its deviation; and their mean (d,).

    Whole whitening (Jégou and Chum 2012) lifts noise, none lets few axes rule. The fewer pictures there are for the
    number of features, the more the covariance is drawn towards that of a ball, which is not turned at all.
    """
    count, features_in = features.shape
    mean = features.mean(axis=0)
    centred = (features - mean).astype(np.float64)
    covariance = centred.T @ centred / max(1, count - 1)
    ball = 1 / (1 + (count / features_in) ** 2)
    values, axes = np.linalg.eigh(covariance)
    values = (1 - ball) * values + ball * values.mean()
    largest, strength = axes[:, ::-1][:, :dim].T, values[::-1][:dim, None]
    floor = max(float(strength[0, 0]) * 1e-4, 1e-12)
    return (largest / strength.clip(floor) ** 0.25).astype(np.float32), mean
