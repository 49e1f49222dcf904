"""Models of the open_clip library from a local folder: the image half and the text half. The only file that knows it.

The library is an optional extra. Its loader would take pickles, fetch base weights and believe what a configuration
says about the tokenizer; here only the model's classes are used, and safetensors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch

from recognition.embedding.folder import ModelFolder
from recognition.embedding.registry import OPEN_CLIP
from recognition.errors import WeightsError

_HINT = "wanted a model in open_clip's layout whose two towers are described by its own open_clip_config.json"


class OpenClipImages(torch.nn.Module):
    """The image half, called as a model of transformers is: pixel_values (n, 3, h, w) -> (n, dim)."""

    main_input_name = "pixel_values"

    def __init__(self, visual: torch.nn.Module) -> None:
        super().__init__()
        self.visual = visual

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.visual.parameters()).dtype

    def forward(self, pixel_values: torch.Tensor) -> Any:
        """Features (n, dim), not normalised."""
        return self.visual(pixel_values)


def load_images(folder: ModelFolder) -> OpenClipImages:
    """The image half in float32 on the CPU.

    Raises:
        WeightsError: the library is not installed, or the model cannot be loaded.
    """
    return OpenClipImages(_load(folder).visual)


def load_texts(folder: ModelFolder) -> tuple[Any, Callable[[Sequence[str]], torch.Tensor], int]:
    """The whole model, of which `encode_text` is to be used, what makes tokens (n, length) of texts, and dim.

    Raises:
        WeightsError: the library is not installed, or model or tokenizer cannot be loaded.
    """
    model = _load(folder)
    text = folder.config["text_cfg"]
    # Arguments win over what the configuration says, which could ask for code to be run.
    safe = {"trust_remote_code": False, "local_files_only": True} if text.get("hf_tokenizer_name") else {}
    try:
        tokenizer = _library().get_tokenizer(f"local-dir:{folder.path}", **safe)
        tokenizer(["a trial"])
    # A stranger's tokenizer files are read by two libraries.
    except Exception as error:
        hint = "bring the tokenizer's files too (tokenizer.json or spiece.model, tokenizer_config.json)"
        raise WeightsError(f"encoder {folder.path}: tokenizer: {_short(error)}", hint) from error
    return model, lambda texts: tokenizer(list(texts)), int(folder.config["embed_dim"])


def _library() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise WeightsError(
            "models of open_clip need a library that is not installed",
            f"pip install 'shelf-recognition[{OPEN_CLIP}]', or pip install open_clip_torch",
        ) from error
    return open_clip


def _load(folder: ModelFolder) -> Any:
    library = _library()
    try:
        settings = _own_settings(folder)
        kind = library.CustomTextCLIP if settings.pop("custom_text", False) else library.CLIP
        model = kind(**settings)
        library.load_checkpoint(model, str(folder.weights[0]))
    # open_clip and timm let many kinds of errors through while they read a stranger's configuration.
    except Exception as error:
        raise WeightsError(f"encoder {folder.path}: {_short(error)}", _HINT) from error
    return model.eval()


def _own_settings(folder: ModelFolder) -> dict[str, Any]:
    """The model's settings, refused where they lead out of the folder."""
    settings = copy.deepcopy({key: value for key, value in folder.config.items() if key != "model_type"})
    vision, text = settings["vision_cfg"], settings["text_cfg"]
    if "hf_model_name" in text or "multimodal_cfg" in settings:
        raise ValueError("its text tower is none of open_clip's own")
    if ":" in str(vision.get("timm_model_name", "")):
        raise ValueError(f"its image tower {vision['timm_model_name']} lies elsewhere")
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    return settings


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
