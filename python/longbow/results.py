"""Rows that came back: hits of a search, or stored rows. An Arrow table with ways out to everything else."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from longbow.errors import InvalidArgumentError

if TYPE_CHECKING:
    import dask.dataframe
    import pandas
    import polars

_ROWS_SHOWN = 10
_CELL_WIDTH = 40


def _needs(package: str, extra: str) -> ImportError:
    return ImportError(f"this needs {package}: pip install 'longbow[{extra}]'")


@dataclass(frozen=True)
class SearchStats:
    """What a search did.

    Attributes:
        coverage: 'exact', 'approximate', or 'partial' when the time or the budget ran out before the end.
        method: how the server found the rows.
        distances: vectors compared in full.
        codes: vectors compared by their short codes.
        hops: nodes of the graph that were visited.
        server_seconds: from the server's receiving the question to its answer.
        seconds: from asking to having the answer.
        sequence: token of the newest write the answer has seen.
    """

    coverage: str = ""
    method: str = ""
    distances: int = 0
    codes: int = 0
    hops: int = 0
    server_seconds: float = 0.0
    seconds: float = 0.0
    sequence: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, details: dict[str, Any], seconds: float) -> SearchStats:
        work = dict(details.get("stats") or {})
        return cls(
            coverage=details.get("coverage", ""),
            method=work.pop("method", ""),
            distances=work.pop("distances", 0),
            codes=work.pop("codes", 0),
            hops=work.pop("hops", 0),
            server_seconds=work.pop("nanos", 0) / 1e9,
            seconds=seconds,
            sequence=str(details.get("sequence", "")),
            more=work,
        )


class Results:
    """A pyarrow Table with conversions. Whatever a Table can do, such as `sort_by` or `column_names`, this can too.

    Hits have `id`, `score` (higher is nearer), `distance` (lower is nearer), `query` when several were asked, `key`
    for string ids, then the row's columns. Libraries that read Arrow (pandas, polars, DuckDB, pyarrow ...) take it as
    it is, through `__arrow_c_stream__`.

    Examples:
        >>> hits = Results(pa.table({"id": [7], "score": [1.0]}))
        >>> hits["id"].to_pylist(), len(hits), hits.to_list()
        ([7], 1, [{'id': 7, 'score': 1.0}])
    """

    __slots__ = ("_table", "_batch", "_details", "_seconds", "_shape")

    def __init__(
        self,
        rows: pa.Table | pa.RecordBatch,
        details: bytes = b"",
        seconds: float = 0.0,
        shape: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
    ) -> None:
        """`shape` makes of a batch the rows to be seen, when they are first looked at."""
        self._table: pa.Table | None = rows if isinstance(rows, pa.Table) else None
        self._batch: pa.RecordBatch | None = rows if isinstance(rows, pa.RecordBatch) else None
        self._details = details
        self._seconds = seconds
        self._shape = shape

    @property
    def stats(self) -> SearchStats:
        """What the search did, and how long it took."""
        return SearchStats.of(json.loads(self._details or b"{}"), self._seconds)

    def to_arrow(self) -> pa.Table:
        """The rows as a pyarrow Table, without a copy."""
        if self._table is None:
            self._table = pa.Table.from_batches(self.to_batches())
        return self._table

    def to_batches(self) -> list[pa.RecordBatch]:
        """The rows as record batches, without a copy."""
        if self._batch is None:
            return list(self.to_arrow().to_batches())
        return [self._batch if self._shape is None else self._shape(self._batch)]

    def to_list(self) -> list[dict[str, Any]]:
        """A dict a row."""
        rows: list[dict[str, Any]] = self.to_arrow().to_pylist()
        return rows

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """A pandas DataFrame; `options` are those of pyarrow's `Table.to_pandas`."""
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise _needs("pandas", "pandas") from error
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame, without a copy where the types allow it."""
        try:
            import polars
        except ImportError as error:
            raise _needs("polars", "polars") from error
        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def to_dask(self, npartitions: int = 1) -> dask.dataframe.DataFrame:
        """A Dask DataFrame of `npartitions` parts."""
        try:
            import dask.dataframe
        except ImportError as error:
            raise _needs("dask", "dask") from error
        parts: dask.dataframe.DataFrame = dask.dataframe.from_pandas(self.to_pandas(), npartitions=npartitions)
        return parts

    def to_numpy(self, column: str | None = None) -> Any:
        """One column as an array, vectors as (rows, dimensions) with NaN for null; without `column` a dict of all columns."""
        table = self.to_arrow()
        if column is None:
            return {name: self.to_numpy(name) for name in table.column_names}
        if column not in table.column_names:
            raise InvalidArgumentError(f"no column {column!r}; there are {table.column_names}")
        values = table[column].combine_chunks()
        if pa.types.is_fixed_size_list(values.type):
            matrix = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, values.type.list_size)  # without null ones
            return matrix if not values.null_count else _with_gaps(matrix, values)
        return values.to_numpy(zero_copy_only=False)

    def to_pydantic(self, model: type[Any] | None = None) -> list[Any]:
        """A checked object a row: of `model`, else `longbow.SearchResult` for hits and `longbow.Record` for stored rows."""
        from longbow import models

        chosen: Any = model or (models.SearchResult if "score" in self.to_arrow().column_names else models.Record)
        make = getattr(chosen, "from_row", None) or chosen.model_validate
        return [make(row) for row in self.to_list()]

    def by_query(self) -> list[Results]:
        """The hits of each query by itself, when several were asked; without hits for the last ones it ends earlier."""
        table = self.to_arrow()
        if "query" not in table.column_names:
            return [self]
        queries = table["query"].to_numpy()
        count = int(queries[-1]) + 1 if len(queries) else 0
        edges = np.searchsorted(queries, np.arange(count + 1))
        return [Results(table.slice(int(a), int(b - a)), self._details, self._seconds) for a, b in zip(edges, edges[1:])]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __dataframe__(self, *args: Any, **options: Any) -> Any:
        return self.to_arrow().__dataframe__(*args, **options)

    def __len__(self) -> int:
        return int(self.to_arrow().num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_list())

    def __getitem__(self, key: str | int | slice) -> Any:
        """A column by name, as Arrow; a row by number, as a dict; some rows by a slice, as a pyarrow Table."""
        if isinstance(key, (str, slice)):
            return self.to_arrow()[key]
        try:
            row = range(len(self))[key]
        except IndexError:
            raise IndexError(f"row {key} of {len(self)}") from None
        return self.to_arrow().slice(row, 1).to_pylist()[0]

    def __eq__(self, other: object) -> bool:
        mine = self.to_arrow()
        return bool(mine.equals(other.to_arrow() if isinstance(other, Results) else other)) if isinstance(other, (Results, pa.Table)) else False

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.to_arrow(), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Results, (self.to_arrow(), self._details, self._seconds)

    def __repr__(self) -> str:
        names, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(names, *rows)] if names else []
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [names, *rows] if row]
        more = len(self) - len(rows)
        return "\n".join([f"Results: {len(self)} rows", *lines, *([f"... {more} more"] if more > 0 else [])])

    def _repr_html_(self) -> str:
        names, rows = self._cells()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        stats = self.stats
        note = f"{len(self)} rows"
        if stats.coverage:
            note += f", {stats.coverage}, {stats.seconds * 1000:.2f} ms"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{note}</p>"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        table = self.to_arrow()
        if not table.column_names:
            return [], []
        rows = table.slice(0, _ROWS_SHOWN).to_pylist()
        return table.column_names, [[_cell(value) for value in row.values()] for row in rows]


def _with_gaps(matrix: np.ndarray[Any, Any], values: pa.Array) -> np.ndarray[Any, Any]:
    """The vectors in their rows, and NaN in the rows of those that are null; so whole numbers become float64."""
    dtype = matrix.dtype if matrix.dtype.kind == "f" else np.dtype(np.float64)
    whole = np.full((len(values), matrix.shape[1]), np.nan, dtype)
    whole[values.is_valid().to_numpy(zero_copy_only=False)] = matrix
    return whole


def _cell(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, list) and len(value) > 4:
        texts = ("[" + ", ".join(map(_cell, value[:shown])) + f", ... {len(value)}]" for shown in (3, 2, 1))
        text = next((t for t in texts if len(t) <= _CELL_WIDTH), str(value[:1]))
    else:
        text = str(value)
    return text if len(text) <= _CELL_WIDTH else text[: _CELL_WIDTH - 3] + "..."
