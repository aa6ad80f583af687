"""DoPut: what it creates, what it stores, and when it is visible."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, matrix_of, random_batch, vectors


def test_rows_are_visible_as_they_were_written_when_put_returns(calls: Calls, dataset: str) -> None:
    written = random_batch(1000, 16, seed=1, title=[f"title {i}" for i in range(1000)])
    calls.put(dataset, written)
    assert calls.get(dataset).combine_chunks().to_batches()[0].equals(written)


def test_batches_keep_the_order_in_which_they_were_written(calls: Calls, dataset: str) -> None:
    batches = [random_batch(100, 4, seed=i, first_id=1000 - 100 * i) for i in range(10)]
    calls.put(dataset, *batches)
    assert calls.ids(dataset) == [id for b in batches for id in b["id"].to_pylist()]


def test_a_stream_without_batches_creates_the_dataset(calls: Calls, dataset: str) -> None:
    schema = random_batch(1, 4, seed=0).schema
    calls.put(dataset, schema=schema)
    assert dataset in calls.dataset_names()
    scanned = calls.get(dataset)
    assert scanned.num_rows == 0
    assert scanned.schema.equals(schema)


def test_a_batch_is_visible_before_the_stream_ends(calls: Calls, dataset: str) -> None:
    writer, _ = calls.open_put(dataset, random_batch(1, 4, seed=0).schema)
    writer.write_batch(random_batch(7, 4, seed=0))
    deadline = time.monotonic() + 20
    while True:
        try:
            if calls.get(dataset).num_rows == 7:
                break
        except pa.ArrowKeyError:
            pass
        assert time.monotonic() < deadline, "the batch never became visible while its stream was open"
        time.sleep(0.01)
    writer.close()


def test_both_ports_take_puts(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    meta_calls.put(dataset, random_batch(3, 4, seed=0))
    assert calls.get(dataset).num_rows == 3


def test_further_path_elements_are_ignored(calls: Calls, dataset: str) -> None:
    written = random_batch(3, 4, seed=0)
    writer, _ = calls.client.do_put(flight.FlightDescriptor.for_path(dataset, "more"), written.schema, calls.options)
    writer.write_batch(written)
    writer.close()
    assert calls.get(dataset).num_rows == 3


def test_schema_metadata_is_kept(calls: Calls, dataset: str) -> None:
    written = random_batch(3, 4, seed=0).replace_schema_metadata({"pandas": "{}", "longbow.metric": "cosine"})
    calls.put(dataset, written)
    calls.put(dataset, random_batch(3, 4, seed=0, first_id=3, added=[1, 2, 3]))
    metadata = calls.get(dataset).schema.metadata
    assert metadata[b"pandas"] == b"{}" and metadata[b"longbow.metric"] == b"cosine"


def test_a_table_of_many_chunks_arrives_whole(calls: Calls, dataset: str) -> None:
    table = pa.Table.from_batches([random_batch(10, 4, seed=i, first_id=10 * i) for i in range(50)])
    calls.put(dataset, table)
    assert calls.ids(dataset) == list(range(500))


def test_slices_of_batches_arrive_as_slices(calls: Calls, dataset: str) -> None:
    whole = random_batch(100, 4, seed=3, name=[f"n{i}" for i in range(100)], flag=[i % 3 == 0 for i in range(100)])
    calls.put(dataset, whole.slice(13, 20))
    assert calls.get(dataset).combine_chunks().to_batches()[0].equals(whole.slice(13, 20))


# Keys


@pytest.mark.parametrize(
    "type", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()], ids=str
)
def test_integers_of_every_width_are_keys(calls: Calls, dataset: str, type: pa.DataType) -> None:
    calls.put(dataset, batch(pa.array([3, 1, 2], type), np.eye(3)))
    calls.put(dataset, batch(pa.array([1], type), [[9, 9, 9]]))
    calls.action("delete", {"dataset": dataset, "id": "2"})
    scanned = calls.get(dataset)
    assert scanned.schema.field("id").type == type
    assert sorted(scanned["id"].to_pylist()) == [1, 3]
    found = calls.search_action(dataset=dataset, vector=[9, 9, 9], k=1)[0]
    assert found["id"].to_pylist() == [1]


def test_negative_and_huge_keys_stay_themselves(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(pa.array([-5, -(2**63)], pa.int64()), np.eye(2)))
    assert calls.ids(dataset) == [-5, -(2**63)]
    unsigned = dataset + "u"
    calls.put(unsigned, batch(pa.array([2**64 - 1], pa.uint64()), [[1.0, 0.0]]))
    assert calls.search_action(dataset=unsigned, vector=[1, 0], k=1)[0]["id"].to_pylist() == [2**64 - 1]


def test_writing_a_key_again_replaces_the_whole_row(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2], np.eye(2), title=["a", "b"], year=[1990, 1991]))
    calls.put(dataset, batch([2], [[5, 5]], title=["B"]))
    rows = {row["id"]: row for row in calls.rows(dataset)}
    assert rows[1] == {"id": 1, "vector": [1, 0], "title": "a", "year": 1990}
    assert rows[2] == {"id": 2, "vector": [5, 5], "title": "B", "year": None}, "what is left out becomes null"
    assert len(calls.rows(dataset)) == 2


def test_of_one_key_twice_in_a_batch_the_last_wins(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([7, 8, 7], [[1, 1], [2, 2], [3, 3]], title=["first", "other", "last"]))
    assert {row["id"]: row["title"] for row in calls.rows(dataset)} == {7: "last", 8: "other"}
    assert calls.get(dataset).num_rows == 2
    assert calls.search_action(dataset=dataset, vector=[1, 1], k=10)[0].num_rows == 2


def test_a_dataset_without_id_gets_keys_of_its_own(calls: Calls, dataset: str) -> None:
    rows = pa.RecordBatch.from_pydict({"vector": vectors(np.eye(3)), "title": ["a", "b", "c"]})
    calls.put(dataset, rows)
    calls.put(dataset, rows)
    assert calls.get(dataset)["title"].to_pylist() == ["a", "b", "c"] * 2
    found = calls.search_action(dataset=dataset, vector=[0, 1, 0], k=6)[0]
    assert len(set(found["id"].to_pylist())) == 6


def test_id_cannot_be_added_later_nor_left_out(calls: Calls, dataset: str) -> None:
    keyless = pa.RecordBatch.from_pydict({"vector": vectors(np.eye(2))})
    calls.put(dataset, keyless)
    with fails("InvalidArgument", "id"):
        calls.put(dataset, batch([1, 2], np.eye(2)))
    keyed = dataset + "k"
    calls.put(keyed, batch([1, 2], np.eye(2)))
    with fails("InvalidArgument", "id"):
        calls.put(keyed, keyless)
    assert calls.get(dataset).num_rows == 2 and calls.get(keyed).num_rows == 2


def test_a_null_id_refuses_the_batch(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1.0, 2.0]]))
    with fails("InvalidArgument", "id", "null"):
        calls.put(dataset, batch(pa.array([2, None], pa.int64()), np.eye(2)))
    assert calls.ids(dataset) == [1]


def test_string_keys_of_both_widths_are_one_type(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(pa.array(["a", "b"], pa.utf8()), np.eye(2)))
    calls.put(dataset, batch(pa.array(["b", "c"], pa.large_utf8()), 2 * np.eye(2)))
    assert sorted(calls.ids(dataset)) == ["a", "b", "c"]


# Columns


def test_new_columns_are_added_and_old_rows_have_nulls_there(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1.0, 0.0]]))
    calls.put(dataset, batch([2], [[0.0, 1.0]], title=["new"], embedding=vectors([[1, 2, 3]])))
    scanned = calls.get(dataset)
    assert scanned.column_names == ["id", "vector", "title", "embedding"]
    assert scanned["title"].to_pylist() == [None, "new"]
    assert scanned["embedding"].to_pylist() == [None, [1, 2, 3]]
    assert calls.info(dataset).schema.names == scanned.column_names


def test_a_column_may_be_left_out(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1.0, 0.0]], title=["a"]))
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [2], "title": ["no vector"]}))
    assert calls.get(dataset)["vector"].to_pylist() == [[1, 0], None]
    assert calls.search_action(dataset=dataset, vector=[1, 0], k=5)[0]["id"].to_pylist() == [1]


def test_a_null_vector_is_stored_but_not_found(calls: Calls, dataset: str) -> None:
    column = pa.array([[1.0, 0.0], None, [0.0, 1.0]], pa.list_(pa.float32(), 2))
    calls.put(dataset, batch([1, 2, 3], column))
    assert calls.get(dataset)["vector"].to_pylist() == [[1, 0], None, [0, 1]]
    assert sorted(calls.search_action(dataset=dataset, vector=[1, 0], k=5)[0]["id"].to_pylist()) == [1, 3]


def test_columns_may_come_in_another_order(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1.0, 0.0]], title=["a"]))
    calls.put(dataset, pa.RecordBatch.from_pydict({"title": ["b"], "vector": vectors([[2, 2]]), "id": [2]}))
    assert calls.rows(dataset)[1] == {"id": 2, "vector": [2, 2], "title": "b"}


def test_text_of_both_widths_is_one_type(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1.0]], title=pa.array(["a"], pa.utf8())))
    calls.put(dataset, batch([2], [[2.0]], title=pa.array(["b"], pa.large_utf8())))
    assert calls.get(dataset)["title"].to_pylist() == ["a", "b"]


def test_dictionaries_and_views_are_decoded_at_the_door(calls: Calls, dataset: str) -> None:
    calls.put(
        dataset,
        batch(
            [1, 2, 3],
            np.eye(3),
            genre=pa.array(["x", "y", "x"]).dictionary_encode(),
            note=pa.array(["short", "a text longer than twelve bytes", None], pa.string_view()),
        ),
    )
    scanned = calls.get(dataset)
    assert scanned["genre"].type in (pa.utf8(), pa.large_utf8())
    assert scanned["genre"].to_pylist() == ["x", "y", "x"]
    assert scanned["note"].to_pylist() == ["short", "a text longer than twelve bytes", None]


def test_runs_are_decoded_at_the_door(calls: Calls, dataset: str) -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 6], pa.int32()), pa.array(["x", None, "y"]))
    vectors_ = vectors(np.eye(6))
    calls.put(dataset, batch(np.arange(6), vectors_, genre=runs, era=pc.run_end_encode(pa.array([1, 1, 2, 2, 2, 3]))))
    scanned = calls.get(dataset)
    assert scanned["genre"].to_pylist() == ["x", "x", None, "y", "y", "y"] and scanned["genre"].type == pa.utf8()
    assert scanned["era"].to_pylist() == [1, 1, 2, 2, 2, 3] and scanned["era"].type == pa.int64()
    assert calls.ids(dataset, {"field": "genre", "op": "=", "value": "y"}) == [3, 4, 5]


class Celsius(pa.ExtensionType):  # type: ignore[misc]
    """A type that no server has heard of, and that is not registered here either."""

    def __init__(self) -> None:
        super().__init__(pa.float64(), "example.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"degrees"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Celsius:
        assert serialized == b"degrees"
        return cls()


EXTENSIONS = {
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16, None, b"c" * 16], pa.binary(16))),
    "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', None, "[]"])),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
    "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "geometry", "postgis"), pa.array([b"p", None, b""])),
    "nested": pa.array([[b"a" * 16], None, []], pa.list_(pa.binary(16))).cast(pa.list_(pa.uuid())),
    "celsius": pa.ExtensionArray.from_storage(Celsius(), pa.array([36.6, None, -5.0])),
}


@pytest.mark.parametrize("name", EXTENSIONS)
def test_extension_types_come_back_as_what_they_are(calls: Calls, dataset: str, name: str) -> None:
    sent = EXTENSIONS[name]
    calls.put(dataset, batch([1, 2, 3], np.eye(3), payload=sent))
    calls.put(dataset, batch([4], [[1, 1, 1]]))
    for ticket in (dataset, {"search": {"dataset": dataset, "vector": [0, 0, 1], "k": 9, "columns": ["payload"]}}):
        got = calls.get(ticket)
        known = got.sort_by("id")["payload"].combine_chunks()
        if name != "celsius":
            assert known.type == sent.type and known[:3].equals(sent)
            continue
        metadata = got.schema.field("payload").metadata
        assert (metadata[b"ARROW:extension:name"], metadata[b"ARROW:extension:metadata"]) == (b"example.celsius", b"degrees")
        assert known[:3].equals(sent.storage)
    if name == "celsius":
        assert calls.ids(dataset, {"field": "payload", "op": "<", "value": 0}) == [3]
        pa.register_extension_type(Celsius())
        try:
            assert calls.get(dataset)["payload"].combine_chunks()[:3].equals(sent)
        finally:
            pa.unregister_extension_type("example.celsius")


def test_a_tensor_of_fixed_shape_is_searched_as_a_vector(calls: Calls, dataset: str) -> None:
    matrix = np.random.default_rng(3).standard_normal((20, 2, 3)).astype("float32")
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(matrix)
    calls.put(dataset, batch(np.arange(20), tensors))
    assert np.array_equal(calls.get(dataset)["vector"].combine_chunks().to_numpy_ndarray(), matrix)
    found = calls.get({"search": {"dataset": dataset, "vector": matrix[7].reshape(-1).tolist(), "k": 1}})
    assert found["id"].to_pylist() == [7]


def test_a_column_keeps_its_extension_type(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2, 3], np.eye(3), payload=EXTENSIONS["uuid"]))
    calls.put(dataset, batch([4], [[1, 1, 1]], payload=pa.array([b"d" * 16], pa.binary(16))))
    assert calls.get(dataset)["payload"].type == pa.uuid(), "plain values of the storage type are taken"
    other = pa.ExtensionArray.from_storage(pa.opaque(pa.binary(16), "a", "b"), pa.array([b"e" * 16], pa.binary(16)))
    with fails("InvalidArgument", "payload", "arrow.uuid", "arrow.opaque"):
        calls.put(dataset, batch([5], [[1, 1, 1]], payload=other))
    assert calls.get(dataset).num_rows == 4


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_unions_are_refused(calls: Calls, dataset: str, kind: str) -> None:
    types, children = pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["x", "y"])]
    union = (
        pa.UnionArray.from_sparse(types, children)
        if kind == "sparse"
        else pa.UnionArray.from_dense(types, pa.array([0, 1], pa.int32()), children)
    )
    with fails("InvalidArgument", "payload", f"{kind}_union", "send a column for each of its types"):
        calls.put(dataset, batch([1, 2], np.eye(2), payload=union))
    assert dataset not in calls.dataset_names()


PAYLOAD = {
    "bool": pa.array([True, None, False]),
    "int8": pa.array([1, None, -128], pa.int8()),
    "uint64": pa.array([0, None, 2**64 - 1], pa.uint64()),
    "float16": pa.array(np.array([1.5, 0, -2], np.float16), mask=np.array([False, True, False])),
    "float64": pa.array([1e300, None, -0.0]),
    "utf8": pa.array(["", None, "grüße"]),
    "binary": pa.array([b"", None, b"\x00\xff"]),
    "date32": pa.array([0, None, 20000], pa.date32()),
    "time64": pa.array([0, None, 86399999999], pa.time64("us")),
    "timestamp": pa.array([0, None, 1735689600000000000], pa.timestamp("ns")),
    "timestamp_tz": pa.array([0, None, 1735689600000], pa.timestamp("ms", "UTC")),
    "duration": pa.array([0, None, -5], pa.duration("s")),
    "decimal": pa.array([Decimal("1.500"), None, Decimal("-2.000")], pa.decimal128(20, 3)),
    "list": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "z"}]),
}


@pytest.mark.parametrize("name", PAYLOAD)
def test_payload_of_every_kind_comes_back_unchanged(calls: Calls, dataset: str, name: str) -> None:
    calls.put(dataset, batch([1, 2, 3], np.eye(3), payload=PAYLOAD[name]))
    scanned = calls.get(dataset)["payload"].combine_chunks()
    assert scanned.equals(PAYLOAD[name])
    found = calls.get({"search": {"dataset": dataset, "vector": [0, 0, 1], "k": 1}})
    assert found["payload"].combine_chunks().equals(PAYLOAD[name].slice(2, 1)), "hits carry it as well"


def test_a_variable_list_is_payload(calls: Calls, dataset: str) -> None:
    column = pa.array([[1.0, 2.0], [3.0]], pa.list_(pa.float32()))
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [1, 2], "vector": column}))
    assert calls.get(dataset)["vector"].to_pylist() == [[1, 2], [3]]


# Acknowledged mode


class AcknowledgedStream:
    """Frames of the acknowledged mode, sent one by one."""

    def __init__(self, calls: Calls, dataset: str, schema: pa.Schema, client: str = "c", stream: str = "s", **more: Any) -> None:
        self.writer, self.reader = calls.open_put(dataset, schema)
        self._opening: dict[str, Any] = {"protocol": 1, "client": client, "stream": stream, **more}

    def send(self, seq: int, rows: pa.RecordBatch) -> None:
        metadata = {**self._opening, "seq": seq, "rows": rows.num_rows}
        self._opening = {}
        self.writer.write_with_metadata(rows, json.dumps(metadata).encode())

    def fin(self, seq: int, rows: int) -> None:
        self.writer.write_metadata(json.dumps({**self._opening, "fin": True, "seq": seq, "rows": rows}).encode())

    def results(self) -> list[dict[str, Any]]:
        self.writer.done_writing()
        results = []
        while (buffer := self.reader.read()) is not None:
            results.append(json.loads(buffer.to_pybytes()))
        return results

    def close(self) -> None:
        self.writer.close()


def test_an_acknowledgement_says_what_is_durable(calls: Calls, dataset: str) -> None:
    rows = random_batch(5, 4, seed=0)
    stream = AcknowledgedStream(calls, dataset, rows.schema)
    for seq in (1, 2, 3):
        stream.send(seq, random_batch(5, 4, seed=seq, first_id=5 * seq))
    stream.fin(3, 15)
    last = stream.results()[-1]
    stream.close()
    assert last["acked_through"] == 3 and last["durable_through"] == 3
    assert last["level"] == "fsync" and last["token"] and last["credits"] > 0


def test_a_stream_cut_before_its_end_is_data_loss_but_acked_batches_stay(calls: Calls, dataset: str) -> None:
    rows = random_batch(5, 4, seed=0)
    stream = AcknowledgedStream(calls, dataset, rows.schema)
    stream.send(1, rows)
    assert stream.results()[-1]["acked_through"] == 1
    with fails("DataLoss", "FIN"):
        stream.close()
    assert calls.get(dataset).num_rows == 5


@pytest.mark.parametrize("seq, rows", [(2, 5), (1, 6), (0, 5)])
def test_an_end_with_wrong_counts_is_refused(calls: Calls, dataset: str, seq: int, rows: int) -> None:
    stream = AcknowledgedStream(calls, dataset, random_batch(1, 4, seed=0).schema)
    stream.send(1, random_batch(5, 4, seed=0))
    stream.fin(seq, rows)
    stream.results()
    with fails("DataLoss"):
        stream.close()


@pytest.mark.parametrize("second, code", [(3, "DataLoss"), (0, "InvalidArgument")])
def test_numbers_that_do_not_follow_each_other_are_refused(calls: Calls, dataset: str, second: int, code: str) -> None:
    stream = AcknowledgedStream(calls, dataset, random_batch(1, 4, seed=0).schema)
    stream.send(1, random_batch(5, 4, seed=0))
    stream.send(second, random_batch(5, 4, seed=1, first_id=50))
    stream.results()
    with fails(code, "seq"):
        stream.close()
    assert calls.ids(dataset) == [0, 1, 2, 3, 4]


def test_a_client_without_a_name_cannot_send_a_batch_again(calls: Calls, dataset: str) -> None:
    stream = AcknowledgedStream(calls, dataset, random_batch(1, 4, seed=0).schema, client="")
    stream.send(1, random_batch(5, 4, seed=0))
    stream.send(1, random_batch(5, 4, seed=0))
    stream.results()
    with fails("InvalidArgument", "seq"):
        stream.close()


@pytest.mark.parametrize("change, code", [({"rows": 4}, "InvalidArgument"), ({"crc32c": 1}, "Corruption")])
def test_a_batch_that_is_not_what_its_frame_says_is_refused(
    calls: Calls, dataset: str, change: dict[str, int], code: str
) -> None:
    rows = random_batch(5, 4, seed=0)
    writer, reader = calls.open_put(dataset, rows.schema)
    frame = {"protocol": 1, "client": "c", "stream": "s", "seq": 1, "rows": 5, **change}
    writer.write_with_metadata(rows, json.dumps(frame).encode())
    writer.write_metadata(b'{"fin": true, "seq": 1}')
    writer.done_writing()
    errors = []
    while (buffer := reader.read()) is not None:
        errors += json.loads(buffer.to_pybytes())["errors"]
    writer.close()
    assert [(e["seq"], e["code"]) for e in errors] == [(1, code)]
    assert calls.get(dataset).num_rows == 0


def test_a_refused_batch_is_reported_and_the_stream_goes_on(calls: Calls, dataset: str) -> None:
    good, bad = random_batch(5, 4, seed=0), batch([8, 9], [[1, 2, 3, 4], [1, np.nan, 3, 4]])
    stream = AcknowledgedStream(calls, dataset, good.schema)
    stream.send(1, good)
    stream.send(2, bad)
    stream.send(3, random_batch(5, 4, seed=1, first_id=5))
    stream.fin(3, 12)
    results = stream.results()
    stream.close()
    rejected = [item for result in results for item in result["errors"]]
    assert [(item["seq"], item["code"]) for item in rejected] == [(2, "InvalidArgument")]
    assert "NaN" in rejected[0]["text"]
    assert results[-1]["acked_through"] == 3
    assert calls.ids(dataset) == list(range(10)), "one bad row refuses its whole batch, and only that"


def test_a_batch_sent_again_has_effect_once(calls: Calls, dataset: str) -> None:
    keyless = pa.RecordBatch.from_pydict({"vector": vectors(np.eye(4))})
    for _ in range(2):
        stream = AcknowledgedStream(calls, dataset, keyless.schema, client="retry", stream=dataset)
        stream.send(1, keyless)
        stream.fin(1, 4)
        assert stream.results()[-1]["acked_through"] == 1
        stream.close()
    assert calls.get(dataset).num_rows == 4


@pytest.mark.parametrize("level", ["fsync", "async", "memory"])
def test_the_level_of_durability_is_told_everywhere(calls: Calls, dataset: str, level: str) -> None:
    rows = random_batch(5, 4, seed=0).replace_schema_metadata({"longbow.durability": level})
    stream = AcknowledgedStream(calls, dataset, rows.schema)
    stream.send(1, rows)
    stream.fin(1, 5)
    results = stream.results()
    stream.close()
    assert {result["level"] for result in results} == {level}
    for body in ({"token": results[-1]["token"]}, {}):
        assert calls.action_json("wait_durable", body) == {"status": "DURABLE"}
    descriptor = flight.FlightDescriptor.for_path(dataset)
    for schema in (calls.client.get_schema(descriptor, calls.options).schema, calls.info(dataset).schema):
        assert schema.metadata[b"longbow.durability"].decode() == level


def test_the_window_of_async_is_a_datasets_own(calls: Calls, dataset: str) -> None:
    async_ = {"longbow.durability": "async"}
    rows = random_batch(5, 4, seed=0)
    calls.put(dataset, rows.replace_schema_metadata({**async_, "longbow.async_window_ms": "7", "longbow.async_window_bytes": "100000"}))
    calls.put(dataset, rows.replace_schema_metadata(async_))  # says nothing about the window
    told = calls.info(dataset).schema.metadata
    assert (told[b"longbow.async_window_ms"], told[b"longbow.async_window_bytes"]) == (b"7", b"100000")
    with fails("FailedPrecondition", "longbow.async_window_ms of the dataset is 7, given 8"):
        calls.put(dataset, rows.replace_schema_metadata({**async_, "longbow.async_window_ms": "8"}))
    with fails("InvalidArgument", "longbow.async_window_bytes is 'lots'"):
        calls.put(dataset + "-2", rows.replace_schema_metadata({**async_, "longbow.async_window_bytes": "lots"}))
    calls.put(dataset + "-3", rows.replace_schema_metadata(async_))
    told = calls.info(dataset + "-3").schema.metadata
    assert (told[b"longbow.async_window_ms"], told[b"longbow.async_window_bytes"]) == (b"50", b"4194304")


def test_the_default_level_is_told_too(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(1, 4, seed=0))
    assert calls.info(dataset).schema.metadata[b"longbow.durability"] == b"fsync"


@pytest.mark.parametrize("token", ["", "5", "s00000000000000zz", "sffffffffffffffff"])
def test_waiting_for_what_was_never_acknowledged_is_refused(calls: Calls, token: str) -> None:
    with fails("InvalidArgument", "token"):
        calls.action("wait_durable", {"token": token})


def test_a_stream_cannot_choose_another_durability(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(1, 4, seed=0))
    with fails("FailedPrecondition", "durability"):
        calls.put(dataset, random_batch(1, 4, seed=0).replace_schema_metadata({"longbow.durability": "memory"}))


@pytest.mark.parametrize("level, code", [("memory", "FailedPrecondition"), ("bogus", "InvalidArgument"), ("fsync", None)])
def test_the_first_frame_cannot_choose_another_durability(calls: Calls, dataset: str, level: str, code: str | None) -> None:
    rows = random_batch(5, 4, seed=0)
    calls.put(dataset, schema=rows.schema)
    stream = AcknowledgedStream(calls, dataset, rows.schema, durability=level)
    with fails(code, "durability", "fsync") if code else nullcontext():
        stream.send(1, rows)
        stream.fin(1, 5)
        stream.results()
        stream.close()
    assert calls.get(dataset).num_rows == (0 if code else 5)


# Vectors


@pytest.mark.parametrize(
    "dtype",
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split(),
)
def test_every_element_type_is_stored_as_it_came_and_searched(calls: Calls, dataset: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    matrix = (rng.integers(0, 100, (300, 24)) if "int" in dtype else rng.standard_normal((300, 24))).astype(dtype)
    calls.put(dataset, batch(np.arange(300), vectors(matrix, dtype)))
    scanned = calls.get(dataset)
    assert scanned["vector"].type.value_type == vectors(matrix, dtype).type.value_type
    assert np.array_equal(matrix_of(scanned["vector"]), matrix)
    exact = np.sqrt(((matrix.astype("f8") - matrix[17].astype("f8")) ** 2).sum(1))
    found = calls.get({"search": {"dataset": dataset, "vector": matrix[17].tolist(), "k": 10}})
    assert found["id"].to_pylist() == np.lexsort((np.arange(300), exact))[:10].tolist()
    np.testing.assert_allclose(found["distance"], np.sort(exact)[:10], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype, part", [("complex64", "float32"), ("complex128", "float64")])
def test_complex_vectors_travel_as_pairs(calls: Calls, dataset: str, dtype: str, part: str) -> None:
    rng = np.random.default_rng(6)
    matrix = (rng.standard_normal((100, 8)) + 1j * rng.standard_normal((100, 8))).astype(dtype)
    written = batch(np.arange(100), vectors(matrix.view(part), part))
    written = written.replace_schema_metadata({"longbow.vector_type": dtype, "longbow.complex": "true"})
    calls.put(dataset, written)
    exact = np.sqrt((np.abs(matrix - matrix[3]) ** 2).sum(1))
    found = calls.get({"search": {"dataset": dataset, "vector": matrix[3].view(part).tolist(), "k": 5}})
    assert found["id"].to_pylist() == np.argsort(exact)[:5].tolist()
    np.testing.assert_allclose(found["distance"], np.sort(exact)[:5], rtol=1e-5, atol=1e-6)
    assert np.array_equal(matrix_of(calls.get(dataset)["vector"]), matrix.view(part))


@pytest.mark.parametrize("dim", [1, 3, 1536, 4096])
def test_dimensions_up_to_the_cap_are_taken(calls: Calls, dataset: str, dim: int) -> None:
    calls.put(dataset, random_batch(5, dim, seed=dim))
    assert calls.get(dataset)["vector"].type.list_size == dim
