"""Searches by DoGet, by action and by DoExchange: the same rows, the right ones."""

from __future__ import annotations

import decimal
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, matrix_of, query_batch, random_batch, vectors

SIFT = Path(__file__).resolve().parents[2] / "examples" / "data" / "sift-5k"


def nearest(distances: np.ndarray[Any, Any], k: int) -> list[int]:
    return np.lexsort((np.arange(len(distances)), distances))[:k].tolist()


def search_ticket(dataset: str, vector: Any, k: int = 10, **more: Any) -> dict[str, Any]:
    return {"search": {"dataset": dataset, "vector": np.asarray(vector).tolist(), "k": k, **more}}


@pytest.fixture(scope="module")
def sift(_shared_calls: Calls) -> str:
    base = np.load(SIFT / "base.npy")
    rows = batch(np.arange(len(base)), vectors(base, "uint8"), half=pa.array(np.arange(len(base)) % 2))
    _shared_calls.put("sift-search", rows)
    return "sift-search"


# What comes back


def test_columns_of_a_hit(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2, 3], [[0, 0], [3, 4], [6, 8]], title=["a", "b", "c"]))
    found = calls.get(search_ticket(dataset, [0, 0], k=3))
    assert found.column_names[:3] == ["id", "score", "distance"]
    assert found.schema.field("id").type == pa.uint64()
    assert found.schema.field("score").type == pa.float32()
    assert found.schema.field("distance").type == pa.float32()
    assert found["id"].to_pylist() == [1, 2, 3]
    assert found["distance"].to_pylist() == [0, 5, 10]
    np.testing.assert_allclose(found["score"], [1, 1 / 6, 1 / 11], rtol=1e-6)
    assert found["title"].to_pylist() == ["a", "b", "c"]
    assert "vector" not in found.column_names


def test_equal_distances_are_ordered_by_key(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([9, 3, 7, 1], [[1, 0], [0, 1], [-1, 0], [0, -1]]))
    assert calls.get(search_ticket(dataset, [0, 0], k=3))["id"].to_pylist() == [1, 3, 7]


def test_string_keys_come_back_as_key(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(["one", "two"], np.eye(2)))
    found = calls.get(search_ticket(dataset, [0, 1], k=2))
    assert found["key"].to_pylist() == ["two", "one"]
    assert found.schema.field("id").type == pa.uint64() and len(set(found["id"].to_pylist())) == 2


def test_payload_named_like_a_result_column_gets_an_underscore(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1, 0]], score=["mine"], distance=[7], query=["q"]))
    found = calls.get(search_ticket(dataset, [1, 0], k=1)).to_pylist()[0]
    assert found["score_"] == "mine" and found["distance_"] == 7 and found["query_"] == "q"
    assert found["distance"] == 0


def test_vectors_come_along_when_asked_for(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2], [[1.5, 0], [0, 2.5]]))
    old = calls.get(search_ticket(dataset, [1, 0], k=2, include_vectors=True))
    assert old.column_names[:3] == ["id", "score", "distance"] and pa.types.is_binary(old.schema.field("vector").type)
    assert np.frombuffer(old["vector"][0].as_py(), "<f4").tolist() == [1.5, 0]
    new = calls.get(search_ticket(dataset, [1, 0], k=2, columns=["vector"]))
    assert new["vector"].to_pylist() == [[1.5, 0], [0, 2.5]]


def test_a_limit_beside_the_search_cuts_the_answer(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(50, 8, seed=2))
    for search, rows in (({"vector": [0] * 8, "k": 5}, 5), ({"vectors": [[0] * 8, [1] * 8], "k": 4}, 8)):
        whole = calls.get({"search": {"dataset": dataset, **search}})
        assert whole.num_rows == rows
        for limit in (0, 1, rows - 1, rows, 100):
            cut = calls.get({"name": "", "limit": limit, "search": {"dataset": dataset, **search}})
            assert cut["id"].to_pylist() == whole["id"].to_pylist()[: limit or rows]


def test_the_word_projection_names_columns_too(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(5, 8, seed=2, a=[1] * 5, b=[2] * 5))
    for words in ({"projection": ["b"]}, {"columns": ["b"]}, {"columns": ["b"], "projection": ["a"]}):
        assert calls.get(search_ticket(dataset, [0] * 8, k=1, **words)).column_names == ["id", "score", "distance", "b"]
    with fails("InvalidArgument", "nope"):
        calls.get(search_ticket(dataset, [0] * 8, k=1, projection=["nope"]))


