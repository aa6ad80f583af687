"""`longbow bench`: how fast a server takes and finds vectors, from here."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

import numpy as np
import typer

from longbow.command.output import DataDir, Json, Token, connect, show, working


def bench(
    rows: Annotated[int, typer.Option(min=1000, help="Vectors to put.")] = 100_000,
    dimension: Annotated[int, typer.Option("--dim", min=2, max=4096)] = 128,
    searches: Annotated[int, typer.Option(min=10, help="Searches to make.")] = 1000,
    k: Annotated[int, typer.Option("--k", "-k", min=1)] = 10,
    at: Annotated[str, typer.Option("--at", "-u", envvar="LONGBOW_URI", help="grpc://host:port or a directory, in place of a server of its own.")] = ":memory:",
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measures inserts and searches on a dataset that is dropped afterwards. Without --at on a server of its own."""
    rng = np.random.default_rng(11)
    centers = rng.standard_normal((256, dimension))
    vectors = (centers[rng.integers(0, 256, rows)] + 0.5 * rng.standard_normal((rows, dimension))).astype("f4")
    queries = vectors[rng.integers(0, rows, searches)] + 0.1 * rng.standard_normal((searches, dimension)).astype("f4")
    figures: dict[str, Any] = {"rows": rows, "dimensions": dimension}
    with connect(at, token, data_dir) as client:
        ds = client.dataset(f"bench-{uuid.uuid4().hex[:8]}")
        try:
            with working("putting", as_json) as told:
                start = time.perf_counter()
                result = ds.insert({"id": np.arange(rows), "vector": vectors}, progress=told)
                seconds = time.perf_counter() - start
            figures.update({"durability": result.durability, "rows put a second": round(rows / seconds), "MB put a second": round(vectors.nbytes / seconds / 1e6, 1)})
            with working("indexing", as_json):
                start = time.perf_counter()
                ds.wait_indexed(timeout=3600)
                figures["seconds until indexed"] = round(time.perf_counter() - start, 2)
            times = []
            found = []
            with working("searching", as_json, still=True) as told:
                for number, query in enumerate(queries):
                    if number % 100 == 0:
                        told(number, searches)
                    start = time.perf_counter()
                    found.append(client.search(ds.name, query, k=k, columns=[])["id"].to_numpy())
                    times.append(time.perf_counter() - start)
            figures.update({"search p50 (ms)": round(float(np.percentile(times, 50)) * 1000, 3), "search p99 (ms)": round(float(np.percentile(times, 99)) * 1000, 3), "searches a second": round(1 / float(np.mean(times)))})
            with working("searching in batches", as_json, still=True):
                start = time.perf_counter()
                for first in range(0, searches, 64):
                    client.search(ds.name, queries[first : first + 64], k=k, columns=[])
                figures["searches a second, 64 in a batch"] = round(searches / (time.perf_counter() - start))
            with working("comparing with every row", as_json):
                exact = [client.search(ds.name, query, k=k, columns=[], exact=True)["id"].to_numpy() for query in queries[:100]]
            figures[f"recall@{k}"] = round(float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(exact, found)])), 4)
        finally:
            if client.exists(ds.name):
                ds.drop()
    show(figures, as_json)
