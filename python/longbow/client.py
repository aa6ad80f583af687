"""The client: connect() and what can be done with a connection."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

import pyarrow as pa
import pyarrow.flight as flight

from longbow.errors import InvalidArgumentError, NotFoundError, translate
from longbow.exchange import SearchStreams
from longbow.put import PutResult, put_acknowledged
from longbow.tables import query_array, to_batches, with_signed_ids

DEFAULT_URI = "grpc://127.0.0.1:3000"
_UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

# Keys in one call, whose body the server takes up to 1 MiB of.
_DELETE_KEYS = 2000

# ("price", "<", 20), or a list of such (all must hold), or the wire protocol's filter objects.
Filter = tuple[str, str, Any] | Mapping[str, Any] | Sequence[tuple[str, str, Any] | Mapping[str, Any]]


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset: its rows, the bytes of its vectors and payload, and its Arrow schema."""

    name: str
    rows: int
    bytes: int
    schema: pa.Schema


def connect(
    uri: str = DEFAULT_URI,
    token: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> Client:
    """Connects to a server. Nothing is sent before the first call.

    `uri` is "grpc://host:port" or "host:port". The token is, in this order: `token`; the environment variable
    LONGBOW_TOKEN; the file `token` in `data_dir`, the server's data directory, for clients on its machine.
    `timeout` in seconds bounds every call but puts and gets; None waits as long as the server does.

    >>> with longbow.connect(token="...") as client:      # doctest: +SKIP
    ...     client.datasets()
    ['books']
    """
    if token is None:
        token = os.environ.get("LONGBOW_TOKEN") or None
    if token is None and data_dir is not None:
        try:
            token = (Path(data_dir) / "token").read_text().strip()
        except OSError as error:
            raise InvalidArgumentError(f"no token in {Path(data_dir) / 'token'}: {error.strerror}") from error
    return Client(uri, token, timeout)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise translate(error) from error


class Client:
    """A connection to a Longbow server, made by `connect`. Thread-safe; close it, or use it in a `with` statement.

    Every method raises a subclass of `LongbowError`; UnavailableError when the server cannot be reached.
    """

    def __init__(self, uri: str, token: str | None, timeout: float | None) -> None:
        location = uri if "://" in uri else f"grpc://{uri}"
        with _translated():
            self._flight = flight.connect(location, generic_options=_UNLIMITED)
        self._token = token
        self._timeout = timeout
        self._id = uuid.uuid4().hex
        self._streams = SearchStreams(self._flight)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection and its search streams."""
        self._streams.close()
        self._flight.close()

    def put(
        self,
        dataset: str,
        data: Any,
        *,
        metric: str | None = None,
        durability: str | None = None,
    ) -> PutResult:
        """Stores rows, replacing those whose `id` is there already, and returns when they are on disk and visible.

        `data` is a pyarrow Table, RecordBatch or RecordBatchReader; a dict of columns, in which a NumPy array of shape
        (rows, dimensions) is a vector column; a list of dicts; or a pandas DataFrame. The first put creates the
        dataset with these columns; later ones may add columns. Column `id` (integers or strings) is the key; without
        it rows get keys of their own. `metric` ("l2", "cosine" or "ip") and `durability` ("fsync", "async" or
        "memory") are chosen when the dataset is created.

        Raises InvalidArgumentError (NaN, a null id, a changed column type ...), DimensionMismatchError,
        ResourceExhaustedError (memory). The error's `put_result` says what was stored before it: whole batches only.

        >>> client.put("books", {"id": [1, 2], "vector": np.eye(2, 128, dtype="f4"), "title": ["A", "B"]})
        ... # doctest: +SKIP
        PutResult(rows=2, batches=1, durability='fsync', sequence=...)
        """
        schema, batches = to_batches(data)
        settings = {"longbow.metric": metric, "longbow.durability": durability}
        chosen = {name: value for name, value in settings.items() if value is not None}
        if chosen:
            schema = schema.with_metadata({**(schema.metadata or {}), **chosen})
            batches = (batch.replace_schema_metadata(schema.metadata) for batch in batches)
        with _translated():
            return put_acknowledged(self._flight, dataset, schema, batches, self._options(None), self._id)

    def search(
        self,
        dataset: str,
        vectors: Any,
        k: int = 10,
        filter: Filter | None = None,
        columns: Sequence[str] | None = None,
        *,
        vector_column: str | None = None,
        ef: int | None = None,
        recall: float | None = None,
        exact: bool = False,
        timeout: float | None = None,
    ) -> pa.Table:
        """The k nearest rows to one vector of shape (dimensions,) or to each of several, (queries, dimensions).

        Returns a table, best first: `id` (int64 where the dataset's ids are signed, else uint64), `score` float32 (higher is nearer), `distance` float32 (lower is
        nearer; Euclidean for l2, 1 - cosine, -inner product), `query` int32 when several were asked (the row in
        `vectors`, in order), `key` for string ids, then the row's other columns, or those named in `columns`
        (name the vector column to get vectors back).

        `filter` is ("price", "<", 20), a list of such that must all hold, or filter objects of the wire protocol.
        `ef` or `recall` (0 to 1) choose effort against speed; `exact` compares with every row. `timeout` is in seconds.

        Raises NotFoundError, DimensionMismatchError, InvalidArgumentError (k, filter, column), DeadlineExceededError.

        >>> client.search("books", query, k=3, filter=("year", ">=", 1990), columns=["title"])  # doctest: +SKIP
        """
        queries, single = query_array(vectors)
        timeout = self._timeout if timeout is None else timeout
        command: dict[str, Any] = {"command": "VectorSearch", "dataset": dataset, "k": k}
        optional = {
            "filters": _filters(filter),
            "columns": None if columns is None else list(columns),
            "vector_column": vector_column,
            "ef": ef,
            "recall": recall,
            "exact": exact or None,
            "deadline_ms": None if timeout is None else max(1, round(timeout * 1000)),
        }
        command.update({name: value for name, value in optional.items() if value is not None})
        # No call option carries the timeout: the stream outlives this search.
        answer = self._streams.search(command, queries, self._options(None))
        table = pa.Table.from_batches([with_signed_ids(answer.hits)])
        if single and "query" in table.column_names:
            table = table.drop_columns("query")
        return table.replace_schema_metadata(None)

    def get(
        self,
        dataset: str,
        filter: Filter | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Stored rows in the order they were written, all or those that pass `filter`, at most `limit`.

        Raises NotFoundError, InvalidArgumentError.
        """
        ticket: dict[str, Any] = {"name": dataset}
        if filter is not None:
            ticket["filters"] = _filters(filter)
        if limit is not None:
            ticket["limit"] = limit
        if columns is not None:
            ticket["columns"] = list(columns)
        with _translated():
            reader = self._flight.do_get(flight.Ticket(json.dumps(ticket).encode()), self._options(None))
            return reader.read_all()

    def delete(self, dataset: str, ids: int | str | Iterable[int | str]) -> None:
        """Deletes rows by id; deleting one again is no error.

        Raises NotFoundError for an id that never was; then none of the 2,000 ids around it is deleted.
        """
        keys = [str(key) for key in ([ids] if isinstance(ids, (int, str)) else ids)]
        for first in range(0, len(keys), _DELETE_KEYS):
            self._action("delete", {"dataset": dataset, "ids": keys[first : first + _DELETE_KEYS]})

    def delete_dataset(self, dataset: str) -> None:
        """Deletes a dataset with all its rows. Raises NotFoundError."""
        self._action("delete-dataset", {"dataset": dataset})

    def datasets(self) -> list[str]:
        """Names of the datasets, sorted; those outside the default namespace as "namespace/name"."""
        with _translated():
            flights = list(self._flight.list_flights(b"", self._options(self._timeout)))
        return sorted(info.descriptor.path[0].decode() for info in flights)

    def info(self, dataset: str) -> DatasetInfo:
        """Rows, bytes and schema of a dataset. Raises NotFoundError."""
        with _translated():
            found = self._flight.get_flight_info(flight.FlightDescriptor.for_path(dataset), self._options(self._timeout))
        return DatasetInfo(dataset, found.total_records, found.total_bytes, found.schema)

    def wait_indexed(self, dataset: str, timeout: float | None = None) -> None:
        """Returns when every row of the dataset is in its indexes. Searches find rows before that, too.

        `timeout` is in seconds. Raises NotFoundError, DeadlineExceededError.
        """
        self._action("wait_indexed", {"dataset": dataset}, timeout)

    def namespaces(self) -> list[str]:
        """Names of the namespaces."""
        return list(json.loads(self._action("ListNamespaces", {}))["namespaces"])

    def create_namespace(self, name: str) -> None:
        """Makes a namespace; a put into "name/dataset" does it too. Raises AlreadyExistsError."""
        self._action("CreateNamespace", {"name": name})

    def delete_namespace(self, name: str) -> None:
        """Deletes a namespace with its datasets. Raises NotFoundError, FailedPreconditionError for "default"."""
        self._action("DeleteNamespace", {"name": name})

    def health(self, dataset: str | None = None) -> dict[str, Any]:
        """Whether the server, or one dataset's indexes, are ready: {"status": "READY" | "BUSY", "reason": ...}.

        Raises UnavailableError while the server is starting, NotFoundError for an unknown dataset.
        """
        status: dict[str, Any] = json.loads(self._action("check_readiness", {"dataset": dataset} if dataset else {}))
        if status.get("status") == "NOT_FOUND":
            raise NotFoundError(f"dataset not found: {dataset}")
        return status

    def _action(self, kind: str, request: dict[str, Any], timeout: float | None = None) -> bytes:
        options = self._options(self._timeout if timeout is None else timeout)
        with _translated():
            results = list(self._flight.do_action(flight.Action(kind, json.dumps(request).encode()), options))
        return results[0].body.to_pybytes() if results else b""

    def _options(self, timeout: float | None) -> flight.FlightCallOptions:
        headers = [(b"authorization", f"Bearer {self._token}".encode())] if self._token else []
        return flight.FlightCallOptions(timeout=timeout, headers=headers)


def _filters(given: Filter | None) -> list[dict[str, Any]] | None:
    if given is None:
        return None
    if isinstance(given, Mapping) or _is_comparison(given):
        given = [given]
    filters: list[dict[str, Any]] = []
    for item in given:
        if isinstance(item, Mapping):
            filters.append(dict(item))
        elif _is_comparison(item):
            column, operator, value = item
            filters.append({"field": column, "op": operator, "value": value})
        else:
            raise InvalidArgumentError(f'a filter is like ("price", "<", 20) or a dict with field, op and value, got {item!r}')
    return filters


def _is_comparison(item: Any) -> TypeGuard[tuple[str, str, Any]]:
    return isinstance(item, tuple) and len(item) == 3 and isinstance(item[0], str) and isinstance(item[1], str)
