"""detect -> crop -> embed -> match -> lay out, for any iterator of frames. Knows only the protocols and the types.

Frames are read, detected and cropped in a thread, ahead of what follows. Embedding takes whatever crops wait, of as
many frames as they come from, up to a batch, and never waits for more: a slow source gets its answer at once, and
where embedding is what takes the time, crops pile up and batches fill.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from recognition.detection.boxes import cut
from recognition.detection.detector import Detector
from recognition.embedding.crops import cut_crops
from recognition.embedding.encoder import Encoder
from recognition.errors import RecognitionError
from recognition.matching.calibration import Calibration
from recognition.matching.decide import Hear
from recognition.matching.grouping import group_facings
from recognition.matching.match import match
from recognition.matching.surroundings import Millimetres, Shelf, by_size
from recognition.matching.verify import Verifier
from recognition.settings import EmbedSettings, MatchSettings
from recognition.shelves.layout import lay_out
from recognition.skus.index import SkuIndex
from recognition.sources.advice import too_far
from recognition.stages import Ahead
from recognition.types import Detections, Failure, Frame, FrameResult, Image, Matches, Sku

AHEAD_BYTES = 64 * 2**20
"""Pixels of frames that are held between detection and layout: two photos of 12 megapixels, or ten of a video."""
LEAST_BYTES = 2**20


@dataclass
class StageClock:
    """Seconds per stage of one frame; `stage` is the one that runs, so that a failure can be laid at its door."""

    stage: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside the block to `stage`."""
        self.stage, start = stage, time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Adds to a stage: this frame's share of what was done for several."""
        self.stage = stage
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass
class _Work:
    """A frame on its way. chosen: the crops that are embedded; of: which of these each crop takes its vector from.

    vectors: float32 (dim,) each, of the chosen crops, as far as they are embedded.
    """

    frame: Frame
    clock: StageClock = field(default_factory=StageClock)
    detections: Detections = field(default_factory=Detections.empty)
    crops: Sequence[Image] = ()
    chosen: Sequence[Image] = ()
    of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def missing(self) -> Sequence[Image]:
        """Chosen crops that are still to be embedded; none of a frame that failed."""
        return () if self.failure else self.chosen[len(self.vectors) :]

    @contextmanager
    def step(self) -> Iterator[StageClock]:
        """An error of ours inside the block becomes the frame's failure, at the stage that was running."""
        try:
            yield self.clock
        except RecognitionError as error:
            self.failure = Failure(self.frame.source, self.frame.index, self.clock.stage, error.message, error.hint)


