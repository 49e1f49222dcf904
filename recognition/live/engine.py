"""Several sources, one set of models: detects and embeds what all of them show at the moment in one batch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from recognition.detection.detector import Detector
from recognition.errors import DetectorError, EncoderError, RecognitionError
from recognition.live.session import Session
from recognition.outputs.live_events import Event
from recognition.types import Detections, Frame, Image, Matches

Match = Callable[[list[Image], NDArray[np.float64]], Matches]

_FAILURES_IN_A_ROW = 50
_NONE = Matches(np.zeros(0, np.int8), np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32), np.zeros(0, np.float32))


class Engine:
    """The models of a stream. match: what RGB crops of these sizes show, as `Recognizer.match` says."""

    def __init__(self, detector: Detector, match: Match) -> None:
        self._detector, self._match = detector, match
        self._failed = 0

    def step(self, frames: Sequence[tuple[Session, Frame]]) -> list[Event]:
        """What happened in the frames of one moment, at most one of each source.

        A frame on which a model fails is left out and counted.

        Raises:
            RecognitionError: the database cannot be read, or models failed on many frames one after the other.
        """
        todo = [(session, frame) for session, frame in frames if session.wants(frame)]
        found = self._detect(todo)
        views = [session.observe(frame, boxes) for (session, frame), boxes in found]
        try:
            crops = [crop for part in views for crop in part.crops]
            matches = self._match(crops, np.concatenate([part.physical for part in views])) if crops else _NONE
        except EncoderError as error:
            for (session, _), _ in found:
                session.give_up()
            self._count(error)
            return []
        events, first = [], 0
        for ((session, _), _), part in zip(found, views, strict=True):
            events += session.conclude(matches.select(slice(first, first + len(part.crops))))
            first += len(part.crops)
        self._failed = 0 if found else self._failed
        return events

    def _detect(self, todo: Sequence[tuple[Session, Frame]]) -> list[tuple[tuple[Session, Frame], Detections]]:
        if not todo:
            return []
        try:
            return list(zip(todo, self._detector.detect([frame.image for _, frame in todo]), strict=True))
        except DetectorError as error:
            for session, _ in todo:
                session.failed += 1
            self._count(error)
            return []

    def _count(self, error: RecognitionError) -> None:
        self._failed += 1
        if self._failed >= _FAILURES_IN_A_ROW:
            raise error
