"""The parts of benchmarks/index.py, each in a process of its own: `python -m benchmarks.index_parts PART PLAN`.

PLAN is `Plan` as JSON. A part prints what it measured as one line of JSON. All go through the product's own database.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.index_data import BLOCK_ROWS, FILTERS, Vectors, blocks, queries_of, record_of, value_of
from recognition.skus.database import SkuDatabase
from recognition.skus.writer import DatabaseWriter

DATABASE, TRUTH = "db", "truth.npz"
CHANGED = 10_000
K = 10
CHUNK_ROWS = 250_000
"""Rows of one IndexFlatIP: float32 of all rows would not fit beside the page cache at 3.2 million."""


@dataclass(frozen=True)
class Plan:
    """work: folder of the database. batch: queries searched at once. rounds: how often ways take turns."""

    work: str
    rows: int
    dim: int
    queries: int
    batch: int
    rounds: int

    @property
    def database(self) -> Path:
        """Folder of the database."""
        return Path(self.work) / DATABASE

    def writer(self) -> DatabaseWriter:
        """The one writer."""
        return DatabaseWriter(self.database, "synthetic", self.dim, "synthetic")

    def batches(self, queries: Vectors) -> Iterator[Vectors]:
        """The queries, `batch` at a time."""
        for start in range(0, len(queries), self.batch):
            yield queries[start : start + self.batch]


def fill(plan: Plan) -> dict[str, Any]:
    """Writes the rows block by block, going on where an interrupted run stopped."""
    drawing = writing = 0.0
    with plan.writer() as writer:
        done = writer.count()
        mark = perf_counter()
        for start, vectors in blocks(plan.rows - done, plan.dim, done):
            drawn = perf_counter()
            writer.upsert_references([record_of(start + n) for n in range(len(vectors))], vectors)
            drawing, writing, mark = drawing + drawn - mark, writing + perf_counter() - drawn, perf_counter()
    size = sum(path.stat().st_size for path in plan.database.iterdir())
    return {"rows": plan.rows - done, "draw_s": drawing, "write_s": writing, "disk_mib": size >> 20, **_peak()}


def index(plan: Plan) -> dict[str, Any]:
    """Builds the index, and says how long each part of that took."""
    from recognition.skus import faiss_index

    seconds: dict[str, float] = {}
    for part in ("train_cells", "fill_cells", "measure_effort"):
        setattr(faiss_index, part, _timed(getattr(faiss_index, part), part, seconds))
    with plan.writer() as writer:
        start = perf_counter()
        writer.build_index()
        total = perf_counter() - start
    with SkuDatabase.open(plan.database) as database:
        info = database.info().as_dict()
    size = sum(path.stat().st_size for path in plan.database.glob("index-*.faiss"))
    kept = {name: info[name] for name in ("index", "indexed", "nprobe", "recall", "recall_at_10")}
    rest = {"write_and_sync": total - sum(seconds.values())}
    return {**kept, "bytes_per_vector": size / plan.rows, "seconds": {**seconds, **rest}, "total_s": total, **_peak()}


def search(plan: Plan) -> dict[str, Any]:
    """Opening, memory, and milliseconds and recall beside batched IndexFlatIP, in turns."""
    opening = [_opening(plan) for _ in range(2)]
    with SkuDatabase.open(plan.database) as database:
        queries = _queries(plan, database)
        answers = [database.search(part, K) for part in plan.batches(queries)]
        first = [database.search(part, 1) for part in plan.batches(queries)]
        memory = _memory()
        exact = Exact(database, plan)
        ours: dict[int, list[float]] = {1: [], K: []}
        flat = []
        for turn in range(plan.rounds):
            for k, times in ours.items():
                times.append(_per_query(plan, queries, lambda part, k=k: database.search(part, k)))
            parts = [n for n in range(-(-plan.queries // plan.batch)) if n % plan.rounds == turn]
            flat.append(exact.look(queries, parts))
        scores = np.concatenate([found.scores for found in answers])
        ones = np.concatenate([found.scores for found in first])
    np.savez(Path(plan.work) / TRUTH, queries=queries, truth=exact.truth, flat_ms=flat)
    ratios = [one / other for one, other in zip(flat, ours[K], strict=True)]
    return {
        "open_first_s": opening[0], "open_again_s": opening[1], **memory, "flat_ms": flat, "ours_ms": ours[K],
        "ours_top1_ms": ours[1], "ratio": ratios, **recalls(scores, exact.truth),
        "recall_at_1_asked_for_1": recalls(ones, exact.truth)["recall_at_1"],
    }  # fmt: skip


class Exact:
    """Batched IndexFlatIP over all rows, chunk by chunk. truth: its scores (queries, K)."""

    def __init__(self, database: SkuDatabase, plan: Plan) -> None:
        self._database, self._plan = database, plan
        self.truth = np.full((plan.queries, K), -np.inf, np.float32)

    def look(self, queries: Vectors, parts: list[int]) -> float:
        """Searches some batches; milliseconds per query, of the searching alone."""
        import faiss

        batches = list(self._plan.batches(queries))
        seconds, asked = 0.0, sum(len(batches[n]) for n in parts)
        rows = self._database.live_rows()
        for start in range(0, len(rows), CHUNK_ROWS):
            flat = faiss.IndexFlatIP(self._plan.dim)
            flat.add(self._database.vectors(rows[start : start + CHUNK_ROWS]))
            for n in parts:
                mark = perf_counter()
                scores, _ = flat.search(batches[n], K)
                seconds += perf_counter() - mark
                place = slice(n * self._plan.batch, n * self._plan.batch + len(batches[n]))
                self.truth[place] = -np.sort(-np.concatenate([self.truth[place], scores], axis=1), axis=1)[:, :K]
        return seconds / max(asked, 1) * 1e3


def filters(plan: Plan) -> dict[str, Any]:
    """Filters beside the search without one, in turns; recall against IndexFlatIP over the rows they let through."""
    import faiss

    results = {}
    with SkuDatabase.open(plan.database) as database:
        queries = _queries(plan, database)
        for name, (field, values) in FILTERS.items():
            where = {field: [f"{field}0"]}
            rows = np.flatnonzero(value_of(np.arange(plan.rows), values) == 0)
            flat = faiss.IndexFlatIP(plan.dim)
            flat.add(database.vectors(rows))
            mark = perf_counter()
            database.search(queries[: plan.batch], K, where)
            first = perf_counter() - mark
            plain, filtered = [], []
            for _ in range(plan.rounds):
                plain.append(_per_query(plan, queries, lambda part: database.search(part, K)))
                filtered.append(_per_query(plan, queries, lambda part, where=where: database.search(part, K, where)))
            scores = np.concatenate([database.search(part, K, where).scores for part in plan.batches(queries)])
            ratio = [one / other for one, other in zip(filtered, plain, strict=True)]
            measured = {"rows": len(rows), "first_batch_s": first, "plain_ms": plain, "filtered_ms": filtered}
            results[name] = {**measured, "ratio": ratio, **recalls(scores, flat.search(queries, K)[0])}
    return results


def changes(plan: Plan) -> dict[str, Any]:
    """Adds and removes 10,000 rows; a reader that stays with the commit before them takes turns with one that moved."""
    with SkuDatabase.open(plan.database) as before, SkuDatabase.open(plan.database) as after:
        queries = _queries(plan, before)
        before.search(queries[: plan.batch], K)
        added = np.concatenate([v for _, v in blocks(CHANGED, plan.dim, -(-plan.rows // BLOCK_ROWS) * BLOCK_ROWS)])
        mark = perf_counter()
        with plan.writer() as writer:
            writer.upsert_references([record_of(10**9 + n) for n in range(CHANGED)], added)
        after.refresh()
        found = after.search(added[: plan.batch], 1)
        adding = perf_counter() - mark
        # Scores, not rows: families hold near-copies of each other.
        missing = int((found.scores[:, 0] < 0.999).sum())
        gone = np.random.default_rng(4).choice(plan.rows, min(CHANGED, plan.rows // 2), replace=False)
        mark = perf_counter()
        with plan.writer() as writer:
            writer.remove_skus(f"S{number}" for number in gone)
        after.refresh()
        found = after.search(before.vectors(gone[: plan.batch]), K)
        removing = perf_counter() - mark
        ways = {"before": before, "after": after}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(plan.rounds):
            for name, database in ways.items():
                times[name].append(_per_query(plan, queries, lambda part, database=database: database.search(part, K)))
    slower = [one / other for one, other in zip(times["after"], times["before"], strict=True)]
    return {
        "add_until_searchable_s": adding, "added_not_found": missing, "remove_until_gone_s": removing,
        "removed_still_found": int(np.isin(found.rows, gone).sum()), "before_ms": times["before"],
        "after_ms": times["after"], "slower": slower,
    }  # fmt: skip


def hnsw(plan: Plan) -> dict[str, Any]:
    """HNSW32 over the same float32 rows, with the least efSearch of a ladder that reaches recall@1 0.99; and ours."""
    saved = np.load(Path(plan.work) / TRUTH)
    queries, truth = saved["queries"], saved["truth"]
    with SkuDatabase.open(plan.database) as database:
        graph, building = _graph(plan, database)
        for effort in (16, 32, 64, 128, 256, 512):
            graph.hnsw.efSearch = effort
            reached = recalls(np.concatenate([graph.search(part, K)[0] for part in plan.batches(queries)]), truth)
            if reached["recall_at_1"] >= 0.99:
                break
        theirs, ours = [], []
        for _ in range(plan.rounds):
            theirs.append(_per_query(plan, queries, lambda part: graph.search(part, K)))
            ours.append(_per_query(plan, queries, lambda part: database.search(part, K)))
    # 64 links on the ground level, 32 on each above it that a few rows reach.
    size = plan.dim * 4 + 4 * 64
    measured = {"build_s": building, "ef_search": effort, "ms": theirs, "ours_ms": ours}
    return {**measured, "bytes_per_vector": size, **reached}


def _graph(plan: Plan, database: SkuDatabase) -> tuple[Any, float]:
    """HNSW32 and the seconds that building it took; it is kept, as at a million rows that is half an hour."""
    import faiss

    file, note = Path(plan.work) / "hnsw.faiss", Path(plan.work) / "hnsw.json"
    if note.is_file():
        return faiss.read_index(str(file)), float(json.loads(note.read_text()))
    graph = faiss.IndexHNSWFlat(plan.dim, 32, faiss.METRIC_INNER_PRODUCT)
    mark = perf_counter()
    rows = database.live_rows()
    for start in range(0, len(rows), BLOCK_ROWS):
        graph.add(database.vectors(rows[start : start + BLOCK_ROWS]))
    building = perf_counter() - mark
    faiss.write_index(graph, str(file))
    note.write_text(json.dumps(building))
    return graph, building


def recalls(scores: Vectors, truth: Vectors) -> dict[str, float]:
    """recall@1 and @10: found scores (n, K) against exact ones; a row that is as near as the true one is as right."""
    measured = {"recall_at_1": float((scores[:, 0] >= truth[:, 0] - 1e-4).mean())}
    if scores.shape[1] == truth.shape[1]:
        # Where fewer than K rows are searched FAISS fills up with the least float.
        there = truth > -2
        least = np.where(there, truth, 2).min(axis=1, keepdims=True)
        measured[f"recall_at_{K}"] = float((scores >= least - 1e-4).sum() / there.sum())
    return measured


def _queries(plan: Plan, database: SkuDatabase) -> Vectors:
    chosen = np.sort(np.random.default_rng(3).choice(plan.rows, plan.queries, replace=plan.queries > plan.rows))
    return queries_of(database.vectors(chosen))


def _per_query(plan: Plan, queries: Vectors, search_batch: Callable[[Vectors], object]) -> float:
    """Milliseconds per query."""
    mark = perf_counter()
    for part in plan.batches(queries):
        search_batch(part)
    return (perf_counter() - mark) / len(queries) * 1e3


def _opening(plan: Plan) -> float:
    mark = perf_counter()
    with SkuDatabase.open(plan.database) as database:
        database.search(np.zeros((0, plan.dim), np.float32), 1)
    return perf_counter() - mark


def _timed(work: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        mark = perf_counter()
        done = work(*arguments, **options)
        seconds[name] = perf_counter() - mark
        return done

    return run


def _peak() -> dict[str, int]:
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}


def _memory() -> dict[str, int]:
    """Memory now, MiB: private pages, and pages of mapped files that were touched."""
    fields = dict.fromkeys(("Private_Clean", "Private_Dirty", "Rss"), 0)
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.split()[0])
    return {"private_dirty_mib": fields["Private_Dirty"] >> 10, "serving_mib": fields["Rss"] >> 10}


PARTS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "fill": fill, "index": index, "search": search, "filters": filters, "hnsw": hnsw, "changes": changes,
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](Plan(**json.loads(sys.argv[2])))))
