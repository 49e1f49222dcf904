"""Builds the wheel, installs it in an empty environment outside the repository, and recognises a photo with it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import recognition

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
PHOTO = "samples/photos/close_up.jpg"


def run(*command: str | Path, cwd: Path) -> str:
    """The program's stdout; a failure shows what it said. Nothing of the repository is on its path."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def uv() -> str:
    """The one that `make setup` put beside the tests' interpreter, or the one on the path."""
    beside = tool(Path(sys.prefix), "uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "uv is missing: make setup"
    return found


def tool(environment: Path, name: str) -> Path:
    folder, suffix = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
    return environment / folder / f"{name}{suffix}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPOSITORY, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("installed") / "venv"
    run(uv(), "venv", "--quiet", "--python", sys.executable, place, cwd=place.parent)
    install = (uv(), "pip", "install", "--quiet", "--python", tool(place, "python"))
    run(*install, "--requirement", REPOSITORY / "requirements.txt", cwd=place.parent)
    run(*install, "--no-deps", wheel, cwd=place.parent)
    yield place
    shutil.rmtree(place)  # gigabytes; pytest would keep those of three runs


def test_wheel_holds_program_and_weights(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    assert f"shelf_recognition-{recognition.__version__}-" in wheel.name
    assert {"recognize.py", "recognition/run.py", "recognition/_weights/README.md"} <= names
    shipped = [path for path in (REPOSITORY / "weights").rglob("*") if path.is_file()]
    assert shipped
    for path in shipped:
        name = f"recognition/_weights/{path.relative_to(REPOSITORY / 'weights').as_posix()}"
        assert sizes.get(name) == path.stat().st_size, name
    assert any(name.endswith("licenses/LICENSE") for name in names)
    foreign = [name for name in names if name.startswith(("tests/", "samples/", "benchmarks/", "docs/"))]
    assert not foreign


def test_dependencies_of_the_wheel_are_the_pinned_ones(environment: Path) -> None:
    run(uv(), "pip", "check", "--python", tool(environment, "python"), cwd=environment)


def test_installed_program_recognises_a_photo(environment: Path, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples")
    recognize = tool(environment, "recognize")
    where = run(tool(environment, "python"), "-c", "import recognition; print(recognition.__file__)", cwd=tmp_path)
    assert str(environment) in where and str(REPOSITORY) not in where

    assert "evaluate" in run(recognize, "--help", cwd=tmp_path)
    run(recognize, "skus", "build", "samples/catalog.csv", "--db", "sku_db", cwd=tmp_path)
    said = run(recognize, "run", PHOTO, "--db", "sku_db", "--out", "result", cwd=tmp_path)
    assert said.startswith(f"{PHOTO}: ")

    with (tmp_path / "result" / "products.csv").open(encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file))
    with (tmp_path / "result" / "planogram.csv").open(encoding="utf-8", newline="") as file:
        positions = list(csv.DictReader(file))
    with (tmp_path / "samples" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        catalog = {row["sku"] for row in csv.DictReader(file)}
    assert len(products) > 20
    named = {row["sku"] for row in positions if row["status"] == "recognized"}
    assert named and named <= catalog
    assert {row["source"] for row in positions} == {PHOTO}
    assert list((tmp_path / "result" / "pictures").glob("*.jpg"))
