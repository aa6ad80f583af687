"""What is wrong is refused with its own error, and the data stays as it was."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, query_batch, random_batch, vectors
from longbow.command.top import read_metrics
from raw_flight import (
    RawFlight,
    batch_message,
    batch_parts,
    command_descriptor,
    field,
    flight_data,
    path_descriptor,
    schema_message,
)

SEED = random.SystemRandom().randrange(2**32)


@pytest.fixture
def stored(calls: Calls, dataset: str) -> Iterator[str]:
    """A dataset of three rows, which must be the same after the test."""
    calls.put(dataset, batch([1, 2, 3], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], year=[1990, 2000, 2010]))
    before = calls.get(dataset)
    yield dataset
    assert calls.get(dataset).equals(before), "a refused request changed the data"
    assert calls.info(dataset).total_records == 3


# Batches


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_that_are_not_finite(calls: Calls, dataset: str, value: float, dtype: str) -> None:
    good = batch([1], vectors([[1, 2, 3]], dtype))
    calls.put(dataset, good)
    with fails("InvalidArgument", "vector", "row 1"):
        calls.put(dataset, batch([2, 3], vectors([[1, 2, 3], [1, value, 3]], dtype)))
    assert calls.ids(dataset) == [1]


def test_a_zero_vector_under_cosine(calls: Calls, dataset: str) -> None:
    metadata = {"longbow.metric": "cosine"}
    calls.put(dataset, batch([1], [[1, 2]]).replace_schema_metadata(metadata))
    with fails("InvalidArgument", "vector", "zero", "cosine"):
        calls.put(dataset, batch([2], [[0, 0]]).replace_schema_metadata(metadata))
    assert calls.ids(dataset) == [1]


def test_a_zero_query_under_cosine(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[1, 2]]).replace_schema_metadata({"longbow.metric": "cosine"}))
    with fails("InvalidArgument", "zero"):
        calls.search_action(dataset=dataset, vector=[0, 0], k=1)


def test_a_zero_vector_under_l2_is_fine(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1], [[0, 0]]))
    assert calls.search_action(dataset=dataset, vector=[0, 0], k=1)[0]["id"].to_pylist() == [1]


@pytest.mark.parametrize("dim", [2, 4])
def test_a_vector_of_another_width(calls: Calls, stored: str, dim: int) -> None:
    with fails("InvalidArgument", "schema mismatch: type mismatch for column", "vector"):
        calls.put(stored, random_batch(2, dim, seed=1))


def test_dimension_zero(calls: Calls, dataset: str) -> None:
    with fails("InvalidArgument", "vector"):
        calls.put(dataset, schema=pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), 0))]))
    assert dataset not in calls.dataset_names()


def test_dimensions_above_the_cap(calls: Calls, dataset: str) -> None:
    with fails("InvalidArgument", "vector", "4096", "4097"):
        calls.put(dataset, random_batch(1, 4097, seed=1))
    assert dataset not in calls.dataset_names()


@pytest.mark.parametrize("type", [pa.utf8(), pa.float64(), pa.int32(), pa.timestamp("ns")], ids=str)
def test_a_column_that_changes_its_type(calls: Calls, stored: str, type: pa.DataType) -> None:
    changed = pa.RecordBatch.from_pydict({"id": [4], "vector": vectors([[1, 1, 1]]), "year": pa.array([None], type)})
    with fails("InvalidArgument", "schema mismatch: type mismatch for column", "year"):
        calls.put(stored, changed)


def test_a_vector_column_that_changes_its_element_type(calls: Calls, stored: str) -> None:
    with fails("InvalidArgument", "schema mismatch: type mismatch for column", "vector"):
        calls.put(stored, batch([4], vectors([[1, 1, 1]], "float64")))


@pytest.mark.parametrize(
    "type", [pa.float32(), pa.bool_(), pa.binary(), pa.timestamp("ns"), pa.list_(pa.int64()), pa.decimal128(5, 1)], ids=str
)
def test_a_key_of_a_type_that_is_no_key(calls: Calls, dataset: str, type: pa.DataType) -> None:
    schema = pa.schema([("id", type), ("vector", pa.list_(pa.float32(), 2))])
    with fails("InvalidArgument", "id"):
        calls.put(dataset, schema=schema)
    assert dataset not in calls.dataset_names()


def test_one_bad_row_refuses_its_batch_and_keeps_those_before(calls: Calls, dataset: str) -> None:
    good = random_batch(5, 2, seed=1)
    with fails("InvalidArgument"):
        calls.put(dataset, good, batch([9, 10], [[1, 2], [np.nan, 1]]), random_batch(5, 2, seed=2, first_id=20))
    assert calls.ids(dataset)[:5] == [0, 1, 2, 3, 4]
    assert not {9, 10} & set(calls.ids(dataset))


def test_text_that_is_not_utf8(calls: Calls, stored: str, raw: RawFlight) -> None:
    calls.put(dataset := stored + "-text", batch([1], [[1, 1, 1]], title=["good"]))
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 2], "i4").tobytes()), pa.py_buffer(b"\xff\xfe"))
    rows = batch([4], [[1, 1, 1]], title=bad)
    _, code, text = raw.stream("DoPut", [schema_message(rows.schema, path_descriptor(dataset)), batch_message(rows)])
    assert code.name == "INVALID_ARGUMENT" and "title" in text, text
    assert calls.ids(dataset) == [1]


@pytest.mark.parametrize("metric", ["manhattan", "", "L3"])
def test_an_unknown_metric(calls: Calls, dataset: str, metric: str) -> None:
    with fails("InvalidArgument", "longbow.metric"):
        calls.put(dataset, batch([1], [[1, 0]]).replace_schema_metadata({"longbow.metric": metric}))
    assert dataset not in calls.dataset_names()


# Names


NAMES = [
    "", ".", "..", "../etc/passwd", "a/../b", "/etc/passwd", "a/b/c", "..%2f", "a\x00b", "a b", "a\nb", "-a", "_a",
    "ü", "x" * 129, "ns/", "/a", "a//b", "con\\..\\x", "a/" + "y" * 129,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda n: repr(n)[:20])
def test_names_that_are_none(calls: Calls, name: str) -> None:
    before = calls.dataset_names()
    with fails("InvalidArgument"):
        calls.put(name, random_batch(1, 2, seed=1))
    if name:
        with fails("InvalidArgument"):
            calls.action("CreateNamespace", {"name": name + "/x" if "/" in name else name + "/../x"})
    assert calls.dataset_names() == before


@pytest.mark.parametrize("name", ["a.b", "A-1_2", "9", "x" * 128, "ns.1/data-1", "a..b"])
def test_names_that_look_odd_and_are_fine(calls: Calls, name: str) -> None:
    calls.put(name, random_batch(1, 2, seed=1))
    assert name in calls.dataset_names()
    calls.action("delete-dataset", {"dataset": name})


# Searches


@pytest.mark.parametrize("k", [0, -1, -(2**40)])
def test_k_below_one(calls: Calls, stored: str, k: int) -> None:
    for ask in searches(calls, stored, k=k):
        with fails("InvalidArgument", "k must be at least 1"):
            ask()


@pytest.mark.parametrize("k", [10_001, 2**31 - 1])
def test_k_above_the_cap(calls: Calls, stored: str, k: int) -> None:
    for ask in searches(calls, stored, k=k):
        with fails("InvalidArgument", "k", "10000", str(k)):
            ask()


@pytest.mark.parametrize("vector", [[1.0], [1, 2], [1, 2, 3, 4]])
def test_a_query_of_another_width(calls: Calls, stored: str, vector: list[float]) -> None:
    for ask in searches(calls, stored, vector=vector):
        with fails("DimensionMismatch", f"dimension mismatch: expected 3, got {len(vector)}"):
            ask()


def test_a_search_in_an_unknown_dataset(calls: Calls) -> None:
    for ask in searches(calls, "no-such-set"):
        with fails("NotFound", "no-such-set"):
            ask()


def test_a_search_in_a_dataset_without_vectors(calls: Calls, dataset: str) -> None:
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [1], "title": ["a"]}))
    for ask in searches(calls, dataset):
        with fails("FailedPrecondition", "index not initialized"):
            ask()


def test_a_search_on_a_column_that_is_none(calls: Calls, stored: str) -> None:
    for ask in searches(calls, stored, vector_column="nope"):
        with fails("InvalidArgument", "nope"):
            ask()


def test_an_unknown_operator(calls: Calls, stored: str) -> None:
    broken = [{"field": "year", "op": "resembles", "value": 1}]
    for ask in [*searches(calls, stored, filters=broken), lambda: calls.get({"name": stored, "filters": broken})]:
        with fails("InvalidArgument", "resembles"):
            ask()


def test_a_filter_on_an_unknown_column(calls: Calls, stored: str) -> None:
    for ask in searches(calls, stored, filters=[{"field": "yeer", "op": "=", "value": 1}]):
        with fails("InvalidArgument", "yeer", "year"):
            ask()


@pytest.mark.parametrize("value", ["many", [1], {"a": 1}, True, "2000-01-01"])
def test_a_literal_that_does_not_fit_its_column(calls: Calls, stored: str, value: Any) -> None:
    for ask in searches(calls, stored, filters=[{"field": "year", "op": "=", "value": value}]):
        with fails("InvalidArgument", "year" if not isinstance(value, (list, dict)) else ""):
            ask()


def test_a_filter_on_a_vector(calls: Calls, stored: str) -> None:
    with fails("InvalidArgument", "vector"):
        calls.search_action(dataset=stored, vector=[1, 0, 0], k=1, filters=[{"field": "vector", "op": "=", "value": 1}])


def test_a_search_without_a_query(calls: Calls, stored: str) -> None:
    with fails("InvalidArgument", "no query vector provided"):
        calls.get({"search": {"dataset": stored, "k": 3}})
    with fails("InvalidArgument", "no query vector provided"):
        calls.action("VectorSearch", {"dataset": stored, "k": 3})
    with fails("InvalidArgument", "query_vector"):
        calls.exchange({"command": "VectorSearch", "dataset": stored}, pa.RecordBatch.from_pydict({"other": [1]}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_query_that_is_not_finite(calls: Calls, stored: str, value: float) -> None:
    with fails("InvalidArgument"):
        calls.exchange({"command": "VectorSearch", "dataset": stored}, query_batch([[1, value, 0]]))


def test_a_null_query(calls: Calls, stored: str) -> None:
    column = pa.array([[1, 0, 0], None], pa.list_(pa.float32(), 3))
    with fails("InvalidArgument", "null"):
        calls.exchange({"command": "VectorSearch", "dataset": stored}, query_batch(column))


def test_queries_of_text(calls: Calls, stored: str) -> None:
    column = pa.array([["a", "b", "c"]], pa.list_(pa.utf8(), 3))
    with fails("InvalidArgument", "string"):
        calls.exchange({"command": "VectorSearch", "dataset": stored}, query_batch(column))


def test_more_queries_than_a_batch_may_have(calls: Calls, stored: str) -> None:
    with fails("InvalidArgument", "1024"):
        calls.exchange({"command": "VectorSearch", "dataset": stored, "k": 1}, query_batch(np.ones((1025, 3))))


def searches(calls: Calls, dataset: str, **changed: Any) -> list[Callable[[], object]]:
    """The same search by ticket, by action and by exchange."""
    request = {"dataset": dataset, "vector": [1.0, 0.0, 0.0], "k": 2, **changed}
    command = {"command": "VectorSearch", **{key: v for key, v in request.items() if key != "vector"}}
    return [
        lambda: calls.get({"search": request}),
        lambda: calls.search_action(**request),
        lambda: calls.exchange(command, query_batch([request["vector"]])),
    ]


# JSON


@pytest.mark.parametrize(
    "ticket",
    [
        b"{", b'{"name": }', b'{"name": "x"} trailing', b'{"name": "\xff"}', b'{"name": "x", "limit": "many"}',
        b'{"name": "x", "filters": 5}', b'{"name": ["x"]}', b'{"search": []}', b'{"name": "a", "name": "b"}', b'{"limit": -1, "name": "x"}',
    ],
)  # fmt: skip
def test_a_ticket_of_broken_json(calls: Calls, ticket: bytes) -> None:
    with fails("InvalidArgument", "invalid ticket format"):
        calls.get(ticket)


def test_json_that_is_too_deep(calls: Calls, stored: str) -> None:
    nested = '{"name": "%s", "x": %s1%s}' % (stored, "[" * 5000, "]" * 5000)
    with fails("InvalidArgument", "invalid ticket format"):
        calls.get(nested)
    filters: dict[str, Any] = {"field": "year", "op": "=", "value": 1}
    for _ in range(20):
        filters = {"logic": "NOT", "filters": [filters]}
    with fails("InvalidArgument"):
        calls.get({"name": stored, "filters": [filters]})


def test_json_that_is_too_long(calls: Calls, stored: str) -> None:
    with fails("InvalidArgument"):
        calls.get(json.dumps({"name": stored, "padding": "x" * (1 << 20)}))
    with fails("InvalidArgument"):
        calls.action("delete", {"dataset": stored, "id": "1", "padding": "x" * (40 << 20)})


def test_filters_that_are_too_many(calls: Calls, stored: str) -> None:
    term = {"field": "year", "op": ">", "value": 1}
    with fails("InvalidArgument"):
        calls.get({"name": stored, "filters": [term] * 1100})
    with fails("InvalidArgument", "10000"):
        calls.search_action(dataset=stored, vector=[1, 0, 0], k=1, filters=[{"field": "year", "op": "in", "value": list(range(10_001))}])


# Bytes


def test_tickets_of_random_bytes(calls: Calls, stored: str) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    for _ in range(200):
        ticket = rng.randbytes(rng.randrange(1, 200))
        try:
            calls.get(ticket)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            assert len(str(error)) < 4000
        else:
            raise AssertionError(f"a ticket of random bytes was answered: {ticket!r}")


def test_random_bytes_as_messages_of_every_call(calls: Calls, stored: str, raw: RawFlight) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    for rpc in ("DoPut", "DoExchange", "DoGet", "DoAction", "GetFlightInfo", "GetSchema", "ListFlights", "Handshake"):
        for _ in range(10):
            noise = b"\xff" + rng.randbytes(rng.randrange(1, 300))
            if rpc in ("DoPut", "DoExchange", "Handshake"):
                _, code, text = raw.stream(rpc, [noise])
            else:
                _, code, text = raw.call(rpc, noise)
            assert code.name == "INVALID_ARGUMENT", f"{rpc}: {code} {text} for {noise!r}"


@pytest.mark.parametrize("rpc", ["DoPut", "DoExchange"])
def test_a_stream_without_descriptor_or_schema(calls: Calls, stored: str, raw: RawFlight, rpc: str) -> None:
    rows = random_batch(1, 3, seed=1)
    descriptor = path_descriptor(stored) if rpc == "DoPut" else command_descriptor(b"VectorSearch")
    for first in (flight_data(*batch_parts(rows)), flight_data(b"", b"", descriptor) + b"", flight_data(*batch_parts(rows), descriptor)):
        _, code, text = raw.stream(rpc, [first, batch_message(rows)])
        assert code.name == "INVALID_ARGUMENT", (code, text)


def test_a_put_without_path(calls: Calls, raw: RawFlight) -> None:
    rows = random_batch(1, 3, seed=1)
    for descriptor in (field(1, 1), b""):
        _, code, text = raw.stream("DoPut", [schema_message(rows.schema, descriptor), batch_message(rows)])
        assert code.name == "INVALID_ARGUMENT" and "path" in text, (code, text)


def test_truncated_flight_data_is_never_ok(calls: Calls, dataset: str, raw: RawFlight) -> None:
    """gRPC's own C++ servers take a message that does not decode for the end of the stream, and answer OK."""
    calls.put(dataset, random_batch(3, 8, seed=1))
    rows = random_batch(20, 8, seed=2, first_id=100)
    start, whole = schema_message(rows.schema, path_descriptor(dataset)), batch_message(rows)
    header, body = batch_parts(rows)
    cut_messages = [whole[:n] for n in range(1, len(whole), 97)] + [
        flight_data(header[:n], body) for n in range(0, len(header), 8) if n
    ] + [flight_data(header, body[:n]) for n in range(0, len(body), 64)]
    for cut in cut_messages:
        _, code, text = raw.stream("DoPut", [start, cut])
        assert code.name == "INVALID_ARGUMENT", (code, text, len(cut))
    assert calls.ids(dataset) == [0, 1, 2]


