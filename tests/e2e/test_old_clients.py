"""Clients that were written for servers of this protocol before ours, as far as their calls are known: they send no token,
know nothing of acknowledgements, and must work unmodified against a server with LONGBOW_AUTH=none.

Each class stands for one kind of them and makes its calls the way that kind does, with its habits.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import batch, fails, random_batch, vectors
from raw_flight import RawFlight, batch_message, field, path_descriptor, schema_message


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[longbow.Server]:
    """Without authentication, as old clients need it."""
    server = longbow.Server(tmp_path_factory.mktemp("old") / "data", AUTH="none")
    server.start()
    yield server
    server.close()


def uri_of(port: int) -> str:
    return f"grpc://127.0.0.1:{port}"


class Sdk:
    """The Python package of old: `uri` for data, `meta_uri` for the rest, which is `uri` when not given."""

    def __init__(self, uri: str, meta_uri: str | None = None, api_key: str | None = None) -> None:
        headers = [(b"authorization", f"Bearer {api_key}".encode())] if api_key else []
        self.options = flight.FlightCallOptions(timeout=60, headers=headers)
        self.data = flight.FlightClient(uri, generic_options=[("grpc.max_receive_message_length", 1 << 30)])
        self.meta = self.data if meta_uri is None else flight.FlightClient(meta_uri)

    def insert(self, dataset: str, rows: list[dict[str, Any]], dtype: str = "float32") -> None:
        """Writes everything as one table, reads once, never closes; whatever comes back is swallowed."""
        width = len(rows[0]["vector"])
        columns: dict[str, Any] = {
            "id": pa.array([row["id"] for row in rows]),
            "vector": vectors([row["vector"] for row in rows], dtype),
            "timestamp": pa.array([time.time_ns()] * len(rows), pa.timestamp("ns")),
        }
        for name in rows[0].keys() - columns.keys():
            values = [json.dumps(row[name]) if isinstance(row[name], dict) else row[name] for row in rows]
            array = pa.array(values)
            columns[name] = array.cast(pa.large_utf8()) if array.type == pa.utf8() else array  # as pandas 3 does
        table = pa.table(columns).replace_schema_metadata({"longbow.vector_type": dtype, "pandas": '{"index_columns": []}'})
        assert table["vector"].type.list_size == width
        writer, reader = self.data.do_put(flight.FlightDescriptor.for_path(dataset), table.schema, self.options)
        writer.write_table(table)
        writer.done_writing()
        try:
            reader.read()
        except pa.ArrowException:
            pass

    def search(self, dataset: str, vector: list[float], k: int = 10, filters: list[Any] | None = None, **more: Any) -> pa.Table:
        search = {"dataset": dataset, "vector": vector, "k": k, **({"filters": filters} if filters else {})}
        search.update({name: value for name, value in more.items() if value is not None})
        headers = [(b"x-longbow-global", b"true")] if more.get("global_search") else []
        options = flight.FlightCallOptions(timeout=60, headers=headers)
        return self.data.do_get(flight.Ticket(json.dumps({"search": search})), options).read_all()

    def search_by_id(self, dataset: str, id: Any, k: int = 10) -> dict[str, Any]:
        return self._json("VectorSearchByID", {"dataset": dataset, "id": id, "k": k})

    def download(self, dataset: str, filters: list[Any] | None = None) -> pa.Table:
        ticket: dict[str, Any] = {"name": dataset, **({"filters": filters} if filters else {})}
        return self.data.do_get(flight.Ticket(json.dumps(ticket)), self.options).read_all()

    def delete(self, dataset: str, ids: list[Any]) -> None:
        for id in ids:
            try:
                self._act("delete", {"dataset": dataset, "id": str(id)})
            except pa.ArrowException:
                pass

    def list_namespaces(self) -> list[str]:
        return [info.descriptor.path[0].decode() for info in self.meta.list_flights(b"", self.options)]

    def create_namespace(self, name: str) -> None:
        self._act("CreateNamespace", {"name": name})

    def delete_namespace(self, name: str) -> None:
        """A dataset, in this client's words."""
        self._act("DeleteNamespace", {"dataset": name})

    def get_info(self, dataset: str) -> flight.FlightInfo:
        return self.meta.get_flight_info(flight.FlightDescriptor.for_path(dataset), self.options)

    def add_edge(self, dataset: str, subject: int, predicate: str, object: int, weight: float = 1.0) -> None:
        self._act("add-edge", {"dataset": dataset, "subject": subject, "predicate": predicate, "object": object, "weight": weight})

    def traverse(self, dataset: str, start: int, **options: Any) -> list[Any]:
        return [json.loads(body) for body in self._act("traverse-graph", {"dataset": dataset, "start": start, **options})]

    def graph_stats(self, dataset: str) -> dict[str, Any]:
        return self._json("GetGraphStats", {"dataset": dataset})

    def _act(self, kind: str, body: Any) -> list[bytes]:
        action = flight.Action(kind, json.dumps(body).encode())
        return [result.body.to_pybytes() for result in self.meta.do_action(action, self.options)]

    def _json(self, kind: str, body: Any) -> Any:
        [result] = self._act(kind, body)
        return json.loads(result)


