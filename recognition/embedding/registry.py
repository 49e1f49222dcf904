"""Well-known encoders by a short name: the one table, which docs/encoders.md repeats."""

from __future__ import annotations

from dataclasses import dataclass

from recognition.weights import STARTER_ENCODER

OPEN_CLIP = "open-clip"
"""The optional extra of this program that reads models of the open_clip library."""

_UNSTATED = "see the model's page"
_APACHE = "Apache-2.0"


@dataclass(frozen=True)
class KnownEncoder:
    """One row. repository: id on the Hugging Face hub, or the folder among the weights that ship.

    dim: numbers per vector. side: side of the model's input in pixels, 0 = as its files say. megabytes: about what
    its weights weigh, 10^6 bytes. licence: of the weights, as their publisher states it. text: it has a text tower
    as well. extra: optional extra of this program that it needs, or "". revision: what is asked of the hub; the
    commit that answers is recorded when a model is fetched, and kept from then on.
    """

    name: str
    repository: str
    architecture: str
    dim: int
    side: int
    megabytes: int
    licence: str
    text: bool = True
    extra: str = ""
    revision: str = "main"


def _marqo(name: str, repository: str, architecture: str, dim: int, side: int, megabytes: int) -> KnownEncoder:
    return KnownEncoder(name, f"Marqo/{repository}", architecture, dim, side, megabytes, _APACHE, extra=OPEN_CLIP)


ENCODERS = (
    KnownEncoder("starter", STARTER_ENCODER, "EfficientNet-Lite0", 256, 160, 8, "research and trial", text=False),
    # Its main branch holds pickled weights only; the conversion to safetensors waits as a pull request.
    KnownEncoder(
        "clip", "openai/clip-vit-base-patch32", "CLIP ViT-B/32", 512, 224, 605, _UNSTATED, revision="refs/pr/32"
    ),
    KnownEncoder("clip-large", "openai/clip-vit-large-patch14", "CLIP ViT-L/14", 768, 224, 1711, _UNSTATED),
    KnownEncoder("fashion-clip", "patrickjohncyh/fashion-clip", "CLIP ViT-B/32", 512, 224, 605, "MIT"),
    KnownEncoder("siglip", "google/siglip-base-patch16-256", "SigLIP ViT-B/16", 768, 256, 813, _APACHE),
    KnownEncoder("siglip-224", "google/siglip-base-patch16-224", "SigLIP ViT-B/16", 768, 224, 813, _APACHE),
    KnownEncoder("siglip2", "google/siglip2-base-patch16-256", "SigLIP 2 ViT-B/16", 768, 256, 1501, _UNSTATED),
    KnownEncoder("resnet50", "microsoft/resnet-50", "ResNet-50", 2048, 224, 102, _APACHE, text=False),
    KnownEncoder("dinov2", "facebook/dinov2-base", "DINOv2 ViT-B/14", 768, 224, 346, _APACHE, text=False),
    _marqo("marqo-fashion-clip", "marqo-fashionCLIP", "CLIP ViT-B/16", 512, 224, 599),
    _marqo("marqo-fashion-siglip", "marqo-fashionSigLIP", "SigLIP ViT-B/16", 768, 224, 813),
    _marqo("marqo-ecommerce-b", "marqo-ecommerce-embeddings-B", "SigLIP ViT-B/16", 768, 0, 813),
)

HUB_ENCODERS = {row.name: row.repository for row in ENCODERS if row.name != "starter"}
"""Short name to the id on the Hugging Face hub."""


def hub_id(name: str) -> str:
    """The hub id behind a short name; any other name is returned as it is."""
    return HUB_ENCODERS.get(name, name)


def known(repository: str) -> KnownEncoder | None:
    """The row of a hub id."""
    return next((row for row in ENCODERS if row.repository == repository), None)