def test_garbage_after_good_batches_keeps_the_good_ones(calls: Calls, dataset: str, raw: RawFlight) -> None:
    rows = random_batch(20, 8, seed=2)
    start = schema_message(rows.schema, path_descriptor(dataset))
    _, code, _ = raw.stream("DoPut", [start, batch_message(rows), b"\xff\xff\xff garbage"])
    assert code.name == "INVALID_ARGUMENT"
    assert calls.ids(dataset) == list(range(20))


def test_bit_flips_never_harm_what_is_stored(calls: Calls, stored: str, raw: RawFlight) -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    target = stored + "-flipped"
    rows = random_batch(20, 3, seed=2, title=[f"title {i}" for i in range(20)])
    calls.put(target, rows)
    start = schema_message(rows.schema, path_descriptor(target))
    header, body = batch_parts(rows)
    for turn in range(300):
        parts = [bytearray(header), bytearray(body)]
        flipped = parts[turn % 2]
        for _ in range(rng.randrange(1, 4)):
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        _, code, text = raw.stream("DoPut", [start, flight_data(*map(bytes, parts))])
        assert code.name in ("OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), (code, text)
    scanned = calls.get(target)
    scanned.validate(full=True)


def test_compressed_bodies_that_claim_to_be_huge(calls: Calls, stored: str, raw: RawFlight) -> None:
    rows = random_batch(200, 3, seed=2, first_id=1000)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_batch(rows)
    messages = list(pa.ipc.MessageReader.open_stream(sink.getvalue()))
    header, body = messages[1].metadata.to_pybytes(), bytearray(messages[1].body.to_pybytes())
    position = next(i for i in range(0, len(body), 8) if 0 < int.from_bytes(body[i : i + 8], "little") < 10_000)
    for claimed in (2**40, 2**62, -2 & (2**64 - 1), 0):
        body[position : position + 8] = claimed.to_bytes(8, "little")
        start = schema_message(rows.schema, path_descriptor(stored))
        _, code, text = raw.stream("DoPut", [start, flight_data(header, bytes(body))])
        assert code.name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), (claimed, code, text)


