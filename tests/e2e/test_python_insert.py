"""Inserting: every kind of data, every mode, what happens to bad rows, and to breaks."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import longbow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from longbow.columns import vector_array

VECTORS = np.arange(12, dtype="f4").reshape(3, 4) + 1
TABLE = pa.table({"id": [1, 2, 3], "vector": vector_array(VECTORS), "title": ["a", "b", None]})
ROWS: list[dict[str, Any]] = TABLE.to_pylist()


class Streamed:
    """Something that knows Arrow's stream interface and nothing else."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return TABLE.__arrow_c_stream__(requested_schema)


def of_arrow_types() -> pd.DataFrame:
    try:
        return TABLE.to_pandas(types_mapper=pd.ArrowDtype)
    except NotImplementedError:
        pytest.skip(f"pandas {pd.__version__} has no Arrow lists")


def parquet(place: Path) -> Path:
    pq.write_table(TABLE, place / "rows.parquet")
    return place / "rows.parquet"


def parquet_directory(place: Path) -> str:
    for i in range(3):
        pq.write_table(TABLE.slice(i, 1), place / f"{i}.parquet")
    return str(place)


def json_lines(place: Path) -> Path:
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    return place / "rows.jsonl"


def comma_separated(place: Path) -> Path:
    lines = [f'{row["id"]},"{row["vector"]}",{row["title"] or ""}' for row in ROWS]
    (place / "rows.csv").write_text("id,vector,title\n" + "\n".join(lines) + "\n")
    return place / "rows.csv"


