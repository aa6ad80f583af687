"""Blocking calls for asyncio: each runs in a thread, and is stopped when its task is cancelled."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from longbow.cancellation import Cancellation, cancelled_by
from longbow.errors import LongbowConnectionError

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
_END = object()


class Bridge:
    """Threads for one asynchronous client; bound to no event loop, so it lasts through several. Guarded."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="longbow-async")
        self._closed = False

    async def call(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """What `function` returns. Cancelling the task ends the work, on the server too, and does not wait for it."""
        return await self._within(Cancellation(), functools.partial(function, *args, **options))

    async def iterate(self, function: Callable[P, Iterator[T]], *args: P.args, **options: P.kwargs) -> AsyncIterator[T]:
        """The items of a blocking iterator, each fetched in a thread."""
        cancellation = Cancellation()
        items = function(*args, **options)
        try:
            while (item := await self._within(cancellation, lambda: next(items, _END))) is not _END:
                yield item  # type: ignore[misc]
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                await self._within(Cancellation(), close)

    async def _within(self, cancellation: Cancellation, work: Callable[[], T]) -> T:
        def run() -> T:
            with cancelled_by(cancellation):
                return work()

        if self._closed:
            raise LongbowConnectionError("this client is closed: connect again")
        context = contextvars.copy_context()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, run)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    async def end(self, close: Callable[[], None]) -> None:
        """Makes `close` the last call. Does nothing when asked again."""
        if self._closed:
            return
        await self.call(close)
        self._closed = True
        self._threads.shutdown(wait=False)
