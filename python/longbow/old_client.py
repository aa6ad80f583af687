"""`LongbowClient`: the methods that programs for the Go server's Python package call, on this package's client.

What they mean is kept, what was broken is not: an insert that fails raises, deleted rows stay deleted, `get_info` counts
rows. New programs use `longbow.connect`.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from longbow.client import Client
from longbow.connecting import connect
from longbow.errors import LongbowConnectionError, LongbowError, LongbowQueryError, NotFoundError
from longbow.retry import RetryPolicy

if TYPE_CHECKING:
    import pandas

T = TypeVar("T")

# Old programs try again by themselves.
_RETRY = RetryPolicy(deadline=2)


def _asked(what: str, call: Callable[[], T]) -> T:
    """The errors of questions are LongbowQueryErrors, whatever went wrong: that is what old programs catch."""
    try:
        return call()
    except LongbowQueryError:
        raise
    except LongbowError as error:
        raise LongbowQueryError(f"{what} failed: {error}") from error


def _frame(table: pa.Table) -> pandas.DataFrame:
    """A pandas DataFrame that also has Dask's `compute()`, as old programs were told to call it."""
    import pandas

    class Frame(pandas.DataFrame):  # type: ignore[misc]
        @property
        def _constructor(self) -> Any:
            return pandas.DataFrame

        def compute(self) -> pandas.DataFrame:
            return pandas.DataFrame(self)

    return Frame(table.to_pandas())


def _finite(vector: Any) -> Any:
    array = np.asarray(vector)
    if array.dtype.kind == "c":
        array = array.view(np.float32 if array.dtype == np.complex64 else np.float64)
    for i, number in enumerate(array.tolist()):
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"query vector: number {i} is {number}; it must be finite")
    return array if isinstance(vector, np.ndarray) else array.astype(np.float32) if array.dtype.kind in "fiu" else array


