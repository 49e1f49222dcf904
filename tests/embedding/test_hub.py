"""The fetching of models, against a small hub of our own on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from recognition.embedding import hub
from recognition.embedding.hub import StoredFile
from recognition.embedding.loading import encoder_folder, load_encoder
from recognition.errors import WeightsError
from recognition.settings import EmbedSettings

MINE = "me/mine"


class Hub:
    """Repositories as {name: {revision: {file: content}}}.

    cut: how many bytes of a file are sent before the line breaks. spoil: files that come as zeros. starts: the first
    byte of each transfer of a large file.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.requests: list[str] = []
        self.cut: dict[str, int] = {}
        self.spoil: set[str] = set()
        self.starts: list[int] = []

    def commit(self, repository: str, revision: str) -> str:
        return hashlib.sha1(f"{repository} {revision}".encode()).hexdigest()

    def files(self, repository: str, revision: str) -> dict[str, bytes] | None:
        versions = self.repositories.get(repository, {})
        by_commit = {self.commit(repository, name): files for name, files in versions.items()}
        return versions.get(revision, by_commit.get(revision))


def answer(hub_here: Hub, request: BaseHTTPRequestHandler) -> None:
    path = request.path.split("?")[0].replace("%2F", "/")
    hub_here.requests.append(f"{request.command} {path}")
    api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/(.+)", path)
    file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
    found = api or file
    repository, revision = (found[1], found[3] if api else found[2]) if found else ("", "")
    files = hub_here.files(repository, revision)
    if files is None:
        code = "RevisionNotFound" if repository in hub_here.repositories else "RepoNotFound"
        send(request, 404, b"{}", {"X-Error-Code": code})
        return
    commits = [hub_here.commit(repository, name) for name in hub_here.repositories[repository]]
    commit = revision if revision in commits else hub_here.commit(repository, revision)
    if file:
        send_file(hub_here, request, file[3], files[file[3]], commit)
    elif api and api[2] == "revision":
        names = [{"rfilename": name} for name in files]
        send(request, 200, json.dumps({"id": repository, "sha": commit, "siblings": names}).encode(), {})
    else:
        entries = [
            {"type": "file", "path": name, "size": len(data), **identity(name, data)} for name, data in files.items()
        ]
        send(request, 200, json.dumps(entries).encode(), {})


def identity(name: str, data: bytes) -> dict[str, Any]:
    large = {"lfs": {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 9}}
    return {"oid": hashlib.sha1(data).hexdigest(), **(large if name.endswith(".safetensors") else {})}


