"""Searches over DoExchange streams that stay open between calls, so that a search costs one round trip."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from longbow import cancellation
from longbow.connection import Connection, check_process, meaning_of
from longbow.errors import DataLossError, LongbowError, UnavailableError, too_late

MAX_IDLE_STREAMS = 16
# What a server takes in one batch, and answers it with, unless it is set otherwise.
_MAX_QUERIES = 1024
_MAX_HITS = 1024 * 1024
# A column of queries, or vectors that are `is_plain`.
Questions: TypeAlias = pa.Array | np.ndarray[Any, Any]
_Key = tuple[bytes, int, int] | tuple[bytes, str, int, int, int, bool]


def _key(command: bytes, name: str, asked: Questions, single: bool) -> _Key:
    """What streams are told apart by; a DataType's own hash is slow."""
    if isinstance(asked, np.ndarray):
        return command, asked.ndim, asked.shape[-1]
    kind = asked.type
    if isinstance(kind, pa.FixedSizeListType):
        return command, name, kind.id, kind.list_size, kind.value_type.id, single
    return command, name, kind.id, 0, 0, single


# All answers on a stream have the columns of its first; so the server says when its dataset has others by now.
_OTHER_COLUMNS = "other columns than the stream's first"
# The server keeps to the time it was given; a client waits a little longer before it stops waiting.
_GRACE_SECONDS = 2.0


class Answer(NamedTuple):
    """Hits of one batch of queries, what the server says about them as JSON, and the seconds from asking to here.

    `rows` are as they came; `shape` makes them what callers see.
    """

    rows: pa.RecordBatch
    details: bytes
    seconds: float
    shape: Callable[[pa.RecordBatch], pa.RecordBatch]


