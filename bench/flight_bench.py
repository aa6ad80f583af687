"""`make bench-flight`: Longbow through the socket, beside Arrow's stock Flight server.

DoPut    Longbow writes to its log, flushes, applies and answers; the stock server throws the batches away; "file" is
         the same vectors written to a plain file from the same process, with fdatasync after each batch, over the
         bytes of the round before (a new file is several times slower on most disks); "memory" is Longbow with
         durability "memory", which acknowledges without the disk: what the socket and the processors allow.
DoGet    Longbow scans a dataset; the stock server sends the same amount from one batch it keeps in memory.
Search   one query at a time over a kept-open DoExchange, beside an echo of the query on the same Flight code, and
         the same search as a JSON action.

A new server's log writes disk blocks that were never written, which a virtual disk takes several times slower than
blocks that were; from the first snapshot on it uses its files again. So the server first takes and forgets SEASON_MB,
which the first row reports, and the rows after it are those of a server that has been in use.

Each server is a process of its own. Rounds are interleaved, servers in random order, so that a slow minute of the
machine hits all alike; the figures are medians, the ratios medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

ROOT = Path(__file__).resolve().parent.parent
ROWS = 10_000
SEASON_MB = 3_000  # the log is cut at 1 to 2 GiB
SIFT = ROOT / "examples" / "data" / "sift-5k"


class Companion:
    """A server or client program of bench/, which prints its port first."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Target:
    """Where batches go to and come from."""

    def __init__(self, name: str, port: int, token: str = "") -> None:
        self.name, self.port = name, port
        self.client = flight.connect(f"grpc://127.0.0.1:{port}")
        self.options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])

    def put(self, dataset: str, batches: list[pa.RecordBatch]) -> float:
        """Seconds until the server has answered that all is well."""
        start = time.perf_counter()
        writer, reader = self.client.do_put(flight.FlightDescriptor.for_path(dataset), batches[0].schema, self.options)
        for batch in batches:
            writer.write_batch(batch)
        writer.done_writing()
        while reader.read() is not None:
            pass
        writer.close()
        return time.perf_counter() - start

    def get(self, ticket: str, rows: int) -> float:
        start = time.perf_counter()
        received = sum(chunk.data.num_rows for chunk in self.client.do_get(flight.Ticket(ticket), self.options))
        took = time.perf_counter() - start
        assert received == rows, f"{self.name} sent {received} of {rows} rows"
        return took

    def drop(self, dataset: str) -> None:
        body = json.dumps({"dataset": dataset}).encode()
        list(self.client.do_action(flight.Action("delete-dataset", body), self.options))


def make_batches(dim: int, count: int) -> list[pa.RecordBatch]:
    rng = np.random.default_rng(dim)
    values = pa.array(rng.standard_normal(ROWS * dim, dtype="f4"))
    vectors = pa.FixedSizeListArray.from_arrays(values, dim)
    return [
        pa.RecordBatch.from_pydict({"id": pa.array(np.arange(i * ROWS, (i + 1) * ROWS)), "vector": vectors})
        for i in range(count)
    ]


