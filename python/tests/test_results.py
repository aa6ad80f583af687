"""One class of results, with a way out to every library."""

from __future__ import annotations

import pickle

import dask.dataframe
import longbow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from longbow import Results
from longbow.columns import vector_array

HITS = pa.table({
    "id": pa.array([7, 8, 9], pa.uint64()), "score": pa.array([1.0, 0.5, 0.25], pa.float32()), "distance": pa.array([0.0, 1.0, 3.0], pa.float32()),
    "vector": vector_array(np.arange(6, dtype="f4").reshape(3, 2)), "title": ["<b>", None, "x" * 100],
})  # fmt: skip
DETAILS = b'{"coverage": "exact", "sequence": "s1", "stats": {"method": "exact_scan", "distances": 3, "nanos": 2000000, "bytes": 24}}'


@pytest.fixture
def hits() -> Results:
    return Results(HITS, DETAILS, 0.004)


def test_every_conversion_has_every_row(hits: Results) -> None:
    assert hits.to_arrow() is HITS and pa.Table.from_batches(hits.to_batches()).equals(HITS)
    assert pa.table(hits).equals(HITS), "through __arrow_c_stream__"
    frame = hits.to_pandas()
    assert isinstance(frame, pd.DataFrame) and frame["id"].tolist() == [7, 8, 9]
    assert hits.to_polars()["id"].to_list() == [7, 8, 9]
    if tuple(map(int, pl.__version__.split(".")[:2])) >= (1, 3):  # from which on it takes __arrow_c_stream__
        assert pl.DataFrame(hits).equals(hits.to_polars())
    parts = hits.to_dask(npartitions=2)
    assert isinstance(parts, dask.dataframe.DataFrame) and parts.npartitions == 2 and parts["id"].compute().tolist() == [7, 8, 9]
    assert np.array_equal(hits.to_numpy("vector"), np.arange(6).reshape(3, 2)) and hits.to_numpy("vector").base is not None
    assert set(hits.to_numpy()) == set(HITS.column_names) and hits.to_numpy("score").dtype == np.float32
    assert hits.to_list() == HITS.to_pylist() == list(hits)
    with pytest.raises(longbow.InvalidArgumentError, match="no column 'vektor'"):
        hits.to_numpy("vektor")


@pytest.mark.parametrize("kind", [pa.int8(), pa.float32(), pa.float16(), pa.uint64()])
def test_vectors_that_are_null_are_rows_of_nan(kind: pa.DataType) -> None:
    vectors = pa.chunked_array([pa.array([[9, 9], [1, 2], None], pa.list_(kind, 2)), pa.array([None, [3, 4]], pa.list_(kind, 2))]).slice(1)
    matrix = Results(pa.table({"v": vectors})).to_numpy("v")
    assert np.array_equal(matrix, [[1, 2], [np.nan] * 2, [np.nan] * 2, [3, 4]], equal_nan=True)


def test_a_result_is_used_like_a_table(hits: Results) -> None:
    assert len(hits) == hits.num_rows == 3 and hits.column_names[0] == "id"
    assert hits["id"].to_pylist() == [7, 8, 9] and hits[0]["title"] == "<b>" and hits[-1]["id"] == 9
    assert hits.sort_by([("id", "descending")])["id"].to_pylist() == [9, 8, 7]
    assert hits == Results(HITS) and hits == HITS and hits != HITS.slice(1)
    with pytest.raises(AttributeError):
        hits.no_such_thing
    with pytest.raises(IndexError, match="row 3 of 3"):
        hits[3]
    assert hits[1:]["id"].to_pylist() == [8, 9] and hits[1:].equals(HITS.slice(1))


def test_hits_become_checked_models(hits: Results) -> None:
    first, second, _ = hits.to_pydantic()
    assert first == longbow.SearchResult(id=7, score=1, distance=0, values=[0, 1], metadata={"title": "<b>"})
    assert second.metadata == {"title": None}
    (record,) = Results(pa.table({"id": ["a"], "vector": vector_array(np.ones((1, 2))), "n": [5]})).to_pydantic()
    assert isinstance(record, longbow.Record) and (record.id, record.vector, record.n) == ("a", [1, 1], 5)
    (by_key,) = Results(pa.table({"id": pa.array([2**63], pa.uint64()), "score": [1.0], "key": ["a"]})).to_pydantic()
    assert by_key.id == "a"


def test_models_refuse_what_is_no_vector() -> None:
    for wrong in ({"id": 1, "values": []}, {"id": 1, "values": [float("nan")]}, {"id": [], "values": [1.0]}):
        with pytest.raises(ValueError):
            longbow.Vector(**wrong)
    with pytest.raises(ValueError):
        longbow.IndexStats(name="x", rows=1, bytes=1, indexed_rows=2)
    assert longbow.Vector(id=1, values=[1, 2]).model_dump() == {"id": 1, "vector": [1, 2], "metadata": {}, "timestamp": None}


def test_what_is_shown_is_short_and_safe(hits: Results) -> None:
    text, page = repr(hits), hits._repr_html_()
    assert text.startswith("Results: 3 rows\nid") and "xxx..." in text and max(map(len, text.splitlines())) < 120
    assert "&lt;b&gt;" in page and "<b>" not in page and "3 rows, exact, 4.00 ms" in page
    assert "... 90 more" in repr(Results(pa.table({"id": range(100)})))
    assert repr(Results(pa.table({}))) == "Results: 0 rows"
    long = Results(pa.table({"vector": [[0.0790302, -0.944495, 0.0698554, 1e-20] * 32], "words": [["x" * 50] * 6]}))
    assert "[0.0790302, -0.944495, ... 128]" in repr(long) and "'xxx" in repr(long)


def test_stats_say_what_the_search_did(hits: Results) -> None:
    stats = hits.stats
    assert (stats.coverage, stats.method, stats.distances, stats.server_seconds, stats.seconds) == ("exact", "exact_scan", 3, 0.002, 0.004)
    assert stats.more == {"bytes": 24} and Results(HITS).stats.coverage == ""


def test_hits_of_several_queries_come_apart() -> None:
    table = pa.table({"id": [1, 2, 3], "query": pa.array([0, 0, 2], pa.int32())})
    assert [part["id"].to_pylist() for part in Results(table).by_query()] == [[1, 2], [], [3]]
    assert Results(table.slice(0, 0)).by_query() == []


def test_results_can_be_pickled(hits: Results) -> None:
    again = pickle.loads(pickle.dumps(hits))
    assert again == hits and again.stats == hits.stats
