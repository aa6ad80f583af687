#!/usr/bin/env python3
"""How long a start takes: from a snapshot with nothing behind it in the log, and from the log alone.

usage: bench/restart_bench.py [--rows 1000000] [--dim 128] [--directory DIR] [--steps prepare,log,snapshot] [--output FILE]

`prepare` writes the rows into a server without snapshots, keeps a copy of its directory ("log"), waits until all rows are in
the index, takes a snapshot and keeps that ("snapshot"); with --directory it is done once. `log` and `snapshot` start servers on
them: when the first search is answered, with rows; when every row is in the index and searches take what they took before;
and the most memory until then, beside what the server had before, at rest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import longbow  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

BATCH = 10_000
QUERIES = 200
FULL_SPEED = 1.3  # times the median of before
DATASET = "restart"
QUERY_SOURCE = np.random.default_rng(2)


def batches(options: argparse.Namespace) -> Any:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((1000, options.dim), dtype=np.float32)
    for first in range(0, options.rows, BATCH):
        count = min(BATCH, options.rows - first)
        near = centres[rng.integers(len(centres), size=count)]
        rows = near + 0.5 * rng.standard_normal((count, options.dim), dtype=np.float32)
        values = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), options.dim)
        yield pa.table({"id": pa.array(range(first, first + count), pa.int64()), "vector": values})


def memory(server: longbow.Server, name: str) -> int:
    text = Path(f"/proc/{server.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(name + ":")).split()[1]) * 1024


def search_seconds(client: longbow.Client, options: argparse.Namespace, queries: int = QUERIES) -> float:
    """The median of searches for vectors never asked for before: answers are kept."""
    times = []
    for _ in range(queries):
        query = QUERY_SOURCE.standard_normal(options.dim, dtype=np.float32)
        begin = time.perf_counter()
        found = client.search(DATASET, query, k=10, columns=["id"])
        times.append(time.perf_counter() - begin)
        assert found.num_rows == 10
    return statistics.median(times)


def server_on(directory: Path) -> longbow.Server:
    # Never a snapshot of its own accord.
    return longbow.Server(directory / "data", max_wal_size="1TiB", snapshot_interval="0s")


def plain_write_rate(directory: Path, total: int, piece: int) -> float:
    """Bytes a second of writing a file in pieces, each followed by fdatasync, into blocks that were written before."""
    block = os.urandom(piece)
    path = directory / "plain"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for second in (False, True):
            os.lseek(fd, 0, os.SEEK_SET)
            begin = time.perf_counter()
            for _ in range(max(1, total // piece)):
                os.write(fd, block)
                if second:
                    os.fdatasync(fd)
            os.fsync(fd)
        return max(1, total // piece) * piece / (time.perf_counter() - begin)
    finally:
        os.close(fd)
        path.unlink()


def wait_for_release(log: Path, bytes_all: int) -> None:
    """Until the log has let go of what the snapshot holds."""
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError):  # it is letting go of them
            if sum(path.stat().st_size for path in log.glob("*.log")) < max(bytes_all // 4, 1 << 28):
                return
        time.sleep(0.1)
    raise RuntimeError(f"{log} still holds what the snapshot does")


def copy_of(source: Path, target: Path) -> None:
    """Links to files that are never changed, copies of the others, and nothing left for the disk to do."""
    for path in source.rglob("*"):
        to = target / path.relative_to(source)
        if path.is_dir():
            to.mkdir(parents=True, exist_ok=True)
        elif path.relative_to(source).parts[0] in ("blocks", "derived"):
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, to)
        elif path.suffix != ".spare":
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
    os.sync()


def prepare(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"rows": options.rows, "dim": options.dim}
    bytes_all = options.rows * options.dim * 4
    given = list(batches(options))
    with server_on(directory / "work") as server, server.connect() as client:
        begin = time.perf_counter()
        for batch in given:
            client.insert(DATASET, batch)
        facts["ingest_seconds"] = time.perf_counter() - begin
        facts["ingest_bytes_a_second"] = bytes_all / facts["ingest_seconds"]
        server.kill()
        shutil.copytree(directory / "work" / "data", directory / "log" / "data")
        server.start()
        begin = time.perf_counter()
        with server.connect() as again:
            again.wait_indexed(DATASET, timeout=7200)
            facts["index_seconds"] = time.perf_counter() - begin
            search_seconds(again, options)
            facts["search_seconds"] = search_seconds(again, options)
            facts["steady_bytes"] = memory(server, "VmRSS")
            again.snapshot()
            wait_for_release(directory / "work" / "data" / "log", bytes_all)
    shutil.move(directory / "work", directory / "snapshot")
    facts["plain_bytes_a_second"] = plain_write_rate(directory, bytes_all, BATCH * options.dim * 4)
    (directory / "facts.json").write_text(json.dumps(facts))
    return facts


def measure(options: argparse.Namespace, directory: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Of a copy: what is measured must not change what is kept."""
    copy = Path(tempfile.mkdtemp(prefix="measured-", dir=directory.parent))
    copy_of(directory / "data", copy / "data")
    server = server_on(copy)
    figures: dict[str, Any] = {}
    try:
        begin = time.perf_counter()
        server.start(timeout=600)
        figures["ports_seconds"] = time.perf_counter() - begin
        with server.connect() as client:
            while True:
                try:
                    search_seconds(client, options, queries=1)
                    break
                except (longbow.UnavailableError, longbow.NotFoundError):
                    time.sleep(0.01)
            figures["first_answer_seconds"] = time.perf_counter() - begin
            figures["rows"] = client.info(DATASET).rows
            if options.wait:
                client.wait_indexed(DATASET, timeout=options.wait)
                figures["indexed_seconds"] = time.perf_counter() - begin
                while (now := search_seconds(client, options, queries=20)) > FULL_SPEED * facts["search_seconds"]:
                    if time.perf_counter() - begin > options.wait:
                        break
                figures["full_speed_seconds"] = time.perf_counter() - begin
                figures["search_seconds"] = now
            figures["most_bytes"] = memory(server, "VmHWM")
            figures["resident_bytes"] = memory(server, "VmRSS")
    finally:
        server.close()
        shutil.rmtree(copy)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--directory", type=Path, help="kept; default: a temporary one")
    parser.add_argument("--steps", default="prepare,log,snapshot")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[1] / "build" / "bench-restart.json")
    options = parser.parse_args()
    root = options.directory or Path(tempfile.mkdtemp(prefix="longbow-restart-"))
    root.mkdir(parents=True, exist_ok=True)
    steps = options.steps.split(",")
    try:
        if (root / "facts.json").exists():
            facts = json.loads((root / "facts.json").read_text())
        else:
            facts = prepare(options, root)
        report: dict[str, Any] = {"before": facts}
        print(f"{facts['rows']} rows of {facts['dim']} float32, acknowledged on disk in {facts['ingest_seconds']:.2f} s "
              f"({facts['ingest_bytes_a_second'] / 1e6:.0f} MB/s; plain writes with fdatasync {facts['plain_bytes_a_second'] / 1e6:.0f} MB/s), "
              f"indexed in {facts['index_seconds']:.0f} s; at rest {facts['steady_bytes'] / 1e6:.0f} MB, a search {facts['search_seconds'] * 1e3:.2f} ms")  # fmt: skip
        for step in ("log", "snapshot"):
            if step not in steps:
                continue
            options.wait = 7200 if step == "snapshot" else 0
            figures = report[step] = measure(options, root / step, facts)
            assert figures["rows"] == facts["rows"], figures
            line = f"from the {step}: first answer after {figures['first_answer_seconds']:.2f} s"
            if step == "log":
                line += f" ({figures['first_answer_seconds'] / facts['ingest_seconds']:.2f} x the ingest)"
            else:
                line += f", full speed after {figures['full_speed_seconds']:.2f} s"
            print(line + f"; at most {figures['most_bytes'] / 1e6:.0f} MB ({figures['most_bytes'] / facts['steady_bytes']:.2f} x at rest)", flush=True)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(report, indent=1) + "\n")
    finally:
        if options.directory is None:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
