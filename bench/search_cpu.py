"""What a query costs the server in CPU through the socket, beside what the same query costs the library.

    .venv/bin/python bench/search_cpu.py [--rows 100000] [--dim 128] [--seconds 5]

Server: user and system time of the process, batches of 64 over a kept-open DoExchange. Library: the same data directory
opened without a network, the same batches on one thread. Goal: at most 1.4 times the library's. Then single queries from
one client and from several, each a process with Arrow's own Flight client. Goal: a query of several costs at most 0.7 of
one's.

Then latencies at half of the peak, from one lean process with several connections. Peak: what they get when each asks
again as soon as it is answered. At half of that, questions are evenly spaced, as constant-rate load tools send them, or
come at random moments (Poisson); a question's time counts from when it was due. Rounds of all three in turn, medians.
Goal: p99 at most 4 times p50. In the same turns an echo on the same Flight code that uses as much processor a question is
asked at the same moments: what it shows, too, is not the search's. Other programs on the machine make tails, and so does a
host that gives a virtual machine's processors to others: what they took is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
from longbow.command.top import read_metrics

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release" / "bench"
BATCH = 64
K = 10
SINGLE = json.dumps({"command": "VectorSearch", "dataset": "d", "k": K, "columns": []})


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_us(server: longbow.Server, queries: np.ndarray, columns: list[str] | None, seconds: float) -> float:
    client = flight.connect(f"grpc://127.0.0.1:{server.port}")
    options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.token}".encode())])
    command = {"command": "VectorSearch", "dataset": "d", "k": K, **({} if columns is None else {"columns": columns})}
    batches = []
    for at in range(0, len(queries) - BATCH + 1, BATCH):
        values = pa.array(queries[at : at + BATCH].reshape(-1))
        batches.append(pa.RecordBatch.from_pydict({"query_vector": pa.FixedSizeListArray.from_arrays(values, queries.shape[1])}))
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(json.dumps(command)), options)
    writer.begin(batches[0].schema)

    def ask(n: int) -> None:
        writer.write_batch(batches[n % len(batches)])
        assert reader.read_chunk().data.num_rows == BATCH * K

    for n in range(50):
        ask(n)
    asked, began, start = 0, cpu_seconds(server.pid), time.monotonic()
    while time.monotonic() - start < seconds:
        ask(asked)
        asked += 1
    spent = cpu_seconds(server.pid) - began
    writer.done_writing()
    writer.close()
    return spent * 1e6 / (asked * BATCH)


def single_queries(server: longbow.Server, query_file: Path, dim: int, clients: int, seconds: float) -> tuple[float, float, float, float]:
    """Server CPU us a query, queries a second, and the mean of the clients' p50 and p99 in us."""
    command = [BUILD / "search_client", server.port, server.token, "exchange", SINGLE, query_file, dim, seconds]

    def searches() -> float:
        return read_metrics(f"127.0.0.1:{server.http_port}")["longbow_do_exchange_search_total"]

    before, began = searches(), cpu_seconds(server.pid)
    running = [subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True) for _ in range(clients)]
    found = [json.loads(process.communicate()[0]) for process in running]
    spent = (cpu_seconds(server.pid) - began) * 1e6 / (searches() - before)
    mean = [statistics.mean(one[name] for one in found) for name in ("p50_us", "p99_us")]
    return spent, sum(one["n"] for one in found) / seconds, *mean


def processor_seconds() -> tuple[float, float]:
    """Used by all programs, and taken by the host of a virtual machine while they wanted to run."""
    user, nice, system, _, _, irq, softirq, stolen, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, stolen / tick


