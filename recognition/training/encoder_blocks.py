"""What of an image tower is trained: the one place that knows how networks are built from blocks.

The networks of transformers keep their blocks in a list called `layers`, `layer`, `blocks` or `stages`, whose stages
may hold lists of blocks themselves, and define their parts in the order in which they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from recognition.errors import UsageError

Part = Literal["all", "most", "last", "head"]
"""`all`: the whole tower; `most`: all but the stem and the first third of the blocks, which on a CPU cost the most and
change the least; `last`: the last third of the blocks and what follows them; `head`: nothing but the head."""
PARTS: tuple[Part, ...] = ("all", "most", "last", "head")
_LISTS = ("layers", "layer", "blocks", "stages")
_INNER = ("layers", "blocks")
_Block = tuple[str, nn.Module]


def blocks_of(model: nn.Module) -> list[_Block]:
    """The blocks of the image half and their names, in the order in which they run.

    Raises:
        UsageError: there is no list of blocks of a name we know.
    """
    for name, module in model.named_modules():
        *parents, last = name.split(".")
        if last in _LISTS and isinstance(module, nn.ModuleList) and not _of_text(parents):
            return list(_unfold(name, module))
    raise UsageError(f"{type(model).__name__}: its blocks were not found", "train its head alone, or take another")


def choose_trained(model: nn.Module, part: Part) -> list[nn.Module]:
    """Marks the weights that are trained; returns the batch norms whose statistics are to be learnt.

    Statistics stay as they are: those of a batch of training are not those of use. A tower with batch norms that
    never saw a picture is a random one: it is trained whole, statistics too. What was switched off, such as the gates
    of the starter encoder, stays off.
    """
    fresh = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d) and _is_fresh(module)]
    trained = _names(model, "all" if fresh else part)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in trained)
    for module in model.modules():
        if _switched_off(module):
            module.requires_grad_(False)
    return list(fresh)


def _names(model: nn.Module, part: Part) -> set[str]:
    """Names of the weights that `part` means."""
    names = [name for name, _ in model.named_parameters()]
    if part == "head":
        return set()
    if part != "all":
        blocks = blocks_of(model)
        first = len(blocks) // 3 if part == "most" else len(blocks) - max(1, len(blocks) // 3)
        begins = f"{blocks[first][0]}."
        names = names[next(i for i, name in enumerate(names) if name.startswith(begins)) :]
    return {name for name in names if not _of_text(name.split("."))}


def _unfold(name: str, blocks: nn.ModuleList) -> Iterator[_Block]:
    for number, block in enumerate(blocks):
        inner = next((word for word in _INNER if isinstance(getattr(block, word, None), _CONTAINERS)), "")
        children = getattr(block, inner) if inner else None
        if children is not None and len(children):
            yield from ((f"{name}.{number}.{inner}.{i}", child) for i, child in enumerate(children))
        else:
            yield f"{name}.{number}", block


_CONTAINERS = (nn.ModuleList, nn.Sequential)


def _of_text(parts: list[str]) -> bool:
    return any(part.startswith("text_") for part in parts)


def _is_fresh(norm: nn.BatchNorm2d) -> bool:
    mean, var = norm.running_mean, norm.running_var
    return isinstance(mean, Tensor) and isinstance(var, Tensor) and not mean.any() and bool((var == 1).all())


def _switched_off(module: nn.Module) -> bool:
    """Several layers whose weights are all zero: no input moves what comes out."""
    weights = [weight for weight in module.parameters() if weight.ndim > 1]
    return len(weights) > 1 and not any(bool(weight.any()) for weight in weights)
