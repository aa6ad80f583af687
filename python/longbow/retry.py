"""Trying again: what, how often, how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from longbow import cancellation
from longbow.errors import LongbowError

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """How calls that failed for a passing reason are tried again. Times are in seconds.

    The wait before the n-th retry is random between half of and the whole of `first_delay` * 2**(n - 1), at most
    `max_delay`. `deadline` bounds everything together, waits and calls; 0 never tries again.
    """

    deadline: float = 10.0
    first_delay: float = 0.05
    max_delay: float = 1.0

    def delays(self) -> Iterator[float]:
        """Waits until the deadline, counted from now, is over."""
        end = time.monotonic() + self.deadline
        longest = self.first_delay
        while True:
            delay = random.uniform(longest / 2, longest)
            if time.monotonic() + delay >= end:
                return
            yield delay
            longest = min(longest * 2, self.max_delay)


NO_RETRY = RetryPolicy(deadline=0)


def retry_after(error: LongbowError, policy: RetryPolicy, call: Callable[[], T], before_retry: Callable[[LongbowError], None]) -> T:
    """What `call`, which has failed with `error`, returns once it does. Only for calls that may be made twice.

    Waits as the policy says, or as the server said, whichever is longer.
    """
    for delay in policy.delays():
        before_retry(error)
        cancellation.pause(max(delay, error.retry_delay))
        try:
            return call()
        except LongbowError as again:
            if not again.retriable:
                raise
            error = again
    raise error
