"""What users have becomes the record batches they mean."""

from __future__ import annotations

from typing import Any

import longbow
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from longbow.columns import Lent, query_array, table_of_frame, vector_array
from longbow.sources import BATCH_BYTES, open_source


def table_of(data: Any) -> pa.Table:
    source = open_source(data)
    return pa.Table.from_batches(source.batches, source.schema)


@pytest.mark.parametrize("dtype", "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split())
def test_a_matrix_becomes_a_vector_column_of_its_type(dtype: str) -> None:
    matrix = np.arange(12).reshape(3, 4).astype(dtype)
    column = table_of({"id": [1, 2, 3], "vector": matrix})["vector"]
    assert column.type == pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), 4)
    assert np.array_equal(column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(3, 4), matrix)


@pytest.mark.parametrize("dtype, part", [("complex64", pa.float32()), ("complex128", pa.float64())])
def test_complex_numbers_become_pairs_and_say_so(dtype: str, part: pa.DataType) -> None:
    table = table_of({"vector": np.array([[1 + 2j, 3 - 4j]], dtype)})
    field = table.schema.field("vector")
    assert field.type == pa.list_(part, 4)
    assert field.metadata == {b"longbow.complex": b"true", b"longbow.vector_type": dtype.encode()}
    assert table["vector"].to_pylist() == [[1, 2, 3, -4]]


def test_a_contiguous_matrix_is_not_copied() -> None:
    matrix = np.ones((100, 8), "f4")
    assert vector_array(matrix).values.buffers()[1].address == matrix.ctypes.data
    assert np.array_equal(np.asarray(vector_array(matrix[:, ::2]).values), np.ones(400)), "others are"


def test_rows_become_columns_and_missing_cells_null() -> None:
    table = table_of([{"id": 1, "vector": [1, 2]}, {"id": 2, "title": "b", "meta": {"a": [1]}}])
    assert table["vector"].type == pa.list_(pa.float32(), 2)
    assert table.to_pylist() == [
        {"id": 1, "vector": [1, 2], "title": None, "meta": None},
        {"id": 2, "vector": None, "title": "b", "meta": '{"a": [1]}'},
    ]


def test_integers_beyond_int64_are_uint64() -> None:
    large = 2**64 - 1
    assert table_of([{"id": 1, "vector": [1, 2]}, {"id": large, "vector": [3, 4]}])["id"].type == pa.uint64()
    assert table_of({"id": [large, 1], "n": [1, 2]})["id"].to_pylist() == [large, 1]


def test_lists_are_vectors_only_where_the_name_says_so() -> None:
    table = table_of({"embedding": [[1.0, 2.0]], "tags": [[1, 2]], "image": [np.ones(3, "f2")]})
    assert table["embedding"].type == pa.list_(pa.float32(), 2)
    assert table["tags"].type == pa.list_(pa.int64())
    assert table["image"].type == pa.list_(pa.float16(), 3)


def test_a_data_frame_becomes_a_table() -> None:
    frame = pd.DataFrame({"id": [1, 2], "vector": [[1.0, 2.0], [3.0, 4.0]], "title": ["a", None], "when": pd.to_datetime(["2025-01-01", None])})
    table = table_of(frame)
    assert table["vector"].type == pa.list_(pa.float32(), 2)
    assert table["title"].to_pylist() == ["a", None]
    assert pa.types.is_timestamp(table["when"].type) and table["when"].null_count == 1


def test_a_frames_memory_is_lent_again_only_when_no_array_of_it_is_left() -> None:
    """Tables of a frame take each other's memory: what is still to be sent, or to be shown as refused, must not change."""
    lent = Lent()
    matrix = np.arange(40, dtype="f4").reshape(10, 4)

    def table(numbers: np.ndarray[Any, Any]) -> pa.Table:
        return table_of_frame(pd.DataFrame({"vector": list(numbers)}), memory=lent)

    def address(rows: pa.Table) -> int:
        return int(rows["vector"].chunk(0).values.buffers()[1].address)

    first = table(matrix)
    place = address(first)
    sent = first.to_batches()[0].slice(3, 2)
    del first
    second = table(-matrix)
    assert sent.column("vector").to_pylist() == matrix[3:5].tolist() and address(second) != place
    del sent
    third = table(2 * matrix)
    assert address(third) == place
    assert second["vector"].to_pylist() == (-matrix).tolist() and third["vector"].to_pylist() == (2 * matrix).tolist()


def test_a_frame_of_many_tables_is_read_as_it_is() -> None:
    matrix = np.random.default_rng(1).standard_normal((20_000, 300), dtype="f4")
    source = open_source(pd.DataFrame({"id": np.arange(len(matrix)), "vector": list(matrix)}))
    rows = 0
    for batch in source.batches:  # each is gone when the next is read
        assert np.array_equal(batch.column("vector").flatten().to_numpy().reshape(-1, 300), matrix[rows : rows + len(batch)])
        assert batch.column("id").to_pylist() == list(range(rows, rows + len(batch)))
        rows += len(batch)
    assert rows == len(matrix)


