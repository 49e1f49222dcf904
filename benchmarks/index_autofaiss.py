"""autofaiss's choice on the rows of benchmarks/index.py, in an environment of its own that need hold nothing of ours.

`PYTHON index_autofaiss.py VECTORS.f16 ROWS DIM TRUTH.npz BATCH ROUNDS`; prints one line of JSON.
"""

import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from autofaiss import build_index


def main(vectors: str, rows: int, dim: int, truth_file: str, batch: int, rounds: int) -> None:
    """Builds with its defaults, with room for the float32 rows, searches in batches, and compares with exact scores."""
    room = rows * dim * 4 // 10**6
    saved = np.load(truth_file)
    queries, truth = saved["queries"], saved["truth"]
    wide = np.fromfile(vectors, "<f2", rows * dim).reshape(rows, dim).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "knn.index"
        mark = perf_counter()
        index, infos = build_index(
            wide, index_path=str(path), index_infos_path=str(Path(folder) / "infos.json"), metric_type="ip",
            max_index_memory_usage=f"{room * 2 + 100}MB", current_memory_available=f"{room * 4 + 8000}MB", verbose=30,
        )  # fmt: skip
        building, size = perf_counter() - mark, path.stat().st_size
    times = []
    for _ in range(rounds):
        mark = perf_counter()
        scores = np.concatenate([index.search(queries[n : n + batch], 10)[0] for n in range(0, len(queries), batch)])
        times.append((perf_counter() - mark) / len(queries) * 1e3)
    found = np.concatenate([index.search(queries[n : n + batch], 10)[1] for n in range(0, len(queries), batch)])
    # Its scores may be of compressed codes: the exact ones of what it found count.
    scores = -np.sort(-np.einsum("nd,nkd->nk", queries, wide[found]), axis=1)
    reached = float((scores[:, 0] >= truth[:, 0] - 1e-4).mean()), float((scores >= truth[:, -1:] - 1e-4).mean())
    made = {"index_key": infos["index_key"], "index_param": infos["index_param"]} if infos else {}
    print(json.dumps({
        **made, "build_s": building, "ms": times, "bytes_per_vector": size / rows,
        "recall_at_1": reached[0], "recall_at_10": reached[1],
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
