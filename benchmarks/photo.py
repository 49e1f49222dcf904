"""One shelf photo with about 150 products against 100,000 SKUs: this program beside the naive way, in one run.

`python benchmarks/photo.py [--skus 100000] [--repeats 3] [--threads N] [--photo shelf.jpg] [--json]
[--encoder-shape siglip-b/16-256] [--runtime openvino-int8-weights] [--group]`

Both ways get the same photo, the same boxes (our detector finds them once a round; its seconds count for both), the
same encoder weights and the same vectors, and run on the CPU with the same number of threads. The naive way is
Pillow, the transformers processor and model crop by crop in float32, and faiss.IndexFlatIP query by query. Ways take
turns, each time in a new process that has loaded and warmed up before the clock starts. Another shape than `starter`
has random weights: its seconds count, its answers do not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, as the first line says

from benchmarks.photo_ways import STARTER, Choice  # noqa: E402

SAME_WORK = ("decode", "crop", "group", "embed", "search")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
TURNS = ("detect", "ours", "naive")

Rounds = Sequence[dict[str, dict[str, Any]]]
"""Per round and way, what its process measured (`photo_ways.Measured`)."""


@dataclass(frozen=True)
class Spread:
    """Over the rounds."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        """Median, and the least and most beside it."""
        return f"{self.median:.3f} ({self.min:.3f}..{self.max:.3f})"


@dataclass(frozen=True)
class Report:
    """seconds: per way and stage; ratios: naive to ours, of the rounds' totals. `same work` is decode to search,
    `with detection` adds the detector to both, `with verification` also verification, to ours alone. memory_mib: most
    held by each way's process, before the photo (`ready`) and at all (`peak`). agreement: share of boxes with
    the same best SKU; agreement_exact: had our vectors been searched exactly, what differs then is the fitting of crops
    alone. inputs: what it was measured on."""

    products: int
    threads: int
    rounds: int
    seconds: dict[str, dict[str, Spread]]
    ratios: dict[str, Spread]
    agreement: float
    agreement_exact: float
    memory_mib: dict[str, dict[str, Spread]]
    inputs: dict[str, Any]


def measure(skus: int, rounds: int, threads: int, photo: Path | None, choice: Choice) -> Report:
    """Makes the inputs in a temporary folder, lets the ways take turns, and sums up."""
    with tempfile.TemporaryDirectory(prefix="photo-benchmark-") as folder:
        given = str(photo.resolve()) if photo else "", str(skus), json.dumps(asdict(choice))
        inputs = run_child("photo_inputs", threads, folder, *given)
        measured = [{way: run_child("photo_ways", threads, way, folder) for way in TURNS} for _ in range(rounds)]
    return summarise(measured, inputs, threads)


def run_child(module: str, threads: int, *arguments: str) -> dict[str, Any]:
    """What a module prints as JSON. This process stays small: a child's ru_maxrss begins with its parent's size."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def summarise(rounds: Rounds, inputs: dict[str, Any], threads: int) -> Report:
    """Medians and spreads of what the rounds measured."""
    seconds = {
        way: {stage: Spread.of([r[way]["seconds"][stage] for r in rounds]) for stage in rounds[0][way]["seconds"]}
        for way in TURNS
    }
    totals = {"same work": (0, 0), "with detection": (1, 0), "with verification": (1, 1)}
    ratios = {name: Spread.of([_ratio(r, *extra) for r in rounds]) for name, extra in totals.items()}
    memory = {way: {at: Spread.of([r[way][f"{at}_mib"] for r in rounds]) for at in ("ready", "peak")} for way in TURNS}
    agreement, exact = (_agreement(rounds, answers) for answers in ("answers", "exact"))
    products = len(rounds[0]["ours"]["answers"])
    return Report(products, threads, len(rounds), seconds, ratios, agreement, exact, memory, inputs)


def _agreement(rounds: Rounds, answers: str) -> float:
    pairs = [pair for r in rounds for pair in zip(r["ours"][answers], r["naive"]["answers"], strict=True)]
    return float(sum(one == other for one, other in pairs) / max(len(pairs), 1))


def _ratio(one_round: dict[str, dict[str, Any]], detection: int, verification: int) -> float:
    own, other = (one_round[way]["seconds"] for way in ("ours", "naive"))
    common = detection * one_round["detect"]["seconds"]["detect"]
    # The naive way has no stages without products.
    naive = common + sum(other.get(stage, 0.0) for stage in SAME_WORK)
    return float(naive / (common + sum(own.get(stage, 0.0) for stage in SAME_WORK) + verification * own["verify"]))


def as_table(report: Report) -> str:
    """The report for people."""
    made = report.inputs
    lines = [
        f"one photo of {made['width']} x {made['height']}, {report.products} products, "
        f"{made['rendered'] + made['distractors']} SKUs ({made['index']}, nprobe {made['nprobe']}), "
        f"{report.threads} threads, {report.rounds} rounds",
        f"{'seconds: median (least..most)':30} {'ours':24} {'naive':24} ratio",
    ]
    for stage, own in report.seconds["ours"].items():
        other = report.seconds["naive"].get(stage)
        times = f"{other.median / own.median:.1f}" if other else ""
        lines.append(f"{stage:30} {own!s:24} {other or '-'!s:24} {times}".rstrip())
    lines.append(f"{'detect (the same for both)':30} {report.seconds['detect']['detect']}")
    lines += [f"naive / ours, {name:17} {ratio}" for name, ratio in report.ratios.items()]
    lines.append(
        f"the same best SKU: {report.agreement:.3f} of the products, {report.agreement_exact:.3f} with exact search"
    )
    for way, held in report.memory_mib.items():
        lines.append(f"{way:6} peak memory {held['peak'].median:.0f} MiB, before the photo {held['ready'].median:.0f}")
    lines.append(
        f"distractors: median cosine {made['nearest_distractor']:.2f} to the nearest rendered pack, "
        f"{made['nearest_rendered']:.2f} from one such pack to the next; the index's recall@1 is {made['recall']:.3f}"
    )
    lines.append("verify: every box against its nearest pictures, all unseen before")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--skus", type=int, default=100_000, help="distractors beside the rendered packs")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, 1 or more")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each way")
    parser.add_argument("--photo", type=Path, help="a photo of your own instead of the rendered one")
    parser.add_argument("--encoder-shape", default=STARTER, help="starter, siglip-b/16-256 or clip-b/32")
    parser.add_argument("--runtime", default="auto", help="of our way, as for `run`")
    parser.add_argument("--group", action="store_true", help="our way embeds one of equal facings for all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    if given.repeats < 1 or given.skus < 1 or given.threads < 1:
        parser.error("--repeats, --skus and --threads: wanted 1 or more")
    if given.photo and not given.photo.is_file():
        parser.error(f"--photo {given.photo}: no such file")
    choice = Choice(given.encoder_shape, given.runtime, given.group)
    report = measure(given.skus, given.repeats, given.threads, given.photo, choice)
    print(json.dumps(asdict(report), indent=1) if given.json else as_table(report))


if __name__ == "__main__":
    main()