def test_an_ipc_message_of_another_kind(calls: Calls, stored: str, raw: RawFlight) -> None:
    rows = random_batch(1, 3, seed=1)
    start = schema_message(rows.schema, path_descriptor(stored))
    schema_again = pa.ipc.read_message(random_batch(1, 5, seed=1).schema.serialize()).metadata.to_pybytes()
    _, code, text = raw.stream("DoPut", [start, flight_data(schema_again, b"")])
    assert code.name == "INVALID_ARGUMENT", (code, text)


def test_a_message_over_the_limit(start_server: Callable[..., longbow.Server], open_calls: Callable[..., Calls]) -> None:
    server = start_server(GRPC_MAX_RECV_MSG_SIZE=str(1 << 20))
    calls = open_calls(server)
    calls.put("small", random_batch(100, 128, seed=1))
    before = calls.get("small")
    with fails("ResourceExhausted"):
        calls.put("small", random_batch(10_000, 128, seed=2, first_id=1000))
    assert calls.get("small").equals(before)
    calls.put("small", random_batch(100, 128, seed=3, first_id=5000))


def test_more_memory_than_there_may_be(start_server: Callable[..., longbow.Server], open_calls: Callable[..., Calls]) -> None:
    server = start_server(MAX_MEMORY=str(64 << 20))
    calls = open_calls(server)
    stored = 0
    flat = {"longbow.index": "flat"}  # nothing grows behind the puts, so that what follows does not depend on when
    with fails("ResourceExhausted", "memory limit"):
        for i in range(100):
            calls.put("large", random_batch(5_000, 128, seed=i, first_id=5_000 * i).replace_schema_metadata(flat))
            stored += 5_000
    more = random_batch(10_000, 128, seed=99, first_id=10_000_000)
    raw = RawFlight(server.port, server.token)
    _, code, text = raw.stream("DoPut", [schema_message(more.schema, path_descriptor("large")), batch_message(more)])
    raw.close()
    assert code.name == "RESOURCE_EXHAUSTED", text
    told = longbow.errors.translate(flight.FlightUnavailableError(text, raw.status_details))  # of a kind that pyarrow gives the trailer
    assert (told.code, told.retry_delay) == ("ResourceExhausted", pytest.approx(0.25))
    assert calls.get({"name": "large", "columns": ["id"]}).num_rows == stored
    assert calls.search_action(dataset="large", vector=[0] * 128, k=3)[0].num_rows == 3


