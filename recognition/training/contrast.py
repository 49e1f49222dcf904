"""The contrastive loss: InfoNCE in both directions over the batch and a memory of earlier batches.

InfoNCE: van den Oord et al. 2018, arXiv:1807.03748. Cross-batch memory: Wang et al. 2020, arXiv:1912.06798.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE = 0.06
MEMORY = 2048
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

    def joined(self, other: Keys) -> Keys:
        """Both, one after the other."""
        return Keys(
            torch.cat([self.identity, other.identity]),
            torch.cat([self.photo, other.photo]),
            torch.cat([self.likeness, other.likeness]),
        )


class ContrastiveLoss:
    """Keeps the memory between batches."""

    def __init__(self, dim: int, likeness_dim: int) -> None:
        """An empty memory of vectors (0, dim)."""
        self._references, self._views = torch.zeros(0, dim), torch.zeros(0, dim)
        empty = torch.zeros(0, dtype=torch.int64)
        self._keys = Keys(empty, empty, torch.zeros(0, likeness_dim))

    def __call__(self, references: Tensor, views: Tensor, keys: Keys, remember: bool) -> tuple[Tensor, float]:
        """The loss, and the share of rows whose own view is nearest in the batch.

        references, views: float32 (n, dim), norm 1, row i of both shows product i.
        """
        everything = keys.joined(self._keys)
        hidden = _perhaps_same(keys, everything)
        forth = self._logits(references, torch.cat([views, self._views]), hidden)
        back = self._logits(views, torch.cat([references, self._references]), hidden)
        own = torch.arange(len(references))
        loss = (functional.cross_entropy(forth, own) + functional.cross_entropy(back, own)) / 2
        if remember:
            self._references = torch.cat([references.detach(), self._references])[:MEMORY]
            self._views = torch.cat([views.detach(), self._views])[:MEMORY]
            self._keys = Keys(everything.identity[:MEMORY], everything.photo[:MEMORY], everything.likeness[:MEMORY])
        return loss, float((forth[:, : len(own)].argmax(dim=1) == own).float().mean())

    @staticmethod
    def _logits(rows: Tensor, columns: Tensor, hidden: Tensor) -> Tensor:
        return (rows @ columns.T / TEMPERATURE).masked_fill(hidden, -1e4)


def _perhaps_same(rows: Keys, columns: Keys) -> Tensor:
    """Pairs that must not be pushed apart, bool (n, m); a row's own column stays."""
    likeness = rows.likeness @ columns.likeness.T
    same = (likeness > SAME_ANYWHERE) | (rows.identity[:, None] == columns.identity)
    same |= (rows.photo[:, None] == columns.photo) & (likeness > SAME_PHOTO)
    own = torch.arange(len(rows.identity))
    same[own, own] = False
    return same