def queries_at_once(k: int) -> int:
    """How many queries of `k` hits each are sent as one batch."""
    return min(_MAX_QUERIES, max(1, _MAX_HITS // max(1, k)))


class SearchStream:
    """One open stream; every batch of queries on it has the same command and columns. Confined to one caller.

    Where one vector of float32 is asked about at a time, its batch is made once, and the numbers of each question are
    written into it: when the answer is there, the server has read them. A stream that was cut off is not asked again.
    """

    def __init__(self, connection: Connection, command: bytes, name: str, asked: Questions, request_id: str) -> None:
        self.request_id = request_id
        self._kind = pa.list_(pa.float32(), asked.shape[-1]) if isinstance(asked, np.ndarray) else asked.type
        self._schema = schema = pa.schema([(name, self._kind)])
        self._vector: np.ndarray[Any, Any] | None = None
        if isinstance(asked, np.ndarray) and asked.ndim == 1:
            self._vector = np.empty(asked.size, np.float32)
            self._queries = self._batch(self._vector)
        self._shape: _Shape | None = None
        # No call option carries a search's timeout: the stream outlives it.
        options = connection.options(None, request_id)
        self._writer, self._reader = connection.channel().do_exchange(flight.FlightDescriptor.for_command(command), options)
        self._writer.begin(schema)

    def search(self, asked: Questions, single: bool, timeout: float | None, deadline: float | None) -> Answer:
        """Answers come in the order of questions, and the stream has one caller: the next one is ours."""
        start = time.perf_counter()
        if self._vector is None:
            queries = self._batch(asked)
        else:
            self._vector[:] = asked
            queries = self._queries
        with cancellation.Stoppable(self._reader.cancel, deadline) as stoppable:
            try:
                chunk = self._exchange(queries)
            except (pa.ArrowException, OSError) as error:
                if stoppable.time_over:
                    raise too_late(f"the server did not answer within {timeout:g} s", timeout) from error
                raise
        hits = chunk.data
        if hits is None:
            raise DataLossError("the server answered without hits")
        if self._shape is None:
            self._shape = _Shape(hits.schema, single)
        metadata = chunk.app_metadata
        return Answer(hits, metadata.to_pybytes() if metadata else b"", time.perf_counter() - start, self._shape)

    def _batch(self, asked: Questions) -> pa.RecordBatch:
        if isinstance(asked, np.ndarray):
            asked = pa.FixedSizeListArray.from_arrays(pa.array(asked.reshape(-1)), type=self._kind)
        return pa.RecordBatch.from_arrays([asked], schema=self._schema)

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


class _Shape:
    """How the hits of a stream become what callers see: signed ids, and `query` for several questions only. Immutable."""

    def __init__(self, schema: pa.Schema, single: bool) -> None:
        self._signed = bool(schema.field(0).metadata) and b"longbow.key_type" in schema.field(0).metadata
        self._places = [i for i, name in enumerate(schema.names) if not (single and name == "query")]
        self._leaves_out = len(self._places) < len(schema)
        self._has_metadata = bool(schema.metadata)
        self._type = pa.int64()
        self._id = pa.field("id", self._type)

    def __call__(self, hits: pa.RecordBatch) -> pa.RecordBatch:
        if self._signed:
            hits = hits.set_column(0, self._id, hits.column(0).view(self._type))
        if self._leaves_out:
            hits = hits.select(self._places)
        return hits.replace_schema_metadata(None) if self._has_metadata else hits


_WORK = ("distances", "codes", "hops", "bytes", "nanos")


def joined(answers: Sequence[Answer], questions: Sequence[int]) -> tuple[pa.Table, bytes]:
    """Answers to so many consecutive questions each as if all had been asked at once: hits, and what is said of them.

    Work is added up, the recall is the mean, the coverage the worst, the sequence that of the first.
    """
    parts = []
    said: list[dict[str, Any]] = [json.loads(answer.details or b"{}") for answer in answers]
    before = 0
    for answer, count in zip(answers, questions):
        hits = answer.shape(answer.rows)
        place = hits.schema.get_field_index("query")
        moved = pa.array(hits.column(place).to_numpy() + np.int32(before))
        parts.append(hits.set_column(place, hits.schema.field(place), moved))
        before += count
    stats = [told.get("stats") or {} for told in said]
    together = dict(stats[0])
    together.update({key: sum(part.get(key, 0) for part in stats) for key in _WORK if key in together})
    if "recall" in together:
        together["recall"] = sum(part["recall"] * count for part, count in zip(stats, questions)) / before
    coverages = [told.get("coverage", "") for told in said]
    coverage = next((worst for worst in ("partial", "approximate") if worst in coverages), coverages[0])
    return pa.Table.from_batches(parts), json.dumps({**said[0], "coverage": coverage, "stats": together}).encode()


def with_signed_ids(hits: pa.Table) -> pa.Table:
    """Hits of a ticket with ids as they were put: the server sends the bits of signed ones."""
    place = hits.schema.get_field_index("id")
    if place < 0 or b"longbow.key_type" not in (hits.schema.field(place).metadata or {}):
        return hits
    signed = pa.chunked_array([chunk.view(pa.int64()) for chunk in hits.column(place).chunks], pa.int64())
    return hits.set_column(place, pa.field("id", pa.int64()), signed)


def _failure(error: BaseException) -> LongbowError | None:
    """What a failed search means to the caller; None for what is none of the server's affair."""
    if isinstance(error, StopIteration):
        return UnavailableError("the server closed the search stream")
    if isinstance(error, (LongbowError, pa.ArrowException, OSError)):
        return meaning_of(error)
    return None


class SearchStreams:
    """Open streams by command and columns, the longest unused closed first. Guarded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._idle: OrderedDict[_Key, list[SearchStream]] = OrderedDict()
        self._idle_count = 0

    def search(self, command: bytes, name: str, asked: Questions, single: bool, timeout: float | None) -> Answer:
        """One batch of queries, in a column of this name. A stream that broke while it was idle, or whose dataset has got
        other columns since, is replaced once."""
        check_process()
        key = _key(command, name, asked, single)
        deadline = None if timeout is None else time.monotonic() + timeout + _GRACE_SECONDS
        stream = self._take(key)
        while True:
            reused = stream is not None
            request_id = stream.request_id if stream is not None else self._connection.next_request_id()
            try:
                if stream is None:
                    stream = SearchStream(self._connection, command, name, asked, request_id)
                answer = stream.search(asked, single, timeout, deadline)
            except BaseException as error:
                if stream is not None:
                    stream.close()
                    stream = None
                failure = _failure(error)
                if failure is None:
                    raise
                if reused and (isinstance(failure, UnavailableError) or _OTHER_COLUMNS in failure.message):
                    continue
                failure.request_id = request_id
                raise failure from (None if failure is error else error)
            if not reused:
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

    def _take(self, key: _Key) -> SearchStream | None:
        with self._lock:
            idle = self._idle.get(key)
            if not idle:
                return None
            self._idle_count -= 1
            stream = idle.pop()
            if not idle:
                del self._idle[key]
            return stream

    def _give_back(self, key: _Key, stream: SearchStream) -> None:
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
