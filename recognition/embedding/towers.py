"""One image tower as a torch module: uint8 pictures in, features out; loads models of transformers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file

from recognition.embedding.folder import ModelFolder
from recognition.embedding.fuse import fuse
from recognition.embedding.open_clip_tower import load_images
from recognition.embedding.preprocess import PreprocessSpec
from recognition.errors import WeightsError

_EPS = 1e-6


class ImageTower(torch.nn.Module):
    """Normalises, runs the model, pools and projects: uint8 (n, h, w, 3) RGB -> float32 (n, dim), of any norm."""

    model: Any
    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, folder: ModelFolder, spec: PreprocessSpec) -> None:
        """Loads the model in float32 on the CPU.

        Raises:
            WeightsError: the model cannot be loaded, lacks weights, takes no images, or does not fit its head.
        """
        super().__init__()
        self.model = load_images(folder) if folder.model_type == "open_clip" else _load_images(folder)
        self.head = _load_head(folder)
        self.gem_p = folder.recipe.gem_p if folder.recipe.pooling == "gem" else None
        std = torch.tensor(spec.std, dtype=torch.float64)[:, None, None]
        mean = torch.tensor(spec.mean, dtype=torch.float64)[:, None, None]
        self.register_buffer("scale", (1 / (255 * std)).float(), persistent=False)
        self.register_buffer("shift", (-mean / std).float(), persistent=False)
        self.layout = torch.contiguous_format
        self.dim = self._try_out(folder, spec)
        self._fuse(spec)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features float32 (n, dim), not normalised. pictures: uint8 (n, h, w, 3), RGB."""
        return self._feature(self._run(pictures))

    def _run(self, pictures: torch.Tensor) -> Any:
        two_towers = hasattr(self.model, "get_image_features")
        run = self.model.get_image_features if two_towers else self.model
        return run(pixel_values=self._pixels(pictures))

    def _pixels(self, pictures: torch.Tensor) -> torch.Tensor:
        pixels = (pictures.permute(0, 3, 1, 2) * self.scale + self.shift).to(self.model.dtype)
        return pixels.contiguous(memory_format=self.layout)

    def _feature(self, output: Any) -> torch.Tensor:
        pooled = _own_feature(output) if self.gem_p is None else gem(output.last_hidden_state.float(), self.gem_p)
        return pooled.float() if self.head is None else self.head(pooled.float())

    def _try_out(self, folder: ModelFolder, spec: PreprocessSpec) -> int:
        """The features' dim, from one grey picture; puts convolutional nets into channels-last, which is faster."""
        self.eval().requires_grad_(False)
        try:
            with torch.inference_mode():
                output = self._run(torch.full((1, *spec.size, 3), 128, dtype=torch.uint8))
                dim = int(self._feature(output).shape[1])
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            hint = "its size, pooling, model and head must belong together; gem needs a feature map"
            raise WeightsError(f"encoder {folder.path}: a trial picture failed: {error}", hint) from error
        hidden = getattr(output, "last_hidden_state", output)
        if isinstance(hidden, torch.Tensor) and hidden.ndim == 4:
            self.layout = torch.channels_last
            self.model.to(memory_format=torch.channels_last)
        return dim

    @torch.inference_mode()
    def _fuse(self, spec: PreprocessSpec) -> None:
        """Makes the model faster where that leaves a picture of noise with the same feature."""
        noise = torch.randint(0, 256, (1, *spec.size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        whole, before = self.model, self(noise)
        self.model = copy.deepcopy(whole)
        fuse(self.model)
        if not torch.allclose(self(noise), before, rtol=1e-3, atol=1e-4 * float(before.abs().max())):
            self.model = whole


def gem(maps: torch.Tensor, p: float) -> torch.Tensor:
    """Generalised mean over a feature map (n, c, h, w) -> (n, c); p = 1 is the mean, large p the maximum.

    Values below 1e-6 count as 1e-6.
    Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 2018.
    """
    return maps.clamp(min=_EPS).pow(p).mean((2, 3)).pow(1 / p)


def _own_feature(output: Any) -> torch.Tensor:
    """The model's pooled or projected feature (n, d). transformers 4 gives two-tower features as a bare tensor."""
    if isinstance(output, torch.Tensor):
        return output
    for name in ("image_embeds", "pooler_output"):
        feature = getattr(output, name, None)
        if feature is not None:
            return torch.flatten(feature, 1)
    hidden: torch.Tensor = output.last_hidden_state
    return hidden[:, 0] if hidden.ndim == 3 else hidden.mean((2, 3))


def load_pretrained(folder: ModelFolder, choose: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, list[str]]:
    """A model of transformers in float32 on the CPU, and the names of its weights that the folder lacks, sorted.

    choose: from the folder's configuration to the class that is loaded, and the configuration to give it.

    Raises:
        WeightsError: it cannot be loaded, or brings code of its own.
    """
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    try:
        with _quiet():
            config = transformers.AutoConfig.from_pretrained(folder.path, **safe)
            kind, config = choose(config)
            model, info = kind.from_pretrained(
                folder.path, config=config, dtype=torch.float32, output_loading_info=True, **safe
            )
    # transformers lets dozens of its own and foreign errors through while it reads a stranger's folder.
    except Exception as error:
        message = str(error).strip().split("\n")[0]
        hint = "give an image model in Hugging Face layout; models that bring their own code are not run"
        raise WeightsError(f"encoder {folder.path}: {type(error).__name__}: {message}", hint) from error
    return model, sorted(info["missing_keys"])


def _load_images(folder: ModelFolder) -> Any:
    model, missing = load_pretrained(folder, _tower)
    _check_model(folder, model, missing)
    return model


def _tower(config: Any) -> tuple[Any, Any]:
    """The class that loads no more than the image half, and the configuration to give it."""
    if config.model_type == "clip":
        config.vision_config.projection_dim = config.projection_dim
        return transformers.CLIPVisionModelWithProjection, config.vision_config
    if config.model_type == "clip_vision_model" and "CLIPVisionModelWithProjection" in (config.architectures or ()):
        return transformers.CLIPVisionModelWithProjection, config
    if config.model_type == "siglip":
        return transformers.SiglipVisionModel, config.vision_config
    return transformers.AutoModel, config


def _check_model(folder: ModelFolder, model: Any, missing: list[str]) -> None:
    if model.main_input_name != "pixel_values" and not hasattr(model, "get_image_features"):
        raise WeightsError(f"encoder {folder.path}: {folder.model_type} takes no images", "give an image model")
    if missing and all(name.startswith("pooler.") for name in missing):
        # A ViT saved by a classifier has no pooler: its class token is the feature, not a random layer over it.
        model.pooler = None
    elif missing:
        raise WeightsError(f"encoder {folder.path}: {len(missing)} weights lack, as {missing[0]}", "bring it again")


def _load_head(folder: ModelFolder) -> torch.nn.Linear | None:
    if folder.head is None:
        return None
    try:
        tensors = load_file(folder.head)
        weight, bias = tensors["weight"].float(), tensors["bias"].float()
        head = torch.nn.Linear(weight.shape[1], weight.shape[0])
        head.load_state_dict({"weight": weight, "bias": bias})
    except (OSError, SafetensorError, KeyError, IndexError, RuntimeError) as error:
        raise WeightsError(f"encoder file {folder.head}: {error}", "wanted weight (d, D) and bias (d,)") from error
    return head


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the library's load report and bars off stderr: weights of the text half are left out on purpose."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
