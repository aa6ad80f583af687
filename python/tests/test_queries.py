"""Queries are values: refined into others, compared, turned into dicts and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from longbow import InvalidArgumentError, Query, col
from longbow.columns import vector_array


def test_refining_leaves_the_query_as_it_was() -> None:
    first = Query("books", vectors=[0.5, 1.0])
    second = first.where("year >= 1990").where(col("lang") == "en").limit(3).skip(6).select("title").effort(recall=0.99)
    assert first == Query("books", vectors=[0.5, 1.0])
    assert second.to_dict() == {
        "dataset": "books", "vector": [0.5, 1.0], "k": 3, "offset": 6, "filter": "year >= 1990 and lang = 'en'",
        "columns": ["title"], "recall": 0.99,
    }  # fmt: skip
    with pytest.raises(AttributeError):
        first.k = 4  # type: ignore[misc]


whole = st.one_of(st.none(), st.integers(1, 1000))
share = st.one_of(st.none(), st.floats(0.01, 1))


def arrays(dtype: str) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    kind = np.dtype(dtype)
    elements: st.SearchStrategy[Any]
    if kind.kind in "iu":
        elements = st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    elif kind.kind == "c":
        elements = st.complex_numbers(max_magnitude=100, allow_nan=False)
    else:
        elements = st.floats(-1, 1, width=16) if dtype == "float16" else st.floats(-1, 1)
    one = st.lists(elements, min_size=2, max_size=2)
    return st.one_of(one, st.lists(one, min_size=1, max_size=3)).map(lambda numbers: np.array(numbers, kind))


DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128".split()
keys = st.one_of(st.integers(-(2**62), 2**62), st.text(max_size=4))
several = st.one_of(st.lists(st.integers(0, 100), min_size=1), st.lists(st.text(max_size=3), min_size=1))
asked = st.one_of(
    st.fixed_dictionaries({"vectors": st.lists(st.floats(-1, 1), min_size=1, max_size=4)}),
    st.fixed_dictionaries({"vectors": st.sampled_from(DTYPES).flatmap(arrays)}),
    st.fixed_dictionaries({"vectors": arrays("float64").map(lambda a: vector_array(np.atleast_2d(a)))}),
    st.fixed_dictionaries({"ids": st.one_of(keys, several, several.map(tuple), several.map(np.array), several.map(pa.array), st.integers(0, 9).map(np.int64))}),
)


@given(
    asked=asked,
    k=st.integers(1, 10_000), include_vectors=st.one_of(st.none(), st.booleans()), offset=st.one_of(st.none(), st.integers(0, 100)), ef=whole, recall=share, radius=share, exact=st.booleans(), dims=whole,
    columns=st.one_of(st.none(), st.lists(st.text(max_size=4), max_size=3).map(tuple)), timeout=share,
    text=st.one_of(st.none(), st.text(max_size=5)), alpha=share,
)  # fmt: skip
def test_a_query_survives_its_dict(asked: dict[str, Any], **values: Any) -> None:
    query = Query("books", filter=col("a") == 1, **asked, **values)
    again = Query.from_dict(json.loads(json.dumps(query.to_dict())))
    assert again == query and again.to_dict() == query.to_dict() and hash(again) == hash(query)
    (name, column, single), theirs = query.questions() or ("", None, False), again.questions()
    assert theirs is not None and (theirs[0], theirs[2]) == (name, single) and theirs[1].equals(column)


def test_numbers_of_numpy_and_arrow_are_numbers() -> None:
    query = Query("b", vectors=[np.float64(0.1), 2], k=np.int64(3), radius=np.float32(0.5), ef=pa.scalar(7))  # type: ignore[arg-type]
    assert json.loads(json.dumps(query.to_dict())) == {"dataset": "b", "vector": [0.1, 2], "k": 3, "radius": 0.5, "ef": 7}
    assert Query.from_dict(query.to_dict()) == query and json.loads(query.command())["k"] == 3


def test_values_that_python_takes_for_equal_are_told_apart_on_the_wire() -> None:
    """Commands are made once for equal queries, and to a dict 1, 1.0 and True are equal."""
    one, true, real = col("a") == 1, col("a") == True, col("a") == 1.0  # noqa: E712
    for values in ({"filter": f} for f in (one, true, real)), ({"radius": 1}, {"radius": True}, {"radius": 1.0}):
        said = [json.loads(Query("b", vectors=[1.0], **value).command()) for value in values]
        assert [repr(s["radius"] if "radius" in s else s["filters"][0]["value"]) for s in said] == ["1", "True", "1.0"]
    assert len({one, true, real, col("a") == 1}) == 3


def test_the_wire_protocols_search_is_a_query() -> None:
    query = Query.from_dict({"dataset": "b", "vector": [1, 2], "k": 5, "filters": [{"field": "a", "op": "eq", "value": 1}], "text_query": "bow", "deadline_ms": 1500})
    assert (query.text, query.timeout, str(query.filter)) == ("bow", 1.5, "a = 1")
    assert query.wire(None) == {"dataset": "b", "k": 5, "filters": [{"field": "a", "op": "=", "value": 1}], "text_query": "bow", "deadline_ms": 1500}


def test_every_key_of_the_wire_protocols_search_is_known() -> None:
    query = Query.from_dict({"name": "b", "id": "x", "limit": 4, "local_only": True, "include_vectors": True, "timeout_ms": 250, "vector_format": "f32"})
    assert query == Query("b", ids="x", k=4, include_vectors=True, timeout=0.25, vector_format="f32")
    assert query.wire(None) == {"dataset": "b", "k": 4, "include_vectors": True, "vector_format": "f32", "deadline_ms": 250}
    assert Query.from_dict({"dataset": "b", "ids": "abc", "projection": ["a"]}) == Query("b", ids="abc", columns=("a",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"vector": [1]},
        {"dataset": "b", "vektor": [1]},
        {"dataset": "b", "vector": [1], "k": 3, "limit": 4},
        {"dataset": "b", "vector": [300], "vector_type": "int8"},
        {"dataset": "b", "vector": [1], "vector_type": "str"},
    ],
)
def test_a_dict_that_is_no_query_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        Query.from_dict(wrong)


@pytest.mark.parametrize("wrong", [None, "books", [1]])
def test_what_is_no_dict_is_no_query(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="query: expected a dict, got"):
        Query.from_dict(wrong)


@pytest.mark.parametrize("name, value", [("k", "3"), ("k", -1), ("offset", "0"), ("offset", -1), ("text", ""), ("timeout", -1)])
def test_values_that_are_none_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{name}: expected .* got {value!r}"):
        Query("b", **{"vectors": [1.0], name: value}).wire(None)


def test_one_column_need_not_be_in_a_list() -> None:
    assert Query.from_dict({"dataset": "b", "vector": [1], "columns": "year"}).columns == ("year",)
    assert Query("b").matching("bow", columns="title").text_columns == ("title",)


def test_a_query_asks_about_one_thing() -> None:
    with pytest.raises(InvalidArgumentError, match="vectors, ids, text or sparse weights"):
        Query("b").questions()
    with pytest.raises(InvalidArgumentError, match="both given"):
        Query("b", vectors=[1.0], ids=[1]).questions()
    assert Query("b", text="bow").questions() is None


def test_a_query_shows_what_is_asked_and_not_its_numbers() -> None:
    query = Query("books", vectors=np.zeros((2, 128), "f4")).where("year > 1900").limit(3)
    assert repr(query) == "Query('books', vectors=<2 x 128>, k=3, filter=year > 1900)"
    assert repr(Query("books", vectors=[0.5, 1.0], exact=True)) == "Query('books', vectors=<2>, k=10, exact=True)"
