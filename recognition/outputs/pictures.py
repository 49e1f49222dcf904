"""An annotated photo as the bytes of a JPEG file."""

from __future__ import annotations

from dataclasses import replace

import cv2

from recognition.errors import OutputError
from recognition.outputs.annotate import annotate
from recognition.types import FrameResult

_QUALITY = 88


def picture_bytes(result: FrameResult, *, blur: bool) -> bytes:
    """JPEG of the annotated photo. blur: make faces unrecognisable before anything is drawn.

    Raises:
        OutputError: the picture is larger than JPEG allows.
    """
    if blur:
        # The cascade takes a second to load: only for those who asked.
        from recognition.outputs.faces import blur_faces

        result = replace(result, frame=replace(result.frame, image=blur_faces(result.frame.image)))
    try:
        _, content = cv2.imencode(".jpg", annotate(result), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    except cv2.error as error:
        raise OutputError(f"annotated picture of {result.frame.source}: {error}", "add --no-pictures") from error
    return content.tobytes()
