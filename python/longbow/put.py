"""Acknowledged writes: a DoPut stream on which every batch is answered, so that errors and counts are exact.

A batch travels as (client, stream, sequence) and the server gives it effect once, however often it is sent. So when a
stream breaks, what was not acknowledged is sent again on the next one.

That is also how an insert of any length has a time limit: a DoPut call cannot be stopped, only given a deadline when it
begins. So a stream gets as long as the server may be silent, and makes way for the next one before that, as long as
acknowledgements come.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from longbow import cancellation
from longbow.connection import Connection, deadline_of, descriptor_of, meaning_of, translated
from longbow.errors import CancelledError, DataLossError, DeadlineExceededError, LongbowError, UnavailableError, error_of_code, too_late

PROTOCOL = 1
# Sent and not yet acknowledged; the server may ask for less.
MAX_BYTES_IN_FLIGHT = 32 << 20


@dataclass(frozen=True)
class RejectedBatch:
    """A batch of which no row was stored. `first_row` counts from 0 within the data given."""

    batch: int
    first_row: int
    rows: int
    code: str
    message: str


@dataclass(frozen=True)
class PutResult:
    """What an insert stored.

    Attributes:
        rows: stored and visible to every later read; on disk for durability 'fsync', the default.
        batches: their batches.
        durability: of the dataset: 'fsync', 'async' or 'memory'.
        sequence: the server's token of the last write: opaque, later ones are newer.
        vectors: dimension by vector column, as they were recognised.
        failed: with `on_error="collect"`, the rows that were not stored, with columns `_row` (counted from 0),
            `_code` and `_reason` before their own; else None.
        resumed: how often the stream broke and was taken up again.
    """

    rows: int
    batches: int
    durability: str
    sequence: str
    vectors: dict[str, int] = field(default_factory=dict)
    failed: pa.Table | None = None
    resumed: int = 0

    def __repr__(self) -> str:
        text = f"PutResult(rows={self.rows}, batches={self.batches}, durability={self.durability!r}, sequence={self.sequence!r}"
        if self.vectors:
            text += f", vectors={self.vectors}"
        if self.failed is not None:
            text += f", failed={self.failed.num_rows} rows"
        return text + (f", resumed={self.resumed})" if self.resumed else ")")


@dataclass
class Sent:
    """A batch under way, kept until it is answered."""

    seq: int
    first_row: int
    batch: pa.RecordBatch


@dataclass
class Outcome:
    """What became of a stream's batches."""

    rows: int = 0
    batches: int = 0
    durability: str = ""
    sequence: str = ""
    resumed: int = 0
    rejected: list[tuple[Sent, RejectedBatch]] = field(default_factory=list)


class _Answers:
    """Reads a stream's results in a thread of its own: a server that answers must never wait for the writer. Guarded.

    `owed_since` is the time.monotonic() of the last answer, or of what was sent when nothing else was under way; None while
    the server owes nothing, as when the source takes its time.
    """

    def __init__(
        self, reader: Any, outcome: Outcome, stop_at_rejection: bool, told: Callable[[int], None], owed_since: float | None
    ) -> None:
        self.owed_since = owed_since
        self._ending = False
        self._reader = reader
        self._outcome = outcome
        self._stop_at_rejection = stop_at_rejection
        self._told = told
        self._changed = threading.Condition()
        self._under_way: deque[Sent] = deque()
        self._bytes = 0
        self._window = MAX_BYTES_IN_FLIGHT
        self._finished = False
        self.heard = False
        self.failure: BaseException | None = None
        self.listener_failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="longbow-put-results", daemon=True)
        self._thread.start()

    def admit(self, sent: Sent) -> bool:
        """Waits until `sent` fits into what may be under way; False when sending on is of no use."""
        with self._changed:
            while not self._stopped() and self._under_way and self._bytes + sent.batch.nbytes > self._window:
                self._changed.wait()
            if self._stopped():
                return False
            self._under_way.append(sent)
            self._bytes += sent.batch.nbytes
            self.owed_since = self.owed_since or time.monotonic()
            return True

    def expect_end(self) -> None:
        """After FIN the server owes the end of the stream."""
        with self._changed:
            self._ending = True
            self.owed_since = self.owed_since or time.monotonic()

    def stop(self) -> None:
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def join(self) -> None:
        self._thread.join()

    @property
    def unanswered(self) -> list[Sent]:
        return list(self._under_way)

    def _stopped(self) -> bool:
        done_with = self._stop_at_rejection and bool(self._outcome.rejected)
        return self._finished or done_with or self.listener_failure is not None

    def _run(self) -> None:
        try:
            while (buffer := self._reader.read()) is not None:
                message = json.loads(buffer.to_pybytes())
                with self._changed:
                    self._take(message)
                    self._changed.notify_all()
                self._tell()
        except BaseException as error:  # handed to the writer's thread
            self.failure = error
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _tell(self) -> None:
        """A listener that fails ends the sending; what is under way is still answered, so that the stream ends in order."""
        if self.listener_failure is not None:
            return
        try:
            self._told(self._outcome.rows)
        except BaseException as error:  # handed to the caller's thread
            with self._changed:
                self.listener_failure = error
                self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        self.heard = True
        outcome = self._outcome
        refused = {item["seq"]: item for item in message.get("errors", ())}
        through = int(message.get("acked_through", 0))
        kept: deque[Sent] = deque()
        for sent in self._under_way:
            item = refused.get(sent.seq)
            if item is not None:
                text = RejectedBatch(sent.seq - 1, sent.first_row, sent.batch.num_rows, item["code"], item.get("text", ""))
                outcome.rejected.append((sent, text))
            elif sent.seq <= through:
                outcome.rows += sent.batch.num_rows
                outcome.batches += 1
            else:
                kept.append(sent)
                continue
            self._bytes -= sent.batch.nbytes
        self._under_way = kept
        self.owed_since = time.monotonic() if kept or self._ending else None
        outcome.durability = message.get("level", outcome.durability)
        outcome.sequence = str(message.get("token") or outcome.sequence)
        self._window = min(MAX_BYTES_IN_FLIGHT, int(message.get("credits", MAX_BYTES_IN_FLIGHT)) or 1)


