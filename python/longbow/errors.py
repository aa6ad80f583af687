"""What can go wrong, as exceptions. Every error of this package is a LongbowError and has a `code`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.flight as flight

if TYPE_CHECKING:
    from longbow.put import PutResult, RejectedBatch


class LongbowError(Exception):
    """Base of all errors.

    `code` is the server's error code; `str(error)` is its message, which names the field, the expected and the given
    value, and the fix. An error of a put also says what became of the data: `put_result` counts the rows that are
    stored, `rejected` lists the batches that are not.
    """

    code: ClassVar[str] = "Internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.put_result: PutResult | None = None
        self.rejected: list[RejectedBatch] = []


class NotFoundError(LongbowError, KeyError):
    """No such dataset, namespace or id."""

    code = "NotFound"

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0]) if self.args else ""


class AlreadyExistsError(LongbowError):
    """Something of that name is there already."""

    code = "AlreadyExists"


class InvalidArgumentError(LongbowError, ValueError):
    """The request is wrong and stays wrong when repeated."""

    code = "InvalidArgument"


class DimensionMismatchError(InvalidArgumentError):
    """A vector has another number of dimensions than its column."""

    code = "DimensionMismatch"


class FailedPreconditionError(LongbowError):
    """The request does not fit the state of what it is about."""

    code = "FailedPrecondition"


class CorruptionError(LongbowError):
    """Stored bytes do not match their checksum."""

    code = "Corruption"


class DataLossError(LongbowError):
    """Data was lost or a stream was cut short."""

    code = "DataLoss"


class NotLeaderError(LongbowError):
    """Another node has to be asked."""

    code = "NotLeader"


class UnavailableError(LongbowError, ConnectionError):
    """The server cannot be reached or is not ready; try again."""

    code = "Unavailable"


class ResourceExhaustedError(LongbowError):
    """A limit of memory, size or number was reached; the message names it."""

    code = "ResourceExhausted"


class DeadlineExceededError(LongbowError, TimeoutError):
    """The time allowed was over."""

    code = "DeadlineExceeded"


class UnauthenticatedError(LongbowError):
    """The token is missing or wrong."""

    code = "Unauthenticated"


class PermissionDeniedError(LongbowError):
    """The token does not allow this."""

    code = "PermissionDenied"


class CancelledError(LongbowError):
    """The call was cancelled."""

    code = "Cancelled"


class UnimplementedError(LongbowError, NotImplementedError):
    """The server does not know this call or action."""

    code = "Unimplemented"


class InternalError(LongbowError):
    """A fault of the server."""

    code = "Internal"


_BY_CODE: dict[str, type[LongbowError]] = {
    c.code: c
    for c in (
        NotFoundError,
        AlreadyExistsError,
        InvalidArgumentError,
        DimensionMismatchError,
        FailedPreconditionError,
        CorruptionError,
        DataLossError,
        NotLeaderError,
        UnavailableError,
        ResourceExhaustedError,
        DeadlineExceededError,
        UnauthenticatedError,
        PermissionDeniedError,
        CancelledError,
        UnimplementedError,
        InternalError,
    )
}

# pyarrow's exception types, the most derived first.
_BY_TYPE: list[tuple[type[BaseException], type[LongbowError]]] = [
    (flight.FlightUnavailableError, UnavailableError),
    (flight.FlightUnauthenticatedError, UnauthenticatedError),
    (flight.FlightUnauthorizedError, PermissionDeniedError),
    (flight.FlightTimedOutError, DeadlineExceededError),
    (flight.FlightCancelledError, CancelledError),
    (pa.ArrowCancelled, CancelledError),
    (pa.ArrowNotImplementedError, UnimplementedError),
    (pa.ArrowKeyError, NotFoundError),
    (pa.ArrowInvalid, InvalidArgumentError),
    (pa.ArrowTypeError, InvalidArgumentError),
]

# Codes without an exception type of their own in pyarrow stand in the text.
_BY_TEXT = {
    "resource exhausted": ResourceExhaustedError,
    "precondition failed": FailedPreconditionError,
    "failed precondition": FailedPreconditionError,
    "already exists": AlreadyExistsError,
    "data loss": DataLossError,
    "out of range": InvalidArgumentError,
}
_GRPC_TEXT = re.compile(r"(?:gRPC|Flight) returned ([\w ]+?) error, with message: ", re.I)
_ARROW_PREFIX = re.compile(r"^(Flight (returned|error|client|cancelled|operation)|gRPC returned) [^:]*?(with message|error): ")
_ARROW_SUFFIX = re.compile(r"\. (gRPC client debug context|Client context|Detail): .*$", re.S)


def error_of_code(code: str, message: str) -> LongbowError:
    """The error for a code the server names, such as "NotFound"."""
    return _BY_CODE.get(code, InternalError)(message)


def translate(error: BaseException) -> LongbowError:
    """The LongbowError for what pyarrow raised."""
    if isinstance(error, LongbowError):
        return error
    text = str(error)
    match = _GRPC_TEXT.search(text)
    kind: type[LongbowError] | None = _BY_TEXT.get(match.group(1).lower()) if match else None
    message = _ARROW_SUFFIX.sub("", text)
    message = message[match.end() :] if match else _ARROW_PREFIX.sub("", message)
    if kind is None:
        kind = next((ours for theirs, ours in _BY_TYPE if isinstance(error, theirs)), InternalError)
    own_code = (getattr(error, "extra_info", None) or b"").decode(errors="replace")
    if own_code in _BY_CODE:  # the server names its code where gRPC's are too coarse
        kind = _BY_CODE[own_code]
    elif kind is InvalidArgumentError and "dimension mismatch" in message:
        kind = DimensionMismatchError
    return kind(message)

