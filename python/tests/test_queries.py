"""Queries are values: refined into others, compared, turned into dicts and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from longbow import InvalidArgumentError, Query, col


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


@given(
    vectors=st.one_of(
        st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=4),
        st.integers(1, 3).map(lambda n: np.ones((n, 2), "f4")),
    ),
    k=st.integers(1, 10_000), offset=st.integers(0, 100), ef=whole, recall=share, radius=share, exact=st.booleans(), dims=whole,
    columns=st.one_of(st.none(), st.lists(st.text(max_size=4), max_size=3).map(tuple)), timeout=share,
    text=st.one_of(st.none(), st.text(max_size=5)), alpha=share,
)  # fmt: skip
def test_a_query_survives_its_dict(**values: object) -> None:
    query = Query("books", filter=col("a") == 1, **values)  # type: ignore[arg-type]
    again = Query.from_dict(query.to_dict())
    assert again == query and again.to_dict() == query.to_dict() and hash(again) == hash(query)


def test_the_wire_protocols_search_is_a_query() -> None:
    query = Query.from_dict({"dataset": "b", "vector": [1, 2], "k": 5, "filters": [{"field": "a", "op": "eq", "value": 1}], "text_query": "bow", "deadline_ms": 1500})
    assert (query.text, query.timeout, str(query.filter)) == ("bow", 1.5, "a = 1")
    assert query.wire(None) == {"dataset": "b", "k": 5, "filters": [{"field": "a", "op": "=", "value": 1}], "text_query": "bow", "deadline_ms": 1500}


@pytest.mark.parametrize("wrong", [{"vector": [1]}, {"dataset": "b", "vektor": [1]}])
def test_a_dict_that_is_no_query_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError):
        Query.from_dict(wrong)


def test_a_query_asks_about_one_thing() -> None:
    with pytest.raises(InvalidArgumentError, match="vectors, ids, text or sparse weights"):
        Query("b").questions()
    with pytest.raises(InvalidArgumentError, match="both given"):
        Query("b", vectors=[1.0], ids=[1]).questions()
    assert Query("b", text="bow").questions() is None
