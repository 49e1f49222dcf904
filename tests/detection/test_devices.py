from __future__ import annotations

import pytest
import torch

from recognition.devices import best_device
from recognition.errors import UsageError


@pytest.mark.parametrize(
    ("cards", "mps", "wanted", "name"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (2, True, "auto", "cuda:0"),
        (2, False, "cuda", "cuda:0"),
        (2, False, "cuda:1", "cuda:1"),
        (1, True, "cpu", "cpu"),
    ],
)
def test_a_device_that_is_there(cards: int, mps: bool, wanted: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(cards, mps, monkeypatch)
    assert best_device(wanted) == name


@pytest.mark.parametrize("wanted", ["cuda", "cuda:1", "mps", "tpu", ""])
def test_a_device_that_is_not_there(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _machine(0, False, monkeypatch)
    with pytest.raises(UsageError, match="this machine has cpu"):
        best_device(wanted)


def _machine(cards: int, mps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
