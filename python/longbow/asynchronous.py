"""The client for asyncio: `connect_async`, and the methods of `Client` and `Dataset` to await.

Written by tools/generate_async_client.py from client.py: change that, then run `make generate`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, Literal, NoReturn

import pyarrow as pa

from longbow import connecting, inserting
from longbow.bridge import Bridge
from longbow.client import BoundQuery, Client, Dataset, DatasetInfo, DatasetStats, Mode, Progress
from longbow.connecting import DEFAULT_TIMEOUT
from longbow.filters import FilterLike
from longbow.put import PutResult
from longbow.query import Query, query_fields
from longbow.results import Results
from longbow.retry import RetryPolicy


class Connecting:
    """What `connect_async` returns: await it, or use it in `async with`."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: AsyncClient | None = None

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"no {name!r} before it is awaited: db = await longbow.connect_async(...), or async with")

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> AsyncClient:
        bridge = Bridge()
        return AsyncClient(await bridge.call(self._connect), bridge)


@dataclass(frozen=True, eq=False, repr=False)
class AsyncQuery(Query):
    """A query that knows its client: `run` it, or turn its hits into something at once."""

    _client: AsyncClient | None = field(default=None, repr=False)

    @property
    def _sync(self) -> BoundQuery:
        assert self._client is not None
        values = {f.name: getattr(self, f.name) for f in fields(Query)}
        return BoundQuery(**values, _client=self._client._sync)

    @property
    def _bridge(self) -> Bridge:
        assert self._client is not None
        return self._client._bridge

    async def run(self) -> Results:
        """The hits. Raises as `Client.search` does."""
        return await self._bridge.call(self._sync.run)

    async def explain(self, *, analyze: bool=False) -> Results:
        """How the server would search: a row a plan that it weighed, with its costs. As `Client.explain`."""
        return await self._bridge.call(self._sync.explain, analyze=analyze)

    async def to_arrow(self) -> pa.Table:
        """The hits as a pyarrow Table."""
        return await self._bridge.call(self._sync.to_arrow)

    async def to_pandas(self) -> Any:
        """The hits as a pandas DataFrame."""
        return await self._bridge.call(self._sync.to_pandas)

    async def to_polars(self) -> Any:
        """The hits as a polars DataFrame."""
        return await self._bridge.call(self._sync.to_polars)

    async def to_dask(self, npartitions: int=1) -> Any:
        """The hits as a Dask DataFrame of `npartitions` parts."""
        return await self._bridge.call(self._sync.to_dask, npartitions)

    async def to_numpy(self, column: str | None=None) -> Any:
        """A column of the hits as an array, or a dict of all. As `Results.to_numpy`."""
        return await self._bridge.call(self._sync.to_numpy, column)

    async def to_batches(self) -> list[pa.RecordBatch]:
        """The hits as record batches."""
        return await self._bridge.call(self._sync.to_batches)

    async def to_pydantic(self, model: type[Any] | None=None) -> list[Any]:
        """A checked object a hit. As `Results.to_pydantic`."""
        return await self._bridge.call(self._sync.to_pydantic, model)

    async def to_list(self) -> list[dict[str, Any]]:
        """The hits as dicts."""
        return await self._bridge.call(self._sync.to_list)


