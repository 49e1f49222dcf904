"""The SKU database at any size, through its own writer and reader, beside batched IndexFlatIP in the same run.

`python -m benchmarks.index --rows 1000000 --out index-1m.json [--beside hnsw] [--autofaiss PYTHON]`
`python -m benchmarks.index --rows 3200000 --out index-3m.json`

Vectors are families of look-alikes (benchmarks/index_data.py). Parts run one after another, each in a process of its
own; what a part measured is in --out before the next begins, and the same command run again goes on after it. The
database lies in --work (default: beside --out) and may be deleted afterwards.

What to expect on 2 cores, at 768 numbers, without --beside: 3.2 million rows take 10 GB of disk and of memory, page
cache aside, and about ten minutes, most of it drawing vectors, the index and the exact search; 1 million a third of
that. --beside hnsw holds all rows as float32 (3.3 GB a million) and takes half an hour a million to build; autofaiss
(`uv venv; uv pip install autofaiss`, its python given here) holds them too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.index_parts import PARTS, TRUTH, Plan
from benchmarks.photo import ROOT, Spread, run_child

AUTOFAISS = "autofaiss"
Results = dict[str, Any]


def measure(plan: Plan, out: Path, threads: int, beside: Sequence[str], autofaiss: str) -> Results:
    """Runs the parts that `out` does not hold yet, and writes it after each."""
    setting = {**asdict(plan), "threads": threads}
    results: Results = {"plan": setting}
    if out.is_file():
        former = json.loads(out.read_text(encoding="utf-8"))
        # A database of another plan in the same folder would be measured for this one.
        if former["plan"] != setting:
            raise SystemExit(f"{out} holds another plan: give another --out, or delete it and {plan.work}")
        results = former
    Path(plan.work).mkdir(parents=True, exist_ok=True)
    for part in _parts(beside):
        if part not in results:
            print(part, file=sys.stderr, flush=True)
            results[part] = _autofaiss(plan, autofaiss) if part == AUTOFAISS else _part(part, plan, threads)
            fresh = out.with_suffix(".part")
            fresh.write_text(json.dumps(results, indent=1), encoding="utf-8")
            fresh.replace(out)
    return results


def _parts(beside: Sequence[str]) -> list[str]:
    """Changes come last: the parts before them count on rows that lie as they were drawn."""
    return [*(part for part in PARTS if part not in ("hnsw", "changes")), *beside, "changes"]


def _part(part: str, plan: Plan, threads: int) -> Results:
    return run_child("index_parts", threads, part, json.dumps(asdict(plan)))


def _autofaiss(plan: Plan, python: str) -> Results:
    """What autofaiss's process printed, or one sentence why there is nothing."""
    if not Path(python).is_file():
        return {"missing": f"--autofaiss {python!r} is no python of an environment that has it"}
    vectors = next(plan.database.glob("vectors-*.f16"))
    sizes = [str(plan.rows), str(plan.dim), str(Path(plan.work) / TRUTH), str(plan.batch), str(plan.rounds)]
    command = [python, str(ROOT / "benchmarks" / "index_autofaiss.py"), str(vectors), *sizes]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"missing": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    found: Results = json.loads(done.stdout.splitlines()[-1])
    return found


def as_table(results: Results) -> str:
    """What was measured, for people: medians, with the least and the most."""
    plan = results["plan"]
    lines = [f"{plan['rows']} x {plan['dim']}, {plan['queries']} queries, batches of {plan['batch']}"]
    for part, measured in results.items():
        if part == "plan":
            continue
        flat = {
            f"{outer} {name}" if name else outer: value
            for outer, inner in measured.items()
            for name, value in (inner.items() if isinstance(inner, dict) else [("", inner)])
        }
        lines += [f"{part:10} {name:30} {_shown(value)}" for name, value in flat.items()]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return str(Spread.of(value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="references in the database, one per SKU")
    parser.add_argument("--dim", type=int, default=768, help="numbers per vector")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=200, help="queries searched at once")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which ways take turns")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each part")
    parser.add_argument("--out", type=Path, default=Path("index-benchmark.json"), help="results, part by part")
    parser.add_argument("--work", type=Path, help="folder of the database (default: beside --out)")
    parser.add_argument("--beside", choices=("hnsw", AUTOFAISS), nargs="*", default=[], help="also measure these")
    parser.add_argument("--autofaiss", default="", metavar="PYTHON", help="python of an environment that has autofaiss")
    given = parser.parse_args(arguments)
    sizes = (given.rows, given.dim, given.queries, given.batch, given.repeats, given.threads)
    if min(sizes) < 1:
        parser.error("--rows, --dim, --queries, --batch, --repeats and --threads: wanted 1 or more")
    work = given.work or given.out.with_suffix(".work")
    plan = Plan(str(work.resolve()), given.rows, given.dim, given.queries, given.batch, given.repeats)
    beside = [*given.beside, *([AUTOFAISS] if given.autofaiss and AUTOFAISS not in given.beside else [])]
    print(as_table(measure(plan, given.out, given.threads, beside, given.autofaiss)))


if __name__ == "__main__":
    main()
