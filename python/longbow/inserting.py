"""An insert from beginning to end: recognise the data, see to the mode, write, tell of progress, sort out bad rows."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from longbow.columns import VECTOR_NAMES, check_rows
from longbow.connection import Connection, check_timeout, deadline_of, time_left
from longbow.errors import AlreadyExistsError, InvalidArgumentError, LongbowError, NotFoundError
from longbow.put import Outcome, PutResult, RejectedBatch, Sent, Writing
from longbow.sources import BATCH_BYTES, Source, open_source

if TYPE_CHECKING:
    from longbow.client import Client

__all__ = ["BATCH_BYTES", "Insertion", "with_ids"]

_MODES = ("create", "append", "upsert", "replace")
# A refused batch is cut into so many parts, again and again, until the bad rows stand alone.
_PARTS = 32
_APPEND_ROWS = 8192
# Refused not for a row's sake, so smaller batches would not help.
_NOT_OF_ROWS = ("ResourceExhausted", "Unavailable", "FailedPrecondition", "NotFound", "PermissionDenied", "Unauthenticated")


def with_ids(data: Any, ids: Any, vector_column: str | None) -> Any:
    """An array and the ids of its rows as columns."""
    if ids is None:
        return data
    if not isinstance(data, np.ndarray):
        raise InvalidArgumentError(f"ids: expected beside a NumPy array of vectors, given beside {type(data).__name__}: put them into a column named id")
    if data.ndim != 2:
        raise InvalidArgumentError(f"vectors need a 2-D array of shape (rows, dimensions), got shape {data.shape}")
    return {"id": ids if isinstance(ids, np.ndarray) else list(ids), vector_column or VECTOR_NAMES[0]: data}


@dataclass(frozen=True)
class Insertion:
    """What `Client.insert` was asked to do."""

    dataset: str
    mode: str
    metadata: dict[str, str]
    vector_column: str | None
    batch_bytes: int
    progress: Any
    collect: bool
    timeout: float | None

    def run(self, client: Client, connection: Connection, data: Any) -> PutResult:
        if self.mode not in _MODES:
            raise InvalidArgumentError(f"mode: expected one of {', '.join(_MODES)}, got {self.mode!r}")
        if self.batch_bytes < 1:
            raise InvalidArgumentError(f"batch_bytes: expected 1 or more, got {self.batch_bytes}")
        check_timeout(self.timeout)
        source = open_source(data, self.vector_column, self.batch_bytes, partial(self._may_be_vectors, client))
        if not source.schema.names:
            raise InvalidArgumentError("there is nothing to insert: the data has no columns")
        schema = source.schema
        if self.metadata:
            schema = schema.with_metadata({**(schema.metadata or {}), **self.metadata})
        failed: list[_FailedRows] = []
        end = deadline_of(self.timeout)
        bar = _Progress(self.progress, source.rows, self.dataset)
        try:
            batches = _with_metadata(self._prepared(client, connection, replace(source, schema=schema), failed, end), schema)
            writing = Writing(
                connection, self.dataset, schema, timeout=time_left(end), stop_at_rejection=not self.collect, told=bar.told
            )
            error = writing.write(batches)
            if error is None and self.collect and writing.outcome.rejected:
                error = self._sort_out(connection, schema, writing.outcome, failed, bar, end)
        finally:
            bar.close()
        result = _result(writing.outcome, source, self._failed_table(schema, failed) if self.collect else None)
        if error is None:
            return result
        raise _told_of(error, result, writing.outcome)

    def _may_be_vectors(self, client: Client, column: str) -> bool:
        """Whether lists can be the dataset's vectors: not where it has the column otherwise, or has other vectors."""
        if self.mode == "replace":
            return True
        try:
            there = client.info(self.dataset)
        except NotFoundError:
            return True
        return column in there.vectors or not (there.vectors or column in there.schema.names)

    def _prepared(
        self, client: Client, connection: Connection, source: Source, failed: list[_FailedRows], end: float | None
    ) -> Iterator[pa.RecordBatch]:
        """The batches to write, once what the mode asks of the dataset is seen to."""
        if self.mode == "upsert":
            return source.batches
        there = client.exists(self.dataset)
        if self.mode == "create" and there:
            raise AlreadyExistsError(f'dataset {self.dataset} is there already: use mode "append", "upsert" or "replace"')
        if self.mode == "append" and not there:
            raise NotFoundError(f'dataset {self.dataset} not found: use mode "create" or "upsert"')
        if self.mode == "append" and "id" in source.schema.names:
            return self._only_new(client, source.batches, failed)
        if self.mode == "replace" and there:
            batches = self._tried(client, connection, source, end)
            client.delete_dataset(self.dataset)
            return batches
        return source.batches

    def _tried(self, client: Client, connection: Connection, source: Source, end: float | None) -> Iterator[pa.RecordBatch]:
        """The batches, after all that can be known of them before was looked at.

        Data in memory is checked here. And the server is asked: it gets the schema with its settings and the first batch
        (unless rows may be refused) into a dataset made for that and dropped again.
        """
        if source.again is not None and not self.collect:
            check_rows(source.again())
        first = next(source.batches, None)
        sample = [] if first is None or self.collect else [first]
        space, slash, _ = self.dataset.rpartition("/")
        name = f"{space}{slash}replacing-{uuid.uuid4().hex}"
        trial = Writing(connection, name, source.schema, timeout=time_left(end))
        try:
            error = trial.write(_with_metadata(iter(sample), source.schema))
        finally:
            with suppress(NotFoundError):
                client.delete_dataset(name)
        if error is not None:
            raise _told_of(error, _result(Outcome(), source, None), trial.outcome)
        return source.batches if first is None else itertools.chain([first], source.batches)

    def _only_new(self, client: Client, batches: Iterator[pa.RecordBatch], failed: list[_FailedRows]) -> Iterator[pa.RecordBatch]:
        """Without rows whose id is in the dataset, or comes a second time."""
        seen: set[Any] = set()
        first_row = 0
        for whole in batches:
            for at in range(0, whole.num_rows, _APPEND_ROWS):
                batch = whole.slice(at, _APPEND_ROWS)
                ids = batch.column("id")
                there = set(client.get(self.dataset, ids=ids.drop_null().to_pylist(), columns=["id"])["id"].to_pylist())
                old = []
                for row, key in enumerate(ids.to_pylist()):
                    if key in there or key in seen:
                        old.append(row)
                    seen.add(key)
                if old and not self.collect:
                    raise AlreadyExistsError(
                        f'id {ids[old[0]].as_py()} (row {first_row + old[0]}) is in dataset {self.dataset} already: use mode "upsert" '
                        'to replace rows, or on_error="collect" to leave such rows out'
                    )
                if old:
                    reason = RejectedBatch(0, first_row, len(old), "AlreadyExists", "the id is in the dataset already")
                    failed.append(_FailedRows(batch.take(pa.array(old)), [first_row + row for row in old], reason))
                    keep = np.ones(batch.num_rows, bool)
                    keep[old] = False
                    batch = batch.filter(pa.array(keep))
                first_row += len(ids)
                if batch.num_rows:
                    yield batch

    def _sort_out(
        self,
        connection: Connection,
        schema: pa.Schema,
        outcome: Outcome,
        failed: list[_FailedRows],
        bar: _Progress,
        end: float | None,
    ) -> LongbowError | None:
        """Stores the good rows of refused batches, and lists the bad ones."""
        refused, outcome.rejected = outcome.rejected, []
        left_out = sorted(number for f in failed for number in f.numbers)
        known = len(failed)
        while refused:
            pieces = [piece for sent, reason in refused for piece in _pieces(sent, reason, failed)]
            starts = [first_row for first_row, _ in pieces]
            again = Writing(connection, self.dataset, schema, timeout=time_left(end), stop_at_rejection=False, told=lambda rows: bar.told(outcome.rows + rows))
            error = again.write(batch for _, batch in pieces)
            done = again.outcome
            outcome.rows += done.rows
            outcome.batches += done.batches
            outcome.resumed += done.resumed
            outcome.durability, outcome.sequence = done.durability or outcome.durability, done.sequence or outcome.sequence
            if error is not None:
                return error
            refused = [(Sent(sent.seq, starts[sent.seq - 1], sent.batch), reason) for sent, reason in done.rejected]
        failed[known:] = [_FailedRows(f.rows, [_row_of_data(n, left_out) for n in f.numbers], f.reason) for f in failed[known:]]
        return None

    def _failed_table(self, schema: pa.Schema, failed: list[_FailedRows]) -> pa.Table:
        """The rows that were not stored, with number, code and reason."""
        failed = sorted(failed, key=lambda f: f.numbers[0])
        head = [pa.field("_row", pa.int64()), pa.field("_code", pa.string()), pa.field("_reason", pa.string())]
        full = pa.schema([*head, *schema])
        tables = [
            pa.Table.from_arrays(
                [pa.array(f.numbers, pa.int64()), pa.repeat(f.reason.code, len(f.numbers)), pa.repeat(f.reason.message, len(f.numbers)), *f.rows.columns],
                schema=full,
            )
            for f in failed
        ]
        return pa.concat_tables(tables) if tables else full.empty_table()