class AsyncDataset:
    """One dataset of a client; `Client.dataset` makes it. It holds a name only and need not exist yet."""

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._bridge = client._bridge
        self._sync = Dataset(client._sync, name)
        self.name = name

    def __repr__(self) -> str:
        return f"AsyncDataset({self.name!r})"

    async def insert(self, data: Any, *, mode: Mode='upsert', metric: str | None=None, durability: str | None=None, index: str | None=None, vector_column: str | None=None, ids: Any=None, batch_bytes: int=inserting.BATCH_BYTES, progress: Progress=None, on_error: Literal['raise', 'collect']='raise', timeout: float | None=None) -> PutResult:
        """Stores rows. As `Client.insert`."""
        return await self._bridge.call(self._sync.insert, data, mode=mode, metric=metric, durability=durability, index=index, vector_column=vector_column, ids=ids, batch_bytes=batch_bytes, progress=progress, on_error=on_error, timeout=timeout)

    def search(self, vectors: Any=None, k: int=10, filter: FilterLike | None=None, columns: Sequence[str] | None=None, *, vector: Any=None, ids: Any=None, text: str | Mapping[str, Any] | None=None, alpha: float | None=None, fusion: str | None=None, text_columns: Sequence[str] | None=None, offset: int | None=None, radius: float | None=None, order_by: str | None=None, dims: int | None=None, vector_column: str | None=None, ef: int | None=None, recall: float | None=None, exact: bool=False, timeout: float | None=None) -> AsyncQuery:
        """A query to refine and run: `ds.search(v).where("year >= 1990").limit(3).select("title").to_pandas()`.

        Takes what `Client.search` takes.
        """
        return AsyncQuery(self.name, **query_fields(vectors, vector, filter, columns, text_columns, text, alpha, ids=ids, k=k, offset=offset, vector_column=vector_column, ef=ef, recall=recall, exact=exact, radius=radius, order_by=order_by, dims=dims, fusion=fusion, timeout=timeout), _client=self._client)

    async def search_by_id(self, ids: Any, k: int=10, filter: FilterLike | None=None, columns: Sequence[str] | None=None, *, timeout: float | None=None) -> Results:
        """The nearest to stored rows. As `Client.search_by_id`."""
        return await self._bridge.call(self._sync.search_by_id, ids, k, filter, columns, timeout=timeout)

    async def get(self, which: FilterLike | int | Iterable[int | str] | None=None, limit: int | None=None, columns: Sequence[str] | None=None, *, filter: FilterLike | None=None, ids: Any=None, timeout: float | None=None) -> Results:
        """Stored rows: `ds.get([7, 9])`, `ds.get("year = 1990", limit=5)`. As `Client.get`."""
        return await self._bridge.call(self._sync.get, which, limit, columns, filter=filter, ids=ids, timeout=timeout)

    async def scan(self, filter: FilterLike | None=None, limit: int | None=None, columns: Sequence[str] | None=None, *, timeout: float | None=None) -> AsyncIterator[pa.RecordBatch]:
        """Stored rows, batch by batch. As `Client.scan`."""
        async for item in self._bridge.iterate(self._sync.scan, filter, limit, columns, timeout=timeout):
            yield item

    async def count(self, filter: FilterLike | None=None, *, timeout: float | None=None) -> int:
        """The number of rows, or of those that pass `filter`."""
        return await self._bridge.call(self._sync.count, filter, timeout=timeout)

    async def delete(self, ids: int | str | Iterable[int | str], *, timeout: float | None=None) -> None:
        """Deletes rows by id. As `Client.delete`."""
        await self._bridge.call(self._sync.delete, ids, timeout=timeout)

    async def drop(self, *, timeout: float | None=None) -> None:
        """Deletes the dataset with all its rows. Raises NotFoundError."""
        await self._bridge.call(self._sync.drop, timeout=timeout)

    async def info(self, *, timeout: float | None=None) -> DatasetInfo:
        """Rows, bytes and schema. Raises NotFoundError."""
        return await self._bridge.call(self._sync.info, timeout=timeout)

    async def stats(self, *, timeout: float | None=None) -> DatasetStats:
        """Figures of the dataset and its index. Raises NotFoundError."""
        return await self._bridge.call(self._sync.stats, timeout=timeout)

    async def add_columns(self, columns: Mapping[str, pa.DataType | str] | pa.Schema, *, timeout: float | None=None) -> None:
        """Adds columns, null in the rows that are there. As `Client.add_columns`."""
        await self._bridge.call(self._sync.add_columns, columns, timeout=timeout)

    async def compact(self, *, timeout: float | None=None) -> dict[str, Any]:
        """Gives back the room on disk of deleted rows. As `Client.compact`."""
        return await self._bridge.call(self._sync.compact, timeout=timeout)

    async def wait_indexed(self, timeout: float | None=None) -> None:
        """Returns when every row is in the index. As `Client.wait_indexed`."""
        await self._bridge.call(self._sync.wait_indexed, timeout)


