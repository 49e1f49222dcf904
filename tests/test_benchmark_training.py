"""benchmarks/training.py on tiny tiles. No time is asserted."""

from __future__ import annotations

import pytest
import torch

from benchmarks import training


def test_every_way_takes_its_steps_and_threads_are_as_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "TILES", 2)
    monkeypatch.setattr(training, "SIDE", 64)
    monkeypatch.setattr("sys.argv", ["training", "--repeats", "2", "--steps", "1"])
    before = torch.get_num_threads()
    training.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:14].strip() for line in lines] == ["ultralytics", "all cores", "channels last", "ours"]
    assert "1.000 (1.000..1.000) times as fast" in lines[0]
    assert torch.get_num_threads() == before
