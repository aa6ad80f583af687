"""Programs for the Go server's Python package, as its documentation and tests show them, on LongbowClient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dask.dataframe as dd
import longbow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from longbow import LongbowClient
from longbow.ingest import to_arrow_table

DOCUMENTS = [
    {"id": i, "text": f"document {i}", "category": "tech" if i % 2 else "science", "priority": i % 3} for i in range(20)
]
EMBEDDINGS = np.random.default_rng(4).random((20, 32)).tolist()


@pytest.fixture
def old(server: longbow.Server) -> Iterator[LongbowClient]:
    with LongbowClient(uri=server.uri, meta_uri=f"grpc://127.0.0.1:{server.meta_port}", api_key=server.token) as client:
        yield client


@pytest.fixture
def filled(old: LongbowClient, dataset: str) -> str:
    frame = pd.DataFrame(DOCUMENTS)
    frame["vector"] = EMBEDDINGS
    old.insert(dataset, frame)
    return dataset


def test_the_quick_start_with_dask(old: LongbowClient, dataset: str) -> None:
    frame = pd.DataFrame({"id": range(1000), "vector": [np.random.rand(128).tolist() for _ in range(1000)], "metadata": ["test"] * 1000})
    old.insert(dataset, dd.from_pandas(frame, npartitions=2))
    results = old.search(dataset=dataset, vector=np.random.rand(128).tolist(), k=5)
    found = results.compute()
    assert len(found) == 5 and set(found["metadata"]) == {"test"} and found["score"].is_monotonic_decreasing
    assert old.get_info(dataset)["total_records"] == 1000


def test_searches_with_filters(old: LongbowClient, filled: str) -> None:
    def search(**kwargs: Any) -> pd.DataFrame:
        return old.search(filled, vector=EMBEDDINGS[1], k=10, **kwargs).compute()

    assert list(search()["id"])[0] == 1 and {"category", "priority", "text"} <= set(search().columns)
    assert all(search(filters=[{"field": "category", "op": "eq", "value": "tech"}])["category"] == "tech")
    both = search(filters=[{"field": "category", "op": "Eq", "value": "tech"}, {"field": "priority", "op": "eq", "value": 1}])
    assert len(both) > 0 and all(both["category"] == "tech") and all(both["priority"] == 1)
    assert len(search(filters=[{"field": "category", "op": "eq", "value": "nonexistent"}])) == 0
    assert set(old.search(filled, EMBEDDINGS[0], k=5, projection=["id", "score"]).columns) == {"id", "score"}
    assert set(old.search(filled, EMBEDDINGS[0], k=5, projection=["id", "category"]).columns) == {"id", "category"}
    assert "vector" in old.search(filled, np.array(EMBEDDINGS[0], "f4"), k=1, include_vectors=True, alpha=1.0, vector_format="f32").columns


def test_a_search_without_projection_has_every_column(old: LongbowClient, filled: str, client: longbow.Client) -> None:
    hit = old.search(filled, EMBEDDINGS[1], k=1).iloc[0]
    assert np.allclose(hit["vector"], EMBEDDINGS[1]) and hit["category"] == "tech"
    assert "vector" not in old.search(filled, EMBEDDINGS[1], k=1, include_vectors=False).columns
    client.insert(filled + "-other", {"id": [1], "embedding": [[0.5, 0.25]], "n": [7]})
    assert old.search(filled + "-other", [0.5, 0.25], k=1)[["id", "n"]].to_numpy().tolist() == [[1, 7]]
    with pytest.raises(longbow.LongbowQueryError, match="search failed|not found"):
        old.search("nonexistent_dataset", [0.5])


def test_modules_and_calls_below_the_methods(server: longbow.Server, filled: str) -> None:
    program = f"""
import json
import pyarrow.flight as flight
from longbow.client import LongbowClient
from longbow.exceptions import LongbowAuthenticationError, LongbowConnectionError, LongbowError, LongbowNotFoundError, LongbowQueryError
from longbow.ingest import to_arrow_table
from longbow.models import IndexStats, SearchResult, Vector

table = to_arrow_table([dict(id=1, vector=[0.5, 0.25], category="A")])
assert "category" in table.schema.names and table.schema.field("vector").type.list_size == 2
assert to_arrow_table(table) is table
client = LongbowClient(uri={server.uri!r}, api_key={server.token!r})
client.connect()
search = {{"search": {{"dataset": {filled!r}, "vector": [0.5] * 32, "k": 5, "filters": [{{"field": "category", "op": "Eq", "value": "tech"}}]}}}}
found = client._data_client.do_get(flight.Ticket(json.dumps(search).encode()), options=client._get_call_options()).read_all()
assert found.num_rows == 5
(answer,) = client._meta_client.do_action(flight.Action("check_readiness", b"{{}}"), options=client._get_call_options(timeout=5))
assert b"READY" in answer.body.to_pybytes()
try:
    client.get_info("nope")
