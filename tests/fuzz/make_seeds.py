"""Writes the seed corpora of the fuzz targets: well-formed inputs from which fuzzing starts.

    .venv/bin/python tests/fuzz/make_seeds.py        # tests/fuzz/corpus/<target>/seed-*

Files whose names do not begin with `seed-` are findings and are left alone.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parents[1] / "python")]

import longbow  # noqa: E402
from raw_flight import batch_parts, command_descriptor, field, flight_data, path_descriptor  # noqa: E402


def save(target: str, seeds: list[bytes]) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("seed-*"):
        old.unlink()
    for i, seed in enumerate(seeds):
        (folder / f"seed-{i:02}").write_bytes(seed)


def text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def vectors(matrix: Any, dtype: str = "float32") -> pa.Array:
    values = np.asarray(matrix, dtype)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


# Messages (frames.h)


def wire(message: bytes) -> bytes:
    return struct.pack("<H", len(message) + 1) + b"\x00" + message


def parts(header: bytes, metadata: bytes, body: bytes) -> bytes:
    message = b"\x01" + struct.pack("<HH", len(header), len(metadata)) + header + metadata + body
    return struct.pack("<H", len(message)) + message


def schema_frame(schema: pa.Schema) -> bytes:
    return parts(pa.ipc.read_message(schema.serialize()).metadata.to_pybytes(), b"", b"")


def batch_frame(batch: pa.RecordBatch, metadata: Any = b"") -> bytes:
    header, body = batch_parts(batch)
    return parts(header, text(metadata) if metadata else b"", body)


def dictionary_frames(batch: pa.RecordBatch) -> bytes:
    """A stream with dictionaries, message by message."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(sink.getvalue())
    return b"".join(
        parts(m.metadata.to_pybytes(), b"", m.body.to_pybytes() if m.body else b"") for m in iter(lambda: next(reader, None), None)
    )


