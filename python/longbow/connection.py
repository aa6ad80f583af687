"""Channels to one server, shared by everything that calls it."""

from __future__ import annotations

import itertools
import json
import numbers
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from longbow import cancellation, tracing
from longbow.errors import (
    CancelledError,
    InvalidArgumentError,
    LongbowConnectionError,
    LongbowError,
    UnavailableError,
    too_late,
    translate,
)
from longbow.retry import RetryPolicy, retry_after

T = TypeVar("T")

CHANNELS = 4
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # else channels to one server share one socket
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_IDLE_OPENERS = 8
# A server never seen is more likely mistyped than restarting.
_FIRST_CONTACT_SECONDS = 2.0

_grpc_process: int | None = None


@dataclass(frozen=True)
class Target:
    """Whom to call and how: a location of Flight's, the token, and TLS certificates in PEM."""

    location: str
    token: str | None = None
    tls_root_certs: bytes | None = None
    tls_cert_chain: bytes | None = None
    tls_private_key: bytes | None = None
    tls_skip_verify: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def meaning_of(raised: BaseException) -> LongbowError:
    """The LongbowError for what pyarrow raised. A server that stops ends its calls as cancelled: for a caller who did not
    cancel anything, it is away for a while."""
    error = translate(raised)
    if isinstance(error, CancelledError) and error is not raised and not cancellation.requested():
        return UnavailableError(f"the server ended the call: {error.message}")
    return error


@contextmanager
def translated(request_id: str = "") -> Iterator[None]:
    """pyarrow's exceptions inside become LongbowErrors."""
    try:
        yield
    except (pa.ArrowException, OSError, LongbowError) as raised:
        error = meaning_of(raised)
        error.request_id = error.request_id or request_id
        if error is raised:
            raise
        raise error from raised


def check_process() -> None:
    """gRPC does not work in a process forked from one that has used it: calls would hang. Says so instead."""
    global _grpc_process
    if _grpc_process is None:
        _grpc_process = os.getpid()
    if _grpc_process != os.getpid():
        raise LongbowConnectionError(
            f"process {os.getpid()} was forked from process {_grpc_process}, which had a Longbow client open, and "
            'gRPC does not survive a fork: use multiprocessing.get_context("spawn"), or connect in the children only'
        )


