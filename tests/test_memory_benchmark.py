"""benchmarks/memory.py: its sums, and its refusals. No amount is asserted of a real run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import memory


def test_marks_and_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    done = 0

    def results() -> Iterator[int]:
        nonlocal done
        for done in range(1, 2001):  # noqa: UP028 - the count is read while it runs
            yield done

    monkeypatch.setattr(memory, "held_mib", lambda: 100 + done / 1000)
    row = memory._row("read", results(), 2000)
    assert (row.tenth_mib, row.half_mib, row.all_mib) == pytest.approx((100.2, 101, 102))
    assert row.per_thousand_mib == pytest.approx(1)


def test_what_is_held_now_is_read() -> None:
    assert 10 < memory.held_mib() < 100_000


@pytest.mark.parametrize("arguments", [[], ["a.jpg"], ["a.jpg", "--db", "db", "--photos", "9"]])
def test_wrong_use_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        memory.main(arguments)
    assert stopped.value.code == 2