class Writing:
    """One insert: its batches over as many streams as it takes. Confined to one caller.

    `timeout` is that of everything together. Without it the insert may last as long as it gets on: it ends when the server
    owed an acknowledgement for the connection's timeout and none came.
    """

    def __init__(
        self,
        connection: Connection,
        dataset: str,
        schema: pa.Schema,
        *,
        timeout: float | None = None,
        stop_at_rejection: bool = True,
        told: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._connection = connection
        self._descriptor = descriptor_of(dataset)
        self._schema = schema
        self._timeout = timeout
        self._end = deadline_of(timeout)
        self._silence = connection.timeout if timeout is None else None
        self._owed_since: float | None = None
        self._stop_at_rejection = stop_at_rejection
        self._told = told
        self._stream = uuid.uuid4().hex
        self._request_id = ""
        self._seq = 0
        self._rows = 0
        self._source_failure: BaseException | None = None
        self.outcome = Outcome()

    def write(self, batches: Iterator[pa.RecordBatch]) -> LongbowError | None:
        """Writes everything and returns the error that ended it, if one did. Errors of the data itself and of who is told are raised."""
        rest = self._numbered(batches)
        pending: deque[Sent] = deque()
        delays: Iterator[float] | None = None
        while True:
            cancellation.check()
            if not pending:  # the clock of a stream runs, so it is opened when there is something to send
                pending.extend(itertools.islice(rest, 1))
            limit = self._time_left()
            if limit is not None and limit <= 0:
                return self._time_over()
            deadline = deadline_of(limit)
            error, heard = self._write_stream(pending, rest, limit)
            if error is None and not pending:
                return None
            its_time = deadline is not None and time.monotonic() > deadline - 0.1
            if error is None or (isinstance(error, DeadlineExceededError) and self._silence is not None and its_time):
                delays = None
                continue  # the stream had its time; whether the server had, too, is seen above
            if not isinstance(error, UnavailableError) or self._refused():
                return error
            news = self._connection.saw(error)
            if heard or news or delays is None:  # getting on, so the time for trying again starts anew
                delays = self._connection.policy(limit if self._silence is None else None).delays()
            delay = next(delays, None)
            if delay is None:
                return error
            self._connection.before_retry(error)
            self.outcome.resumed += 1
            cancellation.pause(delay)

    def _time_left(self) -> float | None:
        """How long the next stream may last."""
        now = time.monotonic()
        if self._end is not None:
            return self._end - now
        if self._silence is None or self._owed_since is None:
            return self._silence
        return self._silence - (now - self._owed_since)

    def _time_over(self) -> LongbowError:
        if self._silence is None:
            error = too_late("the insert's time is over", self._timeout)
        else:
            error = too_late(
                f"the server acknowledged nothing for {self._silence:g} s, the client's timeout; on a slow connection give "
                "the insert a timeout of its own, or smaller batch_bytes",
                self._silence,
            )
        error.request_id = self._request_id
        return error

    def _refused(self) -> bool:
        return self._stop_at_rejection and bool(self.outcome.rejected)

    def _numbered(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Sent]:
        while True:
            try:
                batch = next(batches, None)
            except BaseException as error:
                self._source_failure = error
                raise
            if batch is None:
                return
            self._seq += 1
            yield Sent(self._seq, self._rows, batch)
            self._rows += batch.num_rows

    def _write_stream(self, pending: deque[Sent], rest: Iterator[Sent], limit: float | None) -> tuple[LongbowError | None, bool]:
        """One stream: what ended it, and whether the server answered at all. `pending` is then what is to be sent (again)."""
        self._request_id = self._connection.next_request_id()
        try:
            with translated(self._request_id):
                options = self._connection.options(limit, self._request_id)
                writer, reader = self._connection.channel().do_put(self._descriptor, self._schema, options)
        except LongbowError as unopened:
            self._owed_since = self._owed_since or time.monotonic()
            return unopened, False
        make_way = None if self._silence is None or limit is None else time.monotonic() + limit / 2
        answers = _Answers(reader, self.outcome, self._stop_at_rejection, self._told, self._owed_since)
        failure: BaseException | None = None
        made_way = False
        with cancellation.Stoppable(answers.stop):
            try:
                made_way = self._send(writer, answers, pending, rest, make_way)
            except (pa.ArrowException, OSError) as error:
                if error is self._source_failure:
                    self._abandon(writer, answers)
                    raise
                failure = error  # the status that close() raises says more
            except BaseException:  # the caller's data failed, or the caller wants to stop
                self._abandon(writer, answers)
                raise
            answers.join()
        try:
            writer.close()
        except (pa.ArrowException, OSError) as error:
            failure = error
        if answers.heard:
            self._connection.reached()
        if answers.listener_failure is not None:
            raise answers.listener_failure
        unanswered = answers.unanswered
        problem = self._problem(failure or answers.failure, len(unanswered) + (0 if made_way else len(pending)))
        pending.extendleft(reversed(unanswered))
        self._owed_since = answers.owed_since if isinstance(problem, DeadlineExceededError) else None
        return problem, answers.heard

    def _send(self, writer: Any, answers: _Answers, pending: deque[Sent], rest: Iterator[Sent], make_way: float | None) -> bool:
        """Sends what is pending, then the rest; whether it stopped with something pending as it was time to make way."""
        opening: dict[str, Any] = {"protocol": PROTOCOL, "client": self._connection.id, "stream": self._stream}
        last = rows = 0
        made_way = False
        while True:
            if not pending:
                pending.extend(itertools.islice(rest, 1))
            if not pending:
                break
            made_way = last > 0 and make_way is not None and time.monotonic() > make_way
            if made_way:
                break
            sent = pending[0]
            cancellation.check()
            if not answers.admit(sent):
                break
            pending.popleft()
            last, rows = sent.seq, rows + sent.batch.num_rows
            metadata = {**opening, "seq": sent.seq, "rows": sent.batch.num_rows}
            writer.write_with_metadata(sent.batch, json.dumps(metadata).encode())
            opening = {}
        answers.expect_end()
        writer.write_metadata(json.dumps({**opening, "fin": True, "seq": last, "rows": rows}).encode())
        writer.done_writing()
        return made_way

    def _abandon(self, writer: Any, answers: _Answers) -> None:
        """Ends a stream early: without FIN, so that the server takes it for cut. What was acknowledged stays."""
        with suppress(pa.ArrowException, OSError):
            writer.done_writing()
            answers.join()  # closing while another thread still reads would wait for ever
            writer.close()

    def _problem(self, cause: BaseException | None, lost: int) -> LongbowError | None:
        if self._refused():
            first = self.outcome.rejected[0][1]
            last_row = first.first_row + first.rows - 1
            error = error_of_code(first.code, f"{first.message} (rows {first.first_row} to {last_row} of this put)")
            error.details.update(batch=first.batch, first_row=first.first_row, rows=first.rows)
        elif cause is not None:
            error = meaning_of(cause)
            error.__cause__ = cause
        elif cancellation.requested():
            error = CancelledError("the put was cancelled")
        elif lost:
            error = DataLossError(f"the stream ended with {lost} batches unanswered; whether they are stored is unknown")
        else:
            return None
        error.request_id = self._request_id
        return error
