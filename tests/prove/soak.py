#!/usr/bin/env python3
"""Steady churn against a real server, and whether anything of it grows.

usage: tests/prove/soak.py [--minutes 30] [--window 5] [--keys 10000] [--rows 250] [--dim 128]

Rows of a fixed set of keys are replaced, deleted and put back all the time, keys that never were come and go, searches run
beside, and a snapshot is taken every half minute. Every second the server's resident memory, threads, descriptors and ledger
are looked at. Prints their medians by window. Fails when resident memory of the last three windows differs by more than one
per cent, when threads or descriptors differ by more than one, and when the ledger is not back where it was before the dataset, within 30 s after
it was deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import longbow  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

WATCHED = ("resident", "threads", "descriptors", "ledger")
SLACK = 0.01  # of resident memory, between the last windows
WINDOWS = 3
SNAPSHOT_EVERY = 30.0


class Probe:
    """What the server says of itself, and the kernel of it."""

    def __init__(self, server: longbow.Server) -> None:
        self._proc = Path(f"/proc/{server.pid}")
        self._metrics = f"http://127.0.0.1:{server.http_port}/metrics"

    def ledger(self) -> dict[str, float]:
        with urllib.request.urlopen(self._metrics, timeout=30) as reply:
            text = reply.read().decode()
        uses = (line.split() for line in text.splitlines() if line.startswith("longbow_memory_used_bytes{"))
        return {name.split('"')[1]: float(value) for name, value in uses}

    def look(self) -> dict[str, float]:
        status = dict(line.split(":", 1) for line in (self._proc / "status").read_text().splitlines() if ":" in line)
        return {
            "resident": float(status["VmRSS"].split()[0]) * 1024,
            "threads": float(self._threads()),
            "descriptors": float(len(os.listdir(self._proc / "fd"))),
            "ledger": sum(self.ledger().values()),
        }

    def _threads(self) -> int:
        """Without the kernel's own for io_uring, which come and go with the disk's load."""
        names = []
        for task in (self._proc / "task").iterdir():
            with suppress(FileNotFoundError):
                names.append((task / "comm").read_text())
        return sum(not name.startswith("iou-wrk") for name in names)

    def processor_seconds(self) -> float:
        fields = (self._proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Churn:
    """One second of it at a time. Confined."""

    def __init__(self, client: longbow.Client, options: argparse.Namespace) -> None:
        self._client, self._options = client, options
        self._rng = np.random.default_rng(options.seed)
        self._passing: list[int] = []  # keys that come and go
        self._next = options.keys

    def _put(self, keys: Any) -> None:
        vectors = self._rng.standard_normal((len(keys), self._options.dim), dtype=np.float32)
        list_type = pa.list_(pa.float32(), self._options.dim)
        values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), type=list_type)
        texts = [f"row {key} of {self._rng.integers(1 << 30)}" for key in keys]
        self._client.insert("soak", pa.table({"id": pa.array(keys, pa.int64()), "text": texts, "vector": values}))

    def fill(self) -> None:
        for first in range(0, self._options.keys, 2000):
            self._put(np.arange(first, min(first + 2000, self._options.keys)))
        self._client.wait_indexed("soak", timeout=600)

    def second(self) -> int:
        rows: int = self._options.rows
        fresh = max(1, rows // 5)
        keys = self._rng.choice(self._options.keys, rows - fresh, replace=False)
        gone = keys[: rows // 5]
        self._client.delete("soak", [int(key) for key in gone])
        passing = list(range(self._next, self._next + fresh))
        self._next += fresh
        self._put(np.concatenate([keys, passing]))
        self._passing += passing
        if len(self._passing) > 10 * fresh:
            self._client.delete("soak", self._passing[:fresh])
            del self._passing[:fresh]
        for _ in range(5):
            hits = self._client.search("soak", self._rng.standard_normal(self._options.dim, dtype=np.float32), k=10)
            if hits.num_rows != 10:
                raise AssertionError(f"a search for 10 rows found {hits.num_rows}")
        return rows


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / min(values)


def judge(windows: list[dict[str, float]]) -> list[str]:
    """What is wrong with the medians of the last windows."""
    last = windows[-WINDOWS:]
    if len(last) < WINDOWS:
        return []
    wrong = []
    resident = [window["resident"] for window in last]
    if spread(resident) > SLACK:
        wrong.append(f"resident memory differs by {spread(resident):.2%} between the last {WINDOWS} windows, {SLACK:.0%} are allowed")
    for name in ("threads", "descriptors"):
        if max(window[name] for window in last) - min(window[name] for window in last) > 1:
            wrong.append(f"{name} differ: {[window[name] for window in last]}")
    return wrong


def settle(probe: Probe, start: dict[str, float]) -> list[str]:
    """Waits for the ledger to be where it was."""
    for _ in range(300):
        left = {name: value - start.get(name, 0) for name, value in probe.ledger().items() if value > start.get(name, 0)}
        if not left:
            return []
        time.sleep(0.1)
    return [f"bytes left on the ledger after the dataset was deleted: {left}"]


def run(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    with longbow.Server(directory / "data", max_wal_size="64MiB", max_memory="2GiB") as server, server.connect() as client:
        probe, churn = Probe(server), Churn(client, options)
        start = probe.ledger()
        churn.fill()
        windows: list[dict[str, float]] = []
        samples: list[dict[str, float]] = []
        began = snapshot_at = second = time.monotonic()
        used, rows = probe.processor_seconds(), 0
        while second < began + options.minutes * 60:  # a look at or behind the end closes the last window
            second = time.monotonic()
            rows += churn.second()
            if second >= snapshot_at + SNAPSHOT_EVERY:
                client.snapshot()
                snapshot_at = second
            samples.append(probe.look())
            if second >= began + (len(windows) + 1) * options.window * 60:
                windows.append({name: statistics.median(sample[name] for sample in samples) for name in WATCHED})
                print(f"{(second - began) / 60:6.1f} min  " + "  ".join(
                    f"{name} {value / (1 << 20):.2f} MiB" if name in ("resident", "ledger") else f"{name} {value:.0f}"
                    for name, value in windows[-1].items()), flush=True)  # fmt: skip
                samples = []
            time.sleep(max(0.0, second + 1 - time.monotonic()))
        share = (probe.processor_seconds() - used) / (time.monotonic() - began)
        wrong = judge(windows)
        client.delete_dataset("soak")
        wrong += settle(probe, start)
        return {"rows": rows, "windows": windows, "processors": round(share, 3), "after": probe.look(), "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--window", type=float, default=5, help="minutes")
    parser.add_argument("--keys", type=int, default=10_000, help="that stay")
    parser.add_argument("--rows", type=int, default=250, help="written a second")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", default=os.environ.get("TMPDIR", "/tmp"))
    parser.add_argument("--output", type=Path, help="of the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longbow-soak-", dir=options.directory) as directory:
        figures = run(options, Path(directory))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")
    resident = [window["resident"] for window in figures["windows"][-WINDOWS:]]
    if len(resident) == WINDOWS:
        print(f"resident memory of the last {WINDOWS} windows within {spread(resident):.2%}")
    print(f"{figures['rows']} rows written over {options.keys} keys, {figures['processors']:.0%} of a processor; "
          f"resident memory after the dataset was deleted: {figures['after']['resident'] / (1 << 20):.1f} MiB")  # fmt: skip
    for line in figures["wrong"]:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
