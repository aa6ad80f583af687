"""Text: by words, by words and vectors, by sparse vectors; by DoGet, DoExchange and action."""

from __future__ import annotations

import json
import math
import urllib.request
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pytest
from flight_calls import Calls, batch, fails, query_batch

TEXTS = ["a red fox", "a blue whale sings", "the fox and the whale", "nothing of note"]


@pytest.fixture
def books(calls: Calls, dataset: str) -> str:
    calls.put(dataset, batch([1, 2, 3, 4], [[0, 0], [1, 0], [2, 0], [3, 0]], text=TEXTS, lang=["en", "en", "de", "de"]))
    return dataset


def find(calls: Calls, dataset: str, **search: Any) -> pa.Table:
    return calls.get({"search": {"dataset": dataset, "k": 10, **search}})


def ids(calls: Calls, dataset: str, **search: Any) -> list[int]:
    return find(calls, dataset, **search)["id"].to_pylist()


def test_words_alone(calls: Calls, books: str) -> None:
    found = find(calls, books, text_query="fox")
    assert found["id"].to_pylist() == [1, 3]
    assert found["text"].to_pylist() == [TEXTS[0], TEXTS[2]]
    assert all(math.isnan(d) for d in found["distance"].to_pylist())
    assert ids(calls, books, text_query="fox", vector=[3, 0]) == [1, 3]  # alpha is 0 unless given
    assert ids(calls, books, text_query="unheard") == []


def test_words_and_vectors(calls: Calls, books: str) -> None:
    assert ids(calls, books, text_query="fox", vector=[3, 0], alpha=1.0) == [4, 3, 2, 1]
    assert ids(calls, books, text_query="fox", vector=[3, 0], alpha=0.5)[0] == 3  # second in both
    assert ids(calls, books, text_query="fox", vector=[3, 0], alpha=-1)[0] == 1  # 0.3 for one word
    assert set(ids(calls, books, text_query="fox", vector=[3, 0], alpha=0.5, fusion="weighted")) == {1, 2, 3, 4}
    with fails("InvalidArgument", "magic", "rrf"):
        find(calls, books, text_query="fox", vector=[3, 0], alpha=0.5, fusion="magic")
    with fails("InvalidArgument", "magic", "rrf"):
        find(calls, books, text_query="fox", fusion="magic")


def test_boolean_and_phrases(calls: Calls, books: str) -> None:
    assert ids(calls, books, text_query="+whale -fox") == [2]
    assert ids(calls, books, text_query='"blue whale"') == [2]
    assert ids(calls, books, text_query='"whale blue"') == []
    assert ids(calls, books, text_query={"must": ["whale"], "must_not": [{"phrase": "blue whale"}]}) == [3]


def test_filters_apply_to_text(calls: Calls, books: str) -> None:
    german = [{"field": "lang", "op": "eq", "value": "de"}]
    assert ids(calls, books, text_query="fox whale", filters=german) == [3]
    assert ids(calls, books, text_query="fox", vector=[0, 0], alpha=0.5, filters=german) == [3, 4]


def test_searches_with_text_are_ordered_explained_and_checked(calls: Calls, books: str) -> None:
    both = {"text_query": "fox", "vector": [3, 0], "alpha": 0.5}
    ordered = find(calls, books, text_query="fox whale", order_by="text")
    assert ordered["text"].to_pylist() == sorted(ordered["text"].to_pylist())
    scores = dict(zip(*find(calls, books, text_query="fox whale").select(["id", "score"]).to_pydict().values()))
    assert dict(zip(*ordered.select(["id", "score"]).to_pydict().values())) == scores
    stats = json.loads(find(calls, books, check_recall=True, **both).schema.metadata[b"longbow.stats"])
    assert stats["recall"] == 1 and stats["method"] == "fusion"
    for explain in (True, "analyze"):
        plans = find(calls, books, explain=explain, **both).to_pylist()
        (chosen,) = [plan for plan in plans if plan["chosen"]]
        parts = [plan for plan in plans if plan["reason"] == "part of the fusion"]
        assert chosen["plan"] == "fusion" and len(parts) == 2 and "postings" in [plan["plan"] for plan in parts]
        assert chosen["cost_nanos"] == pytest.approx(sum(plan["cost_nanos"] for plan in parts))
        assert (chosen["hits"] is None) == (explain is True)
        (alone,) = find(calls, books, explain=explain, text_query="fox").to_pylist()
        assert alone["plan"] == "postings" and alone["chosen"] and alone["hits"] == (None if explain is True else 2)
    with fails("InvalidArgument", "radius is a distance", "alpha 1"):
        find(calls, books, radius=2.0, **both)
    assert ids(calls, books, radius=1.5, **{**both, "alpha": 1.0}) == [4, 3]


