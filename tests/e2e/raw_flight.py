"""Flight messages as bytes on a bare gRPC channel, to send what no Flight library would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
import pyarrow as pa

SERVICE = "/arrow.flight.protocol.FlightService/"


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def field(number: int, value: bytes | int) -> bytes:
    """A protobuf field: bytes or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def path_descriptor(*path: str) -> bytes:
    return field(1, 1) + b"".join(field(3, p.encode()) for p in path)


def command_descriptor(command: bytes) -> bytes:
    return field(1, 2) + field(2, command)


def flight_data(header: bytes, body: bytes, descriptor: bytes | None = None, metadata: bytes = b"") -> bytes:
    message = field(1, descriptor) if descriptor is not None else b""
    message += field(2, header) if header else b""
    message += field(3, metadata) if metadata else b""
    return message + (field(1000, body) if body else b"")


def schema_message(schema: pa.Schema, descriptor: bytes) -> bytes:
    message = pa.ipc.read_message(schema.serialize())
    return flight_data(message.metadata.to_pybytes(), b"", descriptor)


def batch_parts(batch: pa.RecordBatch) -> tuple[bytes, bytes]:
    message = pa.ipc.read_message(batch.serialize())
    return message.metadata.to_pybytes(), message.body.to_pybytes()


def batch_message(batch: pa.RecordBatch, metadata: bytes = b"") -> bytes:
    return flight_data(*batch_parts(batch), metadata=metadata)


class RawFlight:
    """A channel whose messages are bytes."""

    def __init__(self, port: int, token: str) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        )
        self._headers = [("authorization", f"Bearer {token}")]
        self.status_details = b""  # of the last call

    def close(self) -> None:
        self.channel.close()

    def stream(self, rpc: str, messages: Iterable[bytes], timeout: float = 30) -> tuple[list[bytes], grpc.StatusCode, str]:
        """Sends `messages`, half-closes, and returns the answers, the status code and its text."""
        call = self.channel.stream_stream(SERVICE + rpc)(iter(messages), timeout=timeout, metadata=self._headers)
        return self._collect(call)

    def call(self, rpc: str, message: bytes, timeout: float = 30, headers: list[tuple[str, str]] | None = None) -> tuple[list[bytes], grpc.StatusCode, str]:
        """One message, a stream of answers."""
        call = self.channel.unary_stream(SERVICE + rpc)(message, timeout=timeout, metadata=self._headers + (headers or []))
        return self._collect(call)

    def _collect(self, call: Any) -> tuple[list[bytes], grpc.StatusCode, str]:
        answers: list[bytes] = []
        try:
            answers.extend(call)
        except grpc.RpcError:
            pass
        self.status_details = dict(call.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        return answers, call.code(), call.details() or ""
