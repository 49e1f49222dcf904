"""Text from outside in CSV cells: made harmless for spreadsheets when written, restored when read."""

from __future__ import annotations

import re

# Apostrophes before the trigger count too, so that a text which already begins with '= survives the round trip.
_WOULD_RUN = re.compile(r"'*[=+\-@\t\r]")


def guard(text: str) -> str:
    """The text with a leading ' when a spreadsheet would take it for a formula: it begins with = + - @ tab or CR."""
    return f"'{text}" if _WOULD_RUN.match(text) else text


def unguard(text: str) -> str:
    """The text without the ' that `guard` put before it."""
    return text[1:] if text.startswith("'") and _WOULD_RUN.match(text) else text