@pytest.mark.parametrize("columns", [{}, {"vector": np.ones((2000, 512), np.float32)}])
def test_the_first_search_may_be_of_text_cut_short_and_checked(start_server: Any, open_calls: Any, columns: Any) -> None:
    calls = open_calls(start_server())
    rows = {"id": np.arange(2000), "text": [f"doc {i} word{i % 5}" for i in range(2000)]}
    if columns:
        calls.put("d", batch(rows["id"], columns["vector"], text=rows["text"]))
    else:
        calls.put("d", pa.record_batch(rows))
    request = {"text_query": "word1", "max_distances": 1, "allow_partial": True, "check_recall": True}
    found = find(calls, "d", **request)
    assert found.schema.metadata[b"longbow.coverage"] == b"partial"
    assert 0 <= json.loads(found.schema.metadata[b"longbow.stats"])["recall"] < 1
    (answer,) = calls.search_action(dataset="d", k=3, format="arrow", **request)
    assert answer.num_rows <= 3
    assert len(ids(calls, "d", text_query="word1")) == 10


def test_declared_text_is_indexed_before_anybody_asks(start_server: Any, open_calls: Any) -> None:
    server = start_server()
    calls = open_calls(server)
    fields = [pa.field("id", pa.int64()), pa.field("text", pa.string(), metadata={"longbow.text": "english"})]
    rows = 20_000
    words = [f"running fox number{i % 1000}" for i in range(rows)]

    def indexed() -> float:
        assert calls.action_json("wait_indexed", {"dataset": "d"})["status"] == "READY"
        page = urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics").read().decode()
        return next(float(line.split()[1]) for line in page.splitlines() if line.startswith("longbow_bm25_documents_indexed_total"))

    calls.put("d", pa.record_batch([np.arange(rows), words], schema=pa.schema(fields)))
    assert indexed() == rows
    server.kill()
    server = start_server()
    calls = open_calls(server)
    assert indexed() == rows
    assert len(ids(calls, "d", text_query="number7 runs", k=5)) == 5


def test_deleted_and_replaced_rows_are_not_found(calls: Calls, books: str) -> None:
    assert ids(calls, books, text_query="fox") == [1, 3]
    calls.action("delete", {"dataset": books, "id": "1"})
    calls.put(books, batch([3], [[2, 0]], text=["only a whale"], lang=["de"]))
    assert ids(calls, books, text_query="fox") == []
    assert ids(calls, books, text_query="whale") == [3, 2]


def test_hybrid_action_answers_hits(calls: Calls, books: str) -> None:
    request = {"dataset": books, "vector": [0, 0], "k": 2, "text_query": "whale", "alpha": 0.5}
    hits = calls.action_json("HybridSearch", request)
    assert [sorted(hit) for hit in hits] == [["Distance", "ID", "Metadata", "Score", "Vector"]] * 2
    assert [hit["ID"] for hit in hits] == [2, 3]
    assert hits[0]["Metadata"]["text"] == TEXTS[1]
    by_text = calls.action_json("HybridSearch", {**request, "alpha": 0.0})
    assert [hit["ID"] for hit in by_text] == [2, 3] and by_text[0]["Distance"] is None


def test_one_text_for_a_batch_of_vectors(calls: Calls, books: str) -> None:
    command = {"command": "VectorSearch", "dataset": books, "k": 2, "text_query": "note", "alpha": 0.5}
    (answer, _), = calls.exchange(command, query_batch([[0, 0], [2, 0]]))
    by_query = [answer["id"].to_pylist()[i : i + 2] for i in (0, 2)]
    assert answer["query"].to_pylist() == [0, 0, 1, 1]
    assert all(4 in found for found in by_query) and by_query[0] != by_query[1]


