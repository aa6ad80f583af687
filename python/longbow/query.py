"""What to search for, as a value: immutable, built step by step or from a dict."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Self

import numpy as np
import pyarrow as pa

from longbow.columns import plain_array, query_array, row_keys
from longbow.connection import check_timeout, plain, to_json
from longbow.errors import InvalidArgumentError
from longbow.filters import Filter, FilterLike, filters_json, to_filter

# What is sent with every query of a batch: field of Query -> key on the wire.
_SHARED = {
    "vector_column": "vector_column",
    "ef": "ef",
    "recall": "recall",
    "dims": "dims",
    "radius": "radius",
    "text": "text_query",
    "text_columns": "text_columns",
    "sparse": "sparse_query",
    "sparse_column": "sparse_column",
    "alpha": "alpha",
    "fusion": "fusion",
    "order_by": "order_by",
    "allow_partial": "allow_partial",
    "check_recall": "check_recall",
    "graph_alpha": "graph_alpha",
    "vector_format": "vector_format",
    "include_vectors": "include_vectors",
    "max_distances": "max_distances",
}

# The wire protocol's names for fields of Query, and what it has besides that changes nothing here.
_RENAMED = {
    "name": "dataset",
    "vector": "vectors",
    "id": "ids",
    "limit": "k",
    "projection": "columns",
    "text_query": "text",
    "filters": "filter",
    "sparse_query": "sparse",
}
_PASSED_OVER = ("local_only",)

# Weight of the vector beside the text, where both are asked and nothing is said.
DEFAULT_ALPHA = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Query:
    """A search, described. Each method returns another query; none changes this one.

    Ask near `vectors`, of shape (dimensions,) or (queries, dimensions); near stored rows, `ids`; for `text`, or weights
    of terms (`sparse`); or for either and a vector together.

    Examples:
        >>> q = Query("books", vectors=[0.1, 0.2]).where("year >= 1990").limit(3).select("title")
        >>> q.to_dict()
        {'dataset': 'books', 'vector': [0.1, 0.2], 'k': 3, 'filter': 'year >= 1990', 'columns': ['title']}
        >>> Query.from_dict(q.to_dict()) == q
        True
    """

    dataset: str
    vectors: Any = None
    ids: Any = None
    text: str | Mapping[str, Any] | None = None
    k: int = 10
    offset: int | None = None
    filter: Filter | None = None
    columns: tuple[str, ...] | None = None
    vector_column: str | None = None
    ef: int | None = None
    recall: float | None = None
    exact: bool = False
    radius: float | None = None
    dims: int | None = None
    alpha: float | None = None
    fusion: str | None = None
    text_columns: tuple[str, ...] | None = None
    sparse: Mapping[str, Any] | None = None
    sparse_column: str | None = None
    order_by: str | None = None
    allow_partial: bool | None = None
    check_recall: bool | None = None
    graph_alpha: float | None = None
    vector_format: str | None = None
    include_vectors: bool | None = None
    max_distances: int | None = None
    timeout: float | None = None

    def __repr__(self) -> str:
        """What is asked: nothing left at its default, vectors by their shape."""
        said = [repr(self.dataset)]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "dataset" or not one.repr or value is None or value is False:
                continue
            if one.name == "vectors":
                shape = getattr(value, "shape", None) or (len(value) if hasattr(value, "__len__") else "...",)
                value = f"<{' x '.join(map(str, shape))}>"
            said.append(f"{one.name}={value if one.name in ('vectors', 'filter') else repr(value)}")
        return f"{type(self).__name__}({', '.join(said)})"

    def where(self, *conditions: FilterLike) -> Self:
        """Only rows that pass every condition, and those given before: `where("year >= 1990", col("lang") == "en")`."""
        given = [f for f in (self.filter, *map(to_filter, conditions)) if f is not None]
        return replace(self, filter=to_filter(given))

    def limit(self, k: int) -> Self:
        """The `k` nearest."""
        return replace(self, k=k)

    def skip(self, offset: int) -> Self:
        """Leaves out the nearest `offset` rows, for a page; 0 for the first. Pages are cut from the exact order."""
        return replace(self, offset=offset)

    def select(self, *columns: str) -> Self:
        """Returns these columns besides `id`, `score` and `distance`; name the vector column to get vectors."""
        return replace(self, columns=columns)

    def using(self, vector_column: str) -> Self:
        """Searches this vector column."""
        return replace(self, vector_column=vector_column)

    def effort(self, *, recall: float | None = None, ef: int | None = None) -> Self:
        """How hard to look: the share of true neighbours to aim at, or the length of the candidate list."""
        return replace(self, recall=recall, ef=ef)

    def exactly(self) -> Self:
        """Compares with every row that passes the filter."""
        return replace(self, exact=True)

    def within(self, radius: float) -> Self:
        """Only rows at most `radius` away, in the metric's distance; at most `k` of them, with `limit(0)` all."""
        return replace(self, radius=radius)

    def first_dims(self, dims: int) -> Self:
        """Searches by the first `dims` dimensions and ranks by all: for vectors trained to be cut (Matryoshka)."""
        return replace(self, dims=dims)

    def matching(
        self, text: str | Mapping[str, Any], alpha: float = DEFAULT_ALPHA, *, columns: Sequence[str] | None = None, fusion: str | None = None
    ) -> Self:
        """Ranks by words, too, of all text columns or these.

        `alpha` is the weight of the vector, if there is one: 1 vector only, 0 words only, negative adaptive. `fusion` joins both:
        "rrf", reciprocal ranks, or "weighted", scores normalised to 0..1. `text` may hold phrases in quotes and + or -
        before a word that must or must not occur, or be in parts: {"must": [...], "should": [...], "must_not": [...]}.
        """
        return replace(self, text=text, alpha=alpha, text_columns=None if columns is None else names_of(columns), fusion=fusion)

    def matching_weights(
        self, weights: Mapping[int, float], alpha: float = DEFAULT_ALPHA, *, column: str | None = None, fusion: str | None = None
    ) -> Self:
        """Ranks by the product of these weights by term with those of a `map<uint32, float>` column, too."""
        sparse = {"indices": [int(term) for term in weights], "values": [float(weight) for weight in weights.values()]}
        return replace(self, sparse=sparse, alpha=alpha, sparse_column=column, fusion=fusion)

    def ordered_by(self, column: str) -> Self:
        """The hits found, in the order of a column: "year", or "year desc"."""
        return replace(self, order_by=column)

    def within_time(self, seconds: float, *, allow_partial: bool = False) -> Self:
        """Stops searching after `seconds`: an error, or what was found so far with `allow_partial`."""
        return replace(self, timeout=seconds, allow_partial=allow_partial or None)

    def checking_recall(self) -> Self:
        """Searches exactly as well, at the same state; the share found is `results.stats.more["recall"]`."""
        return replace(self, check_recall=True)

    def to_dict(self) -> dict[str, Any]:
        """The query as plain values, which JSON can hold; `from_dict` reads them again. Defaults are left out.

        `vector_type` names the type of the vectors' numbers where that is not float32.
        """
        out: dict[str, Any] = {"dataset": self.dataset}
        if self.vectors is not None:
            numbers, single, kind = _numbers(self.vectors)
            out["vector" if single else "vectors"] = numbers
            if kind != "float32":
                out["vector_type"] = kind
        if self.ids is not None:
            keys, single = row_keys(self.ids)
            out["ids"] = keys[0] if single else keys
        out["k"] = _plain(self.k)
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in _NAMES or f.name in ("dataset", "vectors", "ids", "k") or value is None or value == f.default:
                continue
            out[f.name] = str(value) if isinstance(value, Filter) else _plain(value)
        return out

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Query:
        """The query that a dict describes: the keys of `to_dict`, or those of the wire protocol's search."""
        if not isinstance(given, Mapping):
            raise InvalidArgumentError(f"query: expected a dict, got {type(given).__name__}")
        given = {name: value for name, value in given.items() if value is not None and name not in _PASSED_OVER}
        kind = given.pop("vector_type", None)
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name in ("deadline_ms", "timeout_ms"):
                name, value = "timeout", value / 1000
            name = _RENAMED.get(name, name)
            if name not in _NAMES:
                raise InvalidArgumentError(f"query: unknown key {name!r}; known are {', '.join(sorted(_NAMES))}")
            if name in values:
                raise InvalidArgumentError(f"query: {name!r} is given twice, by two of its names")
            values[name] = value
        if "dataset" not in values:
            raise InvalidArgumentError('query: expected "dataset", the name of a dataset')
        if kind is not None and "vectors" in values:
            values["vectors"] = _of_type(values["vectors"], kind)
        values["filter"] = to_filter(values.get("filter"))
        for name in ("columns", "text_columns"):
            if name in values:
                values[name] = names_of(values[name])
        return Query(**values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(to_json(self.to_dict()))

    def wire(self, timeout: float | None) -> dict[str, Any]:
        """The search of the wire protocol, without what is asked about. `timeout` where the query has none."""
        for name, number in (("k", self.k), ("offset", self.offset or 0)):
            if not isinstance(number, (numbers.Real, pa.Scalar)) or _plain(number) < 0:
                raise InvalidArgumentError(f"{name}: expected a whole number, 0 or more, got {number!r}")
        if self.text is not None and not self.text:
            raise InvalidArgumentError(f"text: expected words, got {self.text!r}")
        check_timeout(self.timeout)
        out: dict[str, Any] = {"dataset": self.dataset, "k": self.k}
        if self.filter is not None:
            out["filters"] = filters_json(self.filter)
        if self.columns is not None:
            out["columns"] = list(self.columns)
        if self.exact:
            out["exact"] = True
        if self.offset is not None:
            out["offset"] = self.offset
        for name, key in _SHARED.items():
            value = getattr(self, name)
            if value is not None:
                out[key] = list(value) if isinstance(value, tuple) else value
        timeout = timeout if self.timeout is None else self.timeout
        if timeout is not None:
            out["deadline_ms"] = max(1, round(timeout * 1000))
        return out

    def command(self) -> bytes:
        """What opens a stream of such searches. Encoded once for equal queries."""
        if isinstance(self.text, Mapping) or self.sparse is not None:
            return to_json({"command": "VectorSearch", **self.wire(None)})
        return _command(*_command_values(self))

    def questions(self) -> tuple[str, pa.Array, bool] | None:
        """What is asked about as a column of a search stream, and whether it is one question; None for text alone."""
        if self.vectors is not None:
            if self.ids is not None:
                raise InvalidArgumentError("query: vectors and ids are both given: ask by one of them")
            queries, single = query_array(self.vectors)
            return "query_vector", queries, single
        if self.ids is not None:
            keys, single = row_keys(self.ids)
            return "id", plain_array("ids", keys), single
        if self.text is None and self.sparse is None:
            raise InvalidArgumentError("query: expected vectors, ids, text or sparse weights to search for")
        return None


def _numbers(vectors: Any) -> tuple[list[Any], bool, str]:
    """Query vectors as lists of Python's numbers, whether it was one, and the type of the numbers as NumPy calls it."""
    queries, single = query_array(vectors)
    kind = queries.flatten().to_numpy(zero_copy_only=False).dtype.name
    lists: list[Any] = queries.to_pylist()
    if isinstance(vectors, (list, tuple)) and np.asarray(vectors).dtype.kind in "fiu":
        lists = np.atleast_2d(np.asarray(vectors)).tolist()  # as they were given: 0.1 and not the nearest float32
    elif kind == "float16":
        lists = [[float(number) for number in numbers] for numbers in lists]
    return (lists[0] if single else lists), single, kind


def _of_type(vectors: Any, kind: Any) -> np.ndarray[Any, Any]:
    try:
        dtype = np.dtype(kind)
        if dtype.kind not in "fiu":
            raise TypeError("no type of numbers")
        given = np.asarray(vectors)
        typed = given.astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(typed, given):
            raise OverflowError("not every number fits")
        return typed
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"query: vector_type {kind!r} does not go with the vectors: {error}") from error


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float)) and not isinstance(value, np.generic) else plain(value)


