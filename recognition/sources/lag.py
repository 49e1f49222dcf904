"""How late the pictures of a camera are, told from the camera's own clock."""

from __future__ import annotations

import math

_DRIFT = 0.0005  # seconds per second that two clocks may run apart; cheap crystals stay below a fifth of it


class StreamLag:
    """Compares the times written in a stream with the times at which it comes.

    The least difference ever seen is taken for no lag; it is let rise by the drift of two clocks, so that weeks of
    drift are not mistaken for lag (the method of jitter buffers: RFC 3550, 6.4.1, and NTP's clock filter).
    """

    def __init__(self, max_lag_s: float) -> None:
        self._max_lag_s = max_lag_s
        self._least, self._at = math.inf, 0.0

    def behind(self, stream_s: float, received_s: float) -> float:
        """Seconds by which a picture came late. stream_s: its time in the stream, NaN when unknown: then 0."""
        if math.isnan(stream_s):
            return 0.0
        offset = received_s - stream_s
        self._least = min(offset, self._least + _DRIFT * (received_s - self._at))
        self._at = received_s
        return offset - self._least

    def too_late(self, behind_s: float) -> bool:
        """Whether a picture so late is not worth decoding."""
        return behind_s > self._max_lag_s
