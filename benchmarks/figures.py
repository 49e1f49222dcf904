"""Reproduces the figures of README.md, weights/README.md and docs/evaluation.md, one process each.

    python benchmarks/figures.py DATA --out figures.json

DATA holds `tobacco`, `cornershop_dev` and `grocery_store`, in layouts that `recognize.py evaluate` reads. A row whose
data or model cannot be had says so, with the command that fills it elsewhere.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("detection", "matching", "demo")
DETECTION_SETS = ("tobacco", "cornershop_dev")
MATCHING_SETS = (("grocery_store", ("--asked-only",)), ("grocery_store", ()), ("cornershop_dev", ()))
RIVALS = {
    "ours": ("embedding", ""), "SIFT and RANSAC alone": ("sift", ""), "colour histogram": ("histogram", ""),
    "the same network, untrained": ("untrained", ""), "SigLIP": ("embedding", "siglip"),
    "FashionCLIP": ("embedding", "fashion-clip"),
}  # fmt: skip
DETECTION_COLUMNS = ("ap50", "ap", "precision", "recall", "f1", "count_error")
MATCHING_COLUMNS = (
    "recall_at_1", "recall_at_5", "recall_at_10", "mean_average_precision", "verified_recall_at_1", "auroc",
    "score_auroc", "ms",
)  # fmt: skip
DEMO_COLUMNS = ("found", "right", "false_known", "precision", "recall", "f1", "facings_f1")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, the arguments of recognize.py that do it, and what came of it.

    figures: empty where it failed, and `error` says why.
    """

    name: str
    arguments: tuple[str, ...]
    figures: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def command(self) -> str:
        """What a reader types."""
        return "python recognize.py " + shlex.join(self.arguments)


def planned(part: str, data: Path, detector: str, encoder: str) -> list[Row]:
    """The rows of one part, not measured yet."""
    if part == "detection":
        with_model = ("--detector", detector) if detector != "starter" else ()
        return [Row(name, ("evaluate", "detection", str(data / name), *with_model)) for name in DETECTION_SETS]
    rows = []
    for name, options in MATCHING_SETS:
        for rival, (method, model) in RIVALS.items():
            words = ["evaluate", "matching", str(data / name), *options]
            words += ["--method", method] if method != "embedding" else []
            own = encoder if rival in ("ours", "the same network, untrained") else model
            words += ["--encoder", own] if own not in ("", "starter") else []
            rows.append(Row(f"{name}{' asked only' if options else ''}: {rival}", tuple(words)))
    return rows


def measure(row: Row) -> Row:
    """Runs the row's command in a process of its own and reads the JSON that it prints."""
    done = _recognize(*row.arguments, "--json")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        return Row(row.name, row.arguments, error=lines[-1].removeprefix("error: "))
    return Row(row.name, row.arguments, json.loads(done.stdout.splitlines()[-1]))


def measure_demo(detector: str, encoder: str) -> Row:
    """Builds the samples' database, runs over their photos, and holds the run against their truth."""
    with tempfile.TemporaryDirectory() as folder:
        db, out = str(Path(folder) / "sku_db"), str(Path(folder) / "result")
        models = ("--encoder", encoder)
        samples = str(ROOT / "samples")
        build = ("skus", "build", f"{samples}/catalog.csv", "--db", db, *models)
        run = ("run", f"{samples}/photos", "--db", db, "--out", out, "--no-pictures", *models, "--detector", detector)
        shown = ("evaluate", "end-to-end", "RESULT", "samples")
        for arguments in (build, run):
            done = _recognize(*arguments)
            if done.returncode:
                return Row("samples", shown, error=done.stderr.strip().splitlines()[-1])
        found = measure(Row("samples", ("evaluate", "end-to-end", out, samples)))
        return Row(found.name, shown, found.figures, found.error)


def _recognize(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recognize.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def as_markdown(title: str, columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A table; figures with an interval show it. A row that failed shows why, and the command to try again."""
    lines = [f"### {title}", "", f"| what | {' | '.join(columns)} | command |", "|---" * (len(columns) + 2) + "|"]
    for row in rows:
        cells = [_cell(row.figures, column) for column in columns] if row.figures else [f"not measured: {row.error}"]
        cells += [""] * (len(columns) - len(cells))
        lines.append(f"| {row.name} | {' | '.join(cells)} | `{row.command}` |")
    return "\n".join(lines)


def _cell(figures: dict[str, Any], column: str) -> str:
    value, low, high = (figures.get(f"{column}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    interval = f" ({low:.2f} to {high:.2f})" if low is not None and high is not None else ""
    return f"{value:.1f}" if column == "ms" else f"{value:.3f}{interval}"


def figures(data: Path, detector: str, encoder: str, parts: Sequence[str], say: Say) -> Iterator[dict[str, list[Row]]]:
    """Measures the parts one row after the other, and gives all rows so far; `say` is told what is under way."""
    measured: dict[str, list[Row]] = {part: [] for part in parts}
    for part in parts:
        if part == "demo":
            say("demo: builds, runs and evaluates samples/")
            measured[part].append(measure_demo(detector, encoder))
            yield measured
            continue
        for row in planned(part, data, detector, encoder):
            say(row.command)
            measured[part].append(measure(row))
            yield measured


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with tobacco, cornershop_dev and grocery_store")
    parser.add_argument("--detector", default="starter", help="starter, or the path of a .pt file")
    parser.add_argument("--encoder", default="starter", help="starter, a name, a local folder, or a hub id")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part of it; may be given several times")
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        parser.error(f"{given.data}: no such folder")
    if given.out and not given.out.resolve().parent.is_dir():
        parser.error(f"--out {given.out}: no such folder to write it in")
    measured: dict[str, list[Row]] = {}
    for measured in figures(given.data, given.detector, given.encoder, given.only or PARTS, _say):
        if given.out:  # after each row: measuring all takes an hour
            _write(given.out, measured)
    columns = {"detection": DETECTION_COLUMNS, "matching": MATCHING_COLUMNS, "demo": DEMO_COLUMNS}
    print("\n\n".join(as_markdown(part.capitalize(), columns[part], rows) for part, rows in measured.items()))


def _write(out: Path, measured: dict[str, list[Row]]) -> None:
    content = {part: [asdict(row) | {"command": row.command} for row in rows] for part, rows in measured.items()}
    out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
