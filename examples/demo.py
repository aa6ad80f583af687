"""`make demo`: 4,700 real vectors in, 300 searches out, a kill -9, and everything still there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import longbow

DATA = Path(__file__).resolve().parent / "data" / "sift-5k"
K = 10
BATCH = 50


def say(text: str = "") -> None:
    print(text, flush=True)


def line(what: str, found: str) -> None:
    say(f"   {what:<26} {found}")


def load(name: str) -> np.ndarray[Any, Any]:
    return np.load(DATA / f"{name}.npy")


def recall(ids: np.ndarray[Any, Any], base: np.ndarray[Any, Any], queries: np.ndarray[Any, Any]) -> float:
    """Share of the K exact nearest that were found. A row as near as the exact K-th counts: equal distances tie."""
    gaps = base[ids].astype(np.float64) - queries[:, None, :].astype(np.float64)
    squared = (gaps**2).sum(axis=2)
    kth = load("gt_dist")[:, K - 1 : K].astype(np.float64)
    return float((squared <= kth * (1 + 1e-6)).mean())


def ask_one_by_one(client: longbow.Client, queries: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The ids found for each query, and how long each took in milliseconds."""
    ids = np.empty((len(queries), K), np.int64)
    took = np.empty(len(queries))
    for i, query in enumerate(queries):
        start = time.perf_counter()
        hits = client.search("sift", query, k=K, columns=[])
        took[i] = (time.perf_counter() - start) * 1000
        ids[i] = hits["id"].to_numpy()
    return ids, took


def per_second(count: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def ask_in_batches(client: longbow.Client, queries: np.ndarray[Any, Any]) -> None:
    for first in range(0, len(queries), BATCH):
        client.search("sift", queries[first : first + BATCH], k=K, columns=[])


def rows_by_id(client: longbow.Client) -> pa.Table:
    return client.get("sift").sort_by("id")


def main() -> int:
    base, queries = load("base"), load("queries")
    server = longbow.Server()
    try:
        server.start()
        say(f"\n1. A server on {server.uri}, data in {server.data_dir}\n")

        with server.connect() as client:
            start = time.perf_counter()
            put = client.put("sift", {"id": np.arange(len(base)), "vector": base})
            took = time.perf_counter() - start
            say(f"2. Put {put.rows:,} SIFT vectors of {base.shape[1]} dimensions, acknowledged when on disk ({put.durability})")
            line("time", f"{took * 1000:.1f} ms")

            ask_one_by_one(client, queries[:20])  # warm up
            ids, times = ask_one_by_one(client, queries)
            found = recall(ids, base, queries)
            say(f"\n3. Ask {len(queries)} queries for their {K} nearest")
            line(f"recall@{K} against exact", f"{found:.4f}")
            line("one at a time", f"p50 {np.percentile(times, 50):.2f} ms, p99 {np.percentile(times, 99):.2f} ms, "
                                  f"{1000 / times.mean():,.0f} queries/s")
            batched = per_second(len(queries), lambda: ask_in_batches(client, queries))
            line(f"{BATCH} in a batch", f"{batched:,.0f} queries/s")
            stored = rows_by_id(client)

        say(f"\n4. kill -9 {server.pid}, and start again")
        server.kill()
        start = time.perf_counter()
        server.start()
        line("ready after", f"{(time.perf_counter() - start) * 1000:.0f} ms")
        with server.connect() as client:
            rows_same = rows_by_id(client).equals(stored)
            again, _ = ask_one_by_one(client, queries)
            answers_same = int((again == ids).all(axis=1).sum())
            line("rows as before", f"{stored.num_rows if rows_same else 'NO'} of {len(base)}")
            line("answers as before", f"{answers_same} of {len(queries)}")
    finally:
        server.close()

    passed = rows_same and stored.num_rows == len(base) and answers_same == len(queries) and found >= 0.95
    if not passed:
        say("\nSomething is wrong: see the figures above.")
        return 1
    say(
        """
What to type next
   bin/longbowd --help                       the settings
   LONGBOW_DATA_PATH=./data bin/longbowd     a server of your own on port 3000
   .venv/bin/python                          then, in Python:
      import longbow, numpy as np
      client = longbow.connect(data_dir="./data")
      client.put("first", {"id": np.arange(3), "vector": np.eye(3, 8, dtype="f4"), "name": ["a", "b", "c"]})
      print(client.search("first", np.eye(8, dtype="f4")[1], k=2).to_pylist())
"""
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
