"""Trains an encoder by metric learning: steps, their schedule, the running average, checkpoints, interruptions."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from pickle import UnpicklingError
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from recognition.errors import EncoderError, OutputError, WeightsError
from recognition.parallel import THREADS, map_ahead, thread_pool
from recognition.training.contrast import Keys, perhaps_same, share_right
from recognition.training.encoder_net import EncoderNet
from recognition.training.views import Batch, Batches

HEAD_RATE, DECAY, LARGEST_GRADIENT = 1e-3, 0.02, 5.0
CONVOLUTION_RATE, TRANSFORMER_RATE = 4e-4, 3e-5
LOSS_RATE = 1e-2
WARM_UP, WARM_SHARE = 100, 0.1
"""The rate rises for so many steps, or for that share of the budget if it is shorter."""
LEAST_RATE = 0.01
AVERAGE = 0.998
CHECKPOINT_EVERY_S = 240


@dataclass(frozen=True)
class Budget:
    """How long training goes on: minutes, or steps when they are not 0."""

    minutes: float
    steps: int = 0

    def share(self, step: int, seconds: float) -> float:
        """How much of it is over, 0 to 1 and above."""
        return step / self.steps if self.steps else seconds / 60 / self.minutes


@dataclass(frozen=True)
class Progress:
    """Where training stands. loss, right: means since the last report; right: share of references whose view was
    nearest; views_s: pictures a second; left_s: seconds to go; share: 0 to 1."""

    step: int
    loss: float
    right: float
    views_s: float
    left_s: float
    share: float


@dataclass(frozen=True, eq=False)
class Rows:
    """What is known of each product that is trained on, one row each: see `Keys`. family: those of one may be one
    product (see `encoder_pairs`)."""

    family: Tensor
    group: Tensor
    named: Tensor
    likeness: Tensor

    def keys(self, rows: Tensor) -> Keys:
        """Of some rows, int64 (n,)."""
        return Keys(self.family[rows], self.group[rows], self.named[rows], self.likeness[rows])


class Trainer:
    """Network, optimizer and running average; `step` takes one batch. seconds: spent training, earlier runs included.

    Mixed precision is used on CUDA cards that compute in bfloat16.
    """

    def __init__(self, net: EncoderNet, loss: nn.Module, rows: Rows, rate: float) -> None:
        """rate: of the tower's weights, 0 chooses; the head's is larger by the same factor as without a choice."""
        self.net, self.loss, self.step_number, self.seconds = net, loss, 0, 0.0
        self._rows = rows
        usual = CONVOLUTION_RATE if net.convolutional else TRANSFORMER_RATE
        factor = (rate or usual) / usual
        tower = [weight for weight in net.tower.parameters() if weight.requires_grad]
        groups = [
            {"params": [weight for weight in tower if weight.ndim > 1], "lr": usual * factor},
            {"params": [weight for weight in tower if weight.ndim <= 1], "lr": usual * factor, "weight_decay": 0.0},
            {"params": [] if net.head is None else list(net.head.parameters()), "lr": HEAD_RATE * factor},
            {"params": list(loss.parameters()), "lr": LOSS_RATE, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=DECAY)
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._live = _moving(net)
        self._average = {name: value.clone() for name, value in self._live.items()}
        cuda = net.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        self._precision = torch.autocast("cuda", torch.bfloat16) if cuda else nullcontext()

    def step(self, batch: Batch, share: float) -> tuple[Tensor, Tensor]:
        """One batch; share: how much of the budget is over. The loss and the share of rows that were right."""
        device = self.net.device
        self.net.train()
        warm = min(1.0, max((self.step_number + 1) / WARM_UP, share / WARM_SHARE))
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(share, 1.0)) + LEAST_RATE)
        pictures = torch.cat([torch.from_numpy(batch.references), torch.from_numpy(batch.views)]).to(device)
        with self._precision:
            references, views = self.net(pictures).float().chunk(2)
        cosines = references @ views.T
        same = perhaps_same(self._rows.keys(torch.from_numpy(batch.rows).to(device)))
        loss = self.loss(cosines, same)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self._optimizer.step()
        self.step_number += 1
        self._follow()
        return loss.detach(), share_right(cosines.detach(), same)

    def use_average(self) -> None:
        """Puts the running average (Polyak and Juditsky 1992), which is what is saved, in place of the weights."""
        with torch.no_grad():
            for name, value in self._live.items():
                value.copy_(self._average[name])

    def save(self, file: Path, notes: dict[str, float | str]) -> None:
        """Writes a checkpoint; the former one stays until the new one is whole.

        Raises:
            OutputError: it cannot be written.
        """
        state = {
            "live": self._live, "average": self._average, "optimizer": self._optimizer.state_dict(),
            "loss": self.loss.state_dict(), "step": self.step_number, "seconds": self.seconds, "notes": notes,
        }  # fmt: skip
        partial = file.with_suffix(".partial")
        try:
            torch.save(state, partial)
            partial.replace(file)
        except (OSError, RuntimeError) as error:
            raise OutputError(
                f"cannot write {file}: {error}", "free some space, then give the command again"
            ) from error

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what `read_checkpoint` found."""
        with torch.no_grad():
            for name, value in self._live.items():
                value.copy_(state["live"][name])
                self._average[name].copy_(state["average"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.loss.load_state_dict(state["loss"])
        self.step_number, self.seconds = state["step"], state["seconds"]

    def _follow(self) -> None:
        share = min(AVERAGE, (self.step_number + 1) / (self.step_number + 20))
        with torch.no_grad():
            for name, value in self._live.items():
                self._average[name].lerp_(value, 1 - share)


def read_checkpoint(file: Path, device: torch.device) -> dict[str, Any] | None:
    """What `Trainer.save` wrote, or None when there is no file.

    Raises:
        WeightsError: the file is broken.
    """
    if not file.is_file():
        return None
    try:
        return dict(torch.load(file, map_location=device, weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise WeightsError(f"checkpoint {file}: {error}", "begin anew with --overwrite") from error


def train(
    trainer: Trainer, batches: Batches, budget: Budget, save: Callable[[], None],
    report: Callable[[Progress], None], every: int,
) -> None:  # fmt: skip
    """Trains until the budget is spent; `save` is called every four minutes and at the end, `report` each `every`
    steps.

    Raises:
        KeyboardInterrupt: the run was told to stop (SIGINT, SIGTERM); the step was finished and saved.
        EncoderError: the loss is no number any more.
    """
    begun = time.monotonic() - trainer.seconds
    saved = since = time.monotonic()
    sums: list[tuple[Tensor, Tensor]] = []
    views = 0
    with _told_to_stop() as stopped, _drawn_ahead(batches, trainer) as drawn:
        while (share := budget.share(trainer.step_number, trainer.seconds)) < 1 and not stopped.is_set():
            batch = next(drawn)
            sums.append(trainer.step(batch, share))
            views += 2 * len(batch.rows)
            now = time.monotonic()
            trainer.seconds = now - begun
            if trainer.step_number % every == 0:
                report(_progress(trainer, budget, sums, views / (now - since)))
                sums, views, since = [], 0, now
            if now - saved > CHECKPOINT_EVERY_S:
                save()
                saved = time.monotonic()
        save()
        if stopped.is_set():
            raise KeyboardInterrupt


def _progress(trainer: Trainer, budget: Budget, sums: list[tuple[Tensor, Tensor]], views_s: float) -> Progress:
    loss, right = (float(torch.stack(values).mean()) for values in zip(*sums, strict=True))
    if not math.isfinite(loss):
        hint = "begin anew with --overwrite and a lower --rate"
        raise EncoderError(f"step {trainer.step_number}: the loss is {loss}", hint)
    share = budget.share(trainer.step_number, trainer.seconds)
    left = trainer.seconds * (1 - share) / share if budget.steps else budget.minutes * 60 - trainer.seconds
    return Progress(trainer.step_number, loss, right, views_s, max(0.0, left), min(1.0, share))


def _moving(net: EncoderNet) -> dict[str, Tensor]:
    """The weights and statistics that training changes, by name; the tensors themselves."""
    trained = {name for name, weight in net.named_parameters() if weight.requires_grad}
    fresh = {id(buffer) for norm in net.fresh_norms for buffer in norm.buffers() if buffer.is_floating_point()}
    trained |= {name for name, buffer in net.named_buffers() if id(buffer) in fresh}
    everything = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {name: value.detach() for name, value in everything.items() if name in trained}


@contextmanager
def _drawn_ahead(batches: Batches, trainer: Trainer) -> Iterator[Iterator[Batch]]:
    """Batches from the next step on, drawn in threads: one on a CPU, which the network needs itself."""
    workers = 1 if trainer.net.device.type == "cpu" else THREADS
    with thread_pool(workers, "draw-batches") as pool:
        yield map_ahead(pool, batches.draw, count(trainer.step_number), 2 * workers)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set at the first SIGINT or SIGTERM, so that a step is finished; a second one interrupts at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
