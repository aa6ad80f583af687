"""Searches over DoExchange streams that stay open between calls, so that a search costs one round trip."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from longbow import cancellation
from longbow.connection import Connection, check_process
from longbow.errors import CancelledError, DataLossError, DeadlineExceededError, LongbowError, UnavailableError, translate

MAX_IDLE_STREAMS = 16
# The server keeps to the time it was given; a client waits a little longer before it stops waiting.
_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """Hits of one batch of queries, what the server says about them, and the seconds from asking to here."""

    hits: pa.RecordBatch
    details: dict[str, Any]
    seconds: float


class SearchStream:
    """One open stream; every batch of queries on it has the same command and columns. Confined to one caller."""

    def __init__(self, client: flight.FlightClient, command: bytes, schema: pa.Schema, options: flight.FlightCallOptions) -> None:
        self._schema = schema
        self._requests = 0
        self._writer, self._reader = client.do_exchange(flight.FlightDescriptor.for_command(command), options)
        self._writer.begin(schema)

    def search(self, columns: list[pa.Array], deadline: float | None) -> Answer:
        self._requests += 1
        start = time.perf_counter()
        numbers = pa.repeat(self._requests, len(columns[0]))
        with cancellation.stoppable(self._reader.cancel, deadline) as time_over:
            try:
                chunk = self._exchange(pa.RecordBatch.from_arrays([*columns, numbers], schema=self._schema))
            except (pa.ArrowException, OSError) as error:
                if time_over():
                    raise DeadlineExceededError("the server did not answer in time") from error
                raise
        details = json.loads(chunk.app_metadata.to_pybytes()) if chunk.app_metadata else {}
        if chunk.data is None or details.get("request_id") != self._requests:
            raise DataLossError(f"the answer to request {self._requests} is missing, got {details}")
        return Answer(chunk.data, details, time.perf_counter() - start)

    def _exchange(self, queries: pa.RecordBatch) -> Any:
        try:
            self._writer.write_batch(queries)
        except pa.ArrowException:
            self._reader.read_chunk()  # raises what the server said
            raise
        return self._reader.read_chunk()

    def close(self) -> None:
        try:
            self._writer.done_writing()
            self._writer.close()
        except (pa.ArrowException, OSError):
            pass  # nothing is under way that could be lost


def _failure(error: BaseException) -> LongbowError | None:
    """What a failed search means to the caller; None for what is none of the server's affair."""
    if isinstance(error, StopIteration):
        return UnavailableError("the server closed the search stream")
    if isinstance(error, (LongbowError, pa.ArrowException, OSError)):
        return translate(error)
    return None


class SearchStreams:
    """Open streams by command and columns, the longest unused closed first. Guarded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._idle: OrderedDict[tuple[bytes, tuple[str, ...], str], list[SearchStream]] = OrderedDict()
        self._idle_count = 0

    def search(self, command: bytes, names: tuple[str, ...], columns: list[pa.Array], timeout: float | None) -> Answer:
        """One batch of queries, in columns of these names. A stream that broke while it was idle is replaced once."""
        check_process()
        key = (command, names, str(columns[0].type))
        deadline = None if timeout is None else time.monotonic() + timeout + _GRACE_SECONDS
        stream = self._take(key)
        while True:
            reused = stream is not None
            request_id = ""
            try:
                if stream is None:
                    request_id = self._connection.next_request_id()
                    fields = [*zip(names, (c.type for c in columns)), ("request_id", pa.int64())]
                    # No call option carries the timeout: the stream outlives this search.
                    options = self._connection.options(None, request_id)
                    stream = SearchStream(self._connection.channel(), command, pa.schema(fields), options)
                answer = stream.search(columns, deadline)
            except BaseException as error:
                if stream is not None:
                    stream.close()
                    stream = None
                failure = _failure(error)
                if failure is None:
                    raise
                if reused and isinstance(failure, UnavailableError):
                    continue
                if isinstance(failure, CancelledError):
                    cancellation.check()
                failure.request_id = request_id
                raise failure from (None if failure is error else error)
            self._connection.reached()
            self._give_back(key, stream)
            return answer

    def close(self) -> None:
        with self._lock:
            streams = [stream for idle in self._idle.values() for stream in idle]
            self._idle.clear()
            self._idle_count = 0
        for stream in streams:
            stream.close()

    def _take(self, key: tuple[bytes, tuple[str, ...], str]) -> SearchStream | None:
        with self._lock:
            idle = self._idle.get(key)
            if not idle:
                return None
            self._idle_count -= 1
            stream = idle.pop()
            if not idle:
                del self._idle[key]
            return stream

    def _give_back(self, key: tuple[bytes, tuple[str, ...], str], stream: SearchStream) -> None:
        evicted = None
        with self._lock:
            self._idle.setdefault(key, []).append(stream)
            self._idle.move_to_end(key)
            self._idle_count += 1
            if self._idle_count > MAX_IDLE_STREAMS:
                oldest = next(iter(self._idle))
                evicted = self._idle[oldest].pop(0)
                self._idle_count -= 1
                if not self._idle[oldest]:
                    del self._idle[oldest]
        if evicted:
            evicted.close()