def test_vectors_as_bytes_with_scale_and_offset(calls: Calls, dataset: str) -> None:
    stored = random_batch(100, 24, seed=5)
    calls.put(dataset, stored)
    found = calls.get(search_ticket(dataset, [0.0] * 24, k=100, columns=["vector"], vector_format="sq8"))
    field = found.schema.field("vector")
    assert field.type == pa.list_(pa.uint8(), 24)
    scale, offset = (float(field.metadata[f"longbow.sq8.{name}".encode()]) for name in ("scale", "offset"))
    back = matrix_of(found["vector"]).astype("f8") * scale + offset
    expected = matrix_of(stored["vector"])[found["id"].to_pylist()]
    assert np.abs(back - expected).max() <= scale / 2 * 1.001


def test_each_answer_of_a_stream_has_its_own_scale_and_offset(calls: Calls, dataset: str) -> None:
    small, large = random_batch(50, 24, seed=5), batch(np.arange(50, 100), 1000 + 9 * matrix_of(random_batch(50, 24, seed=6)["vector"]))
    calls.put(dataset, small, large)
    stored = np.concatenate([matrix_of(small["vector"]), matrix_of(large["vector"])])
    command = {"command": "VectorSearch", "dataset": dataset, "k": 10, "columns": ["vector"], "vector_format": "sq8"}
    answers = calls.exchange(command, query_batch([[0.0] * 24]), query_batch([[1000.0] * 24]), query_batch([[0.0] * 24, [1000.0] * 24]))
    ranges = [(metadata["sq8"]["scale"], metadata["sq8"]["offset"]) for _, metadata in answers]
    for (found, _), (scale, offset) in zip(answers, ranges, strict=True):
        field = found.schema.field("vector")
        assert field.type == pa.list_(pa.uint8(), 24) and not field.metadata, "what holds for one answer is not told of the stream"
        back = matrix_of(found["vector"]).astype("f8") * scale + offset
        assert np.abs(back - stored[found["id"].to_pylist()]).max() <= scale / 2 * 1.001
    assert len(set(ranges)) == 3
    for name, dtype in (("f32", "float32"), ("f16", "float16")):
        ((found, metadata),) = calls.exchange(command | {"vector_format": name}, query_batch([[0.0] * 24]))
        assert "sq8" not in metadata
        assert (matrix_of(found["vector"]) == stored[found["id"].to_pylist()].astype(dtype)).all()


def test_a_searched_column_has_its_format_by_its_own_name_too(calls: Calls, dataset: str) -> None:
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [1, 2], "embedding": vectors([[1.5, 0], [0, 2.5]])}))
    for name in ("vector", "embedding"):
        for form, element in (("f16", pa.float16()), ("f32", pa.float32()), ("stored", pa.float32()), ("sq8", pa.uint8())):
            found = calls.get(search_ticket(dataset, [1, 0], k=1, columns=[name], vector_format=form))
            assert found.schema.field("vector").type == pa.list_(element, 2), (name, form)


@pytest.mark.parametrize("command", ["sync", "merkle_node", "root"])
def test_the_words_between_servers_are_not_spoken(calls: Calls, command: str) -> None:
    with fails("Unimplemented", command, "DoGet"):
        calls.exchange(command, query_batch([[1.0]]))


@pytest.mark.parametrize("name, type", [("f32", pa.float32()), ("float32", pa.float32()), ("f16", pa.float16())])
def test_the_format_of_vectors_can_be_chosen(calls: Calls, dataset: str, name: str, type: pa.DataType) -> None:
    calls.put(dataset, batch([1, 2], vectors([[1, 0], [0, 2]], "float64")))
    found = calls.get(search_ticket(dataset, [1, 0], k=2, columns=["vector"], vector_format=name))
    assert found["vector"].type.value_type == type
    assert found["vector"].to_pylist() == [[1, 0], [0, 2]]


def test_columns_of_hits_can_be_chosen(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1, 0]], title=["a"], year=[1990]))
    found = calls.get(search_ticket(dataset, [1, 0], k=1, columns=["year"]))
    assert found.column_names == ["id", "score", "distance", "year"]
    assert calls.get(search_ticket(dataset, [1, 0], k=1, columns=[])).column_names == ["id", "score", "distance"]


