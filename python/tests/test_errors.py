"""pyarrow's exceptions become ours, whatever way a code takes through it."""

from __future__ import annotations

import longbow
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from longbow.cancellation import Cancellation, cancelled_by
from longbow.connection import meaning_of
from longbow.errors import error_of_code, translate

CLASSES = [c for c in vars(longbow).values() if isinstance(c, type) and issubclass(c, longbow.LongbowError)]


@pytest.mark.parametrize(
    "raised, code, message",
    [
        (pa.ArrowInvalid("Flight returned invalid argument error, with message: k must be at least 1. gRPC client debug context: UNKNOWN"), "InvalidArgument", "k must be at least 1"),
        (pa.ArrowInvalid("gRPC returned resource exhausted error, with message: memory limit exceeded. gRPC client debug context: x"), "ResourceExhausted", "memory limit exceeded"),
        (pa.ArrowInvalid("gRPC returned precondition failed error, with message: no room"), "FailedPrecondition", "no room"),
        (pa.ArrowException("Unknown: Flight returned already exists error, with message: namespace already exists: x. gRPC client debug context: y"), "AlreadyExists", "namespace already exists: x"),
        (pa.ArrowInvalid("dimension mismatch: expected 3, got 4"), "DimensionMismatch", "dimension mismatch: expected 3, got 4"),
        (pa.ArrowKeyError("dataset x not found"), "NotFound", "dataset x not found"),
        (flight.FlightUnavailableError("warming 3 %"), "Unavailable", "warming 3 %"),
        (flight.FlightUnauthenticatedError("no token"), "Unauthenticated", "no token"),
        (flight.FlightInternalError("lost", b"\n\nCorruption\x12\x07longbow"), "Corruption", "lost"),
        (flight.FlightInternalError("bug"), "Internal", "bug"),
        (flight.FlightInternalError("Flight returned internal error, with message: Stream removed. gRPC client debug context: x"), "Unavailable", "Stream removed"),
        (pa.ArrowNotImplementedError("unknown action type x"), "Unimplemented", "unknown action type x"),
    ],
)
def test_code_and_message_survive(raised: Exception, code: str, message: str) -> None:
    error = translate(raised)
    assert error.code == code
    assert str(error) == message


@pytest.mark.parametrize(
    "message, connected",
    [
        ("Socket closed", True),
        ("the server is stopping: try again in a moment", True),
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", False),
        ("errors resolving nosuch:3000: [field:hostname lookup error: Domain name not found]", False),
    ],
)
def test_a_server_that_broke_off_is_told_from_one_that_never_was(message: str, connected: bool) -> None:
    error = translate(flight.FlightUnavailableError(f"Flight returned unavailable error, with message: {message}. gRPC client debug context: x"))
    assert isinstance(error, longbow.UnavailableError) and error.connected == connected


def test_an_address_is_told_as_it_is_written() -> None:
    said = "failed to connect to all addresses; last error: UNKNOWN: ipv6:%5B::1%5D:1: Failed to connect to remote host: Connection refused"
    error = translate(flight.FlightUnavailableError(f"Flight returned unavailable error, with message: {said}. gRPC client debug context: x"))
    assert str(error) == "cannot reach [::1]:1: Connection refused" and error.details["address"] == "[::1]:1"


def test_what_the_server_cancels_is_unavailable_and_what_the_caller_cancels_is_not() -> None:
    raised = flight.FlightCancelledError("Flight cancelled call, with message: CANCELLED")
    assert isinstance(meaning_of(raised), longbow.UnavailableError)
    call = Cancellation()
    call.cancel()
    with cancelled_by(call):
        assert isinstance(meaning_of(raised), longbow.CancelledError)


def test_every_code_has_its_class() -> None:
    for kind in CLASSES:
        assert type(error_of_code(kind.code, "x")).code == kind.code
    assert type(error_of_code("SomethingNew", "x")) is longbow.InternalError


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(longbow.NotFoundError, KeyError)
    assert issubclass(longbow.DimensionMismatchError, ValueError)
    assert issubclass(longbow.UnavailableError, ConnectionError)
    assert issubclass(longbow.DeadlineExceededError, TimeoutError)
