"""Acknowledged writes: a DoPut stream on which every batch is answered, so that errors and counts are exact."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from longbow.errors import DataLossError, LongbowError, error_of_code, translate

PROTOCOL = 1
# Sent and not yet acknowledged; the server may ask for less.
MAX_BYTES_IN_FLIGHT = 32 << 20


@dataclass(frozen=True)
class RejectedBatch:
    """A batch of which no row was stored. `first_row` counts from 0 within the data given to `put`."""

    batch: int
    first_row: int
    rows: int
    code: str
    message: str


@dataclass(frozen=True)
class PutResult:
    """What a put stored.

    `rows` and `batches` are on disk (for durability 'fsync', the default) and visible to every later read.
    `sequence` is the server's token of the last write: opaque, later ones are newer.
    """

    rows: int
    batches: int
    durability: str
    sequence: str


@dataclass
class _Sent:
    first_row: int
    rows: int
    nbytes: int


class _Acknowledgements:
    """Reads the result stream in a thread of its own: a server that answers must never wait for the writer. Guarded."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._changed = threading.Condition()
        self._in_flight: dict[int, _Sent] = {}
        self._acked = 0
        self._bytes = 0
        self._window = MAX_BYTES_IN_FLIGHT
        self._finished = False
        self.rows = 0
        self.batches = 0
        self.durability = ""
        self.sequence = ""
        self.rejected: list[RejectedBatch] = []
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="longbow-put-results", daemon=True)
        self._thread.start()

    def admit(self, seq: int, sent: _Sent) -> bool:
        """Waits until `sent` fits into what may be in flight; False when sending on is of no use."""
        with self._changed:
            while not self._stopped() and self._in_flight and self._bytes + sent.nbytes > self._window:
                self._changed.wait()
            if self._stopped():
                return False
            self._in_flight[seq] = sent
            self._bytes += sent.nbytes
            return True

    def join(self) -> None:
        self._thread.join()

    @property
    def unanswered(self) -> int:
        return len(self._in_flight)

    def _stopped(self) -> bool:
        return self._finished or bool(self.rejected)

    def _run(self) -> None:
        try:
            while (buffer := self._reader.read()) is not None:
                message = json.loads(buffer.to_pybytes())
                with self._changed:
                    self._take(message)
                    self._changed.notify_all()
        except BaseException as error:  # handed to the writer's thread
            self.failure = error
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        for item in message.get("errors", ()):
            sent = self._forget(item["seq"])
            if sent:
                self.rejected.append(
                    RejectedBatch(item["seq"] - 1, sent.first_row, sent.rows, item["code"], item.get("text", ""))
                )
        through = int(message.get("acked_through", 0))
        for seq in [s for s in self._in_flight if s <= through]:
            sent = self._forget(seq)
            if sent:
                self.rows += sent.rows
                self.batches += 1
        self.durability = message.get("level", self.durability)
        self.sequence = str(message.get("token", self.sequence))
        self._window = min(MAX_BYTES_IN_FLIGHT, int(message.get("credits", MAX_BYTES_IN_FLIGHT)) or 1)

    def _forget(self, seq: int) -> _Sent | None:
        sent = self._in_flight.pop(seq, None)
        if sent:
            self._bytes -= sent.nbytes
        return sent


def put_acknowledged(
    client: flight.FlightClient,
    dataset: str,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    options: flight.FlightCallOptions,
    client_id: str,
) -> PutResult:
    """Writes `batches` and returns when each is durable and visible.

    Stops at the first batch that is refused and raises that batch's error, with `put_result` and `rejected` set:
    batches are atomic, so every batch is stored as a whole or not at all.
    """
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(dataset), schema, options)
    acks = _Acknowledgements(reader)
    opening = {"protocol": PROTOCOL, "client": client_id, "stream": uuid.uuid4().hex}
    seq = rows = 0
    failure: BaseException | None = None
    try:
        for batch in batches:
            if not acks.admit(seq + 1, _Sent(rows, batch.num_rows, batch.nbytes)):
                break
            seq += 1
            rows += batch.num_rows
            metadata = {**opening, "seq": seq, "rows": batch.num_rows}
            writer.write_with_metadata(batch, json.dumps(metadata).encode())
            opening = {}
        writer.write_metadata(json.dumps({**opening, "fin": True, "seq": seq, "rows": rows}).encode())
        writer.done_writing()
    except (pa.ArrowException, OSError) as error:
        failure = error  # the status that close() raises says more
    except BaseException:  # the caller's data failed, or the caller wants to stop
        with suppress(pa.ArrowException, OSError):
            writer.done_writing()
            acks.join()  # closing while another thread still reads would wait for ever
            writer.close()
        raise
    acks.join()
    try:
        writer.close()
    except (pa.ArrowException, OSError) as error:
        failure = error
    result = PutResult(acks.rows, acks.batches, acks.durability, acks.sequence)
    problem = _problem(acks, failure)
    if problem is None:
        return result
    problem.put_result = result
    problem.rejected = acks.rejected
    raise problem


def _problem(acks: _Acknowledgements, failure: BaseException | None) -> LongbowError | None:
    if acks.rejected:
        first = acks.rejected[0]
        return error_of_code(
            first.code, f"{first.message} (rows {first.first_row} to {first.first_row + first.rows - 1} of this put)"
        )
    cause = failure or acks.failure
    if cause is not None:
        error = translate(cause)
        error.__cause__ = cause
        return error
    if acks.unanswered:
        return DataLossError(f"the stream ended with {acks.unanswered} batches unanswered; whether they are stored is unknown")
    return None
