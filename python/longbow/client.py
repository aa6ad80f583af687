"""The client: what can be done with a connection, and with a dataset."""

from __future__ import annotations

import atexit
import json
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.flight as flight

from longbow import inserting, tracing
from longbow.columns import is_plain, query_array, row_keys, table_of_columns, width_of
from longbow.connection import Connection, deadline_of, descriptor_of, time_left
from longbow.errors import InvalidArgumentError, LongbowError, NotFoundError, UnimplementedError, too_late
from longbow.exchange import Answer, Questions, SearchStreams, joined, queries_at_once, with_signed_ids
from longbow.filters import Filter, FilterLike, comparison, filters_json, to_filter
from longbow.put import PutResult
from longbow.query import Query, names_of, query_fields, vector_command
from longbow.results import Results

if TYPE_CHECKING:
    from longbow.models import IndexStats

# Keys in one call, whose body the server takes up to 1 MiB of.
_DELETE_KEYS = 2000
_GET_KEYS = 10_000
_LIST_PART_BYTES = 32 << 20

# Closed before the interpreter ends, and with them the servers that were started for them.
_open_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _close_open_clients() -> None:
    for client in list(_open_clients):
        with suppress(Exception):
            client.close()


Mode = Literal["create", "append", "upsert", "replace"]
Progress = bool | Callable[[int, int | None], object] | None


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset: its rows, the bytes of its vectors and payload, and its Arrow schema."""

    name: str
    rows: int
    bytes: int
    schema: pa.Schema

    @property
    def vectors(self) -> dict[str, int]:
        """Dimension by vector column."""
        return {f.name: width for f in self.schema if (width := width_of(f.type)) is not None}


@dataclass(frozen=True)
class DatasetStats:
    """A dataset and its index.

    Attributes:
        rows: stored.
        bytes: of vectors and payload.
        indexed_rows: rows the index has reached; the others are found by a scan.
        status: 'READY', or 'BUSY' while rows wait for the index.
        vectors: dimension by vector column.
        metric: 'l2', 'cosine' or 'inner_product'.
        index: 'graph' or 'flat'.
        durability: 'fsync', 'async' or 'memory'.
    """

    name: str
    rows: int
    bytes: int
    indexed_rows: int
    status: str
    vectors: dict[str, int]
    metric: str
    index: str
    durability: str

    def to_pydantic(self) -> IndexStats:
        """The same as a checked `longbow.IndexStats`."""
        from longbow.models import IndexStats

        return IndexStats(**{**vars(self), "dimensions": self.vectors})


@dataclass(frozen=True, eq=False, repr=False)
class BoundQuery(Query):
    """A query that knows its client: `run` it, or turn its hits into something at once."""

    _client: Client | None = field(default=None, repr=False)

    def run(self) -> Results:
        """The hits. Raises as `Client.search` does."""
        assert self._client is not None
        return self._client.run(self)

    def explain(self, *, analyze: bool = False) -> Results:
        """How the server would search: a row a plan that it weighed, with its costs. As `Client.explain`."""
        assert self._client is not None
        return self._client.explain(self, analyze=analyze)

    def to_arrow(self) -> pa.Table:
        """The hits as a pyarrow Table."""
        return self.run().to_arrow()

    def to_pandas(self) -> Any:
        """The hits as a pandas DataFrame."""
        return self.run().to_pandas()

    def to_polars(self) -> Any:
        """The hits as a polars DataFrame."""
        return self.run().to_polars()

    def to_dask(self, npartitions: int = 1) -> Any:
        """The hits as a Dask DataFrame of `npartitions` parts."""
        return self.run().to_dask(npartitions)

    def to_numpy(self, column: str | None = None) -> Any:
        """A column of the hits as an array, or a dict of all. As `Results.to_numpy`."""
        return self.run().to_numpy(column)

    def to_batches(self) -> list[pa.RecordBatch]:
        """The hits as record batches."""
        return self.run().to_batches()

    def to_pydantic(self, model: type[Any] | None = None) -> list[Any]:
        """A checked object a hit. As `Results.to_pydantic`."""
        return self.run().to_pydantic(model)

    def to_list(self) -> list[dict[str, Any]]:
        """The hits as dicts."""
        return self.run().to_list()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.run().__arrow_c_stream__(requested_schema)


class Dataset:
    """One dataset of a client; `Client.dataset` makes it. It holds a name only and need not exist yet."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"Dataset({self.name!r})"

    def insert(
        self,
        data: Any,
        *,
        mode: Mode = "upsert",
        metric: str | None = None,
        durability: str | None = None,
        index: str | None = None,
        vector_column: str | None = None,
        ids: Any = None,
        batch_bytes: int = inserting.BATCH_BYTES,
        progress: Progress = None,
        on_error: Literal["raise", "collect"] = "raise",
        timeout: float | None = None,
    ) -> PutResult:
        """Stores rows. As `Client.insert`."""
        return self._client.insert(
            self.name,
            data,
            mode=mode,
            metric=metric,
            durability=durability,
            index=index,
            vector_column=vector_column,
            ids=ids,
            batch_bytes=batch_bytes,
            progress=progress,
            on_error=on_error,
            timeout=timeout,
        )

    def search(
        self,
        vectors: Any = None,
        k: int = 10,
        filter: FilterLike | None = None,
        columns: Sequence[str] | None = None,
        *,
        vector: Any = None,
        ids: Any = None,
        text: str | Mapping[str, Any] | None = None,
        alpha: float | None = None,
        fusion: str | None = None,
        text_columns: Sequence[str] | None = None,
        offset: int | None = None,
        radius: float | None = None,
        order_by: str | None = None,
        dims: int | None = None,
        vector_column: str | None = None,
        ef: int | None = None,
        recall: float | None = None,
        exact: bool = False,
        timeout: float | None = None,
    ) -> BoundQuery:
        """A query to refine and run: `ds.search(v).where("year >= 1990").limit(3).select("title").to_pandas()`.

        Takes what `Client.search` takes.
        """
        return BoundQuery(
            self.name,
            **query_fields(
                vectors,
                vector,
                filter,
                columns,
                text_columns,
                text,
                alpha,
                ids=ids,
                k=k,
                offset=offset,
                vector_column=vector_column,
                ef=ef,
                recall=recall,
                exact=exact,
                radius=radius,
                order_by=order_by,
                dims=dims,
                fusion=fusion,
                timeout=timeout,
            ),
            _client=self._client,
        )

    def search_by_id(
        self,
        ids: Any,
        k: int = 10,
        filter: FilterLike | None = None,
        columns: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> Results:
        """The nearest to stored rows. As `Client.search_by_id`."""
        return self._client.search_by_id(self.name, ids, k, filter, columns, timeout=timeout)

    def get(
        self,
        which: FilterLike | int | Iterable[int | str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        filter: FilterLike | None = None,
        ids: Any = None,
        timeout: float | None = None,
    ) -> Results:
        """Stored rows: `ds.get([7, 9])`, `ds.get("year = 1990", limit=5)`. As `Client.get`."""
        return self._client.get(self.name, which, limit, columns, filter=filter, ids=ids, timeout=timeout)

    def scan(
        self,
        filter: FilterLike | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Stored rows, batch by batch. As `Client.scan`."""
        yield from self._client.scan(self.name, filter, limit, columns, timeout=timeout)

    def count(self, filter: FilterLike | None = None, *, timeout: float | None = None) -> int:
        """The number of rows, or of those that pass `filter`."""
        return self._client.count(self.name, filter, timeout=timeout)

    def delete(self, ids: int | str | Iterable[int | str], *, timeout: float | None = None) -> None:
        """Deletes rows by id. As `Client.delete`."""
        self._client.delete(self.name, ids, timeout=timeout)

    def drop(self, *, timeout: float | None = None) -> None:
        """Deletes the dataset with all its rows. Raises NotFoundError."""
        self._client.delete_dataset(self.name, timeout=timeout)

    def info(self, *, timeout: float | None = None) -> DatasetInfo:
        """Rows, bytes and schema. Raises NotFoundError."""
        return self._client.info(self.name, timeout=timeout)

    def stats(self, *, timeout: float | None = None) -> DatasetStats:
        """Figures of the dataset and its index. Raises NotFoundError."""
        return self._client.stats(self.name, timeout=timeout)

    def add_columns(self, columns: Mapping[str, pa.DataType | str] | pa.Schema, *, timeout: float | None = None) -> None:
        """Adds columns, null in the rows that are there. As `Client.add_columns`."""
        self._client.add_columns(self.name, columns, timeout=timeout)

    def compact(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Gives back the room on disk of deleted rows. As `Client.compact`."""
        return self._client.compact(self.name, timeout=timeout)

    def wait_indexed(self, timeout: float | None = None) -> None:
        """Returns when every row is in the index. As `Client.wait_indexed`."""
        self._client.wait_indexed(self.name, timeout)


class Client:
    """A connection to a Longbow server, made by `connect`. Thread-safe; close it, or use it in a `with` statement.

    Every method raises a subclass of `LongbowError`; UnavailableError when the server cannot be reached. Calls that
    may safely be made twice are tried again while the server is away, as the `RetryPolicy` says. A `timeout` is in seconds
    and that of one call, in place of the client's.
    """

    def __init__(self, connection: Connection, on_close: Callable[[], None] = lambda: None, defaults: Mapping[str, str] | None = None) -> None:
        self._connection = connection
        self._streams = SearchStreams(connection)
        self._on_close = on_close
        self._defaults = dict(defaults or {})
        _open_clients.add(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.uri!r})"

    @property
    def uri(self) -> str:
        """Where the server is, such as "grpc://127.0.0.1:3000"."""
        return self._connection.target.location

    def close(self) -> None:
        """Closes the connection, and ends a private server when this was its last client."""
        _open_clients.discard(self)
        self._streams.close()
        self._connection.close()
        self._on_close()

    def dataset(self, name: str) -> Dataset:
        """One dataset, to work with by its own methods. It need not exist yet; nothing is sent."""
        return Dataset(self, name)

    def insert(
        self,
        dataset: str,
        data: Any,
        *,
        mode: Mode = "upsert",
        metric: str | None = None,
        durability: str | None = None,
        index: str | None = None,
        vector_column: str | None = None,
        ids: Any = None,
        batch_bytes: int = inserting.BATCH_BYTES,
        progress: Progress = None,
        on_error: Literal["raise", "collect"] = "raise",
        timeout: float | None = None,
    ) -> PutResult:
        """Stores rows, and returns when they are on disk and visible.

        Args:
            dataset: its name, or "namespace/name".
            data: a dict of columns (a 2-D NumPy array is a vector column), one row as a dict, a list of dicts or of
                pydantic models, a 2-D NumPy array of vectors, a pandas, polars or Dask DataFrame, a pyarrow Table,
                RecordBatch, RecordBatchReader or Dataset, anything with `__arrow_c_stream__`, an iterator of any of
                these, or the path of a Parquet, Arrow, CSV, JSON lines, .npy or .fvecs file, or a list of paths. Iterators
                and files are read as they are sent. Column `id` (integers or strings) is the key; without it rows get keys of their
                own.
            mode: "upsert" creates the dataset if there is none and replaces rows whose id is there; "create" needs
                the dataset not to be there when it begins; "append" needs it to be there and refuses rows whose id is
                there; "replace" drops it first, once the settings, the columns, the first batch and data in memory are
                found to be right: what goes wrong after that leaves what was stored of the new rows.
            metric: "l2" (the default), "cosine" or "ip", chosen when the dataset is created.
            durability: "fsync" (the default), "async" or "memory", chosen when the dataset is created.
            index: "graph" (the default) or "flat", chosen when the dataset is created.
            vector_column: the column of vectors, where lists are not in one named vector or embedding. The only column
                of lists of floats, all of one length, is taken without it; the result's `vectors` says what was.
            ids: the ids of the rows of an array.
            batch_bytes: size of the batches that are stored as a whole or not at all.
            progress: True for a bar (needs tqdm), or a function of (rows stored, rows in all or None).
            on_error: "raise" stops at the first batch that is refused; "collect" stores every row that can be and
                returns the others in the result's `failed`.
            timeout: seconds for everything together. Without it the insert goes on as long as it gets on: it ends with
                DeadlineExceededError when the server owed an acknowledgement for the client's timeout and none came.

        Raises InvalidArgumentError (NaN, a null id, a changed column type ...), DimensionMismatchError,
        AlreadyExistsError, NotFoundError, ResourceExhaustedError (memory). The error's `put_result` says what was
        stored before it: whole batches only. When the connection breaks, the insert goes on over a new one, and no
        batch is stored twice.

        Examples:
            >>> client.insert("books", {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "title": ["A", "B"]})
            PutResult(rows=2, batches=1, durability='fsync', sequence='...', vectors={'vector': 4})
        """
        if on_error not in ("raise", "collect"):
            raise InvalidArgumentError(f'on_error: expected "raise" or "collect", got {on_error!r}')
        settings = {"longbow.metric": metric, "longbow.durability": durability, "longbow.index": index}
        chosen = {**self._defaults, **{name: value for name, value in settings.items() if value is not None}}
        insertion = inserting.Insertion(
            dataset=dataset,
            mode=mode,
            metadata=chosen,
            vector_column=vector_column,
            batch_bytes=batch_bytes,
            progress=progress,
            collect=on_error == "collect",
            timeout=timeout,
        )
        with tracing.span("insert", dataset, self.uri):
            return insertion.run(self, self._connection, inserting.with_ids(data, ids, vector_column))

    def put(
        self,
        dataset: str,
        data: Any,
        *,
        metric: str | None = None,
        durability: str | None = None,
        timeout: float | None = None,
    ) -> PutResult:
        """`insert` with its defaults: rows replace those of the same id.

        Examples:
            >>> client.put("books", {"id": [3], "vector": [[0, 0, 1, 0]], "title": ["C"]}).rows
            1
        """
        return self.insert(dataset, data, metric=metric, durability=durability, timeout=timeout)

    ingest = insert

    def search(
        self,
        dataset: str,
        vectors: Any = None,
        k: int = 10,
        filter: FilterLike | None = None,
        columns: Sequence[str] | None = None,
        *,
        vector: Any = None,
        ids: Any = None,
        text: str | Mapping[str, Any] | None = None,
        alpha: float | None = None,
        fusion: str | None = None,
        text_columns: Sequence[str] | None = None,
        offset: int | None = None,
        radius: float | None = None,
        order_by: str | None = None,
        dims: int | None = None,
        vector_column: str | None = None,
        ef: int | None = None,
        recall: float | None = None,
        exact: bool = False,
        timeout: float | None = None,
    ) -> Results:
        """The k nearest rows to one vector of shape (dimensions,) or to each of several, (queries, dimensions).

        Args:
            dataset: its name.
            vectors: what to search near; also called `vector`.
            ids: stored rows to search near, in place of vectors.
            k: hits a query.
            filter: `col("year") >= 1990`, "year >= 1990", ("year", ">=", 1990), a list of such that must all hold, or
                filter objects of the wire protocol.
            columns: what to return besides id, score and distance; all but vectors when not given. Name the vector
                column to get vectors.
            text: words to rank by, alone or together with the vector; `Query.matching` says how they are written.
            alpha: weight of the vector beside the text: 1 vector only, 0 text only, negative adaptive; 0.5 when not given.
            fusion: how both are joined: "rrf" (the default) or "weighted".
            text_columns: where to look for the words; all text columns when not given.
            offset: leaves out the nearest so many, for a page; 0 for the first one. Pages are cut from the exact order.
            radius: only rows at most this far away; at most `k` of them.
            order_by: the hits found in the order of a column: "year", or "year desc".
            dims: searches by the first dimensions, ranks by all.
            vector_column: which, of several.
            ef: length of the candidate list; more is slower and finds more.
            recall: share of the true neighbours to aim at, above 0 and up to 1.
            exact: compares with every row that passes the filter.
            timeout: seconds.

        Returns the hits, best first: `id`, `score` (higher is nearer), `distance` (lower is nearer; Euclidean for
        l2, 1 - cosine, -inner product), `query` int32 when several were asked (the row in `vectors`, in order), `key`
        for string ids, then the row's columns.

        Raises NotFoundError, DimensionMismatchError, InvalidArgumentError (k, filter, column), DeadlineExceededError.

        Examples:
            >>> client.search("books", [1, 0, 0, 0], k=1, filter="title != 'B'", columns=["title"]).to_list()
            [{'id': 1, 'score': 1.0, 'distance': 0.0, 'title': 'A'}]
        """
        near = vectors if vector is None else vector
        if near is not None and ids is None and text is None:  # the most common search, without a Query in between
            command = vector_command(
                dataset,
                k,
                filter if filter is None or isinstance(filter, (str, Filter)) else to_filter(filter),
                None if columns is None else names_of(columns),
                alpha,
                fusion,
                None if text_columns is None else names_of(text_columns),
                offset,
                radius,
                order_by,
                dims,
                vector_column,
                ef,
                recall,
                exact,
                timeout,
            )
            asked, single = (near, near.ndim == 1) if is_plain(near) else query_array(near)
            return self._ask(dataset, command, k, "query_vector", asked, single, timeout)
        query = Query(
            dataset,
            **query_fields(
                vectors,
                vector,
                filter,
                columns,
                text_columns,
                text,
                alpha,
                ids=ids,
                k=k,
                offset=offset,
                vector_column=vector_column,
                ef=ef,
                recall=recall,
                exact=exact,
                radius=radius,
                order_by=order_by,
                dims=dims,
                fusion=fusion,
                timeout=timeout,
            ),
        )
        return self.run(query)

    def search_by_id(
        self,
        dataset: str,
        ids: Any,
        k: int = 10,
        filter: FilterLike | None = None,
        columns: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> Results:
        """The k nearest rows to a stored row, or to each of several. The row itself is not among its hits.

        Returns as `search`. Raises NotFoundError for an unknown id.

        Examples:
            >>> client.search_by_id("books", 1, k=1)["title"].to_pylist()
            ['B']
        """
        return self.search(dataset, None, k, filter, columns, ids=ids, timeout=timeout)

    def run(self, query: Query | Mapping[str, Any]) -> Results:
        """The hits of a query, given as one or as its dict form. As `search`.

        Examples:
            >>> client.run({"dataset": "books", "vector": [1, 0, 0, 0], "k": 1})["id"].to_pylist()
            [1]
        """
        if not isinstance(query, Query):
            query = Query.from_dict(query)
        if query.ids is None and is_plain(query.vectors):
            near = query.vectors
            return self._ask(query.dataset, query.command(), query.k, "query_vector", near, near.ndim == 1, query.timeout)
        questions = query.questions()
        if questions is None and isinstance(query.text, str) and query.sparse is None:
            questions = "text_query", pa.array([query.text]), True  # over a stream, whose end ends the server's work
        if questions is None:
            return self._ask_by_ticket(query.wire(None), self._connection.timeout if query.timeout is None else query.timeout)
        return self._ask(query.dataset, query.command(), query.k, *questions, query.timeout)

    def _ask(self, dataset: str, command: bytes, k: int, name: str, asked: Questions, single: bool, timeout: float | None) -> Results:
        """Asks over a stream. What is done on the way to it and back is done in each search, and shows."""
        timeout = self._connection.timeout if timeout is None else timeout
        if not tracing.in_use():
            return self._answered(command, k, name, asked, single, timeout)
        with tracing.span("search", dataset, self.uri):
            return self._answered(command, k, name, asked, single, timeout)

    def _answered(self, command: bytes, k: int, name: str, asked: Questions, single: bool, timeout: float | None) -> Results:
        if not single and len(asked) > (most := queries_at_once(k)):
            return self._search_in_parts(command, name, asked, most, timeout)
        try:
            answer = self._streams.search(command, name, asked, single, timeout)
        except LongbowError as error:
            answer = self._connection.again(error, partial(self._streams.search, command, name, asked, single, timeout), timeout=timeout)
        return Results(*answer)

    def _search_in_parts(self, command: bytes, name: str, asked: Questions, most: int, timeout: float | None) -> Results:
        """More questions than the server takes at once, asked one part after the other. The timeout is that of all."""
        end = None if timeout is None else time.monotonic() + timeout
        parts = [asked[begin : begin + most] for begin in range(0, len(asked), most)]
        answers: list[Answer] = []
        for part in parts:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise too_late(f"{len(answers)} of {len(parts)} batches of queries were answered in time", timeout)
            ask = partial(self._streams.search, command, name, part, False, left)
            answers.append(self._connection.run(ask, timeout=left))
        hits, details = joined(answers, [len(part) for part in parts])
        return Results(hits, details, sum(answer.seconds for answer in answers))

    def explain(self, query: Query | Mapping[str, Any], *, analyze: bool = False) -> Results:
        """How the server would answer a query: a row a plan that it weighed, with costs, the cheapest first.

        With `analyze` the chosen plan is run, and what it did is told by stage. Raises UnimplementedError on a server
        that does not explain.
        """
        if not isinstance(query, Query):
            query = Query.from_dict(query)
        asked = query.questions()
        wire: dict[str, Any] = {**query.wire(None), "explain": "analyze" if analyze else True}
        if asked is not None:
            name, column, _ = asked
            wire["vector" if name == "query_vector" else "id"] = column[0].as_py()
        answer = self._ask_by_ticket(wire, self._connection.timeout if query.timeout is None else query.timeout)
        if "score" in answer.column_names:
            raise UnimplementedError("this server does not explain searches")
        return answer

    def _ask_by_ticket(self, wire: dict[str, Any], timeout: float | None) -> Results:
        start = time.perf_counter()
        with self._connection.scan({"search": wire}, timeout) as (schema, batches):
            table = pa.Table.from_batches(batches, schema)
        table = with_signed_ids(table)
        told = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        details = {"coverage": told.get("longbow.coverage", ""), "stats": json.loads(told.get("longbow.stats", "{}"))}
        return Results(table.replace_schema_metadata(None), json.dumps(details).encode(), time.perf_counter() - start)

    def get(
        self,
        dataset: str,
        which: FilterLike | int | Iterable[int | str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        filter: FilterLike | None = None,
        ids: Any = None,
        timeout: float | None = None,
    ) -> Results:
        """Stored rows in the order they were written: all, those of some ids, those that pass a filter; at most `limit`.

        Args:
            dataset: its name.
            which: ids, as an integer or anything that holds integers (a list, a NumPy or Arrow array, a column of
                hits), or a filter as `search` takes it. Texts are filters: ids that are texts go by `ids`.
            limit: at most so many rows.
            columns: all when not given.
            filter: rows must pass it, too.
            ids: an id or several, integers or texts.
            timeout: seconds for everything together. Without it the call goes on as long as rows come: it ends with
                DeadlineExceededError when none came for the client's timeout.

        Ids that are not there are passed over. Raises NotFoundError, InvalidArgumentError.

        Examples:
            >>> client.get("books", [3, 1], columns=["id", "title"]).to_list()
            [{'id': 1, 'title': 'A'}, {'id': 3, 'title': 'C'}]
        """
        if which is not None and not _is_filter(which):
            if ids is not None:
                raise InvalidArgumentError("get: ids are given twice, by position and as ids=")
            which, ids = None, which
        conditions = [f for f in (to_filter(which), to_filter(filter)) if f is not None]  # type: ignore[arg-type]
        if ids is None:
            with self._scan(dataset, conditions, limit, columns, timeout) as (schema, batches):
                return Results(pa.Table.from_batches(batches, schema))
        keys = list(dict.fromkeys(row_keys(ids)[0]))
        end = deadline_of(timeout)
        parts = []
        for first in range(0, max(1, len(keys)), _GET_KEYS):
            among = comparison("id", "in", keys[first : first + _GET_KEYS])
            with self._scan(dataset, [*conditions, among], limit, columns, time_left(end)) as (schema, batches):
                parts.append(pa.Table.from_batches(batches, schema))
        table = pa.concat_tables(parts)
        return Results(table if limit is None else table.slice(0, limit))

    def scan(
        self,
        dataset: str,
        filter: FilterLike | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Stored rows batch by batch, for datasets larger than memory. Rows written meanwhile are not seen.

        `timeout` is as of `get`; without it the time that the caller takes for a batch counts for nothing.

        Examples:
            >>> sum(batch.num_rows for batch in client.scan("books"))
            3
        """
        with self._scan(dataset, filter, limit, columns, timeout) as (_, batches):
            yield from batches

    def _scan(
        self, dataset: str, filter: FilterLike | None, limit: int | None, columns: Sequence[str] | None, timeout: float | None
    ) -> AbstractContextManager[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        ticket: dict[str, Any] = {"name": dataset}
        found = filters_json(filter)
        if found is not None:
            ticket |= {"filters": found, "strict": True}
        if limit is not None:
            ticket["limit"] = limit
        if columns is not None:
            ticket["columns"] = names_of(columns)
        return self._connection.scan(ticket, timeout)

    def count(self, dataset: str, filter: FilterLike | None = None, *, timeout: float | None = None) -> int:
        """The number of rows, or of those that pass `filter`. Raises NotFoundError.

        Examples:
            >>> client.count("books", "title in ('A', 'C')")
            2
        """
        if filter is None:
            return self.info(dataset, timeout=timeout).rows
        ticket = {"name": dataset, "filters": filters_json(filter), "strict": True, "count": True}
        with self._connection.scan(ticket, self._connection.timeout if timeout is None else timeout) as (_, batches):
            return sum(int(batch.column(0)[0].as_py()) for batch in batches)

    def delete(self, dataset: str, ids: int | str | Iterable[int | str], *, timeout: float | None = None) -> None:
        """Deletes rows by id; deleting one again is no error.

        Raises NotFoundError for an id that never was; then none of the 2,000 ids around it is deleted.

        Examples:
            >>> client.delete("books", [2])
        """
        keys = [str(key) for key in row_keys(ids)[0]]
        end = deadline_of(timeout)
        for first in range(0, len(keys), _DELETE_KEYS):
            some = {"dataset": dataset, "ids": keys[first : first + _DELETE_KEYS]}
            self._connection.action("delete", some, timeout=time_left(end))

    def delete_dataset(self, dataset: str, *, timeout: float | None = None) -> None:
        """Deletes a dataset with all its rows. Raises NotFoundError."""
        self._connection.action("delete-dataset", {"dataset": dataset}, timeout=timeout, idempotent=False)

    def datasets(self) -> list[str]:
        """Names of the datasets, sorted; those outside the default namespace as "namespace/name"."""
        found = self._connection.call(lambda channel, options: list(channel.list_flights(b"", options)))
        return sorted(info.descriptor.path[0].decode() for info in found)

    def info(self, dataset: str, *, timeout: float | None = None) -> DatasetInfo:
        """Rows, bytes and schema of a dataset. Raises NotFoundError."""
        descriptor = descriptor_of(dataset)
        found = self._connection.call(lambda channel, options: channel.get_flight_info(descriptor, options), timeout=timeout)
        return DatasetInfo(dataset, found.total_records, found.total_bytes, found.schema)

    get_info = info

    def stats(self, dataset: str, *, timeout: float | None = None) -> DatasetStats:
        """Figures of a dataset and its index. Raises NotFoundError."""
        end = deadline_of(timeout)
        info = self.info(dataset, timeout=timeout)
        status = self._readiness(dataset, time_left(end))

        def setting(name: str, default: str) -> str:
            places = [info.schema.metadata, *(f.metadata for f in info.schema)]
            return next((m[key].decode() for m in places if m and (key := f"longbow.{name}".encode()) in m), default)

        return DatasetStats(
            name=dataset,
            rows=info.rows,
            bytes=info.bytes,
            indexed_rows=min(info.rows, int(status.get("index_len", 0))),
            status=str(status["status"]),
            vectors=info.vectors,
            metric=setting("metric", "l2"),
            index=setting("index", "graph"),
            durability=setting("durability", "fsync"),
        )

    def add_columns(
        self, dataset: str, columns: Mapping[str, pa.DataType | str] | pa.Schema, *, timeout: float | None = None
    ) -> None:
        """Adds columns to a dataset: names with Arrow types or their names ("int64", "string" ...).

        They are null in the rows that are there. Columns that are there with the same type stay as they are. Raises
        NotFoundError, InvalidArgumentError for another type than the column has.

        Examples:
            >>> client.add_columns("books", {"pages": "int32"})
        """
        fields: list[pa.Field] = [pa.field(name, _type_of(kind)) for name, kind in columns.items()] if isinstance(columns, Mapping) else list(columns)
        end = deadline_of(timeout)
        schema = self.info(dataset, timeout=timeout).schema
        for added in fields:
            if added.name not in schema.names:
                schema = schema.append(added)
            elif schema.field(added.name).type != added.type:
                raise InvalidArgumentError(f"column {added.name!r} is there already with type {schema.field(added.name).type}")
        self.insert(dataset, pa.Table.from_pylist([], schema=schema), timeout=time_left(end))

    def wait_indexed(self, dataset: str, timeout: float | None = None) -> None:
        """Returns when every row of the dataset is in its indexes. Searches find rows before that, too.

        `timeout` is in seconds. Raises NotFoundError, DeadlineExceededError.
        """
        self._connection.action("wait_indexed", {"dataset": dataset}, timeout=timeout)

    def wait_durable(self, sequence: str = "", timeout: float | None = None) -> None:
        """Returns when everything up to `sequence`, a PutResult's, is on disk; without one, everything written so far.

        Of use with durability "async"; what was written with "memory" is never there. `timeout` is in seconds. Raises
        DeadlineExceededError.

        Examples:
            >>> stored = client.insert("notes", {"id": [1]}, durability="async")
            >>> client.wait_durable(stored.sequence)
        """
        self._connection.action("wait_durable", {"token": sequence} if sequence else {}, timeout=timeout)

    def put_allow_list(self, name: str, values: Iterable[int | str]) -> int:
        """Uploads a list for filters, `col("id").in_list(name)`, and returns its length. Kept until dropped, in memory.

        A list of any length: what is over 32 MiB travels in parts, and filters used meanwhile see those that have come.
        """
        table = table_of_columns({name: values})
        start = 0
        while start < max(1, len(table)):
            part = table.slice(start)
            while part.nbytes > _LIST_PART_BYTES and len(part) > 1:
                part = part.slice(0, max(1, min(len(part) // 2, len(part) * _LIST_PART_BYTES // part.nbytes)))
            marked = part.replace_schema_metadata({"longbow.append": "true"} if start else None)
            with pa.BufferOutputStream() as out:
                with pa.ipc.new_stream(out, marked.schema) as writer:
                    writer.write_table(marked)
                body = out.getvalue().to_pybytes()
            # Safe to repeat, parts too: a value that is there twice is there.
            self._connection.action("put-allow-list", body)
            start += max(1, len(part))
        return len(table)

    def drop_allow_list(self, name: str) -> None:
        """Drops an uploaded list."""
        self._connection.action("drop-allow-list", {"name": name}, idempotent=False)

    def snapshot(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Takes a snapshot of everything, without stopping writes, and returns once it is on disk.

        The answer has the snapshot's `sequence`, its `blocks` of rows and their `bytes`, those written anew, and `seconds`.
        """
        return _first_json(self._connection.action("ForceSnapshot", b"", timeout=timeout))

    def compact(self, dataset: str | None = None, *, timeout: float | None = None) -> dict[str, Any]:
        """Gives back the room on disk of deleted and replaced rows now, not when the server finds it due.

        Of one dataset, or of all. Takes a snapshot with it, and returns what `snapshot` does. Raises NotFoundError.
        """
        return _first_json(self._connection.action("compact", {"dataset": dataset} if dataset else {}, timeout=timeout))

    def namespaces(self) -> list[str]:
        """Names of the namespaces."""
        return list(_first_json(self._connection.action("ListNamespaces", {}))["namespaces"])

    list_namespaces = namespaces

    def create_namespace(self, name: str) -> None:
        """Makes a namespace; a put into "name/dataset" does it too. Raises AlreadyExistsError."""
        self._connection.action("CreateNamespace", {"name": name}, idempotent=False)

    def delete_namespace(self, name: str) -> None:
        """Deletes a namespace with its datasets. Raises NotFoundError, FailedPreconditionError for "default"."""
        self._connection.action("DeleteNamespace", {"name": name}, idempotent=False)

    def cluster_status(self) -> dict[str, Any]:
        """The members of the cluster, and which of them was asked. Raises UnavailableError on a server by itself."""
        return _first_json(self._connection.action("cluster-status", {}, idempotent=False))

    def add_edge(self, dataset: str, subject: int, predicate: str, object: int, weight: float = 1.0) -> None:
        """Adds a directed edge between two rows to the dataset's graph."""
        edge = {"dataset": dataset, "subject": subject, "predicate": predicate, "object": object, "weight": weight}
        self._connection.action("add-edge", edge, idempotent=False)

    def traverse(
        self, dataset: str, start: int, max_hops: int = 2, *, incoming: bool = False, weighted: bool = True, decay: float = 0.5
    ) -> list[dict[str, Any]]:
        """Paths along the edges from row `start`: dicts with Nodes, Edges and Score, best first. Raises NotFoundError."""
        request = {
            "dataset": dataset,
            "start": start,
            "max_hops": max_hops,
            "incoming": incoming,
            "weighted": weighted,
            "decay": decay,
        }
        return list(json.loads(self._connection.action("traverse-graph", request)[0]))

    def graph_stats(self, dataset: str) -> dict[str, Any]:
        """Numbers of the dataset's graph: edge_count, community_count, predicates. Raises NotFoundError."""
        return _first_json(self._connection.action("GetGraphStats", {"dataset": dataset}))

    def health(self, dataset: str | None = None) -> dict[str, Any]:
        """Whether the server, or one dataset's indexes, are ready: {"status": "READY" | "BUSY", "reason": ...}.

        Raises UnavailableError while the server is starting, NotFoundError for an unknown dataset.

        Examples:
            >>> client.health()["status"]
            'READY'
        """
        return self._readiness(dataset, None)

    def _readiness(self, dataset: str | None, timeout: float | None) -> dict[str, Any]:
        request = {"dataset": dataset} if dataset else {}
        request_id = self._connection.next_request_id()
        status = _first_json(self._connection.action("check_readiness", request, timeout=timeout, request_id=request_id))
        if status.get("status") == "NOT_FOUND":
            error = NotFoundError(f"dataset not found: {dataset}")
            error.request_id, error.details = request_id, {"status": "NOT_FOUND"}
            raise error
        return status

    def actions(self) -> dict[str, str]:
        """The actions that the server knows, with what each does."""
        found = self._connection.call(lambda channel, options: list(channel.list_actions(options)))
        return {action.type: action.description for action in found}

    def exists(self, dataset: str) -> bool:
        """Whether there is such a dataset."""
        with suppress(NotFoundError):
            self.info(dataset)
            return True
        return False


def __getattr__(name: str) -> Any:
    if name == "LongbowClient":  # where old programs import it from
        from longbow.old_client import LongbowClient

        return LongbowClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _is_filter(which: Any) -> bool:
    """Whether it is a filter and not ids: an object, text, a condition, or a list of such."""
    conditions = (Filter, str, tuple, list, Mapping)
    if isinstance(which, (list, tuple)):
        return bool(which) and isinstance(which[0], conditions)
    return isinstance(which, conditions)


def _type_of(kind: pa.DataType | str) -> pa.DataType:
    if isinstance(kind, pa.DataType):
        return kind
    try:
        return pa.type_for_alias(kind)
    except ValueError as error:
        raise InvalidArgumentError(f"no Arrow type {kind!r}: expected a pyarrow type, or a name such as int64, float32, string, bool, timestamp[ns]") from error


def _first_json(bodies: list[bytes]) -> dict[str, Any]:
    if not bodies:
        return {}
    try:
        found = json.loads(bodies[0])
    except ValueError:
        found = bodies[0].decode(errors="replace")
    return found if isinstance(found, dict) else {"answer": found}