def test_the_index_of_a_frame_is_its_ids_where_it_is_named_so() -> None:
    frame = pd.DataFrame({"vector": list(np.eye(2, dtype="f4")), "title": ["a", "b"]}, index=pd.Index([7, 9], name="id"))
    assert table_of(frame).column_names == ["id", "vector", "title"] and table_of(frame)["id"].to_pylist() == [7, 9]
    texts = frame.set_index(pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["id", "part"]))
    assert table_of(texts)["id"].to_pylist() == ["x", "y"]
    assert table_of(frame.assign(id=[1, 2]))["id"].to_pylist() == [1, 2], "a column comes first"
    assert table_of(frame.rename_axis("sku")).column_names == ["vector", "title"]


def test_ids_may_be_any_integer_of_64_bits() -> None:
    assert table_of({"id": [2**64 - 1, 7]})["id"].to_pylist() == [2**64 - 1, 7]
    assert table_of([{"id": 2**63}]).schema.field("id").type == pa.uint64()


def test_a_series_of_polars_is_a_column() -> None:
    table = table_of({"id": pl.Series([1, 2]), "vector": pl.Series([[1.0, 2.0], [3.0, 4.0]])})
    assert table["vector"].type == pa.list_(pa.float32(), 2) and table["id"].to_pylist() == [1, 2]


def test_tensors_are_counted_among_the_vectors() -> None:
    source = open_source(pa.table({"vector": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 3), "f4"))}))
    assert source.vectors == {"vector": 3}


def test_tables_batches_and_readers_pass_as_they_are() -> None:
    table = pa.table({"id": [1, 2], "vector": vector_array(np.eye(2))})
    for data in (table, table.to_batches()[0], table.to_reader()):
        assert table_of(data).equals(table)


def test_large_data_is_cut_into_batches() -> None:
    batches = open_source({"vector": np.ones((50_000, 128), "f4")}).batches
    sizes = [(b.num_rows, b.nbytes) for b in batches]
    assert sum(rows for rows, _ in sizes) == 50_000 and all(size <= BATCH_BYTES for _, size in sizes)
    assert len(sizes) == 4


@pytest.mark.parametrize(
    "data, text",
    [
        (5, "int"),
        ("no-such-file.parquet", "no file"),
        ([1, 2], "list"),
        ({"vector": np.ones((2, 2, 2))}, "2-D array"),
        ({"vector": np.ones((2, 0))}, "dimension"),
        ({"vector": np.array([["a"]])}, "dtype"),
        ({"vector": [[1, 2], [3]]}, "widths"),
        ({"id": [1, 2], "vector": np.ones((3, 2))}, "number of rows"),
        ({"mixed": [1, "a"]}, "mixed"),
        ({"id": [2**64]}, "column 'id': expected integers of int64 or uint64"),
        ({"id": [2**63, -1]}, "column 'id': expected integers of int64 or uint64"),
        ({5: [1]}, "names of columns are text, got 5"),
        (np.ma.masked_array(np.ones((2, 2)), [[0, 0], [0, 1]]), "row 1 of the masked array"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "'x' appears twice"),
        (pl.DataFrame({"thing": [object()]}), "'thing': the polars type Object"),
        (pl.Series("x", [1]), "(given|got) Series"),
        (pa.array([1]), "expected columns with names, given Int64Array"),
        ("rows-*.parquet", "patterns and addresses are not opened"),
        ("s3://bucket/rows.parquet", "no file s3://bucket/rows.parquet: patterns and addresses"),
    ],
)
def test_what_is_no_data_is_refused(data: Any, text: str) -> None:
    with pytest.raises(longbow.InvalidArgumentError, match=text):
        table_of(data)


def test_a_vector_column_that_is_named_holds_vectors() -> None:
    with pytest.raises(longbow.InvalidArgumentError, match="vector_column: expected vectors in column 'title', given string"):
        open_source({"id": [1], "title": ["a"]}, "title")
    assert open_source({"id": [1], "v": [[1.0, 2.0]]}, "v").vectors == {"v": 2}


def test_queries_are_one_vector_or_several() -> None:
    array, single = query_array([1, 2, 3])
    assert single and array.type == pa.list_(pa.float32(), 3) and len(array) == 1
    array, single = query_array(np.ones((4, 3), "uint8"))
    assert not single and array.type == pa.list_(pa.uint8(), 3) and len(array) == 4
    array, single = query_array(np.array([1 + 2j]))
    assert array.type == pa.list_(pa.float64(), 2)


@pytest.mark.parametrize("vectors", [5, [], [[1, 2], [3]], "abc", np.ones((1, 1, 1)), [[]], None])
def test_what_is_no_query_is_refused(vectors: Any) -> None:
    with pytest.raises(longbow.InvalidArgumentError):
        query_array(vectors)
