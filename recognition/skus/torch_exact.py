"""Exact search on a GPU: float16 rows in its memory, chunked matrix products and top-k in torch.

Only the file of vectors is the truth: what lies on the device is a copy that follows it. On a CPU (for the tests) the
copy is float32. FAISS's own GPU index is not used: where `faiss.get_num_gpus()` is above 0 nobody has measured it yet.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.skus.exact import Ids, Scores, best
from recognition.skus.vectors import Halves

BLOCK_ROWS = 262_144
SPARE = 32
"""More rows than asked for are taken by float16 scores and ordered by float32 ones, since families of look-alikes
differ by less than float16 tells apart."""
HEADROOM = 2 << 30
"""Bytes left free on the device: the scores of a block for 200 queries, and the encoder's batches."""


class DeviceVectors:
    """The rows of a vector file on a device, in blocks of BLOCK_ROWS."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.kind = torch.float16 if self.device.type == "cuda" else torch.float32
        self.blocks: list[torch.Tensor] = []
        self._file = ""
        self._rows = 0

    def fits(self, rows: int, dim: int) -> bool:
        """Whether so many rows, and room to search them, are free on the device (always, on a CPU)."""
        if self.device.type != "cuda":
            return True
        held = sum(block.nbytes for block in self.blocks)
        free = torch.cuda.mem_get_info(self.device)[0] + held
        blocks = -(-rows // BLOCK_ROWS)
        return blocks * BLOCK_ROWS * dim * 2 + HEADROOM <= free

    def follow(self, file: str, vectors: Halves) -> None:
        """Brings the copy up to date: the rows that were appended to `file` since, or all of another file."""
        if file != self._file or len(vectors) < self._rows:
            self.blocks, self._rows, self._file = [], 0, file
        while self._rows < len(vectors):
            block, place = divmod(self._rows, BLOCK_ROWS)
            if block == len(self.blocks):
                shape = (BLOCK_ROWS, vectors.shape[1])
                self.blocks.append(torch.empty(shape, dtype=self.kind, device=self.device))
            part = np.array(vectors[self._rows : self._rows + BLOCK_ROWS - place])
            self.blocks[block][place : place + len(part)] = torch.from_numpy(part).to(self.device, self.kind)
            self._rows += len(part)

    def scan(self, allowed: NDArray[np.bool_]) -> DeviceScan:
        """A search of the allowed rows, bool (rows,)."""
        return DeviceScan(self, allowed)


class DeviceScan:
    """As `exact.Scan`, over the allowed rows, bool (rows,), of a copy on a device."""

    held = 0

    def __init__(self, vectors: DeviceVectors, allowed: NDArray[np.bool_]) -> None:
        self._vectors = vectors
        self._barred = [
            torch.from_numpy(~allowed[start : start + BLOCK_ROWS]).to(vectors.device)
            for start in range(0, len(allowed), BLOCK_ROWS)
        ]

    @torch.inference_mode()
    def top(self, queries: Scores, count: int) -> tuple[Scores, Ids]:
        """The `count` best rows of each query (n, dim): cosines and rows (n, count), best first; else -inf and -1."""
        sent = torch.from_numpy(np.ascontiguousarray(queries)).to(self._vectors.device)
        scores = torch.full((len(queries), count), -torch.inf, device=sent.device)
        rows = torch.full((len(queries), count), -1, dtype=torch.int64, device=sent.device)
        for number, barred in enumerate(self._barred):
            found, places = self._best_of(sent, self._vectors.blocks[number][: len(barred)], barred, count)
            merged = torch.cat([scores, found], 1), torch.cat([rows, places + number * BLOCK_ROWS], 1)
            scores, keep = merged[0].topk(count, dim=1)
            rows = merged[1].gather(1, keep)
        lone = torch.where(torch.isinf(scores), -1, rows)
        return best(scores.cpu().numpy(), lone.cpu().numpy(), count)

    def _best_of(
        self, queries: torch.Tensor, block: torch.Tensor, barred: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores, float32, and places of the best rows of one block; at most `count` and SPARE of them."""
        products = queries.to(block.dtype) @ block.T
        products.masked_fill_(barred, -torch.inf)
        rough, places = products.topk(min(count + SPARE, len(block)), dim=1)
        exact = torch.bmm(block[places].float(), queries[:, :, None])[:, :, 0]
        return exact.masked_fill(torch.isinf(rough), -torch.inf), places
