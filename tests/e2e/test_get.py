"""DoGet scans: tickets, filters over every scalar type, limits, batch sizes."""

from __future__ import annotations

import datetime as dt
import json
import operator
import re
import struct
import time
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, query_batch, random_batch, vectors
from raw_flight import RawFlight, field, path_descriptor

SPELLINGS: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(["=", "==", "eq", "Eq", "EQ"], operator.eq),
    **dict.fromkeys(["!=", "neq", "ne", "<>"], operator.ne),
    **dict.fromkeys(["<", "lt", "LT"], operator.lt),
    **dict.fromkeys(["<=", "le", "lte"], operator.le),
    **dict.fromkeys([">", "gt"], operator.gt),
    **dict.fromkeys([">=", "ge", "gte"], operator.ge),
}

DAY = dt.date(2025, 3, 1)
NOON = dt.datetime(2025, 3, 1, 12)
FLOATS = [-2.5, 0.0, None, 1.5, 1e3]

# Values in ascending order, and how the third is written in JSON.
SCALARS: dict[str, tuple[pa.Array, Any]] = {
    "bool": (pa.array([False, False, True, True, None]), True),
    **{
        str(t): (pa.array([-3, 0, 5, 7, None], t), 5)
        for t in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
    },
    **{
        str(t): (pa.array([1, 2, 5, 7, None], t), 5)
        for t in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
    "float16": (pa.array(np.array([-2.5, 0, 1.5, 8], np.float16)).cast(pa.float16()), 1.5),
    "float32": (pa.array([-2.5, 0, 1.5, 8, None], pa.float32()), 1.5),
    "float64": (pa.array([-2.5, 0, 1.5, 8, None]), 1.5),
    "utf8": (pa.array(["", "a", "b", "ä", None]), "b"),
    "large_utf8": (pa.array(["", "a", "b", "ä", None], pa.large_utf8()), "b"),
    "date32": (pa.array([DAY + dt.timedelta(days=i) for i in range(4)] + [None], pa.date32()), "2025-03-03"),
    "date64": (pa.array([DAY + dt.timedelta(days=i) for i in range(4)] + [None], pa.date64()), "2025-03-03"),
    "uint64 beyond int64": (pa.array([0, 2**63 - 1, 2**63 + 1, 2**64 - 1, None], pa.uint64()), 2**63 + 1),
    "binary": (pa.array([b"", b"a", b"b", b"\xff", None]), "b"),
    "large_binary": (pa.array([b"", b"a", b"b", b"\xff", None], pa.large_binary()), "b"),
    "fixed_size_binary": (pa.array([b"aa", b"ab", b"b ", b"\xff\xff", None], pa.binary(2)), "b "),
    "time32": (pa.array([dt.time(h) for h in range(4)] + [None], pa.time32("s")), "02:00:00"),
    "time32[ms]": (pa.array([dt.time(h) for h in range(4)] + [None], pa.time32("ms")), "02:00:00"),
    "time64[ns]": (pa.array([dt.time(h) for h in range(4)] + [None], pa.time64("ns")), "02:00:00"),
    "time64": (pa.array([dt.time(h) for h in range(4)] + [None], pa.time64("us")), "02:00:00"),
    **{
        f"timestamp[{unit}]": (
            pa.array([NOON + dt.timedelta(hours=i) for i in range(4)] + [None], pa.timestamp(unit)),
            "2025-03-01T14:00:00",
        )
        for unit in ("s", "ms", "us", "ns")
    },
    "timestamp[ms, UTC]": (
        pa.array([NOON + dt.timedelta(hours=i) for i in range(4)] + [None], pa.timestamp("ms", "UTC")),
        "2025-03-01T14:00:00Z",
    ),
    **{f"duration[{unit}]": (pa.array([1000, 2000, 5000, 7000, None], pa.duration(unit)), 5000) for unit in ("s", "ms", "us", "ns")},
    **{
        str(t): (pa.array([Decimal(x) for x in ("-1.50", "0.00", "2.25", "3.00")] + [None], t), "2.25")
        for t in (pa.decimal32(9, 2), pa.decimal64(9, 2), pa.decimal128(9, 2), pa.decimal256(60, 2))
    },
}


@pytest.mark.parametrize("name", SCALARS)
def test_every_scalar_type_can_be_filtered(calls: Calls, dataset: str, name: str) -> None:
    column, literal = SCALARS[name]
    values = column.to_pylist()
    calls.put(dataset, batch(np.arange(len(values)), np.ones((len(values), 2)), c=column))
    for op in ("=", "!=", "<", "<=", ">", ">="):
        expected = [i for i, v in enumerate(values) if v is not None and SPELLINGS[op](v, values[2])]
        found = calls.ids(dataset, {"field": "c", "op": op, "value": literal})
        assert found == expected, f"{name} {op} {literal}"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_operators_are_known_in_every_spelling(calls: Calls, dataset: str, spelling: str) -> None:
    calls.put(dataset, batch([1, 2, 3], np.eye(3), year=[1990, 2000, 2010]))
    expected = [i for i, year in ((1, 1990), (2, 2000), (3, 2010)) if SPELLINGS[spelling](year, 2000)]
    assert calls.ids(dataset, {"field": "year", "operator": spelling, "value": 2000}) == expected
    assert calls.ids(dataset, {"field": "year", "op": spelling, "value": "2000"}) == expected, "numbers may be text"


def test_a_number_between_two_integers_is_compared_as_it_is(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2, 3], np.eye(3), year=[1, 2, 3]))
    assert calls.ids(dataset, {"field": "year", "op": "<", "value": 2.5}) == [1, 2]
    assert calls.ids(dataset, {"field": "year", "op": "=", "value": 2.5}) == []
    assert calls.ids(dataset, {"field": "year", "op": "<", "value": 1e30}) == [1, 2, 3]


