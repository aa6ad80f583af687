"""Channels to one server, shared by everything that calls it."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.flight as flight

from longbow import cancellation, tracing
from longbow.errors import (
    CancelledError,
    DeadlineExceededError,
    InvalidArgumentError,
    LongbowConnectionError,
    LongbowError,
    UnavailableError,
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
                options: dict[str, Any] = {"generic_options": _OPTIONS}
                if target.tls_root_certs is not None:
                    options["tls_root_certs"] = target.tls_root_certs
                if target.tls_cert_chain is not None:
                    options.update(cert_chain=target.tls_cert_chain, private_key=target.tls_private_key)
                if target.tls_skip_verify:
                    options["disable_server_verification"] = True
                found = self._channels[place] = flight.FlightClient(target.location, **options)
            return found

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

        def attempt() -> T:
            cancellation.check()
            try:
                result = call()
            except LongbowError:
                raise
            except (pa.ArrowException, OSError) as error:
                raise meaning_of(error) from error
            self._reached = True
            return result

        try:
            return attempt()
        except LongbowError as error:
            if not idempotent or not error.retriable or self.retry.deadline == 0:
                raise
            self.saw(error)
            return retry_after(error, self.policy(timeout), attempt, self.before_retry)

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

    def action(self, kind: str, request: dict[str, Any] | bytes, *, timeout: float | None = None, idempotent: bool = True) -> list[bytes]:
        """The bodies that an action answers with."""
        body = request if isinstance(request, bytes) else to_json(request)
        timeout = self.timeout if timeout is None else timeout
        request_id = self.next_request_id()

        def call() -> list[bytes]:
            with translated(request_id):
                answers = self.channel().do_action(flight.Action(kind, body), self.options(timeout, request_id))
                return [answer.body.to_pybytes() for answer in answers]

        dataset = str(request.get("dataset", "")) if isinstance(request, dict) else ""
        with tracing.span(kind, dataset, self.target.location):
            return self.run(call, timeout=timeout, idempotent=idempotent)

    @contextmanager
    def scan(self, ticket: dict[str, Any], timeout: float | None) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """The batches that a ticket stands for. A stream that is not read to its end is cancelled."""
        request_id = self.next_request_id()
        body = to_json(ticket)

        def call() -> tuple[flight.FlightStreamReader, pa.Schema]:
            with translated(request_id):
                reader = self.channel().do_get(flight.Ticket(body), self.options(timeout, request_id))
                return reader, reader.schema

        name = "search" if "search" in ticket else "get"
        dataset = str(ticket.get("search", ticket).get("dataset") or ticket.get("name", ""))
        with tracing.span(name, dataset, self.target.location):
            reader, schema = self.run(call, timeout=timeout)
        done = False

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal done
            while True:
                try:
                    chunk = reader.read_chunk()
                except StopIteration:
                    done = True
                    return
                except (pa.ArrowException, OSError):
                    done = True
                    raise
                yield chunk.data

        with translated(request_id), cancellation.Stoppable(reader.cancel):
            try:
                yield schema, batches()
            finally:
                if not done:
                    reader.cancel()


def to_json(request: dict[str, Any]) -> bytes:
    try:
        return json.dumps(request, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the request holds what JSON cannot: {error}") from error


def deadline_of(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def time_is_over(timeout: float | None, cause: BaseException | None) -> LongbowError:
    """For a call that was stopped: by its time limit, or by its caller."""
    error: LongbowError = DeadlineExceededError(f"no answer within {timeout:g} s") if timeout is not None else CancelledError("the call was cancelled")
    error.__cause__ = cause
    return error