@pytest.fixture(params=["one uri", "two uris", "with a key"])
def sdk(open_server: longbow.Server, request: pytest.FixtureRequest) -> Sdk:
    data, meta = uri_of(open_server.port), uri_of(open_server.meta_port)
    if request.param == "one uri":
        return Sdk(data)
    return Sdk(data, meta, api_key="any key" if request.param == "with a key" else None)


def some_rows(count: int = 20, width: int = 4) -> list[dict[str, Any]]:
    numbers = np.random.default_rng(3).standard_normal((count, width))
    return [
        {"id": i, "vector": numbers[i].tolist(), "category": "even" if i % 2 == 0 else "odd", "priority": i, "meta": {"n": i}}
        for i in range(count)
    ]


def test_rows_are_inserted_found_read_and_deleted(sdk: Sdk, dataset: str) -> None:
    rows = some_rows()
    sdk.insert(dataset, rows)
    assert sdk.get_info(dataset).total_records == 20
    assert dataset in sdk.list_namespaces()
    found = sdk.search(dataset, rows[7]["vector"], k=3, text_query=None, alpha=None, include_vectors=False)
    assert found.schema.names[:2] == ["id", "score"]
    assert found.schema.field("id").type == pa.uint64() and found.schema.field("score").type == pa.float32()
    assert found["id"][0].as_py() == 7 and found["score"][0].as_py() == 1.0
    assert {"category", "priority", "meta"} <= set(found.schema.names), "its tests look at the user's columns"
    assert json.loads(found["meta"][0].as_py()) == {"n": 7}
    even = sdk.search(dataset, rows[7]["vector"], k=20, filters=[{"field": "category", "op": "Eq", "value": "even"}])
    assert even.num_rows == 10 and set(even["category"].to_pylist()) == {"even"}
    assert sdk.download(dataset, [{"field": "priority", "op": ">", "value": "17"}])["id"].to_pylist() == [18, 19]
    assert sdk.download(dataset, [{"field": "priority", "operator": "==", "value": 5}]).num_rows == 1
    assert sdk.download(dataset, [{"field": "category", "op": "eq", "value": "neither"}]).num_rows == 0
    sdk.delete(dataset, [7, 7, 12345])
    assert sdk.download(dataset).num_rows == 19
    assert 7 not in sdk.search(dataset, rows[7]["vector"], k=20)["id"].to_pylist()


@pytest.mark.parametrize("id", [3, "3"])
def test_neighbours_of_a_stored_row_by_number_or_text(sdk: Sdk, dataset: str, id: Any) -> None:
    sdk.insert(dataset, some_rows())
    answer = sdk.search_by_id(dataset, id, k=5)
    assert len(answer["ids"]) == len(answer["scores"]) == 5 and 3 not in answer["ids"]


def test_what_is_missing_raises(sdk: Sdk, dataset: str) -> None:
    for ask in (
        lambda: sdk.search("never-made", [1.0]),
        lambda: sdk.download("never-made"),
        lambda: sdk.search_by_id("never-made", 1),
        lambda: sdk.get_info("never-made"),
        lambda: sdk.graph_stats("never-made"),
    ):
        with fails("NotFound", "not found"):
            ask()
    sdk.insert(dataset, some_rows())
    with fails("InvalidArgument", "k must be at least 1"):
        sdk.search(dataset, [0.0] * 4, k=0)
    with fails("DimensionMismatch", "dimension mismatch: expected 4, got 2"):
        sdk.search(dataset, [0.0] * 2)


def test_a_dataset_is_deleted_as_a_namespace(sdk: Sdk, dataset: str) -> None:
    sdk.insert(dataset, some_rows())
    sdk.delete_namespace(dataset)
    assert dataset not in sdk.list_namespaces()
    sdk.create_namespace("space-of-" + dataset[:30].rstrip("-") + uuid.uuid4().hex[:6])


