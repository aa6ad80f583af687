"""What the Python package costs: its inserts and searches beside the same calls on bare pyarrow.flight.

Both talk to one server, by turns: insert by insert, batch by batch, ten searches by ten, so that what else the machine does
meets both alike. A round's time is the median of its calls', a ratio the median of the rounds' ratios. Prints a table, and
JSON to build/bench-sdk.json. Beside a figure with a bar stands whether it is met; the exit status does not depend on it.

    python bench/sdk_bench.py [--rows 200000] [--dim 128] [--rounds 7]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.flight as flight

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

import longbow  # noqa: E402
from longbow.columns import vector_array  # noqa: E402

BATCH_ROWS = 16384
K = 10
# To each round of searches: an insert is one measurement, while a round of searches is hundreds.
INSERT_ROUNDS = 3


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Bare:
    """The calls as pyarrow.flight has them."""

    def __init__(self, server: longbow.Server) -> None:
        self.client = flight.connect(server.uri)
        self.options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.token}".encode())])

    def put(self, dataset: str, table: pa.Table) -> None:
        writer, reader = self.client.do_put(flight.FlightDescriptor.for_path(dataset), table.schema, self.options)
        writer.write_table(table, max_chunksize=BATCH_ROWS)
        writer.done_writing()
        reader.read()
        writer.close()

    def open_search(self, dataset: str, dim: int) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        command = json.dumps({"command": "VectorSearch", "dataset": dataset, "k": K, "columns": []})
        self.writer, reader = self.client.do_exchange(flight.FlightDescriptor.for_command(command), self.options)
        self.writer.begin(pa.schema([("query_vector", pa.list_(pa.float32(), dim))]))

        def search(queries: pa.RecordBatch) -> pa.RecordBatch:
            self.writer.write_batch(queries)
            return reader.read_chunk().data

        return search

    def close(self) -> None:
        self.writer.done_writing()
        self.writer.close()
        self.client.close()


def inserts(server: longbow.Server, client: longbow.Client, bare: Bare, vectors: np.ndarray[Any, Any], rounds: int) -> dict[str, Any]:
    rows = len(vectors)
    ids = np.arange(rows)
    table = pa.table({"id": ids, "vector": vector_array(vectors)})
    frame = pd.DataFrame({"id": ids, "vector": list(vectors)})
    ways: dict[str, Callable[[str], object]] = {
        "bare": lambda name: bare.put(name, table),
        "numpy": lambda name: client.insert(name, {"id": ids, "vector": vectors}, index="flat"),
        "pandas": lambda name: client.insert(name, frame, index="flat"),
    }
    flat = table.replace_schema_metadata({"longbow.index": "flat"})
    ways["bare"] = lambda name: bare.put(name, flat)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways.items())
    for turn in range(INSERT_ROUNDS * rounds + 1):
        order.append(order.pop(0))  # each comes after each: the server still clears away what was dropped last
        for name, way in order:
            seconds = timed(lambda: way(f"insert-{name}"))
            client.delete_dataset(f"insert-{name}")
            if turn:
                taken[name].append(seconds)
    out: dict[str, Any] = {"rows": rows, "dim": vectors.shape[1]}
    for name, seconds in taken.items():
        out[f"{name}_mb_per_s"] = round(vectors.nbytes / statistics.median(seconds) / 1e6)
    for name in ("numpy", "pandas"):
        out[f"{name}_over_bare"] = round(statistics.median(b / s for b, s in zip(taken["bare"], taken[name])), 3)
    return out


def searches(client: longbow.Client, bare: Bare, vectors: np.ndarray[Any, Any], rounds: int) -> dict[str, Any]:
    base = vectors[:5000]
    dim = base.shape[1]
    client.insert("search", {"id": np.arange(len(base)), "vector": base})
    client.wait_indexed("search", timeout=60)
    ask = bare.open_search("search", dim)
    singles = base[:300]
    schema = pa.schema([("query_vector", pa.list_(pa.float32(), dim))])

    def bare_batch(queries: np.ndarray[Any, Any]) -> pa.RecordBatch:
        return ask(pa.RecordBatch.from_arrays([vector_array(queries)], schema=schema))

    one: dict[str, list[float]] = {"bare": [], "sdk": [], "bare read": [], "sdk read": []}
    many: dict[str, list[float]] = {"bare": [], "sdk": []}
    repeated: dict[str, list[float]] = {"bare": [], "sdk": []}
    random = np.random.default_rng(2)

    def questions() -> list[np.ndarray[Any, Any]]:
        """Batches that were never asked before: an answer from the server's cache would only show what calls cost."""
        return list(random.standard_normal((20, 64, dim), dtype="f4"))

    ways: dict[str, Callable[[np.ndarray[Any, Any]], object]] = {"bare": bare_batch, "sdk": lambda b: client.search("search", b, k=K, columns=[])}
    one_way: dict[str, Callable[[np.ndarray[Any, Any]], object]] = {
        "bare": lambda q: bare_batch(q.reshape(1, -1)),
        "sdk": ways["sdk"],
        "bare read": lambda q: bare_batch(q.reshape(1, -1)).column(0).to_pylist(),
        "sdk read": lambda q: client.search("search", q, k=K, columns=[])["id"].to_pylist(),
    }
    for turn in range(rounds + 1):
        seconds: dict[str, list[float]] = {name: [] for name in one_way}
        for ten in range(0, len(singles), 10):
            for name, way in one_way.items():
                seconds[name] += [timed(lambda: way(q)) for q in singles[ten : ten + 10]]
        fresh = {name: questions() for name in ways}
        again: dict[str, list[float]] = {name: [] for name in ways}
        together: dict[str, list[float]] = {name: [] for name in ways}
        for i in range(20):
            for name, way in ways.items():
                again[name].append(timed(lambda: way(base[64 * i : 64 * (i + 1)])))
            for name, way in ways.items():
                together[name].append(timed(lambda: way(fresh[name][i])))
        if turn:
            for name in one:
                one[name].append(statistics.median(seconds[name]))
            for name in ways:
                many[name].append(statistics.median(together[name]))
                repeated[name].append(statistics.median(again[name]))
    return {
        "search_bare_us": round(statistics.median(one["bare"]) * 1e6, 1),
        "search_sdk_us": round(statistics.median(one["sdk"]) * 1e6, 1),
        "search_overhead_us": round(statistics.median(s - b for s, b in zip(one["sdk"], one["bare"])) * 1e6, 1),
        "search_and_read_overhead_us": round(statistics.median(s - b for s, b in zip(one["sdk read"], one["bare read"])) * 1e6, 1),
        "batch_of_64_over_bare": round(statistics.median(b / s for b, s in zip(many["bare"], many["sdk"])), 3),
        "cached_batch_of_64_over_bare": round(statistics.median(b / s for b, s in zip(repeated["bare"], repeated["sdk"])), 3),
    }