class Connection:
    """A few channels to one server, opened when first used and shared by all threads. Guarded."""

    def __init__(self, target: Target, timeout: float | None, retry: RetryPolicy, channels: int = CHANNELS) -> None:
        self.target = target
        self.timeout = timeout
        self.retry = retry
        self.id = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._channels: list[flight.FlightClient | None] = [None] * max(1, channels)
        self._turns = itertools.count()
        self._requests = itertools.count(1)
        self._closed = False
        self._reached = False
        self.on_unavailable: Callable[[], None] = lambda: None
        with translated():
            self.channel()

    def channel(self) -> flight.FlightClient:
        """The next channel in turn."""
        check_process()
        if self._closed:
            raise LongbowConnectionError("this client is closed: connect again")
        place = next(self._turns) % len(self._channels)
        found = self._channels[place]
        return found if found is not None else self._open(place)

    def _open(self, place: int) -> flight.FlightClient:
        with self._lock:
            found = self._channels[place]
            if found is None:
                target = self.target
                options: dict[str, Any] = {"generic_options": [*_OPTIONS, *self._connecting_time()]}
                if target.tls_root_certs is not None:
                    options["tls_root_certs"] = target.tls_root_certs
                if target.tls_cert_chain is not None:
                    options.update(cert_chain=target.tls_cert_chain, private_key=target.tls_private_key)
                if target.tls_skip_verify:
                    options["disable_server_verification"] = True
                found = self._channels[place] = flight.FlightClient(target.location, **options)
            return found

    def _connecting_time(self) -> list[tuple[str, int]]:
        """No call waits longer for its connection than it may for its answer; gRPC's own limit is 20 s."""
        if self.timeout is None or self.timeout >= 20:
            return []
        return [("grpc.min_reconnect_backoff_ms", max(1, round(self.timeout * 1000)))]

    def next_request_id(self) -> str:
        return f"{self.id[:8]}-{next(self._requests)}"

    def options(self, timeout: float | None, request_id: str = "") -> flight.FlightCallOptions:
        headers = [(name.encode(), value.encode()) for name, value in self.target.headers.items()]
        if self.target.token:
            headers.append((b"authorization", f"Bearer {self.target.token}".encode()))
        if request_id:
            headers.append((b"x-request-id", request_id.encode()))
        headers.extend(tracing.headers())
        return flight.FlightCallOptions(timeout=timeout, headers=headers)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channels = [channel for channel in self._channels if channel is not None]
            self._channels = [None] * len(self._channels)
        if _grpc_process != os.getpid():
            return  # the parent's
        for channel in channels:
            channel.close()

    def policy(self, timeout: float | None) -> RetryPolicy:
        """How long calls may be tried again that together have `timeout` seconds."""
        limits = [self.retry.deadline, *([timeout] if timeout is not None else [])]
        if not self._reached:
            limits.append(_FIRST_CONTACT_SECONDS)
        return replace(self.retry, deadline=min(limits))

    def run(self, call: Callable[[], T], *, timeout: float | None, idempotent: bool = True) -> T:
        """`call` with errors translated, repeated when that is safe and helps."""
        try:
            return self._attempt(call)
        except LongbowError as error:
            if not idempotent:
                raise
            return self.again(error, call, timeout=timeout)

    def again(self, error: LongbowError, call: Callable[[], T], *, timeout: float | None) -> T:
        """What `call`, which may be made twice and has failed with `error`, returns once it does. Raises where that is of no use."""
        if not error.retriable or self.retry.deadline == 0:
            raise error
        self.saw(error)
        return retry_after(error, self.policy(timeout), partial(self._attempt, call), self.before_retry)

    def _attempt(self, call: Callable[[], T]) -> T:
        cancellation.check()
        try:
            result = call()
        except LongbowError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise meaning_of(error) from error
        self._reached = True
        return result

    def before_retry(self, error: LongbowError) -> None:
        if isinstance(error, UnavailableError):
            self.on_unavailable()

    def reached(self) -> None:
        """Notes that the server has answered."""
        self._reached = True

    def saw(self, error: LongbowError) -> bool:
        """Notes what a failed call tells: there is a server if a connection broke. True when that is news."""
        news = not self._reached and not (isinstance(error, UnavailableError) and not error.connected)
        self._reached = self._reached or news
        return news

    def call(
        self,
        ask: Callable[[flight.FlightClient, flight.FlightCallOptions], T],
        *,
        timeout: float | None = None,
        idempotent: bool = True,
        request_id: str = "",
    ) -> T:
        """What `ask` gets from the server, within `timeout` or else the connection's."""
        check_timeout(timeout)
        timeout = self.timeout if timeout is None else timeout
        request_id = request_id or self.next_request_id()

        def attempt() -> T:
            with translated(request_id):
                return ask(self.channel(), self.options(timeout, request_id))

        return self.run(attempt, timeout=timeout, idempotent=idempotent)

    def action(
        self,
        kind: str,
        request: dict[str, Any] | bytes,
        *,
        timeout: float | None = None,
        idempotent: bool = True,
        request_id: str = "",
    ) -> list[bytes]:
        """The bodies that an action answers with."""
        body = request if isinstance(request, bytes) else to_json(request)

        def ask(channel: flight.FlightClient, options: flight.FlightCallOptions) -> list[bytes]:
            return [answer.body.to_pybytes() for answer in channel.do_action(flight.Action(kind, body), options)]

        dataset = str(request.get("dataset", "")) if isinstance(request, dict) else ""
        with tracing.span(kind, dataset, self.target.location):
            return self.call(ask, timeout=timeout, idempotent=idempotent, request_id=request_id)

    @contextmanager
    def scan(self, ticket: dict[str, Any], timeout: float | None) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """The batches that a ticket stands for. A stream that is not read to its end is cancelled.

        `timeout` is that of everything together. Without it the stream may last as long as it gets on: each batch has the
        connection's timeout to come, while it is waited for.
        """
        check_timeout(timeout)
        request_id = self.next_request_id()
        body = to_json(ticket)
        silence = self.timeout if timeout is None else None

        def call() -> tuple[flight.FlightStreamReader, pa.Schema]:
            with translated(request_id):
                channel, options = self.channel(), self.options(timeout, request_id)
                reader = _first_word(lambda: channel.do_get(flight.Ticket(body), options), silence)
                return reader, reader.schema

        name = "search" if "search" in ticket else "get"
        dataset = str(ticket.get("search", ticket).get("dataset") or ticket.get("name", ""))
        with tracing.span(name, dataset, self.target.location):
            reader, schema = self.run(call, timeout=timeout)
        done = False

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal done
            while True:
                with cancellation.Stoppable(reader.cancel, deadline_of(silence)) as stoppable:
                    try:
                        chunk = reader.read_chunk()
                    except StopIteration:
                        done = True
                        return
                    except (pa.ArrowException, OSError) as error:
                        done = True
                        if stoppable.time_over:
                            raise _silent(silence) from error
                        raise
                yield chunk.data

        with translated(request_id):
            try:
                yield schema, batches()
            finally:
                if not done:
                    reader.cancel()


