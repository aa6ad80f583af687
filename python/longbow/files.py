"""Rows in files: Parquet, Arrow, CSV, JSON lines, NumPy and fvecs, read in pieces and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longbow.errors import InvalidArgumentError, LongbowError

READABLE = (".parquet", ".arrow", ".feather", ".csv", ".jsonl", ".ndjson", ".npy", ".fvecs", ".bvecs", ".ivecs")
WRITABLE = (".parquet", ".arrow", ".csv", ".jsonl", ".npy", ".fvecs")
_VECS_ITEMS = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}
_LINES_AT_ONCE = 4096


def read(path: Path) -> Any:
    """What the file or directory holds, as something that `insert` takes. Large files are read as they are inserted.

    Parquet and Arrow files, also directories of Parquet files; CSV; JSON lines; `.npy` arrays; `.fvecs`, `.bvecs` and
    `.ivecs` (each vector preceded by its dimension as int32). Vectors in CSV cells are JSON lists. Raises
    InvalidArgumentError for a file that does not hold what the end of its name says; what is read later does it in
    `readable`.
    """
    if not path.exists():
        raise InvalidArgumentError(f"no file {path}")
    with readable(path):
        return _opened(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Names the file in what is raised about its content, which becomes an InvalidArgumentError."""
    try:
        yield
    except LongbowError as error:
        if str(path) in error.message or not isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"{path}: {error.message}") from error
    except (pa.ArrowException, OSError, ValueError, EOFError) as error:
        kind = "a directory of Parquet files" if path.is_dir() else path.suffix.lower().removeprefix(".")
        raise InvalidArgumentError(f"{path} cannot be read as {kind}: {' '.join(str(error).split())}") from error


def _opened(path: Path) -> Any:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in (".parquet", ".arrow", ".feather"):
        import pyarrow.dataset as dataset

        return dataset.dataset(path, format="parquet" if path.is_dir() or suffix == ".parquet" else "feather")
    if suffix == ".csv":
        return _read_csv(path)
    if suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(path)
    if suffix == ".npy":
        return np.lib.format.open_memmap(path, mode="r")
    if suffix in _VECS_ITEMS:
        return read_vecs(path)
    raise InvalidArgumentError(f"{path}: expected a directory of Parquet files or a file that ends in {', '.join(READABLE)}")


def read_vecs(path: Path) -> np.ndarray[Any, Any]:
    """The vectors of an fvecs, bvecs or ivecs file, mapped from the disk."""
    item = np.dtype(_VECS_ITEMS[path.suffix.lower()])
    head = np.fromfile(path, dtype="<i4", count=1)
    dimension = int(head[0]) if len(head) else 0
    record = 4 + dimension * item.itemsize
    if dimension < 1 or path.stat().st_size % record:
        raise InvalidArgumentError(f"{path}: {path.stat().st_size} bytes are no vectors of {dimension} dimensions, as its first number says")
    rows = np.memmap(path, dtype=np.dtype([("dim", "<i4"), ("vector", item, (dimension,))]), mode="r")
    return np.asarray(rows["vector"])


def _read_csv(path: Path) -> Iterator[pa.Table]:
    import pyarrow.csv as csv

    # Text in quotes is text, also none: what `write` writes of it comes back.
    nulls = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    with csv.open_csv(path, convert_options=nulls) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InvalidArgumentError(f"{path}, line {number}: no JSON: {error}") from error
            if not isinstance(row, dict):
                raise InvalidArgumentError(f"{path}, line {number}: expected an object, got {type(row).__name__}")
            yield row


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], vector_column: str | None = None) -> int:
    """Writes rows to a file of the kind that its name ends in, and returns their number.

    `.npy` and `.fvecs` take the vectors only: those of `vector_column`, or of the first vector column.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as parquet

        with parquet.ParquetWriter(path, schema) as writer:
            return _each(batches, writer.write_batch)
    if suffix == ".arrow":
        with pa.ipc.new_file(path, schema) as writer:
            return _each(batches, writer.write_batch)
    if suffix == ".csv":
        return _write_csv(path, schema, batches)
    if suffix == ".jsonl":
        with open(path, "w", encoding="utf-8") as out:
            return _each(batches, lambda b: out.writelines(json.dumps(row, default=str) + "\n" for row in b.to_pylist()))
    if suffix in (".npy", ".fvecs"):
        return _write_vectors(path, schema, batches, vector_column)
    raise InvalidArgumentError(f"{path}: expected a file name that ends in {', '.join(WRITABLE)}")


def _each(batches: Iterable[pa.RecordBatch], write_one: Any) -> int:
    rows = 0
    for batch in batches:
        write_one(batch)
        rows += batch.num_rows
    return rows


def _write_csv(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    import pyarrow.csv as csv

    nested = [f.name for f in schema if pa.types.is_nested(f.type)]
    flat = pa.schema([pa.field(f.name, pa.string()) if f.name in nested else f for f in schema])

    def flatten(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            pa.array([None if v is None else json.dumps(v) for v in column.to_pylist()], pa.string()) if name in nested else column
            for name, column in zip(batch.schema.names, batch.columns)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=flat)

    with csv.CSVWriter(path, flat) as writer:
        return _each(batches, lambda b: writer.write_batch(flatten(b)))


def _write_vectors(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], vector_column: str | None) -> int:
    names = [f.name for f in schema if pa.types.is_fixed_size_list(f.type)]
    name = vector_column or next(iter(names), None)
    if name not in names:
        raise InvalidArgumentError(f"{path} holds vectors only, and there is no vector column {name or ''}; there are {names}")
    width = schema.field(name).type.list_size
    parts = [b.column(name).flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for b in batches if b.num_rows]
    matrix = np.concatenate(parts) if parts else np.empty((0, width), np.float32)
    if path.suffix.lower() == ".npy":
        np.save(path, matrix)
    else:
        rows = np.empty(len(matrix), np.dtype([("dim", "<i4"), ("vector", "<f4", (width,))]))
        rows["dim"], rows["vector"] = width, matrix
        rows.tofile(path)
    return len(matrix)