def arrow_file(place: Path) -> Path:
    with pa.ipc.new_file(place / "rows.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE)
    return place / "rows.arrow"


KINDS: dict[str, Callable[[Path], Any]] = {
    "dict of arrays": lambda _: {"id": [1, 2, 3], "vector": VECTORS, "title": ["a", "b", None]},
    "dict of lists": lambda _: TABLE.to_pydict(),
    "list of dicts": lambda _: ROWS,
    "records": lambda _: [longbow.Record(**row) for row in ROWS],
    "pandas": lambda _: pd.DataFrame(ROWS),
    "pandas of arrays": lambda _: pd.DataFrame({"id": [1, 2, 3], "vector": list(VECTORS), "title": ["a", "b", None]}),
    "pandas of arrow types": lambda _: of_arrow_types(),
    "polars": lambda _: pl.DataFrame(ROWS),
    "polars arrays": lambda _: pl.from_arrow(TABLE),
    "polars lazy": lambda _: pl.from_arrow(TABLE).lazy(),
    "dask": lambda _: dd.from_pandas(pd.DataFrame(ROWS), npartitions=2),
    "table": lambda _: TABLE,
    "batch": lambda _: TABLE.to_batches()[0],
    "reader": lambda _: TABLE.to_reader(),
    "dataset": lambda _: pyarrow.dataset.dataset(TABLE),
    "arrow stream": lambda _: Streamed(),
    "results": lambda _: longbow.Results(TABLE),
    "list view": lambda _: TABLE.set_column(1, "vector", pa.array(VECTORS.tolist(), pa.list_view(pa.float32()))),
    "large types": lambda _: TABLE.set_column(1, "vector", TABLE["vector"].cast(pa.large_list(pa.float32()))).set_column(2, "title", TABLE["title"].cast(pa.large_string())),
    "views and dictionaries": lambda _: TABLE.set_column(2, "title", TABLE["title"].cast(pa.string_view())).append_column("kind", TABLE["title"].dictionary_encode()).drop_columns("kind"),
    "generator of dicts": lambda _: (row for row in ROWS),
    "generator of tables": lambda _: (TABLE.slice(i, 1) for i in range(3)),
    "generator of frames": lambda _: (pd.DataFrame([row]) for row in ROWS),
    "parquet": parquet,
    "parquet directory": parquet_directory,
    "json lines": json_lines,
    "list of files": lambda place: [Path(parquet_directory(place)) / "0.parquet", str(place / "1.parquet"), place / "2.parquet"],
    "csv": comma_separated,
    "arrow file": arrow_file,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_arrives_as_it_is(client: longbow.Client, dataset: str, tmp_path: Path, kind: str) -> None:
    result = client.insert(dataset, KINDS[kind](tmp_path))
    assert (result.rows, result.vectors, result.failed) == (3, {"vector": 4}, None)
    stored = client.get(dataset).to_arrow()
    titles = [t or None for t in stored["title"].to_pylist()]
    assert (stored["id"].to_pylist(), stored["vector"].to_pylist(), titles) == ([1, 2, 3], VECTORS.tolist(), ["a", "b", None])
    assert client.search(dataset, VECTORS[1], k=1)["title"].to_pylist() == ["b"]


def test_an_array_is_vectors_with_or_without_ids(client: longbow.Client, dataset: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    assert client.insert(dataset, VECTORS, ids=["x", "y", "z"]).vectors == {"vector": 4}
    assert client.search(dataset, VECTORS[2], k=1)["key"].to_pylist() == ["z"]
    client.insert(dataset + "-npy", tmp_path / "v.npy")
    client.insert(dataset + "-named", VECTORS, vector_column="face")
    assert client.count(dataset + "-npy") == 3 and client.info(dataset + "-named").vectors == {"face": 4}
    with pytest.raises(longbow.InvalidArgumentError, match="column named id"):
        client.insert(dataset, TABLE, ids=[1, 2, 3])


def _of_objects(*values: Any) -> np.ndarray[Any, Any]:
    column = np.empty(len(values), object)
    for i, value in enumerate(values):
        column[i] = value
    return column


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", ">f4", "c8"])
def test_a_frame_of_arrays_is_what_their_matrix_is(client: longbow.Client, dataset: str, kind: str) -> None:
    matrix = (VECTORS + (1j if kind == "c8" else 0)).astype(kind)
    frame = pd.DataFrame({"id": [1, 2, 3], "vector": list(matrix)})
    client.insert(dataset, frame)
    client.insert(f"{dataset}-2", {"id": [1, 2, 3], "vector": matrix})
    stored = [pa.Table.from_batches(client.scan(name)).sort_by("id") for name in (dataset, f"{dataset}-2")]
    assert stored[0] == stored[1] and stored[0].num_rows == 3


def test_arrays_that_are_no_vectors_are_named(client: longbow.Client, dataset: str) -> None:
    one = VECTORS[0]
    for values, message in (
        ((one, one[:2]), r"column 'vector': vectors need one width, got widths \[2, 4\]"),
        ((one, float("nan")), "column 'vector': vectors need numbers"),
        ((VECTORS, VECTORS), r"column 'vector': each vector is an array of shape \(dimensions,\), got shape \(3, 4\)"),
        ((one[:0], one[:0]), "vectors need at least 1 dimension"),
        ((np.array(["a"]), np.array(["b"])), "vectors need numbers"),
        ((one, np.array([1, 2, np.nan, 4], "f4")), "column 'vector', row 1: number 2 is NaN"),
    ):
        with pytest.raises(longbow.InvalidArgumentError, match=message):
            client.insert(dataset, pd.DataFrame({"id": [1, 2], "vector": _of_objects(*values)}))
    gap = client.insert(dataset, pd.DataFrame({"id": [1, 2], "vector": _of_objects(None, one)}))
    assert gap.rows == 2
    assert sorted(row["vector"] is None for batch in client.scan(dataset) for row in batch.to_pylist()) == [False, True]


def test_one_dict_is_one_row(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, {"id": 5, "vector": [1.0, 2.0], "meta": {"a": 1}, "title": "only"})
    assert client.get(dataset).to_list() == [{"id": 5, "vector": [1, 2], "meta": '{"a": 1}', "title": "only"}]


def test_a_list_column_of_any_name_can_be_the_vector(client: longbow.Client, dataset: str) -> None:
    result = client.insert(dataset, pl.DataFrame({"id": [1], "face": [[1.0, 2.0]], "tags": [[1, 2, 3]]}).drop("tags"), vector_column="face")
    assert result.vectors == {"face": 2} and client.search(dataset, [1, 2], vector_column="face")["id"].to_pylist() == [1]


def test_rows_of_a_generator_may_lack_columns_but_not_add_them(client: longbow.Client, dataset: str) -> None:
    def rows(extra: str) -> Iterator[dict[str, Any]]:
        for i in range(6000):
            yield {"id": i, "vector": [i, 1.0], **({"title": "t"} if i < 10 else {}), **({extra: 1} if i == 5000 and extra else {})}

    assert client.insert(dataset, rows("")).rows == 6000
    assert client.count(dataset, "title is null") == 5990
    with pytest.raises(longbow.InvalidArgumentError, match="'late' appears first after row 4096"):
        client.insert(dataset, rows("late"))


def test_modes_say_what_may_be_there(client: longbow.Client, dataset: str) -> None:
    with pytest.raises(longbow.NotFoundError, match='mode "create"'):
        client.insert(dataset, TABLE, mode="append")
    assert client.insert(dataset, TABLE, mode="create").rows == 3
    with pytest.raises(longbow.AlreadyExistsError, match='"append"'):
        client.insert(dataset, TABLE, mode="create")
    changed = TABLE.set_column(2, "title", pa.array(["A", "B", "C"])).set_column(0, "id", pa.array([3, 4, 4]))
    with pytest.raises(longbow.AlreadyExistsError, match=r"id 3 \(row 0\)"):
        client.insert(dataset, changed, mode="append")
    result = client.insert(dataset, changed, mode="append", on_error="collect")
    assert result.rows == 1 and result.failed is not None
    assert result.failed.select(["_row", "_code", "id"]).to_pylist() == [{"_row": 0, "_code": "AlreadyExists", "id": 3}, {"_row": 2, "_code": "AlreadyExists", "id": 4}]
    assert client.get(dataset)["title"].to_pylist() == ["a", "b", None, "B"]
    client.insert(dataset, changed.slice(0, 2), mode="upsert")
    assert client.get(dataset).sort_by("id")["title"].to_pylist() == ["a", "b", "A", "B"]
    client.insert(dataset, pa.table({"id": ["now text"]}), mode="replace")
    assert client.get(dataset).to_list() == [{"id": "now text"}]
    with pytest.raises(longbow.InvalidArgumentError, match="mode: expected one of"):
        client.insert(dataset, TABLE, mode="merge")  # type: ignore[arg-type]


def nan_in(row: int, rows: int = 3) -> np.ndarray[Any, Any]:
    matrix = np.ones((rows, 4), "f4")
    matrix[row, 1] = np.nan
    return matrix


LATE = {"id": np.arange(200_000), "vector": nan_in(150_000, 200_000)}
WRONG: dict[str, tuple[Callable[[], Any], dict[str, Any], type[Exception], str]] = {
    "metric": (lambda: TABLE, {"metric": "l3"}, longbow.InvalidArgumentError, "l3"),
    "durability": (lambda: TABLE, {"durability": "foo"}, longbow.InvalidArgumentError, "foo"),
    "index": (lambda: TABLE, {"index": "tree", "on_error": "collect"}, longbow.InvalidArgumentError, "tree"),
    "a vector in the data": (lambda: {"id": [1, 2, 3], "vector": nan_in(0)}, {}, longbow.InvalidArgumentError, "NaN"),
    "a vector far down in the data": (lambda: LATE, {}, longbow.InvalidArgumentError, "row 150000 holds NaN"),
    "a vector in the first of a stream": (lambda: ({"id": i, "vector": v} for i, v in enumerate(nan_in(2))), {}, longbow.InvalidArgumentError, "row 2.*NaN"),
    "an id": (lambda: {"id": pa.array([1, None]), "vector": VECTORS[:2]}, {}, longbow.InvalidArgumentError, "'id', row 1 is null"),
    "a type of ids": (lambda: {"id": [0.5], "vector": VECTORS[:1]}, {}, longbow.InvalidArgumentError, "id"),
    "a zero vector with cosine": (lambda: {"id": [1], "vector": np.zeros((1, 4), "f4")}, {"metric": "cosine"}, longbow.InvalidArgumentError, "zero"),
    "mode of errors": (lambda: TABLE, {"on_error": "colect"}, longbow.InvalidArgumentError, '"raise" or "collect"'),
    "progress": (lambda: TABLE, {"progress": True}, ImportError, "tqdm"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_replacement_that_cannot_be_stored_leaves_what_is_there(client: longbow.Client, dataset: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client.insert(dataset, TABLE)
    names = client.datasets()
    data, keywords, kind, text = WRONG[what]
    if what == "progress":
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(kind, match=text) as raised:
        client.insert(dataset, data(), mode="replace", **keywords)
    assert client.get(dataset)["title"].to_pylist() == ["a", "b", None]
    assert client.datasets() == names
    if isinstance(raised.value, longbow.LongbowError) and raised.value.put_result is not None:
        assert raised.value.put_result.rows == 0


def test_a_replacement_has_every_row_of_its_stream(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, TABLE)
    result = client.insert(dataset, ({"id": i, "vector": [1.0, i]} for i in range(10_000)), mode="replace", metric="cosine", index="flat")
    assert result.rows == client.count(dataset) == 10_000 and client.get(dataset)["id"].to_pylist() == list(range(10_000))
    assert client.stats(dataset).metric == "cosine" and client.info(dataset).vectors == {"vector": 2}
    kept = client.insert(dataset, {"id": [1, 2, 3], "vector": nan_in(1)}, mode="replace", on_error="collect")
    assert kept.rows == client.count(dataset) == 2 and kept.failed is not None and kept.failed["_row"].to_pylist() == [1]


def test_the_only_lists_of_floats_are_the_vectors_where_nothing_else_is(client: longbow.Client, dataset: str) -> None:
    assert client.insert(dataset, {"id": [1, 2], "embeddings": [[1.0, 2.0], [3.0, 4.0]], "tags": [[1], [2]]}).vectors == {"embeddings": 2}
    assert client.search(dataset, [3, 4], k=1)["id"].to_pylist() == [2]
    assert client.insert(dataset, [{"id": 3, "embeddings": [5.0, 6.0]}]).vectors == {"embeddings": 2}, "and again, as it is there"
    assert client.insert(dataset, pa.table({"id": [4], "prices": [[0.5, 1.5]]})).vectors == {}, "the dataset has others"
    assert client.count(dataset) == 4

    two = {"id": [1], "a": [[1.0, 2.0]], "b": [[1.0, 2.0]]}
    ragged = {"id": [1, 2], "weights": [[1.0, 2.0], [1.0]]}
    for i, payload in enumerate((two, ragged, {"id": [1], "n": [[1, 2]]}, {"id": [1], "x": [[1.0]]}, {"id": [1], "x": [[1.0, float("nan")]]})):
        assert client.insert(f"{dataset}-{i}", payload).vectors == {}
    assert client.insert(f"{dataset}-1", {"id": [3], "weights": [[1.0, 2.0]]}).vectors == {}, "it is payload there"
    with pytest.raises(longbow.FailedPreconditionError, match="no vector column to search.*vector_column="):
        client.search(f"{dataset}-1", [1, 2])


def test_bad_rows_come_back_and_good_ones_stay(client: longbow.Client, dataset: str) -> None:
    matrix = np.random.default_rng(3).random((5000, 8), "f4")
    bad = [0, 1, 777, 4999]
    matrix[bad, 3] = [np.nan, np.inf, np.nan, -np.inf]
    data = {"id": np.arange(5000), "vector": matrix, "n": np.arange(5000)}
    result = client.insert(dataset, data, on_error="collect", batch_bytes=64 << 10)
    assert result.rows == 4996 and result.failed is not None
    assert result.failed["_row"].to_pylist() == result.failed["id"].to_pylist() == bad
    assert set(result.failed["_code"].to_pylist()) == {"InvalidArgument"} and "infinite" in result.failed["_reason"][1].as_py()
    assert client.count(dataset) == 4996 and client.count(dataset, ("id", "in", bad)) == 0
    fixed = result.failed.drop_columns(["_row", "_code", "_reason"]).set_column(1, "vector", vector_array(np.ones((4, 8), "f4")))
    assert client.insert(dataset, fixed).rows == 4 and client.count(dataset) == 5000
    assert client.insert(dataset, fixed, on_error="collect").failed.num_rows == 0  # type: ignore[union-attr]


def test_progress_is_told_of_rows_on_disk(client: longbow.Client, dataset: str) -> None:
    told: list[tuple[int, int | None]] = []
    client.insert(dataset, {"id": np.arange(4000), "vector": np.ones((4000, 64), "f4")}, progress=lambda *now: told.append(now), batch_bytes=64 << 10)
    assert told[-1] == (4000, 4000) and told == sorted(told)
    client.insert(dataset, ({"id": i, "vector": np.ones(64, "f4")} for i in range(10)), progress=lambda *now: told.append(now))
    assert told[-1] == (10, None)


def test_what_listens_to_progress_may_end_the_insert(client: longbow.Client, dataset: str) -> None:
    def enough(rows: int, total: int | None) -> None:
        raise StopAsyncIteration(f"{rows} are enough")

    with pytest.raises(StopAsyncIteration, match="are enough"):
        client.insert(dataset, {"id": np.arange(4000), "vector": np.ones((4000, 64), "f4")}, progress=enough, batch_bytes=64 << 10)
    stored = client.get(dataset, columns=["id"])["id"].to_pylist()
    assert stored == list(range(len(stored))) and len(stored) > 0, "whole batches, from the first"
    for wrong in ("yes", 5):
        with pytest.raises(longbow.InvalidArgumentError, match="progress: expected True or a function"):
            client.insert(dataset, TABLE, progress=wrong)  # type: ignore[arg-type]
    with pytest.raises(longbow.InvalidArgumentError, match="batch_bytes: expected 1 or more, got 0"):
        client.insert(dataset, TABLE, batch_bytes=0)


def test_progress_can_be_a_bar(client: longbow.Client, dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    client.insert(dataset, TABLE, progress=True)
    assert "3.00/3.00" in capsys.readouterr().err


def counted(batches: int, rows: int, at: dict[int, Callable[[], object]]) -> Iterator[pa.RecordBatch]:
    for i in range(batches):
        at.get(i, lambda: None)()
        ids = np.arange(i * rows, (i + 1) * rows)
        yield pa.RecordBatch.from_pydict({"id": ids, "vector": vector_array(np.full((rows, 32), i, "f4")), "n": ids})


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_an_insert_goes_on_after_the_server_was_away(tmp_path: Path, how: str) -> None:
    with longbow.Server(tmp_path / "data", drain_time="200ms") as server:
        again: list[threading.Thread] = []

        def run() -> None:
            getattr(server, how)()
            server.start()

        def restart() -> None:
            for thread in again:
                thread.join()
            again.append(threading.Thread(target=run))
            again[-1].start()
            time.sleep(0.05)

        with server.connect(retry=longbow.RetryPolicy(deadline=30)) as client:
            result = client.insert("x", counted(400, 50, {40: restart, 200: restart}))
            for thread in again:
                thread.join()
            assert result.rows == 20_000 and result.batches == 400 and result.resumed >= 1
            stored = client.get("x")
            assert stored["id"].to_pylist() == list(range(20_000)), "each row once, in order"


def test_rows_without_ids_are_not_stored_twice_either(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server:

        def kill_and_start() -> None:
            server.kill()
            server.start()

        with server.connect(retry=longbow.RetryPolicy(deadline=30)) as client:
            source = (batch.drop_columns(["id"]) for batch in counted(100, 50, {30: kill_and_start, 60: kill_and_start}))
            assert client.insert("x", source).rows == 5000
            assert sorted(client.get("x", columns=["n"])["n"].to_pylist()) == list(range(5000))


def test_what_is_under_way_is_bounded(client: longbow.Client, dataset: str) -> None:
    """The source is asked for more only as answers come, so its lead is bounded by bytes, not by its length."""
    stored = 0
    lead = 0

    def told(rows: int, total: int | None) -> None:
        nonlocal stored
        stored = rows

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal lead
        for i in range(64):
            lead = max(lead, i * 8192 - stored)
            yield pa.RecordBatch.from_pydict({"id": np.arange(i * 8192, (i + 1) * 8192), "vector": vector_array(np.ones((8192, 128), "f4"))})

    client.insert(dataset, batches(), progress=told)
    assert stored == 64 * 8192
    assert lead * 520 <= (32 + 3 * 8) << 20, f"{lead * 520 >> 20} MiB"
    client.delete_dataset(dataset)


def test_the_sources_own_error_comes_through(client: longbow.Client, dataset: str) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"id": 1, "vector": [1.0]}
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone") as raised:
        client.insert(dataset, rows())
    assert not isinstance(raised.value, longbow.LongbowError)


def test_text_that_is_empty_or_null_or_says_so_comes_back_from_csv(client: longbow.Client, dataset: str, tmp_path: Path) -> None:
    from longbow import files

    rows = [{"id": i, "vector": vector, "title": title} for i, (vector, title) in enumerate([([1.0, 2.0], ""), (None, None), ([3.0, 4.0], "NA")])]
    client.insert(dataset, rows)
    files.write(tmp_path / "a.csv", client.info(dataset).schema, client.scan(dataset))
    client.insert(f"{dataset}-again", tmp_path / "a.csv")
    assert client.get(f"{dataset}-again").to_list() == rows


def test_files_come_out_as_they_went_in(client: longbow.Client, dataset: str, tmp_path: Path) -> None:
    from longbow import files

    client.insert(dataset, TABLE)
    stored = client.get(dataset).to_arrow()
    for name in ("a.parquet", "a.arrow", "a.csv", "a.jsonl"):
        assert files.write(tmp_path / name, stored.schema, client.scan(dataset)) == 3
        assert client.insert(f"{dataset}-{name[2:]}", tmp_path / name).rows == 3
        assert client.get(f"{dataset}-{name[2:]}").to_list() == ROWS
    for name in ("a.npy", "a.fvecs"):
        files.write(tmp_path / name, stored.schema, client.scan(dataset))
        client.insert(f"{dataset}-{name[2:]}", tmp_path / name)
        assert client.get(f"{dataset}-{name[2:]}")["vector"].to_pylist() == VECTORS.tolist()
    (tmp_path / "cut.fvecs").write_bytes((tmp_path / "a.fvecs").read_bytes()[:-1])
    (tmp_path / "bad.jsonl").write_text('{"id": 1}\n[2]\n')
    for wrong, text in (("cut.fvecs", "no vectors of 4 dimensions"), ("bad.jsonl", "line 2"), ("a.xml", "no file")):
        with pytest.raises(longbow.InvalidArgumentError, match=text):
            client.insert(dataset, tmp_path / wrong)
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(longbow.InvalidArgumentError, match="none.jsonl: data is an empty iterator"):
        client.insert(dataset, tmp_path / "none.jsonl")
    os.rename(tmp_path / "a.csv", tmp_path / "a.xml")
    with pytest.raises(longbow.InvalidArgumentError, match="ends in .parquet"):
        client.insert(dataset, tmp_path / "a.xml")
