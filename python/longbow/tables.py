"""Turns what users have (tables, arrays, dicts, data frames) into Arrow record batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from longbow.errors import InvalidArgumentError

# Lists of numbers in these columns are vectors; NumPy arrays are vectors in any column.
VECTOR_NAMES = ("vector", "embedding")
BATCH_BYTES = 8 << 20
BATCH_ROWS = 65536


def vector_array(values: np.ndarray[Any, Any]) -> pa.Array:
    """A 2-D array (rows x dimensions) as a FixedSizeList column, without copying where it is contiguous.

    Complex numbers become pairs of floats, real and imaginary part, as Longbow stores them.
    """
    if values.ndim != 2:
        raise InvalidArgumentError(f"vectors need a 2-D array of shape (rows, dimensions), got shape {values.shape}")
    if values.shape[1] == 0:
        raise InvalidArgumentError("vectors need at least 1 dimension, got an array of shape " + str(values.shape))
    values = np.ascontiguousarray(values)
    if values.dtype.kind == "c":
        values = values.view(values.real.dtype)
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise InvalidArgumentError(
            f"vectors need numbers (float16/32/64, complex64/128 or 8 to 64 bit integers), got dtype {values.dtype}"
        )
    # An item type that does not say "not null" would differ from what other clients send; keep Arrow's default.
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _field(name: str, array: pa.Array, source: Any) -> pa.Field:
    if isinstance(source, np.ndarray) and source.ndim == 2 and source.dtype.kind == "c":
        return pa.field(name, array.type, metadata={"longbow.complex": "true", "longbow.vector_type": str(source.dtype)})
    return pa.field(name, array.type)


def _from_columns(columns: Mapping[str, Any]) -> pa.Table:
    arrays, fields = [], []
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim > 1:
            array = vector_array(values)
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            array = values
        elif isinstance(values, np.ndarray) and values.dtype != object:
            array = pa.array(values)
        else:
            values, array = _from_values(name, list(values))
        arrays.append(array)
        fields.append(_field(name, array, values))
    lengths = {name: len(array) for name, array in zip(columns, arrays)}
    if len(set(lengths.values())) > 1:
        raise InvalidArgumentError(f"columns need the same number of rows, got {lengths}")
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _from_values(name: str, values: list[Any]) -> tuple[Any, pa.Array]:
    """A column from Python values: vectors where they are arrays, or lists in a column named for vectors."""
    present = [v for v in values if v is not None]
    sample = present[0] if present else None
    if isinstance(sample, np.ndarray) or (name in VECTOR_NAMES and isinstance(sample, (list, tuple))):
        widths = {len(v) for v in present}
        if len(widths) > 1:
            raise InvalidArgumentError(f"column {name!r}: vectors need one width, got widths {sorted(widths)[:5]}")
        dtype = sample.dtype if isinstance(sample, np.ndarray) else np.dtype(np.float32)
        width = widths.pop()
        matrix = np.array([np.zeros(width) if v is None else v for v in values], dtype=dtype)
        array = vector_array(matrix)
        if len(present) != len(values):
            mask = pa.array([v is None for v in values])
            array = pa.FixedSizeListArray.from_arrays(array.values, array.type.list_size, mask=mask)
        return matrix, array
    if isinstance(sample, dict):
        values = [None if v is None else json.dumps(v) for v in values]
    try:
        return values, pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidArgumentError(f"column {name!r}: {error}") from error


def _from_rows(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return _from_columns({name: [row.get(name) for row in rows] for name in names})


def _is_data_frame(data: Any) -> bool:
    return type(data).__module__.split(".")[0] == "pandas" and hasattr(data, "columns")


def _from_data_frame(frame: Any) -> pa.Table:
    columns: dict[str, Any] = {}
    for name in frame.columns:
        series = frame[name]
        columns[str(name)] = (
            list(series) if series.dtype == object else pa.Array.from_pandas(series)
        )
    return _from_columns(columns)


def to_batches(data: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the record batches of `data`, each batch about 8 MiB and at most 65,536 rows.

    `data` is one of: pyarrow Table, RecordBatch or RecordBatchReader (a reader is consumed); a dict of columns, where
    a 2-D NumPy array is a vector column; a list of dicts; a pandas DataFrame. Raises InvalidArgumentError for
    anything else.
    """
    if isinstance(data, pa.RecordBatchReader):
        return data.schema, _split(data)
    if isinstance(data, pa.RecordBatch):
        return data.schema, _split([data])
    if isinstance(data, pa.Table):
        table = data
    elif _is_data_frame(data):
        table = _from_data_frame(data)
    elif isinstance(data, Mapping):
        table = _from_columns(data)
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)) and all(isinstance(r, Mapping) for r in data):
        table = _from_rows(data)
    else:
        raise InvalidArgumentError(
            "data must be a pyarrow Table, RecordBatch or RecordBatchReader, a dict of columns, a list of dicts or a "
            f"pandas DataFrame, got {type(data).__name__}"
        )
    return table.schema, _split(table.to_batches())


def _split(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = max(1, min(BATCH_ROWS, BATCH_BYTES * batch.num_rows // max(1, batch.nbytes)))
        for first in range(0, batch.num_rows, rows):
            yield batch.slice(first, rows)


def query_array(vectors: Any) -> tuple[pa.Array, bool]:
    """Query vectors as a FixedSizeList column, and whether it was a single vector.

    `vectors` has shape (dimensions,) or (queries, dimensions). Lists of Python numbers become float32.
    """
    if isinstance(vectors, (pa.FixedSizeListArray, pa.ChunkedArray)):
        return (vectors.combine_chunks() if isinstance(vectors, pa.ChunkedArray) else vectors), False
    try:
        matrix = np.asarray(vectors)
    except ValueError as error:
        raise InvalidArgumentError(f"query vectors need one width: {error}") from error
    if not isinstance(vectors, np.ndarray) and matrix.dtype.kind in "fiu":
        matrix = matrix.astype(np.float32)
    if matrix.ndim not in (1, 2) or matrix.dtype.kind not in "fiuc" or matrix.size == 0:
        raise InvalidArgumentError(
            "a query is numbers of shape (dimensions,), several are (queries, dimensions); got "
            f"shape {matrix.shape} of {matrix.dtype}"
        )
    single = matrix.ndim == 1
    return vector_array(matrix.reshape(1, -1) if single else matrix), single


def with_signed_ids(hits: pa.RecordBatch) -> pa.RecordBatch:
    """Hits whose `id` is int64 where the server says that its uint64 has the bits of signed ids."""
    field = hits.schema.field(0)
    if not field.metadata or b"longbow.key_type" not in field.metadata:
        return hits
    return hits.set_column(0, pa.field("id", pa.int64()), hits.column(0).view(pa.int64()))
