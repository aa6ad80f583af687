"""Longbow, a vector database where everything in and out is Apache Arrow.

Examples:
    >>> import longbow, numpy as np
    >>> db = longbow.connect(":memory:")            # or a directory, or "grpc://host:3000"
    >>> vectors = np.random.default_rng(1).random((1000, 128), "f4")
    >>> db.insert("books", {"id": np.arange(1000), "vector": vectors}).rows
    1000
    >>> db.search("books", vectors[7], k=3)["id"][0].as_py()
    7
    >>> db.close()
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from longbow.client import BoundQuery, Client, Dataset, DatasetInfo, DatasetStats
from longbow.connecting import connect
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
    LongbowAuthenticationError,
    LongbowConnectionError,
    LongbowError,
    LongbowQueryError,
    LongbowServerError,
    NotFoundError,
    NotLeaderError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)
from longbow.filters import Filter, col
from longbow.put import PutResult, RejectedBatch
from longbow.query import Query
from longbow.results import Results, SearchStats
from longbow.retry import RetryPolicy

if TYPE_CHECKING:
    __version__: str
    from longbow.asynchronous import AsyncClient, AsyncDataset, AsyncQuery, connect_async
    from longbow.models import IndexStats, Record, SearchResult, Vector
    from longbow.old_client import LongbowClient
    from longbow.restoring import restore, verify
    from longbow.server import Server

LongbowNotFoundError = NotFoundError

# Looked up when first asked for, so that importing the package costs little.
_LATER = {
    "AsyncClient": "longbow.asynchronous",
    "AsyncDataset": "longbow.asynchronous",
    "AsyncQuery": "longbow.asynchronous",
    "connect_async": "longbow.asynchronous",
    "IndexStats": "longbow.models",
    "Record": "longbow.models",
    "SearchResult": "longbow.models",
    "Vector": "longbow.models",
    "LongbowClient": "longbow.old_client",
    "Server": "longbow.server",
    "restore": "longbow.restoring",
    "verify": "longbow.restoring",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        places = (Path(__file__).parent / "VERSION", Path(__file__).parents[2] / "VERSION")
        return next(place.read_text().strip() for place in places if place.exists())
    if name in _LATER:
        import importlib

        found = getattr(importlib.import_module(_LATER[name]), name)
        globals()[name] = found
        return found
    if name in ("server", "models", "asynchronous", "old_client", "exceptions", "ingest"):
        import importlib

        return importlib.import_module(f"longbow.{name}")
    raise AttributeError(f"module 'longbow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncDataset",
    "AsyncQuery",
    "BoundQuery",
    "CancelledError",
    "Client",
    "CorruptionError",
    "DataLossError",
    "Dataset",
    "DatasetInfo",
    "DatasetStats",
    "DeadlineExceededError",
    "DimensionMismatchError",
    "FailedPreconditionError",
    "Filter",
    "IndexStats",
    "InternalError",
    "InvalidArgumentError",
    "LongbowAuthenticationError",
    "LongbowClient",
    "LongbowConnectionError",
    "LongbowError",
    "LongbowNotFoundError",
    "LongbowQueryError",
    "LongbowServerError",
    "NotFoundError",
    "NotLeaderError",
    "PermissionDeniedError",
    "PutResult",
    "Query",
    "Record",
    "RejectedBatch",
    "ResourceExhaustedError",
    "Results",
    "RetryPolicy",
    "SearchResult",
    "SearchStats",
    "Server",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Vector",
    "__version__",
    "col",
    "connect",
    "connect_async",
    "restore",
    "verify",
]