def test_analyzers_by_column(calls: Calls, dataset: str) -> None:
    fields = [
        pa.field("id", pa.int64()),
        pa.field("body", pa.string(), metadata={"longbow.text": "english"}),
        pa.field("code", pa.string()),
    ]
    calls.put(dataset, pa.record_batch([[1, 2], ["two foxes", "running"], ["AB-1", "fox"]], schema=pa.schema(fields)))
    assert ids(calls, dataset, text_query="fox") == [1]
    assert ids(calls, dataset, text_query="fox", text_columns=["code"]) == [2]
    wrong = pa.schema([pa.field("body", pa.string(), metadata={"longbow.text": "klingon"})])
    with fails("InvalidArgument", "klingon", "english"):
        calls.put(dataset + "-x", pa.record_batch([["a"]], schema=wrong))


def test_sparse_vectors(calls: Calls, dataset: str) -> None:
    weights = pa.array([[(1, 0.5), (9, 2.0)], [(1, 3.0)], None], pa.map_(pa.uint32(), pa.float32()))
    calls.put(dataset, pa.record_batch({"id": pa.array([1, 2, 3]), "terms": weights}))
    found = find(calls, dataset, sparse_query={"indices": [1, 9], "values": [1.0, 1.0]})
    assert found["id"].to_pylist() == [2, 1] and found["score"].to_pylist() == [3.0, 2.5]


def test_text_is_found_after_a_restart(start_server: Any, open_calls: Any, tmp_path: Any) -> None:
    server = start_server()
    calls = open_calls(server)
    rng = np.random.default_rng(1)
    rows = 3000
    words = [" ".join(f"w{w}" for w in rng.integers(0, 50, 6)) for _ in range(rows)]
    calls.put("d", batch(np.arange(rows), rng.random((rows, 4)), text=words))
    before = find(calls, "d", text_query="w3 w17 +w4", k=50).drop_columns("distance")  # NaN equals nothing
    assert before.num_rows == 50
    server.kill()
    server = start_server()
    calls = open_calls(server)
    assert find(calls, "d", text_query="w3 w17 +w4", k=50).drop_columns("distance").equals(before)


def test_text_is_counted(server: longbow.Server, calls: Calls, books: str) -> None:
    find(calls, books, text_query="fox", vector=[0, 0], alpha=0.5)
    page = urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics").read().decode()
    counts = dict(line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#"))
    for name in ("hybrid_search_vector_total", "hybrid_search_keyword_total", "bm25_documents_indexed_total"):
        assert float(counts[f"longbow_{name}"]) > 0, name


def test_no_text_and_no_vector_is_refused(calls: Calls, books: str) -> None:
    with fails("InvalidArgument", "no query vector provided"):
        find(calls, books, text_query="")


def test_a_stream_is_asked_by_text_alone(calls: Calls, dataset: str) -> None:
    """The command's text with any batch of one row, or each batch's own; also where there are no vectors."""
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [1, 2, 3], "text": ["long bow", "cross bow", "arrow"]}))
    command = {"command": "VectorSearch", "dataset": dataset, "k": 3, "columns": ["text"]}
    ((found, metadata),) = calls.exchange(command | {"text_query": "cross"}, pa.RecordBatch.from_pydict({"request_id": [7]}))
    assert found["text"].to_pylist() == ["cross bow"] and metadata["request_id"] == 7
    requests = [pa.RecordBatch.from_pydict({"text_query": [text]}) for text in ("bow", "arrow", "none of these")]
    answers = calls.exchange(command, *requests)
    assert [sorted(found["id"].to_pylist()) for found, _ in answers] == [[1, 2], [3], []]
    with fails("InvalidArgument", "text_query", "one row"):
        calls.exchange(command, pa.RecordBatch.from_pydict({"text_query": ["bow", "arrow"]}))
    with fails("InvalidArgument", "2 rows"):
        calls.exchange(command | {"text_query": "bow"}, pa.RecordBatch.from_pydict({"request_id": [1, 2]}))
    with fails("InvalidArgument", "query_vector"):
        calls.exchange(command, pa.RecordBatch.from_pydict({"request_id": [1]}))