def import_ms(runs: int = 7) -> float:
    """What importing the package adds to importing pyarrow.flight, in milliseconds."""
    code = "import pyarrow, pyarrow.flight, time; start = time.perf_counter(); import longbow; print(time.perf_counter() - start)"
    seconds = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "python").stdout) for _ in range(runs)]
    return round(statistics.median(seconds) * 1000, 1)


WANTED: dict[str, tuple[str, float]] = {
    "numpy_over_bare": (">=", 0.8),
    "pandas_over_bare": (">=", 0.6),
    "search_overhead_us": ("<=", 60),
    "batch_of_64_over_bare": (">=", 0.9),
    "import_ms": ("<=", 150),
}


def beside_bar(name: str, value: float) -> str:
    if name not in WANTED:
        return ""
    sign, bound = WANTED[name]
    met = value >= bound if sign == ">=" else value <= bound
    return f"   wanted {sign} {bound}: {'met' if met else 'MISSED'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench-sdk.json")
    arguments = parser.parse_args()
    vectors = np.random.default_rng(1).standard_normal((arguments.rows, arguments.dim), dtype="f4")
    with longbow.Server() as server, server.connect() as client:
        bare = Bare(server)
        figures = {**inserts(server, client, bare, vectors, arguments.rounds), **searches(client, bare, vectors, arguments.rounds)}
        bare.close()
    figures["import_ms"] = import_ms()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(figures, indent=2) + "\n")
    for name, value in figures.items():
        print(f"{name:28} {value:>10}{beside_bar(name, value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