def test_at_the_memory_limit_reads_go_on_and_what_was_taken_is_indexed(start_server: Callable[..., longbow.Server], open_calls: Callable[..., Calls]) -> None:
    limit = 32 << 20
    server = start_server(MAX_MEMORY=str(limit))
    calls = open_calls(server)
    stored = 0
    with fails("ResourceExhausted", "memory limit"):
        while True:
            calls.put("wide", random_batch(200, 1024, seed=stored, first_id=stored))
            stored += 200
    assert stored > 1000

    def reads_go_on(calls: Calls) -> None:
        for _ in range(20):
            assert calls.search_action(dataset="wide", vector=[0] * 1024, k=3)[0].num_rows == 3
        hits = calls.exchange({"command": "VectorSearch", "dataset": "wide", "k": 3}, query_batch([[0.0] * 1024]))[0][0]
        assert hits.num_rows == 3
        assert calls.get({"name": "wide", "columns": ["id"]}).num_rows == stored

    reads_go_on(calls)
    calls.action("wait_indexed", {"dataset": "wide"})
    reads_go_on(calls)
    # Slabs of 2 MiB are taken whole.
    assert read_metrics(f"127.0.0.1:{server.http_port}")["longbow_memory_reserved_bytes"] <= limit + (2 << 20)
    server.stop()
    server.start()
    calls = open_calls(server)
    calls.action("wait_indexed", {"dataset": "wide"})
    reads_go_on(calls)
    assert read_metrics(f"127.0.0.1:{server.http_port}")["longbow_memory_reserved_bytes"] <= limit + (2 << 20)


