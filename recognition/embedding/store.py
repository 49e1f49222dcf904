"""Which encoders are on this machine, and whether their files are whole: what the `weights` commands say."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recognition.embedding.hub import HUB_ID, Fetched, all_recorded, differences, fetch, recorded
from recognition.embedding.registry import ENCODERS, HUB_ENCODERS, OPEN_CLIP, KnownEncoder, hub_id, known
from recognition.errors import UsageError, WeightsError
from recognition.weights import STARTER_ENCODER, weights_dir

MANIFEST = "SHA256SUMS"
"""Digests of the weights that ship, in the format of the program sha256sum."""


@dataclass(frozen=True)
class ListedEncoder:
    """One line of `weights list`. state: `ships`, `fetched`, `damaged` (files are gone) or `not here`.

    dim, side and megabytes as in the table of encoders, 0 where it says nothing. revision: the commit that was
    fetched. path: its folder on this machine. needs: the optional extra that is not installed.
    """

    name: str
    repository: str
    architecture: str
    dim: int
    side: int
    megabytes: int
    licence: str
    text: bool
    state: str
    revision: str
    path: str
    needs: str


@dataclass(frozen=True)
class CheckedWeights:
    """name: of an encoder; `starter` stands for all that ships. files: how many were read.

    problems: a sentence per file that is not whole.
    """

    name: str
    files: int
    problems: tuple[str, ...]


def listing() -> list[ListedEncoder]:
    """All encoders of the table, then others that were fetched.

    Raises:
        WeightsError: a record cannot be read.
    """
    others = [repository for repository in all_recorded() if known(repository) is None]
    unknown = [KnownEncoder(name, name, "", 0, 0, 0, "see the model's page", text=False) for name in others]
    return [_listed(row) for row in (*ENCODERS, *unknown)]


def bring(name: str, revision: str = "", force: bool = False) -> Fetched:
    """Fetches an encoder by short name or hub id.

    Raises:
        UsageError: the name is neither. WeightsError: as `fetch`.
    """
    if name == "starter":
        raise UsageError("starter ships with the program: there is nothing to fetch", "weights verify looks at it")
    return fetch(_repository(name), revision, force)


def examine(names: Sequence[str]) -> Iterator[CheckedWeights]:
    """Reads weights whole: the named ones, or all that is here, what ships first.

    Raises:
        UsageError: a name is none. WeightsError: an encoder was never fetched, or a record cannot be read.
    """
    for name in names or ["starter", *all_recorded()]:
        if name == "starter":
            digests = shipped()
            yield CheckedWeights("starter", len(digests), tuple(differences(weights_dir(), digests)))
            continue
        fetched = recorded(_repository(name))
        if fetched is None:
            raise WeightsError(f"encoder {name}: not fetched, so there is nothing to verify", f"weights fetch {name}")
        yield CheckedWeights(name, len(fetched.files), tuple(differences(fetched.path, fetched.digests)))


def shipped() -> dict[str, str]:
    """SHA-256 by path of the weights that ship.

    Raises:
        WeightsError: the list of them is missing or broken.
    """
    file = weights_dir() / MANIFEST
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return {name.strip(): sha256 for sha256, name in (line.split(maxsplit=1) for line in lines)}
    except (OSError, ValueError) as error:
        raise WeightsError(f"weights {file}: {error}", "install the program again, or clone it whole") from error


def _listed(row: KnownEncoder) -> ListedEncoder:
    needs = row.extra if row.extra == OPEN_CLIP and importlib.util.find_spec("open_clip") is None else ""
    state, revision, path = "not here", "", ""
    if row.name == "starter":
        folder = weights_dir() / STARTER_ENCODER
        state, path = ("ships" if folder.is_dir() else "damaged"), str(folder)
    elif (fetched := recorded(row.repository)) is not None:
        state, revision, path = ("fetched" if fetched.complete else "damaged"), fetched.revision, str(fetched.path)
    return ListedEncoder(
        row.name, row.repository, row.architecture, row.dim, row.side, row.megabytes, row.licence, row.text,
        state, revision, path, needs,
    )  # fmt: skip


def _repository(name: str) -> str:
    repository = hub_id(name)
    if not HUB_ID.fullmatch(repository):
        raise UsageError(f"{name}: no encoder of that name", f"names are {', '.join(HUB_ENCODERS)}; or give a hub id")
    return repository
