"""Flight calls as clients make them, on pyarrow.flight, without the longbow package in between."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
from longbow.errors import translate


class Calls:
    """One pyarrow Flight client, sending a token with every call."""

    def __init__(self, port: int, token: str | None) -> None:
        self.client = flight.connect(f"grpc://127.0.0.1:{port}")
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        self.options = flight.FlightCallOptions(timeout=float(os.environ.get("LONGBOW_TEST_TIMEOUT", "60")), headers=headers)

    def close(self) -> None:
        self.client.close()

    def put(self, dataset: str, *batches: pa.RecordBatch | pa.Table, schema: pa.Schema | None = None) -> None:
        """Simple mode: no metadata, no acknowledgements; OK means stored."""
        writer, reader = self.open_put(dataset, schema or batches[0].schema)
        for batch in batches:
            if isinstance(batch, pa.Table):
                writer.write_table(batch)
            else:
                writer.write_batch(batch)
        writer.done_writing()
        assert reader.read() is None, "a client that sends no metadata gets no PutResult"
        writer.close()

    def open_put(self, dataset: str, schema: pa.Schema) -> tuple[Any, Any]:
        return self.client.do_put(flight.FlightDescriptor.for_path(dataset), schema, self.options)

    def get(self, ticket: str | bytes | dict[str, Any]) -> pa.Table:
        return self.open_get(ticket).read_all()

    def open_get(self, ticket: str | bytes | dict[str, Any]) -> Any:
        encoded = json.dumps(ticket) if isinstance(ticket, dict) else ticket
        return self.client.do_get(flight.Ticket(encoded), self.options)

    def rows(self, dataset: str) -> list[dict[str, Any]]:
        return self.get({"name": dataset}).to_pylist()

    def ids(self, dataset: str, *filters: dict[str, Any]) -> list[Any]:
        return self.get({"name": dataset, "filters": list(filters)})["id"].to_pylist()

    def action(self, kind: str, request: Any = None) -> list[bytes]:
        body = b"" if request is None else request if isinstance(request, bytes) else json.dumps(request).encode()
        return [r.body.to_pybytes() for r in self.client.do_action(flight.Action(kind, body), self.options)]

    def action_json(self, kind: str, request: Any = None) -> Any:
        results = self.action(kind, request)
        assert len(results) == 1, results
        return json.loads(results[0])

    def search_action(self, **request: Any) -> list[pa.Table]:
        """The VectorSearch action: a table a query."""
        return [pa.ipc.open_stream(body).read_all() for body in self.action("VectorSearch", request)]

    def exchange(
        self, command: str | dict[str, Any], *requests: pa.RecordBatch
    ) -> list[tuple[pa.RecordBatch, dict[str, Any]]]:
        """All requests on one stream; the answers with their metadata."""
        encoded = command if isinstance(command, str) else json.dumps(command)
        descriptor = flight.FlightDescriptor.for_command(encoded)
        writer, reader = self.client.do_exchange(descriptor, self.options)
        with writer:
            writer.begin(requests[0].schema)
            for request in requests:
                writer.write_batch(request)
            writer.done_writing()
            answers = []
            for chunk in reader:
                metadata = json.loads(chunk.app_metadata.to_pybytes()) if chunk.app_metadata else {}
                answers.append((chunk.data, metadata))
        return answers

    def info(self, dataset: str) -> flight.FlightInfo:
        return self.client.get_flight_info(flight.FlightDescriptor.for_path(dataset), self.options)

    def dataset_names(self) -> list[str]:
        return [i.descriptor.path[0].decode() for i in self.client.list_flights(b"", self.options)]


def vectors(values: Any, dtype: str = "float32") -> pa.Array:
    """Rows of numbers as a FixedSizeList column."""
    matrix = np.asarray(values, dtype=dtype)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def batch(ids: Any, matrix: Any, **columns: Any) -> pa.RecordBatch:
    """Columns id, vector and further ones."""
    arrays = {"id": pa.array(ids), "vector": matrix if isinstance(matrix, pa.Array) else vectors(matrix)}
    arrays.update({name: v if isinstance(v, pa.Array) else pa.array(v) for name, v in columns.items()})
    return pa.RecordBatch.from_pydict(arrays)


def random_batch(rows: int, dim: int, seed: int, first_id: int = 0, **columns: Any) -> pa.RecordBatch:
    matrix = np.random.default_rng(seed).standard_normal((rows, dim)).astype("float32")
    return batch(np.arange(first_id, first_id + rows), matrix, **columns)


def matrix_of(array: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, Any]:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), -1)


def query_batch(matrix: Any, **columns: Any) -> pa.RecordBatch:
    arrays = {"query_vector": matrix if isinstance(matrix, pa.Array) else vectors(matrix)}
    arrays.update({name: v if isinstance(v, pa.Array) else pa.array(v) for name, v in columns.items()})
    return pa.RecordBatch.from_pydict(arrays)


@contextmanager
def fails(code: str, *texts: str) -> Iterator[None]:
    """The block raises an error of `code` whose message has each of `texts` in it."""
    try:
        yield
    except (pa.ArrowException, OSError, longbow.LongbowError) as raised:
        error = translate(raised)
        assert error.code == code, f"expected {code}, got {error.code}: {raised}"
        for text in texts:
            assert text in str(raised), f"expected {text!r} in: {raised}"
        assert "/tmp/" not in str(error), f"an error tells a path of the server: {raised}"
    else:
        raise AssertionError(f"expected {code}, but nothing was raised")