def test_rows_without_a_vector_have_null_in_every_format(calls: Calls, dataset: str) -> None:
    column = pa.array([[1, 2], None], pa.list_(pa.float32(), 2))
    calls.put(dataset, batch([1, 2], column, text=["apple", "apple"]))
    search = {"dataset": dataset, "text_query": "apple", "k": 2}
    for name in ("stored", "f32", "f16", "sq8"):
        hits = calls.get({"search": {**search, "vector_format": name, "columns": ["vector"]}})
        assert [v is None for v in hits["vector"].to_pylist()] == [False, True], name
    assert float(calls.get({"search": {**search, "vector_format": "sq8", "columns": ["vector"]}}).schema.field("vector").metadata[b"longbow.sq8.offset"]) == 1
    assert calls.get({"search": {**search, "include_vectors": True}})["vector"].to_pylist() == [np.array([1, 2], "<f4").tobytes(), None]
    first, second = calls.action_json("HybridSearch", {**search, "include_vectors": True})
    assert first["Vector"] == [1, 2] and second["Vector"] is None


def test_k_beyond_the_rows_returns_all_rows(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(7, 4, seed=1))
    assert calls.get(search_ticket(dataset, [0, 0, 0, 0], k=100)).num_rows == 7


def test_an_empty_dataset_has_no_neighbours(calls: Calls, dataset: str) -> None:
    calls.put(dataset, schema=random_batch(1, 4, seed=1).schema)
    found = calls.get(search_ticket(dataset, [0, 0, 0, 0]))
    assert found.num_rows == 0 and found.column_names[:2] == ["id", "score"]


# The right rows


def test_real_vectors_have_their_exact_neighbours(calls: Calls, sift: str) -> None:
    queries, truth = np.load(SIFT / "queries.npy"), np.load(SIFT / "gt_dist.npy")[:, :100]
    (answer, _), = calls.exchange({"command": "VectorSearch", "dataset": sift, "k": 100}, query_batch(vectors(queries, "uint8")))
    distances = answer["distance"].to_numpy().reshape(len(queries), 100)
    np.testing.assert_allclose(distances**2, truth, rtol=1e-5)
    assert answer["query"].to_pylist() == np.repeat(np.arange(len(queries)), 100).tolist()
    base = np.load(SIFT / "base.npy").astype("f8")
    found = base[answer["id"].to_numpy().astype("i8")].reshape(len(queries), 100, 128)
    recomputed = ((found - queries[:, None].astype("f8")) ** 2).sum(2)
    np.testing.assert_allclose(recomputed, truth, rtol=1e-6, err_msg="each id really is as near as its distance says")


METRICS = {
    "euclidean": lambda m, q: np.sqrt(((m - q) ** 2).sum(1)),
    "cosine": lambda m, q: 1 - m @ q / np.linalg.norm(m, axis=1) / np.linalg.norm(q),
    "dot_product": lambda m, q: -(m @ q),
    "l2": lambda m, q: np.sqrt(((m - q) ** 2).sum(1)),
    "ip": lambda m, q: -(m @ q),
}


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_rank_by_their_own_distance(calls: Calls, dataset: str, metric: str) -> None:
    rng = np.random.default_rng(11)
    matrix, query = rng.standard_normal((500, 20)), rng.standard_normal(20)
    matrix *= rng.uniform(0.1, 3, (500, 1))
    calls.put(dataset, batch(np.arange(500), matrix).replace_schema_metadata({"longbow.metric": metric}))
    exact = METRICS[metric](matrix.astype("f4").astype("f8"), query.astype("f4").astype("f8"))
    found = calls.get(search_ticket(dataset, query, k=20))
    assert found["id"].to_pylist() == nearest(exact, 20)
    np.testing.assert_allclose(found["distance"], np.sort(exact)[:20], rtol=1e-4, atol=1e-5)
    distance = found["distance"].to_numpy()
    score = {"cosine": 1 - distance, "dot_product": -distance, "ip": -distance}.get(metric, 1 / (1 + distance))
    np.testing.assert_allclose(found["score"], score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 768, 1537])