except LongbowNotFoundError as error:
    assert isinstance(error, LongbowQueryError) and isinstance(error, LongbowError)
"""
    exec(compile(program, "program", "exec"), {})
    with pytest.raises(longbow.DimensionMismatchError):
        to_arrow_table([{"id": 1, "vector": [1.0, 2.0]}], dim=3)


def test_downloads(old: LongbowClient, filled: str) -> None:
    table = old.download_arrow(filled)
    assert isinstance(table, pa.Table) and table.num_rows == 20 and table.schema.field("id").type == pa.int64()
    assert isinstance(table.schema.field("vector").type, pa.FixedSizeListType)
    assert old.download_arrow(filled, filter=[{"field": "id", "op": "lt", "value": "5"}]).num_rows == 5
    stream = old.download_stream(filled)
    batches = list(stream)
    assert all(isinstance(batch, pa.RecordBatch) for batch in batches) and sum(b.num_rows for b in batches) == 20
    assert sum(b.num_rows for b in old.download_stream(filled, filter=[{"field": "id", "op": "gt", "value": "10000"}])) == 0
    with pytest.warns(DeprecationWarning):
        assert old.download(filled).num_rows == 20
    for ask in (old.download_arrow, lambda name: list(old.download_stream(name))):
        with pytest.raises(longbow.LongbowQueryError):
            ask("nonexistent_dataset")


def test_deleting_and_listing(old: LongbowClient, filled: str) -> None:
    assert filled in old.list_namespaces() and filled in old.list_datasets_in_namespace()
    old.delete(filled, ids=[1, 2, 99999])
    assert old.get_info(filled)["total_records"] == 18 and "vector" in old.get_info(filled)["schema"]
    old.delete_namespace(filled)
    assert filled not in old.list_namespaces()
    with pytest.raises(longbow.LongbowNotFoundError):
        old.get_info(filled)


def test_namespaces_are_made(old: LongbowClient, dataset: str) -> None:
    name = "old-" + dataset[:10]
    old.create_namespace(name, dims=32, data_type="float32")
    old.create_namespace(name, force=True)
    with pytest.raises(longbow.LongbowError):
        old.create_namespace(name)


def test_search_by_id(old: LongbowClient, filled: str) -> None:
    for key in (3, "3"):
        found = old.search_by_id(filled, key, k=4)
        assert len(found["ids"]) == len(found["scores"]) == 4 and 3 not in found["ids"]
    with pytest.raises(longbow.LongbowQueryError):
        old.search_by_id(filled, 12345)


def test_complex_and_wrong_vectors(old: LongbowClient, dataset: str) -> None:
    matrix = np.array([[1 + 1j, 2 - 1j], [0, 1j]], np.complex64)
    old.insert(dataset, pa.table({"id": [1, 2], "vector": longbow.columns.vector_array(matrix)}))
    assert list(old.search(dataset, matrix[1], k=1)["id"]) == [2] and list(old.search(dataset, [1 + 1j, 2 - 1j], k=1)["id"]) == [1]
    for wrong in ([float("nan"), 0, 0, 0], [0, float("inf"), 0, 0]):
        with pytest.raises(ValueError):
            old.search(dataset, wrong)


def test_rows_as_dicts_with_nested_values(old: LongbowClient, dataset: str) -> None:
    old.insert(dataset, [{"id": 1, "vector": [0.1, 0.2], "meta": {"lang": "en"}}, {"id": 2, "vector": [0.3, 0.2], "meta": {}}])
    assert old.download_arrow(dataset)["meta"].to_pylist() == ['{"lang": "en"}', "{}"]


def test_an_address_is_all_that_is_needed_without_tokens(start_server: Any) -> None:
    server = start_server(auth="none")
    client = LongbowClient(uri=server.uri)
    client.insert("x", [{"id": 1, "vector": [1.0, 2.0]}])
    assert list(client.search("x", [1.0, 2.0], k=1)["id"]) == [1]
    server.kill()
    with pytest.raises(longbow.LongbowQueryError, match="search failed"):
        client.search("x", [1.0, 2.0])
    client.close()
    with pytest.raises(longbow.LongbowConnectionError):
        LongbowClient(uri="nonsense://").connect()
