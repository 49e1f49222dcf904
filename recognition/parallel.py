"""Work on many items in threads: results in order, never many of them waiting, nothing left running behind."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

THREADS = min(8, os.cpu_count() or 1)
"""For work that lets other threads run: decoding, hashing, numpy, OpenCV."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@contextmanager
def thread_pool(workers: int = THREADS, name: str = "") -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block: left by an error or an interrupt, it waits for no more than they are at."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_ahead(
    pool: ThreadPoolExecutor, work: Callable[[_In], _Out], items: Iterable[_In], ahead: int
) -> Generator[_Out, None, None]:
    """`work` of each item, in order. At most `ahead` (1 or more) are begun before their result is asked for.

    items: may be endless; asked for their next in the caller's thread. An error of `work` is raised in its turn.
    """
    todo = iter(items)
    waiting = deque(pool.submit(work, item) for item in islice(todo, ahead))
    while waiting:
        first = waiting.popleft()
        waiting.extend(pool.submit(work, item) for item in islice(todo, 1))
        yield first.result()
