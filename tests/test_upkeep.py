"""What the end of a build leaves in the database beside the references: probes, and what was measured of runtimes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, Shop

import recognition.run
import recognition.upkeep
from recognition.errors import EncoderMismatchError
from recognition.matching.runtime_choice import RuntimeChoice, Trial, read_choice
from recognition.settings import EmbedSettings, Settings
from recognition.skus.catalog import read_catalog
from recognition.skus.database import SkuDatabase
from recognition.skus.migrate import Pictures
from recognition.upkeep import build_and_calibrate, encoder_for, migrate_and_calibrate

DB = Path("sku_db")
CPU = Settings(embed=EmbedSettings(device="cpu"))
TRIAL = Trial("openvino-int8", 0.01, 3.0, 400, 0.998, 0.99, "chosen")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for the measurement, which takes int8 each time: the number of references it was made with."""
    calls: list[int] = []

    def choose(search: object, encoder: object, candidates: dict[str, object], *rest: object) -> RuntimeChoice:
        assert list(candidates) == ["torch", "openvino-bf16", "openvino-int8-weights", "openvino-int8"]
        calls.append(int(str(rest[-1])))
        return RuntimeChoice("openvino-int8", "it is fast", calls[-1], (TRIAL,))

    monkeypatch.setattr(recognition.upkeep, "find_spec", lambda name: object())
    monkeypatch.setattr(recognition.upkeep, "choose_runtime", choose)
    return calls


def build(shop: Shop, *seeds: int, settings: Settings = CPU) -> None:
    build_and_calibrate(read_catalog(shop.catalog(*seeds), None), DB, settings, False, 0.02)[1].close()


def change(statement: str) -> None:
    with closing(sqlite3.connect(DB / "catalog.sqlite")) as db, db:
        db.execute(statement)


def kept(shop: Shop) -> tuple[int, str | None]:
    """The number of probes, and the chosen runtime."""
    probes, choice = read_choice(DB, shop.encoder.fingerprint)
    return len(probes), choice.runtime if choice else None


def test_a_build_leaves_probes_and_the_measured_runtime(shop: Shop, measured: list[int]) -> None:
    build(shop, 1, 2, 3)
    assert kept(shop) == (36, "openvino-int8") and measured == [3]
    probes, _ = read_choice(DB, shop.encoder.fingerprint)
    assert np.allclose(shop.encoder.encode(probes.crops()), probes.vectors, atol=1e-6)


def test_a_build_that_changes_nothing_embeds_and_measures_nothing(shop: Shop, measured: list[int]) -> None:
    build(shop, 1, 2, 3)
    before = shop.encoder.encoded
    build(shop, 1, 2, 3)
    assert shop.encoder.encoded == before and measured == [3]


@pytest.mark.parametrize(("seeds", "calls"), [((1, 2, 3), [2, 3]), ((1, 2), [2])])
def test_it_is_measured_again_when_the_catalogue_grew_by_half(
    shop: Shop, measured: list[int], seeds: tuple[int, ...], calls: list[int]
) -> None:
    build(shop, 1, 2)
    build(shop, *seeds)
    assert measured == calls and kept(shop)[1] == "openvino-int8"


@pytest.mark.parametrize(
    "statement", ["DELETE FROM probe", "UPDATE probe SET vector = zeroblob(768)", "UPDATE runtime SET choice = 'x'"]
)
def test_what_is_absent_or_damaged_is_made_at_the_next_build(shop: Shop, measured: list[int], statement: str) -> None:
    build(shop, 1, 2, 3)
    change(statement)
    build(shop, 1, 2, 3)
    assert kept(shop) == (36, "openvino-int8")
    with SkuDatabase.open(DB) as database:
        database.verify()


@pytest.mark.parametrize(("runtime", "device"), [("torch", "cpu"), ("auto", "cuda:0")])
def test_who_names_a_runtime_or_a_gpu_measures_none(
    shop: Shop, measured: list[int], monkeypatch: pytest.MonkeyPatch, runtime: str, device: str
) -> None:
    monkeypatch.setattr(recognition.upkeep, "best_device", lambda wanted: wanted)
    build(shop, 1, 2, settings=Settings(embed=EmbedSettings(runtime=runtime, device=device)))
    assert kept(shop) == (24, None) and not measured


def test_a_small_catalogue_keeps_the_exact_runtime_and_says_why(shop: Shop, cli: Cli) -> None:
    build(shop, 1, 2, 3)
    values = json.loads(cli("skus", "info", "--json").out)
    assert values["probes"] == 36 and values["runtime"]["runtime"] == "auto"
    assert "3 references with a picture are too few" in values["runtime"]["why"]
    assert "auto: 3 references" in cli("skus", "info").out


def test_info_shows_every_figure(shop: Shop, cli: Cli, measured: list[int]) -> None:
    build(shop, 1, 2)
    said = cli("skus", "info").out
    assert "openvino-int8: it is fast" in said
    assert "openvino-int8: 10.0 ms a crop, 3.00 x, 99.8% of 400 views, cosine 0.9900: chosen" in said
    change("DELETE FROM runtime")
    assert "none was measured" in cli("skus", "info").out
    assert json.loads(cli("skus", "info", "--json").out)["runtime"] is None


def test_references_are_never_embedded_by_int8(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    load = recognition.upkeep.load_encoder
    monkeypatch.setattr(recognition.upkeep, "load_encoder", lambda one: asked.append(one.runtime) or load(one))
    for runtime in ("openvino-int8", "openvino-int8-weights", "torch", "auto"):
        encoder_for(DB, EmbedSettings(runtime=runtime))
    assert asked == ["auto", "auto", "torch", "auto"]


def test_a_migration_makes_them_anew(shop: Shop, measured: list[int]) -> None:
    build(shop, 1, 2, 3)
    former, shop.encoder.fingerprint = shop.encoder.fingerprint, "0" * 32
    migrate_and_calibrate(DB, CPU, Pictures(Path()), False, 0.02)
    assert kept(shop) == (36, "openvino-int8") and measured == [3, 3]
    assert len(read_choice(DB, former)[0]) == 0


def test_vectors_that_were_exported_bring_their_probes(shop: Shop, cli: Cli) -> None:
    build(shop, 1, 2, 3)
    probes = read_choice(DB, shop.encoder.fingerprint)[0]
    assert cli("skus", "export", "out", "--vectors").code == 0
    assert cli("skus", "import", "out", "--encoder", "starter", "--db", "other").code == 0
    carried = read_choice(Path("other"), shop.encoder.fingerprint)[0]
    assert carried.pictures == probes.pictures and np.array_equal(carried.vectors, probes.vectors)


def test_a_database_is_opened_only_with_an_encoder_that_makes_its_vectors(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(shop, 1, 2)
    whole = shop.encoder.encode
    monkeypatch.setattr(shop.encoder, "encode", lambda crops: np.roll(whole(crops), 1, axis=1))
    with pytest.raises(EncoderMismatchError, match="cosine") as told, recognition.run.open_recognizer(CPU, DB):
        pass
    assert "--runtime torch" in told.value.hint
    change("DELETE FROM probe")
    with recognition.run.open_recognizer(CPU, DB):
        pass
    int8 = replace(CPU, embed=EmbedSettings(runtime="openvino-int8", device="cpu"))
    with pytest.raises(EncoderMismatchError, match="no probes"), recognition.run.open_recognizer(int8, DB):
        pass