@dataclass(frozen=True)
class _FailedRows:
    rows: pa.RecordBatch
    numbers: list[int]
    reason: RejectedBatch


def _pieces(sent: Sent, reason: RejectedBatch, failed: list[_FailedRows]) -> Iterator[tuple[int, pa.RecordBatch]]:
    rows = sent.batch.num_rows
    if rows == 1 or reason.code in _NOT_OF_ROWS:
        if rows == 1:  # the message counts within the batch, `_row` within the data
            reason = replace(reason, message=reason.message.replace(", row 0:", ":", 1))
        failed.append(_FailedRows(sent.batch, list(range(sent.first_row, sent.first_row + rows)), reason))
        return
    size = max(1, rows // _PARTS)
    for first in range(0, rows, size):
        yield sent.first_row + first, sent.batch.slice(first, size)


def _row_of_data(sent_row: int, left_out: list[int]) -> int:
    """The row of the data given that was the `sent_row`-th sent, when some were left out."""
    for number in left_out:
        if number <= sent_row:
            sent_row += 1
    return sent_row


def _with_metadata(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch if batch.schema.metadata == schema.metadata else batch.replace_schema_metadata(schema.metadata)


def _told_of(error: LongbowError, result: PutResult, outcome: Outcome) -> LongbowError:
    """The error with what was stored before it and what was refused."""
    error.put_result = result
    error.rejected = [text for _, text in outcome.rejected]
    return error


def _result(outcome: Outcome, source: Source, failed: pa.Table | None) -> PutResult:
    return PutResult(
        outcome.rows, outcome.batches, outcome.durability, outcome.sequence, source.vectors, failed, outcome.resumed
    )


class _Progress:
    """Tells a function or a tqdm bar of rows stored. Called from the thread that reads answers, one at a time."""

    def __init__(self, wanted: Any, total: int | None, name: str) -> None:
        self._tell: Callable[[int, int | None], object] = lambda rows, total: None
        self._bar: Any = None
        self._total = total
        self._rows = -1
        if callable(wanted):
            self._tell = wanted
        elif wanted not in (True, False, None):
            raise InvalidArgumentError(f"progress: expected True or a function of (rows stored, rows in all), got {wanted!r}")
        elif wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError as error:
                raise ImportError("progress=True needs tqdm: pip install tqdm, or give a function of (rows, total)") from error
            self._bar = tqdm(total=total, desc=name, unit="rows", unit_scale=True)
            self._tell = lambda rows, total: self._bar.update(rows - self._bar.n)

    def told(self, rows: int) -> None:
        if rows > self._rows:
            self._rows = rows
            self._tell(rows, self._total)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