def test_odd_dimensions_are_compared_to_their_end(calls: Calls, dataset: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    matrix = rng.standard_normal((200, dim)).astype("f4")
    calls.put(dataset, batch(np.arange(200), matrix))
    query = rng.standard_normal(dim).astype("f4")
    exact = ((matrix.astype("f8") - query) ** 2).sum(1)
    assert calls.get(search_ticket(dataset, query))["id"].to_pylist() == nearest(exact, 10)


def test_a_search_can_name_its_vector_column(calls: Calls, dataset: str) -> None:
    rows = batch([1, 2], [[1, 0], [0, 1]], image=vectors([[0, 1, 0], [1, 0, 0]]))
    calls.put(dataset, rows)
    assert calls.get(search_ticket(dataset, [1, 0], k=1))["id"].to_pylist() == [1]
    assert calls.get(search_ticket(dataset, [1, 0, 0], k=1, vector_column="image"))["id"].to_pylist() == [2]


def test_embedding_is_the_default_where_there_is_no_vector(calls: Calls, dataset: str) -> None:
    rows = pa.RecordBatch.from_pydict({"id": [1, 2], "a": vectors([[1], [2]]), "embedding": vectors(np.eye(2))})
    calls.put(dataset, rows)
    assert calls.get(search_ticket(dataset, [0, 1], k=1))["id"].to_pylist() == [2]


def test_filtered_searches_find_k_rows_that_pass(calls: Calls, sift: str) -> None:
    base, queries = np.load(SIFT / "base.npy").astype("f8"), np.load(SIFT / "queries.npy")
    odd = np.arange(len(base)) % 2 == 1
    for query in queries[:20]:
        exact = ((base - query.astype("f8")) ** 2).sum(1)
        exact[~odd] = np.inf
        found = calls.get(search_ticket(sift, query, filters=[{"field": "half", "op": "=", "value": 1}]))
        np.testing.assert_allclose(found["distance"].to_numpy() ** 2, np.sort(exact)[:10], rtol=1e-5)
        assert set(found["half"].to_pylist()) == {1}


def test_a_filter_that_nothing_passes_finds_nothing(calls: Calls, sift: str) -> None:
    query = np.load(SIFT / "queries.npy")[0]
    assert calls.get(search_ticket(sift, query, filters=[{"field": "half", "op": "=", "value": 2}])).num_rows == 0


def test_searches_see_the_newest_version_of_a_row_only(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(100, 8, seed=1))
    moved = random_batch(100, 8, seed=2)
    calls.put(dataset, moved)
    matrix = matrix_of(moved["vector"])
    for i in (0, 50, 99):
        found = calls.get(search_ticket(dataset, matrix[i], k=100))
        assert found["id"][0].as_py() == i and found["distance"][0].as_py() == 0
        assert sorted(found["id"].to_pylist()) == list(range(100))


def test_a_deleted_row_is_never_found_again(calls: Calls, dataset: str) -> None:
    rows = random_batch(50, 8, seed=1)
    calls.put(dataset, rows)
    calls.action("delete", {"dataset": dataset, "id": "7"})
    found = calls.get(search_ticket(dataset, matrix_of(rows["vector"])[7], k=50))
    assert 7 not in found["id"].to_pylist() and found.num_rows == 49


# Tickets of existing clients


def test_a_ticket_may_name_the_dataset_outside(calls: Calls, sift: str) -> None:
    query = np.load(SIFT / "queries.npy")[0].tolist()
    inside = calls.get(search_ticket(sift, query, k=5))
    outside = calls.get({"name": sift, "search": {"vector": query, "k": 5}})
    cluster = calls.get({"name": "", "limit": 0, "filters": None, "search": {"dataset": sift, "vector": query, "k": 5, "local_only": True}})
    assert inside.equals(outside) and inside.equals(cluster)


def test_keys_that_are_unknown_inside_search_are_ignored(calls: Calls, sift: str) -> None:
    query = np.load(SIFT / "queries.npy")[0]
    found = calls.get(
        search_ticket(sift, query, k=5, text_query="", alpha=0.0, graph_alpha=0, include_vectors=False, vector_format="f32", graph_depth=2, zzz=[{}])
    )
    assert found.num_rows == 5


# Actions


def test_the_search_action_answers_one_stream_a_query(calls: Calls, meta_calls: Calls, sift: str) -> None:
    queries = np.load(SIFT / "queries.npy")[:3]
    single = calls.search_action(dataset=sift, vector=queries[0].tolist(), k=4)
    assert len(single) == 1 and single[0].column_names[:2] == ["id", "score"] and single[0].num_rows == 4
    several = meta_calls.search_action(dataset=sift, vectors=queries.tolist(), k=4)
    assert [t.num_rows for t in several] == [4, 4, 4]
    assert several[0]["id"].to_pylist() == single[0]["id"].to_pylist()
    for query, table in zip(queries, several):
        assert calls.get(search_ticket(sift, query, k=4))["id"].to_pylist() == table["id"].to_pylist()


def test_the_search_action_still_speaks_json(calls: Calls, sift: str) -> None:
    query = np.load(SIFT / "queries.npy")[0].tolist()
    answer = calls.action_json("VectorSearch", {"dataset": sift, "vector": query, "k": 4, "format": "json"})
    table = calls.get(search_ticket(sift, query, k=4))
    assert answer["ids"] == table["id"].to_pylist()
    assert answer["coverage"] in ("exact", "approximate")
    np.testing.assert_allclose(answer["scores"], table["score"], rtol=1e-5)


@pytest.mark.parametrize("id", [7, "7"])
def test_search_by_id_leaves_the_row_itself_out(calls: Calls, sift: str, id: int | str) -> None:
    answer = calls.action_json("VectorSearchByID", {"dataset": sift, "id": id, "k": 5})
    base = np.load(SIFT / "base.npy").astype("f8")
    exact = ((base - base[7]) ** 2).sum(1)
    exact[7] = np.inf
    np.testing.assert_allclose(exact[answer["ids"]], np.sort(exact)[:5])
    assert len(answer["scores"]) == 5 and answer["coverage"] in ("exact", "approximate")


def test_search_by_an_unknown_id_is_not_found(calls: Calls, sift: str) -> None:
    with fails("NotFound", "999999"):
        calls.action("VectorSearchByID", {"dataset": sift, "id": "999999", "k": 5})
    with fails("NotFound", "id 999999 not found in dataset"):
        calls.get({"search": {"dataset": sift, "id": 999999, "k": 5}})


# Exchanges


@pytest.mark.parametrize("command", ["VectorSearch", "search"])
def test_a_request_in_columns_as_old_clients_send_it(calls: Calls, sift: str, command: str) -> None:
    query = np.load(SIFT / "queries.npy")[:1]
    request = query_batch(query, dataset=[sift], k=pa.array([6], pa.int32()), ef=pa.array([100], pa.int32()))
    (answer, _), = calls.exchange(command, request)
    assert answer.schema.names[:2] == ["id", "score"]
    assert answer["id"].to_pylist() == calls.get(search_ticket(sift, query[0], k=6))["id"].to_pylist()


def test_k_is_10_unless_said_otherwise(calls: Calls, sift: str) -> None:
    request = query_batch(np.load(SIFT / "queries.npy")[:2], dataset=[sift, sift])
    (answer, _), = calls.exchange("VectorSearch", request)
    assert answer.num_rows == 20


@pytest.mark.parametrize("dtype", "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
def test_queries_of_every_element_type_are_taken(calls: Calls, dataset: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    matrix = rng.integers(0, 50, (200, 12))
    calls.put(dataset, batch(np.arange(200), vectors(matrix, "float32")))
    (answer, _), = calls.exchange({"command": "search", "dataset": dataset, "k": 1}, query_batch(vectors(matrix[:5], dtype)))
    assert answer["distance"].to_pylist() == [0] * 5


def test_queries_may_be_variable_lists(calls: Calls, sift: str) -> None:
    queries = np.load(SIFT / "queries.npy")[:2]
    column = pa.array(queries.tolist(), pa.list_(pa.float32()))
    (answer, _), = calls.exchange({"command": "search", "dataset": sift, "k": 3}, query_batch(column))
    assert answer.num_rows == 6


def test_many_batches_on_one_stream_are_answered_in_order(calls: Calls, sift: str) -> None:
    queries = np.load(SIFT / "queries.npy")
    requests = [query_batch(vectors(queries[i * 10 : i * 10 + 10], "uint8")) for i in range(30)]
    answers = calls.exchange({"command": "VectorSearch", "dataset": sift, "k": 5}, *requests)
    assert len(answers) == 30
    truth = np.sqrt(np.load(SIFT / "gt_dist.npy")[:, :5])
    for i, (answer, metadata) in enumerate(answers):
        np.testing.assert_allclose(answer["distance"].to_numpy().reshape(10, 5), truth[i * 10 : i * 10 + 10], rtol=1e-5)
        assert metadata["sequence"] and metadata["coverage"] == "exact" and metadata["stats"]


@pytest.mark.parametrize("ids, expected", [(["a", "b"], "a"), ([7, 8], 7)])
def test_an_answer_carries_the_number_of_its_request(calls: Calls, sift: str, ids: list[Any], expected: Any) -> None:
    request = query_batch(np.load(SIFT / "queries.npy")[:2], request_id=ids)
    (_, metadata), = calls.exchange({"command": "VectorSearch", "dataset": sift, "k": 5}, request)
    assert metadata["request_id"] == expected


def test_every_row_may_have_its_own_k(calls: Calls, sift: str) -> None:
    request = query_batch(np.load(SIFT / "queries.npy")[:3], k=pa.array([1, 5, 2], pa.int32()))
    (answer, _), = calls.exchange({"command": "VectorSearch", "dataset": sift}, request)
    assert answer["query"].to_pylist() == [0, 1, 1, 1, 1, 1, 2, 2]


def test_stored_rows_can_be_the_queries(calls: Calls, sift: str) -> None:
    request = pa.RecordBatch.from_pydict({"id": pa.array([7, 8])})
    (answer, _), = calls.exchange({"command": "VectorSearch", "dataset": sift, "k": 5}, request)
    expected = calls.action_json("VectorSearchByID", {"dataset": sift, "id": "7", "k": 5})["ids"]
    assert answer["id"].to_pylist()[:5] == expected and answer.num_rows == 10


def test_a_filter_in_the_command_holds_for_every_query(calls: Calls, sift: str) -> None:
    command = {"command": "VectorSearch", "dataset": sift, "k": 5, "filters": [{"field": "half", "op": "=", "value": 0}]}
    (answer, _), = calls.exchange(command, query_batch(np.load(SIFT / "queries.npy")[:4]))
    assert answer.num_rows == 20 and set(answer["half"].to_pylist()) == {0}


def test_an_empty_exchange_ends_well(calls: Calls) -> None:
    descriptor = flight.FlightDescriptor.for_command("VectorSearch")
    writer, reader = calls.client.do_exchange(descriptor, calls.options)
    writer.begin(query_batch([[1.0]]).schema)
    writer.done_writing()
    assert [chunk for chunk in reader] == []
    writer.close()


@pytest.mark.parametrize("command", ["fetch", "", '{"command": "nope"}', "{"])
def test_an_unknown_exchange_names_the_known_ones(calls: Calls, command: str) -> None:
    with fails("InvalidArgument"):
        calls.exchange(command, query_batch([[1.0]]))
    if command == "fetch":
        with fails("InvalidArgument", "fetch", "VectorSearch", "ingest"):
            calls.exchange(command, query_batch([[1.0]]))


def test_ingest_acknowledges_every_batch(calls: Calls, dataset: str) -> None:
    writer, reader = calls.client.do_exchange(flight.FlightDescriptor.for_path("ingest", dataset), calls.options)
    writer.begin(random_batch(1, 4, seed=0).schema)
    for i in range(3):
        writer.write_batch(random_batch(5 + i, 4, seed=i, first_id=100 * i))
        answer = json.loads(reader.read_chunk().app_metadata.to_pybytes())
        assert answer["status"] == "acked" and answer["batch_id"] == i + 1 and answer["rows"] == 5 + i
        assert calls.get(dataset).num_rows == sum(5 + j for j in range(i + 1)), "acked means visible"
    writer.done_writing()
    writer.close()


def test_both_ports_take_exchanges(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    writer, reader = meta_calls.client.do_exchange(flight.FlightDescriptor.for_path("ingest", dataset), meta_calls.options)
    writer.begin(random_batch(1, 4, seed=0).schema)
    writer.write_batch(random_batch(9, 4, seed=0))
    assert json.loads(reader.read_chunk().app_metadata.to_pybytes())["status"] == "acked"
    writer.done_writing()
    writer.close()
    command = {"command": "VectorSearch", "dataset": dataset, "k": 3}
    queries = query_batch(matrix_of(random_batch(9, 4, seed=0)["vector"])[4:6])
    answers = [[hits.to_pydict() for hits, _ in port.exchange(command, queries)] for port in (calls, meta_calls)]
    assert answers[0] == answers[1] and answers[0][0]["id"][::3] == [4, 5]


def test_ingest_needs_a_dataset(calls: Calls) -> None:
    writer, reader = calls.client.do_exchange(flight.FlightDescriptor.for_path("ingest"), calls.options)
    with fails("InvalidArgument"):
        writer.begin(random_batch(1, 4, seed=0).schema)
        writer.done_writing()
        reader.read_chunk()


# Forms of a search


@pytest.fixture(scope="module")
def line(_shared_calls: Calls) -> str:
    """Rows 0 .. 99 on a line: row i at i."""
    n = np.arange(100)
    rows = batch(n, vectors(np.stack([n, np.zeros(100)], axis=1)), size=pa.array((n * 37) % 100))
    _shared_calls.put("search-line", rows)
    return "search-line"


def test_pages_neither_repeat_nor_skip(calls: Calls, line: str) -> None:
    pages = [calls.get(search_ticket(line, [0, 0], k=50, offset=at, limit=7)) for at in range(0, 50, 7)]
    assert [i for page in pages for i in page["id"].to_pylist()] == list(range(50))


def test_an_offset_of_nought_asks_for_the_first_page(calls: Calls, sift: str) -> None:
    query = np.load(SIFT / "queries.npy")[1].tolist()
    pages = [calls.get({"search": {"dataset": sift, "vector": query, "limit": 5, "offset": offset}}) for offset in (0, 5)]
    assert [page.schema.metadata[b"longbow.coverage"] for page in pages] == [b"exact", b"exact"]
    exact = ((np.load(SIFT / "base.npy").astype("f8") - query) ** 2).sum(1)
    found = [i for page in pages for i in page["id"].to_pylist()]
    assert len(set(found)) == 10
    np.testing.assert_allclose(exact[found], np.sort(exact)[:10])


def test_a_radius_holds_all_within(calls: Calls, line: str) -> None:
    ticket = {"search": {"dataset": line, "vector": [50, 0], "radius": 3.5}}
    assert sorted(calls.get(ticket)["id"].to_pylist()) == list(range(47, 54))


def test_hits_are_ordered_by_a_column(calls: Calls, line: str) -> None:
    found = calls.get(search_ticket(line, [0, 0], k=10, order_by="size desc"))
    assert sorted(found["id"].to_pylist()) == list(range(10))
    assert found["size"].to_pylist() == sorted(found["size"].to_pylist(), reverse=True)


@pytest.mark.parametrize("type", [pa.float16(), pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal256(40, 2)], ids=str)
def test_every_number_has_an_order(calls: Calls, dataset: str, type: pa.DataType) -> None:
    value = np.float16 if type == pa.float16() else decimal.Decimal
    sizes = pa.array([value(3), None, value(1), value(2)], type)
    calls.put(dataset, batch([1, 2, 3, 4], [[float(i), 0.0] for i in range(4)], size=sizes))
    assert calls.get({"name": dataset, "order_by": "size"})["id"].to_pylist() == [3, 4, 1, 2]
    assert calls.get({"search": {"dataset": dataset, "vector": [0, 0], "k": 3, "order_by": "size desc"}})["id"].to_pylist() == [1, 3, 2]


def test_spans_of_months_have_no_order(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[0.0, 0.0]], span=pa.array([pa.MonthDayNano([1, 2, 3])])))
    with fails("InvalidArgument", "order_by", "month_day_nano_interval", "no order"):
        calls.get({"name": dataset, "order_by": "span"})


def test_scans_are_counted_paged_and_ordered(calls: Calls, line: str) -> None:
    assert calls.get({"name": line, "count": True}).to_pydict() == {"count": [100]}
    assert calls.get({"name": line, "offset": 90, "limit": 3})["id"].to_pylist() == [90, 91, 92]
    assert calls.get({"name": line, "order_by": "size", "limit": 5})["size"].to_pylist() == [0, 1, 2, 3, 4]


def test_hits_of_several_questions_in_one_ticket_say_whose_they_are(calls: Calls, line: str) -> None:
    search = {"dataset": line, "vectors": [[10, 0], [50, 0]], "ids": [20], "k": 2, "filter": "id >= 10 and id <= 20"}
    hits = calls.get({"search": search})
    assert hits["query"].to_pylist() == [0, 0, 1, 1, 2, 2] and hits["id"].to_pylist() == [10, 11, 20, 19, 19, 18]
    assert "query" not in calls.get({"search": {"dataset": line, "vectors": [[10, 0]], "k": 2}}).column_names


def test_stored_rows_and_vectors_are_asked_together(calls: Calls, line: str) -> None:
    first, second = calls.search_action(dataset=line, vector=[10, 0], id=20, k=2)
    assert first["id"].to_pylist() == [10, 9] and second["id"].to_pylist() == [19, 21]
    requests = pa.RecordBatch.from_pydict({
        "query_vector": pa.array([[10, 0], None], pa.list_(pa.float32(), 2)),
        "id": pa.array([None, 20], pa.int64()),
    })
    ((answer, _),) = calls.exchange({"command": "VectorSearch", "dataset": line, "k": 2}, requests)
    assert answer["id"].to_pylist() == [10, 9, 19, 21]


def test_the_first_dimensions_are_searched_and_all_decide(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2, 3], [[1, 0, 9], [1, 1, 0], [0, 5, 0]]))
    by_prefix = calls.get(search_ticket(dataset, [1, 0], k=1, dims=2))
    assert by_prefix["id"].to_pylist() == [1] and by_prefix["distance"].to_pylist() == [0]
    assert calls.get(search_ticket(dataset, [1, 0, 0], k=3, dims=2))["id"].to_pylist() == [2, 3, 1]


