"""Spans of OpenTelemetry around the package's calls."""

from __future__ import annotations

import subprocess
import sys

import longbow
import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_calls_are_spans_of_the_programs_trace(server: longbow.Server, spans: InMemorySpanExporter) -> None:
    spans.clear()
    with server.connect() as client, trace.get_tracer("program").start_as_current_span("work") as work:
        client.insert("traced", {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "text": ["a fox", "an owl"]})
        client.search("traced", [1, 0, 0, 0], k=1)
        client.search("traced", text="fox")
        client.get("traced")
        with pytest.raises(longbow.NotFoundError):
            client.delete("traced", 77)
        client.delete_dataset("traced")
    found = {span.name: span for span in spans.get_finished_spans()}
    assert {"longbow.insert", "longbow.search", "longbow.get", "longbow.delete", "longbow.delete-dataset"} <= found.keys()
    for name, span in found.items():
        if name == "work":
            continue
        assert span.kind == SpanKind.CLIENT and span.context.trace_id == work.get_span_context().trace_id
        assert span.attributes["db.collection.name"] == "traced"
    assert found["longbow.delete"].status.status_code == StatusCode.ERROR and "not found" in found["longbow.delete"].status.description
    assert found["longbow.search"].status.status_code == StatusCode.UNSET


def test_programs_without_it_do_not_load_it() -> None:
    code = "import longbow, sys\nwith longbow.connect(':memory:') as db: db.datasets()\nassert not any(m.startswith('opentelemetry') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", "LONGBOW_BINARY": str(longbow.server.find_binary())})
