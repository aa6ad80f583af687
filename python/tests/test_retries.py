"""How long calls are tried again: long where there is a server, shortly where none was ever seen."""

from __future__ import annotations

import time
from typing import Any

import longbow
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from longbow.connection import Connection, Target
from longbow.put import Writing

BROKE_OFF = "Socket closed"
NO_SERVER = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Connection refused"
AWAY_SECONDS = 0.5


class AwayForAMoment(Connection):
    """To a server that is away at first; then it refuses everything, which is an answer."""

    def __init__(self, message: str) -> None:
        self.calls = 0
        self._message = message
        self._back = time.monotonic() + AWAY_SECONDS
        super().__init__(Target("grpc://127.0.0.1:1"), None, longbow.RetryPolicy(deadline=30))

    def channel(self) -> Any:
        return self

    def do_put(self, *_: Any) -> Any:
        self.calls += 1
        if time.monotonic() > self._back:
            raise pa.ArrowInvalid("Flight returned invalid argument error, with message: no. gRPC client debug context: x")
        raise flight.FlightUnavailableError(f"Flight returned unavailable error, with message: {self._message}. gRPC client debug context: x")


def put(connection: Connection) -> longbow.LongbowError | None:
    batch = pa.RecordBatch.from_pydict({"id": [1]})
    return Writing(connection, "x", batch.schema).write(iter([batch]))


def call(connection: Connection) -> longbow.LongbowError | None:
    try:
        connection.run(connection.do_put, timeout=None)
    except longbow.LongbowError as error:
        return error
    return None


@pytest.mark.parametrize("ask", [put, call])
def test_a_server_that_broke_off_is_waited_for_though_it_never_answered(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longbow.connection._FIRST_CONTACT_SECONDS", AWAY_SECONDS / 5)
    assert isinstance(ask(AwayForAMoment(BROKE_OFF)), longbow.InvalidArgumentError)


@pytest.mark.parametrize("ask", [put, call])
def test_a_server_never_seen_is_not(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longbow.connection._FIRST_CONTACT_SECONDS", AWAY_SECONDS / 5)
    connection = AwayForAMoment(NO_SERVER)
    assert isinstance(ask(connection), longbow.UnavailableError) and connection.calls > 1
