"""Stopping a call that runs in another thread: what asyncio and time limits need, as pyarrow's calls just wait."""

from __future__ import annotations

import contextvars
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from longbow.errors import CancelledError


class Cancellation:
    """Told once that its call is not wanted any more. Guarded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self.event = threading.Event()

    def cancel(self) -> None:
        """Stops what the call is doing at this moment, and what it would do next."""
        with self._lock:
            self.event.set()
            actions = list(self._actions.values())
        for action in actions:
            with suppress(Exception):  # a stream that has ended by itself cannot be cancelled
                action()

    def add(self, action: Callable[[], object]) -> int:
        with self._lock:
            if self.event.is_set():
                raise CancelledError("the call was cancelled")
            number = next(self._numbers)
            self._actions[number] = action
            return number

    def remove(self, number: int) -> None:
        with self._lock:
            self._actions.pop(number, None)


_current: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar("longbow_cancellation", default=None)


@contextmanager
def cancelled_by(cancellation: Cancellation) -> Iterator[None]:
    """Calls inside belong to `cancellation`."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raises CancelledError in a call that was cancelled."""
    current = _current.get()
    if current is not None and current.event.is_set():
        raise CancelledError("the call was cancelled")


def pause(seconds: float) -> None:
    """Sleeps, but not in a call that is cancelled meanwhile."""
    current = _current.get()
    if current is None:
        time.sleep(seconds)
    elif current.event.wait(seconds):
        raise CancelledError("the call was cancelled")


class Watch:
    """Ends calls whose time is over, with one thread for all of them, started when first needed. Guarded."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int]] = []
        self._actions: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, deadline: float, action: Callable[[], object]) -> int:
        """`action` runs when time.monotonic() reaches `deadline`, unless removed before."""
        with self._changed:
            number = next(self._numbers)
            self._actions[number] = action
            heapq.heappush(self._queue, (deadline, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="longbow-deadlines", daemon=True)
                self._thread.start()
            elif self._queue[0][1] == number:
                self._changed.notify()
            return number

    def remove(self, number: int) -> bool:
        """False when the action has run."""
        with self._changed:
            return self._actions.pop(number, None) is not None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue or self._queue[0][0] > time.monotonic():
                    wait = self._queue[0][0] - time.monotonic() if self._queue else None
                    self._changed.wait(wait)
                    while self._queue and self._queue[0][1] not in self._actions:
                        heapq.heappop(self._queue)
                action = self._actions.pop(heapq.heappop(self._queue)[1], None)
            if action is not None:
                with suppress(Exception):
                    action()


_watch = Watch()


@contextmanager
def stoppable(stop: Callable[[], object], deadline: float | None = None) -> Iterator[Callable[[], bool]]:
    """`stop` is called when the call inside is cancelled or `deadline` (time.monotonic()) has passed.

    Yields a function that says whether the time was over.
    """
    current = _current.get()
    over = False

    def time_over() -> None:
        nonlocal over
        over = True
        stop()

    mine = current.add(stop) if current is not None else None
    watched = _watch.add(deadline, time_over) if deadline is not None else None
    try:
        yield lambda: over
    finally:
        if watched is not None:
            _watch.remove(watched)
        if mine is not None and current is not None:
            current.remove(mine)
