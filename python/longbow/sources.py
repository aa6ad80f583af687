"""Everything that can be inserted, as a stream of record batches of one schema."""

from __future__ import annotations

import itertools
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longbow import files
from longbow.columns import (
    VECTOR_NAMES,
    Adaptation,
    Lent,
    is_row,
    one_length,
    only_lists_of_floats,
    table_of_columns,
    table_of_frame,
    table_of_rows,
    vector_array,
    width_of,
)
from longbow.errors import InvalidArgumentError

BATCH_BYTES = 8 << 20
BATCH_ROWS = 65536
# Rows taken together from a generator of dicts.
_ROWS_AT_ONCE = 4096
# Of a pandas DataFrame about so much is taken together, by the size of its first rows.
_FRAME_BYTES = 8 << 20
_FRAME_SAMPLE = 256
_PATTERN = re.compile(r"[*?\[]|^\w+://")
_NO_PATTERNS = ": patterns and addresses are not opened; give a list of paths, as of glob.glob, or a pyarrow Dataset of the address"
_ONLY_OF_POLARS = ("Object", "Int128", "UInt128")


@dataclass(frozen=True)
class Source:
    """Batches of one schema, read once. `rows` is None where it is not known before.

    `again` gives the same batches once more, where they are in memory.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    rows: int | None
    again: Callable[[], Iterator[pa.RecordBatch]] | None = None

    @property
    def vectors(self) -> dict[str, int]:
        """Dimension by vector column."""
        return {f.name: width for f in self.schema if (width := width_of(f.type)) is not None}


def open_source(
    data: Any,
    vector_column: str | None = None,
    batch_bytes: int = BATCH_BYTES,
    may_be_vectors: Callable[[str], bool] = lambda name: True,
) -> Source:
    """Recognises `data`. Raises InvalidArgumentError for what cannot be inserted.

    Where no vector column is recognised, the only column of lists of floats is taken for it if its lists have one length
    (of what is read piece by piece, those of the first piece) and `may_be_vectors(name)` agrees.
    """
    names = (vector_column,) if vector_column else VECTOR_NAMES
    raw, rows = _open(data, names)
    first = next(raw.batches, None)
    if first is None:
        first = pa.RecordBatch.from_pylist([], schema=raw.schema)
    adaptation = Adaptation(first, names)
    if vector_column and vector_column not in adaptation.schema.names:
        raise InvalidArgumentError(f"vector_column: no column {vector_column!r} in {adaptation.schema.names}")
    if vector_column and first.num_rows:
        _check_vectors(adaptation.schema.field(vector_column), first.column(vector_column))
    if not vector_column:
        name = only_lists_of_floats(adaptation.schema)
        if name is not None and one_length(name, raw.again() if raw.again else [first]) and may_be_vectors(name):
            adaptation = Adaptation(first, (name,))
    batches = map(adaptation, itertools.chain([first], raw.batches))
    again = raw.again
    return Source(
        adaptation.schema, _split(batches, batch_bytes), rows, None if again is None else lambda: map(adaptation, again())
    )


def _check_vectors(field: pa.Field, values: pa.Array) -> None:
    if width_of(field.type) is None and values.null_count < len(values):
        raise InvalidArgumentError(f"vector_column: expected vectors in column {field.name!r}, given {field.type}")


@dataclass(frozen=True)
class _Raw:
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    again: Callable[[], Iterator[pa.RecordBatch]] | None = None


def _open(data: Any, names: Sequence[str]) -> tuple[_Raw, int | None]:
    for accepts, opens in _KINDS:
        if accepts(data):
            return opens(data, names)
    raise InvalidArgumentError(
        "data must be a dict of columns, a list of dicts, a NumPy array, a pandas, polars or Dask DataFrame, a pyarrow "
        "Table, RecordBatch, RecordBatchReader or Dataset, something with __arrow_c_stream__, a generator of one of "
        f"these, or the path of a file or paths of several; got {type(data).__name__}"
    )


def _made_by(data: Any, package: str, *names: str) -> bool:
    return any(c.__module__.split(".")[0] == package and c.__name__ in names for c in type(data).__mro__)


def _of_table(table: pa.Table) -> tuple[_Raw, int]:
    return _Raw(table.schema, iter(table.to_batches()), lambda: iter(table.to_batches())), table.num_rows


def _of_reader(reader: Any) -> tuple[_Raw, None]:
    return _Raw(reader.schema, iter(reader)), None


def _of_dataset(dataset: Any) -> tuple[_Raw, int]:
    return _Raw(dataset.schema, iter(dataset.to_batches(batch_size=BATCH_ROWS))), dataset.count_rows()


def _of_file(path: str | os.PathLike[str], names: Sequence[str]) -> tuple[_Raw, int | None]:
    file = Path(path).expanduser()
    if not file.exists():
        raise InvalidArgumentError(f"no file {os.fspath(path)}{_NO_PATTERNS if _PATTERN.search(os.fspath(path)) else ''}")
    with files.readable(file):
        raw, rows = _open(files.read(file), names)

    def batches() -> Iterator[pa.RecordBatch]:
        with files.readable(file):
            yield from raw.batches

    return _Raw(raw.schema, batches()), rows


def _of_frame(frame: Any, names: Sequence[str]) -> tuple[_Raw, int]:
    some = table_of_frame(frame.iloc[:_FRAME_SAMPLE], names)
    rows = max(_FRAME_SAMPLE, min(BATCH_ROWS, _FRAME_BYTES * len(some) // max(1, some.nbytes)))
    memory = Lent()
    first = table_of_frame(frame.iloc[:rows], names, memory)
    tables = (table_of_frame(frame.iloc[i : i + rows], names, memory) for i in range(rows, len(frame), rows))
    rest = _ahead(tables) if len(frame) > rows else tables
    batches = _batches_of_tables(itertools.chain([first], rest), first.schema)
    return _Raw(first.schema, batches, lambda: _of_frame(frame, names)[0].batches), len(frame)


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same; the next two are made while others are being sent, from now on."""
    maker = ThreadPoolExecutor(1, thread_name_prefix="longbow-source")
    coming = deque(maker.submit(next, tables, None) for _ in range(2))

    def made() -> Iterator[pa.Table]:
        try:
            while (table := coming.popleft().result()) is not None:
                coming.append(maker.submit(next, tables, None))
                yield table
        finally:
            maker.shutdown(cancel_futures=True)

    return made()


