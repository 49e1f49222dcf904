"""A window with the labelled picture of each source, on the display of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2

from recognition.errors import UsageError
from recognition.outputs.labels import font_path
from recognition.types import Image

_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1)"
_PROBE_S = 30.0
_KIND = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
_LARGEST_PX = 1280


class LiveWindows:
    """One window for each title. One that was closed by hand stays closed; the stream goes on."""

    def __init__(self) -> None:
        """Tries whether a window can be opened, in a process of its own: without a display the library ends it.

        Raises:
            UsageError: there is no display, or none that can be used.
        """
        path = font_path()
        if path is not None:
            os.environ["QT_QPA_FONTDIR"] = str(path.parent)  # the library's own folder of fonts is missing
        if not _opens():
            raise UsageError("--show needs a display, and none can be used", "use --page PORT and a browser")
        self._opened: set[str] = set()

    def show(self, title: str, image: Image) -> None:
        """Puts a picture, BGR uint8 (h, w, 3), into its window."""
        if title not in self._opened:
            self._opened.add(title)
            height, width = image.shape[:2]
            scale = min(1.0, _LARGEST_PX / max(height, width))
            cv2.namedWindow(title, _KIND)
            cv2.resizeWindow(title, round(width * scale), round(height * scale))
        elif cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            return
        cv2.imshow(title, image)
        cv2.waitKey(1)

    def close(self) -> None:
        """Closes the windows."""
        cv2.destroyAllWindows()


def _opens() -> bool:
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