@dataclass(frozen=True)
class Recognizer:
    """Turns frames into results.

    describe: SKU ids to their records. verifier: of the index's rows. Both, the encoder and the index are called by the
    thread that asks for results; the iterator of frames, the detector and the scout by another. scout: a small encoder
    that says which facings are equal, so that one is embedded for all; None: each is.
    """

    detector: Detector
    encoder: Encoder
    index: SkuIndex
    calibration: Calibration
    settings: MatchSettings
    describe: Callable[[Iterable[int]], dict[int, Sku]]
    verifier: Verifier
    batch_size: int = EmbedSettings.batch_size
    scout: Encoder | None = None

    def run(self, frames: Iterable[Frame | Failure]) -> Generator[FrameResult | Failure, None, None]:
        """One result per frame, in order. Failures pass; a frame that fails becomes one and the rest goes on.

        Any other error ends the run, after the results of the frames before it. Closing the generator ends its thread
        once the frame that is being read or detected is done; `frames` is then no longer in use.
        """
        with closing(Ahead(map(self._look, frames), _cost, AHEAD_BYTES)) as seen:
            for work in self._embedded(seen):
                yield work if isinstance(work, Failure) else self._finish(work)
                seen.release(work)

    def match(self, crops: list[Image], physical: NDArray[np.float64] | None = None) -> Matches:
        """What each crop shows, whatever stands beside it. crops: RGB uint8 (h, w, 3). physical: width and height of
        each, float64 (n, 2), millimetres, NaN where unknown; None: of none."""
        hear = None if physical is None else by_size(physical, self._millimetres)
        return self._match(crops, self.encoder.encode(crops), hear)

    @cached_property
    def _millimetres(self) -> Millimetres:
        return Millimetres(self.describe)

    def _match(self, crops: Sequence[Image], vectors: NDArray[np.float32], hear: Hear | None) -> Matches:
        return match(crops, vectors, self.index, self.settings, self.calibration, self.verifier, hear)

    def _look(self, frame: Frame | Failure) -> _Work | Failure:
        if isinstance(frame, Failure):
            return frame
        work = _Work(frame)
        with work.step() as clock:
            with clock.time("detect"):
                work.detections = self.detector.detect([frame.image])[0]
            with clock.time("crop"):
                work.crops = cut_crops(frame.image, work.detections.xyxy)
                stands = np.arange(len(work.crops))
                if self.scout is not None:
                    stands = group_facings(work.crops, self.scout.encode(work.crops), work.detections.xyxy)
                rows, work.of = np.unique(stands, return_inverse=True)
                work.chosen = [work.crops[row] for row in rows]
        return work

    def _embedded(self, seen: Ahead[_Work | Failure]) -> Iterator[_Work | Failure]:
        """The frames, in order, each as soon as its crops are embedded."""
        pending: deque[_Work | Failure] = deque()
        while (work := seen.take(wait=True)) is not None:
            pending.append(work)
            while pending:
                if not _missing(pending[0]):
                    yield pending.popleft()
                    continue
                self._fill(pending, seen)
                self._embed([work for work in pending if not isinstance(work, Failure)])

    def _fill(self, pending: deque[_Work | Failure], seen: Ahead[_Work | Failure]) -> None:
        """Adds the frames that wait, until there are crops for a batch."""
        while sum(len(_missing(work)) for work in pending) < self.batch_size:
            work = seen.take(wait=False)
            if work is None:
                break
            pending.append(work)

    def _embed(self, works: Sequence[_Work]) -> None:
        """Embeds one batch of what the frames miss, first ones first."""
        parts, room = [], self.batch_size
        for work in works:
            parts.append(work.missing[:room])
            room -= len(parts[-1])
        start = time.perf_counter()
        try:
            vectors = self.encoder.encode([crop for part in parts for crop in part])
        except RecognitionError:
            self._embed_apart([work for work, part in zip(works, parts, strict=True) if len(part)])
            return
        each = (time.perf_counter() - start) / max(len(vectors), 1)
        rows = iter(vectors)
        for work, part in zip(works, parts, strict=True):
            work.vectors.extend(islice(rows, len(part)))
            work.clock.add("embed", each * len(part))

    def _embed_apart(self, works: Sequence[_Work]) -> None:
        """Embeds each frame alone, after a batch that failed: the failure is that of the frame that fails again."""
        for work in works:
            with work.step() as clock, clock.time("embed"):
                work.vectors = list(self.encoder.encode(work.chosen))

    def _finish(self, work: _Work) -> FrameResult | Failure:
        with work.step():
            if work.failure is None:
                return self._result(work)
        assert work.failure is not None
        return work.failure

    def _result(self, work: _Work) -> FrameResult:
        frame, detections, clock = work.frame, work.detections, work.clock
        vectors = np.array(work.vectors, np.float32).reshape(len(work.chosen), self.encoder.dim)[work.of]
        with clock.time("match"):
            whole = ~cut(detections.xyxy, (frame.image.shape[1], frame.image.shape[0]))
            matches = self._match(work.crops, vectors, Shelf(detections.xyxy, whole, self._millimetres).hear)
        work.crops = work.chosen = ()  # as much memory as the photo, while its result is being written
        with clock.time("lay out"):
            height, width = frame.image.shape[:2]
            layout = lay_out(detections.xyxy, matches, (width, height))
            skus = self.describe(int(i) for i in np.unique(matches.skus) if i >= 0)
        sizes = np.sqrt(np.prod(detections.xyxy[:, 2:] - detections.xyxy[:, :2], axis=1))
        if too_far(sizes):
            frame = replace(frame, advice=(*frame.advice, "too far"))
        return FrameResult(frame, detections, matches, layout, skus, clock.seconds)


def _missing(work: _Work | Failure) -> Sequence[Image]:
    return () if isinstance(work, Failure) else work.missing


def _cost(work: _Work | Failure) -> int:
    """Bytes of the frame; a few more, so that there is a bound on small ones and on failures too."""
    return LEAST_BYTES + (0 if isinstance(work, Failure) else work.frame.image.nbytes)
