from __future__ import annotations

import pytest

from recognition.errors import DatabaseError
from recognition.skus.index_choice import OVERHEAD, IndexChoice, cells_for, choose_index, choose_ivf, physical_memory

GIB = 2**30


@pytest.mark.parametrize(
    ("rows", "dim", "memory_gib", "kind", "cells", "training_rows"),
    [
        (0, 768, 4, "exact", 0, 0),
        (19_999, 768, 4, "exact", 0, 0),
        (20_000, 768, 4, "ivf-sq8", 256, 10_240),
        (100_000, 512, 4, "ivf-sq8", 512, 20_480),
        (1_000_000, 768, 4, "ivf-sq8", 2048, 81_920),
        (3_200_000, 768, 4, "ivf-sq8", 4096, 163_840),
        (3_200_000, 768, 3, "ivf-sq4", 4096, 163_840),
        (10_000_000, 768, 24, "ivf-sq8", 4096, 163_840),
        (10_000_000, 768, 8, "ivf-sq4", 4096, 163_840),
    ],
)
def test_the_table(rows: int, dim: int, memory_gib: int, kind: str, cells: int, training_rows: int) -> None:
    choice = choose_index(rows, dim, memory_gib * GIB)
    assert (choice.kind, choice.cells, choice.training_rows) == (kind, cells, training_rows)
    width = {"exact": 2 * dim, "ivf-sq8": dim + 8, "ivf-sq4": dim // 2 + 8}[kind]
    assert choice.bytes_per_vector == width
    assert OVERHEAD <= choice.memory <= memory_gib * GIB


def test_what_fits_nowhere_is_refused_in_gibibytes() -> None:
    with pytest.raises(DatabaseError, match=r"10000000 references of 768 .* 4\.7 GiB .* 4\.0 GiB") as told:
        choose_index(10_000_000, 768, 4 * GIB)
    assert "memory" in told.value.hint


def test_few_rows_can_have_an_index_too() -> None:
    assert choose_ivf(60, 12).training_rows == 60
    assert isinstance(choose_ivf(1, 1), IndexChoice)


@pytest.mark.parametrize(
    ("rows", "cells"), [(0, 2), (1, 2), (20_000, 256), (50_000, 512), (10**7, 4096), (10**8, 4096)]
)
def test_cells(rows: int, cells: int) -> None:
    assert cells_for(rows) == cells


def test_this_machine_has_memory() -> None:
    assert physical_memory() > 2**28