class AsyncClient:
    """A connection to a Longbow server, made by `connect`. Thread-safe; close it, or use it in a `with` statement.

    Every method raises a subclass of `LongbowError`; UnavailableError when the server cannot be reached. Calls that
    may safely be made twice are tried again while the server is away, as the `RetryPolicy` says. A `timeout` is in seconds
    and that of one call, in place of the client's.
    """

    def __init__(self, client: Client, bridge: Bridge) -> None:
        self._sync = client
        self._bridge = bridge

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.uri!r})"

    @property
    def uri(self) -> str:
        """Where the server is, such as "grpc://127.0.0.1:3000"."""
        return self._sync.uri

    async def close(self) -> None:
        """Closes the connection, and ends a private server when this was its last client."""
        await self._bridge.end(self._sync.close)

    def dataset(self, name: str) -> AsyncDataset:
        """One dataset, to work with by its own methods. It need not exist yet; nothing is sent."""
        return AsyncDataset(self, name)

    async def insert(self, dataset: str, data: Any, *, mode: Mode='upsert', metric: str | None=None, durability: str | None=None, index: str | None=None, vector_column: str | None=None, ids: Any=None, batch_bytes: int=inserting.BATCH_BYTES, progress: Progress=None, on_error: Literal['raise', 'collect']='raise', timeout: float | None=None) -> PutResult:
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
        return await self._bridge.call(self._sync.insert, dataset, data, mode=mode, metric=metric, durability=durability, index=index, vector_column=vector_column, ids=ids, batch_bytes=batch_bytes, progress=progress, on_error=on_error, timeout=timeout)

    async def put(self, dataset: str, data: Any, *, metric: str | None=None, durability: str | None=None, timeout: float | None=None) -> PutResult:
        """`insert` with its defaults: rows replace those of the same id.

        Examples:
            >>> client.put("books", {"id": [3], "vector": [[0, 0, 1, 0]], "title": ["C"]}).rows
            1
        """
        return await self._bridge.call(self._sync.put, dataset, data, metric=metric, durability=durability, timeout=timeout)

    ingest = insert

    async def search(self, dataset: str, vectors: Any=None, k: int=10, filter: FilterLike | None=None, columns: Sequence[str] | None=None, *, vector: Any=None, ids: Any=None, text: str | Mapping[str, Any] | None=None, alpha: float | None=None, fusion: str | None=None, text_columns: Sequence[str] | None=None, offset: int | None=None, radius: float | None=None, order_by: str | None=None, dims: int | None=None, vector_column: str | None=None, ef: int | None=None, recall: float | None=None, exact: bool=False, timeout: float | None=None) -> Results:
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
        return await self._bridge.call(self._sync.search, dataset, vectors, k, filter, columns, vector=vector, ids=ids, text=text, alpha=alpha, fusion=fusion, text_columns=text_columns, offset=offset, radius=radius, order_by=order_by, dims=dims, vector_column=vector_column, ef=ef, recall=recall, exact=exact, timeout=timeout)

    async def search_by_id(self, dataset: str, ids: Any, k: int=10, filter: FilterLike | None=None, columns: Sequence[str] | None=None, *, timeout: float | None=None) -> Results:
        """The k nearest rows to a stored row, or to each of several. The row itself is not among its hits.

        Returns as `search`. Raises NotFoundError for an unknown id.

        Examples:
            >>> client.search_by_id("books", 1, k=1)["title"].to_pylist()
            ['B']
        """
        return await self._bridge.call(self._sync.search_by_id, dataset, ids, k, filter, columns, timeout=timeout)

    async def run(self, query: Query | Mapping[str, Any]) -> Results:
        """The hits of a query, given as one or as its dict form. As `search`.

        Examples:
            >>> client.run({"dataset": "books", "vector": [1, 0, 0, 0], "k": 1})["id"].to_pylist()
            [1]
        """
        return await self._bridge.call(self._sync.run, query)

    async def explain(self, query: Query | Mapping[str, Any], *, analyze: bool=False) -> Results:
        """How the server would answer a query: a row a plan that it weighed, with costs, the cheapest first.

        With `analyze` the chosen plan is run, and what it did is told by stage. Raises UnimplementedError on a server
        that does not explain.
        """
        return await self._bridge.call(self._sync.explain, query, analyze=analyze)

    async def get(self, dataset: str, which: FilterLike | int | Iterable[int | str] | None=None, limit: int | None=None, columns: Sequence[str] | None=None, *, filter: FilterLike | None=None, ids: Any=None, timeout: float | None=None) -> Results:
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
        return await self._bridge.call(self._sync.get, dataset, which, limit, columns, filter=filter, ids=ids, timeout=timeout)

    async def scan(self, dataset: str, filter: FilterLike | None=None, limit: int | None=None, columns: Sequence[str] | None=None, *, timeout: float | None=None) -> AsyncIterator[pa.RecordBatch]:
        """Stored rows batch by batch, for datasets larger than memory. Rows written meanwhile are not seen.

        `timeout` is as of `get`; without it the time that the caller takes for a batch counts for nothing.

        Examples:
            >>> sum(batch.num_rows for batch in client.scan("books"))
            3
        """
        async for item in self._bridge.iterate(self._sync.scan, dataset, filter, limit, columns, timeout=timeout):
            yield item

    async def count(self, dataset: str, filter: FilterLike | None=None, *, timeout: float | None=None) -> int:
        """The number of rows, or of those that pass `filter`. Raises NotFoundError.

        Examples:
            >>> client.count("books", "title in ('A', 'C')")
            2
        """
        return await self._bridge.call(self._sync.count, dataset, filter, timeout=timeout)

    async def delete(self, dataset: str, ids: int | str | Iterable[int | str], *, timeout: float | None=None) -> None:
        """Deletes rows by id; deleting one again is no error.

        Raises NotFoundError for an id that never was; then none of the 2,000 ids around it is deleted.

        Examples:
            >>> client.delete("books", [2])
        """
        await self._bridge.call(self._sync.delete, dataset, ids, timeout=timeout)

    async def delete_dataset(self, dataset: str, *, timeout: float | None=None) -> None:
        """Deletes a dataset with all its rows. Raises NotFoundError."""
        await self._bridge.call(self._sync.delete_dataset, dataset, timeout=timeout)

    async def datasets(self) -> list[str]:
        """Names of the datasets, sorted; those outside the default namespace as "namespace/name"."""
        return await self._bridge.call(self._sync.datasets)

    async def info(self, dataset: str, *, timeout: float | None=None) -> DatasetInfo:
        """Rows, bytes and schema of a dataset. Raises NotFoundError."""
        return await self._bridge.call(self._sync.info, dataset, timeout=timeout)

    get_info = info

    async def stats(self, dataset: str, *, timeout: float | None=None) -> DatasetStats:
        """Figures of a dataset and its index. Raises NotFoundError."""
        return await self._bridge.call(self._sync.stats, dataset, timeout=timeout)

    async def add_columns(self, dataset: str, columns: Mapping[str, pa.DataType | str] | pa.Schema, *, timeout: float | None=None) -> None:
        """Adds columns to a dataset: names with Arrow types or their names ("int64", "string" ...).

        They are null in the rows that are there. Columns that are there with the same type stay as they are. Raises
        NotFoundError, InvalidArgumentError for another type than the column has.

        Examples:
            >>> client.add_columns("books", {"pages": "int32"})
        """
        await self._bridge.call(self._sync.add_columns, dataset, columns, timeout=timeout)

    async def wait_indexed(self, dataset: str, timeout: float | None=None) -> None:
        """Returns when every row of the dataset is in its indexes. Searches find rows before that, too.

        `timeout` is in seconds. Raises NotFoundError, DeadlineExceededError.
        """
        await self._bridge.call(self._sync.wait_indexed, dataset, timeout)

    async def wait_durable(self, sequence: str='', timeout: float | None=None) -> None:
        """Returns when everything up to `sequence`, a PutResult's, is on disk; without one, everything written so far.

        Of use with durability "async"; what was written with "memory" is never there. `timeout` is in seconds. Raises
        DeadlineExceededError.

        Examples:
            >>> stored = client.insert("notes", {"id": [1]}, durability="async")
            >>> client.wait_durable(stored.sequence)
        """
        await self._bridge.call(self._sync.wait_durable, sequence, timeout)

    async def put_allow_list(self, name: str, values: Iterable[int | str]) -> int:
        """Uploads a list for filters, `col("id").in_list(name)`, and returns its length. Kept until dropped, in memory.

        A list of any length: what is over 32 MiB travels in parts, and filters used meanwhile see those that have come.
        """
        return await self._bridge.call(self._sync.put_allow_list, name, values)

    async def drop_allow_list(self, name: str) -> None:
        """Drops an uploaded list."""
        await self._bridge.call(self._sync.drop_allow_list, name)

    async def snapshot(self, *, timeout: float | None=None) -> dict[str, Any]:
        """Takes a snapshot of everything, without stopping writes, and returns once it is on disk.

        The answer has the snapshot's `sequence`, its `blocks` of rows and their `bytes`, those written anew, and `seconds`.
        """
        return await self._bridge.call(self._sync.snapshot, timeout=timeout)

    async def compact(self, dataset: str | None=None, *, timeout: float | None=None) -> dict[str, Any]:
        """Gives back the room on disk of deleted and replaced rows now, not when the server finds it due.

        Of one dataset, or of all. Takes a snapshot with it, and returns what `snapshot` does. Raises NotFoundError.
        """
        return await self._bridge.call(self._sync.compact, dataset, timeout=timeout)

    async def namespaces(self) -> list[str]:
        """Names of the namespaces."""
        return await self._bridge.call(self._sync.namespaces)

    list_namespaces = namespaces

    async def create_namespace(self, name: str) -> None:
        """Makes a namespace; a put into "name/dataset" does it too. Raises AlreadyExistsError."""
        await self._bridge.call(self._sync.create_namespace, name)

    async def delete_namespace(self, name: str) -> None:
        """Deletes a namespace with its datasets. Raises NotFoundError, FailedPreconditionError for "default"."""
        await self._bridge.call(self._sync.delete_namespace, name)

    async def cluster_status(self) -> dict[str, Any]:
        """The members of the cluster, and which of them was asked. Raises UnavailableError on a server by itself."""
        return await self._bridge.call(self._sync.cluster_status)

    async def add_edge(self, dataset: str, subject: int, predicate: str, object: int, weight: float=1.0) -> None:
        """Adds a directed edge between two rows to the dataset's graph."""
        await self._bridge.call(self._sync.add_edge, dataset, subject, predicate, object, weight)

    async def traverse(self, dataset: str, start: int, max_hops: int=2, *, incoming: bool=False, weighted: bool=True, decay: float=0.5) -> list[dict[str, Any]]:
        """Paths along the edges from row `start`: dicts with Nodes, Edges and Score, best first. Raises NotFoundError."""
        return await self._bridge.call(self._sync.traverse, dataset, start, max_hops, incoming=incoming, weighted=weighted, decay=decay)

    async def graph_stats(self, dataset: str) -> dict[str, Any]:
        """Numbers of the dataset's graph: edge_count, community_count, predicates. Raises NotFoundError."""
        return await self._bridge.call(self._sync.graph_stats, dataset)

    async def health(self, dataset: str | None=None) -> dict[str, Any]:
        """Whether the server, or one dataset's indexes, are ready: {"status": "READY" | "BUSY", "reason": ...}.

        Raises UnavailableError while the server is starting, NotFoundError for an unknown dataset.

        Examples:
            >>> client.health()["status"]
            'READY'
        """
        return await self._bridge.call(self._sync.health, dataset)

    async def actions(self) -> dict[str, str]:
        """The actions that the server knows, with what each does."""
        return await self._bridge.call(self._sync.actions)

    async def exists(self, dataset: str) -> bool:
        """Whether there is such a dataset."""
        return await self._bridge.call(self._sync.exists, dataset)