def interleaved(rounds: int, runs: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Runs each once a round, after one round that does not count."""
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name in random.sample(list(runs), len(runs)):
            figure = runs[name]()
            if number:
                figures[name].append(figure)
    return figures


def summary(figures: dict[str, list[float]], of: str, against: str) -> dict[str, Any]:
    ratios = [a / b for a, b in zip(figures[of], figures[against])]
    return {
        **{name: round(statistics.median(values), 2) for name, values in figures.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def plain_write(path: Path, batches: list[pa.RecordBatch]) -> float:
    """Megabytes a second."""
    vectors = [memoryview(batch["vector"].values.buffers()[1]) for batch in batches]
    start = time.perf_counter()
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    for left in vectors:
        while left:
            left = left[os.write(file, left) :]
        os.fdatasync(file)
    os.close(file)
    return sum(whole.nbytes for whole in vectors) / 1e6 / (time.perf_counter() - start)


def puts(ours: Target, stock: Target, rounds: int, batches: list[pa.RecordBatch], scratch: Path) -> dict[str, Any]:
    size = sum(batch.nbytes for batch in batches) / 1e6

    def put_at(level: str) -> float:
        at_level = [batch.replace_schema_metadata({"longbow.durability": level}) for batch in batches]
        took = ours.put(level, at_level)
        ours.drop(level)
        return size / took

    put = interleaved(
        rounds,
        {
            "longbow": lambda: put_at("fsync"),
            "memory": lambda: put_at("memory"),
            "stock": lambda: size / stock.put("bench", batches),
            "file": lambda: plain_write(scratch / "plain", batches),
        },
    )
    return {"megabytes": round(size), **summary(put, "longbow", "stock"), **{f"over_{other}": summary(put, "longbow", other)["ratio"] for other in ("file", "memory")}}


def throughput(
    ours: Target, stock: Target, dim: int, rounds: int, megabytes: int, scratch: Path, season: bool
) -> list[dict[str, Any]]:
    count = max(2, megabytes * 1_000_000 // (ROWS * (dim * 4 + 8)))
    batches = make_batches(dim, count)
    size = sum(batch.nbytes for batch in batches) / 1e6
    results = []
    if season:
        results.append({"case": f"DoPut {dim} d, a new server, MB/s", **puts(ours, stock, round(SEASON_MB / size), batches, scratch)})
    results.append({"case": f"DoPut {dim} d, MB/s", **puts(ours, stock, rounds, batches, scratch)})
    ours.put("bench", batches)
    get = interleaved(
        rounds,
        {
            "longbow": lambda: size / ours.get("bench", count * ROWS),
            "stock": lambda: size / stock.get(f"{dim} {count}", count * ROWS),
        },
    )
    ours.drop("bench")
    results.append({"case": f"DoGet {dim} d, MB/s", "megabytes": round(size), **summary(get, "longbow", "stock")})
    return results


def round_trip(client: Path, port: int, token: str, mode: str, command: dict[str, Any], queries: Path, dim: int, seconds: float) -> float:
    """Median microseconds."""
    arguments = [client, str(port), token, mode, json.dumps(command), queries, str(dim), str(seconds)]
    return float(json.loads(subprocess.check_output(arguments))["p50_us"])


def searches(
    build: Path, server: longbow.Server, echo: Companion, rounds: int, seconds: float, scratch: Path
) -> list[dict[str, Any]]:
    client = build / "search_client"
    base, queries = np.load(SIFT / "base.npy").astype("f4"), np.load(SIFT / "queries.npy").astype("f4")
    wide = np.random.default_rng(1).standard_normal((5000, 768), dtype="f4")
    with server.connect() as connected:
        connected.put("search-128", {"id": np.arange(len(base)), "vector": base})
        connected.put("search-768", {"id": np.arange(4700), "vector": wide[:4700]})
        connected.wait_indexed("search-128")
        connected.wait_indexed("search-768")
    results = []
    for dim, asked in ((128, queries), (768, wide[4700:])):
        file = scratch / f"queries-{dim}.f32"
        file.write_bytes(np.ascontiguousarray(asked).tobytes())
        exchange = {"command": "VectorSearch", "dataset": f"search-{dim}", "k": 10}
        action = {"dataset": f"search-{dim}", "k": 10}
        figures = interleaved(
            rounds,
            {
                "search": lambda: round_trip(client, server.port, server.token, "exchange", exchange, file, dim, seconds),
                "action": lambda: round_trip(client, server.port, server.token, "action", action, file, dim, seconds),
                "echo": lambda: round_trip(client, echo.port, "", "exchange", exchange, file, dim, seconds),
            },
        )
        results.append({"case": f"one of 4,700 x {dim} d over DoExchange, us", **summary(figures, "search", "echo")})
        results[-1]["action_over_exchange"] = round(
            statistics.median(a / b for a, b in zip(figures["action"], figures["search"])), 3
        )
    return results


def file_system_of(path: Path) -> str:
    return subprocess.check_output(["stat", "-f", "-c", "%T", str(path)], text=True).strip()


def print_table(results: list[dict[str, Any]]) -> None:
    print(f"\n{'':<42}{'Longbow':>9}{'stock':>9}{'ratio':>8}   {'range':<14}{'file':>8}{'over file':>11}{'over memory':>13}")
    for row in results:
        if "stock" in row:
            low, high = row["ratio_range"]
            file = f"{row['file']:>8,.0f}{row['over_file']:>11.2f}{row['over_memory']:>13.2f}" if "file" in row else ""
            print(f"{row['case']:<42}{row['longbow']:>9,.0f}{row['stock']:>9,.0f}{row['ratio']:>8.2f}   {low:.2f} to {high:.2f}  {file}")
    print(f"\n{'median round trip':<42}{'search':>9}{'echo':>9}{'ratio':>8}{'action':>9}{'action/exchange':>17}")
    for row in results:
        if "echo" in row:
            print(
                f"{row['case']:<42}{row['search']:>9.1f}{row['echo']:>9.1f}{row['ratio']:>8.2f}{row['action']:>9.1f}"
                f"{row['action_over_exchange']:>17.2f}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=ROOT / "build", help="where Longbow's data lies, in a directory that is removed afterwards")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "build" / "release" / "bench")
    parser.add_argument("--binary", type=Path, default=ROOT / "bin" / "longbowd")
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 768])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=256, help="a run of DoPut or DoGet")
    parser.add_argument("--seconds", type=float, default=1.0, help="a run of searches")
    parser.add_argument("--only", choices=["throughput", "search"])
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench-flight.json")
    arguments = parser.parse_args()

    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="longbow-bench-", dir=arguments.data_dir) as scratch_name:
        scratch = Path(scratch_name)
        # The same queries come round and round: kept answers would be measured instead of searches.
        server = longbow.Server(scratch / "data", binary=arguments.binary, query_cache_size="0")
        stock = Companion(arguments.build_dir / "stock_server")
        echo = Companion(arguments.build_dir / "echo_server")
        results: list[dict[str, Any]] = []
        try:
            server.start()
            if arguments.only != "search":
                ours = Target("Longbow", server.port, server.token)
                for number, dim in enumerate(arguments.dims):
                    results += throughput(
                        ours, Target("stock", stock.port), dim, arguments.rounds, arguments.megabytes, scratch, season=number == 0
                    )
            if arguments.only != "throughput":
                results += searches(arguments.build_dir, server, echo, arguments.rounds, arguments.seconds, scratch)
        finally:
            server.close()
            stock.stop()
            echo.stop()
        setting = {
            "cores": os.cpu_count(), "machine": platform.machine(), "file_system": file_system_of(scratch),
            "rounds": arguments.rounds, "pyarrow": pa.__version__,
        }  # fmt: skip
    print_table(results)
    print("\n" + ", ".join(f"{name} {value}" for name, value in setting.items()))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"setting": setting, "results": results}, indent=1) + "\n")
    print(f"written to {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
