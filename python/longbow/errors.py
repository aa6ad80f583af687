"""What can go wrong, as exceptions. Every error of this package is a `LongbowError`.

    LongbowError
    ├── LongbowConnectionError       the server was not reached, or not in time to answer
    │   └── UnavailableError
    ├── LongbowAuthenticationError
    │   ├── UnauthenticatedError
    │   └── PermissionDeniedError
    ├── LongbowQueryError            the server refused the request
    │   ├── NotFoundError            (LongbowNotFoundError)
    │   ├── AlreadyExistsError
    │   ├── InvalidArgumentError
    │   │   └── DimensionMismatchError
    │   ├── FailedPreconditionError
    │   ├── ResourceExhaustedError
    │   ├── DeadlineExceededError
    │   ├── CancelledError
    │   └── UnimplementedError
    └── LongbowServerError           a fault on the server's side
        ├── CorruptionError
        ├── DataLossError
        ├── NotLeaderError
        └── InternalError
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.flight as flight

if TYPE_CHECKING:
    from longbow.put import PutResult, RejectedBatch


class LongbowError(Exception):
    """Base of all errors.

    Attributes:
        code: the server's error code, such as "NotFound".
        message: names the field, the expected and the given value, and the fix.
        retriable: whether the same call may succeed later without a change.
        retry_delay: seconds to wait at least before that, where the server said so.
        request_id: of the call that failed, as it was sent in the header `x-request-id`; "" where there was no call.
        details: further facts by name: `status`, gRPC's name of what went wrong; `reason`, the server's own where that is
            too coarse; `expected` and `given` dimensions; `address`, which could not be reached; `timeout`, in seconds, that
            was over on this side; `batch`, `first_row` and `rows` that an insert was refused for.
        put_result: of a failed put, what was stored before it.
        rejected: of a failed put, the batches that were not stored.

    The exception that pyarrow raised is the `__cause__`. Errors can be pickled.
    """

    code: ClassVar[str] = "Internal"
    retriable: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = ""
        self.retry_delay = 0.0
        self.details: dict[str, Any] = {}
        self.put_result: PutResult | None = None
        self.rejected: list[RejectedBatch] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.message, self.__dict__, self.__cause__)


def _rebuilt(kind: type[LongbowError], message: str, state: dict[str, Any], cause: BaseException | None) -> LongbowError:
    error = kind(message)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class LongbowConnectionError(LongbowError, ConnectionError):
    """The server was not reached."""

    code = "Unavailable"


class LongbowAuthenticationError(LongbowError):
    """The server does not accept who is calling."""

    code = "Unauthenticated"


class LongbowQueryError(LongbowError):
    """The server refused the request."""

    code = "InvalidArgument"


class LongbowServerError(LongbowError):
    """A fault on the server's side."""


class NotFoundError(LongbowQueryError, KeyError):
    """No such dataset, namespace or id."""

    code = "NotFound"

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return self.message


class AlreadyExistsError(LongbowQueryError):
    """Something of that name is there already."""

    code = "AlreadyExists"


class InvalidArgumentError(LongbowQueryError, ValueError):
    """The request is wrong and stays wrong when repeated."""

    code = "InvalidArgument"


class DimensionMismatchError(InvalidArgumentError):
    """A vector has another number of dimensions than its column."""

    code = "DimensionMismatch"


class FailedPreconditionError(LongbowQueryError):
    """The request does not fit the state of what it is about."""

    code = "FailedPrecondition"


class CorruptionError(LongbowServerError):
    """Stored bytes do not match their checksum."""

    code = "Corruption"


class DataLossError(LongbowServerError):
    """Data was lost or a stream was cut short."""

    code = "DataLoss"


class NotLeaderError(LongbowServerError):
    """Another node has to be asked."""

    code = "NotLeader"
    retriable = True


class UnavailableError(LongbowConnectionError):
    """The server cannot be reached, broke off or is not ready; try again.

    Attributes:
        connected: False when no connection to a server came about.
    """

    code = "Unavailable"
    retriable = True
    connected: bool = True


class ResourceExhaustedError(LongbowQueryError):
    """A limit of memory, size or number was reached; the message names it."""

    code = "ResourceExhausted"
    retriable = True

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.retry_delay = 0.25  # as the server says where pyarrow, which takes this error for another, does not show it


class DeadlineExceededError(LongbowQueryError, TimeoutError):
    """The time allowed was over."""

    code = "DeadlineExceeded"


class UnauthenticatedError(LongbowAuthenticationError):
    """The token is missing or wrong."""

    code = "Unauthenticated"


class PermissionDeniedError(LongbowAuthenticationError):
    """The token does not allow this."""

    code = "PermissionDenied"


class CancelledError(LongbowQueryError):
    """The call was cancelled."""

    code = "Cancelled"


class UnimplementedError(LongbowQueryError, NotImplementedError):
    """The server does not know this call or action."""

    code = "Unimplemented"


