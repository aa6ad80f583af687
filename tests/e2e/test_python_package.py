"""The longbow package against a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import longbow
import longbow.columns
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest


def unit_rows(rows: int, dim: int = 8, first: int = 0, seed: int = 0) -> dict[str, np.ndarray]:
    matrix = np.random.default_rng(seed).standard_normal((rows, dim)).astype("f4")
    return {"id": np.arange(first, first + rows), "vector": matrix}


def test_put_search_get_delete(client: longbow.Client, dataset: str) -> None:
    data = {**unit_rows(1000), "title": [f"t{i}" for i in range(1000)]}
    result = client.put(dataset, data)
    assert (result.rows, result.batches, result.durability) == (1000, 1, "fsync") and result.sequence
    hits = client.search(dataset, data["vector"][7], k=3)
    assert hits.column_names == ["id", "score", "distance", "title"]
    assert hits["id"][0].as_py() == 7 and hits["distance"][0].as_py() == 0 and hits["title"][0].as_py() == "t7"
    assert client.get(dataset, ("id", "<", 3))["title"].to_pylist() == ["t0", "t1", "t2"]
    assert client.get(dataset, limit=5, columns=["id"])["id"].to_pylist() == [0, 1, 2, 3, 4]
    client.delete(dataset, 7)
    client.delete(dataset, [8, "9"])
    assert client.get(dataset).num_rows == 997
    assert client.search(dataset, data["vector"][7], k=1)["id"][0].as_py() != 7
    info = client.info(dataset)
    assert (info.rows, info.schema.names) == (997, ["id", "vector", "title"]) and info.bytes > 0
    assert dataset in client.datasets()
    client.wait_indexed(dataset, timeout=30)
    assert client.health(dataset)["status"] == "READY" and client.health()["status"] == "READY"
    client.delete_dataset(dataset)
    assert dataset not in client.datasets()


@pytest.mark.parametrize(
    "convert",
    [pa.table, lambda d: pa.table(d).to_batches()[0], lambda d: pa.table(d).to_reader(), lambda d: pa.table(d).to_pylist(), lambda d: pa.table(d).to_pandas()],
    ids=["table", "batch", "reader", "dicts", "pandas"],
)
def test_data_of_every_shape(client: longbow.Client, dataset: str, convert: Callable) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.eye(4, dtype="f4").reshape(-1)), 4)
    data = convert({"id": pa.array([1, 2, 3, 4]), "vector": vectors, "title": pa.array(list("abcd"))})
    assert client.put(dataset, data).rows == 4
    assert client.search(dataset, [0, 0, 1, 0], k=1)["title"].to_pylist() == ["c"]


def test_many_batches_are_all_acknowledged(client: longbow.Client, dataset: str) -> None:
    table = pa.Table.from_batches(
        [pa.RecordBatch.from_pydict({"id": np.arange(i * 10, i * 10 + 10), "vector": pa.array(np.eye(10, 4).tolist(), pa.list_(pa.float32(), 4))}) for i in range(500)]
    )
    result = client.put(dataset, table)
    assert (result.rows, result.batches) == (5000, 500)
    assert client.get(dataset, columns=["id"])["id"].to_pylist() == list(range(5000))


def test_large_puts_stay_within_the_window(client: longbow.Client, dataset: str) -> None:
    result = client.put(dataset, unit_rows(150_000, 128))
    assert result.rows == 150_000 and result.batches >= 9
    assert client.info(dataset).rows == 150_000
    client.delete_dataset(dataset)


def test_ids_of_hits_are_the_ids_that_were_put(client: longbow.Client, dataset: str) -> None:
    for part, ids in (("s", [-7, 5]), ("u", pa.array([2**64 - 1, 5], pa.uint64()))):
        client.put(dataset + part, {"id": ids, "vector": np.eye(2, dtype="float32")})
        hits = client.search(dataset + part, [1, 0], k=2)
        assert hits["id"].to_pylist() == pa.array(ids).to_pylist()
        client.delete(dataset + part, hits["id"].to_pylist())
        assert client.get(dataset + part).num_rows == 0


def test_several_queries_at_once(client: longbow.Client, dataset: str) -> None:
    data = unit_rows(500)
    client.put(dataset, data)
    hits = client.search(dataset, data["vector"][:20], k=2, columns=["vector"])
    assert hits["query"].to_pylist() == np.repeat(np.arange(20), 2).tolist()
    assert hits["id"].to_pylist()[::2] == list(range(20))
    assert hits["vector"][0].as_py() == data["vector"][0].tolist()


def test_filters_in_every_notation(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, {**unit_rows(100), "n": np.arange(100), "parity": ["even", "odd"] * 50})
    expected = {2, 4, 6, 8}
    for filter in (
        [("n", "<", 10), ("n", ">", 0), ("parity", "=", "even")],
        [{"field": "n", "op": "<", "value": 10}, ("n", ">", 0), {"field": "parity", "op": "=", "value": "even"}],
        ("n", "in", [2, 4, 6, 8]),
        "n < 10 and n > 0 and parity = 'even'",
        (longbow.col("n") < 10) & (longbow.col("n") > 0) & (longbow.col("parity") == "even"),
        {"logic": "OR", "filters": [{"field": "n", "op": "in", "value": [2, 4]}, {"field": "n", "op": "in", "value": [6, 8]}]},
    ):
        assert set(client.get(dataset, filter)["n"].to_pylist()) == expected, filter
        assert set(client.search(dataset, np.zeros(8), k=50, filter=filter)["n"].to_pylist()) == expected, filter
    with pytest.raises(longbow.InvalidArgumentError):
        client.get(dataset, "n <")


def test_metric_and_durability_are_chosen_at_creation(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, {"id": [1, 2], "vector": np.array([[10, 0], [1, 1]], "f4")}, metric="cosine", durability="memory")
    hits = client.search(dataset, [1, 0], k=2)
    assert hits["id"].to_pylist() == [1, 2] and hits["distance"][0].as_py() == pytest.approx(0, abs=1e-6)
    again = client.put(dataset, {"id": [3], "vector": np.array([[1, 0]], "f4")})
    assert again.durability == "memory"


def test_a_refused_batch_says_which_rows(client: longbow.Client, dataset: str) -> None:
    matrix = np.ones((100, 4), "f4")
    matrix[57, 2] = np.nan
    table = pa.table({"id": np.arange(100), "vector": longbow.columns.vector_array(matrix)})
    batches = pa.Table.from_batches([b for i in range(0, 100, 10) for b in table.slice(i, 10).to_batches()])
    with pytest.raises(longbow.InvalidArgumentError, match="rows 50 to 59") as raised:
        client.put(dataset, batches)
    (rejected,) = raised.value.rejected
    assert (rejected.batch, rejected.first_row, rejected.rows, rejected.code) == (5, 50, 10, "InvalidArgument")
    stored = raised.value.put_result
    assert stored is not None and stored.rows >= 50
    assert client.info(dataset).rows == stored.rows, "what is counted is what is there"


def test_data_that_breaks_off_keeps_the_whole_batches_before(client: longbow.Client, dataset: str) -> None:
    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), 2))])

    def batches():
        yield pa.RecordBatch.from_pydict({"id": [1, 2], "vector": [[1, 2], [3, 4]]}, schema)
        raise RuntimeError("the source dried up")

    with pytest.raises(RuntimeError, match="dried up"):
        client.put(dataset, pa.RecordBatchReader.from_batches(schema, batches()))
    assert client.get(dataset)["id"].to_pylist() in ([], [1, 2])
    assert client.put(dataset, {"id": [3], "vector": np.ones((1, 2), "f4")}).rows == 1


def test_what_was_waited_for_survives_a_kill(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server:
        with server.connect() as client:
            # A window so long that nothing goes to disk by itself.
            rows = pa.table({"id": [1, 2], "vector": longbow.columns.vector_array(np.eye(2, dtype="f4"))}).replace_schema_metadata({"longbow.async_window_ms": "3600000"})
            written = client.insert("notes", rows, durability="async")
            assert written.durability == "async"
            client.wait_durable(written.sequence, timeout=30)
            client.wait_durable(timeout=30)
            with pytest.raises(longbow.InvalidArgumentError, match="token"):
                client.wait_durable("yesterday")
        server.kill()
        server.start()
        with server.connect() as client:
            assert client.get("notes")["id"].to_pylist() == [1, 2]


def test_nothing_at_all_is_not_inserted(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, {"id": [1], "vector": np.ones((1, 2), "f4")})
    for nothing in ({}, []):
        with pytest.raises(longbow.InvalidArgumentError, match="nothing to insert"):
            client.insert(dataset, nothing, mode="replace")
    assert client.count(dataset) == 1, "what was there is not dropped for nothing"


def test_an_empty_put_creates_the_dataset(client: longbow.Client, dataset: str) -> None:
    assert client.put(dataset, {"id": pa.array([], pa.int64()), "vector": np.empty((0, 4), "f4")}).rows == 0
    assert client.info(dataset).schema.names == ["id", "vector"]


def test_errors_have_their_classes(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, unit_rows(3))
    with pytest.raises(longbow.DimensionMismatchError, match="expected 8, got 2"):
        client.search(dataset, [1, 2])
    with pytest.raises(longbow.NotFoundError):
        client.search("no-such-set", [1, 2])
    with pytest.raises(longbow.NotFoundError):
        client.delete(dataset, 99)
    with pytest.raises(longbow.NotFoundError):
        client.get("no-such-set")
    with pytest.raises(longbow.NotFoundError):
        client.health("no-such-set")
    with pytest.raises(longbow.InvalidArgumentError, match="k must be at least 1"):
        client.search(dataset, np.zeros(8), k=0)
    with pytest.raises(longbow.InvalidArgumentError, match="type mismatch for column"):
        client.put(dataset, unit_rows(3, dim=9))
    with pytest.raises(longbow.AlreadyExistsError):
        client.create_namespace("default")
    with pytest.raises(longbow.FailedPreconditionError):
        client.delete_namespace("default")
    assert client.search(dataset, np.zeros(8), k=1).num_rows == 1, "the client is as good as new"


def test_every_error_names_its_call_and_what_it_knows(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, unit_rows(3))
    asks = {
        "info": (lambda: client.info("nope"), {"status": "NOT_FOUND"}),
        "count": (lambda: client.count("nope"), {"status": "NOT_FOUND"}),
        "count with a filter": (lambda: client.count("nope", "id = 1"), {"status": "NOT_FOUND"}),
        "get": (lambda: client.get("nope"), {"status": "NOT_FOUND"}),
        "scan": (lambda: list(client.scan("nope")), {"status": "NOT_FOUND"}),
        "delete": (lambda: client.delete("nope", 1), {"status": "NOT_FOUND"}),
        "health": (lambda: client.health("nope"), {"status": "NOT_FOUND"}),
        "stats": (lambda: client.stats("nope"), {"status": "NOT_FOUND"}),
        "compact": (lambda: client.compact("nope"), {"status": "NOT_FOUND"}),
        "namespace": (lambda: client.create_namespace("default"), {"status": "ALREADY_EXISTS"}),
        "search": (lambda: client.search(dataset, [1.0, 2.0]), {"status": "INVALID_ARGUMENT", "expected": 8, "given": 2}),
        "search for text": (lambda: client.search("nope", text="bow"), {"status": "NOT_FOUND"}),
        "insert": (lambda: client.put(dataset, {"id": [1, 2], "vector": np.full((2, 8), np.nan, "f4")}), {"reason": "InvalidArgument", "batch": 0, "first_row": 0, "rows": 2}),
        "insert of another width": (lambda: client.put(dataset, unit_rows(3, dim=9)), {"status": "INVALID_ARGUMENT"}),
    }
    ids = []
    for name, (ask, details) in asks.items():
        with pytest.raises(longbow.LongbowError) as raised:
            ask()
        assert raised.value.details == details, name
        ids.append(raised.value.request_id)
    assert all(ids) and len(set(ids)) == len(ids)
    with longbow.connect("grpc://127.0.0.1:1", "token", retry=None) as nowhere:
        for call in (nowhere.datasets, nowhere.actions, lambda: nowhere.get("x"), lambda: nowhere.put("x", unit_rows(1))):
            with pytest.raises(longbow.UnavailableError) as unreached:
                call()
            assert unreached.value.request_id and unreached.value.details == {"status": "UNAVAILABLE", "address": "127.0.0.1:1"}


def test_a_search_on_a_stream_that_was_open_names_the_stream(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, unit_rows(3))
    client.search(dataset, np.zeros(8), k=1)
    client.delete_dataset(dataset)
    with pytest.raises(longbow.NotFoundError) as raised:
        client.search(dataset, np.zeros(8), k=1)
    assert raised.value.request_id


def test_namespaces(client: longbow.Client, dataset: str) -> None:
    client.create_namespace("py-" + dataset[:10])
    assert "py-" + dataset[:10] in client.namespaces()
    client.delete_namespace("py-" + dataset[:10])


def test_a_client_serves_many_threads(client: longbow.Client, dataset: str) -> None:
    data = unit_rows(2000)
    client.put(dataset, data)
    wrong: list[object] = []

    def ask(worker: int) -> None:
        try:
            for i in range(worker, 2000, 40):
                if client.search(dataset, data["vector"][i], k=1)["id"].to_pylist() != [i]:
                    wrong.append(i)
        except BaseException as error:
            wrong.append(error)

    workers = [threading.Thread(target=ask, args=(w,)) for w in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert wrong == []


def test_searches_with_ever_new_filters_keep_few_streams_open(client: longbow.Client, dataset: str) -> None:
    client.put(dataset, {**unit_rows(100), "n": np.arange(100)})
    for i in range(100):
        assert client.search(dataset, np.zeros(8), k=1, filter=("n", "=", i))["n"].to_pylist() == [i]


def test_the_token_comes_from_argument_environment_or_file(server: longbow.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGBOW_TOKEN", raising=False)
    with longbow.connect(server.uri, server.token) as client:
        client.datasets()
    with longbow.connect(f"127.0.0.1:{server.port}", data_dir=server.data_dir) as client:
        client.datasets()
    monkeypatch.setenv("LONGBOW_TOKEN", server.token)
    with longbow.connect(server.uri) as client:
        client.datasets()
    monkeypatch.setenv("LONGBOW_TOKEN", "wrong")
    with longbow.connect(server.uri) as client, pytest.raises(longbow.UnauthenticatedError):
        client.datasets()
    with longbow.connect(server.uri) as client, pytest.raises(longbow.UnauthenticatedError):
        client.put("x", unit_rows(1))
    with longbow.connect(server.uri) as client, pytest.raises(longbow.UnauthenticatedError):
        client.search("x", [1, 2])


def test_no_server_is_unavailable() -> None:
    with longbow.connect("grpc://127.0.0.1:1", "token", timeout=5) as client:
        for call in (client.datasets, lambda: client.get("x"), lambda: client.search("x", [1.0]), lambda: client.put("x", unit_rows(1))):
            with pytest.raises(longbow.UnavailableError):
                call()


def test_a_client_outlives_its_server(tmp_path: Path) -> None:
    data = unit_rows(50)
    with longbow.Server(tmp_path / "data") as server:
        with server.connect() as client:
            client.put("x", data)
            assert client.search("x", data["vector"][3], k=1)["id"].to_pylist() == [3]
            server.kill()
            with pytest.raises(longbow.UnavailableError):
                client.search("x", data["vector"][3], k=1)
            server.start()
            deadline_tries = 100
            for attempt in range(deadline_tries):
                try:
                    assert client.search("x", data["vector"][3], k=1)["id"].to_pylist() == [3]
                    break
                except longbow.UnavailableError:
                    if attempt + 1 == deadline_tries:
                        raise
                    threading.Event().wait(0.1)


def test_a_put_cut_by_the_server_counts_what_was_acknowledged(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server:
        with server.connect() as client:
            killer: list[threading.Thread] = []

            def batches():
                for i in range(10_000):
                    if i == 200:
                        killer.append(threading.Thread(target=os.kill, args=(server.pid, 9)))
                        killer[0].start()
                    yield pa.RecordBatch.from_arrays([pa.array(np.arange(i * 10, i * 10 + 10)), pa.array(np.ones((10, 4)).tolist(), pa.list_(pa.float32(), 4))], schema=schema)

            schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), 4))])
            with pytest.raises(longbow.LongbowError) as raised:
                client.put("x", pa.RecordBatchReader.from_batches(schema, batches()))
            killer[0].join()
        server.kill()
        server.start()
        with server.connect() as client:
            stored = client.info("x").rows
            counted = raised.value.put_result
            assert counted is not None and stored % 10 == 0
            assert counted.rows <= stored <= 100_000, "what was acknowledged is there"


def test_a_private_server_cleans_up_after_itself() -> None:
    with longbow.Server() as server:
        place = server.data_dir.parent
        with server.connect() as client:
            client.put("x", pd.DataFrame({"id": [1], "vector": [[1.0, 2.0]]}))
    assert not place.exists() and not server.running


def test_settings_of_a_server_may_be_numbers_and_truths(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data", max_k=7, insecure=False) as server, server.connect() as client:
        client.insert("d", {"id": [1], "vector": np.ones((1, 2), "f4")})
        with pytest.raises(longbow.InvalidArgumentError, match="at most 7"):
            client.search("d", [1, 1], k=8)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = longbow.Server(tmp_path / "data", MAX_MEMORY="lots")
    with pytest.raises(longbow.UnavailableError, match="LONGBOW_MAX_MEMORY"):
        server.start()