def test_null_is_equal_to_nothing(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch([1, 2, 3], np.eye(3), year=[1990, None, 2010]))
    assert calls.ids(dataset, {"field": "year", "op": "!=", "value": 1990}) == [3]
    assert calls.ids(dataset, {"logic": "NOT", "filters": [{"field": "year", "op": "=", "value": 1990}]}) == [3]


def test_filters_are_joined_by_and_unless_they_say_or(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(range(10), np.ones((10, 2)), n=list(range(10)), parity=["even", "odd"] * 5))
    small, even = {"field": "n", "op": "<", "value": 4}, {"field": "parity", "op": "=", "value": "even"}
    assert calls.ids(dataset, small, even) == [0, 2]
    assert calls.ids(dataset, {"logic": "OR", "filters": [small, even]}) == [0, 1, 2, 3, 4, 6, 8]
    assert calls.ids(dataset, {"logic": "NOT", "filters": [small]}, even) == [4, 6, 8]


def test_lists_and_parts_of_text(calls: Calls, dataset: str) -> None:
    calls.put(dataset, batch(range(4), np.ones((4, 2)), name=["apple", "pear", "pineapple", None], n=[1, 2, 3, 4]))
    assert calls.ids(dataset, {"field": "n", "op": "in", "value": [1, 4, 9]}) == [0, 3]
    assert calls.ids(dataset, {"field": "n", "op": "not in", "value": [1, 4, 9]}) == [1, 2]
    assert calls.ids(dataset, {"field": "name", "op": "IN", "value": ["pear", "apple"]}) == [0, 1]
    assert calls.ids(dataset, {"field": "name", "op": "contains", "value": "apple"}) == [0, 2]


def test_the_key_can_be_filtered(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(10, 2, seed=1))
    assert calls.ids(dataset, {"field": "id", "op": ">=", "value": 7}) == [7, 8, 9]


