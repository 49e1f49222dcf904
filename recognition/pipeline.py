"""detect -> crop -> embed -> match -> lay out, for any iterator of frames. Knows only the protocols and the types."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from recognition.detection.detector import Detector
from recognition.embedding.crops import cut_crops
from recognition.embedding.encoder import Encoder
from recognition.errors import RecognitionError
from recognition.matching.calibration import Calibration
from recognition.matching.match import match
from recognition.settings import MatchSettings
from recognition.shelves.layout import lay_out
from recognition.skus.index import SkuIndex
from recognition.sources.advice import too_far
from recognition.types import Failure, Frame, FrameResult, Image, Matches, Sku


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
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Recognizer:
    """Turns frames into results.

    describe: SKU ids to their records. reference_image: an index row to its RGB picture, or None.
    """

    detector: Detector
    encoder: Encoder
    index: SkuIndex
    calibration: Calibration
    settings: MatchSettings
    describe: Callable[[Iterable[int]], dict[int, Sku]]
    reference_image: Callable[[int], Image | None]

    def run(self, frames: Iterable[Frame | Failure]) -> Iterator[FrameResult | Failure]:
        """One result per frame, in order. Failures pass; a frame that fails becomes one and the rest goes on."""
        for frame in frames:
            if isinstance(frame, Failure):
                yield frame
                continue
            clock = StageClock()
            try:
                yield self._recognize(frame, clock)
            except RecognitionError as error:
                yield Failure(frame.source, frame.index, clock.stage, error.message, error.hint)

    def match(self, crops: list[Image], clock: StageClock | None = None) -> Matches:
        """What each crop shows. crops: RGB uint8 (h, w, 3)."""
        clock = clock or StageClock()
        with clock.time("embed"):
            vectors = self.encoder.encode(crops)
        with clock.time("match"):
            return match(crops, vectors, self.index, self.settings, self.calibration, self.reference_image)

    def _recognize(self, frame: Frame, clock: StageClock) -> FrameResult:
        with clock.time("detect"):
            detections = self.detector.detect([frame.image])[0]
        with clock.time("crop"):
            crops = cut_crops(frame.image, detections.xyxy)
        matches = self.match(crops, clock)
        with clock.time("lay out"):
            height, width = frame.image.shape[:2]
            layout = lay_out(detections.xyxy, matches, (width, height))
            skus = self.describe(int(i) for i in np.unique(matches.skus) if i >= 0)
        sizes = np.sqrt(np.prod(detections.xyxy[:, 2:] - detections.xyxy[:, :2], axis=1))
        if too_far(sizes):
            frame = replace(frame, advice=(*frame.advice, "too far"))
        return FrameResult(frame, detections, matches, layout, skus, clock.seconds)
