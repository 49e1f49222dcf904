"""One text tower as a torch module: tokens in, features out, in the space of the image tower beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from recognition.embedding.folder import ModelFolder
from recognition.embedding.open_clip_tower import load_texts
from recognition.embedding.towers import load_pretrained
from recognition.errors import WeightsError

Tokenise = Callable[[Sequence[str]], torch.Tensor]
_VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")


class TextTower(torch.nn.Module):
    """Runs the text half of a two-tower model: tokens int64 (n, length) -> float32 (n, dim), of any norm."""

    def __init__(self, model: Any, run: Callable[[torch.Tensor], Any], tokenise: Tokenise, dim: int) -> None:
        """model: holds the weights. run: tokens to features. tokenise: texts to tokens."""
        super().__init__()
        self.model, self.run, self.tokenise, self.dim = model, run, tokenise, dim
        self.eval().requires_grad_(False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Features float32 (n, dim), not normalised."""
        features: torch.Tensor = self.run(tokens)
        return features.float()


def load_text_tower(folder: ModelFolder) -> TextTower:
    """Tokenizer and text half of a model, in float32 on the CPU.

    Raises:
        WeightsError: the model has no text tower, or it cannot be loaded, or tokenizer files are missing.
    """
    if folder.model_type == "open_clip":
        model, tokenise, dim = load_texts(folder)
        return TextTower(model, model.encode_text, tokenise, dim)
    if folder.model_type not in ("clip", "siglip"):
        raise WeightsError(
            f"encoder {folder.path}: {folder.model_type} has no text tower",
            "words are understood by clip, fashion-clip, siglip, siglip2 and the models of Marqo",
        )
    model, missing = load_pretrained(folder, _text_half)
    if missing:
        raise WeightsError(f"encoder {folder.path}: {len(missing)} weights lack, as {missing[0]}", "bring it again")
    config, clip = model.config, folder.model_type == "clip"
    return TextTower(
        model,
        # Without a mask: SigLIP was trained so, and CLIP, which is causal, reads no further than its end token.
        lambda tokens: model(input_ids=tokens)["text_embeds" if clip else "pooler_output"],
        _tokeniser(folder, int(config.max_position_embeddings)),
        int(config.projection_dim if clip else config.projection_size),
    )


def _text_half(config: Any) -> tuple[Any, Any]:
    text = config.text_config
    if config.model_type == "clip":
        text.projection_dim = config.projection_dim
        return transformers.CLIPTextModelWithProjection, text
    return transformers.SiglipTextModel, text


def _tokeniser(folder: ModelFolder, length: int) -> Tokenise:
    """What makes tokens of texts; SigLIP's are padded to the full length, as those that it learnt from."""
    padding: Any = "max_length" if folder.model_type == "siglip" else True
    try:
        # transformers 5 makes an empty tokenizer of a folder that has none: every word would be unknown to it.
        if not any((folder.path / name).is_file() for name in _VOCABULARIES):
            raise FileNotFoundError(f"there is none of {', '.join(_VOCABULARIES)}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=False
        )
        tokenizer(["a trial"], padding=padding, truncation=True, max_length=length)
    # transformers and three libraries behind it read a stranger's files.
    except Exception as error:
        message = f"{type(error).__name__}: {str(error).strip().split(chr(10))[0]}"
        hint = "bring the tokenizer's files; without tokenizer.json it needs pip install 'shelf-recognition[text]'"
        raise WeightsError(f"encoder {folder.path}: tokenizer: {message}", hint) from error

    def tokenise(texts: Sequence[str]) -> torch.Tensor:
        made = tokenizer(list(texts), padding=padding, truncation=True, max_length=length, return_tensors="pt")
        tokens: torch.Tensor = made["input_ids"]
        return tokens

    return tokenise