@pytest.mark.parametrize("explain", [True, "analyze"])
def test_a_plan_is_explained_wherever_one_asks(calls: Calls, line: str, explain: Any) -> None:
    query = {"filter": "size < 10", "explain": explain}
    by_ticket = calls.get(search_ticket(line, [0, 0], k=3, **query))
    (by_action,) = calls.search_action(dataset=line, vector=[0, 0], k=3, **query)
    command = {"command": "VectorSearch", "dataset": line, "k": 3, **query}
    ((by_exchange, _),) = calls.exchange(command, query_batch([[0, 0]]))
    for table in by_ticket, by_action, by_exchange:
        (chosen,) = [row for row in table.to_pylist() if row["chosen"]]
        assert chosen["selected"] == 10 and chosen["rows"] == 100 and chosen["filter"] == "size < 10"
        assert (chosen["hits"] == 3) if explain == "analyze" else (chosen["hits"] is None)
        assert all(row["reason"] for row in table.to_pylist() if not row["chosen"])


def test_an_answer_says_how_it_came_about(calls: Calls, line: str) -> None:
    found = calls.get(search_ticket(line, [0, 0], k=3, exact=True, check_recall=True))
    assert found.schema.metadata[b"longbow.coverage"] == b"exact"
    assert json.loads(found.schema.metadata[b"longbow.stats"])["recall"] == 1
    (table,) = calls.search_action(dataset=line, vector=[0, 0], k=3, exact=True)
    assert json.loads(table.schema.metadata[b"longbow.stats"])["distances"] == 100


