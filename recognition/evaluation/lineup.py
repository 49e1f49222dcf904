"""Encoders side by side: each is given the same pictures in turn, so that none is timed on a busier machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.embedding.encoder import Encoder
from recognition.embedding.loading import encoder_folder, load_encoder
from recognition.errors import RecognitionError, SourceError, UsageError
from recognition.evaluation.gallery import Shot
from recognition.settings import RUNTIMES, EmbedSettings
from recognition.telling import Progress
from recognition.types import Failure, Image

ALONE = 50
"""Pictures that are encoded one by one to be timed."""
CALIBRATING = 64
"""References that a runtime is calibrated with, where it needs that."""

CALIBRATED = "openvino-int8"


@dataclass(eq=False)
class Contestant:
    """One encoder. name: short, unlike the others'. given: as the user named it. weights_bytes: on disk.

    batches: pictures and milliseconds of every batch; alone_ms: milliseconds of single pictures; in the same order for
    all contestants.
    """

    name: str
    given: str
    encoder: Encoder
    weights_bytes: int
    batches: list[tuple[int, float]] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)

    @property
    def batch_ms(self) -> list[float]:
        """Milliseconds per image of each of the largest batches."""
        largest = max((size for size, _ in self.batches), default=0)
        return [ms / size for size, ms in self.batches if size == largest and size]


@dataclass(frozen=True, eq=False)
class Embedded:
    """kept: int64 (k,), the shots that could be read. vectors: float32 (k, dim) of each contestant, by its name."""

    kept: NDArray[np.int64]
    vectors: dict[str, NDArray[np.float32]]


class Lineup:
    """The encoders that still run, `contestants`, and what has failed, `failures`."""

    def __init__(self, names: Sequence[str], settings: EmbedSettings, references: Sequence[Shot] = ()) -> None:
        """Loads every encoder, named as for --encoder, or NAME@RUNTIME; one that cannot be loaded is a failure.

        references: what the runtime `openvino-int8` is calibrated with.

        Raises:
            UsageError: no name, or one twice.
        """
        if not names or len(set(names)) < len(names):
            raise UsageError(f"encoders: {', '.join(names) or 'none'}", "name each encoder to compare once")
        self.batch_size = settings.batch_size
        self.failures: list[Failure] = []
        self.contestants: list[Contestant] = []
        for given, name in zip(names, _short(names), strict=True):
            try:
                wanted = _wanted(given, settings)
                crops = self._spread(references, CALIBRATING) if wanted.runtime == CALIBRATED else ()
                encoder = load_encoder(wanted, crops)
                self.contestants.append(Contestant(name, given, encoder, weights_bytes(wanted.encoder)))
            except RecognitionError as error:
                self._failed(given, "encoder", error)

    def embed(self, shots: Sequence[Shot], progress: Progress, done: int, total: int) -> Embedded:
        """Embeds the shots by every encoder; a shot that cannot be read, or an encoder that fails, is left out.

        done, total: pictures before these and in all, for `progress`.
        """
        kept: list[int] = []
        parts: dict[str, list[NDArray[np.float32]]] = {one.name: [] for one in self.contestants}
        for start in range(0, len(shots), self.batch_size):
            rows = range(start, min(start + self.batch_size, len(shots)))
            images = {row: image for row in rows if (image := self._read(shots[row])) is not None}
            kept += images
            for one in self._in_turn(start // self.batch_size):
                begun = time.perf_counter()
                vectors = self._encode(one, list(images.values()))
                if vectors is not None:
                    parts[one.name].append(vectors)
                    one.batches.append((len(images), 1000 * (time.perf_counter() - begun)))
            progress(done + rows[-1] + 1, total)
        return Embedded(
            np.array(kept, np.int64),
            {
                one.name: np.concatenate(parts[one.name] or [np.zeros((0, one.encoder.dim), np.float32)])
                for one in self.contestants
            },
        )

    def time_alone(self, shots: Sequence[Shot]) -> None:
        """Times single pictures, at most 50 of them spread over the shots, after each encoder has warmed up."""
        images = self._spread(shots, ALONE)
        for image in images[:1]:
            for one in list(self.contestants):
                self._encode(one, [image])
        for turn, image in enumerate(images):
            for one in self._in_turn(turn):
                begun = time.perf_counter()
                if self._encode(one, [image]) is not None:
                    one.alone_ms.append(1000 * (time.perf_counter() - begun))

    def _spread(self, shots: Sequence[Shot], most: int) -> list[Image]:
        places = np.unique(np.linspace(0, len(shots) - 1, min(most, len(shots))).astype(int))
        return [image for place in places if (image := self._read(shots[place])) is not None]

    def _in_turn(self, turn: int) -> list[Contestant]:
        """All contestants, beginning with another one each turn."""
        first = turn % max(len(self.contestants), 1)
        return self.contestants[first:] + self.contestants[:first]

    def _read(self, shot: Shot) -> Image | None:
        try:
            return shot.read()
        except SourceError as error:
            self._failed(shot.name, "picture", error)
            return None

    def _encode(self, one: Contestant, images: Sequence[Image]) -> NDArray[np.float32] | None:
        try:
            return one.encoder.encode(images)
        except RecognitionError as error:
            self._failed(one.given, "encoder", error)
            self.contestants.remove(one)
            return None

    def _failed(self, source: str, stage: str, error: RecognitionError) -> None:
        failure = Failure(source, 0, stage, error.message, error.hint)
        if failure not in self.failures:
            self.failures.append(failure)


def weights_bytes(name: str) -> int:
    """Size of an encoder's weights on disk, bytes; of a model of two towers both.

    Raises:
        WeightsError: there is no such encoder.
    """
    return sum(file.stat().st_size for file in encoder_folder(name)[0].glob("*.safetensors"))


def _wanted(given: str, settings: EmbedSettings) -> EmbedSettings:
    """NAME@RUNTIME as settings; a name without a runtime keeps that of the settings."""
    name, _, runtime = given.rpartition("@")
    if runtime not in RUNTIMES:
        return replace(settings, encoder=given)
    return replace(settings, encoder=name, runtime=runtime)


def _short(names: Sequence[str]) -> list[str]:
    """The last part of each path or id, where these differ."""
    short = [Path(name).name or name for name in names]
    return short if len(set(short)) == len(short) else list(names)
