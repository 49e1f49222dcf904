"""How long work tells what it does, whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

Progress = Callable[[int, int], None]
"""How much is done, and of how much."""
Say = Callable[[str], None]
"""A sentence for the user."""
Bar = Callable[[str], AbstractContextManager[Progress]]
"""Shows progress under a name while its block runs."""