def test_edges_are_added_and_walked(sdk: Sdk, dataset: str) -> None:
    sdk.insert(dataset, some_rows())
    sdk.add_edge(dataset, 1, "cites", 2)
    sdk.add_edge(dataset, 2, "cites", 3, weight=0.5)
    [paths] = sdk.traverse(dataset, 1, max_hops=2, incoming=False, weighted=True, decay=0.0)
    assert [path["Nodes"] for path in paths] == [[1, 2], [1, 2, 3]] and paths[1]["Score"] == 0.125
    assert sdk.graph_stats(dataset)["edge_count"] == 2
    near = sdk.search(dataset, [0.0] * 4, k=2, graph_alpha=0.5)
    assert near.num_rows == 2


# Load and operations scripts


def search_ticket(dataset: str, vector: Any, **more: Any) -> flight.Ticket:
    """As the load script sends it: every key, always."""
    search = {"dataset": dataset, "vector": [float(x) for x in vector], "k": 10, "alpha": 0.0, "text_query": "", "vector_format": "f32"}
    return flight.Ticket(json.dumps({"search": {**search, "include_vectors": False, "local_only": True, **more}}))


def test_the_load_script_puts_gets_and_searches(open_server: longbow.Server, dataset: str) -> None:
    data, meta = flight.connect(uri_of(open_server.port)), flight.connect(uri_of(open_server.meta_port))
    parts = [random_batch(500, 16, seed=i, first_id=500 * i, text=[f"row {j}" for j in range(500)]) for i in range(4)]
    with pytest.raises(flight.FlightUnavailableError, match="gossip mesh not enabled"):  # it goes on without a cluster
        list(meta.do_action(flight.Action("cluster-status", b"")))
    for i, part in enumerate(parts):  # each chunk under its own routing key
        options = flight.FlightCallOptions(headers=[(b"x-longbow-key", f"shard-{i}".encode())])
        writer, _ = data.do_put(flight.FlightDescriptor.for_path(dataset), part.schema, options)
        writer.write_batch(part)
        writer.close()
    assert data.do_get(flight.Ticket(json.dumps({"name": dataset}))).read_all().num_rows == 2000
    query = part_vectors(parts[2])[17]
    hits = data.do_get(search_ticket(dataset, query)).read_all()
    assert hits["id"][0].as_py() == 1017 and hits.num_rows == 10
    globally = flight.FlightCallOptions(headers=[(b"x-longbow-global", b"true")])
    assert data.do_get(search_ticket(dataset, query, local_only=False), globally).read_all().equals(hits)
    asked = {"dataset": dataset, "id": "1017", "k": 10, "include_vectors": False, "vector_format": "f32"}
    [result] = meta.do_action(flight.Action("VectorSearchByID", json.dumps(asked).encode()))
    assert len(json.loads(result.body.to_pybytes())["ids"]) == 10
    list(meta.do_action(flight.Action("delete", json.dumps({"dataset": dataset, "id": "1017"}).encode())))
    assert 1017 not in data.do_get(search_ticket(dataset, query)).read_all()["id"].to_pylist()


def part_vectors(part: pa.RecordBatch) -> Any:
    return part["vector"].flatten().to_numpy().reshape(len(part), -1)


