"""Helpers of the SKU database's tests: an encoder without a model, records, vectors and catalogues made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from recognition.skus.records import ReferenceRecord
from recognition.skus.writer import DatabaseWriter
from recognition.types import Sku

DIM = 12


class TinyEncoder:
    """Embeds a crop as its four quarters' mean colours; counts what it was given."""

    name = "tiny"
    dim = DIM
    fingerprint = "f" * 32

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.encoded += len(crops)
        vectors = np.zeros((len(crops), DIM), np.float32)
        for vector, crop in zip(vectors, crops, strict=True):
            height, width = crop.shape[0] // 2, crop.shape[1] // 2
            quarters = (crop[:height, :width], crop[:height, width:], crop[height:, :width], crop[height:, width:])
            vector[:] = np.concatenate([quarter.mean(axis=(0, 1)) for quarter in quarters]) - 127.3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class OtherEncoder(TinyEncoder):
    """Another encoder of as many numbers, whose vectors have nothing to do with those of the first."""

    name = "other"
    fingerprint = "0" * 32

    def encode(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return super().encode(crops)[:, ::-1].copy()


@pytest.fixture
def encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture
def other_encoder() -> OtherEncoder:
    return OtherEncoder()


@pytest.fixture
def unit() -> Callable[..., np.ndarray]:
    def make(count: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
        vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return make


@pytest.fixture
def records() -> Callable[..., list[ReferenceRecord]]:
    def make(*skus: str, **metadata: object) -> list[ReferenceRecord]:
        return [ReferenceRecord(Sku(-1, sku, **metadata), "", f"hash{place}") for place, sku in enumerate(skus)]

    return make


@pytest.fixture
def open_writer(tmp_path: Path) -> Callable[..., DatabaseWriter]:
    def make(dim: int = DIM, fingerprint: str = TinyEncoder.fingerprint) -> DatabaseWriter:
        return DatabaseWriter(tmp_path / "db", "tiny", dim, fingerprint)

    return make


@pytest.fixture
def picture() -> Callable[..., Path]:
    def make(path: Path, seed: int) -> Path:
        """A 24 x 24 picture of four plain quarters, colours by seed."""
        colours = np.random.default_rng(seed).integers(0, 200, (2, 2, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Pictures.fromarray(colours.repeat(12, axis=0).repeat(12, axis=1)).save(path)
        return path

    return make
