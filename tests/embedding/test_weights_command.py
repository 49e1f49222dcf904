"""`weights list | fetch | verify`, with a hub that is a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from typer.testing import CliRunner

import recognize
from recognition.embedding import store
from recognition.embedding.registry import ENCODERS
from recognition.embedding.store import CheckedWeights
from recognition.errors import UsageError, WeightsError
from recognition.weights import weights_dir

COMMIT = "0123456789012345678901234567890123456789"


def run(*words: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(recognize.app, ["weights", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout.splitlines()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, filled by a download that is none."""

    def download(repository: str, revision: str, **_: Any) -> str:
        place = tmp_path / "cache" / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.safetensors").write_bytes(revision.encode())
        return str(place)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_list_before_anything_was_fetched() -> None:
    code, lines = run("list", "--json")
    rows = [json.loads(line) for line in lines]
    assert (code, [row["name"] for row in rows]) == (0, [row.name for row in ENCODERS])
    assert {row["name"]: row["state"] for row in rows if row["state"] != "not here"} == {"starter": "ships"}


def test_fetch_then_list_then_verify() -> None:
    code, (line,) = run("fetch", "siglip")
    assert code == 0 and "google/siglip-base-patch16-256 at 012345678901" in line
    assert run("fetch", "me/mine", "--revision", "v2", "--json")[0] == 0
    _, lines = run("list", "--json")
    rows = {row["name"]: row for row in map(json.loads, lines)}
    assert (rows["siglip"]["state"], rows["siglip"]["revision"]) == ("fetched", COMMIT)
    assert rows["me/mine"]["state"] == "fetched" and Path(rows["me/mine"]["path"]).is_dir()
    code, lines = run("verify", "--json")
    assert code == 0
    assert [json.loads(line)["name"] for line in lines] == ["starter", "google/siglip-base-patch16-256", "me/mine"]


def test_fetch_says_what_was_asked() -> None:
    _, (line,) = run("fetch", "clip", "--json")
    values = json.loads(line)
    assert (values["name"], values["asked"], values["revision"]) == ("clip", "refs/pr/32", COMMIT)
    assert values["files"]["model.safetensors"]["size"] == len("refs/pr/32")


def test_damage_is_told(cache: Path) -> None:
    run("fetch", "siglip")
    (file,) = cache.rglob("model.safetensors")
    file.write_bytes(b"MAIN")
    code, (line,) = run("verify", "siglip")
    assert code == 1 and line == "siglip: model.safetensors has another content than recorded"
    file.unlink()
    assert "siglip                 damaged" in "\n".join(run("list")[1])
    assert run("verify", "siglip")[1] == ["siglip: model.safetensors is missing"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["fetch", "starter"], UsageError, "ships with the program"),
        (["fetch", "siglipp"], UsageError, "no encoder of that name"),
        (["verify", "../x"], UsageError, "no encoder of that name"),
        (["verify", "siglip"], WeightsError, "not fetched"),
    ],
)
def test_wrong_names(words: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(*words)


def test_list_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.importlib.util, "find_spec", lambda name: None)
    needs = {row.name: row.needs for row in store.listing()}
    assert needs["marqo-fashion-clip"] == "open-clip"
    assert needs["siglip"] == ""


def test_what_ships_is_what_the_list_of_digests_says() -> None:
    """After new starter weights: cd weights && sha256sum starter-detector.pt starter-encoder/* > SHA256SUMS."""
    assert list(store.examine(["starter"])) == [CheckedWeights("starter", len(store.shipped()), ())]
    there = {file.relative_to(weights_dir()).as_posix() for file in weights_dir().rglob("*") if file.is_file()}
    assert there - {"README.md", store.MANIFEST} == set(store.shipped())


@pytest.mark.parametrize("text", [None, "onlyadigest"])
def test_broken_list_of_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    if text:
        (tmp_path / store.MANIFEST).write_text(text)
    monkeypatch.setattr(store, "weights_dir", lambda: tmp_path)
    with pytest.raises(WeightsError, match=store.MANIFEST):
        store.shipped()


def test_a_spoiled_starter_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(weights_dir(), tmp_path / "weights"))
    (folder / "starter-encoder" / "recognition.json").write_text("{}")
    monkeypatch.setattr(store, "weights_dir", lambda: folder)
    (check,) = store.examine(["starter"])
    assert check.problems == ("starter-encoder/recognition.json has another content than recorded",)
