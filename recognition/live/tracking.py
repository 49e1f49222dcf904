"""Boxes of consecutive frames joined to tracks: ByteTrack of the library `trackers`, one tracker per source.

Its boxes are in shelf coordinates, that is, with the motion of the camera taken out: what stands on the shelf stands
still for the tracker, and what moves is moved by somebody. A track number joins sightings of neighbouring frames and
says nothing of what the product is.

Zhang et al., ByteTrack: Multi-object tracking by associating every detection box, ECCV 2022.
"""

from __future__ import annotations

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import ByteTrackTracker

UNTRACKED = -1
_LOST_FRAMES = 15  # frames with detections for which a track that is not seen lives on
_SAME = 0.3  # least overlap with the predicted box
_SURE = 0.5  # scores from here on are matched first


class Tracks:
    """The tracker of one source."""

    def __init__(self) -> None:
        self._tracker = _tracker()
        self._first = 0
        self._highest = -1

    def update(self, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """Track number of each box, int64 (n,), in order; -1 for a box seen for the first time.

        boxes: float32 (n, 4), shelf coordinates. scores: float32 (n,). Frames are taken as equally far apart: those
        in which nothing changed were not looked at, and a shelf does not move meanwhile.
        """
        rows = np.arange(len(boxes))
        found = self._tracker.update(sv.Detections(boxes.copy(), confidence=scores.copy(), data={"row": rows}))
        numbers = np.full(len(boxes), UNTRACKED, np.int64)
        if len(found):
            tracked = np.asarray(found.tracker_id)
            numbers[np.asarray(found.data["row"])] = np.where(tracked >= 0, tracked + self._first, UNTRACKED)
        self._highest = max(self._highest, int(numbers.max(initial=UNTRACKED)))
        return numbers

    def reset(self) -> None:
        """Forgets all tracks; their numbers are not used again."""
        self._first = self._highest + 1
        self._tracker = _tracker()

    def __len__(self) -> int:
        """Tracks that are held."""
        return len(self._tracker.tracks)


def _tracker() -> ByteTrackTracker:
    return ByteTrackTracker(
        lost_track_buffer=_LOST_FRAMES,
        track_activation_threshold=0.0,  # the detector has a threshold of its own
        minimum_consecutive_frames=1,
        minimum_iou_threshold=_SAME,
        high_conf_det_threshold=_SURE,
    )
