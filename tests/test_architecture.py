"""The rules of docs/architecture.md that a machine can check."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([ROOT / "recognize.py", *(ROOT / "recognition").rglob("*.py")])
FLOW = ["sources", "detection", "embedding", "skus", "matching", "shelves", "outputs", "live"]
ANYWHERE = {"types", "errors", "settings", "weights", "devices", "parallel", "telling"}
OWNERS = {  # heavy library: folders or files that may import it
    "torch": (
        "detection/yolo.py", "embedding/torch_runtime.py", "embedding/openvino_convert.py", "embedding/towers.py",
        "embedding/patch_tower.py", "embedding/fuse.py", "devices.py",
        "embedding/open_clip_tower.py", "embedding/text",
        "skus/torch_exact.py", "training/",
    ),
    "ultralytics": ("detection/safe_ultralytics.py",),
    "openvino": ("embedding/openvino_library.py",),
    "nncf": ("embedding/openvino_library.py",),
    "transformers": ("embedding/towers.py", "embedding/text_tower.py", "training/"),
    "open_clip": ("embedding/open_clip_tower.py",),
    "faiss": ("skus/faiss_index.py", "skus/tail.py", "doctor.py"),
    "cv2": (
        "sources/", "detection/", "embedding/", "skus/thumbnails.py", "matching/", "shelves/", "outputs/", "live/",
        "training/",
    ),
    "supervision": ("outputs/annotate.py", "live/tracking.py"),
    "trackers": ("live/tracking.py",),
    "av": ("sources/av_video.py", "outputs/live_video.py", "training/render/walk_files.py"),
    "pycocotools": ("evaluation/detection.py",),
    "polars": ("skus/parquet.py",),
}  # fmt: skip
HEAVY = tuple(OWNERS)
COMMANDS = [
    "", "run", "match", "stream", "skus", "skus build", "skus add", "skus import", "skus remove", "skus info",
    "skus compact", "skus migrate", "skus verify", "skus export", "skus audit", "evaluate", "evaluate detection",
    "evaluate matching", "evaluate end-to-end", "train", "train detector", "train encoder",
    "compare-encoders", "doctor", "weights", "weights list", "weights fetch", "weights verify",
]  # fmt: skip


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names that a module imports, at its top or inside functions."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield node.module or ""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix().removeprefix("recognition/")


def test_a_room_imports_only_rooms_that_stand_before_it() -> None:
    wrong = []
    for path in MODULES:
        room = place(path).split("/")[0]
        if room not in FLOW:
            continue
        allowed = {*FLOW[: FLOW.index(room) + 1], *ANYWHERE}
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "recognition" and (len(parts) < 2 or parts[1] not in allowed):
                wrong.append(f"{place(path)} imports {name}")
    assert not wrong


def test_the_common_modules_import_nothing_but_each_other() -> None:
    for name in ANYWHERE - {"devices"}:
        found = {n for n in imports(ROOT / "recognition" / f"{name}.py") if n.startswith("recognition")}
        assert found <= {"recognition.errors"}, name


def test_the_pipeline_knows_no_model_and_no_database() -> None:
    ours = {name for name in imports(ROOT / "recognition/pipeline.py") if name.startswith("recognition.")}
    assert not {name for name in ours if name.endswith((".yolo", ".huggingface", ".database", ".loading"))}
    assert {"recognition.detection.detector", "recognition.embedding.encoder", "recognition.skus.index"} <= ours


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_is_imported_only_by_its_owners(library: str) -> None:
    users = [place(path) for path in MODULES if library in {name.split(".")[0] for name in imports(path)}]
    assert users, "nobody uses it: delete the line"
    assert not [user for user in users if not user.startswith(OWNERS[library])]


def test_packages_are_empty_but_for_a_sentence() -> None:
    for path in (ROOT / "recognition").rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        code = [node for node in body if not isinstance(node, ast.Expr)]
        assert len(code) <= (1 if path.parent.name == "recognition" else 0), f"{path}: code in a package"


def test_no_module_has_more_than_400_lines() -> None:
    long = {place(p): n for p in MODULES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert not long


def loaded(code: str) -> set[str]:
    """Heavy libraries that are in memory after `code` has run in a fresh interpreter."""
    check = f"import sys; print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    paths = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], env=paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED")[1].split())


def test_types_errors_settings_load_nothing_heavy() -> None:
    names = ", ".join(f"recognition.{name}" for name in ("types", "errors", "settings", "weights"))
    assert loaded(f"import {names}") == set()


def test_the_help_of_every_command_loads_nothing_heavy_and_is_quick() -> None:
    code = f"""
import sys, time, recognize
for command in {COMMANDS!r}:
    sys.argv = ["recognize.py", *command.split(), "--help"]
    start = time.process_time()
    try:
        recognize.main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
    assert time.process_time() - start < 1, command
"""
    assert loaded(code) == set()


def test_every_command_is_in_the_list() -> None:
    import typer

    import recognize

    group = typer.main.get_command(recognize.app)
    found = {""}
    for name, command in group.commands.items():
        found |= {name, *(f"{name} {sub}" for sub in getattr(command, "commands", {}))}
    assert found == set(COMMANDS)
