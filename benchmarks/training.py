"""A step of training the detector on a CPU, as ultralytics takes it and as this program does, taking turns.

`python -m benchmarks.training --repeats 5 --steps 4`

Sixteen tiles of noise with 40 products each; forward, loss and backward, which are all but all of a step. The ways
differ in what `train detector` changes: threads (ultralytics leaves one core out), the layout of pictures and weights,
and bfloat16 where the CPU multiplies matrices of it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch

from benchmarks.photo import Spread
from recognition.detection.safe_ultralytics import training_model
from recognition.training import detector_fit

TILES, SIDE, PRODUCTS = 16, 320, 40


def measure(rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds of a step by way, one number per round."""
    every = torch.get_num_threads()
    ways = {
        "ultralytics": _way(None, max(1, (os.cpu_count() or 1) - 1)),
        "all cores": _way(None, every),
        "channels last": _way(False, every),
        "ours": _way(detector_fit.multiplies_bfloat16(), every),
    }
    try:
        return _take_turns(ways, rounds, steps)
    finally:
        torch.set_num_threads(every)


def _take_turns(ways: dict[str, Callable[[], None]], rounds: int, steps: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first is not counted: libraries choose their kernels
        for name, step in ways.items():
            begun = time.perf_counter()
            for _ in range(steps):
                step()
            if turn:
                seconds[name].append((time.perf_counter() - begun) / steps)
    return seconds


def _way(mixed: bool | None, threads: int) -> Callable[[], None]:
    """One step of a network of its own. mixed: as `train detector`, with or without bfloat16; None as ultralytics."""
    torch.manual_seed(0)
    model = training_model("yolov8n.yaml").model.train()
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    if mixed is not None:
        detector_fit.suit_cpu(model, mixed)
    corners = torch.rand(TILES * PRODUCTS, 2) * 0.8 + 0.1
    batch = {
        "img": torch.rand(TILES, 3, SIDE, SIDE), "cls": torch.zeros(TILES * PRODUCTS, 1),
        "bboxes": torch.cat([corners, torch.full_like(corners, 0.14)], dim=1),
        "batch_idx": torch.arange(TILES).repeat_interleave(PRODUCTS).float(),
    }  # fmt: skip

    def step() -> None:
        torch.set_num_threads(threads)
        loss, _ = model(batch)
        model.zero_grad()
        loss.sum().backward()

    return step


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--steps", type=int, default=4, help="steps of each way in a round")
    options = parser.parse_args()
    seconds = measure(options.repeats, options.steps)
    for name, own in seconds.items():
        times = Spread.of([a / b for a, b in zip(seconds["ultralytics"], own, strict=True)])
        print(f"{name:14} {Spread.of(own)} s a step, {times} times as fast as ultralytics")


if __name__ == "__main__":
    main()