class Echo:
    """The echo server; `work` microseconds of processor an answer."""

    def __init__(self, work: float) -> None:
        self.process = subprocess.Popen([BUILD / "echo_server", str(work)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port, self.token, self.pid = int(self.process.stdout.readline()), "none", self.process.pid

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def load(server: longbow.Server | Echo, query_file: Path, dim: int, connections: int, seconds: float, *arrivals: object) -> dict[str, float]:
    """What search_load prints, the CPUs that neither it nor the server used (`others`), and those that the host took (`stolen`)."""
    command = [BUILD / "search_load", server.port, server.token, SINGLE, query_file, dim, seconds, connections, *arrivals]
    start, (busy, stolen), server_used = time.monotonic(), processor_seconds(), cpu_seconds(server.pid)
    found = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    server_used = cpu_seconds(server.pid) - server_used
    ours = server_used + found["cpu_us"] * 1e-6 * found["n"]
    busy_now, stolen_now = processor_seconds()
    found["server_us"] = server_used * 1e6 / found["n"]
    found["others"] = max(0.0, busy_now - busy - ours) / (time.monotonic() - start)
    found["stolen"] = (stolen_now - stolen) / (time.monotonic() - start)
    return found


def latencies(server: longbow.Server, query_file: Path, dim: int, connections: int, rounds: int) -> None:
    peak = load(server, query_file, dim, connections, 1)["rate"]
    idle = Echo(0)
    search, echo = (load(one, query_file, dim, connections, 2, peak / 2, "random")["server_us"] for one in (server, idle))
    idle.stop()
    busy = Echo(max(0.0, search - echo))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("peak", "even", "random", "echo even", "echo random")}
    for _ in range(rounds):
        found["peak"].append(load(server, query_file, dim, connections, 1))
        half = found["peak"][-1]["rate"] / 2
        for arrivals in ("even", "random"):
            found[arrivals].append(load(server, query_file, dim, connections, 1, half, arrivals))
            found["echo " + arrivals].append(load(busy, query_file, dim, connections, 1, half, arrivals))
    busy.stop()
    print(f"server CPU us a question at half of the peak, at random moments: {search:.1f}; the echo's alone {echo:.1f}")
    print(f"{connections} connections of one process, medians of {rounds} rounds: queries a second, p50, p90, p99 us, p99 over p50")
    for name, title in (("peak", "peak"), ("even", "half of it, even"), ("random", "half of it, random"),
                        ("echo even", "busy echo, even"), ("echo random", "busy echo, random")):  # fmt: skip
        rate, p50, p90, p99, others = (statistics.median(one[key] for one in found[name]) for key in ("rate", "p50_us", "p90_us", "p99_us", "others"))
        ratio = statistics.median(one["p99_us"] / one["p50_us"] for one in found[name])
        stolen = statistics.mean(one["stolen"] for one in found[name])
        print(f"  {title:21} {rate:8.0f} {p50:8.0f} {p90:8.0f} {p99:8.0f} {ratio:6.1f}x   others used {others:.2f} CPUs, the host took {stolen:.3f}")
        calm = [one for one in found[name] if one.get("calm_n")]
        if calm:
            still = statistics.mean(one["stood_still"] for one in calm)
            kept = sum(one["calm_n"] for one in calm) / sum(one["n"] for one in calm)
            p50, p99 = (statistics.median(one[key] for one in calm) for key in ("calm_p50_us", "calm_p99_us"))
            ratio = statistics.median(one["calm_p99_us"] / one["calm_p50_us"] for one in calm)
            print(f"  {'':21} {'':8} {p50:8.0f} {'':8} {p99:8.0f} {ratio:6.1f}x   of the {kept:.0%} due while no core stood still; each did {still:.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    random = np.random.default_rng(1)
    centres = random.standard_normal((200, args.dim))  # clustered, as real vectors are
    rows = (centres[random.integers(200, size=args.rows)] + 0.5 * random.standard_normal((args.rows, args.dim))).astype("f4")
    queries = (centres[random.integers(200, size=1024)] + 0.5 * random.standard_normal((1024, args.dim))).astype("f4")
    with tempfile.TemporaryDirectory() as scratch:
        query_file = Path(scratch) / "queries"
        queries.tofile(query_file)
        server = longbow.Server(Path(scratch) / "data", query_cache_size="0")  # each question is a new one
        server.start()
        with server.connect() as client:
            for at in range(0, args.rows, 10_000):
                part = rows[at : at + 10_000]
                client.put("d", {"id": np.arange(at, at + len(part)), "vector": part})
            client.wait_indexed("d")
        time.sleep(1)
        through_socket = server_us(server, queries, [], args.seconds)
        one = single_queries(server, query_file, args.dim, 1, args.seconds)
        several = single_queries(server, query_file, args.dim, args.clients, args.seconds)
        latencies(server, query_file, args.dim, args.clients, args.rounds)
        server.stop()
        command = [BUILD / "library_search", server.data_dir, "d", query_file, args.dim, K, BATCH, args.seconds]
        library = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
    print(f"{args.rows} x {args.dim}, k {K}, batches of {BATCH}: CPU us a query")
    print(f"  index alone           {library['index_us']:8.2f}")
    print(f"  query engine          {library['engine_us']:8.2f}  {library['engine_us'] / library['index_us']:.2f}x")
    print(f"  server through socket {through_socket:8.2f}  {through_socket / library['index_us']:.2f}x of the index, "
          f"{through_socket / library['engine_us']:.2f}x of the engine")  # fmt: skip
    print("single queries: CPU us a query, queries a second, p50 and p99 us")
    for name, (cpu, rate, p50, p99) in (("one client", one), (f"{args.clients} clients", several)):
        print(f"  {name:21} {cpu:8.1f} {rate:8.0f} {p50:8.0f} {p99:8.0f}")
    print(f"  CPU of {args.clients} over one: {several[0] / one[0]:.2f}x")


if __name__ == "__main__":
    main()
