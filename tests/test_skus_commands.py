"""`recognize.py skus ...` as a user types it, over a fake encoder and the real database."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import Answer, Cli, Shop

from recognition.skus.database import SkuDatabase
from recognition.skus.lock import writer_lock

DB = Path("sku_db")


@pytest.fixture
def ready(shop: Shop, cli: Cli) -> Shop:
    """A shop whose database holds SKUs S1, S2 and S3."""
    assert cli("skus", "build", shop.catalog(1, 2, 3)).code == 0
    return shop


def last(answer: Answer) -> dict[str, object]:
    return dict(json.loads(answer.out.splitlines()[-1]))


def counts(answer: Answer) -> tuple[object, ...]:
    return tuple(last(answer)[name] for name in ("added", "updated", "unchanged", "removed", "embedded", "rejected"))


def info(cli: Cli, db: Path = DB) -> tuple[object, object]:
    values = last(cli("skus", "info", "--db", db, "--json"))
    return values["skus"], values["references"]


def nearest(shop: Shop, db: Path) -> list[tuple[list[str], list[float]]]:
    queries = shop.encoder.encode([shop.pack(seed) for seed in range(1, 9)])
    with SkuDatabase.open(db) as database:
        found = database.search(queries, 3)
        texts = {number: sku.sku for number, sku in database.describe(found.skus.ravel().tolist()).items()}
        return [
            ([texts[sku] for sku in skus], scores)
            for skus, scores in zip(found.skus.tolist(), found.scores.tolist(), strict=True)
        ]


# --- build and add --------------------------------------------------------------------------------------------------


def test_every_kind_of_source_builds_the_same(shop: Shop, cli: Cli) -> None:
    shop.catalog(1, 2, 3)
    polars.read_csv("catalog.csv").write_parquet("catalog.parquet")
    for seed in (1, 2, 3):
        shop.picture(f"folder/S{seed}.png" if seed < 3 else "folder/S3/front.png", seed)
    for number, source in enumerate(("catalog.csv", "catalog.parquet", "folder")):
        answer = cli("skus", "build", source, "--db", f"db{number}", "--json")
        assert (answer.code, counts(answer)) == (0, (3, 0, 0, 0, 3, 0)), answer.err
        assert json.loads(answer.out.splitlines()[-2]) == {"committed_references": 3}
    assert nearest(shop, Path("db0")) == nearest(shop, Path("db1")) == nearest(shop, Path("db2"))


def test_the_second_run_embeds_nothing_and_loads_no_model(
    ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    import recognition.embedding.lazy
    import recognition.upkeep

    def load(settings: object) -> object:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(recognition.upkeep, "load_encoder", load)
    monkeypatch.setattr(recognition.embedding.lazy, "fingerprint", lambda *_: ready.encoder.fingerprint)
    assert counts(cli("skus", "build", "catalog.csv", "--json")) == (0, 0, 3, 0, 0, 0)
    assert counts(cli("skus", "add", "catalog.csv", "--json")) == (0, 0, 3, 0, 0, 0)
    with pytest.raises(AssertionError, match="the model was loaded"):
        cli("skus", "build", ready.catalog(1, 4))


def test_a_changed_encoder_is_refused(ready: Shop, cli: Cli) -> None:
    ready.encoder.fingerprint = "0" * 32
    answer = cli("skus", "add", "catalog.csv")
    assert answer.code == 1 and "were made by encoder fake" in answer.err


def test_add_keeps_references_that_build_removes(ready: Shop, cli: Cli) -> None:
    ready.picture("more/S1.png", 7)
    assert counts(cli("skus", "add", "more", "--json")) == (0, 1, 0, 0, 1, 0)
    assert info(cli) == (3, 4)
    assert counts(cli("skus", "build", "more", "--json")) == (0, 1, 0, 0, 0, 0)
    assert info(cli) == (3, 3)
    assert counts(cli("skus", "build", "more", "--prune", "--json")) == (0, 0, 1, 2, 0, 0)
    assert info(cli) == (1, 1)


def test_rows_with_problems_go_into_a_file(shop: Shop, cli: Cli) -> None:
    catalog = shop.catalog(1, extra="=X,packs/none.png\n,packs/1.png\n")
    answer = cli("skus", "build", catalog, "--failures", "bad.csv")
    assert (answer.code, answer.err) == (3, "2 problems listed in bad.csv\n")
    with Path("bad.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["line", "sku", "column", "error", "hint", "rejected"]
    assert [(row[0], row[1], row[2], row[5]) for row in rows] == [
        ("3", "'=X", "image", "True"),
        ("4", "", "sku", "True"),
    ]
    assert cli("skus", "add", catalog, "--failures", "none/bad.csv").code == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Path("c.csv").write_text(""), "c.csv: the file is empty"),
        (lambda: Path("c.csv").write_text("sku,image\n"), "no row could be used"),
        (lambda: polars.DataFrame({"a": [1]}).write_parquet("c.csv.parquet"), "no column sku"),
        (lambda: Path("c.csv").mkdir(), "holds no picture"),
        (lambda: None, "No such file"),
    ],
)
def test_a_source_of_which_nothing_can_be_used_is_1(shop: Shop, cli: Cli, make: object, words: str) -> None:
    make()
    source = "c.csv.parquet" if Path("c.csv.parquet").exists() else "c.csv"
    for command in ("build", "add"):
        answer = cli("skus", command, source)
        assert answer.code == 1 and words in answer.err


def test_who_holds_the_lock_is_said(ready: Shop, cli: Cli) -> None:
    with writer_lock(DB):
        for command in (["build", "catalog.csv"], ["add", "catalog.csv"], ["remove", "S1"]):
            answer = cli("skus", *command)
            assert answer.code == 1 and f"process {os.getpid()}" in answer.err


def test_what_was_embedded_before_an_interruption_is_kept(
    shop: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = shop.catalog(*range(1, 8))
    Path("s.toml").write_text("[embed]\nbatch_size = 1\n")
    whole = shop.encoder.encode

    def encode(crops: list[np.ndarray]) -> np.ndarray:
        if shop.encoder.encoded == 5:
            raise KeyboardInterrupt
        return whole(crops)

    with monkeypatch.context() as patch:
        patch.setattr(shop.encoder, "encode", encode)
        answer = cli("--settings", "s.toml", "skus", "build", catalog, "--json")
    assert answer.code == 130 and last(answer) == {"committed_references": 5}
    assert counts(cli("skus", "build", catalog, "--json")) == (2, 0, 5, 0, 2, 0)


# --- remove ---------------------------------------------------------------------------------------------------------


def test_remove_says_what_it_did_not_know(ready: Shop, cli: Cli) -> None:
    answer = cli("skus", "remove", "S1", "S9", "--json")
    assert (answer.code, last(answer)) == (3, {"removed": 1, "unknown": ["S9"]})
    assert json.loads(answer.out.splitlines()[0]) == {"committed_references": 2}
    assert "S9: no such SKU or GTIN" in answer.err
    Path("gone.txt").write_text("S2\nS3\n")
    answer = cli("skus", "remove", "--from", "gone.txt")
    assert (answer.code, answer.out) == (0, "sku_db: 2 SKUs removed, 0 names unknown\n")
    assert info(cli) == (0, 0)
    assert cli("skus", "remove", "S1").code == 1
    assert cli("skus", "remove", "--from", "none.txt").code == 1
    assert cli("skus", "remove", "S1", "--db", "none").code == 1


@pytest.mark.parametrize("words", ["", "S1 --from gone.txt"])
def test_remove_wants_names_or_a_file(ready: Shop, cli: Cli, words: str) -> None:
    assert cli("skus", "remove", *words.split()).code == 2
    assert info(cli) == (3, 3)


# --- export and import ----------------------------------------------------------------------------------------------


def test_an_export_comes_back_with_the_same_answers(ready: Shop, cli: Cli) -> None:
    assert cli("skus", "export", "vectors", "--vectors").out == "vectors: 3 references\n"
    before = ready.encoder.encoded
    answer = cli("skus", "import", "vectors", "--encoder", "starter", "--db", "copy", "--json")
    assert (answer.code, counts(answer)) == (0, (3, 0, 0, 0, 3, 0)), answer.err
    assert ready.encoder.encoded == before
    assert nearest(ready, Path("copy")) == nearest(ready, DB)
    answer = cli("skus", "build", "vectors", "--db", "copy", "--json")
    assert (answer.code, counts(answer)) == (0, (0, 0, 3, 0, 0, 0))
    for name in ("out.csv", "out.parquet"):
        assert cli("skus", "export", name).code == 0
        assert counts(cli("skus", "build", name, "--json")) == (0, 0, 3, 0, 0, 0)
    assert cli("skus", "export", "out.xlsx").code == 2
    assert cli("skus", "export", "vectors", "--vectors").code == 1


def test_vectors_made_elsewhere_can_be_imported(ready: Shop, cli: Cli) -> None:
    Path("theirs/img_emb").mkdir(parents=True)
    Path("theirs/metadata").mkdir()
    np.save("theirs/img_emb/img_emb_0.npy", ready.encoder.encode([ready.pack(8)]).astype(np.float16))
    polars.DataFrame({"product": ["P8"], "image_path": ["x.jpg"]}).write_parquet("theirs/metadata/metadata_0.parquet")
    columns = ("--column", "sku=product")
    assert cli("skus", "import", "theirs", "--encoder", "starter").code == 1
    assert cli("skus", "import", "theirs", *columns).code == 2, "who made them must be said"
    assert cli("skus", "import", "theirs", "--encoder", "starter", "--column", "sku").code == 2
    assert "no such column" in cli("skus", "import", "theirs", "--encoder", "starter", "--column", "x=product").err
    answer = cli("skus", "import", "theirs", "--encoder", "starter", *columns, "--json")
    assert counts(answer) == (1, 0, 0, 0, 1, 0)
    assert nearest(ready, DB)[7][0][0] == "P8"
    np.save("theirs/img_emb/img_emb_0.npy", np.ones((1, 9), np.float32) / 3)
    answer = cli("skus", "import", "theirs", "--encoder", "starter", *columns)
    assert answer.code == 1 and "vectors of 9 numbers; encoder fake makes 192" in answer.err


def test_an_import_without_its_encoder_is_refused(ready: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import recognition.upkeep
    from recognition.embedding.loading import load_encoder

    assert cli("skus", "export", "vectors", "--vectors").code == 0
    monkeypatch.setattr(recognition.upkeep, "load_encoder", load_encoder)
    answer = cli("skus", "import", "vectors", "--encoder", "./gone", "--db", "other")
    assert answer.code == 1 and answer.err.startswith("error: encoder ./gone: no such folder")
    assert not Path("other").exists()


# --- compact, views ---------------------------------------------------------------------------------------------------


def test_compact_drops_removed_references(ready: Shop, cli: Cli) -> None:
    before = nearest(ready, DB)
    assert cli("skus", "remove", "S2").code == 0
    answer = cli("skus", "compact", "--json")
    assert (answer.code, last(answer)["dropped"]) == (0, 0), answer.err
    answer = cli("skus", "compact", "--rewrite", "--json")
    assert json.loads(answer.out.splitlines()[0]) == {"committed_references": 2}
    assert (last(answer)["references"], last(answer)["dropped"]) == (2, 1)
    assert counts(cli("skus", "build", "catalog.csv", "--json")) == (1, 0, 2, 0, 1, 0)
    assert nearest(ready, DB) == before
    assert "3 references, 0 indexed, 0 rows dropped" in cli("skus", "compact", "--rewrite").out
    assert cli("skus", "compact", "--db", "none").code == 1


def test_migrate_switches_to_another_encoder(ready: Shop, cli: Cli) -> None:
    ready.encoder.name, ready.encoder.fingerprint = "other", "0" * 32
    Path("packs/2.png").rename("away.png")
    answer = cli("skus", "migrate", "--encoder", "starter")
    assert answer.code == 1 and answer.err.startswith("lost: S2, packs/2.png")
    assert last(cli("skus", "info", "--json"))["encoder"] == "fake"
    answer = cli("skus", "migrate", "--encoder", "starter", "--thumbnails", "--json")
    assert (answer.code, last(answer)["references"], last(answer)["embedded"]) == (0, 3, 3), answer.err
    values = last(cli("skus", "info", "--json"))
    assert (values["encoder"], values["calibrated"]) == ("other", True)
    assert [names[0] for names, _ in nearest(ready, DB)[:3]] == ["S1", "S2", "S3"]
    assert cli("skus", "migrate").code == 2


def test_views_are_set_with_new_thresholds(ready: Shop, cli: Cli) -> None:
    assert last(cli("skus", "info", "--json"))["views"] == "apart"
    assert cli("skus", "build", "catalog.csv", "--views", "averaged").code == 0
    values = last(cli("skus", "info", "--json"))
    assert (values["views"], values["calibrated"]) == ("averaged", True)
    assert cli("skus", "build", "catalog.csv", "--views", "other").code == 2


# --- audit, info, verify --------------------------------------------------------------------------------------------


def test_audit_tells_in_words_csv_and_json(ready: Shop, cli: Cli) -> None:
    Path("twice.csv").write_text("sku,image,gtin\nT,packs/1.png,2000000000008\n")
    assert cli("skus", "add", "twice.csv").code == 0
    answer = cli("skus", "audit", "--json", "--out", "found.csv")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert [(f["kind"], f["sku"], f["other"], f["cosine"]) for f in found if f["kind"] != "picture"] == [
        ("gtin", "T", "", None),
        ("shared picture", "S1", "T", None),
    ]
    with Path("found.csv").open(newline="") as file:
        assert [row["kind"] for row in csv.DictReader(file)] == [f["kind"] for f in found]
    text = cli("skus", "audit", "--cosine", "0").out
    assert "shared picture  S1 / T  the same picture" in text and "twins" in text
    assert cli("skus", "audit", "--db", "none").code == 1


def test_a_database_from_the_future_is_refused_by_every_command(ready: Shop, cli: Cli) -> None:
    import sqlite3

    with sqlite3.connect(DB / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for words in ("build catalog.csv", "add catalog.csv", "remove S1", "info", "verify", "export c.csv", "audit"):
        answer = cli("skus", *words.split())
        assert answer.code == 1 and "format 99" in answer.err and "update the program" in answer.err


def test_progress_shows_rate_and_time_left(shop: Shop) -> None:
    code = """
import sys, time
sys.stderr.isatty = lambda: True
from recognition.commands.common import progress_bar
with progress_bar("references") as advance:
    for done in range(1, 5):
        advance(done, 8)
        time.sleep(0.12)
"""
    root = str(Path(__file__).parents[1])
    paths = os.environ | {"PYTHONPATH": root, "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "references" in done.stderr and "4/8" in done.stderr and "/s" in done.stderr and "0:00:0" in done.stderr
