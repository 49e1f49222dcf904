"""Fetches encoders from the Hugging Face hub, once, and remembers which revision and which bytes they were.

Files lie in the hub library's own cache, which resumes, shares and locks them; its place is set by HF_HOME. Beside
them one JSON per repository records what was fetched. From then on that revision is used, and no network.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from recognition.embedding.folder import HUB_FILES, OPEN_CLIP_WEIGHTS
from recognition.embedding.registry import OPEN_CLIP, known
from recognition.errors import WeightsError

HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
RECORD = "shelf-recognition.json"

_BRING = (
    "take --encoder starter, which is on this machine; or bring the folder (config.json, preprocessor_config.json, "
    "model.safetensors) from a machine with access and give its path"
)


@dataclass(frozen=True)
class StoredFile:
    """size: bytes. sha256: hex digest of the content."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """One model in the cache. asked: the revision that was asked for; revision: the commit that answered.

    files: by name in the repository.
    """

    repository: str
    asked: str
    revision: str
    files: dict[str, StoredFile]

    @property
    def path(self) -> Path:
        """The folder that holds the files."""
        return _place(self.repository) / "snapshots" / self.revision

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by file."""
        return {name: file.sha256 for name, file in self.files.items()}

    @property
    def complete(self) -> bool:
        """Whether every file is there in its size."""
        paths = {self.path / name: file.size for name, file in self.files.items()}
        return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def at_hand(repository: str) -> Fetched:
    """A model that was fetched before, without asking the hub; else it is fetched now.

    Raises:
        WeightsError: as `fetch` and `recorded`.
    """
    there = recorded(repository)
    return there if there is not None and there.complete else fetch(repository)


def fetch(repository: str, revision: str = "", force: bool = False) -> Fetched:
    """Brings a model from the hub and records it; what is there already is not loaded again, a part is gone on with.

    revision: branch, tag or commit, "" for the table's. force: loads all files anew.

    Raises:
        WeightsError: the hub is out of reach, has no such model or revision, or what came is not what it announced.
    """
    row = known(repository)
    asked = revision or (row.revision if row else "main")
    # The open_clip models of the table hold the same weights twice, once for code of their own.
    skip = ["model*.safetensors"] if row and row.extra == OPEN_CLIP else []
    path = _download(repository, asked, skip, force)
    fetched = Fetched(repository, asked, path.name, _examine(repository, path))
    _check_weights(fetched)
    _write(fetched)
    return fetched


def recorded(repository: str) -> Fetched | None:
    """What was fetched of a repository, or None.

    Raises:
        WeightsError: the record cannot be read.
    """
    file = _place(repository) / RECORD
    if not file.is_file():
        return None
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        files = {name: StoredFile(**entry) for name, entry in values.pop("files").items()}
        return Fetched(**values, files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"record {file}: {error}", f"weights fetch {repository} --force") from error


def all_recorded() -> list[str]:
    """Repositories that were fetched, sorted."""
    folders = [file.parent.name for file in _cache().glob(f"models--*/{RECORD}")]
    return sorted(name.removeprefix("models--").replace("--", "/", 1) for name in folders)


def differences(path: Path, digests: Mapping[str, str]) -> list[str]:
    """What is not as recorded, one sentence per file; reads every byte. digests: SHA-256 by path under `path`.

    Raises:
        WeightsError: a file cannot be read.
    """
    found = []
    for name, wanted in digests.items():
        if not (path / name).is_file():
            found.append(f"{name} is missing")
        elif digest(path / name) != wanted:
            found.append(f"{name} has another content than recorded")
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file, hex.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights {path}: {error}", "fetch or bring them again") from error


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _place(repository: str) -> Path:
    return _cache() / f"models--{repository.replace('/', '--')}"


def _download(repository: str, revision: str, skip: list[str], force: bool) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        with _bars():
            place = huggingface_hub.snapshot_download(
                repository,
                revision=revision,
                allow_patterns=list(HUB_FILES),
                ignore_patterns=skip,
                force_download=force,
            )
    except RevisionNotFoundError as error:
        raise WeightsError(
            f"encoder {repository}: the hub has no revision {revision}", "see the model's page"
        ) from error
    except RepositoryNotFoundError as error:
        message = f"encoder {repository}: no such folder, and the hub has no such model, or shows it only to some"
        raise WeightsError(
            message, f"is the name right? If it is closed, log in with `hf auth login`; or {_BRING}"
        ) from error
    # The library's transport, requests or httpx by its release, lets errors of many kinds through.
    except Exception as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0] or type(error).__name__
        message = f"encoder {repository}: no such folder, and the Hugging Face hub is out of reach or fails: {reason}"
        raise WeightsError(message, _BRING) from error
    return Path(place)


@contextmanager
def _bars() -> Iterator[None]:
    """The hub's progress bars on a terminal only."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    hide = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            enable_progress_bars()


def _examine(repository: str, path: Path) -> dict[str, StoredFile]:
    """Sizes and digests of what came, held against the hub's own digests."""
    files = {}
    for file in sorted(file for file in path.iterdir() if any(file.match(pattern) for pattern in HUB_FILES)):
        files[file.name] = StoredFile(file.stat().st_size, digest(file))
        announced = file.resolve().name  # the cache calls a large file by the SHA-256 that the hub states
        if re.fullmatch("[0-9a-f]{64}", announced) and announced != files[file.name].sha256:
            raise WeightsError(
                f"encoder {repository}: {file.name} is not what the hub announced: damaged on its way or on this disk",
                f"weights fetch {repository} --force",
            )
    return files


def _check_weights(fetched: Fetched) -> None:
    if any(name.endswith(".safetensors") and name != "head.safetensors" for name in fetched.files):
        return
    raise WeightsError(
        f"encoder {fetched.repository}: revision {fetched.asked} has no weights as safetensors, only formats that can "
        "run code, if any",
        f"the model's page may list a pull request that adds them: weights fetch {fetched.repository} --revision "
        f"refs/pr/NUMBER; or convert the model where you trust it, with save_pretrained or to {OPEN_CLIP_WEIGHTS}",
    )


def _write(fetched: Fetched) -> None:
    file = _place(fetched.repository) / RECORD
    part = file.with_suffix(".part")
    try:
        part.write_text(json.dumps(asdict(fetched), indent=1), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        free = shutil.disk_usage(file.parent).free
        raise WeightsError(f"record {file}: {error}", f"{free / 1e6:.0f} MB are free; may it be written?") from error
