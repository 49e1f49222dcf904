"""benchmarks/figures.py, with the command line replaced: no model is loaded and nothing is measured."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import benchmarks.figures as figures


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What was run. SigLIP cannot be reached; everything else gives one figure."""
    commands: list[tuple[str, ...]] = []

    def recognize(*arguments: str) -> subprocess.CompletedProcess[str]:
        commands.append(arguments)
        if "siglip" in arguments:
            return subprocess.CompletedProcess(arguments, 1, "", "warning\nerror: the hub is out of reach\n")
        shown = {"ap50": 0.9, "recall_at_1": 0.5, "recall_at_1_low": 0.25, "recall_at_1_high": 0.75, "ms": 12.34}
        return subprocess.CompletedProcess(arguments, 0, f"first\n{json.dumps(shown)}\n", "")

    monkeypatch.setattr(figures, "_recognize", recognize)
    return commands


def test_every_row_is_a_command_that_can_be_typed(
    tmp_path: Path, typed: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    figures.main([str(tmp_path), "--encoder", "own/encoder", "--out", str(tmp_path / "figures.json")])
    told = capsys.readouterr()
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [len(written[part]) for part in ("detection", "matching", "demo")] == [2, 18, 1]
    assert len(typed) == 2 + 18 + 3
    commands = [row["command"] for row in written["matching"]]
    assert commands[0] == (
        f"python recognize.py evaluate matching {tmp_path}/grocery_store --asked-only --encoder own/encoder"
    )
    assert f"python recognize.py evaluate matching {tmp_path}/cornershop_dev --method sift" in commands
    assert "### Matching" in told.out and "0.500 (0.25 to 0.75)" in told.out and "12.3" in told.out
    failed = [row for row in written["matching"] if row["error"]]
    assert [row["error"] for row in failed] == ["the hub is out of reach"] * 3
    assert "not measured: the hub is out of reach" in told.out
    assert told.err.count("python recognize.py") == 20


def test_a_part_alone(tmp_path: Path, typed: list[tuple[str, ...]]) -> None:
    figures.main([str(tmp_path), "--only", "detection", "--detector", "own.pt"])
    assert typed == [
        ("evaluate", "detection", str(tmp_path / name), "--detector", "own.pt", "--json")
        for name in ("tobacco", "cornershop_dev")
    ]


def test_rows_of_a_table_have_one_cell_per_column() -> None:
    good, bad = figures.Row("a", ("x",), {"ap": 0.5}), figures.Row("b", ("x",), error="no")
    table = figures.as_markdown("T", ["ap", "f1"], [good, bad]).splitlines()
    assert {line.count("|") for line in table if line.startswith("|")} == {5}
    assert table[-1] == "| b | not measured: no |  | `python recognize.py x` |"


@pytest.mark.parametrize("wrong", [["nowhere"], [".", "--only", "nothing"], [".", "--out", "nowhere/x.json"]])
def test_wrong_use_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        figures.main(wrong)
    assert stopped.value.code == 2
