"""The documentation against the program: commands, options, columns, keys, links, the README's tree of files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

import recognition
import recognize
from recognition.embedding.registry import ENCODERS, HUB_ENCODERS
from recognition.embedding.store import CheckedWeights, ListedEncoder
from recognition.evaluation.compare_report import ComparisonReport, EncoderReport, PairReport
from recognition.evaluation.detection import DetectionReport
from recognition.evaluation.end_to_end import EndToEndReport, PhotoScore
from recognition.evaluation.matching import MatchingReport
from recognition.matching.runtime_choice import Trial
from recognition.outputs import tables
from recognition.outputs.journal import Log, Origin
from recognition.outputs.jsonl import error_line
from recognition.outputs.live_events import Event
from recognition.outputs.live_folder import SourceStats
from recognition.outputs.writer import RUN, RunWriter
from recognition.settings import Settings, load_settings
from recognition.skus.intake import KNOWN
from recognition.skus.records import DatabaseInfo
from recognition.sources.meta import PhotoMeta
from recognition.training.encoder_run import TrainReport

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "weights/*.md", "samples/*.md", "sku_db/*.md")
    for path in REPOSITORY.glob(pattern)
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def commands() -> dict[str, Any]:
    """Every command by its words; "recognize" is the program itself, whose options stand before a command."""
    root = typer.main.get_command(recognize.app)
    found = {"recognize": root}
    todo = [("", root)]
    while todo:
        words, group = todo.pop()
        for name, command in getattr(group, "commands", {}).items():
            path = f"{words} {name}".strip()
            if hasattr(command, "commands"):
                todo.append((path, command))
            else:
                found[path] = command
    return found


COMMANDS = commands()


def options_of(command: Any) -> set[str]:
    return {text for part in command.params if part.param_type_name == "option" for text in part.opts} - {"--help"}


def section(page: Path, title: str) -> str:
    """The text under a heading of the second level."""
    parts = re.split(r"^## (.+)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert title in found, f"{page.name} has no section '{title}', only {sorted(found)}"
    return found[title]


def first_cells(text: str) -> list[str]:
    """What stands in backticks in the first column of the section's tables."""
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def code_lines(page: Path) -> Iterator[str]:
    """Indented lines, and spans in backticks: what a reader may type."""
    text = page.read_text(encoding="utf-8")
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))
    yield from re.findall(r"`([^`\n]+)`", text)


