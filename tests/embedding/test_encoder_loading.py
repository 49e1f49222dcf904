import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from recognition.embedding import hub, loading
from recognition.embedding.registry import ENCODERS, HUB_ENCODERS, hub_id, known
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "wanted"), [("", ""), ("clip", "openai/clip-vit-base-patch32"), ("me/mine", "me/mine")]
)
def test_short_names(name: str, wanted: str) -> None:
    assert hub_id(name) == wanted


def test_names_are_hub_ids() -> None:
    assert all(hub.HUB_ID.fullmatch(repository) for repository in HUB_ENCODERS.values())


def test_rows_are_told_apart() -> None:
    assert len({row.name for row in ENCODERS}) == len({row.repository for row in ENCODERS}) == len(ENCODERS)
    assert known("") is None
    assert [known(row.repository) for row in ENCODERS] == list(ENCODERS)


def test_local_folder(model_folder: Callable[[str], Path]) -> None:
    folder = model_folder("resnet")
    encoder = loading.load_encoder(EmbedSettings(encoder=str(folder), device="cpu", runtime="torch"))
    assert (encoder.name, encoder.dim) == (folder.name, 40)


def test_starter(starter_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "weights_dir", lambda: starter_folder.parent)
    monkeypatch.setattr(loading, "STARTER_ENCODER", starter_folder.name)
    assert loading.load_encoder(EmbedSettings(device="cpu", runtime="torch")).name == "tiny"


def test_starter_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "weights_dir", lambda: tmp_path)
    with pytest.raises(WeightsError, match="encoder that ships is missing"):
        loading.encoder_folder("starter")


@pytest.mark.parametrize("name", ["", "clipp", "./nowhere", "../a/b", "/no/such/folder", "a/b/c"])
def test_neither_folder_nor_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)  # never asked
    with pytest.raises(WeightsError, match="no such folder or name") as caught:
        loading.encoder_folder(name)
    assert "starter, clip" in caught.value.hint


@pytest.mark.parametrize("error", [LocalEntryNotFoundError("offline"), ConnectionError("no route"), OSError("no room")])
def test_hub_out_of_reach(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(WeightsError, match=r"google/siglip-base-patch16-256.*out of reach") as caught:
        loading.load_encoder(EmbedSettings(encoder="siglip"))
    assert "--encoder starter" in caught.value.hint
    assert "give its path" in caught.value.hint
    assert caught.value.__cause__ is error


def test_import_is_light() -> None:
    code = (
        "import sys, recognition.embedding.loading, recognition.embedding.fingerprint, recognition.embedding.encoder;"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
