from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from recognition.commands import train_encoder as command
from recognition.training import encoder_run
from recognition.training.encoder import Progress
from recognition.training.encoder_options import EncoderOptions
from recognition.training.encoder_run import TrainReport

Asked = dict[str, Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the command asked the library for; `after` is the recall that it answers with."""
    asked: Asked = {"after": 0.75}

    def fake(
        options: EncoderOptions, out: Path, settings: object, overwrite: bool, say: Callable[[str], None],
        progress: Callable[[Progress], None], every: int,
    ) -> TrainReport:  # fmt: skip
        asked.update(options=options, out=out, overwrite=overwrite, every=every)
        say("40 products")
        progress(Progress(50, 1.25, 0.5, 20.0, 75.0, 0.5))
        return TrainReport("out/encoder", 0.5, asked["after"], 8, "products", 16, 32, 40, 100, 9.5, {})

    monkeypatch.setattr(encoder_run, "train_encoder", fake)
    return asked


def test_defaults_are_left_to_the_library(asked: Asked, cli: Cli) -> None:
    answer = cli("train", "encoder", "--rendered", "3", "--out", "out")
    assert answer.code == 0
    assert asked["options"] == EncoderOptions(rendered=3)
    assert (asked["out"], asked["overwrite"], asked["every"]) == (Path("out"), False, command.LINE_EVERY)


def test_every_option_arrives(asked: Asked, cli: Cli) -> None:
    line = (
        "--catalog c.csv --images i --crops c --photos p --packshots s --from siglip --judge starter --train last "
        "--loss sigmoid --dim 64 --steps 9 --batch 7 --rate 0.001 --size 96 --seed 3 --overwrite --out out"
    )
    cli("train", "encoder", *line.split())
    assert asked["overwrite"] and asked["options"] == EncoderOptions(
        catalog=Path("c.csv"), images=Path("i"), crops=Path("c"), photos=Path("p"), packshots=Path("s"),
        start="siglip", judge="starter", part="last", loss="sigmoid", dim=64, steps=9, batch=7, rate=0.001, size=96,
        seed=3,
    )  # fmt: skip


def test_what_is_printed_where(asked: Asked, cli: Cli) -> None:
    answer = cli("train", "encoder", "--rendered", "1", "--out", "out")
    assert answer.out.splitlines() == [
        "recall@1 on 8 held-out products (16 views, products): 0.500 before, 0.750 after 100 steps",
        "out/encoder",
    ]
    assert answer.err.splitlines() == ["40 products", "step 50: loss 1.250, right 0.500, 20 views/s, 1:15 left"]


def test_a_result_that_is_not_better_is_told(asked: Asked, cli: Cli) -> None:
    asked["after"] = 0.5
    assert "not better than the start" in cli("train", "encoder", "--rendered", "1", "--out", "out").out


def test_json(asked: Asked, cli: Cli) -> None:
    answer = cli("train", "encoder", "--rendered", "1", "--out", "out", "--json")
    assert json.loads(answer.out)["recall_after"] == 0.75


@pytest.mark.parametrize("line", ["", "--out out", "--out out --rendered -1", "--out out --rendered 1 --train some"])
def test_wrong_usage(line: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("train", "encoder", *line.split()).code == 2
    assert not list(tmp_path.iterdir())
