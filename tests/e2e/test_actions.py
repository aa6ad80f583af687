"""DoAction, ListActions and Handshake."""

from __future__ import annotations

import json
import time
import urllib.request

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, matrix_of, query_batch, random_batch, vectors


@pytest.mark.parametrize("kind", ["delete", "Delete"])
@pytest.mark.parametrize("id", ["2", 2])
def test_a_row_is_deleted_by_number_or_text(calls: Calls, dataset: str, kind: str, id: int | str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    assert calls.action(kind, {"dataset": dataset, "id": id}) == [b"deleted"]
    assert calls.ids(dataset) == [0, 1]
    assert calls.action(kind, {"dataset": dataset, "id": id}) == [b"deleted"], "deleting again is fine"
    calls.put(dataset, batch([2], [[5, 5]]))
    assert sorted(calls.ids(dataset)) == [0, 1, 2], "a deleted key can be written again"


def test_a_row_is_deleted_by_string_key(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(["a", "b/ü"], np.eye(2)))
    calls.action("delete", {"name": dataset, "id": "b/ü"})
    assert calls.ids(dataset) == ["a"]


def test_json_answers_have_the_ids_that_delete_takes(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([-7, 5], [[1, 0], [0, 1]]))
    [near] = calls.action_json("VectorSearchByID", {"dataset": dataset, "id": 5, "k": 1})["ids"]
    assert near == -7
    assert calls.action("delete", {"dataset": dataset, "id": near}) == [b"deleted"]


def test_an_unknown_row_is_not_found(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    with fails("NotFound", f"id 99 not found in dataset {dataset}"):
        calls.action("delete", {"dataset": dataset, "id": "99"})
    with fails("NotFound", "dataset not found: no-such-set"):
        calls.action("delete", {"dataset": "no-such-set", "id": "1"})


@pytest.mark.parametrize("kind, key", [("delete-dataset", "dataset"), ("delete-dataset", "name"), ("DeleteNamespace", "dataset"), ("DeleteNamespace", "name")])
def test_a_dataset_is_dropped_and_its_name_is_free(calls: Calls, meta_calls: Calls, dataset: str, kind: str, key: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    result = meta_calls.action(kind, {key: dataset})
    assert len(result) == 1 and b"deleted" in result[0]
    with fails("NotFound"):
        calls.get(dataset)
    assert dataset not in calls.dataset_names()
    calls.put(dataset, random_batch(2, 5, seed=1))
    assert calls.get(dataset)["vector"].type.list_size == 5


@pytest.mark.parametrize("request_body, code", [({"dataset": ""}, "InvalidArgument"), ({}, "InvalidArgument"), ({"dataset": "no-such-set"}, "NotFound")])
def test_dropping_what_is_not_there_fails(calls: Calls, request_body: dict[str, str], code: str) -> None:
    with fails(code):
        calls.action("delete-dataset", request_body)


def test_namespaces_are_made_listed_and_dropped_with_their_datasets(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    space = "ns-" + dataset[:20]
    assert calls.action_json("CreateNamespace", {"name": space}) == {"status": "created"}
    with fails("AlreadyExists", space):
        calls.action("CreateNamespace", {"name": space})
    calls.put(f"{space}/inner", random_batch(3, 2, seed=1))
    listed = meta_calls.action_json("ListNamespaces", {})
    assert {"default", space} <= set(listed["namespaces"]) and listed["count"] == len(listed["namespaces"])
    assert f"{space}/inner" in calls.dataset_names()
    assert calls.action_json("DeleteNamespace", {"name": space}) == {"status": "deleted"}
    assert space not in calls.action_json("ListNamespaces", {})["namespaces"]
    with fails("NotFound"):
        calls.get(f"{space}/inner")
    with fails("NotFound"):
        calls.action("DeleteNamespace", {"name": space})


def test_the_default_namespace_stays(calls: Calls) -> None:
    with fails("FailedPrecondition", "default"):
        calls.action("DeleteNamespace", {"name": "default"})


def test_equal_names_in_two_namespaces_are_two_datasets(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    calls.put(f"tenant/{dataset}", random_batch(5, 2, seed=1))
    assert calls.get(dataset).num_rows == 3 and calls.get(f"tenant/{dataset}").num_rows == 5
    calls.action("delete", {"dataset": f"tenant/{dataset}", "id": 0})
    assert calls.get(dataset).num_rows == 3


def test_readiness_of_server_and_datasets(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    assert calls.action("wait_indexed", {"dataset": dataset}) != [b"impossible"]
    for port in (calls, meta_calls):
        assert port.action_json("check_readiness", {"dataset": dataset})["status"] == "READY"
        assert port.action_json("check_readiness", {})["status"] == "READY"
        assert port.action_json("check_readiness", {"dataset": "no-such-set"})["status"] == "NOT_FOUND"
    tables = dataset + "-no-vectors"
    calls.put(tables, pa.RecordBatch.from_pydict({"id": [1]}))
    assert calls.action_json("check_readiness", {"dataset": tables})["status"] == "READY"


def test_the_state_of_a_put_stream_tells_where_to_go_on(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    client = "client-of-" + dataset
    ask = {"client": client, "stream": "s"}
    assert calls.action_json("put.status", ask) == {"acked_through": 0}

    def put(name: str, *sequences: int) -> None:
        writer, reader = calls.open_put(name, random_batch(1, 2, seed=1).schema)
        for i in sequences:
            frame = {"protocol": 1, "client": client, "stream": "s", "seq": i, "rows": 2}
            writer.write_with_metadata(random_batch(2, 2, seed=i, first_id=10 * i), json.dumps(frame).encode())
        writer.done_writing()
        with pytest.raises(pa.ArrowException, match="without FIN"):
            while reader.read() is not None:
                pass
            writer.close()

    put(dataset, 1, 2, 3)
    for port in (calls, meta_calls):
        assert port.action_json("put.status", ask) == {"acked_through": 3}
        assert port.action_json("put.status", {**ask, "dataset": dataset}) == {"acked_through": 3}
    assert calls.action_json("put.status", {**ask, "stream": "t"}) == {"acked_through": 0}
    put(dataset, 3, 4)
    assert calls.action_json("put.status", ask) == {"acked_through": 4}
    assert len(calls.ids(dataset)) == 8, "the batch sent again had effect once"
    put(dataset + "-b", 9)
    with fails("InvalidArgument", "dataset"):
        calls.action("put.status", ask)
    assert calls.action_json("put.status", {**ask, "dataset": dataset}) == {"acked_through": 4}
    for body in ({}, {"client": 5}, {"client": ""}):
        with fails("InvalidArgument", "client"):
            calls.action("put.status", body)
    with fails("NotFound"):
        calls.action("put.status", {**ask, "dataset": "no-such-set"})


def test_waiting_for_the_index_of_an_unknown_dataset_fails(calls: Calls) -> None:
    with fails("NotFound", "no-such-set"):
        calls.action("wait_indexed", {"dataset": "no-such-set"})


@pytest.mark.parametrize("kind", ["vectorsearch", "nope", "DELETE", "x" * 300])
def test_an_unknown_action_is_unimplemented(calls: Calls, kind: str) -> None:
    with fails("Unimplemented", "unknown action type"):
        calls.action(kind, {})


def test_actions_are_listed(calls: Calls, meta_calls: Calls) -> None:
    expected = {
        "VectorSearch", "VectorSearchByID", "HybridSearch", "delete", "delete-vector", "delete-dataset", "DeleteNamespace",
        "CreateNamespace", "ListNamespaces", "GetTotalNamespaceCount", "GetNamespaceDatasetCount", "check_readiness",
        "wait_indexed", "put.status", "add-edge", "traverse-graph", "GetGraphStats", "CancelFlightInfo", "cluster-status",
        "MeshIdentity", "MeshStatus", "DiscoveryStatus", "ForceSnapshot",
    }  # fmt: skip
    for port in (calls, meta_calls):
        listed = {a.type: a.description for a in port.client.list_actions(port.options)}
        assert expected <= set(listed)
        assert all(listed[name] for name in expected), "each says what it does"


@pytest.mark.parametrize("kind", ["VectorSearch", "VectorSearchByID", "delete", "delete-dataset", "CreateNamespace", "check_readiness", "wait_indexed", "delete-vector", "put.status", "add-edge", "traverse-graph", "HybridSearch"])
def test_a_body_that_is_not_json_is_refused(calls: Calls, kind: str) -> None:
    for body in (b"{", b"not json", b"[1, 2]", b'{"a": 1, "a": 2}', b"\xff\xfe", b'{"dataset": 5}'):
        with fails("InvalidArgument"):
            calls.action(kind, body)


def test_a_row_is_deleted_by_the_servers_number(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([-5, 7, 9], np.eye(3)))
    assert calls.action("delete-vector", {"dataset": dataset, "vector_id": 0}) == [b"deleted"]
    assert calls.ids(dataset) == [7, 9]
    assert calls.action("delete-vector", {"dataset": dataset, "vector_id": 0}) == [b"deleted"], "deleting again is fine"
    calls.put(dataset, batch([-5], [[1, 2, 3]]))
    assert calls.action("delete-vector", {"dataset": dataset, "vector_id": 0}) == [b"deleted"]
    assert calls.ids(dataset) == [7, 9, -5], "a key written again is another row"
    for row in (-1, 99):
        with fails("NotFound", f"vector_id {row} not found in dataset {dataset}"):
            calls.action("delete-vector", {"dataset": dataset, "vector_id": row})
    texts = dataset + "-t"
    calls.put(texts, batch(["a", "b"], np.eye(2)))
    calls.action("delete-vector", {"dataset": texts, "vector_id": 1})
    assert calls.ids(texts) == ["a"]


def test_namespaces_and_their_datasets_are_counted(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    space = "n" + dataset[:20]
    before = calls.action_json("GetTotalNamespaceCount")["count"]
    calls.action("CreateNamespace", {"name": space})
    assert meta_calls.action_json("GetTotalNamespaceCount", {})["count"] == before + 1
    assert calls.action_json("GetNamespaceDatasetCount", {"name": space}) == {"count": 0}
    calls.put(f"{space}/a", random_batch(1, 2, seed=1))
    calls.put(f"{space}/b", random_batch(1, 2, seed=1))
    assert calls.action_json("GetNamespaceDatasetCount", {"name": space}) == {"count": 2}
    with fails("NotFound", "no-such"):
        calls.action("GetNamespaceDatasetCount", {"name": "no-such"})


def test_a_node_on_its_own_says_that_there_is_no_mesh(calls: Calls, meta_calls: Calls) -> None:
    for port in (calls, meta_calls):
        with fails("Unavailable", "gossip mesh not enabled"):
            port.action("cluster-status")
        for kind in ("MeshIdentity", "MeshStatus", "DiscoveryStatus"):
            with fails("FailedPrecondition", "gossip mesh not enabled"):
                port.action(kind)


def test_a_flight_info_holds_nothing_to_cancel(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(1, 2, seed=1))
    info = calls.info(dataset).serialize()
    from raw_flight import field

    not_cancellable = field(1, 3)
    assert calls.action("CancelFlightInfo", field(1, info)) == [not_cancellable]
    with fails("InvalidArgument", "CancelFlightInfo"):
        calls.action("CancelFlightInfo", b"\xff\xff\xff")


# Edges


def test_edges_are_added_walked_and_counted(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(4, 2, seed=1))
    assert calls.action_json("traverse-graph", {"dataset": dataset, "start": 1}) == []
    assert calls.action_json("GetGraphStats", {"dataset": dataset}) == {"edge_count": 0, "community_count": 0, "predicates": []}
    for subject, object, weight in ((1, 2, 0.5), (2, 3, 1.0)):
        edge = {"dataset": dataset, "subject": subject, "predicate": "cites", "object": object, "weight": weight}
        assert calls.action("add-edge", edge) == [b"edge added"]
    many = [{"subject": "0", "predicate": "knows", "object": 7}]
    assert calls.action("add-edge", {"name": dataset, "edges": many}) == [b"edge added"]
    for port in (calls, meta_calls):
        stats = port.action_json("GetGraphStats", {"dataset": dataset})
        assert stats == {"edge_count": 3, "community_count": 2, "predicates": ["cites", "knows"]}
        [near, far] = port.action_json("traverse-graph", {"dataset": dataset, "start": 1, "max_hops": 2})
        assert near == {
            "Nodes": [1, 2],
            "Edges": [{"Subject": 1, "Predicate": "cites", "Object": 2, "Weight": 0.5}],
            "Score": 0.25,
        }
        assert far["Nodes"] == [1, 2, 3] and far["Score"] == 0.125
    backwards = {"dataset": dataset, "start": "3", "max_hops": 1, "incoming": True, "weighted": False, "decay": 1}
    [path] = calls.action_json("traverse-graph", backwards)
    assert path["Nodes"] == [3, 2] and path["Score"] == 1 and path["Edges"][0]["Subject"] == 2


def test_edges_that_cannot_be_are_refused(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(1, 2, seed=1))
    good = {"dataset": dataset, "subject": 1, "predicate": "p", "object": 2}
    for bad in ({"dataset": ""}, {"predicate": ""}, {"subject": None}, {"subject": "x"}, {"object": 1.5}, {"weight": 1e39}, {"edges": []}, {"edges": [1]}):
        with fails("InvalidArgument"):
            calls.action("add-edge", {**good, **bad})
    for kind in ("add-edge", "traverse-graph", "GetGraphStats"):
        with fails("NotFound", "no-such-set"):
            calls.action(kind, {**good, "start": 1, "dataset": "no-such-set"})
    assert calls.action_json("GetGraphStats", {"dataset": dataset})["edge_count"] == 0


def test_graph_alpha_lets_hits_lend_their_score(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(np.arange(10), [[float(i), 0.0] for i in range(10)], name=[f"n{i}" for i in range(10)]))
    calls.action("add-edge", {"dataset": dataset, "subject": 0, "predicate": "cites", "object": 9})
    search = {"dataset": dataset, "vector": [0, 0], "k": 2}
    assert calls.get({"search": search})["id"].to_pylist() == [0, 1]
    favoured = calls.get({"search": {**search, "graph_alpha": 0.9}})
    assert favoured["id"].to_pylist() == [0, 9] and favoured["name"].to_pylist() == ["n0", "n9"]
    assert favoured["score"].to_pylist() == pytest.approx([1, 0.9])
    assert calls.search_action(**search, graph_alpha=0.9)[0]["id"].to_pylist() == [0, 9]
    command = {"command": "VectorSearch", "dataset": dataset, "k": 2, "graph_alpha": 0.9}
    [(hits, _)] = calls.exchange(command, query_batch([[0, 0], [5, 0]]))
    assert hits["id"].to_pylist() == [0, 9, 5, 4]
    with fails("InvalidArgument", "graph_alpha"):
        calls.get({"search": {**search, "graph_alpha": -1}})


def test_an_edge_leads_from_words_to_rows_without_them(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(np.arange(4), [[float(i), 0.0] for i in range(4)], text=["apple", "pear", "plum", "fig"]))
    calls.action("add-edge", {"dataset": dataset, "subject": 0, "predicate": "cites", "object": 3})
    search = {"dataset": dataset, "text_query": "apple", "k": 2}
    hits = calls.get({"search": {**search, "graph_alpha": 0.5}})
    assert hits["id"].to_pylist() == [0, 3] and hits["text"].to_pylist() == ["apple", "fig"]
    first, second = hits["score"].to_pylist()
    assert second == pytest.approx(first / 2)
    assert calls.get({"search": {**search, "graph_alpha": 0.5, "filter": "id != 3"}})["id"].to_pylist() == [0]


def test_bytes_of_vectors_that_come_along_an_edge_have_the_range_of_all(calls: Calls, dataset: str) -> None:
    matrix = np.arange(32, dtype="float32").reshape(16, 2)
    calls.put(dataset, batch(np.arange(16), matrix))
    calls.action("add-edge", {"dataset": dataset, "subject": 0, "predicate": "cites", "object": 15})
    search = {"dataset": dataset, "k": 2, "graph_alpha": 0.9, "columns": ["vector"], "vector_format": "sq8"}
    hits = calls.get({"search": {**search, "vector": [0, 1]}})
    assert hits["id"].to_pylist() == [0, 15]
    about = {key.decode(): float(value) for key, value in hits.schema.field("vector").metadata.items()}
    decoded = matrix_of(hits["vector"]) * about["longbow.sq8.scale"] + about["longbow.sq8.offset"]
    np.testing.assert_allclose(decoded, matrix[[0, 15]], atol=about["longbow.sq8.scale"])
    [(answer, told)] = calls.exchange({"command": "VectorSearch", **search}, query_batch([[0, 1]]))
    decoded = matrix_of(answer["vector"]) * told["sq8"]["scale"] + told["sq8"]["offset"]
    np.testing.assert_allclose(decoded, matrix[[0, 15]], atol=told["sq8"]["scale"])


def test_a_hybrid_search_answers_with_objects(calls: Calls, dataset: str) -> None:
    half = pa.array([1.5, 2], pa.float16())
    calls.put(dataset, batch([3, 4], [[1, 0], [0, 1]], text=["a", None], n=[1.5, 2.5], half=half, tags=pa.array([["x"], []])))
    [near, far] = calls.action_json("HybridSearch", {"dataset": dataset, "vector": [1, 0], "k": 2, "alpha": 1.0})
    assert near == {"ID": 3, "Score": 1.0, "Distance": 0.0, "Vector": None, "Metadata": {"text": "a", "n": 1.5, "half": 1.5, "tags": ["x"]}}
    assert far["ID"] == 4 and far["Metadata"]["text"] is None
    [hit] = calls.action_json("HybridSearch", {"dataset": dataset, "vector": [1, 0], "k": 1, "include_vectors": True, "columns": []})
    assert hit["Vector"] == [1, 0] and hit["Metadata"] == {}


def test_numbers_beyond_json_are_refused(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    for text in ("NaN", "Infinity", "1e999"):
        with fails("InvalidArgument"):
            calls.action("VectorSearch", f'{{"dataset": "{dataset}", "k": 1, "vector": [{text}, 1]}}'.encode())


def test_stock_clients_log_in_with_the_token_as_password(server) -> None:
    client = flight.connect(f"grpc://127.0.0.1:{server.port}")
    header = client.authenticate_basic_token("anybody", server.token)
    assert header == (b"authorization", f"Bearer {server.token}".encode())
    assert list(client.list_actions(flight.FlightCallOptions(headers=[header])))
    for password in ("", "wrong", server.token + "x"):
        with fails("Unauthenticated", "token"):
            client.authenticate_basic_token("anybody", password)
    client.close()


def test_the_handshake_answers(server, calls: Calls) -> None:
    from raw_flight import RawFlight, field

    raw = RawFlight(server.port, server.token)
    answers, code, text = raw.stream("Handshake", [field(2, b"")])
    raw.close()
    assert code.name == "OK" and len(answers) == 1, (code, text)


def series(server: longbow.Server) -> dict[str, float]:
    """What /metrics says now, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


DASHBOARDS = """
flight_ops_total flight_duration_seconds flight_rows_processed_total flight_bytes_read_total flight_bytes_written_total vector_search_action_total
vector_search_action_errors_total vector_search_action_duration_seconds vector_search_latency_seconds search_latency_seconds vector_index_size
hnsw_node_count hnsw_searches_total hnsw_search_pool_get_total hnsw_search_pool_put_total hnsw_search_pool_new_total hnsw_insert_latency_by_type_seconds
hnsw_insert_latency_by_dim_seconds index_queue_depth ingestion_queue_depth ingestion_lag_count index_job_latency_seconds index_jobs_overflow_total
index_migration_duration_seconds sharded_hnsw_shard_size do_put_payload_size_bytes doput_batch_size_bytes do_get_time_to_first_chunk_seconds
do_get_zero_copy_total do_get_pipeline_steps_total do_exchange_calls_total do_exchange_errors_total do_exchange_batches_sent_total
do_exchange_batches_received_total do_exchange_duration_seconds do_exchange_search_duration_seconds do_exchange_search_total wal_writes_total
wal_bytes_written_total wal_fsync_duration_seconds wal_batch_size wal_pending_entries wal_replay_duration_seconds snapshot_operations_total
snapshot_duration_seconds evictions_total eviction_rejected_queries_total tombstones_total memory_limit_rejects_total memory_pressure_level
memory_heap_in_use_bytes gossip_active_members gossip_pings_total global_search_duration_seconds global_search_fanout_size
global_search_partial_failures_total proxy_requests_forwarded_total proxy_request_latency_seconds rate_limit_requests_total query_cache_hits_total
query_cache_misses_total hybrid_search_vector_total hybrid_search_keyword_total bm25_documents_indexed_total filter_selectivity_ratio namespaces_total
schema_version_current grpc_max_recv_msg_size_bytes grpc_max_send_msg_size_bytes grpc_max_concurrent_streams
""".split()


def test_every_series_that_old_dashboards_ask_for_is_there(server: longbow.Server, calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(20, 7, seed=1, text=["a"] * 20))
    calls.search_action(dataset=dataset, vector=[0] * 7, k=1, filter="id < 3")
    calls.action("wait_indexed", {"dataset": dataset})
    now = series(server)
    plain = {name.partition("{")[0].removeprefix("longbow_") for name in now}
    there = plain | {name.removesuffix("_count") for name in plain}
    assert [name for name in DASHBOARDS if name not in there] == []
    assert "go_goroutines" in now and any(name.startswith("process_") for name in now)


def test_the_time_until_rows_are_indexed_is_told_by_dataset_type_and_dimension(server: longbow.Server, calls: Calls, dataset: str) -> None:
    labels = {"index_job_latency_seconds": f'dataset="{dataset}"', "hnsw_insert_latency_by_type_seconds": 'type="int16"', "hnsw_insert_latency_by_dim_seconds": 'dim="13"'}
    names = [f"longbow_{name}_count{{{label}}}" for name, label in labels.items()]
    before = series(server)
    calls.put(dataset, batch(np.arange(50), vectors(np.arange(650).reshape(50, 13), "int16")))
    deadline = time.monotonic() + 20
    while not all(series(server).get(name, 0) > before.get(name, 0) for name in names):
        assert time.monotonic() < deadline, f"no time was recorded under {names}"
        time.sleep(0.02)
    calls.action("delete-dataset", {"dataset": dataset})
    assert names[0] not in series(server), "what is counted by dataset goes with it"


def test_the_steps_of_a_download_are_counted(server: longbow.Server, calls: Calls, dataset: str) -> None:
    def steps() -> dict[str, float]:
        now = series(server)
        return {f"{step} {status}": now[f'longbow_do_get_pipeline_steps_total{{step="{step}",status="{status}"}}'] for step in ("ticket", "open", "batch") for status in ("success", "error")}

    calls.put(dataset, random_batch(20, 7, seed=1))
    before = steps()
    calls.get(dataset)
    calls.get({"search": {"dataset": dataset, "vector": [0] * 7, "k": 1}})
    with fails("NotFound"):
        calls.get(dataset + "-none")
    with fails("InvalidArgument"):
        calls.get("{")
    moved = {name: value - before[name] for name, value in steps().items() if value != before[name]}
    assert moved == {"ticket success": 3, "ticket error": 1, "open success": 2, "open error": 1, "batch success": 2}
