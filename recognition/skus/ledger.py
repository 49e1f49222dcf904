"""Which rows of the database a build has met: one number per row, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from recognition.skus.known import Ids, Key, Known, portions
from recognition.skus.writer import DatabaseWriter


@dataclass(frozen=True)
class Counts:
    """SKUs that were added, updated, left as they are, and removed."""

    added: int
    updated: int
    unchanged: int
    removed: int


class Ledger:
    """The rows that a source names, by the line that names them; the rest of its SKUs' rows are stale."""

    def __init__(self, known: Known) -> None:
        self._known = known
        skus, alive = known.references()
        self._before = np.unique(skus[alive])
        self._count = int(np.count_nonzero(alive))
        self._lines = np.zeros(len(skus), np.int64)
        self._changed = np.zeros(int(self._before.max(initial=0)) + 1, np.bool_)

    def count(self) -> int:
        """References in the database."""
        return self._count

    def seen(self, row: int, line: int) -> None:
        """The source names this row."""
        if row >= len(self._lines):
            more = max(row + 1, len(self._lines) * 3 // 2) - len(self._lines)
            self._lines = np.concatenate([self._lines, np.zeros(more, np.int64)])
        self._lines[row] = line

    def line_of(self, row: int) -> int | None:
        """The line that named the row, if one did."""
        return int(self._lines[row]) or None if row < len(self._lines) else None

    def added(self, rows: Mapping[Key, int], lines: Mapping[Key, int]) -> None:
        """These references are new."""
        for key, row in rows.items():
            self.seen(row, lines[key])
        self._count += len(rows)
        self.changed({sku for sku, _ in rows})

    def changed(self, skus: Iterable[str]) -> None:
        """Something about these SKU texts changed."""
        ids = self._known.ids_of(skus)
        self._changed[ids[ids < len(self._changed)]] = True

    def close(self, writer: DatabaseWriter, incomplete: Iterable[str], prune: bool, keep: bool) -> Counts:
        """Removes what the source no longer lists, and counts.

        incomplete: SKU texts of which nothing is removed. prune: remove SKUs that the source does not name. keep: let
        other references of its SKUs stay.
        """
        skus, alive = self._known.references()
        named = np.zeros(len(skus), np.bool_)
        named[: len(self._lines)] = self._lines[: len(skus)] > 0
        present, spared = np.unique(skus[named & alive]), self._known.ids_of(incomplete)
        stale = alive & ~named & np.isin(skus, np.setdiff1d(present, spared))
        if not keep:
            self._remove(writer, np.flatnonzero(stale))
            self._changed[np.intersect1d(skus[stale], self._before)] = True
        gone = np.setdiff1d(np.unique(skus[alive]), np.union1d(present, spared)) if prune else np.zeros(0, np.int64)
        for part in portions(gone.tolist()):
            writer.remove_skus(self._known.texts_of(part))
        old = np.intersect1d(present, self._before)
        updated = int(np.count_nonzero(self._changed[old]))
        return Counts(len(present) - len(old), updated, len(old) - updated, len(gone))

    def _remove(self, writer: DatabaseWriter, rows: Ids) -> None:
        for part in portions(rows.tolist()):
            writer.remove_references(self._known.keys_of(part))
