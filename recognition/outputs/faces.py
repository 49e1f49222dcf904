"""Faces made unrecognisable before a picture is saved. It errs on the side of blurring: faces on packs go too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from recognition.outputs.face_finder import Boxes, find_faces
from recognition.types import Image

_PHOTO_PX = 1280  # longest side of a photo that is searched
_STREAM_PX = 640  # of a picture of a stream: a face of 4 % of the longer side is 26 pixels high then
_MARGIN = 0.25  # hair, chin and ears around the found box, shares of its sides
_HELD_S = 0.5  # a face that is lost is blurred on for so long
_PACE = np.array([8.0, 2.0], np.float32)  # face sizes a second, across and along: somebody who walks past
_CELLS = 6  # what is left of a face, each way


def blur_faces(image: Image) -> Image:
    """A copy of a BGR uint8 (h, w, 3) photo with every face that was found blurred beyond recognition.

    Raises:
        WeightsError: the face detector's weights are not installed.
    """
    return _blurred(image, _widened(find_faces(image, _PHOTO_PX), _MARGIN))


class FaceBlur:
    """The same for pictures in the order of their times. Where a face was and none is found any more, the blur stays
    for half a second and grows at walking pace: somebody who turns, or is smeared by motion, is still there."""

    def __init__(self) -> None:
        self._faces, self._seen = np.zeros((0, 4), np.float32), np.zeros(0)

    def blur(self, image: Image, seconds: float) -> Image:
        """A copy of a BGR uint8 (h, w, 3) picture of this time without faces.

        Raises:
            WeightsError: the face detector's weights are not installed.
        """
        found = find_faces(image, _STREAM_PX)
        age = seconds - self._seen
        held = (age >= 0) & (age <= _HELD_S)
        faces, seen = self._faces[held], self._seen[held]
        lost = _lost(_widened(faces, _PACE * (seconds - seen)[:, None]), found)
        self._faces = np.concatenate([found, faces[lost]])
        self._seen = np.concatenate([np.full(len(found), seconds), seen[lost]])
        growth = _MARGIN + _PACE * (seconds - self._seen)[:, None]
        return _blurred(image, _widened(self._faces, growth))


def _lost(faces: Boxes, found: Boxes) -> NDArray[np.bool_]:
    """Which of the former faces, widened by how far they can have gone, have no find of their own: bool (n,)."""
    lost = np.ones(len(faces), bool)
    if not len(faces) or not len(found):
        return lost
    centres = (found[:, :2] + found[:, 2:]) / 2
    inside = np.all((centres >= faces[:, None, :2]) & (centres <= faces[:, None, 2:]), axis=2)
    ways = np.linalg.norm((faces[:, None, :2] + faces[:, None, 2:]) / 2 - centres, axis=2)
    one, other = linear_sum_assignment(np.where(inside, ways, 1e9))
    lost[one[inside[one, other]]] = False
    return lost


def _widened(boxes: Boxes, shares: float | NDArray[np.float64]) -> Boxes:
    """Boxes with so many of their own sides added at either end."""
    more = (boxes[:, 2:] - boxes[:, :2]) * shares
    return np.concatenate([boxes[:, :2] - more, boxes[:, 2:] + more], axis=1)


def _blurred(image: Image, boxes: Boxes) -> Image:
    blurred = image.copy()
    height, width = image.shape[:2]
    for left, top, right, bottom in np.clip(boxes, 0, [width, height, width, height]).astype(int).tolist():
        face = blurred[top:bottom, left:right]
        if face.size:
            small = cv2.resize(face, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
            face[:] = cv2.resize(small, face.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return blurred
