"""Filters in every notation are one tree, which prints as text that means the same."""

from __future__ import annotations

import datetime
from typing import Any

import longbow
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from longbow import col
from longbow.filters import Comparison, Filter, Group, filters_json, parse, to_filter


@pytest.mark.parametrize(
    "text, same",
    [
        ("year >= 2024", col("year") >= 2024),
        ("year>=2024 and lang in ('en','de')", (col("year") >= 2024) & col("lang").is_in(["en", "de"])),
        ("NOT (a = 1 OR b <> 2)", ~((col("a") == 1) | (col("b") != 2))),
        ("a = 1 or b = 2 and c = 3", (col("a") == 1) | ((col("b") == 2) & (col("c") == 3))),
        ("(a = 1 or b = 2) and c = 3", ((col("a") == 1) | (col("b") == 2)) & (col("c") == 3)),
        ("a between 1 and 2.5", col("a").between(1, 2.5)),
        ("a is null and b is not null", (col("a") == None) & (col("b") != None)),  # noqa: E711
        ("title like 'bow%' or title like '%bow%'", col("title").starts_with("bow") | col("title").contains("bow")),
        ("title starts with 'it''s'", col("title").starts_with("it's")),
        ('"a column" = true', col("a column") == True),  # noqa: E712
        ('"say ""hi""" = -1.5e3', col('say "hi"') == -1500.0),
        ("meta.author contains 'ü'", col("meta.author").contains("ü")),
        ("a not in (1, 2)", col("a").not_in([1, 2])),
        ("a not contains 'x'", ~col("a").contains("x")),
        ("a in ()", col("a").is_in([])),
        ("a like 'x%y_' and id in list 'mine'", col("a").like("x%y_") & col("id").in_list("mine")),
    ],
)
def test_text_and_builder_make_the_same_tree(text: str, same: Filter) -> None:
    assert parse(text) == same
    assert parse(str(same)) == same


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "a column's name at position 1"),
        ("year >", "a value"),
        ("year >= 2024 lang = 'en'", "and, or, or the end at position 14"),
        ("(a = 1", "'\\)'"),
        ("a = 'open", "position 5"),
        ("a = b", "a value"),
        ("a ~ 1", "position 3"),
        ("and = 1", "a column's name"),
        ("a not = 1", "an operator"),
    ],
)
def test_text_that_is_no_filter_is_refused_at_its_place(text: str, message: str) -> None:
    with pytest.raises(longbow.InvalidArgumentError, match=message):
        parse(text)


names = st.text(min_size=1, max_size=8).filter(lambda s: "\x00" not in s)
scalars = st.one_of(st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8))
comparisons = st.one_of(
    st.builds(Comparison, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), scalars),
    st.builds(Comparison, names, st.sampled_from(["in", "not in"]), st.lists(scalars, max_size=3).map(tuple)),
    st.builds(Comparison, names, st.sampled_from(["contains", "prefix"]), st.text(max_size=8)),
    st.builds(Comparison, names, st.sampled_from(["is null", "is not null"])),
)


def joined(parts: list[Filter], by_and: bool) -> Filter:
    tree = parts[0]
    for part in parts[1:]:
        tree = tree & part if by_and else tree | part
    return tree


trees = st.recursive(
    comparisons, lambda inner: st.one_of(st.builds(joined, st.lists(inner, min_size=2, max_size=3), st.booleans()), inner.map(lambda f: ~f)), max_leaves=8
)


@given(trees)
def test_a_tree_survives_text_and_json(tree: Filter) -> None:
    assert parse(str(tree)) == tree
    assert to_filter(tree.to_json()) == tree


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        tree = parse(text)
    except longbow.InvalidArgumentError:
        return
    assert parse(str(tree)) == tree


def test_what_clients_write_becomes_filters() -> None:
    year = col("year") >= 2024
    for given_as in (year, "year >= 2024", ("year", ">=", 2024), ("year", "gte", np.int32(2024)), {"field": "year", "operator": "GE", "value": 2024}, [("year", ">=", 2024)], [[year]]):
        assert to_filter(given_as) == year
    assert filters_json(["a = 1", ("b", "in", "x, y")]) == [{"field": "a", "op": "=", "value": 1}, {"field": "b", "op": "in", "value": ["x", "y"]}]
    assert filters_json(None) is None and filters_json([]) is None and to_filter({}) is None
    assert filters_json([("a", "<", 2**64), ("a", ">", -(10**400)), ("a", "=", 2**64 - 1)]) == [
        {"field": "a", "op": "<", "value": 2.0**64},
        {"field": "a", "op": ">", "value": -1e300},
        {"field": "a", "op": "=", "value": 2**64 - 1},
    ], "what no integer column can hold is a number all the same"
    assert to_filter(("a", "is null")) == Comparison("a", "is null")
    assert (col("at") < datetime.date(2025, 1, 2)).to_json()["value"] == "2025-01-02"
    assert isinstance(to_filter({"logic": "OR", "filters": ["a = 1", "b = 1"]}), Group)


@pytest.mark.parametrize("wrong", [5, ("a",), {"op": "="}, {"field": "a"}, ("a", "~", 1), ("a", "=", None), ("a", "=", float("nan")), ("a", "=", [1]), ("a", "in", 5), {"logic": "xor", "filters": ["a = 1", "b = 2"]}])
def test_what_is_no_filter_is_refused(wrong: Any) -> None:
    with pytest.raises(longbow.InvalidArgumentError):
        to_filter(wrong)


def test_a_filter_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="join filters with"):
        1 < col("a") < 2  # noqa: B015
    with pytest.raises(TypeError):
        (col("a") == 1) and (col("b") == 2)
