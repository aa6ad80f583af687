"""Filters as every client writes them, over sockets: the rows they choose, in scans, searches and counts."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from flight_calls import Calls, batch, fails, query_batch, vectors

ROWS = 60


@pytest.fixture(scope="module")
def books(_shared_calls: Calls) -> str:
    n = np.arange(ROWS)
    day = datetime.datetime(2024, 1, 1)
    rows = batch(
        n,
        vectors(np.stack([n, np.zeros(ROWS)], axis=1)),
        year=pa.array([None if i % 10 == 9 else 2000 + int(i) for i in n], pa.int64()),
        lang=pa.array([["en", "de", "fr"][i % 3] for i in n], pa.large_utf8()),
        title=pa.array([f"Book {i:02d}%" for i in n]),
        price=pa.array([decimal.Decimal(int(i)) / 4 for i in n], pa.decimal128(10, 2)),
        weight=pa.array([0.1 * i for i in n], pa.float32()),
        sold=pa.array([bool(i % 2) for i in n]),
        added=pa.array([day + datetime.timedelta(hours=int(i)) for i in n], pa.timestamp("us", "UTC")),
        born=pa.array([(day + datetime.timedelta(days=int(i))).date() for i in n], pa.date32()),
        tags=pa.array([[f"t{i % 4}", "all"] if i % 5 else None for i in n], pa.list_(pa.string())),
        level=pa.array((n % 7).astype("uint8")),
    )
    _shared_calls.put("filter-books", rows)
    return "filter-books"


def rows_where(condition: Any) -> list[int]:
    return [i for i in range(ROWS) if condition(i)]


def has_year(i: int) -> bool:
    return i % 10 != 9


ONE_CONDITION = [
    ({"field": "year", "op": "=", "value": "2010"}, lambda i: i == 10),
    ({"field": "year", "operator": "EQ", "value": 2010}, lambda i: i == 10),
    ({"field": "year", "op": "neq", "value": 2010}, lambda i: has_year(i) and i != 10),
    ({"field": "year", "op": "gte", "value": 2050.5}, lambda i: has_year(i) and i > 50),
    ({"field": "year", "op": "in", "value": [2001, "2002", 2e3]}, lambda i: i in (0, 1, 2)),
    ({"field": "year", "op": "NOT IN", "value": "2001,2002"}, lambda i: has_year(i) and i not in (1, 2)),
    ({"field": "year", "op": "is_null"}, lambda i: not has_year(i)),
    ({"field": "year", "op": "exists"}, has_year),
    ({"field": "year", "op": "between", "value": [2010, 2012]}, lambda i: i in (10, 11, 12)),
    ({"field": "year", "op": "range", "value": {"gt": 2010, "lte": 2012}}, lambda i: i in (11, 12)),
    ({"field": "lang", "op": "eq", "value": "de"}, lambda i: i % 3 == 1),
    ({"field": "lang", "op": "in", "value": "de, fr"}, lambda i: i % 3 != 0),
    ({"field": "title", "op": "like", "value": "Book 1_\\%"}, lambda i: 10 <= i < 20),
    ({"field": "title", "op": "contains", "value": "5%"}, lambda i: i % 10 == 5),
    ({"field": "title", "op": "starts_with", "value": "Book 5"}, lambda i: i >= 50),
    ({"field": "price", "op": "<=", "value": 1.25}, lambda i: i <= 5),
    ({"field": "price", "op": "=", "value": "1.25"}, lambda i: i == 5),
    ({"field": "weight", "op": "=", "value": 0.1}, lambda i: i == 1),
    ({"field": "sold", "op": "=", "value": True}, lambda i: i % 2 == 1),
    ({"field": "sold", "op": "!=", "value": "true"}, lambda i: i % 2 == 0),
    ({"field": "added", "op": "<", "value": "2024-01-01T05:00:00Z"}, lambda i: i < 5),
    ({"field": "born", "op": ">=", "value": "2024-02-20"}, lambda i: i >= 50),
    ({"field": "tags", "op": "contains", "value": "t1"}, lambda i: i % 5 and i % 4 == 1),
    ({"field": "tags", "op": "in", "value": ["t1", "t2"]}, lambda i: i % 5 and i % 4 in (1, 2)),
    ({"field": "tags", "op": "not in", "value": ["t1", "t2"]}, lambda i: i % 5 and i % 4 not in (1, 2)),
    ({"field": "level", "op": ">", "value": -300}, lambda i: True),
    ({"field": "level", "op": "=", "value": 300}, lambda i: False),
    ({"logic": "OR", "filters": [{"field": "year", "op": "<", "value": 2002}, {"field": "sold", "op": "=", "value": 1}]}, lambda i: i < 2 or i % 2 == 1),
    ({"logic": "not", "filters": [{"field": "year", "op": "<", "value": 2050}]}, lambda i: has_year(i) and i >= 50),
]  # fmt: skip


@pytest.mark.parametrize("condition, expected", ONE_CONDITION, ids=lambda v: json.dumps(v) if isinstance(v, dict) else "")
def test_a_condition_chooses_its_rows_in_scans_searches_and_counts(
    calls: Calls, books: str, condition: dict[str, Any], expected: Any
) -> None:
    wanted = rows_where(expected)
    assert calls.ids(books, condition) == wanted
    assert calls.get({"name": books, "filters": [condition], "count": True})["count"].to_pylist() == [len(wanted)]
    search = {"dataset": books, "vector": [0, 0], "k": ROWS, "filters": [condition]}
    assert calls.get({"search": search})["id"].to_pylist() == wanted


TEXTS = [
    ("year >= 2050 and lang in ('en','de')", lambda i: has_year(i) and i >= 50 and i % 3 < 2),
    ("not (sold = true or year is null)", lambda i: i % 2 == 0 and has_year(i)),
    ("year exists and not sold = true and not year isnull", lambda i: i % 2 == 0 and has_year(i)),
    ("title like 'Book 0%' and tags contains 't1'", lambda i: i < 10 and i % 5 and i % 4 == 1),
    ("tags not in ('t0', 't3')", lambda i: i % 5 and i % 4 in (1, 2)),
    ('"year" between 2005 and 2007', lambda i: i in (5, 6, 7)),
    ("added >= timestamp '2024-01-03T00:00:00Z'", lambda i: i >= 48),
    ("price < 1 && !(level = 0)", lambda i: i < 4 and i % 7 != 0),
]


@pytest.mark.parametrize("text, expected", TEXTS)
def test_filters_may_be_text(calls: Calls, books: str, text: str, expected: Any) -> None:
    wanted = rows_where(expected)
    assert calls.get({"name": books, "filter": text})["id"].to_pylist() == wanted
    found = calls.get({"search": {"dataset": books, "vector": [0, 0], "k": ROWS, "filters": text}})
    assert found["id"].to_pylist() == wanted
    (table,) = calls.search_action(dataset=books, vector=[0, 0], k=ROWS, filter=text)
    assert table["id"].to_pylist() == wanted
    command = {"command": "VectorSearch", "dataset": books, "k": ROWS, "filter": text}
    ((answer, _),) = calls.exchange(command, query_batch([[0, 0]]))
    assert answer["id"].to_pylist() == wanted


def test_what_is_wrong_with_a_filter_is_said(calls: Calls, books: str) -> None:
    search = {"dataset": books, "vector": [0, 0], "k": 1}
    with fails("InvalidArgument", "resembles", "contains"):
        calls.get({"search": search | {"filters": [{"field": "year", "op": "resembles", "value": 1}]}})
    with fails("InvalidArgument", "yeer", '"year"'):
        calls.get({"search": search | {"filter": "yeer = 1"}})
    with fails("InvalidArgument", "year", "cheap"):
        calls.get({"search": search | {"filter": "year = 'cheap'"}})
    with fails("InvalidArgument", "position 8"):
        calls.get({"search": search | {"filter": "year = "}})
    assert calls.get({"name": books, "filter": "yeer = 1"}).num_rows == 0, "old clients know a scan of nothing"


def test_scans_and_counts_take_a_timeout(calls: Calls, books: str) -> None:
    for ticket in ({"name": books}, {"name": books, "count": True}, {"name": books, "order_by": "year"}):
        assert calls.get({**ticket, "timeout_ms": 60_000}) == calls.get(ticket)
        with fails("InvalidArgument", "timeout_ms"):
            calls.get({**ticket, "timeout_ms": -1})


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def test_an_allow_list_is_uploaded_once_and_used_by_name(calls: Calls, books: str) -> None:
    table = pa.table({"e2e-mine": pa.array([3, 5, 7, 1000], pa.uint32())})
    assert calls.action_json("put-allow-list", stream_of(table)) == {"count": 4}
    assert calls.ids(books, {"field": "id", "op": "in_list", "value": "e2e-mine"}) == [3, 5, 7]
    search = {"dataset": books, "vector": [6, 0], "k": 2, "filter": "id in list 'e2e-mine'"}
    assert calls.get({"search": search})["id"].to_pylist() == [5, 7]
    calls.action("put-allow-list", {"name": "e2e-mine", "values": [8]})
    assert calls.get({"search": search})["id"].to_pylist() == [8]
    calls.action("put-allow-list", {"name": "e2e-mine", "values": [8, 2**64 - 1]})
    assert calls.get({"search": search})["id"].to_pylist() == [8]
    calls.action("drop-allow-list", {"name": "e2e-mine"})
    with fails("InvalidArgument", "put-allow-list"):
        calls.get({"search": search})
    with fails("NotFound", "e2e-mine"):
        calls.action("drop-allow-list", {"name": "e2e-mine"})


def test_an_allow_list_has_any_length_in_one_message_or_in_parts(calls: Calls, books: str) -> None:
    search = {"dataset": books, "vector": [6, 0], "k": 2, "filter": "id in list 'e2e-long'"}
    millions = pa.table({"e2e-long": np.arange(5, 5_000_005)})
    assert calls.action_json("put-allow-list", stream_of(millions)) == {"count": 5_000_000}
    assert calls.get({"search": search})["id"].to_pylist() == [6, 5]
    part = pa.table({"e2e-long": pa.array([7], pa.int64())}).replace_schema_metadata({"longbow.append": "true"})
    calls.action("put-allow-list", {"name": "e2e-long", "values": [5]})
    calls.action("put-allow-list", stream_of(part))
    calls.action("put-allow-list", {"name": "e2e-long", "values": [8], "append": True})
    assert sorted(calls.get({"search": search | {"k": 9}})["id"].to_pylist()) == [5, 7, 8]
    with fails("InvalidArgument", "int64", "string"):
        calls.action("put-allow-list", {"name": "e2e-long", "values": ["x"], "append": True})
    calls.action("drop-allow-list", {"name": "e2e-long"})
    with fails("NotFound", "append"):
        calls.action("put-allow-list", {"name": "e2e-long", "values": [8], "append": True})