def _first_word(open_stream: Callable[[], flight.FlightStreamReader], silence: float | None) -> flight.FlightStreamReader:
    """The stream that `open_stream` returns, which it does only when the server has begun to answer.

    Nothing can stop it before, so where it may have to be given up it runs in another thread, which is left behind when the
    call is cancelled or `silence` seconds are over; a stream that still comes then is cancelled.
    """
    if silence is None and not cancellation.possible():
        return open_stream()
    opened: futures.Future[flight.FlightStreamReader] = futures.Future()

    def work() -> None:
        try:
            reader = open_stream()
        except BaseException as error:  # handed to the caller's thread
            with suppress(futures.InvalidStateError):
                opened.set_exception(error)
            return
        try:
            opened.set_result(reader)
        except futures.InvalidStateError:
            reader.cancel()

    _Opener.run(work)
    with cancellation.Stoppable(opened.cancel, deadline_of(silence)) as stoppable:
        try:
            return opened.result()
        except futures.CancelledError:
            raise (_silent(silence) if stoppable.time_over else CancelledError("the call was cancelled")) from None
        finally:
            opened.cancel()


class _Opener:
    """A thread that opens streams. Some wait for the next when they have nothing to do, as a thread's first call of gRPC takes
    milliseconds; while all are busy there is another one, as any of them may wait for a server that hangs. Guarded by the
    interpreter: a deque's append and pop are one operation."""

    _idle: ClassVar[deque[_Opener]] = deque()

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="longbow-get", daemon=True).start()

    @classmethod
    def run(cls, work: Callable[[], None]) -> None:
        try:
            opener = cls._idle.pop()
        except IndexError:
            opener = cls()
        opener._orders.put(work)

    def _work(self) -> None:
        while True:
            self._orders.get()()
            if len(_Opener._idle) >= _IDLE_OPENERS:
                return
            _Opener._idle.append(self)


def _silent(seconds: float | None) -> LongbowError:
    return too_late(f"nothing came from the server for {seconds:g} s, the client's timeout; give the call a longer one of its own", seconds)


def plain(value: Any) -> Any:
    """Scalars and arrays of NumPy and pyarrow as Python's. Raises TypeError for anything else."""
    for way in ("as_py", "to_pylist", "tolist"):
        if hasattr(value, way):
            return getattr(value, way)()
    raise TypeError(f"{type(value).__name__} {value!r}")


def to_json(request: dict[str, Any]) -> bytes:
    try:
        return json.dumps(request, allow_nan=False, separators=(",", ":"), default=plain).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the request holds what JSON cannot: {error}") from error


def check_timeout(timeout: Any) -> None:
    """Refuses what are no seconds: gRPC would wait for ever. Raises InvalidArgumentError."""
    if timeout is not None and not (isinstance(timeout, numbers.Real) and float(timeout) >= 0):
        raise InvalidArgumentError(f"timeout: expected seconds, 0 or more, or None, got {timeout!r}")


def descriptor_of(dataset: str) -> flight.FlightDescriptor:
    """What stands for a dataset on the wire. Raises InvalidArgumentError for what is no name."""
    if not isinstance(dataset, str):
        raise InvalidArgumentError(f"dataset: expected a name, got {dataset!r}")
    return flight.FlightDescriptor.for_path(dataset)


def deadline_of(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def time_left(deadline: float | None) -> float | None:
    """Seconds to a deadline, at least a moment, as a call's timeout."""
    return None if deadline is None else max(0.001, deadline - time.monotonic())