class InternalError(LongbowServerError):
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
_BY_TEXT: dict[str, type[LongbowError]] = {
    "resource exhausted": ResourceExhaustedError,
    "precondition failed": FailedPreconditionError,
    "failed precondition": FailedPreconditionError,
    "already exists": AlreadyExistsError,
    "data loss": DataLossError,
    "out of range": InvalidArgumentError,
}
# What gRPC calls the codes that stand for its own.
_STATUS = {
    "NotFound": "NOT_FOUND",
    "AlreadyExists": "ALREADY_EXISTS",
    "InvalidArgument": "INVALID_ARGUMENT",
    "FailedPrecondition": "FAILED_PRECONDITION",
    "DataLoss": "DATA_LOSS",
    "Unavailable": "UNAVAILABLE",
    "ResourceExhausted": "RESOURCE_EXHAUSTED",
    "DeadlineExceeded": "DEADLINE_EXCEEDED",
    "Unauthenticated": "UNAUTHENTICATED",
    "PermissionDenied": "PERMISSION_DENIED",
    "Cancelled": "CANCELLED",
    "Unimplemented": "UNIMPLEMENTED",
}
_GRPC_TEXT = re.compile(r"(?:gRPC|Flight) returned ([\w ]+?) error, with message: ", re.I)
_ARROW_PREFIX = re.compile(r"^(Flight (returned|error|client|cancelled|operation)|gRPC returned) [^:]*?(with message|error): ")
_ARROW_SUFFIX = re.compile(r"\. (gRPC client debug context|Client context|Detail): .*$", re.S)

# google.rpc.ErrorInfo{reason, domain "longbow"} in the status details, told from its bytes.
_REASON = re.compile(rb"\n.([A-Z][A-Za-z]+)\x12\x07longbow", re.S)
# google.rpc.RetryInfo{retry_delay{seconds, nanos}}, the same way.
_RETRY_DELAY = re.compile(rb"/google\.rpc\.RetryInfo\x12.\n.(?:\x08([\x80-\xff]*[\x00-\x7f]))?(?:\x10([\x80-\xff]*[\x00-\x7f]))?", re.S)
# gRPC names each address and each layer; the last of both says what matters.
_REFUSED = re.compile(r"failed to connect to all addresses.*?(?:ipv[46]|unix):([^ ]+): (?:.*: )?([^:]+)$", re.S)
_NOT_CONNECTED = re.compile(r"failed to connect to|connections to all backends failing|errors resolving|DNS resolution", re.I)
_NO_TLS = re.compile(r"handshake failed.*wrong version number", re.I | re.S)
_DIMENSIONS = re.compile(r"dimension mismatch: expected (\d+), got (\d+)")
# What gRPC itself says, not always as UNAVAILABLE, when the other side is gone in the middle of a call.
_BROKEN = re.compile(r"^(Stream removed|Socket closed|Connection reset by peer|Broken pipe|Received RST_STREAM|GOAWAY received)")


# Where words of the server or of gRPC need to know either.
_SAID_CLEARER = {
    "Deadline Exceeded": "there was no answer within the call's timeout",
    "index not initialized": "index not initialized: the dataset has no vector column to search. Lists become one in a column "
    "named vector or embedding, or named by insert(..., vector_column=...)",
}


def error_of_code(code: str, message: str) -> LongbowError:
    """The error for a code the server names, such as "NotFound"."""
    error = _BY_CODE.get(code, InternalError)(message)
    error.details["reason"] = code
    return error


def too_late(message: str, timeout: float | None) -> LongbowError:
    """For a call that was given up on this side."""
    error = DeadlineExceededError(message)
    error.details["timeout"] = timeout
    return error


def _varint(data: bytes | None) -> int:
    return sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(data or b""))


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
    status = _STATUS.get(kind.code, "INTERNAL")
    if kind is InternalError and _BROKEN.search(message):
        kind = UnavailableError
    refused = _REFUSED.search(message)
    connected = not _NOT_CONNECTED.search(message)
    address = unquote(refused.group(1)) if refused else ""  # [::1] comes as %5B::1%5D
    if refused:
        message = f"cannot reach {address}: {refused.group(2).strip().rstrip('.')}"
    elif _NO_TLS.search(message):
        message = "the server does not speak TLS: connect to grpc://, not grpc+tls:// (" + message + ")"
    message = _SAID_CLEARER.get(message, message)
    extra_info = getattr(error, "extra_info", None) or b""
    reason = _REASON.search(extra_info)
    own_code = reason.group(1).decode() if reason else ""
    if own_code in _BY_CODE:  # the server names its code where gRPC's are too coarse
        kind = _BY_CODE[own_code]
    elif kind is InvalidArgumentError and "dimension mismatch" in message:
        kind = DimensionMismatchError
    meaning = kind(message)
    meaning.details = {"status": status, **({"reason": own_code} if own_code else {})}
    if isinstance(meaning, UnavailableError):
        meaning.connected = connected
    if delay := _RETRY_DELAY.search(extra_info):
        meaning.retry_delay = _varint(delay.group(1)) + _varint(delay.group(2)) * 1e-9
    if refused:
        meaning.details["address"] = address
    if dimensions := _DIMENSIONS.search(message):
        meaning.details.update(expected=int(dimensions.group(1)), given=int(dimensions.group(2)))
    return meaning
