"""Columns as Longbow stores them, from what people have: arrays, lists, dicts."""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longbow.errors import InvalidArgumentError

# Lists of numbers in these columns are vectors; NumPy arrays are vectors in any column.
VECTOR_NAMES = ("vector", "embedding")
_ROWS_READ_AT_ONCE = 4096
_SHORTEST_SLEEP = 1e-6
# What makes an array of so many numbers of a type, to be filled.
Memory = Callable[[int, np.dtype[Any]], np.ndarray[Any, Any]]
_FLOAT32 = np.dtype(np.float32)


def vector_array(values: np.ndarray[Any, Any]) -> pa.Array:
    """A 2-D array (rows x dimensions) as a FixedSizeList column, without copying where it is contiguous.

    Complex numbers become pairs of floats, real and imaginary part, as Longbow stores them.
    """
    if values.ndim != 2:
        raise InvalidArgumentError(f"vectors need a 2-D array of shape (rows, dimensions), got shape {values.shape}")
    if values.shape[1] == 0:
        raise InvalidArgumentError("vectors need at least 1 dimension, got an array of shape " + str(values.shape))
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        row = int(np.ma.getmaskarray(values).any(axis=1).argmax())
        raise InvalidArgumentError(f"vectors need every number, and row {row} of the masked array lacks some; give filled() ones")
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    if values.dtype.kind == "c":
        values = values.view(values.real.dtype)
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise InvalidArgumentError(
            f"vectors need numbers (float16/32/64, complex64/128 or 8 to 64 bit integers), got dtype {values.dtype}"
        )
    # An item type that does not say "not null" would differ from what other clients send; keep Arrow's default.
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


class Lent:
    """Gives memory, like np.empty: what the arrays of one table needed, once they are gone, to those of a later one.

    For the kernel clears new memory, and clearing took as long as copying all arrays of a frame. Guarded by the interpreter:
    each step on the free memory is one operation on a list.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[np.ndarray[Any, Any]]] = {}

    def __call__(self, count: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        free = self._free.setdefault(count * dtype.itemsize, [])
        memory = free.pop() if free else np.empty(count * dtype.itemsize, np.uint8)
        lent = memory.view(dtype)
        weakref.finalize(lent, free.append, memory).atexit = False
        return lent


def table_of_columns(
    columns: Mapping[str, Any], vector_names: Sequence[str] = VECTOR_NAMES, memory: Memory = np.empty
) -> pa.Table:
    """A table of columns that are arrays or sequences. Raises InvalidArgumentError."""
    arrays, fields = [], []
    for name, values in columns.items():
        if not isinstance(name, str):
            raise InvalidArgumentError(f"names of columns are text, got {name!r}")
        if hasattr(values, "to_arrow"):  # a Series of polars
            values = values.to_arrow()
        if isinstance(values, np.ndarray) and values.ndim > 1:
            array = vector_array(values)
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            array = values
        elif isinstance(values, np.ndarray) and values.dtype != object:
            array = pa.array(values)
        elif isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            raise InvalidArgumentError(f"column {name!r}: expected a sequence of values, got {type(values).__name__}")
        else:
            values, array = _from_values(name, values, vector_names, memory)
        arrays.append(array)
        fields.append(_field(name, array, values))
    lengths = {name: len(array) for name, array in zip(columns, arrays)}
    if len(set(lengths.values())) > 1:
        raise InvalidArgumentError(f"columns need the same number of rows, got {lengths}")
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def table_of_rows(rows: Sequence[Mapping[str, Any]], vector_names: Sequence[str] = VECTOR_NAMES) -> pa.Table:
    """A table of rows that are dicts; a key that a row lacks is null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return table_of_columns({name: [row.get(name) for row in rows] for name in names}, vector_names)


def table_of_frame(frame: Any, vector_names: Sequence[str] = VECTOR_NAMES, memory: Memory = np.empty) -> pa.Table:
    """A table of a pandas DataFrame's columns; of its index what is named `id`, if no column is."""
    columns: dict[str, Any] = {}
    if "id" in frame.index.names and "id" not in frame.columns:
        columns["id"] = _of_series(frame.index.get_level_values("id").to_series())
    for place, name in enumerate(frame.columns):
        if str(name) in columns:
            raise InvalidArgumentError(f"column {str(name)!r} appears twice in the DataFrame")
        columns[str(name)] = _of_series(frame.iloc[:, place])
    return table_of_columns(columns, vector_names, memory)


