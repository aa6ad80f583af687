"""Spans of OpenTelemetry around calls, in programs that use it; others pay one look into a dict.

A span `longbow.search` (insert, get, or an action's name) covers a call with its retries, as a child of the span that is
current; the server gets its context in the header `traceparent`.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def in_use() -> bool:
    """Whether `span` does anything. For calls so short that even an empty context manager shows."""
    return "opentelemetry.trace" in sys.modules


def span(name: str, dataset: str, location: str) -> AbstractContextManager[Any]:
    """Covers one call. An error that leaves it is recorded."""
    if not in_use():
        return nullcontext()
    from opentelemetry import trace

    attributes = {"db.system.name": "longbow", "db.operation.name": name, "server.address": location}
    if dataset:
        attributes["db.collection.name"] = dataset
    covering: AbstractContextManager[Any] = trace.get_tracer("longbow").start_as_current_span(
        f"longbow.{name}", kind=trace.SpanKind.CLIENT, attributes=attributes
    )
    return covering


def headers() -> list[tuple[bytes, bytes]]:
    """What tells the server of the current span."""
    if not in_use():
        return []
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return [(name.encode(), value.encode()) for name, value in carrier.items()]
