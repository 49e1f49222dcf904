"""Picture files in, vectors on disk out: `skus build` beside clip-retrieval's inference, in turns, a process each time.

Both read one folder, CLIP ViT-B/32 of true shape with random weights, in float32 on the CPU, with the preprocessing of
its processor, and get the same batch and threads. Loading and converting the model, and a first batch, come before the
clock. `skus build` does more than the other: it hashes the files, keeps thumbnails, and commits every second, from
where it goes on when it was interrupted; clip-retrieval writes when all is embedded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from benchmarks.encode_inputs import make_clip, save_files
from benchmarks.photo import ROOT, THREADS, Spread, run_child
from recognition.embedding.huggingface import HuggingFaceEncoder
from recognition.settings import EmbedSettings
from recognition.skus.build import build_database
from recognition.skus.database import SkuDatabase
from recognition.skus.source import read_source

THEIRS, OURS = "clip-retrieval", "skus build"
MODEL, PICTURES = "model", "pictures"
_COMMIT_SECONDS = 1.0


@dataclass(frozen=True)
class FileRow:
    """One way. seconds: per picture. times_theirs: how many times as fast as clip-retrieval, of the rounds' own pairs.
    cosine: least one to clip-retrieval's vectors."""

    way: str
    seconds: Spread
    times_theirs: Spread
    cosine: float


def measure_files(python: Path, files: int, rounds: int, threads: int, batch: int) -> list[FileRow]:
    """Makes model and pictures in a temporary folder, and lets the two take turns. python: of the environment that
    holds clip-retrieval."""
    with tempfile.TemporaryDirectory(prefix="encode-benchmark-") as name:
        folder = Path(name)
        os.environ["SHELF_RECOGNITION_CACHE"] = str(folder / "cache")
        make_clip(folder / MODEL)
        save_files(folder / PICTURES, files)
        found: dict[str, list[float]] = {THEIRS: [], OURS: []}
        for number in range(rounds):
            print(f"round {number + 1}", file=sys.stderr, flush=True)
            found[THEIRS].append(_theirs(python, folder, folder / f"theirs-{number}", threads, batch))
            own = run_child("encode_files", threads, name, str(folder / f"ours-{number}"), str(batch))
            found[OURS].append(own["seconds"])
        vectors = {THEIRS: np.load(folder / "theirs-0" / "img_emb" / "img_emb_0.npy").astype(np.float32)}
        with SkuDatabase.open(folder / "ours-0") as database:
            vectors[OURS] = database.vectors(np.arange(database.count()))
    return summarise(found, vectors, files)


def summarise(found: dict[str, list[float]], vectors: dict[str, NDArray[np.float32]], files: int) -> list[FileRow]:
    """Medians, spreads and ratios of the rounds' seconds."""
    return [
        FileRow(
            way, Spread.of([each / files for each in seconds]),
            Spread.of([theirs / own for theirs, own in zip(found[THEIRS], seconds, strict=True)]),
            float(np.einsum("nd,nd->n", _unit(vectors[way]), _unit(vectors[THEIRS])).min()),
        )
        for way, seconds in found.items()
    ]  # fmt: skip


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of norm 1, which float16 bends a little."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def files_table(rows: Sequence[FileRow]) -> str:
    """For people: medians, with the least and the most."""
    lines = [f"{'way':16} {'seconds a picture':26} {'times clip-retrieval':26} {'cosine':>8}"]
    lines += [f"{row.way:16} {row.seconds!s:26} {row.times_theirs!s:26} {row.cosine:8.5f}" for row in rows]
    return "\n".join(lines)


def _theirs(python: Path, folder: Path, out: Path, threads: int, batch: int) -> float:
    script = str(ROOT / "benchmarks" / "encode_clip_retrieval.py")
    command = [str(python), script, str(folder / MODEL), str(folder / PICTURES), str(out), str(batch), str(threads)]
    offline = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), **offline}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{python}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def ours(folder: Path, out: Path, batch: int) -> dict[str, float]:
    """Builds a database of the pictures; what it took."""
    encoder = HuggingFaceEncoder(
        folder / MODEL, MODEL, EmbedSettings(batch_size=batch, device="cpu", fit="processor", runtime="openvino")
    )
    encoder.encode([np.asarray(Pictures.open(path)) for path in sorted((folder / PICTURES).iterdir())[:batch]])
    clock = time.perf_counter()
    build_database(read_source(folder / PICTURES), out, encoder, batch=batch, commit_seconds=_COMMIT_SECONDS)
    return {"seconds": time.perf_counter() - clock}


if __name__ == "__main__":
    print(json.dumps(ours(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
