#!/usr/bin/env python3
"""Small batches from many writers, into datasets of each level of durability, in interleaved rounds.

usage: bench/durability_bench.py [--writers 64] [--rows 10] [--rounds 3] [--seconds 4] [--data-dir DIR]

Each writer keeps one DoPut stream open and has one batch under way: it sends the next one when the last is acknowledged.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import longbow  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.flight as flight  # noqa: E402

LEVELS = ("fsync", "async", "memory")
DIMENSIONS = 128
PROCESSES = 4


def batch_of(rows: int, level: str) -> pa.RecordBatch:
    matrix = np.random.default_rng(1).standard_normal((rows, DIMENSIONS), dtype=np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), DIMENSIONS)
    batch = pa.RecordBatch.from_pydict({"id": pa.array(range(rows)), "vector": vectors})
    return batch.replace_schema_metadata({"longbow.durability": level})


def write(client: Any, options: Any, batch: pa.RecordBatch, dataset: str, seconds: float, counts: list[int]) -> None:
    writer, reader = client.do_put(flight.FlightDescriptor.for_path(dataset), batch.schema, options)
    opening: dict[str, Any] = {"protocol": 1}
    until = time.monotonic() + seconds
    seq = 0
    while time.monotonic() < until:
        seq += 1
        writer.write_with_metadata(batch, json.dumps({**opening, "seq": seq, "rows": batch.num_rows}).encode())
        opening = {}
        while json.loads(reader.read().to_pybytes())["acked_through"] < seq:
            pass
    writer.write_metadata(json.dumps({**opening, "fin": True, "seq": seq, "rows": seq * batch.num_rows}).encode())
    writer.done_writing()
    while reader.read() is not None:
        pass
    writer.close()
    counts.append(seq)


def run_process(port: int, token: str, level: str, name: str, writers: int, rows: int, seconds: float, result: Any) -> None:
    client = flight.connect(f"grpc://127.0.0.1:{port}")
    options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
    counts: list[int] = []
    arguments = (client, options, batch_of(rows, level), name, seconds, counts)
    threads = [threading.Thread(target=write, args=arguments) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.put(sum(counts))


def round_of(server: longbow.Server, level: str, name: str, options: argparse.Namespace) -> float:
    result: Any = multiprocessing.Queue()
    share = max(1, options.writers // PROCESSES)
    arguments = (server.port, server.token, level, name, share, options.rows, options.seconds, result)
    processes = [multiprocessing.Process(target=run_process, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    batches = sum(result.get() for _ in processes)
    for process in processes:
        process.join()
    return float(batches / options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--data-dir", default=tempfile.gettempdir())
    options = parser.parse_args()
    rates: dict[str, list[float]] = {level: [] for level in LEVELS}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.data_dir) as directory:
            with longbow.Server(Path(directory) / "data") as server:
                for level in LEVELS:
                    rates[level].append(round_of(server, level, f"{level}-{number}", options))
    base = statistics.median(rates["memory"])
    for level in LEVELS:
        median = statistics.median(rates[level])
        print(f"{level:8} {median:10.0f} batches/s of {options.rows} rows, {options.writers} writers: {median / base:.2f} x memory "
              f"(rounds: {', '.join(f'{rate:.0f}' for rate in rates[level])})")  # fmt: skip


if __name__ == "__main__":
    main()
