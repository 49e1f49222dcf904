"""Equal neighbours speak for what they show in each other's votes, as blocks.py of matching has it for photos."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from recognition.live.items import Item
from recognition.live.overlap import stacked
from recognition.matching.blocks import equal_neighbours, weight_of_each


def consult(items: list[Item]) -> None:
    """Tells each of the products of one part of the shelf what its equal neighbours show."""
    asked = [item for item in items if not item.cut]
    near = equal_neighbours(stacked([item.home for item in asked]))
    weights = weight_of_each(near).tolist()
    shares = [item.votes.shares() for item in asked]
    for index, item in enumerate(asked):
        said: defaultdict[int, float] = defaultdict(float)
        for other in np.flatnonzero(near[index]):
            for sku, share in shares[other].items():
                said[sku] += weights[index] * share
        item.votes.hear(said)
