"""pyarrow's exceptions become ours, whatever way a code takes through it."""

from __future__ import annotations

import longbow
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from longbow.errors import error_of_code, translate

CLASSES = [c for c in vars(longbow).values() if isinstance(c, type) and issubclass(c, longbow.LongbowError)]


@pytest.mark.parametrize(
    "raised, code, message",
    [
        (pa.ArrowInvalid("Flight returned invalid argument error, with message: k must be at least 1. gRPC client debug context: UNKNOWN"), "InvalidArgument", "k must be at least 1"),
        (pa.ArrowInvalid("gRPC returned resource exhausted error, with message: memory limit exceeded. gRPC client debug context: x"), "ResourceExhausted", "memory limit exceeded"),
        (pa.ArrowInvalid("gRPC returned precondition failed error, with message: index not initialized"), "FailedPrecondition", "index not initialized"),
        (pa.ArrowException("Unknown: Flight returned already exists error, with message: namespace already exists: x. gRPC client debug context: y"), "AlreadyExists", "namespace already exists: x"),
        (pa.ArrowInvalid("dimension mismatch: expected 3, got 4"), "DimensionMismatch", "dimension mismatch: expected 3, got 4"),
        (pa.ArrowKeyError("dataset x not found"), "NotFound", "dataset x not found"),
        (flight.FlightUnavailableError("warming 3 %"), "Unavailable", "warming 3 %"),
        (flight.FlightUnauthenticatedError("no token"), "Unauthenticated", "no token"),
        (flight.FlightInternalError("lost", b"\n\nCorruption\x12\x07longbow"), "Corruption", "lost"),
        (flight.FlightInternalError("bug"), "Internal", "bug"),
        (pa.ArrowNotImplementedError("unknown action type x"), "Unimplemented", "unknown action type x"),
    ],
)
def test_code_and_message_survive(raised: Exception, code: str, message: str) -> None:
    error = translate(raised)
    assert error.code == code
    assert str(error) == message


def test_every_code_has_its_class() -> None:
    for kind in CLASSES:
        assert type(error_of_code(kind.code, "x")).code == kind.code
    assert type(error_of_code("SomethingNew", "x")) is longbow.InternalError


def test_errors_are_also_what_python_calls_them() -> None:
    assert issubclass(longbow.NotFoundError, KeyError)
    assert issubclass(longbow.DimensionMismatchError, ValueError)
    assert issubclass(longbow.UnavailableError, ConnectionError)
    assert issubclass(longbow.DeadlineExceededError, TimeoutError)