def test_the_operations_script_sees_metrics_and_refusals(open_server: longbow.Server, dataset: str) -> None:
    data = flight.connect(uri_of(open_server.port))
    sdk = Sdk(uri_of(open_server.port), uri_of(open_server.meta_port))
    sdk.insert(dataset, some_rows())
    data.do_get(search_ticket(dataset, [0] * 4)).read_all()
    with urllib.request.urlopen(f"http://127.0.0.1:{open_server.http_port}/metrics") as reply:
        metrics = reply.read().decode()
        assert reply.status == 200
    for name in ("hnsw_search_pool_get_total", "hnsw_search_pool_put_total", "hnsw_search_pool_new_total"):
        assert f"\nlongbow_{name} " in metrics
    assert "go_goroutines" in metrics
    for path in ("", "profile?seconds=1", "heap", "goroutine", "cmdline"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{open_server.http_port}/debug/pprof/{path}")
    writer, reader = data.do_exchange(flight.FlightDescriptor.for_command("fetch"))
    with fails("InvalidArgument", "fetch"):
        writer.begin(pa.schema([("data", pa.utf8())]))
        writer.write_batch(pa.RecordBatch.from_pydict({"data": ["x"]}))
        writer.done_writing()
        reader.read_chunk()


# Benchmarks


def test_a_put_stream_that_is_never_closed_is_applied_as_it_comes(open_server: longbow.Server, dataset: str) -> None:
    """Many streams on one connection, none half-closed, nothing ever read: string ids, vectors named `embedding`."""
    client = flight.connect(uri_of(open_server.port))
    ids = [str(uuid.uuid4()) for _ in range(20 * 10)]
    open_streams = []
    for i in range(20):
        matrix = np.random.default_rng(i).standard_normal((10, 8)).astype("f4")
        rows = pa.RecordBatch.from_pydict({"id": ids[10 * i : 10 * i + 10], "embedding": vectors(matrix)})
        writer, reader = client.do_put(flight.FlightDescriptor.for_path(dataset), rows.schema)
        writer.write_batch(rows)
        open_streams.append((writer, reader))
    other = flight.connect(uri_of(open_server.port))
    deadline = time.monotonic() + 30
    while True:
        try:
            found = other.do_get(flight.Ticket(dataset)).read_all()
        except pa.ArrowException:
            found = None
        if found is not None and found.num_rows == 200:
            break
        assert time.monotonic() < deadline, "batches of open streams are not applied"
        time.sleep(0.05)
    assert sorted(found["id"].to_pylist()) == sorted(ids)
    hits = other.do_get(search_ticket(dataset, found["embedding"][5].as_py())).read_all()
    assert hits["key"][0].as_py() == found["id"][5].as_py()


class Bench:
    """One URI for everything; request batches of all element types; polls readiness."""

    def __init__(self, server: longbow.Server) -> None:
        self.client = flight.connect(uri_of(server.port))

    def act(self, kind: str, body: Any) -> list[bytes]:
        return [r.body.to_pybytes() for r in self.client.do_action(flight.Action(kind, json.dumps(body).encode()))]

    def wait_ready(self, dataset: str) -> None:
        deadline = time.monotonic() + 60
        while json.loads(self.act("check_readiness", {"dataset": dataset})[0])["status"] != "READY":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def put(self, dataset: str, rows: pa.RecordBatch) -> None:
        writer, _ = self.client.do_put(flight.FlightDescriptor.for_path(dataset), rows.schema)
        writer.write_batch(rows)
        writer.close()


TYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_every_element_type_by_action_ticket_and_exchange(open_server: longbow.Server, dataset: str, dtype: str) -> None:
    bench = Bench(open_server)
    matrix = np.arange(40 * 6).reshape(40, 6) % 97
    schema_metadata = {"longbow.vector_type": dtype}
    bench.put(dataset, batch([str(i) for i in range(40)], vectors(matrix, dtype)).replace_schema_metadata(schema_metadata))
    bench.wait_ready(dataset)
    query = [float(x) for x in matrix[9]]
    bodies = bench.act("VectorSearch", {"dataset": dataset, "vector": query, "k": 3, "filters": [{"field": "id", "operator": "!=", "value": "39"}]})
    [hits] = [pa.ipc.open_stream(body).read_all() for body in bodies]
    assert hits.num_rows == 3 and hits["score"][0].as_py() == 1.0
    ticket = search_ticket(dataset, query, k=3)
    assert bench.client.do_get(ticket).read_all()["key"][0].as_py() == "9"
    request = pa.RecordBatch.from_pydict(
        {"dataset": [dataset], "query_vector": vectors([matrix[9]], dtype), "k": pa.array([3], pa.int32()), "ef": pa.array([100], pa.int32())}
    )
    for command in ("search", "VectorSearch"):
        writer, reader = bench.client.do_exchange(flight.FlightDescriptor.for_command(command))
        with writer:
            writer.begin(request.schema)
            writer.write_batch(request)
            writer.done_writing()
            answer = reader.read_chunk().data
        assert answer.num_rows == 3 and answer["score"][0].as_py() == 1.0
    assert bench.act("Delete", {"dataset": dataset, "id": "9"}) == [b"deleted"]


@pytest.mark.parametrize("dtype, scalar", [("complex64", "float32"), ("complex128", "float64")])
def test_complex_vectors_as_pairs(open_server: longbow.Server, dataset: str, dtype: str, scalar: str) -> None:
    bench = Bench(open_server)
    matrix = np.random.default_rng(1).standard_normal((10, 6))
    metadata = {"longbow.vector_type": dtype, "longbow.complex": "true"}
    rows = batch([f"c{i}" for i in range(10)], vectors(matrix, scalar))
    schema = pa.schema([rows.schema.field("id"), rows.schema.field("vector").with_metadata(metadata)], metadata=metadata)
    bench.put(dataset, pa.RecordBatch.from_arrays(rows.columns, schema=schema))
    hits = bench.client.do_get(search_ticket(dataset, matrix[4], k=2)).read_all()
    assert hits["key"][0].as_py() == "c4"


def test_hybrid_search_by_vector_only_answers_hits(open_server: longbow.Server, dataset: str) -> None:
    bench = Bench(open_server)
    bench.put(dataset, batch([1, 2], [[1, 0], [0, 1]], text=["a cat", "a dog"]))
    [body] = bench.act("HybridSearch", {"dataset": dataset, "vector": [1, 0], "k": 2, "text_query": "", "alpha": 1.0})
    assert [hit["ID"] for hit in json.loads(body)] == [1, 2]


def test_batches_of_vectors_in_one_action(open_server: longbow.Server, dataset: str) -> None:
    bench = Bench(open_server)
    bench.put(dataset, batch(pa.array(range(50), pa.uint32()), np.eye(50)))
    body = {"dataset": dataset, "vectors": np.eye(50)[[3, 8, 21]].tolist(), "k": 2}
    tables = [pa.ipc.open_stream(b).read_all() for b in bench.act("VectorSearch", body)]
    assert [t["id"][0].as_py() for t in tables] == [3, 8, 21] and all(t.schema.names[:2] == ["id", "score"] for t in tables)
    old_shape = [json.loads(b) for b in bench.act("VectorSearch", {**body, "format": "json"})]
    assert [a["ids"][0] for a in old_shape] == [3, 8, 21]


def test_singles_sent_by_many_threads_at_a_time(open_server: longbow.Server, dataset: str) -> None:
    """The soak script: threads that put, search by action without looking at the body, and delete."""
    bench = Bench(open_server)
    bench.put(dataset, random_batch(100, 8, seed=1))
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            mine = Bench(open_server)
            for i in range(10):
                mine.put(dataset, random_batch(5, 8, seed=i, first_id=1000 * (worker + 1) + 5 * i))
                assert mine.act("VectorSearch", {"dataset": dataset, "vector": [0.1] * 8, "k": 5})
                mine.act("delete", {"dataset": dataset, "id": str(1000 * (worker + 1) + 5 * i)})
        except BaseException as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert bench.client.do_get(flight.Ticket(dataset)).read_all().num_rows == 100 + 6 * 10 * 4


# Peers and programs in Go


def test_a_nodes_ticket_to_its_peers(open_server: longbow.Server, dataset: str) -> None:
    """All keys, some null; the answer is read by column position."""
    bench = Bench(open_server)
    bench.put(dataset, random_batch(20, 4, seed=1))
    search = {"dataset": dataset, "vector": [0.0] * 4, "k": 5, "filters": None, "local_only": True, "text_query": "", "alpha": 0, "graph_alpha": 0}
    ticket = {"name": "", "limit": 0, "filters": None, "search": search}
    meta = flight.connect(uri_of(open_server.meta_port))
    hits = meta.do_get(flight.Ticket(json.dumps(ticket))).read_all()
    assert hits.column(0).type == pa.uint64() and hits.column(1).type == pa.float32() and hits.num_rows == 5


def test_a_put_answers_nothing_but_its_end(open_server: longbow.Server, dataset: str) -> None:
    raw = RawFlight(open_server.port, "")
    rows = batch([1, 2], [[1, 2], [3, 4]])
    answers, code, text = raw.stream("DoPut", [schema_message(rows.schema, path_descriptor(dataset)), batch_message(rows)])
    assert (answers, code.name) == ([], "OK"), text
    answers, code, text = raw.call("DoGet", field(1, dataset.encode()))
    assert code.name == "OK" and max(map(len, answers)) < 4 << 20, text
    raw.close()


def test_batches_stay_below_what_go_receives(open_server: longbow.Server, dataset: str) -> None:
    """grpc-go refuses messages above 4 MiB unless told otherwise."""
    bench = Bench(open_server)
    for i in range(3):
        bench.put(dataset, random_batch(5_000, 512, seed=i, first_id=5_000 * i))
    raw = RawFlight(open_server.port, "")
    answers, code, text = raw.call("DoGet", field(1, json.dumps({"name": dataset}).encode()))
    assert code.name == "OK", text
    assert sum(map(len, answers)) > 15_000 * 512 * 4 and max(map(len, answers)) < 4 << 20
    raw.close()
