"""What is checked in: sizes, weights, version, and nothing that belongs to one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import recognition

ROOT = Path(__file__).parents[1]
MB = 1024 * 1024
# Put together here, so that this file does not hold what it looks for.
MACHINE = re.compile(
    "|".join(["/ho" + r"me/\w+/", "/wo" + "rk/", "/ro" + "ot/", "/Us" + r"ers/\w+/", "/tm" + r"p/\w+"])
)
REGISTRY = re.compile(r"(?:index-url|--find-links|registry|proxy)\S*[ =]+https?://", re.IGNORECASE)


def tracked() -> list[Path]:
    """Files that git tracks, or would with `git add .`; else (no git, no checkout) the test is skipped."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


def size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths)


def test_all_files_together_are_small() -> None:
    files = tracked()
    assert len(files) > 50
    assert size(*files) <= 40 * MB, sorted(files, key=size)[-5:]


def test_the_weights_that_ship_are_there_and_small() -> None:
    weights = ROOT / "weights"
    assert 0 < size(weights / "starter-detector.pt") <= 8 * MB
    encoder = [path for path in (weights / "starter-encoder").rglob("*") if path.is_file()]
    assert {"config.json", "preprocessor_config.json", "model.safetensors"} <= {path.name for path in encoder}
    assert size(*encoder) <= 15 * MB


def test_the_model_cards_say_what_stands_behind_the_weights() -> None:
    text = (ROOT / "weights" / "README.md").read_text(encoding="utf-8").lower()
    missing = [word for word in ("detector", "encoder", "data", "licence", "recipe", "research") if word not in text]
    assert not missing


def test_weights_hold_no_code() -> None:
    assert not [p for p in (ROOT / "weights").rglob("*") if p.suffix in (".py", ".bin", ".pkl", ".pth")]


def test_the_version_is_the_first_of_the_changelog() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heading is not None
    assert heading[1] == recognition.__version__


def test_no_file_names_a_machine_or_a_registry() -> None:
    wrong = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{path}:{n}: {line}" for n, line in enumerate(lines, 1) if MACHINE.search(line) or REGISTRY.search(line)
        ]
    assert not wrong
