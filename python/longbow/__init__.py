"""Longbow, a vector database where everything in and out is Apache Arrow.

>>> import longbow, numpy as np                                     # doctest: +SKIP
>>> client = longbow.connect("grpc://127.0.0.1:3000")               # doctest: +SKIP
>>> vectors = np.random.rand(1000, 128).astype("float32")           # doctest: +SKIP
>>> client.put("books", {"id": np.arange(1000), "vector": vectors}) # doctest: +SKIP
PutResult(rows=1000, batches=1, durability='fsync', sequence=...)
>>> client.search("books", vectors[7], k=3).to_pylist()[0]["id"]    # doctest: +SKIP
7
"""

from longbow.client import Client, DatasetInfo, connect
from longbow.errors import (
    AlreadyExistsError,
    CancelledError,
    CorruptionError,
    DataLossError,
    DeadlineExceededError,
    DimensionMismatchError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    LongbowError,
    NotFoundError,
    NotLeaderError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from longbow.put import PutResult, RejectedBatch
from longbow.server import Server

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "CancelledError",
    "Client",
    "CorruptionError",
    "DataLossError",
    "DatasetInfo",
    "DeadlineExceededError",
    "DimensionMismatchError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "LongbowError",
    "NotFoundError",
    "NotLeaderError",
    "PermissionDeniedError",
    "PutResult",
    "RejectedBatch",
    "ResourceExhaustedError",
    "Server",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "connect",
]