def test_a_column_that_some_batches_lack_is_null_there(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    calls.put(dataset, random_batch(3, 2, seed=1, first_id=3, year=[1, 2, 3]))
    assert calls.ids(dataset, {"field": "year", "op": "<=", "value": 2}) == [3, 4]


def test_a_bare_name_is_a_ticket(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    assert calls.get(dataset).num_rows == 3
    assert calls.get({"dataset": dataset}).num_rows == 3
    assert calls.get({"name": dataset, "filters": None, "unknown": {"a": [1]}}).num_rows == 3


@pytest.mark.parametrize("limit, rows", [(0, 100), (1, 1), (42, 42), (1000, 100)])
def test_a_limit_is_honoured(calls: Calls, dataset: str, limit: int, rows: int) -> None:
    calls.put(dataset, *[random_batch(10, 2, seed=i, first_id=10 * i) for i in range(10)])
    assert calls.get({"name": dataset, "limit": limit})["id"].to_pylist() == list(range(rows))


def test_a_limit_counts_rows_that_pass_the_filter(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(100, 2, seed=1, n=[i % 10 for i in range(100)]))
    ticket = {"name": dataset, "limit": 3, "filters": [{"field": "n", "op": "=", "value": 7}]}
    assert calls.get(ticket)["id"].to_pylist() == [7, 17, 27]


def test_nothing_found_still_has_a_schema(calls: Calls, dataset: str) -> None:
    written = random_batch(3, 2, seed=1)
    calls.put(dataset, written)
    found = calls.get({"name": dataset, "filters": [{"field": "id", "op": ">", "value": 99}]})
    assert found.num_rows == 0 and found.schema.equals(written.schema)


def test_an_unknown_filter_column_finds_nothing_in_a_scan(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    assert calls.get({"name": dataset, "filters": [{"field": "nope", "op": "=", "value": 1}]}).num_rows == 0


def test_columns_can_be_chosen(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1, title=["a", "b", "c"], year=[1, 2, 3]))
    found = calls.get({"name": dataset, "columns": ["year", "id"]})
    assert set(found.column_names) == {"id", "year"} and found["year"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int16", "int64"])
def test_a_scan_gives_vectors_in_the_format_asked_for(calls: Calls, dataset: str, dtype: str) -> None:
    matrix = np.random.default_rng(7).integers(-100 if dtype[0] != "u" else 0, 100, (300, 3)).astype(dtype)
    lists = vectors(matrix, dtype).to_pylist()
    lists[7] = None
    column = pa.array(lists, pa.list_(pa.from_numpy_dtype(dtype), 3))
    calls.put(dataset, batch(np.arange(300), column, a=np.arange(300) % 2))
    for name, element in (("f32", "float32"), ("float16", "float16")):
        for extra, ids in ((dict(), np.arange(300)), (dict(limit=5, offset=5), np.arange(5, 10)), (dict(filters="a = 1"), np.arange(1, 300, 2)), (dict(order_by="id desc"), np.arange(300)[::-1])):
            table = calls.get({"name": dataset, "vector_format": name, **extra})
            assert table.schema.field("vector").type == pa.list_(pa.from_numpy_dtype(element), 3)
            assert table["id"].to_pylist() == ids.tolist()
            assert table["vector"].to_pylist() == [None if i == 7 else matrix[i].astype(element).tolist() for i in ids]
    assert calls.get({"name": dataset, "vector_format": "stored"}).schema == calls.get(dataset).schema
    with fails("InvalidArgument", "sq8", "f16"):
        calls.get({"name": dataset, "vector_format": "sq8"})
    with fails("InvalidArgument", "vector_format", "f24"):
        calls.get({"name": dataset, "vector_format": "f24"})


def test_a_scan_takes_as_many_values_as_a_filter_may_hold(calls: Calls, dataset: str) -> None:
    keys = [f"{i:08x}-5ab9-4c1e-9d2f-0123456789ab" for i in range(10_000)]
    calls.put(dataset, batch(keys[::100] + ["other"], np.ones((101, 2))))
    chosen = {"name": dataset, "filters": [{"field": "id", "op": "in", "value": keys}]}
    assert len(json.dumps(chosen)) > 400_000
    assert calls.get(chosen).num_rows == 100
    with fails("InvalidArgument", "bytes", "at most"):
        calls.get({"name": dataset, "padding": "x" * (1 << 20)})


def test_deleted_rows_are_gone_with_and_without_filter(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(10, 2, seed=1, n=list(range(10))))
    calls.action("delete", {"dataset": dataset, "id": "4"})
    assert calls.ids(dataset) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert calls.ids(dataset, {"field": "n", "op": ">=", "value": 3}) == [3, 5, 6, 7, 8, 9]


def test_batches_begin_small_and_stay_below_what_old_clients_take(calls: Calls, dataset: str) -> None:
    calls.put(dataset, *[random_batch(10_000, 128, seed=i, first_id=10_000 * i) for i in range(3)])
    sizes = [(chunk.data.num_rows, chunk.data.nbytes) for chunk in calls.open_get(dataset)]
    assert sum(rows for rows, _ in sizes) == 30_000
    assert sizes[0][0] <= 4096 and sizes[0][1] <= 300_000
    assert max(size for _, size in sizes) <= 2_200_000
    assert len(sizes) < 40, "batches grow"


def test_a_scan_that_is_abandoned_leaves_the_server_well(calls: Calls, dataset: str) -> None:
    calls.put(dataset, *[random_batch(10_000, 64, seed=i, first_id=10_000 * i) for i in range(3)])
    for _ in range(5):
        reader = calls.open_get(dataset)
        reader.read_chunk()
        reader.cancel()
    assert calls.get({"name": dataset, "limit": 5}).num_rows == 5


def test_a_scan_sees_the_rows_of_its_beginning(calls: Calls, dataset: str) -> None:
    calls.put(dataset, *[random_batch(10_000, 64, seed=i, first_id=10_000 * i) for i in range(4)])
    reader = calls.open_get(dataset)
    rows = reader.read_chunk().data.num_rows
    calls.put(dataset, random_batch(1000, 64, seed=9, first_id=100_000))
    calls.action("delete", {"dataset": dataset, "id": "39999"})
    for chunk in reader:
        rows += chunk.data.num_rows
    assert rows == 40_000
    assert calls.get(dataset).num_rows == 40_999


def test_both_ports_answer_scans(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(3, 2, seed=1))
    assert meta_calls.get(dataset).equals(calls.get(dataset))


def test_an_unknown_dataset_is_not_found(calls: Calls) -> None:
    with fails("NotFound", "dataset no-such-set not found"):
        calls.get("no-such-set")


def test_a_dataset_without_vectors_can_be_scanned(calls: Calls, dataset: str) -> None:
    calls.put(dataset, pa.RecordBatch.from_pydict({"id": [1, 2], "title": ["a", "b"]}))
    assert calls.ids(dataset, {"field": "title", "op": "=", "value": "b"}) == [2]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_bodies_are_compressed_for_those_who_ask(server, calls: Calls, raw: RawFlight, dataset: str, codec: str) -> None:
    calls.put(dataset, batch(np.arange(20_000), np.zeros((20_000, 16)), text=["the same"] * 20_000))
    plain = calls.get(dataset)
    header = (b"x-longbow-compression", codec.encode())
    options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.token}".encode()), header])
    assert calls.client.do_get(flight.Ticket(dataset), options).read_all().equals(plain)
    sizes = [sum(map(len, raw.call("DoGet", field(1, dataset.encode()), headers=h)[0])) for h in ([], [(header[0].decode(), codec)])]
    assert sizes[1] < sizes[0] / 5
    command = flight.FlightDescriptor.for_command(json.dumps({"command": "VectorSearch", "dataset": dataset, "k": 3}))
    writer, reader = calls.client.do_exchange(command, options)
    with writer:
        query = query_batch(np.zeros((1, 16)))
        writer.begin(query.schema)
        writer.write_batch(query)
        writer.done_writing()
        assert reader.read_chunk().data.num_rows == 3
    bad = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.token}".encode()), (header[0], b"brotli")])
    with fails("InvalidArgument", "x-longbow-compression", "brotli"):
        calls.client.do_get(flight.Ticket(dataset), bad).read_all()


def test_a_reader_that_stops_reading_stops_the_scan(server, calls: Calls, open_calls: Callable[..., Calls], dataset: str) -> None:
    calls.put(dataset, *[random_batch(10_000, 256, seed=i, first_id=10_000 * i) for i in range(8)])

    def scanned() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics") as reply:
            return int(float(re.search(r"^longbow_scan_rows_total (\S+)", reply.read().decode(), re.M).group(1)))

    before = scanned()
    reader = open_calls(server).open_get(dataset)
    reader.read_chunk()
    seen = -1
    while seen != (seen := scanned()):
        time.sleep(0.3)
    assert seen - before < 40_000, "what the transport takes ahead is bounded"
    assert reader.read_all().num_rows + 4096 > 70_000, "and goes on when it reads again"
    assert scanned() - before == 80_000


# Infos


def test_flights_are_listed_with_schema_rows_and_a_ticket(calls: Calls, dataset: str) -> None:
    written = random_batch(5, 3, seed=1)
    calls.put(dataset, written)
    listed = {i.descriptor.path[0].decode(): i for i in calls.client.list_flights(b"", calls.options)}
    info = listed[dataset]
    assert info.schema.equals(written.schema)
    assert info.total_records == 5 and info.total_bytes >= 5 * (3 * 4 + 8)
    assert calls.get(info.endpoints[0].ticket.ticket).num_rows == 5


def test_flights_are_listed_by_name_and_rows(calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(5, 3, seed=1))

    def listed(*filters: dict[str, Any]) -> list[str]:
        criteria = json.dumps({"filters": list(filters)}).encode()
        return [i.descriptor.path[0].decode() for i in calls.client.list_flights(criteria, calls.options)]

    same_name = {"field": "name", "op": "=", "value": dataset}
    assert listed(same_name) == [dataset]
    assert listed(same_name, {"field": "rows", "op": ">", "value": 4}) == [dataset]
    assert listed(same_name, {"field": "rows", "op": ">", "value": 5}) == []
    assert dataset in listed({"field": "name", "op": "contains", "value": dataset[2:]})


def test_bad_criteria_are_refused(calls: Calls) -> None:
    with fails("InvalidArgument", "Invalid criteria"):
        list(calls.client.list_flights(b"{broken", calls.options))


def test_info_and_schema_of_a_dataset(calls: Calls, meta_calls: Calls, dataset: str) -> None:
    written = random_batch(5, 3, seed=1)
    calls.put(dataset, written)
    for port in (calls, meta_calls):
        info = port.info(dataset)
        assert info.total_records == 5 and info.schema.equals(written.schema) and len(info.endpoints) == 1
        descriptor = flight.FlightDescriptor.for_path(dataset)
        assert port.client.get_schema(descriptor, port.options).schema.equals(written.schema)


def test_polling_for_info_is_done_at_once(server: longbow.Server, calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(7, 4, seed=0))
    for port in (server.port, server.meta_port):
        raw = RawFlight(port, server.token)
        (answer,), code, text = raw.call("PollFlightInfo", path_descriptor(dataset))
        _, missing, _ = raw.call("PollFlightInfo", path_descriptor("no-such-set"))
        raw.close()
        assert (code.name, missing.name) == ("OK", "NOT_FOUND"), text
        info = calls.info(dataset).serialize()
        assert answer == field(1, info) + b"\x19" + struct.pack("<d", 1.0), "no descriptor to ask again with, progress 1"


def test_info_of_an_unknown_dataset_is_not_found(calls: Calls) -> None:
    with fails("NotFound", "dataset not found"):
        calls.info("no-such-set")
    with fails("NotFound", "dataset not found"):
        calls.client.get_schema(flight.FlightDescriptor.for_path("no-such-set"), calls.options)
    with fails("InvalidArgument"):
        calls.client.get_flight_info(flight.FlightDescriptor.for_path(), calls.options)