def compressed_frames(batch: pa.RecordBatch, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(sink.getvalue())
    return b"".join(
        parts(m.metadata.to_pybytes(), b"", m.body.to_pybytes() if m.body else b"") for m in iter(lambda: next(reader, None), None)
    )


FILTERS: list[Any] = [
    [{"field": "x", "op": "=", "value": 3}],
    [{"field": "x", "operator": ">=", "value": "2.5"}, {"field": "flag", "op": "eq", "value": True}],
    {"logic": "or", "filters": [{"field": "text", "op": "in", "value": ["text 1", "text 2"]}, {"field": "text", "op": "is null"}]},
    {"logic": "not", "filters": [{"field": "id", "op": "<", "value": 10}]},
    [{"field": "text", "op": "contains", "value": "3"}, {"field": "text", "op": "prefix", "value": "te"}],
    [{"field": "at", "op": ">", "value": "2023-11-14T22:13:20.010Z"}],
    [{"field": "id", "op": "not in", "value": "1,2,3"}, {"field": "text", "op": "!=", "value": "text 0"}],
    [{"field": "text", "op": "like", "value": "%xt%"}],
    [{"field": "x", "op": "between", "value": [1, 5]}],
    [{"field": "x", "op": "exists"}],
    "x >= 2 and text in ('text 1','text 2') or not flag = true",
]

SEARCH = {"dataset": "d", "vector": [1, 2, 3, 4, 5, 6, 7, 8], "k": 3}


def tickets() -> list[bytes]:
    whole = {
        **SEARCH, "filters": FILTERS[1], "ef": 50, "recall": 0.9, "exact": True, "columns": ["vector", "text"], "vector_format": "sq8",
        "include_vectors": True, "local_only": True, "text_query": "", "alpha": -1, "graph_alpha": 0.5, "deadline_ms": 100, "max_distances": 5,
        "vector_column": "vector", "offset": 2, "radius": 1.5, "dims": 4, "order_by": "x",
    }  # fmt: skip
    json_tickets = [{"name": "d"}, {"dataset": "d", "limit": 5, "filters": f, "columns": ["id"]} if (f := FILTERS[2]) else {}, {"search": SEARCH}, {"name": "", "limit": 0, "filters": None, "search": whole}]
    seeds = [b"\x00d", *(b"\x00" + text(t) for t in json_tickets)]
    seeds += [b"\x01" + text({"filters": [{"field": "name", "op": "contains", "value": "d"}, {"field": "rows", "op": ">", "value": 1}]})]
    seeds += [b"\x02" + field(1, text(json_tickets[2]))]
    seeds += [b"\x03" + path_descriptor("d"), b"\x03" + command_descriptor(text({"name": "d"})), b"\x03" + path_descriptor("ingest", "d")]
    seeds += [b"\x04" + text({"command": "VectorSearch", **whole}), b"\x04search"]
    seeds += [b"\x05" + flight_data(b"header", b"body", path_descriptor("d"), b"{}"), b"\x06" + field(1, b"x") + field(2, b"y")]
    return seeds


def actions() -> list[bytes]:
    bodies: list[tuple[int, Any]] = [
        (0, {**SEARCH, "filters": FILTERS[0], "format": "json"}),
        (0, {"dataset": "d", "vectors": [[1, 2], [3, 4]], "k": 2, "local_only": False}),
        (1, {"dataset": "d", "id": "7", "k": 3}),
        (1, {"dataset": "d", "id": 7, "k": 3, "include_vectors": True, "vector_format": "f16"}),
        (2, {**SEARCH, "text_query": "", "alpha": 1.0, "include_vectors": True}),
        (3, {"dataset": "d", "id": 7}),
        (3, {"name": "d", "ids": ["a", 2, -3]}),
        (4, {"dataset": "d", "vector_id": 5}),
        (5, {"client": "c", "stream": "s", "dataset": "d"}),
        (6, {"dataset": "d", "name": "n", "overwrite": True}),
        (7, {"dataset": "d", "subject": 1, "predicate": "p", "object": "2", "weight": 0.5}),
        (7, {"dataset": "d", "edges": [{"subject": 1, "predicate": "p", "object": 2}]}),
        (8, {"dataset": "d", "start": 1, "max_hops": 3, "incoming": True, "weighted": False, "decay": 0.25}),
        (9, field(1, b"delete") + field(2, b'{"dataset":"d"}')),
        (10, {"protocol": 1, "client": "c", "stream": "s", "seq": 1, "rows": 2}),
        (11, {"seq": 2, "rows": 2, "crc32c": 12345}),
        (11, {"fin": True, "seq": 2, "rows": 4}),
    ]
    return [bytes([kind]) + text(body) for kind, body in bodies]


def rows(ids: Any = (1, 2), **columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": pa.array(ids), "vector": vectors(np.eye(len(ids), 4)), **columns})


def puts() -> list[bytes]:
    plain = rows(text=["a", None], x=[1.5, None], flag=[True, False], tags=pa.array([["t"], []]))
    typed = pa.RecordBatch.from_pydict({
        "id": ["k1", "k2"], "v": vectors([[1, 2], [3, 4]], "int8"), "h": vectors([[1, 2], [3, 4]], "float16"),
        "at": pa.array([1, 2], pa.timestamp("us", "UTC")), "day": pa.array([1, 2], pa.date32()), "b": pa.array([b"x", None]),
        "d": pa.array([1, 2]).cast(pa.decimal128(21, 2)),
    })  # fmt: skip
    named = pa.RecordBatch.from_pydict({"id": [1, 2], "word": pa.array(["a", "b"]).dictionary_encode()})
    metadata = plain.replace_schema_metadata({"longbow.metric": "cosine", "longbow.durability": "memory"})
    frame = {"protocol": 1, "client": "c", "stream": "s", "seq": 1, "rows": 2}
    stop = parts(b"", text({"fin": True, "seq": 2, "rows": 4}), b"")
    header, body = batch_parts(plain)
    return [
        schema_frame(plain.schema) + batch_frame(plain),
        schema_frame(typed.schema) + batch_frame(typed) + batch_frame(typed),
        schema_frame(metadata.schema) + batch_frame(metadata),
        schema_frame(plain.schema) + batch_frame(plain, frame) + batch_frame(plain, {"seq": 2, "rows": 2}) + stop,
        schema_frame(pa.schema([("id", pa.int64())])),
        dictionary_frames(named),
        compressed_frames(plain, "lz4"),
        compressed_frames(plain, "zstd"),
        schema_frame(plain.schema) + wire(flight_data(header, body)),
        schema_frame(pa.schema([("vector", pa.list_(pa.float32(), 3))])) + batch_frame(pa.RecordBatch.from_pydict({"vector": vectors(np.eye(2, 3))})),
    ]


def exchanges() -> list[bytes]:
    def stream(command: Any, *batches: pa.RecordBatch) -> bytes:
        return text(command) + b"\x00" + schema_frame(batches[0].schema) + b"".join(map(batch_frame, batches))

    query = {"query_vector": vectors(np.ones((2, 8)))}
    command = {"command": "VectorSearch", "dataset": "d", "k": 3}
    old = {"dataset": ["d"], "query_vector": vectors(np.ones((1, 8)), "float64"), "k": pa.array([2], pa.int32()), "ef": pa.array([10], pa.int32())}
    make = pa.RecordBatch.from_pydict
    plain = rows(text=["a", None], x=[1.5, None])
    words = make({"id": ["k", "l"], "text": ["a b", None]})
    return [
        stream(command, make(query), make(query)),
        stream(b"VectorSearch", make(old)),
        stream(b"search", make({**old, "query_vector": pa.array([[1.0] * 8])})),
        stream({**command, "filters": FILTERS[2], "columns": ["vector", "text"], "vector_format": "f16"}, make({**query, "k": [1, 5], "request_id": ["a", "b"]})),
        stream({**command, "exact": True, "max_distances": 10}, make({"id": [5, 6], "recall": [0.5, 0.9]})),
        stream({**command, "columns": ["vector"], "vector_format": "sq8"}, make(query), make(query)),
        stream({**command, "text_query": "text 3", "max_distances": 1, "allow_partial": True, "check_recall": True}, make({"request_id": [1]})),
        stream({"command": "VectorSearch", "dataset": "t", "text_query": "+text 1", "filters": FILTERS[0]}, make({"request_id": [1]})),
        stream({"command": "search", "dataset": "t", "check_recall": True, "max_distances": 1, "allow_partial": True}, make({"text_query": ["text"]}), make({"text_query": ["2"]})),
        stream({**command, "text_query": "text", "alpha": 0.5, "order_by": "x"}, make(query)),
        b"/ingest/new\x00" + schema_frame(plain.schema) + batch_frame(plain) + batch_frame(plain),
        b"/ingest/a/b\x00" + compressed_frames(plain, "lz4"),
        b"/ingest/t2\x00" + schema_frame(words.schema) + batch_frame(words),
        stream({**command, "include_vectors": True, "vector_column": "vector"}, make({"query_vector": vectors(np.ones((3, 8)), "int8"), "ef": [1, 2, 3]})),
    ]


def directories() -> list[bytes]:
    """A data directory's bytes: see fuzz_storage.cc."""
    payload = b"".join(bytes([i % 251, 0, 0, 0]) for i in range(600))
    frames = [len(payload).to_bytes(8, "little") + pa.compress(payload, codec=codec, asbytes=True) for codec in ("lz4", "zstd")]
    with tempfile.TemporaryDirectory() as directory, longbow.Server(Path(directory) / "data") as server, server.connect() as client:
        client.insert("a", {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "t": ["x", None]}, metric="cosine")
        client.insert("n/b", {"vector": np.eye(3, 2, dtype="f4")}, durability="async")
        client.delete("a", [1])
        client.snapshot()
        manifest = (server.data_dir / "manifest").read_bytes()
    blocks, derived, catalog = (int.from_bytes(manifest[at : at + 8], "little") for at in (48, 56, 64))
    assert blocks and derived
    return [
        b"\x00" + frames[0], b"\x01" + frames[1], b"\x02" + bytes([0, 0x11, 7]), b"\x02" + bytes([8, 0x10, 1, 9, 0x20, 3]),
        b"\x03" + manifest, b"\x04" + manifest[-8 - catalog : -8],
    ]  # fmt: skip


if __name__ == "__main__":
    save("ticket", tickets())
    save("action", actions())
    save("filter", [text(f) for f in FILTERS])
    save("put", puts())
    save("exchange", exchanges())
    save("storage", directories())
