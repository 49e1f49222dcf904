"""The contrastive loss: InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) in both directions over a batch.

A memory of earlier batches (Wang et al. 2020, arXiv:1912.06798) was tried and taken out: with photos of the same
shelves in it, its negatives are too often the same product, and one-shot recall fell while the loss looked well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.06
SAME_ANYWHERE = 0.9
SAME_PHOTO = 0.75
"""Likeness, to the untrained network, from which two crops may show one product and are no negatives."""


@dataclass(frozen=True, eq=False)
class Keys:
    """Who the rows are. identity: int64 (n,); photo: int64 (n,), unique negative for packs; likeness: float32 (n, d),
    unit vectors of the untrained network, zero for packs (whose identities are known)."""

    identity: Tensor
    photo: Tensor
    likeness: Tensor


def contrastive_loss(references: Tensor, views: Tensor, keys: Keys) -> tuple[Tensor, float]:
    """The loss, and the share of references whose own view is nearest.

    references, views: float32 (n, dim), norm 1; row i of both shows product i.
    """
    logits = (references @ views.T / TEMPERATURE).masked_fill(_perhaps_same(keys), -1e4)
    own = torch.arange(len(references))
    loss = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    return loss, float((logits.argmax(dim=1) == own).float().mean())


def _perhaps_same(keys: Keys) -> Tensor:
    """Pairs that must not be pushed apart, bool (n, n); a row's own column stays."""
    likeness = keys.likeness @ keys.likeness.T
    same = (likeness > SAME_ANYWHERE) | (keys.identity[:, None] == keys.identity)
    same |= (keys.photo[:, None] == keys.photo) & (likeness > SAME_PHOTO)
    return same.fill_diagonal_(False)
