"""`Ahead`: order, bound, errors and ends. No case may take longer than its waits of at most two seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from recognition.stages import Ahead


def alive() -> int:
    """Threads of `Ahead` that run."""
    return sum(thread.name == "ahead" for thread in threading.enumerate())


def taken(ahead: Ahead[int]) -> list[int]:
    """All items, each released at once."""
    found = []
    while (item := ahead.take(wait=True)) is not None:
        found.append(item)
        ahead.release(item)
    return found


def until(true: object) -> bool:
    """Whether the callable becomes true within two seconds."""
    end = time.monotonic() + 2
    while not true() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.002)
    return bool(true())  # type: ignore[operator]


@pytest.mark.parametrize("items", [[], [7], list(range(1, 50))])
@pytest.mark.parametrize("limit", [1, 60, 10_000])
def test_items_come_in_order_whatever_the_limit(items: list[int], limit: int) -> None:
    with closing(Ahead(items, lambda item: item, limit)) as ahead:
        assert taken(ahead) == items
        assert ahead.take(wait=True) is None
        assert ahead.take(wait=False) is None
    assert not alive()


def test_no_more_is_asked_for_than_the_limit_allows() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            asked.append(item)
            yield item

    with closing(Ahead(items(), lambda item: 10, 25)) as ahead:
        assert until(lambda: len(asked) == 3)
        held = [ahead.take(wait=True), ahead.take(wait=True)]
        time.sleep(0.05)
        assert len(asked) == 3, "taken is not released"
        ahead.release(held[0] or 0)
        assert until(lambda: len(asked) == 4)
        time.sleep(0.05)
        assert len(asked) == 4
    assert not alive()


def test_nothing_there_yet_is_not_waited_for() -> None:
    go = threading.Event()

    def items() -> Iterator[int]:
        go.wait(2)
        yield 5

    with closing(Ahead(items(), lambda item: 1, 9)) as ahead:
        assert ahead.take(wait=False) is None
        go.set()
        assert ahead.take(wait=True) == 5


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(2)])
def test_an_error_is_raised_in_its_turn(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise error

    with closing(Ahead(items(), lambda item: 1, 9)) as ahead:
        assert ahead.take(wait=True) == 1
        assert until(lambda: not alive())
        assert ahead.take(wait=False) is None
        with pytest.raises(type(error)):
            ahead.take(wait=True)


def test_what_cannot_be_iterated_is_an_error_too() -> None:
    with closing(Ahead(5, lambda item: 1, 9)) as ahead, pytest.raises(TypeError):  # type: ignore[arg-type]
        ahead.take(wait=True)


@pytest.mark.parametrize("room", [1, 1000])
def test_closing_ends_the_thread_whether_it_waits_or_works(room: int) -> None:
    def items() -> Iterator[int]:
        while True:
            yield 1

    ahead = Ahead(items(), lambda item: item, room)
    assert ahead.take(wait=True) == 1
    start = time.monotonic()
    ahead.close()
    ahead.close()
    assert time.monotonic() - start < 1
    assert not alive()
