"""The losses of metric learning over a batch of pairs, and which rows are no negatives of each other.

A memory of earlier batches (Wang et al. 2020, arXiv:1912.06798) was tried and taken out: with photos of the same
shelves in it, its negatives are too often the same product, and one-shot recall fell while the loss looked well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 0.06
SIGMOID_SCALE = 10.0
SAME_ANYWHERE = 0.9
SAME_PHOTO = 0.75
"""Likeness, to the encoder before training, from which two crops may show one product and are no negatives."""


@dataclass(frozen=True, eq=False)
class Keys:
    """Who the rows are. identity: int64 (n,), equal where two may be one product; group: int64 (n,), the photo of a
    crop, the brand of a reference; named: bool (n,), the identity is the SKU; likeness: float32 (n, d), unit vectors of
    the encoder before training.
    """

    identity: Tensor
    group: Tensor
    named: Tensor
    likeness: Tensor


class InfoNce(nn.Module):
    """InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) in both directions, at a fixed temperature."""

    def forward(self, cosines: Tensor, perhaps_same: Tensor) -> Tensor:
        """The loss of cosines (n, n), references by views, own pairs on the diagonal; `perhaps_same` is left out."""
        logits = (cosines / TEMPERATURE).masked_fill(perhaps_same, -math.inf)
        own = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


class PairSigmoid(nn.Module):
    """SigLIP's loss (Zhai et al. 2023, arXiv:2303.15343): each pair on its own is a match or is none.

    Scale and bias are learnt. They begin at 10 and, as the paper's -10 does for its batch of 32,768, at the bias that
    gives a pair its prior chance of being a match: -log(batch).
    """

    def __init__(self, batch: int) -> None:
        """batch: pairs in a batch."""
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(SIGMOID_SCALE)))
        self.bias = nn.Parameter(torch.tensor(-math.log(batch)))

    def forward(self, cosines: Tensor, perhaps_same: Tensor) -> Tensor:
        """As `InfoNce.forward`: summed over pairs, divided by the number of rows."""
        match = 2 * torch.eye(len(cosines), device=cosines.device) - 1
        terms = functional.logsigmoid(match * (cosines * self.log_scale.exp() + self.bias))
        return -terms.masked_fill(perhaps_same, 0.0).sum() / len(cosines)


def perhaps_same(keys: Keys) -> Tensor:
    """Pairs that must not be pushed apart, bool (n, n); a row's own column stays.

    Two named rows differ when their names do. Of other pairs the encoder before training is asked: facings of one
    product stand beside each other, so within a photo less likeness is enough.
    """
    likeness = keys.likeness @ keys.likeness.T
    same = (likeness > SAME_ANYWHERE) | ((keys.group[:, None] == keys.group) & (likeness > SAME_PHOTO))
    same &= ~(keys.named[:, None] & keys.named)
    same |= keys.identity[:, None] == keys.identity
    return same.fill_diagonal_(False)


def share_right(cosines: Tensor, perhaps_same: Tensor) -> Tensor:
    """The share of references whose own view is nearest, a scalar."""
    nearest = cosines.masked_fill(perhaps_same, -math.inf).argmax(dim=1)
    return (nearest == torch.arange(len(cosines), device=cosines.device)).float().mean()
