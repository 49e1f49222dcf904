"""Well-known encoders by a short name."""

from __future__ import annotations

HUB_ENCODERS = {
    "clip": "openai/clip-vit-base-patch32",
    "clip-large": "openai/clip-vit-large-patch14",
    "fashion-clip": "patrickjohncyh/fashion-clip",
    "siglip": "google/siglip-base-patch16-256",
    "siglip-224": "google/siglip-base-patch16-224",
    "siglip2": "google/siglip2-base-patch16-256",
    "resnet50": "microsoft/resnet-50",
    "dinov2": "facebook/dinov2-base",
}
"""Short name to the id on the Hugging Face hub."""


def hub_id(name: str) -> str:
    """The hub id behind a short name; any other name is returned as it is."""
    return HUB_ENCODERS.get(name, name)
