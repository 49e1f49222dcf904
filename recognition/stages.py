"""A stage that works ahead of the next one, in a thread of its own: in order, and never further than memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Ahead(Generic[_Item]):
    """Asks an iterator for its items in a thread, and keeps them until they are taken.

    The next item is asked for while what is held costs less than the limit: an item is held from when it is there until
    `release`, taken or not. So at most one item more than the limit is in memory, and one always fits. An error
    of the iterator, of any kind, is raised by the waiting `take` whose turn it is.
    """

    def __init__(self, items: Iterable[_Item], cost: Callable[[_Item], int], limit: int) -> None:
        """Starts the thread. cost: of one item, in the unit of `limit`, which is 1 or more."""
        self._items, self._cost, self._limit = items, cost, limit
        self._changed = Condition()
        self._waiting: deque[_Item] = deque()
        self._held = 0
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="ahead", daemon=True)
        self._thread.start()

    def take(self, wait: bool) -> _Item | None:
        """The next item; None after the last one, or when `wait` is False and none is there yet."""
        with self._changed:
            while wait and not self._waiting and not self._ended:
                self._changed.wait()
            if self._waiting:
                return self._waiting.popleft()
            error = self._error if wait else None
        if error is not None:
            raise error
        return None

    def release(self, item: _Item) -> None:
        """Says that an item that was taken is done with."""
        with self._changed:
            self._held -= self._cost(item)
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the thread, once the item that it is at is finished, and drops what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        self._waiting.clear()

    def _work(self) -> None:
        try:
            items = iter(self._items)
            while self._has_room():
                self._put(next(items))
        except StopIteration:
            pass
        # Whatever it is, an interruption among them, it belongs to the thread that takes.
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        with self._changed:
            while self._held >= self._limit and not self._closed:
                self._changed.wait()
            return not self._closed

    def _put(self, item: _Item) -> None:
        with self._changed:
            self._waiting.append(item)
            self._held += self._cost(item)
            self._changed.notify_all()
