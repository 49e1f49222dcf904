"""Fakes of the three seams, as small as they can be: exact, deterministic, without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.errors import DatabaseError, EncoderError
from recognition.skus.index import Where
from recognition.types import Detections, Image, Neighbors


class FakeDetector:
    """Gives the boxes it was told for images of each size, (height, width) to xyxy; none for other sizes."""

    name = "fake"

    def __init__(self, boxes: Mapping[tuple[int, int], Sequence[Sequence[float]]] | None = None) -> None:
        self.boxes = boxes or {}

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        found = []
        for image in images:
            boxes = np.array(self.boxes.get(image.shape[:2], []), np.float32).reshape(-1, 4)
            found.append(Detections(boxes, np.full(len(boxes), 0.9, np.float32)))
        return found


class FakeEncoder:
    """A picture's 8 x 8 colour thumbnail, centred and brought to norm 1."""

    name = "fake"
    dim = 192
    fingerprint = hashlib.sha256(b"fake 8x8").hexdigest()

    def encode(self, crops: Sequence[Image]) -> NDArray[np.float32]:
        vectors = np.zeros((len(crops), self.dim), np.float32)
        for row, crop in enumerate(crops):
            if crop.size == 0:
                raise EncoderError(f"crop {row} is empty")
            small = cv2.resize(np.ascontiguousarray(crop), (8, 8), interpolation=cv2.INTER_AREA)
            vectors[row] = small.astype(np.float32).ravel() / 255 - 0.5
            vectors[row] /= max(float(np.linalg.norm(vectors[row])), 1e-6)
        return vectors


class FakeIndex:
    """Exact search in memory. Rows count from 0 and are never used again; filters are not supported."""

    def __init__(self, skus: Sequence[int] = (), vectors: NDArray[np.float32] | None = None, dim: int = 192) -> None:
        self.skus = np.zeros(0, np.int64)
        self.vectors = np.zeros((0, dim if vectors is None else vectors.shape[1]), np.float32)
        if vectors is not None:
            self.upsert(np.array(skus, np.int64), vectors)

    def search(self, queries: NDArray[np.float32], k: int, where: Where | None = None) -> Neighbors:
        if queries.shape[1] != self.vectors.shape[1]:
            raise DatabaseError(f"queries have dim {queries.shape[1]}, the database {self.vectors.shape[1]}")
        scores = np.full((len(queries), k), -np.inf, np.float32)
        skus, rows = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -1, np.int64)
        for i, cosines in enumerate(queries @ self.vectors.T):
            order = np.argsort(np.where(self.skus >= 0, -cosines, np.inf), kind="stable")[: self.count()]
            first = np.sort(np.unique(self.skus[order], return_index=True)[1])[:k]
            best = order[first]
            scores[i, : len(best)], skus[i, : len(best)], rows[i, : len(best)] = cosines[best], self.skus[best], best
        return Neighbors(scores, skus, rows)

    def upsert(self, skus: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self.remove(skus)
        self.skus = np.concatenate([self.skus, skus])
        self.vectors = np.concatenate([self.vectors, vectors])

    def remove(self, skus: NDArray[np.int64]) -> None:
        self.skus[np.isin(self.skus, skus)] = -1

    def count(self) -> int:
        return int((self.skus >= 0).sum())
