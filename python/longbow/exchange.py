"""Searches over DoExchange streams that stay open between calls, so that a search costs one round trip."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from longbow.errors import DataLossError, LongbowError, UnavailableError, translate

MAX_IDLE_STREAMS = 16


@dataclass(frozen=True)
class Answer:
    """Hits of one batch of queries, and what the server says about them."""

    hits: pa.RecordBatch
    details: dict[str, Any]


class SearchStream:
    """One open stream; every batch of queries on it has the same command and vector type. Confined to one caller."""

    def __init__(self, client: flight.FlightClient, command: bytes, schema: pa.Schema, options: flight.FlightCallOptions) -> None:
        self._schema = schema
        self._requests = 0
        self._writer, self._reader = client.do_exchange(flight.FlightDescriptor.for_command(command), options)
        self._writer.begin(schema)

    def search(self, queries: pa.Array) -> Answer:
        self._requests += 1
        numbers = pa.repeat(pa.scalar(self._requests, pa.int64()), len(queries))
        try:
            self._writer.write_batch(pa.RecordBatch.from_arrays([queries, numbers], schema=self._schema))
        except pa.ArrowException:
            self._reader.read_chunk()  # raises what the server said
            raise
        chunk = self._reader.read_chunk()
        details = json.loads(chunk.app_metadata.to_pybytes()) if chunk.app_metadata else {}
        if chunk.data is None or details.get("request_id") != self._requests:
            raise DataLossError(f"the answer to request {self._requests} is missing, got {details}")
        return Answer(chunk.data, details)

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
    """Open streams by command and vector type, the longest unused closed first. Guarded."""

    def __init__(self, client: flight.FlightClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._idle: OrderedDict[tuple[bytes, str], list[SearchStream]] = OrderedDict()
        self._idle_count = 0

    def search(self, command: dict[str, Any], queries: pa.Array, options: flight.FlightCallOptions) -> Answer:
        """One batch of queries. A stream that broke while it was idle is replaced once."""
        encoded = json.dumps(command, sort_keys=True).encode()
        schema = pa.schema([("query_vector", queries.type), ("request_id", pa.int64())])
        key = (encoded, str(queries.type))
        stream = self._take(key)
        while True:
            reused = stream is not None
            try:
                stream = stream or SearchStream(self._client, encoded, schema, options)
                answer = stream.search(queries)
            except BaseException as error:
                if stream is not None:
                    stream.close()
                    stream = None
                failure = _failure(error)
                if failure is None:
                    raise
                if reused and isinstance(failure, UnavailableError):
                    continue
                raise failure from error
            self._give_back(key, stream)
            return answer

    def close(self) -> None:
        with self._lock:
            streams = [stream for idle in self._idle.values() for stream in idle]
            self._idle.clear()
            self._idle_count = 0
        for stream in streams:
            stream.close()

    def _take(self, key: tuple[bytes, str]) -> SearchStream | None:
        with self._lock:
            idle = self._idle.get(key)
            if not idle:
                return None
            self._idle_count -= 1
            stream = idle.pop()
            if not idle:
                del self._idle[key]
            return stream

    def _give_back(self, key: tuple[bytes, str], stream: SearchStream) -> None:
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