def names_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Names of columns; a text is one name and not its letters."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def query_fields(
    vectors: Any,
    vector: Any,
    filter: FilterLike | None,
    columns: Sequence[str] | None,
    text_columns: Sequence[str] | None,
    text: str | Mapping[str, Any] | None,
    alpha: float | None,
    **others: Any,
) -> dict[str, Any]:
    """The fields of a Query from the keywords of `search`."""
    vectors = vectors if vector is None else vector
    if alpha is None and text is not None and vectors is not None:
        alpha = DEFAULT_ALPHA
    return {
        "vectors": vectors,
        "filter": to_filter(filter),
        "columns": None if columns is None else names_of(columns),
        "text_columns": None if text_columns is None else names_of(text_columns),
        "text": text,
        "alpha": alpha,
        **others,
    }


_NAMES = {f.name for f in fields(Query)}
_COMMAND_FIELDS = tuple(f.name for f in fields(Query) if f.name not in ("vectors", "ids"))
_command_values = attrgetter(*_COMMAND_FIELDS)
_MAX_COMMANDS = 1024


# By type, too: 1, 1.0 and True are one key to a dict, but not one value to the server.
@lru_cache(_MAX_COMMANDS, typed=True)
def _command(*values: Any) -> bytes:
    query = Query(**dict(zip(_COMMAND_FIELDS, values)))
    return to_json({"command": "VectorSearch", **query.wire(None)})


@lru_cache(_MAX_COMMANDS, typed=True)
def vector_command(
    dataset: str,
    k: int,
    filter: Filter | str | None,
    columns: tuple[str, ...] | None,
    alpha: float | None,
    fusion: str | None,
    text_columns: tuple[str, ...] | None,
    offset: int | None,
    radius: float | None,
    order_by: str | None,
    dims: int | None,
    vector_column: str | None,
    ef: int | None,
    recall: float | None,
    exact: bool,
    timeout: float | None,
) -> bytes:
    """The command of a search near vectors, from the keywords of `search` without a query in between."""
    return Query(
        dataset,
        k=k,
        filter=to_filter(filter),
        columns=columns,
        alpha=alpha,
        fusion=fusion,
        text_columns=text_columns,
        offset=offset,
        radius=radius,
        order_by=order_by,
        dims=dims,
        vector_column=vector_column,
        ef=ef,
        recall=recall,
        exact=exact,
        timeout=timeout,
    ).command()
