"""Which device a model runs on."""

from __future__ import annotations

from recognition.errors import UsageError


def best_device(wanted: str = "auto") -> str:
    """The torch device for a wish: "cuda:0", "mps", "cpu", or "cuda:N" where it was asked for.

    `auto` takes the first that is there of CUDA, MPS, CPU; `cuda` means the first card.

    Raises:
        UsageError: the wanted device has no such name, or this machine does not have it.
    """
    import torch

    there = [f"cuda:{n}" for n in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    there += ["mps"] if torch.backends.mps.is_available() else []
    there += ["cpu"]
    name = {"auto": there[0], "cuda": "cuda:0"}.get(wanted, wanted)
    if name not in there:
        raise UsageError(f"device {wanted} is not there", f"this machine has {', '.join(there)}; auto picks the best")
    return name