def _of_series(series: Any) -> Any:
    return series.to_numpy() if series.dtype == object else pa.Array.from_pandas(series)


def is_row(data: Mapping[str, Any], vector_names: Sequence[str] = VECTOR_NAMES) -> bool:
    """Whether a dict is one row and no dict of columns: its values are scalars, but for a flat vector."""
    if not data or any(isinstance(value, (pa.Array, pa.ChunkedArray)) for value in data.values()):
        return False
    scalars = [name for name, value in data.items() if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__")]
    others = [data[name] for name in data if name not in scalars]
    if not scalars:  # a column of vectors would have two dimensions
        return all(name in vector_names and _is_flat(value) for name, value in data.items())
    return all(_is_flat(value) or isinstance(value, Mapping) for value in others if value is not None)


def _is_flat(value: Any) -> bool:
    """Whether a value with elements holds no further ones."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    if not hasattr(value, "__len__"):  # an iterator must not be begun here
        return False
    return not hasattr(next(iter(value), None), "__iter__")


def _field(name: str, array: pa.Array, source: Any) -> pa.Field:
    if isinstance(source, np.ndarray) and source.ndim == 2 and source.dtype.kind == "c":
        return pa.field(name, array.type, metadata={"longbow.complex": "true", "longbow.vector_type": str(source.dtype)})
    return pa.field(name, array.type)


def _from_values(name: str, given: Any, vector_names: Sequence[str], memory: Memory) -> tuple[Any, pa.Array]:
    """A column from Python values: vectors where they are arrays, or lists in a column named for vectors."""
    values = given if isinstance(given, (list, np.ndarray)) else list(given)
    sample = next((v for v in values if v is not None), None)
    if isinstance(sample, np.ndarray) or (name in vector_names and isinstance(sample, (list, tuple))):
        return _vectors(name, values, sample, memory)
    if isinstance(sample, Mapping):
        values = [None if v is None else json.dumps(v) for v in values]
    return values, plain_array(f"column {name!r}", values, from_pandas=isinstance(given, np.ndarray))


def plain_array(what: str, values: Any, from_pandas: bool = False) -> pa.Array:
    """Values of one type as Arrow infers it; integers beyond int64, as keys may be, are uint64.

    InvalidArgumentError says `what` they are.
    """
    try:
        try:
            return pa.array(values, from_pandas=from_pandas)
        except OverflowError:
            return pa.array(values, pa.uint64(), from_pandas=from_pandas)
    except OverflowError as error:
        raise InvalidArgumentError(f"{what}: expected integers of int64 or uint64, given one beyond both") from error
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidArgumentError(f"{what}: {error}") from error


def _vectors(name: str, values: Any, sample: Any, memory: Memory) -> tuple[Any, pa.Array]:
    dtype = sample.dtype if isinstance(sample, np.ndarray) else np.dtype(np.float32)
    if dtype.kind == "O":
        raise InvalidArgumentError(f"column {name!r}: vectors need numbers, got objects")
    if isinstance(sample, np.ndarray) and sample.ndim != 1:
        raise InvalidArgumentError(f"column {name!r}: each vector is an array of shape (dimensions,), got shape {sample.shape}")
    if dtype.kind in "fiu" and isinstance(values, np.ndarray) and len(sample) > 0:
        array = _joined(values, len(sample), dtype, memory)
        if array is not None:
            return values, array
    if isinstance(sample, np.ndarray) and values[0] is not None:
        matrix = _stacked(values, len(sample))
        if matrix is not None:
            return matrix, vector_array(matrix)
    return _vectors_with_gaps(name, values, len(sample), dtype)


def _joined(values: np.ndarray[Any, Any], width: int, dtype: np.dtype[Any], memory: Memory) -> pa.Array | None:
    """Arrays of one width as vectors, by Arrow's own reading of them, the fastest there is; None for anything else.

    Piece by piece, with the shortest of sleeps between: Arrow keeps the interpreter while it reads, and the thread that
    sends what was read before would else wait for it through several pieces.
    """
    try:
        kind = pa.list_(pa.from_numpy_dtype(dtype), width)
        numbers = memory(len(values) * width, dtype)
        for first in range(0, len(values), _ROWS_READ_AT_ONCE):
            if first:
                time.sleep(_SHORTEST_SLEEP)
            part = pa.array(values[first : first + _ROWS_READ_AT_ONCE], kind, from_pandas=False)
            if part.null_count or part.values.null_count:
                return None
            numbers[first * width : (first + len(part)) * width] = part.values.to_numpy()
    except (pa.ArrowException, TypeError, ValueError):
        return None
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)


def _stacked(values: Any, width: int) -> np.ndarray[Any, Any] | None:
    """Arrays of one width and type as rows of one; None for anything else."""
    try:
        if set(map(len, values)) != {width}:
            return None
        flat = np.concatenate(values)
    except (TypeError, ValueError):
        return None
    return flat.reshape(len(values), width) if flat.dtype == values[0].dtype else None


def _vectors_with_gaps(name: str, values: Any, width: int, dtype: np.dtype[Any]) -> tuple[Any, pa.Array]:
    missing = [v is None for v in values]
    present = [np.zeros(width, dtype) if v is None else v for v in values]
    try:
        widths = sorted({len(v) for v in present})
        if widths != [width]:
            raise InvalidArgumentError(f"column {name!r}: vectors need one width, got widths {widths[:5]}")
        matrix = np.array(present, dtype).reshape(len(values), width)
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"column {name!r}: vectors need numbers: {error}") from error
    array = vector_array(matrix)
    if any(missing):
        array = pa.FixedSizeListArray.from_arrays(array.values, array.type.list_size, mask=pa.array(missing))
    return matrix, array


# Arrow columns of other libraries, in the types that the server stores.


class Adaptation:
    """How the columns of one schema become columns that the server stores. Immutable.

    Views and dictionaries become plain columns; lists of numbers in a column named for vectors, also as JSON text, which
    is what CSV files and Dask make of them, become vectors whose width is that of the first row.
    """

    def __init__(self, first: pa.RecordBatch, vector_names: Sequence[str]) -> None:
        self._types: dict[int, pa.DataType] = {}
        fields = []
        for i, field in enumerate(first.schema):
            wanted = _stored_type(field, first.column(i), vector_names)
            if wanted != field.type:
                self._types[i] = wanted
                field = field.with_type(wanted)
            fields.append(field)
        self.schema = pa.schema(fields, metadata=first.schema.metadata)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._types:
            return batch
        columns = [
            _converted(self.schema.field(i).name, column, self._types[i]) if i in self._types else column
            for i, column in enumerate(batch.columns)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def width_of(kind: pa.DataType) -> int | None:
    """Dimensions of a column of vectors, also of tensors, which are stored as such; None for any other column."""
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else None


def only_lists_of_floats(schema: pa.Schema) -> str | None:
    """The one column of lists of floats in columns of which none is a vector column, nor named like one."""
    if any(pa.types.is_fixed_size_list(f.type) or f.name in VECTOR_NAMES for f in schema):
        return None
    names = [f.name for f in schema if _is_list(f.type) and pa.types.is_floating(f.type.value_type)]
    return names[0] if len(names) == 1 else None


def one_length(name: str, batches: Iterable[pa.RecordBatch]) -> bool:
    """Whether the lists of a column have one length, above 1, and hold finite numbers only: they could be vectors."""
    lengths: set[int] = set()
    for batch in batches:
        lists = batch.column(name).drop_null()
        numbers = pa.array(lists.to_pylist(), pa.list_(lists.type.value_type)).flatten() if _is_view(lists.type) else lists.flatten()
        lengths.update(pc.call_function("list_value_length", [lists]).unique().to_pylist())
        if len(lengths) > 1 or numbers.null_count or not np.isfinite(numbers.to_numpy(zero_copy_only=False)).all():
            return False
    return bool(lengths) and min(lengths) > 1


def check_rows(batches: Iterable[pa.RecordBatch]) -> None:
    """Refuses ids that are null and vectors with numbers that are not finite. Raises InvalidArgumentError."""
    first_row = 0
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns):
            bad = np.zeros(len(column), bool)
            if name == "id" and column.null_count:
                bad = column.is_null().to_numpy(zero_copy_only=False)
            elif pa.types.is_fixed_size_list(column.type) and pa.types.is_floating(column.type.value_type):
                present = column.is_valid().to_numpy(zero_copy_only=False)
                numbers = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
                bad[present] = ~np.isfinite(numbers).all(axis=1)
            if bad.any():
                what = "is null: every row needs one" if name == "id" else "holds NaN or an infinite number: vectors must be finite"
                raise InvalidArgumentError(f"column {name!r}, row {first_row + int(bad.argmax())} {what}")
        first_row += batch.num_rows


def _stored_type(field: pa.Field, column: pa.Array, vector_names: Sequence[str]) -> pa.DataType:
    kind = field.type
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if _is_list(kind) and field.name in vector_names and _is_number(kind.value_type):
        present = column.drop_null()
        if len(present) == 0:
            return kind
        number = pa.float32() if kind.value_type == pa.float64() else kind.value_type  # as of Python's numbers
        return pa.list_(number, pc.call_function("list_value_length", [present[:1]])[0].as_py())
    if field.name in vector_names and _is_text(kind):
        present = column.drop_null()
        if len(present) and present[0].as_py().startswith("["):
            return pa.list_(pa.float32(), len(_numbers(field.name, present[:1])[0]))
    return _plain(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    if kind == pa.string_view():
        return pa.string()
    if kind == pa.binary_view():
        return pa.binary()
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or _is_view(kind))


def _is_view(kind: pa.DataType) -> bool:
    return isinstance(kind, (pa.ListViewType, pa.LargeListViewType))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


def _numbers(name: str, column: pa.Array) -> list[Any]:
    try:
        return [None if text is None else json.loads(text) for text in column.to_pylist()]
    except ValueError as error:
        hint = "; if Dask made text of arrays, dask.config.set({'dataframe.convert-string': False}) before leaves them as they are"
        raise InvalidArgumentError(f"column {name!r}: expected vectors as JSON lists, got text that is none: {error}{hint}") from error


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _converted(name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        if pa.types.is_fixed_size_list(kind) and _is_text(column.type):
            return _converted(name, pa.array(_numbers(name, column), pa.list_(kind.value_type)), kind)
        if pa.types.is_fixed_size_list(kind) and pa.types.is_list(column.type) and column.null_count == 0:
            lengths = pc.call_function("list_value_length", [column]).unique()
            if len(lengths) > 1 or (len(lengths) == 1 and lengths[0].as_py() != kind.list_size):
                raise InvalidArgumentError(f"column {name!r}: vectors need one width, got widths {sorted(lengths.to_pylist())[:5]}")
            return pa.FixedSizeListArray.from_arrays(column.flatten().cast(kind.value_type), type=kind)
        if pa.types.is_fixed_size_list(kind) and not pa.types.is_list(column.type):
            plain = pa.list_(kind.value_type)
            # Arrow's cast of list views gets the offsets wrong.
            return _converted(name, pa.array(column.to_pylist(), plain) if _is_view(column.type) else column.cast(plain), kind)
        if pa.types.is_dictionary(column.type):
            return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(kind)).dictionary_decode()
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidArgumentError(f"column {name!r}: {error}") from error


# Queries, ids and hits.


def row_keys(ids: Any) -> tuple[list[int | str], bool]:
    """Ids of rows as Python's integers and texts, and whether it was one and not several.

    From whatever holds them: lists, ranges, NumPy's and pyarrow's arrays and scalars, columns of data frames. Raises
    InvalidArgumentError.
    """
    plain = ids
    for way in ("as_py", "to_pylist", "tolist", "to_list"):
        if hasattr(ids, way):
            plain = getattr(ids, way)()
            break
    if isinstance(plain, (int, str)):
        return [_row_key(plain)], True
    if isinstance(plain, (bytes, Mapping)) or not hasattr(plain, "__iter__"):
        raise InvalidArgumentError(f"ids: expected an integer, a text or several of them, got {type(ids).__name__}")
    return [_row_key(key) for key in plain], False


def _row_key(key: Any) -> int | str:
    if isinstance(key, np.generic):
        key = key.item()
    elif isinstance(key, pa.Scalar):
        key = key.as_py()
    if isinstance(key, bool) or not isinstance(key, (int, str)):
        raise InvalidArgumentError(f"ids: expected integers or texts, got {key!r}")
    return key


def is_plain(vectors: Any) -> bool:
    """Whether it is an array of float32, one vector or one a row: the most common question, which needs no `query_array`."""
    return type(vectors) is np.ndarray and vectors.dtype == _FLOAT32 and vectors.ndim in (1, 2) and vectors.size > 0


def query_array(vectors: Any) -> tuple[pa.Array, bool]:
    """Query vectors as a FixedSizeList column, and whether it was a single vector.

    `vectors` has shape (dimensions,) or (queries, dimensions). Lists of Python numbers become float32.
    """
    if isinstance(vectors, pa.ChunkedArray):
        return vectors.combine_chunks(), False
    if isinstance(vectors, pa.FixedSizeListArray):
        return vectors, False
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