VANISHING_CLIENT = """
import sys, itertools, numpy as np, pyarrow as pa, pyarrow.flight as flight
client = flight.connect(sys.argv[1])
options = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + sys.argv[2].encode())])
def rows(i):
    values = pa.array(np.full(500 * 64, i, "f4"))
    return pa.RecordBatch.from_pydict({"id": np.arange(500 * i, 500 * i + 500), "vector": pa.FixedSizeListArray.from_arrays(values, 64)})
writer, _ = client.do_put(flight.FlightDescriptor.for_path(sys.argv[3]), rows(0).schema, options)
for i in itertools.count():
    writer.write_batch(rows(i))
"""


def test_a_client_that_vanishes_mid_stream(server: longbow.Server, calls: Calls, dataset: str) -> None:
    client = subprocess.Popen([sys.executable, "-c", VANISHING_CLIENT, server.uri, server.token, dataset])
    # A client's write is done when its own buffers took it, so only the server tells when rows have come.
    deadline = time.monotonic() + 60
    while dataset not in calls.dataset_names() or calls.info(dataset).total_records == 0:
        assert time.monotonic() < deadline and client.poll() is None
        time.sleep(0.05)
    client.send_signal(signal.SIGKILL)
    client.wait()
    ids = calls.ids(dataset)  # batches that had arrived may still be added behind these
    assert ids == list(range(len(ids))) and len(ids) % 500 == 0, "batches are whole or absent"
    calls.put(dataset, random_batch(1, 64, seed=1, first_id=10**9))


def test_wrong_and_missing_tokens(server: longbow.Server, calls: Calls, stored: str) -> None:
    for token in (None, "wrong", server.token[:-1], server.token + "x", ""):
        other = Calls(server.port, token)
        for ask in (
            lambda: other.get(stored),
            lambda: other.put(stored, random_batch(1, 3, seed=1)),
            lambda: other.action("delete", {"dataset": stored, "id": "1"}),
            lambda: other.dataset_names(),
            lambda: other.exchange({"command": "VectorSearch", "dataset": stored}, query_batch([[1, 0, 0]])),
        ):
            with fails("Unauthenticated"):
                ask()
        other.close()


def test_error_texts_are_short_and_printable(calls: Calls, stored: str) -> None:
    with pytest.raises(pa.ArrowInvalid) as raised:
        calls.search_action(dataset=stored, vector=[1, 0, 0], k=1, filters=[{"field": "\x00\x1b[31m" + "y" * 5000, "op": "=", "value": 1}])
    text = str(raised.value).split("gRPC client debug context")[0]
    assert len(text) < 1400 and "\x1b" not in text and "\x00" not in text