def page_id(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def test_every_command_has_a_section_and_no_other() -> None:
    titles = re.findall(r"^## `(.+)`$", (DOCS / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(titles) == sorted(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS)
def test_options_and_arguments_of_a_command(words: str) -> None:
    text = section(DOCS / "cli.md", f"`{words}`")
    parts = COMMANDS[words].params
    wanted = {part.name.upper() for part in parts if part.param_type_name == "argument"} | options_of(COMMANDS[words])
    assert set(first_cells(text)) == wanted


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_options_exist(page: Path) -> None:
    known = {option for command in COMMANDS.values() for option in options_of(command)} | {"--help", "--strict"}
    known |= {text for command in COMMANDS.values() for part in command.params for text in part.secondary_opts}
    for module in (*REPOSITORY.glob("recognition/training/**/*.py"), *REPOSITORY.glob("benchmarks/*.py")):
        known |= set(OPTION.findall(module.read_text(encoding="utf-8")))
    assert set(OPTION.findall(page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_command_lines_can_be_typed(page: Path) -> None:
    for line in code_lines(page):
        if re.match(r"(python )?recognize(\.py)? [a-z-]", line):
            check_command(line)
        elif line.startswith(("python -m recognition.", "python -m benchmarks.")):
            module = REPOSITORY / (line.split()[2].replace(".", "/") + ".py")
            assert set(OPTION.findall(line)) <= set(OPTION.findall(module.read_text(encoding="utf-8"))), line
        elif line.startswith("python "):
            assert (REPOSITORY / line.split()[1]).is_file() or line.split()[1] == "recognize.py", line
        elif line.startswith("make "):
            targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
            assert line.split()[1] in targets, line


def check_command(line: str) -> None:
    typed = f"{line.split(' # ')[0]} "
    words = max((words for words in COMMANDS if f" {words} " in typed), key=len, default="")
    assert words, f"no command in: {line}"
    before, after = typed.split(f" {words} ", 1)
    assert set(OPTION.findall(before)) <= options_of(COMMANDS["recognize"]), line
    assert set(OPTION.findall(after)) <= options_of(COMMANDS[words]), line


@pytest.mark.parametrize(
    ("page", "title", "names"),
    [
        ("planogram-csv.md", "planogram.csv", tables.PLANOGRAM_COLUMNS),
        ("planogram-csv.md", "products.csv", tables.PRODUCT_COLUMNS),
        ("planogram-csv.md", "photos.csv", tables.PHOTO_COLUMNS),
        ("planogram-csv.md", "failures.csv", tables.FAILURE_COLUMNS),
        ("planogram-csv.md", "Catalogue CSV", KNOWN),
        ("planogram-csv.md", "Meta CSV", [f.name for f in fields(PhotoMeta)]),
        ("planogram-csv.md", "summary.json", [f.name for f in fields(EndToEndReport)]),
        ("planogram-csv.md", "match --json", json.loads(error_line("a.jpg", recognition.errors.SourceError("no")))),
        ("evaluation.md", "Detection", [f.name for f in fields(DetectionReport)]),
        ("evaluation.md", "Matching", [f.name for f in fields(MatchingReport)]),
        ("evaluation.md", "End to end", [f.name for f in fields(EndToEndReport)]),
        (
            "evaluation.md",
            "Comparing encoders",
            [f.name for kind in (ComparisonReport, EncoderReport, PairReport) for f in fields(kind)],
        ),
        ("training.md", "Encoder", [f.name for f in fields(TrainReport)]),
        ("streaming.md", "events.jsonl", [f.name for f in fields(Event)]),
        ("streaming.md", "stats.json", [f.name for f in fields(SourceStats)]),
        ("sku-database.md", "What `skus info` says", [f.name for f in fields(DatabaseInfo)]),
        ("sku-database.md", "Probes and the runtime", [f.name for f in fields(Trial)]),
    ],
)
def test_names_of_a_table(page: str, title: str, names: Any) -> None:
    assert first_cells(section(DOCS / page, title)) == list(names)


def test_keys_of_run_json(tmp_path: Path) -> None:
    RunWriter(tmp_path, Origin(Settings(), {}), Log())
    keys = list(json.loads((tmp_path / RUN).read_text()))
    assert first_cells(section(DOCS / "planogram-csv.md", "run.json")) == keys


@pytest.mark.parametrize(("page", "title"), [("planogram-csv.md", "summary.json"), ("evaluation.md", "End to end")])
def test_counts_per_photo_are_named(page: str, title: str) -> None:
    row = next(line for line in section(DOCS / page, title).splitlines() if line.startswith("| `photos`"))
    assert re.findall(r"`([^`]+)`", row)[1:] == [f.name for f in fields(PhotoScore)]


def test_fields_of_skus_info_in_cli() -> None:
    row = next(line for line in section(DOCS / "cli.md", "`skus info`").splitlines() if line.startswith("| `--json`"))
    assert re.findall(r"`([^`]+)`", row)[1:] == [f.name for f in fields(DatabaseInfo)]


def test_settings_file_shows_every_key_and_its_default(tmp_path: Path) -> None:
    (toml,) = re.findall(r"```toml\n(.+?)```", section(DOCS / "cli.md", "Settings file"), re.DOTALL)
    (tmp_path / "shop.toml").write_text(toml)
    assert load_settings(tmp_path / "shop.toml") == Settings()
    shown = re.findall(r"^(?:\[)?(\w+)", toml, re.MULTILINE)
    names = [
        name for s in fields(Settings) for name in (s.name, *(f.name for f in fields(getattr(Settings(), s.name))))
    ]
    assert shown == names


def test_short_names_of_encoders() -> None:
    text = section(DOCS / "cli.md", "Encoders")
    (line,) = [line for line in text.splitlines() if line.startswith("- a short name")]
    assert re.findall(r"`([^`]+)`", line) == list(HUB_ENCODERS)


def test_table_of_encoders() -> None:
    lines = section(DOCS / "encoders.md", "By name").splitlines()
    rows = [cells for line in lines if len(cells := line.strip("| ").split(" | ")) == 8 and "`" in cells[0]]
    assert rows == [
        [
            f"`{row.name}`", row.repository, row.architecture, str(row.dim), str(row.side or "see its files"),
            str(row.megabytes), row.licence, "yes" if row.text else "no",
        ]
        for row in ENCODERS
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "kind"), [("weights list", ListedEncoder), ("weights verify", CheckedWeights)])
def test_fields_of_the_weights_commands(words: str, kind: Any) -> None:
    text = section(DOCS / "cli.md", f"`{words}`")
    row = next(line for line in text.splitlines() if line.startswith("| `--json`"))
    assert re.findall(r"`([^`]+)`", row)[1:] == [f.name for f in fields(kind)]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page_id(page)} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page_id(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have as link targets."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def tree() -> list[str]:
    """Paths of the README's tree of files; folders end in a slash."""
    (block,) = re.findall(r"```\n(.+?)```", section(README, "Files"), re.DOTALL)
    paths, folders = [], [""]
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        name, *remark = re.split(r"\s{2,}", line.strip())
        assert remark, f"{name} has no remark"
        path = "".join(folders[: depth + 1]) + name
        folders = [*folders[: depth + 1], name]
        paths.append(path)
    return paths


def test_files_of_the_tree_exist() -> None:
    missing = [p for p in tree() if not ((REPOSITORY / p).is_dir() if p.endswith("/") else (REPOSITORY / p).is_file())]
    assert not missing


def test_every_module_stands_in_the_tree() -> None:
    listed = tree()
    modules = [p.relative_to(REPOSITORY).as_posix() for p in sorted(REPOSITORY.glob("recognition/**/*.py"))]
    modules += [p.relative_to(REPOSITORY).as_posix() for p in sorted(REPOSITORY.glob("benchmarks/*.py"))]
    wanted = [path for path in modules if not path.endswith("__init__.py") and "/render/" not in path]
    assert [path for path in wanted if path not in listed] == []


def test_architecture_stays_one_page() -> None:
    assert len((DOCS / "architecture.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_changelog_names_this_version() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(recognition.__version__)}\b", text, re.MULTILINE)
    entries = re.findall(r"^- .+?(?=\n- |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert entries and all(re.search(r"\(#\d+\)\.", entry) for entry in entries)


def test_terms_of_the_weights_are_stated() -> None:
    for page in (README, REPOSITORY / "weights" / "README.md"):
        text = page.read_text(encoding="utf-8")
        assert "for research and trial" in text and "train detector --rendered" in text


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_figure_is_left_open(page: Path) -> None:
    assert "TODO" not in page.read_text(encoding="utf-8")