def send_file(hub_here: Hub, request: BaseHTTPRequestHandler, name: str, data: bytes, commit: str) -> None:
    large = identity(name, data).get("lfs")
    tag = large["oid"] if large else hashlib.sha1(data).hexdigest()
    headers = {"ETag": f'"{tag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    first = int(re.findall(r"bytes=(\d+)-", request.headers.get("Range", "bytes=0-"))[0])
    if request.command == "GET" and large:
        hub_here.starts.append(first)
    if name in hub_here.spoil:
        data = bytes(len(data))
    if first:
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
    send(request, 206 if first else 200, data[first:], headers, hub_here.cut.get(name))


def send(
    request: BaseHTTPRequestHandler, code: int, body: bytes, headers: dict[str, str], cut: int | None = None
) -> None:
    request.send_response(code)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(body[:cut])


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that answers, and an empty cache."""
    served = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(served, self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    constants = huggingface_hub.constants
    place = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", place)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda _: None)  # the library waits between its tries
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture
def vit(near: Hub, model_folder: Callable[[str], Path]) -> dict[str, bytes]:
    """The hub holds a model, with code and pickles beside it."""
    files = {file.name: file.read_bytes() for file in model_folder("vit").iterdir()}
    near.repositories[MINE] = {"main": {**files, "hostile.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}}
    return files


def test_nothing_was_fetched(near: Hub) -> None:
    assert hub.all_recorded() == []
    assert hub.recorded(MINE) is None


def test_fetched_once_then_without_a_hub(near: Hub, vit: dict[str, bytes]) -> None:
    first = load_encoder(EmbedSettings(encoder=MINE, device="cpu", runtime="torch"))
    asked = len(near.requests)
    assert asked
    near.repositories.clear()
    again = load_encoder(EmbedSettings(encoder=MINE, device="cpu", runtime="torch"))
    assert (again.name, again.fingerprint) == (MINE, first.fingerprint)
    assert len(near.requests) == asked


def test_the_record_says_what_came(near: Hub, vit: dict[str, bytes]) -> None:
    fetched = hub.fetch(MINE)
    assert (fetched.asked, fetched.revision) == ("main", near.commit(MINE, "main"))
    assert fetched.files == {
        name: StoredFile(len(data), hashlib.sha256(data).hexdigest()) for name, data in vit.items()
    }
    assert sorted(file.name for file in fetched.path.iterdir()) == sorted(vit)  # no code, no pickle
    assert hub.recorded(MINE) == fetched
    assert hub.all_recorded() == [MINE]
    assert hub.differences(fetched.path, fetched.digests) == []


def test_a_revision_stays_until_another_is_fetched(near: Hub, vit: dict[str, bytes]) -> None:
    near.repositories[MINE]["refs/pr/3"] = {**vit, "recognition.json": b'{"name": "third"}'}
    old = hub.fetch(MINE)
    assert hub.at_hand(MINE) == old
    new = hub.fetch(MINE, "refs/pr/3")
    assert new.revision != old.revision
    assert hub.at_hand(MINE) == new
    assert hub.fetch(MINE, old.revision).revision == old.revision


def test_the_table_names_the_revision_and_leaves_out_doubled_weights(near: Hub) -> None:
    near.repositories["openai/clip-vit-base-patch32"] = {"refs/pr/32": {"model.safetensors": b"x"}}
    assert hub.fetch("openai/clip-vit-base-patch32").asked == "refs/pr/32"
    both = {"model.safetensors": b"for its own code", "open_clip_model.safetensors": b"y"}
    near.repositories["Marqo/marqo-fashionCLIP"] = {"main": both}
    assert list(hub.fetch("Marqo/marqo-fashionCLIP").files) == ["open_clip_model.safetensors"]


def test_a_broken_line_is_gone_on_with(near: Hub, vit: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 500)
    near.cut["model.safetensors"] = 100_000
    assert hub.fetch(MINE).complete
    assert near.starts == [0, 100_000]


def test_what_came_before_an_interruption_is_kept(near: Hub, vit: dict[str, bytes]) -> None:
    near.cut["model.safetensors"] = 1000
    with pytest.raises(WeightsError, match=f"{MINE}.*out of reach or fails"):
        hub.fetch(MINE)
    assert hub.recorded(MINE) is None
    near.cut.clear()
    near.requests.clear()
    assert hub.fetch(MINE).complete
    gets = [line.rsplit("/", 1)[1] for line in near.requests if line.startswith("GET") and "resolve" in line]
    assert gets == ["model.safetensors"]


def test_another_content_than_announced_is_refused(near: Hub, vit: dict[str, bytes]) -> None:
    near.spoil.add("model.safetensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors is not what the hub announced") as caught:
        hub.fetch(MINE)
    assert "--force" in caught.value.hint
    assert hub.recorded(MINE) is None
    near.spoil.clear()
    assert hub.fetch(MINE, force=True).complete


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.resolve().write_bytes(b"short"), "another content"),
        (lambda file: file.resolve().write_bytes(bytes(file.stat().st_size)), "another content"),
    ],
)
def test_damage_is_found(near: Hub, vit: dict[str, bytes], damage: Callable[[Path], object], message: str) -> None:
    fetched = hub.fetch(MINE)
    damage(fetched.path / "model.safetensors")
    (found,) = hub.differences(fetched.path, fetched.digests)
    assert found.startswith("model.safetensors") and message in found


def test_a_lost_file_is_fetched_again(near: Hub, vit: dict[str, bytes]) -> None:
    fetched = hub.fetch(MINE)
    shutil.rmtree(fetched.path)
    assert not fetched.complete
    assert encoder_folder(MINE) == (fetched.path, MINE)
    assert fetched.complete


@pytest.mark.parametrize(
    ("repository", "revision", "message", "hint"),
    [
        ("me/nothing", "", "no such model", "is the name right"),
        (MINE, "v9", "no revision v9", "model's page"),
        ("me/pickles", "", "no weights as safetensors", "--revision refs/pr/NUMBER"),
    ],
)
def test_what_the_hub_does_not_have(
    near: Hub, vit: dict[str, bytes], repository: str, revision: str, message: str, hint: str
) -> None:
    near.repositories["me/pickles"] = {"main": {"config.json": b"{}", "pytorch_model.bin": b"pickle"}}
    with pytest.raises(WeightsError, match=message) as caught:
        hub.fetch(repository, revision)
    assert hint in caught.value.hint
    assert hub.recorded(repository) is None


def test_out_of_reach(near: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=f"{MINE}.*out of reach") as caught:
        hub.fetch(MINE)
    assert "--encoder starter" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"a": {}}}'])
def test_a_broken_record(near: Hub, vit: dict[str, bytes], text: str) -> None:
    fetched = hub.fetch(MINE)
    (fetched.path.parents[1] / hub.RECORD).write_text(text)
    with pytest.raises(WeightsError, match="record") as caught:
        hub.at_hand(MINE)
    assert "--force" in caught.value.hint
    assert hub.fetch(MINE, force=True) == fetched == hub.at_hand(MINE)


def test_digest_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="none"):
        hub.digest(tmp_path / "none")


@pytest.mark.hub
def test_the_real_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert load_encoder(EmbedSettings(encoder="resnet50", device="cpu", runtime="torch")).dim == 2048
    assert hub.recorded("microsoft/resnet-50")
