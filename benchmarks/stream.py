"""`stream` beside the naive way: a film whose every frame is detected, embedded and matched whole, in one run.

`python -m benchmarks.stream [--kinds still walk] [--shapes siglip-b/16-256 starter] [--seconds 6] [--repeats 3]
[--threads N] [--out stream-benchmark.json]`

Both ways read the same rendered film and use the same detector, encoder, database and number of threads; ways take
turns, each in a new process that has loaded and warmed up before the clock starts. The naive way is timed on some
frames of the film (`--checked`), ours on all: what is embedded once for all frames is in it, so longer films give
larger ratios. Both are checked against the truth at the same frames. `starter` is the encoder that ships; another shape
has random weights: its seconds count, its answers do not. What is measured is kept in `--out`, and a run that is
started again with the same choices goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.encode_inputs import SHAPES
from benchmarks.photo import Spread, run_child
from benchmarks.stream_inputs import FilmChoice

WAYS = ("naive", "ours")
LAG = "five times too slow"

Results = dict[str, Any]


def measure(
    choices: Sequence[FilmChoice],
    shapes: Sequence[str],
    rounds: int,
    checked: int,
    lag_s: float,
    threads: int,
    out: Path,
) -> Results:
    """Lets the ways take turns on each film; what `out` holds of the same plan is not measured again."""
    films = [asdict(choice) for choice in choices]
    plan = {"films": films, "shapes": list(shapes), "rounds": rounds, "checked": checked, "threads": threads}
    results: Results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    if results.get("plan") != plan:
        results = {"plan": plan}
    for choice in choices:
        todo = [shape for shape in shapes if f"{choice.kind} {shape}" not in results]
        with tempfile.TemporaryDirectory(prefix="stream-benchmark-") as folder:
            if todo:
                made = json.dumps(asdict(choice))
                results[choice.kind] = run_child("stream_ways", threads, "make", folder, ",".join(todo), made)
            for shape in todo:
                turns = [
                    {way: run_child("stream_ways", threads, way, folder, shape, str(checked)) for way in WAYS}
                    for _ in range(rounds)
                ]
                results[f"{choice.kind} {shape}"] = turns
                _keep(out, results)
    if LAG not in results:
        results[LAG] = run_child("stream_ways", threads, "lag", "-", str(lag_s))
        _keep(out, results)
    return results


def as_table(results: Results) -> str:
    """What was measured, for people: medians, with the least and the most."""
    plan = results["plan"]
    lines = [f"{plan['threads']} threads, {plan['rounds']} rounds, {plan['checked']} frames checked"]
    for film in plan["films"]:
        made = results[film["kind"]]
        lines.append(
            f"{film['kind']}: {film['seconds']:g} s, {made['frames']} frames of {film['width']} pixels, "
            f"{made['products']} products"
        )
        for shape in plan["shapes"]:
            turns = results[f"{film['kind']} {shape}"]
            ratio = Spread.of([_fps(turn["ours"]) / _fps(turn["naive"]) for turn in turns])
            lines.append(f"  {shape:18} frames per second, ours to naive: {ratio}")
            lines += [f"    {way:6} {_told(way, turns)}" for way in WAYS]
    lag = results[LAG]
    lines.append(
        f"a consumer {LAG}: frames {lag['median_s']:.3f} s old (most {lag['most_s']:.3f}, at the end "
        f"{lag['last_s']:.3f}), {lag['frames']} seen, {lag['dropped']} dropped"
    )
    return "\n".join(lines)


def _told(way: str, turns: Sequence[Mapping[str, Any]]) -> str:
    fps = Spread.of([_fps(turn[way]) for turn in turns])
    one = turns[-1][way]
    each = one["embedded"] / one["frames"]
    right, wrong = (one[name] / max(one["wanted"], 1) for name in ("right", "wrong"))
    return f"{fps} fps, {each:.1f} crops embedded a frame, products right {right:.3f}, wrong {wrong:.3f}"


def _fps(played: Mapping[str, Any]) -> float:
    return float(played["frames"] / played["seconds"])


def _keep(out: Path, results: Results) -> None:
    partial = out.with_name(out.name + ".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=("still", "walk"), default=["still", "walk"], help="of films")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["siglip-b/16-256", "starter"])
    parser.add_argument("--seed", type=int, default=41, help="another seed is another shelf")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the films")
    parser.add_argument("--width", type=int, default=1280, help="of the films, pixels")
    parser.add_argument("--fps", type=float, default=25.0, help="frames a second of the films")
    parser.add_argument("--checked", type=int, default=10, help="frames on which the naive way is timed")
    parser.add_argument("--lag-seconds", type=float, default=10.0, help="how long the slow consumer watches")
    parser.add_argument("--repeats", type=int, default=1, help="rounds in which ways take turns")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of each way")
    parser.add_argument("--out", type=Path, default=Path("stream-benchmark.json"), help="results, shape by shape")
    given = parser.parse_args(arguments)
    if min(given.checked, given.repeats, given.threads) < 1 or given.seconds <= 0:
        parser.error("--checked, --repeats, --threads and --seconds: wanted 1 or more")
    choices = [FilmChoice(kind, given.seed, given.seconds, given.width, given.fps) for kind in given.kinds]
    lag_s, out = given.lag_seconds, given.out
    print(as_table(measure(choices, given.shapes, given.repeats, given.checked, lag_s, given.threads, out)))


if __name__ == "__main__":
    main()