def test_an_answer_cut_short_is_an_error_unless_partial_ones_are_allowed(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(30000, 4, seed=3))
    cut = {"exact": True, "max_distances": 5000}
    with fails("ResourceExhausted", "allow_partial"):
        calls.get(search_ticket(dataset, [0, 0, 0, 0], k=5, **cut))
    found = calls.get(search_ticket(dataset, [0, 0, 0, 0], k=5, allow_partial=True, **cut))
    assert found.num_rows == 5 and found.schema.metadata[b"longbow.coverage"] == b"partial"
    assert 0 < json.loads(found.schema.metadata[b"longbow.stats"])["covered"] < 1


def test_a_kept_answer_is_never_older_than_a_finished_write(calls: Calls, dataset: str) -> None:
    for round in range(20):
        calls.put(dataset, batch([7], [[0, 0]], round=[round]))
        for _ in range(3):
            assert calls.get(search_ticket(dataset, [0, 0], k=1))["round"].to_pylist() == [round]


def test_an_answer_from_memory_says_so(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(100, 4, seed=6))
    answers = [calls.get(search_ticket(dataset, [0, 0, 0, 0], k=3)) for _ in range(3)]
    assert answers[0].equals(answers[2])
    stats = [json.loads(answer.schema.metadata[b"longbow.stats"]) for answer in answers]
    assert [one.get("cached", False) for one in stats] == [False, False, True]


def test_many_single_searches_at_once_get_what_each_would_get_alone(server: longbow.Server, calls: Calls, dataset: str) -> None:
    rows = random_batch(60000, 32, seed=9)
    calls.put(dataset, rows)
    base = matrix_of(rows["vector"])
    queries = np.random.default_rng(2).standard_normal((8, 12, 32)).astype("f4")
    command = {"command": "VectorSearch", "dataset": dataset, "k": 5, "exact": True}

    def ask(mine: np.ndarray[Any, Any]) -> list[list[int]]:
        own = Calls(server.port, server.token)
        try:
            answers = own.exchange(command, *(query_batch(query[None]) for query in mine))
        finally:
            own.close()
        assert all(set(answer["query"].to_pylist()) == {0} for answer, _ in answers)
        return [answer["id"].to_pylist() for answer, _ in answers]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, queries))
    for mine, answers in zip(queries, found):
        for query, answer in zip(mine, answers):
            assert answer == nearest(((base - query) ** 2).sum(1), 5)
