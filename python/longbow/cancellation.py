"""Stopping a call that runs in another thread: what asyncio and time limits need, as pyarrow's calls just wait."""

from __future__ import annotations

import contextvars
import itertools
import os
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


def possible() -> bool:
    """Whether the call could be cancelled by who made it."""
    return _current.get() is not None


def requested() -> bool:
    """Whether the call was cancelled by who made it."""
    current = _current.get()
    return current is not None and current.event.is_set()


def check() -> None:
    """Raises CancelledError in a call that was cancelled."""
    if requested():
        raise CancelledError("the call was cancelled")


def pause(seconds: float) -> None:
    """Sleeps, but not in a call that is cancelled meanwhile."""
    current = _current.get()
    if current is None:
        time.sleep(seconds)
    elif current.event.wait(seconds):
        raise CancelledError("the call was cancelled")


class Watch:
    """Ends calls whose time is over, with one thread for all of them, started when first needed.

    Coming and going cost next to nothing, as each search does both; so the thread looks now and then. Guarded by the
    interpreter: each step on the calls is one operation on a set.

    `calls` are those under way that have a deadline. Who adds one then calls `wake`, unless it is `awake`.
    """

    def __init__(self) -> None:
        self.calls: set[Stoppable] = set()
        self.awake = False
        self._wanted = threading.Event()
        self._process = 0

    def wake(self) -> None:
        self.awake = True
        self._wanted.set()
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="longbow-deadlines", daemon=True).start()

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for call in list(self.calls):
                if call.deadline is not None and call.deadline <= now and call in self.calls:
                    self.calls.discard(call)
                    with suppress(Exception):
                        call.end()
            idle = 0 if self.calls else idle + 1
            if idle > _IDLE_LOOKS:
                self._wanted.clear()  # before `awake`, or who wakes it in between would not be heard
                self.awake = False
                if not self.calls:
                    self._wanted.wait()
                idle = 0


_LOOK_SECONDS = 0.1
_IDLE_LOOKS = 50
_watch = Watch()


class Stoppable:
    """Within it, `stop` is called when the call is cancelled, or once `deadline` (time.monotonic()) has passed."""

    __slots__ = ("_stop", "deadline", "_cancellation", "_mine", "time_over")

    def __init__(self, stop: Callable[[], object], deadline: float | None = None) -> None:
        self._stop = stop
        self.deadline = deadline
        self.time_over = False

    def __enter__(self) -> Stoppable:
        current = self._cancellation = _current.get()
        if current is not None:
            self._mine = current.add(self._stop)
        if self.deadline is not None:
            _watch.calls.add(self)
            if not _watch.awake:
                _watch.wake()
        return self

    def __exit__(self, *_: object) -> None:
        if self.deadline is not None:
            _watch.calls.discard(self)
        if self._cancellation is not None:
            self._cancellation.remove(self._mine)

    def end(self) -> None:
        """Stops the call as its time is over."""
        self.time_over = True
        self._stop()