class LongbowClient:
    """The client of old programs.

    Calls go to `uri`; `meta_uri` takes part where it names another server. Every call connects first when that has not
    been done. Thread-safe once connected.

    Examples:
        >>> with LongbowClient(uri=server.uri, api_key=server.token) as client:
        ...     client.insert("old", [{"id": 1, "vector": [0.5, 0.5]}])
        ...     int(client.search("old", [0.5, 0.5], k=1)["id"][0])
        1
    """

    def __init__(
        self,
        uri: str = "grpc://localhost:3000",
        meta_uri: str | None = None,
        api_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.uri = uri
        self.meta_uri = meta_uri or uri
        self.api_key = api_key
        self.headers = headers or {}
        self._of_data: Client | None = None
        self._of_meta: Client | None = None

    def connect(self) -> None:
        """Connects. Raises LongbowConnectionError for an address that is none."""
        try:
            self._of_data = connect(self.uri, self.api_key, headers=self.headers, retry=_RETRY)
            same = self.meta_uri == self.uri
            self._of_meta = self._of_data if same else connect(self.meta_uri, self.api_key, headers=self.headers, retry=_RETRY)
        except LongbowError as error:
            raise LongbowConnectionError(f"no connection: {error}") from error

    def close(self) -> None:
        """Closes the connections; the next call connects again."""
        for client in {id(c): c for c in (self._of_data, self._of_meta) if c is not None}.values():
            client.close()
        self._of_data = self._of_meta = None

    def __enter__(self) -> LongbowClient:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _data(self) -> Client:
        if self._of_data is None:
            self.connect()
        assert self._of_data is not None
        return self._of_data

    @property
    def _meta(self) -> Client:
        if self._of_meta is None:
            self.connect()
        assert self._of_meta is not None
        return self._of_meta

    # Old programs that ask what the methods do not offer reach for these three.

    @property
    def _data_client(self) -> flight.FlightClient:
        return self._data._connection.channel()

    @property
    def _meta_client(self) -> flight.FlightClient:
        return self._meta._connection.channel()

    def _get_call_options(self, timeout: float | None = None) -> flight.FlightCallOptions:
        return self._data._connection.options(timeout)

    def insert(self, dataset: str, data: Any, batch_size: int = 10000, timeout: float = 180.0) -> None:
        """Stores rows: a DataFrame of pandas or Dask, a list of dicts, or an Arrow table. `batch_size` is not needed."""
        self._data.insert(dataset, data, timeout=timeout)

    def search(
        self,
        dataset: str,
        vector: Any,
        k: int = 10,
        filters: Sequence[dict[str, Any]] | None = None,
        projection: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> pandas.DataFrame:
        """The k nearest rows as a DataFrame, with all columns, vectors too, or those of `projection`.

        `kwargs` are further keys of the wire protocol's search: alpha, text_query, ... With `include_vectors` vectors are
        bytes, or left out. Raises ValueError for a vector with NaN or infinity, LongbowQueryError.
        """
        search = {"dataset": dataset, "vector": _finite(vector).tolist(), "k": k}
        if filters:
            search["filters"] = list(filters)
        if projection:
            search["columns"] = [name for name in projection if name not in ("id", "score")]
        elif kwargs.get("include_vectors") is None and "columns" not in kwargs:
            search["columns"] = _asked("search", lambda: self._all_columns(dataset))
        search.update({name: value for name, value in kwargs.items() if value is not None})

        def ask() -> pa.Table:
            with self._data._connection.scan({"search": search}, self._data._connection.timeout) as (schema, batches):
                return pa.Table.from_batches(batches, schema)

        table = _asked("search", ask)
        if projection:
            table = table.select([name for name in table.column_names if name in projection])
        return _frame(table)

    def _all_columns(self, dataset: str) -> list[str]:
        info = self._data.info(dataset)
        names = [name for name in info.schema.names if name != "id" and name not in info.vectors]
        return names + ["vector"] * bool(info.vectors)  # so searches call it, whatever its name

    def search_by_id(self, dataset: str, id: int | str, k: int = 10) -> dict[str, Any]:
        """The nearest to a stored row: {"ids": [...], "scores": [...]}. Raises LongbowQueryError."""
        request = {"dataset": dataset, "id": id, "k": k}
        bodies = _asked("search by id", lambda: self._meta._connection.action("VectorSearchByID", request))
        found: dict[str, Any] = json.loads(bodies[0]) if bodies else {}
        return found

    def create_namespace(
        self, name: str, dims: int = 128, data_type: str = "float32", force: bool = False, **hnsw_config: Any
    ) -> None:
        """Makes a namespace. Datasets get their dimension and type from the first insert, so those are not needed."""
        if force and name in self._meta.namespaces():
            self._meta.delete_namespace(name)
        self._meta.create_namespace(name)

    def list_namespaces(self) -> list[str]:
        """Names of the datasets: old programs call them namespaces."""
        return self._meta.datasets()

    def list_datasets_in_namespace(self, namespace: str = "default") -> list[str]:
        """Names of the datasets in one namespace."""
        names = (name.rpartition("/") for name in self._meta.datasets())
        return [name for space, _, name in names if (space or "default") == namespace]

    def download_arrow(self, dataset: str, filter: Sequence[dict[str, Any]] | None = None) -> pa.Table:
        """All rows, or those that pass the filters. Raises LongbowQueryError."""
        return _asked("download", lambda: self._data.get(dataset, list(filter) if filter else None)).to_arrow()

    def download_stream(self, dataset: str, filter: Sequence[dict[str, Any]] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, or those that pass the filters, batch by batch. Raises LongbowQueryError."""
        batches = self._data.scan(dataset, list(filter) if filter else None)
        while (batch := _asked("download", lambda: next(batches, None))) is not None:
            yield batch

    def download(self, dataset: str, filter: Sequence[dict[str, Any]] | None = None) -> pa.Table:
        """The same as `download_arrow`, which is to be used instead."""
        warnings.warn("download() returns an Arrow table: call download_arrow() or download_stream()", DeprecationWarning, stacklevel=2)
        return self.download_arrow(dataset, filter)

    def delete(self, dataset: str, ids: Sequence[int | str] | None = None) -> None:
        """Deletes rows, passing over ids that are not there; without `ids` the dataset."""
        if not ids:
            self._meta.delete_dataset(dataset)
            return
        for key in ids:
            try:
                self._meta.delete(dataset, key)
            except NotFoundError:
                continue

    def delete_namespace(self, dataset: str) -> None:
        """Deletes a dataset."""
        self.delete(dataset)

    def drop_dataset(self, dataset: str) -> None:
        """Deletes a dataset."""
        self.delete(dataset)

    def snapshot(self) -> None:
        """Takes a snapshot."""
        self._meta.snapshot()

    def get_info(self, dataset: str) -> dict[str, Any]:
        """Schema as text, total_records (rows) and total_bytes."""
        info = self._meta.info(dataset)
        return {"schema": str(info.schema), "total_records": info.rows, "total_bytes": info.bytes}

    def add_edge(self, dataset: str, subject: int, predicate: str, object: int, weight: float = 1.0) -> None:
        """Adds a directed edge between two rows. Raises LongbowQueryError."""
        _asked("adding an edge", lambda: self._meta.add_edge(dataset, subject, predicate, object, weight))

    def traverse(
        self, dataset: str, start: int, max_hops: int = 2, incoming: bool = False, decay: float = 0.0, weighted: bool = True
    ) -> list[Any]:
        """Paths along the edges: a list that holds one list, as the Go server's answer made it. Raises LongbowQueryError."""
        return [
            _asked(
                "traversal",
                lambda: self._meta.traverse(dataset, start, max_hops, incoming=incoming, weighted=weighted, decay=decay),
            )
        ]

    def get_graph_stats(self, dataset: str) -> dict[str, Any]:
        """Numbers of the dataset's graph. Raises LongbowQueryError."""
        return _asked("graph statistics", lambda: self._meta.graph_stats(dataset))
