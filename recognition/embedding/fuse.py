"""Folds what is constant at inference into the convolutions before or after it: same answers, half the time."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse(model: nn.Module) -> None:
    """Folds batch norms into the convolutions defined right before them, and drops squeeze-and-excitation gates that
    no input moves (both weights zero), as the starter encoder's. Call on a model in evaluation mode.

    Modules are paired by the order in which they are defined, which in the networks of transformers is the order in
    which they run; the caller holds the fused model's output against the former one.
    """
    for parent in list(model.modules()):
        children = [(name, child) for name, child in parent.named_children() if not isinstance(child, nn.Identity)]
        for (name, conv), (norm_name, norm) in pairwise(children):
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if conv.out_channels == norm.num_features:
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())
        _drop_open_gate(parent)


def _drop_open_gate(block: nn.Module) -> None:
    """In an EfficientNet block: a gate of constant value becomes part of the projection that follows it."""
    gate, projection = getattr(block, "squeeze_excite", None), getattr(block, "projection", None)
    if gate is None or projection is None or gate.reduce.weight.any() or gate.expand.weight.any():
        return
    with torch.no_grad():
        opening = torch.sigmoid(gate.expand.bias)
        projection.project_conv.weight *= opening[None, :, None, None]
    block.squeeze_excite = nn.Identity()
