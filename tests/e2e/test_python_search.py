"""Queries through the package: fluent, as dicts, by id, in batches, cancelled, from asyncio."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from longbow import col

N, DIM = 600, 8
MATRIX = np.random.default_rng(5).standard_normal((N, DIM)).astype("f4")


@pytest.fixture(scope="module")
def books(server: longbow.Server) -> Iterator[longbow.Dataset]:
    with server.connect() as client:
        ds = client.dataset("books-of-search-tests")
        ds.insert({"id": np.arange(N), "vector": MATRIX, "year": 1900 + np.arange(N) % 100, "lang": ["en", "de", "fr"] * (N // 3)})
        yield ds
        ds.drop()


def nearest(query: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], k: int) -> list[int]:
    distances = ((MATRIX[rows].astype("f8") - query) ** 2).sum(axis=1)
    return [int(row) for row in rows[np.lexsort((rows, distances))][:k]]


ALL = np.arange(N)


def test_a_fluent_query_finds_what_brute_force_finds(books: longbow.Dataset) -> None:
    rows = ALL[(1900 + ALL % 100 >= 1950) & (ALL % 3 == 1)]
    query = books.search(MATRIX[3]).where("year >= 1950", col("lang") == "de").limit(7).select("year", "lang")
    hits = query.run()
    assert hits["id"].to_pylist() == nearest(MATRIX[3], rows, 7)
    assert hits.column_names == ["id", "score", "distance", "year", "lang"] and set(hits["lang"].to_pylist()) == {"de"}
    assert query.exactly().run() == hits and query.run().stats.coverage in ("exact", "approximate")
    assert query.to_pandas()["id"].tolist() == query.to_polars()["id"].to_list() == [row["id"] for row in query.to_list()] == query.to_arrow()["id"].to_pylist()


def test_dicts_keywords_and_the_fluent_form_say_the_same(books: longbow.Dataset, server: longbow.Server) -> None:
    query = books.search(MATRIX[3].tolist()).where("year >= 1950").limit(4)
    with server.connect() as client:
        expected = query.run()
        assert client.run(query.to_dict()) == expected
        assert client.run(json.loads(json.dumps(query.to_dict()))) == expected
        assert client.search(vector=MATRIX[3], k=4, filter="year >= 1950", dataset=books.name) == expected
        assert client.run({"dataset": books.name, "vector": MATRIX[3].tolist(), "k": 4, "filters": [{"field": "year", "op": ">=", "value": 1950}]}) == expected


def test_pages_neither_repeat_nor_skip(books: longbow.Dataset) -> None:
    whole = books.search(MATRIX[:2]).limit(30).run()
    pages = [books.search(MATRIX[:2]).limit(10).skip(10 * page).run() for page in range(3)]
    for query in range(2):
        ids = [i for page in pages for i in page.by_query()[query]["id"].to_pylist()]
        assert ids == whole.by_query()[query]["id"].to_pylist()
    assert {page.stats.coverage for page in pages} == {"exact"}, "the first one, too: the others go on from it"
    assert books.search(MATRIX[0]).limit(10).skip(N + 5).run().num_rows == 0


def test_a_radius_keeps_what_is_near(books: longbow.Dataset) -> None:
    distances = np.sqrt(((MATRIX - MATRIX[3]) ** 2).sum(axis=1))
    radius = float(np.sort(distances)[20]) + 1e-4
    hits = books.search(MATRIX[3]).limit(100).within(radius).run()
    assert hits["id"].to_pylist() == nearest(MATRIX[3], ALL, 21) and max(hits["distance"].to_pylist()) <= radius


def test_stored_rows_are_asked_near(books: longbow.Dataset) -> None:
    hits = books.search_by_id(3, k=5, columns=["year"])
    assert hits["id"].to_pylist() == [i for i in nearest(MATRIX[3], ALL, 6) if i != 3] and "query" not in hits.column_names
    two = books.search_by_id([3, 5], k=2, filter="lang = 'en'")
    assert [len(part) for part in two.by_query()] == [2, 2]
    with pytest.raises(longbow.NotFoundError):
        books.search_by_id(10**9)


def test_rows_are_fetched_by_id_whatever_their_number(books: longbow.Dataset) -> None:
    assert books.get(ids=[5, 3, 10**9], columns=["id", "year"]).to_list() == [{"id": 3, "year": 1903}, {"id": 5, "year": 1905}]
    assert books.get(ids=range(25_000), columns=["id"]).num_rows == N
    assert books.get("year = 1903", ids=[3, 5])["id"].to_pylist() == [3]
    assert books.get(ids=[], columns=["id"]).num_rows == 0 and books.get(ids=7)["id"].to_pylist() == [7]
    assert books.count() == N and books.count(col("lang") == "fr") == N // 3
    assert sum(batch.num_rows for batch in books.scan("lang != 'fr'")) == 2 * N // 3


def test_ids_come_as_whatever_holds_them(books: longbow.Dataset, client: longbow.Client, dataset: str) -> None:
    hits = books.search(MATRIX[3]).limit(4).run()
    expected = sorted(hits["id"].to_pylist())
    several = [expected, tuple(expected), np.array(expected), hits["id"], hits["id"].combine_chunks(), pd.Series(expected), pl.Series(expected), list(hits["id"]), iter(expected)]
    for ids in several:
        assert books.get(ids, columns=["id"])["id"].to_pylist() == expected, type(ids)
    for one in (3, np.int64(3), np.uint8(3), hits["id"][hits["id"].to_pylist().index(3)], np.array(3)):
        assert books.get(one, columns=["id"])["id"].to_pylist() == books.get(ids=one)["id"].to_pylist() == [3], type(one)
        assert len(books.search_by_id(one, k=2)) == 2
    assert books.get(range(25_000), columns=["id"]).num_rows == N and books.get([7, 7]).num_rows == 1
    assert books.get([5, 3], filter="year = 1903")["id"].to_pylist() == [3] == books.get("year = 1903", ids=[3, 5])["id"].to_pylist()
    assert books.get([], columns=["id"]).num_rows == 0 and books.get(filter=[], columns=["id"]).num_rows == N
    assert books.get(["year = 1903", ("lang", "=", "en")], limit=1)["id"].to_pylist() == [3]
    assert [len(part) for part in books.search_by_id(hits["id"], k=1).by_query()] == [1] * 4
    for wrong in ([1.5], [None], True, [b"a"], {1: 2}, [[1]], 3.5):
        with pytest.raises(longbow.InvalidArgumentError):
            books.get(ids=wrong)
    with pytest.raises(longbow.InvalidArgumentError, match="given twice"):
        books.get([1], ids=[2])

    client.insert(dataset, {"id": ["a", "b", "c", "d"], "n": [1, 2, 3, 4]})
    assert client.get(dataset, ids="a")["n"].to_pylist() == [1] and client.get(dataset, pa.array(["b", "a"]))["n"].to_pylist() == [1, 2]
    client.delete(dataset, np.array(["a", "b"]))
    client.delete(dataset, pa.scalar("c"))
    assert client.get(dataset)["id"].to_pylist() == ["d"]
    client.delete(books.name, np.array([], int))


def test_searches_of_a_client_and_of_a_dataset_take_the_same(books: longbow.Dataset, client: longbow.Client) -> None:
    of_client, of_dataset = (dict(inspect.signature(f).parameters) for f in (longbow.Client.search, longbow.Dataset.search))
    del of_client["dataset"]
    assert [str(p) for p in of_client.values()] == [str(p) for p in of_dataset.values()]
    asked: list[dict[str, Any]] = [
        {"vector": MATRIX[3], "k": 3, "filter": "year >= 1950"},
        {"vectors": MATRIX[:2], "columns": ["year"], "offset": 2, "exact": True, "timeout": 30},
        {"vector": MATRIX[3], "radius": 2.5, "k": 50, "order_by": "year desc"},
        {"ids": [3, 4], "k": 2},
        {"vector": MATRIX[3], "text": "en", "alpha": 0.9, "fusion": "weighted", "text_columns": ["lang"]},
        {"vector": MATRIX[3], "text": "de"},
        {"vector": MATRIX[3], "dims": 4, "recall": 0.99, "vector_column": "vector"},
        {"vector": MATRIX[3], "ef": 64},
    ]
    for keywords in asked:
        hits = client.search(books.name, **keywords)
        again = books.search(**keywords).run()
        assert len(hits) > 0 and again.drop_columns(["distance"]) == hits.drop_columns(["distance"]), keywords  # of words alone: NaN
    assert books.search(MATRIX[3], 2).run() == client.search(books.name, MATRIX[3], 2)


def test_a_query_becomes_whatever_its_hits_become(books: longbow.Dataset) -> None:
    query = books.search(MATRIX[3], k=3).select("year")
    ids = query.run()["id"].to_pylist()
    assert query.to_numpy("id").tolist() == query.to_numpy()["id"].tolist() == ids
    assert pa.table(query)["id"].to_pylist() == query.to_batches()[0]["id"].to_pylist() == ids
    if tuple(map(int, pl.__version__.split(".")[:2])) >= (1, 3):  # from which on it takes __arrow_c_stream__
        assert pl.DataFrame(query)["id"].to_list() == ids
    assert [hit.id for hit in query.to_pydantic()] == query.to_dask()["id"].compute().tolist() == ids


def test_a_scan_that_is_left_early_ends_on_the_server(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, {"id": np.arange(100_000), "vector": np.ones((100_000, 64), "f4")})
    for _ in range(20):
        next(iter(client.scan(dataset)))
    assert client.count(dataset) == 100_000
    client.delete_dataset(dataset)


def test_many_queries_in_one_call(books: longbow.Dataset) -> None:
    hits = books.search(MATRIX).limit(3).select().run()
    assert hits.num_rows == 3 * N and hits["id"].to_pylist()[::3] == list(range(N))
    assert [part["id"][0].as_py() for part in hits.by_query()] == list(range(N))


def test_a_vector_is_the_callers_alone_however_it_lies_in_memory(books: longbow.Dataset, client: longbow.Client) -> None:
    """A stream keeps one vector's memory for all its questions: what one asked shows in no other's hits."""
    wanted = [nearest(row, ALL, 3) for row in MATRIX[:50]]
    columns = np.asfortranarray(MATRIX)
    for how in (lambda i: MATRIX[i], lambda i: columns[i], lambda i: MATRIX[i].astype("f8"), lambda i: MATRIX[i].astype(">f4"), lambda i: MATRIX[i].tolist()):
        assert [client.search(books.name, how(i), k=3, columns=[])["id"].to_pylist() for i in range(50)] == wanted
    asked = MATRIX[0].copy()
    first = client.search(books.name, asked, k=3)
    asked[:] = MATRIX[1]
    second = client.search(books.name, asked, k=3)
    assert [first["id"].to_pylist(), second["id"].to_pylist()] == wanted[:2] and first.column_names == second.column_names
    for width in (4, 8, 4):  # each width has a stream of its own
        if width == 8:
            assert client.search(books.name, MATRIX[2], k=3)["id"].to_pylist() == wanted[2]
        else:
            with pytest.raises(longbow.DimensionMismatchError):
                client.search(books.name, MATRIX[2][:width], k=3)


def test_more_queries_than_the_server_takes_at_once_are_answered_as_one_batch(books: longbow.Dataset) -> None:
    """1,024 queries are a batch, and its hits are bounded, too: 2,500 of 400 hits each would pass both limits."""
    asked = np.tile(ALL, 5)[:2500]
    hits = books.search(MATRIX[asked]).limit(2).select("year").checking_recall().run()
    assert hits["query"].to_pylist() == [i for i in range(2500) for _ in range(2)]
    assert hits["id"].to_pylist()[::2] == asked.tolist() and hits.column_names == ["id", "score", "distance", "query", "year"]
    few = books.search(MATRIX[asked[:100]]).limit(2).checking_recall().run()
    assert hits.stats.more["recall"] == few.stats.more["recall"] == 1.0 and hits.stats.distances == 25 * few.stats.distances
    assert [part["id"].to_pylist() for part in hits.by_query()[:100]] == [part["id"].to_pylist() for part in few.by_query()]

    many = books.search(MATRIX[asked]).limit(500).select().run()
    assert len(many) == 2500 * 500 and many["id"].to_pylist()[::500] == asked.tolist()
    assert books.search(MATRIX[asked]).limit(1).where("year < 0").run().num_rows == 0
    with pytest.raises(longbow.DeadlineExceededError):
        books.search(MATRIX[asked]).within_time(1e-9).run()


def test_a_query_is_explained_and_analysed(books: longbow.Dataset) -> None:
    query = books.search(MATRIX[3]).where("year >= 1950").limit(4)
    plans = query.explain()
    assert len(plans) >= 1 and plans["chosen"].to_pylist().count(True) == 1 and set(plans["selected"].to_pylist()) == {N // 2}
    (chosen,) = [plan for plan in query.explain(analyze=True) if plan["chosen"]]
    assert chosen["hits"] == 4 and chosen["total_nanos"] > 0


def test_first_dimensions_order_and_recall(books: longbow.Dataset) -> None:
    near = books.search(MATRIX[3]).first_dims(4).limit(3).run()
    assert near["id"][0].as_py() == 3
    years = books.search(MATRIX[3]).limit(20).ordered_by("year desc").run()["year"].to_pylist()
    assert years == sorted(years, reverse=True) and len(years) == 20
    stats = books.search(MATRIX[3]).checking_recall().within_time(5, allow_partial=True).run().stats
    assert 0 <= stats.more["recall"] <= 1


def test_patterns_and_uploaded_lists_choose_rows(books: longbow.Dataset, client: longbow.Client) -> None:
    assert books.count(col("lang").like("_e")) == N // 3 and books.count("lang like '%r'") == N // 3
    assert client.put_allow_list("mine", range(10)) == 10
    try:
        assert books.count("id in list 'mine'") == 10
        assert set(books.search(MATRIX[3]).where(col("id").in_list("mine")).limit(50).run()["id"].to_pylist()) == set(range(10))
        assert client.put_allow_list("mine", [3, 2**64 - 1]) == 2 and books.count("id in list 'mine'") == 1
        assert client.put_allow_list("mine", []) == 0 and books.count("id in list 'mine'") == 0, "nothing is allowed"
        with pytest.raises(longbow.InvalidArgumentError, match="column 'mine'"):
            client.put_allow_list("mine", [3, "a"])
    finally:
        client.drop_allow_list("mine")
    with pytest.raises(longbow.LongbowQueryError):
        books.search(MATRIX[3]).where(col("id").in_list("mine")).run()


def test_keys_beyond_int64_are_asked_by_number(client: longbow.Client, dataset: str) -> None:
    near, far = 2**64 - 1, 2**63
    client.insert(dataset, [{"id": 1, "vector": [0.0, 0.0]}, {"id": far, "vector": [9.0, 0.0]}, {"id": near, "vector": [1.0, 0.0]}])
    assert client.search(dataset, ids=[1, far], k=1).to_arrow()["id"].to_pylist() == [near, near]
    assert client.count(dataset, col("id").is_in([1, near])) == 2


@pytest.mark.parametrize("column", ["id", "year"])
def test_an_empty_list_chooses_nothing(books: longbow.Dataset, client: longbow.Client, column: str) -> None:
    assert client.put_allow_list("empty", []) == 0
    assert books.count(col(column).in_list("empty")) == 0
    for wrong in (5, "abc", [1, "a"], [2**64]):
        with pytest.raises(longbow.InvalidArgumentError, match="column 'wrong'"):
            client.put_allow_list("wrong", wrong)  # type: ignore[arg-type]


def test_lists_longer_than_a_message_are_uploaded_in_parts(books: longbow.Dataset, client: longbow.Client) -> None:
    millions = np.arange(10_000_000, 0, -1)
    assert millions.nbytes > 2 * (32 << 20), "three messages"
    uneven = ["x" * (40 << 20), *map(str, range(N)), "y" * (40 << 20)]
    try:
        assert client.put_allow_list("long", millions) == len(millions)
        assert books.count("id in list 'long'") == N - 1 and books.count("id in list 'long' and id = 0") == 0
        assert client.put_allow_list("long", uneven) == N + 2
        assert client.put_allow_list("long", pa.array([], pa.int64())) == 0
        assert books.count("id in list 'long'") == 0
    finally:
        client.drop_allow_list("long")


def test_words_and_weights_rank_alone_and_beside_a_vector(client: longbow.Client, dataset: str) -> None:
    weights = pa.array([[(7, 1.0), (42, 0.5)], [(7, 0.1)], []], pa.map_(pa.uint32(), pa.float32()))
    rows = {"id": [1, 2, 3], "vector": np.eye(3, dtype="f4"), "title": ["long bow", "cross bow", "arrow"], "note": ["arrow", None, "bow bow"], "terms": weights}
    client.insert(dataset, rows)
    ds, third = client.dataset(dataset), [0, 0, 1]

    def ids(query: longbow.Query) -> list[int]:
        return [int(row) for row in query.run()["id"].to_pylist()]

    assert ids(ds.search(text="cross")) == [2] and ids(ds.search(text="bow -long")) == [3, 2]
    assert ids(ds.search().matching("arrow", columns=["title"])) == [3]
    assert client.search(dataset, text="arrow", text_columns=["note"])["id"].to_pylist() == [1]
    assert ids(ds.search().matching_weights({7: 1.0, 42: 0.5})) == [1, 2]
    assert ids(ds.search(third).matching("long", alpha=0)) == [1] and ids(ds.search(third).matching("long", alpha=1))[0] == 3
    # Without a word on it both sides count the same.
    for query in (ds.search(third).matching("long"), ds.search(third).matching_weights({42: 1.0}, column="terms")):
        assert sorted(ids(query)) == [1, 2, 3] and set(ids(query)[:2]) == {1, 3}
    assert client.search(dataset, third, text="long") == ds.search(third).matching("long").run()
    # First by words and second by vector is more than first by vector alone to ranks, and less to scores.
    best = {fusion: ids(ds.search(third).matching("long", alpha=0.9, fusion=fusion))[0] for fusion in ("rrf", "weighted")}
    assert best == {"rrf": 1, "weighted": 3}
    with pytest.raises(longbow.InvalidArgumentError, match="known are rrf, weighted"):
        ds.search(third).matching("long", fusion="magic").run()


def test_an_unknown_column_is_an_error_wherever_rows_are_chosen(books: longbow.Dataset, client: longbow.Client) -> None:
    for ask in (
        lambda: books.search(MATRIX[0]).where("yaer > 1950").run(),
        lambda: books.get("yaer > 1950"),
        lambda: books.count("yaer > 1950"),
        lambda: list(client.scan(books.name, "yaer > 1950")),
    ):
        with pytest.raises(longbow.InvalidArgumentError, match='unknown column "yaer".*year'):
            ask()


def test_columns_are_added_and_figures_told(client: longbow.Client, dataset: str) -> None:
    ds = client.dataset(dataset)
    ds.insert({"id": [1, 2], "vector": np.eye(2, 4, dtype="f4")}, metric="cosine", index="flat", durability="async")
    ds.add_columns({"pages": "int32", "when": pa.timestamp("us")})
    ds.add_columns(pa.schema([("pages", pa.int32())]))
    assert ds.get(columns=["id", "pages"]).to_list() == [{"id": 1, "pages": None}, {"id": 2, "pages": None}]
    with pytest.raises(longbow.InvalidArgumentError, match="there already with type int32"):
        ds.add_columns({"pages": "int64"})
    with pytest.raises(longbow.InvalidArgumentError, match="no Arrow type"):
        ds.add_columns({"x": "integerish"})
    stats = ds.stats()
    assert (stats.rows, stats.vectors, stats.metric, stats.index, stats.durability) == (2, {"vector": 4}, "cosine", "flat", "async")
    checked = stats.to_pydantic()
    assert isinstance(checked, longbow.IndexStats) and (checked.count, checked.dimension, checked.metric) == (2, 4, "cosine")
    assert checked.model_dump() == {**{name: value for name, value in vars(stats).items() if name != "vectors"}, "dimensions": {"vector": 4}}
    ds.wait_indexed(timeout=20)
    assert client.exists(dataset) and not client.exists(dataset + "x") and "VectorSearch" in client.actions()
    ds.drop()
    with pytest.raises(longbow.NotFoundError):
        ds.stats()


def test_a_search_goes_on_when_the_dataset_gets_columns(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, {"id": [1], "vector": [[1.0, 2.0]]})
    assert client.search(dataset, [1, 2], k=1).column_names == ["id", "score", "distance"]
    client.dataset(dataset).add_columns({"pages": "int32"})
    assert client.search(dataset, [1, 2], k=1).column_names == ["id", "score", "distance", "pages"]
    client.delete_dataset(dataset)
    client.insert(dataset, {"id": ["a"], "vector": [[1.0, 2.0]], "title": ["b"]})
    assert client.search(dataset, [1, 2], k=1)["key"].to_pylist() == ["a"]


def test_what_the_server_does_not_know_is_unimplemented_and_not_silent(books: longbow.Dataset, client: longbow.Client) -> None:
    known = client.actions()
    for action, call in (("ForceSnapshot", client.snapshot), ("compact", books.compact), ("add-edge", lambda: client.add_edge(books.name, 1, "cites", 2))):
        if action not in known:
            with pytest.raises(longbow.UnimplementedError):
                call()
        else:
            call()


# asyncio


def test_the_asynchronous_client_does_what_the_other_does(server: longbow.Server, dataset: str) -> None:
    async def work() -> None:
        async with longbow.connect_async(server.uri, server.token) as client:
            ds = client.dataset(dataset)
            assert (await ds.insert({"id": np.arange(N), "vector": MATRIX})).rows == N
            found = await asyncio.gather(*(ds.search(MATRIX[i]).limit(1).run() for i in range(40)))
            assert [hits["id"][0].as_py() for hits in found] == list(range(40))
            assert (await ds.search(MATRIX[1]).limit(2).to_pandas())["id"].tolist()[0] == 1
            assert [batch.num_rows async for batch in ds.scan(columns=["id"])] == [N]
            with pytest.raises(longbow.NotFoundError):
                await client.info("no-such-set")
            await ds.drop()

    for _ in range(3):
        asyncio.run(work())


def test_an_asynchronous_client_that_was_not_awaited_says_so() -> None:
    with pytest.raises(AttributeError, match="no 'insert' before it is awaited"):
        longbow.connect_async(":memory:").insert  # type: ignore[attr-defined]


def test_an_asynchronous_client_that_is_closed_says_so(server: longbow.Server) -> None:
    async def ask() -> None:
        client = await longbow.connect_async(server.uri, server.token)
        await client.close()
        await client.close()
        with pytest.raises(longbow.LongbowConnectionError, match="this client is closed"):
            await client.datasets()
        with pytest.raises(longbow.LongbowConnectionError, match="this client is closed"):
            [batch async for batch in client.scan("books")]

    asyncio.run(ask())


def test_one_asynchronous_client_lasts_through_several_loops(server: longbow.Server) -> None:
    client = asyncio.run(_connected(server))
    for _ in range(3):
        assert isinstance(asyncio.run(client.datasets()), list)
    asyncio.run(client.close())


async def _connected(server: longbow.Server) -> longbow.AsyncClient:
    return await longbow.connect_async(server.uri, server.token)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_cancelling_a_task_ends_the_servers_work(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).random((100_000, 128), "f4")

    async def work(server: longbow.Server) -> None:
        async with longbow.connect_async(server.uri, server.token) as client:
            await client.insert("x", {"id": np.arange(len(rows)), "vector": rows}, index="flat", durability="memory")
            whole = asyncio.gather(*(client.search("x", rows[i : i + 1024], k=10, exact=True) for i in range(8)))
            await asyncio.sleep(0.1)
            assert not whole.done(), "the searches are long enough to be cancelled"
            whole.cancel()
            with pytest.raises(asyncio.CancelledError):
                await whole
            for _ in range(100):
                before = cpu_seconds(server.pid)
                await asyncio.sleep(0.1)
                if cpu_seconds(server.pid) - before < 0.05:
                    break
            else:
                raise AssertionError("the server works on")
            assert (await client.search("x", rows[7], k=1))["id"].to_pylist() == [7], "the client is as good as new"

    with longbow.Server(tmp_path / "data") as server:
        start = time.monotonic()
        asyncio.run(work(server))
        print(f"{time.monotonic() - start:.1f} s")


def test_cancelled_calls_leave_room_for_others_though_the_server_hangs(tmp_path: Path) -> None:
    async def work(server: longbow.Server) -> None:
        async with longbow.connect_async(server.uri, server.token, timeout=30) as client:
            await client.insert("x", {"id": [1], "vector": [[1.0, 2.0]], "title": ["bow"]})
            os.kill(server.pid, signal.SIGSTOP)
            try:
                asks = (lambda: client.get("x"), lambda: client.search("x", text="bow"), lambda: client.search("x", [1, 2]))
                whole = asyncio.gather(*(asks[i % 3]() for i in range(60)))  # more than the client has threads
                await asyncio.sleep(0.5)
                whole.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await whole
                with pytest.raises(longbow.DeadlineExceededError):
                    await asyncio.wait_for(client.count("x", timeout=0.5), 15)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            for _ in range(50):
                assert (await client.get("x"))["title"].to_pylist() == ["bow"]
            while sum(thread.name == "longbow-get" for thread in threading.enumerate()) > 10:
                await asyncio.sleep(0.05)  # those left behind end when the server has answered them

    with longbow.Server(tmp_path / "data") as server:
        asyncio.run(work(server))


def test_a_cancelled_insert_stores_whole_batches_and_stops(server: longbow.Server, dataset: str) -> None:
    async def work() -> None:
        asked = 0

        def endless() -> Iterator[dict[str, Any]]:
            nonlocal asked
            while True:
                asked += 1
                yield {"id": asked, "vector": [1.0, asked]}

        async with longbow.connect_async(server.uri, server.token) as client:
            task = asyncio.create_task(client.insert(dataset, endless(), durability="memory"))
            while not await client._bridge.call(client._sync.exists, dataset):
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(100):
                before = asked
                await asyncio.sleep(0.1)
                if asked == before:
                    break
            assert asked == before, "the source is not read on"
            assert await client.count(dataset) % 4096 == 0
            await client.delete_dataset(dataset)

    asyncio.run(work())