def connect_async(uri: str | os.PathLike[str] | None=None, token: str | None=None, *, data_dir: str | os.PathLike[str] | None=None, timeout: float | None=DEFAULT_TIMEOUT, retry: RetryPolicy | None=RetryPolicy(), tls_root_certs: str | os.PathLike[str] | bytes | None=None, tls_client_cert: tuple[str | os.PathLike[str] | bytes, str | os.PathLike[str] | bytes] | None=None, tls_skip_verify: bool=False, headers: dict[str, str] | None=None, settings: Mapping[str, str | int | float] | None=None) -> Connecting:
    """A client of the server at `uri`.

    Args:
        uri: a directory ("./data"): a server of this program's own on it, started now and ended with its last client;
            ":memory:": the same on a temporary directory that vanishes with it; "grpc://host:port" or "host:port": a
            running server, which is not called before the first use; "grpc+tls://host:port": the same behind TLS.
            Without it, grpc://127.0.0.1:3000.
        token: what the server wants to see; else the environment variable LONGBOW_TOKEN; else the file `token` in
            `data_dir`.
        data_dir: the data directory of a running server on this machine, for its token.
        timeout: seconds that a call may take which is not given a timeout of its own. Inserts, gets and scans may last:
            they end when for so long nothing came that the server owes, a batch or an acknowledgement. None waits as long
            as the server does.
        retry: how calls that may be made twice are tried again; None never does.
        tls_root_certs: PEM certificates to trust, or a file of them; else gRPC's.
        tls_client_cert: certificate chain and private key for a server that asks for them.
        tls_skip_verify: takes any certificate.
        headers: sent with every call.
        settings: of the private server, by name: {"max_memory": "1GiB", "max_k": 100}.

    Raises InvalidArgumentError for an address that is none, LongbowConnectionError when another process holds the
    directory.

    Examples:
        >>> with longbow.connect(":memory:") as db:
        ...     db.put("books", {"id": [1], "vector": [[0.5, 0.5]]}).rows
        1
    """
    return Connecting(lambda: connecting.connect(uri, token, data_dir=data_dir, timeout=timeout, retry=retry, tls_root_certs=tls_root_certs, tls_client_cert=tls_client_cert, tls_skip_verify=tls_skip_verify, headers=headers, settings=settings))
