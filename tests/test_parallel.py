from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from recognition.parallel import map_ahead, thread_pool


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("test-parallel")]


def test_results_come_in_the_order_of_the_items() -> None:
    second = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second.wait(10)  # the first ends after the second
        if number == 1:
            second.set()
        return number * number

    with thread_pool(2, "test-parallel") as pool:
        assert list(map_ahead(pool, work, range(5), 3)) == [0, 1, 4, 9, 16]
        assert list(map_ahead(pool, work, [], 3)) == []
    assert not threads()


@pytest.mark.parametrize("ahead", [1, 4])
def test_no_more_is_begun_than_asked_for(ahead: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in count():  # endless
            asked.append(number)
            yield number

    with thread_pool(2, "test-parallel") as pool:
        results = map_ahead(pool, str, items(), ahead)
        assert not asked
        for taken in range(3):
            assert next(results) == str(taken)
            assert len(asked) == taken + 1 + ahead


def test_an_error_is_raised_in_its_turn_and_the_rest_is_dropped() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        done.append(number)
        return number

    taken = []
    with pytest.raises(ValueError, match="two"), thread_pool(1, "test-parallel") as pool:
        for number in map_ahead(pool, work, range(100), 5):
            taken.append(number)
    assert taken == [0, 1]
    assert len(done) < 10
    assert not threads()
