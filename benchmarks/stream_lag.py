"""A camera whose pictures carry the time at which they were made, seen by a consumer that is five times too slow."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.sources.camera import LiveSource
from recognition.sources.choice import ReadOptions
from recognition.types import Frame

FPS = 25.0
TIMES_TOO_SLOW = 5
_ROWS, _COLUMNS, _FIELD = 4, 8, 80  # fields of the picture: the bits of the time, highest first
_START_S = 1.0


@dataclass(frozen=True)
class Lag:
    """Age of the frames when the consumer got them, seconds: median, most, median of the last fifth. dropped: frames
    that nobody asked for in time."""

    frames: int
    dropped: int
    median_s: float
    most_s: float
    last_s: float


def look_too_slowly(seconds: float) -> Lag:
    """Watches a camera of 25 pictures a second for so long, each picture five times as long as it may take."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = LiveSource(f"http://127.0.0.1:{server.server_address[1]}/live", ReadOptions())
    lags, until = [], time.monotonic() + _START_S + seconds
    for item in source.frames():
        if isinstance(item, Frame):
            lags.append(_age(item.image))
            time.sleep(TIMES_TOO_SLOW / FPS)
        if time.monotonic() > until:
            break
    dropped = source.stats.dropped
    source.close()
    server.shutdown()
    kept = lags[round(_START_S * FPS / TIMES_TOO_SLOW) :]
    return Lag(len(kept), dropped, median(kept), max(kept), median(kept[-max(1, len(kept) // 5) :]))


class _Camera(BaseHTTPRequestHandler):
    """Motion JPEG, one picture after the other."""

    def do_GET(self) -> None:
        """Sends pictures until nobody listens."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        due = time.monotonic()
        with suppress(OSError):
            while True:
                data = cv2.imencode(".jpg", _picture())[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode("ascii") + data + b"\r\n")
                due += 1 / FPS
                time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def _picture() -> NDArray[np.uint8]:
    value = int(time.time() * 1000) & 0xFFFFFFFF
    bits = np.array([value >> (31 - bit) & 1 for bit in range(32)], np.uint8).reshape(_ROWS, _COLUMNS)
    grey = np.kron(bits * 200 + 20, np.ones((_FIELD, _FIELD), np.uint8))
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def _age(image: NDArray[np.uint8]) -> float:
    fields = image[_FIELD // 2 :: _FIELD, _FIELD // 2 :: _FIELD, 1] > 125
    then = int("".join(str(int(bit)) for bit in fields.ravel()), 2)
    return (((int(time.time() * 1000) & 0xFFFFFFFF) - then + 2**31) % 2**32 - 2**31) / 1000
