"""`longbow top`: the server's figures, live."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from longbow.command.output import Failure, Json, console, show_json, size_of

_RATES = {
    "rows put": ("longbow_flight_rows_processed_total", 'operation="put"'),
    "rows sent": ("longbow_flight_rows_processed_total", 'operation="get"'),
    "searches on streams": ("longbow_do_exchange_search_total", ""),
    "searches by action": ("longbow_vector_search_action_total", ""),
    "calls": ("longbow_flight_ops_total", ""),
    "log bytes": ("longbow_wal_bytes_written_total", ""),
}
_GAUGES = {
    "rows waiting for an index": "longbow_index_queue_depth",
    "tasks of appliers waiting": "longbow_ingestion_queue_depth",
    "memory pressure": "longbow_memory_pressure_level",
    "threads": "process_threads",
}

Samples = dict[str, float]


def read_metrics(address: str) -> Samples:
    """The server's /metrics: value by name and labels."""
    parts = urllib.parse.urlsplit(address if "//" in address else f"http://{address}")
    try:
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 9090, timeout=5)
        connection.request("GET", parts.path if parts.path not in ("", "/") else "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
    except (OSError, ValueError) as error:
        raise Failure(f"no metrics at {address}: {error}", "is a server running? Its first lines name the address of /metrics, which --metrics takes", "Unavailable") from error
    samples: Samples = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            samples[name] = float(value)
    return samples


def _sum(samples: Samples, name: str, label: str = "") -> float:
    return sum(v for key, v in samples.items() if (key == name or key.startswith(name + "{")) and label in key)


def summary(before: Samples, now: Samples, seconds: float) -> dict[str, float]:
    """Rates a second between two readings, and what stands now."""
    out = {f"{title} a second": (_sum(now, *where) - _sum(before, *where)) / seconds for title, where in _RATES.items()}
    cpu = "process_cpu_seconds_total"
    if cpu in now:
        out["processor, cores"] = (now[cpu] - before.get(cpu, now[cpu])) / seconds
    out["memory accounted, bytes"] = _sum(now, "longbow_memory_used_bytes")
    out["memory resident, bytes"] = now.get("process_resident_memory_bytes", 0)
    out.update({title: _sum(now, name) for title, name in _GAUGES.items()})
    return out


def _table(figures: dict[str, float], address: str) -> Table:
    table = Table(title=f"{address}   {time.strftime('%H:%M:%S')}   Ctrl-C ends", box=None, title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in figures.items():
        table.add_row(name.removesuffix(", bytes"), size_of(value) if "bytes" in name else f"{value:,.2f}" if value % 1 else f"{value:,.0f}")
    return table


def top(
    metrics: Annotated[str, typer.Option("--metrics", envvar="LONGBOW_METRICS", help="The server's metrics address.")] = "127.0.0.1:9090",
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two readings.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="One reading, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Shows what the server is doing, live."""
    before, start = read_metrics(metrics), time.monotonic()
    if once or as_json:
        time.sleep(every)
        figures = summary(before, read_metrics(metrics), time.monotonic() - start)
        if as_json:
            show_json(figures)
        else:
            console.print(_table(figures, metrics))
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            now, end = read_metrics(metrics), time.monotonic()
            live.update(_table(summary(before, now, end - start), metrics), refresh=True)
            before, start = now, end