def _of_polars(frame: Any, names: Sequence[str]) -> tuple[_Raw, int]:
    frame = frame.collect() if type(frame).__name__ == "LazyFrame" else frame
    for name, kind in frame.schema.items():
        if str(kind) in _ONLY_OF_POLARS:  # Arrow would be given the addresses of objects
            raise InvalidArgumentError(f"column {name!r}: the polars type {kind} cannot be stored; cast it to text or numbers")
    return _of_table(frame.to_arrow())  # older versions do not have __arrow_c_stream__


def _stream(data: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    with _columns_by_name(data):
        reader = pa.RecordBatchReader.from_stream(data)
    return reader.schema, iter(reader)


def _of_batch(data: Any) -> tuple[_Raw, int]:
    with _columns_by_name(data):
        batch = pa.record_batch(data)
    return _of_table(pa.Table.from_batches([batch]))


@contextmanager
def _columns_by_name(data: Any) -> Iterator[None]:
    """Says of what Arrow cannot read as record batches what it should have been."""
    try:
        yield
    except (pa.ArrowException, ValueError) as error:
        raise InvalidArgumentError(
            f'data: expected columns with names, given {type(data).__name__}; one column goes into a dict, {{"vector": ...}}: {error}'
        ) from error


def _of_dask(frame: Any, names: Sequence[str]) -> tuple[_Raw, None]:
    def parts() -> Iterator[Any]:
        for i in range(frame.npartitions):
            yield frame.partitions[i].compute()

    return _of_items(parts(), names)


def _of_array(array: np.ndarray[Any, Any], names: Sequence[str]) -> tuple[_Raw, int]:
    return _of_table(pa.Table.from_arrays([vector_array(array)], [names[0]]))


def _of_dict(data: Mapping[str, Any], names: Sequence[str]) -> tuple[_Raw, int]:
    return _of_table(table_of_rows([data], names) if is_row(data, names) else table_of_columns(data, names))


def _of_items(items: Iterable[Any], names: Sequence[str]) -> tuple[_Raw, None]:
    """An iterator of rows, or of anything that can be inserted by itself; all with the columns of the first."""
    rest = iter(items)
    first = next(rest, None)
    if first is None:
        raise InvalidArgumentError("data is an empty iterator: without a first row there are no columns")
    rest = itertools.chain([first], rest)
    tables = _tables_of_rows(rest, names) if _is_row_like(first, names) else _tables_of_parts(rest, names)
    head = next(tables)
    return _Raw(head.schema, _batches_of_tables(itertools.chain([head], tables), head.schema)), None


def _is_row_like(item: Any, names: Sequence[str]) -> bool:
    return hasattr(item, "model_dump") or (isinstance(item, Mapping) and is_row(item, names))


def _row(item: Any) -> Mapping[str, Any]:
    if hasattr(item, "model_dump"):
        item = item.model_dump(exclude_none=True)
    if not isinstance(item, Mapping):
        raise InvalidArgumentError(f"rows must all be dicts, got {type(item).__name__}")
    return item


def _tables_of_rows(rows: Iterator[Any], names: Sequence[str]) -> Iterator[pa.Table]:
    while chunk := [_row(item) for item in itertools.islice(rows, _ROWS_AT_ONCE)]:
        yield table_of_rows(chunk, names)


def _tables_of_parts(parts: Iterator[Any], names: Sequence[str]) -> Iterator[pa.Table]:
    for part in parts:
        raw, _ = _open(part, names)
        yield raw.schema.empty_table()  # so that there is a schema even without rows
        for batch in raw.batches:
            yield pa.Table.from_batches([batch])


def _batches_of_tables(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    first_row = 0
    for table in tables:
        yield from _fitted(table, schema, first_row).to_batches()
        first_row += table.num_rows


def _fitted(table: pa.Table, schema: pa.Schema, first_row: int) -> pa.Table:
    """The table with `schema`'s columns: those it lacks are null, types are widened where nothing is lost."""
    if table.schema.equals(schema):
        return table
    added = [name for name in table.column_names if name not in schema.names]
    if added:
        raise InvalidArgumentError(
            f"column {added[0]!r} appears first after row {first_row}: data read piece by piece has the columns of its "
            "first piece; give them all there, or insert in two calls"
        )
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        try:
            columns.append(table[field.name].cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidArgumentError(
                f"column {field.name!r}: {field.type} in the first rows, {table[field.name].type} after row {first_row}: {error}"
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def _split(batches: Iterable[pa.RecordBatch], batch_bytes: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = max(1, min(BATCH_ROWS, batch_bytes * batch.num_rows // max(1, batch.nbytes)))
        for first in range(0, batch.num_rows, rows):
            yield batch.slice(first, rows)


def _is_list_of_paths(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and bool(data) and all(isinstance(path, (str, os.PathLike)) for path in data)


def _is_list_of_rows(data: Any) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes)) and all(isinstance(r, Mapping) or hasattr(r, "model_dump") for r in data)


_Kind = tuple[Callable[[Any], bool], Callable[[Any, Sequence[str]], tuple[_Raw, int | None]]]
# In this order: what is tested for first wins.
_KINDS: list[_Kind] = [
    (lambda d: isinstance(d, pa.Table), lambda d, _: _of_table(d)),
    (lambda d: isinstance(d, pa.RecordBatch), lambda d, _: _of_table(pa.Table.from_batches([d]))),
    (lambda d: isinstance(d, pa.RecordBatchReader), lambda d, _: _of_reader(d)),
    (lambda d: isinstance(d, (str, os.PathLike)), _of_file),
    (lambda d: _made_by(d, "pyarrow", "Dataset", "InMemoryDataset"), lambda d, _: _of_dataset(d)),
    (lambda d: _made_by(d, "pandas", "DataFrame"), _of_frame),
    (lambda d: _made_by(d, "polars", "DataFrame", "LazyFrame"), _of_polars),
    (lambda d: hasattr(d, "npartitions") and hasattr(d, "partitions"), _of_dask),
    (lambda d: isinstance(d, np.ndarray), _of_array),
    (lambda d: isinstance(d, Mapping), _of_dict),
    (lambda d: hasattr(d, "model_dump"), lambda d, names: _of_table(table_of_rows([_row(d)], names))),
    (lambda d: hasattr(d, "__arrow_c_stream__"), lambda d, _: (_Raw(*_stream(d)), None)),
    (lambda d: hasattr(d, "__arrow_c_array__"), lambda d, _: _of_batch(d)),
    (_is_list_of_paths, _of_items),
    (_is_list_of_rows, lambda d, names: _of_table(table_of_rows([_row(r) for r in d], names))),
    (lambda d: isinstance(d, Iterator), _of_items),
]
