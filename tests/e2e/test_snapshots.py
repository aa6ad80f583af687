"""Snapshots over the wire: what is on disk afterwards, who can read it, and starts from it."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import longbow
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from flight_calls import Calls, batch, fails, matrix_of, query_batch, random_batch
from longbow.server import find_binary

SEED = random.SystemRandom().randrange(2**32)
StartServer = Callable[..., longbow.Server]
OpenCalls = Callable[..., Calls]


def blocks(server: longbow.Server) -> list[Path]:
    return sorted((server.data_dir / "blocks").glob("*.parquet"))


def check_directory(server: longbow.Server, flag: str) -> tuple[int, str]:
    """longbowd --verify or --repair on the server's directory."""
    done = subprocess.run([find_binary(), flag, "--data-path", str(server.data_dir)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def rich_batch(rows: int) -> pa.RecordBatch:
    rng = np.random.default_rng(SEED)
    matrix = rng.standard_normal((rows, 8)).astype("float32")
    sparse = pa.array([None if i % 7 == 0 else [float(i), float(-i)] for i in range(rows)], pa.list_(pa.float32(), 2))
    return batch(
        np.arange(rows),
        matrix,
        text=[f"row {i}" if i % 5 else None for i in range(rows)],
        price=rng.random(rows),
        at=pa.array(range(rows), pa.timestamp("us")),
        tags=pa.array([["a", str(i)] for i in range(rows)]),
        sometimes=sparse,
    )


def test_duckdb_polars_and_pyarrow_open_the_blocks_while_the_server_is_off(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    sent = rich_batch(3000)
    calls.put("d", sent)
    answer = calls.action_json("ForceSnapshot")
    assert answer["status"] == "ok" and answer["blocks_written"] == 1, answer
    server.stop()
    (block,) = blocks(server)

    table = parquet.read_table(block)
    assert table["_ordinal"].to_pylist() == list(range(3000))
    assert set(table["_seq"].to_pylist()) <= set(range(1, 10))
    assert table["id"].to_pylist() == sent["id"].to_pylist()
    assert table.schema.field("vector").type == pa.list_(pa.field("element", pa.float32(), nullable=False), 8)
    assert np.array_equal(matrix_of(table["vector"]), matrix_of(sent["vector"]))
    for name in ("text", "price", "at", "tags", "sometimes"):
        assert table[name].to_pylist() == sent[name].to_pylist(), name

    frame = polars.read_parquet(block)
    assert frame.height == 3000
    assert frame["text"].to_list() == sent["text"].to_pylist()
    assert np.allclose(np.array(frame["vector"].to_list(), dtype="float32"), matrix_of(sent["vector"]))
    assert frame.filter(polars.col("price") < 0.5).height == int(np.sum(sent["price"].to_numpy() < 0.5))

    rows = duckdb.sql(f"select count(*), sum(id), count(text), count(sometimes), min(len(vector)) from read_parquet('{block}')").fetchall()
    assert rows == [(3000, 2999 * 1500, 2400, 3000 - 429, 8)]
    nearest = duckdb.sql(
        f"select id from read_parquet('{block}') order by list_distance(vector, {matrix_of(sent['vector'])[77].tolist()}::float[]) limit 1"
    ).fetchall()
    assert nearest == [(77,)]


def test_the_same_answers_before_and_after_a_restart(start_server: StartServer, open_calls: OpenCalls) -> None:
    print("seed", SEED)
    server = start_server()
    calls = open_calls(server)
    calls.put("d", random_batch(6000, 32, SEED, year=np.arange(6000) % 50))
    calls.action("delete", {"dataset": "d", "ids": list(range(0, 3000, 7))})
    calls.action("wait_indexed", {"dataset": "d"})
    calls.action("ForceSnapshot")
    calls.put("d", random_batch(500, 32, SEED + 1, first_id=6000))
    calls.action("wait_indexed", {"dataset": "d"})
    queries = np.random.default_rng(SEED + 2).standard_normal((50, 32)).astype("float32")

    def answers(on: Calls) -> list[Any]:
        command = {"command": "VectorSearch", "dataset": "d", "k": 10}
        return [part.to_pydict() for part, _ in on.exchange(command, query_batch(queries))]

    rows = sorted(calls.ids("d"))
    before = answers(calls)
    for _ in range(2):
        server.kill()
        server.start()
        calls = open_calls(server)
        calls.action("wait_indexed", {"dataset": "d"})
        assert sorted(calls.ids("d")) == rows
        assert answers(calls) == before


def test_walks_over_the_graph_answer_alike_after_a_restart_and_after_many_rows_came_and_went(
    start_server: StartServer, open_calls: OpenCalls
) -> None:
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    rows, dim = 14000, 64
    centres = 2 * rng.standard_normal((60, dim))

    def draw(count: int) -> Any:
        return (centres[rng.integers(0, len(centres), count)] + rng.standard_normal((count, dim))).astype("float32")

    server = start_server()
    calls = open_calls(server)
    calls.put("d", batch(np.arange(rows), draw(rows), half=np.arange(rows) % 2))
    calls.action("wait_indexed", {"dataset": "d"})
    queries = draw(50)

    def walk(**more: Any) -> tuple[list[list[int]], float]:
        """Hits of each query by few nodes visited, and the mean of hops."""
        answers, hops = [], 0
        for query in queries:
            (found,) = calls.search_action(dataset="d", vector=query.tolist(), k=5, ef=12, **more)
            stats = json.loads(found.schema.metadata[b"longbow.stats"])
            assert "walk" in stats["method"], stats
            answers.append(found["id"].to_pylist())
            hops += stats["hops"]
        return answers, hops / len(queries)

    filtered = {"filter": "half = 0"}
    before, plain_hops = walk()
    passing, filtered_hops = walk(**filtered)
    assert all(row % 2 == 0 for hits in passing for row in hits)
    calls.action("ForceSnapshot")
    server.kill()
    server.start()
    calls = open_calls(server)
    calls.action("wait_indexed", {"dataset": "d"})
    # What looks after a graph that was loaded may mend an edge.
    for was, now in ((before, walk()[0]), (passing, walk(**filtered)[0])):
        same = sum(len(set(a) & set(b)) for a, b in zip(was, now, strict=True))
        assert same >= 0.98 * 5 * len(queries)

    for generation in range(1, 4):
        ids = np.arange(generation * rows, (generation + 1) * rows)
        calls.put("d", batch(ids, pa.nulls(rows, pa.list_(pa.float32(), dim)), half=ids % 2))
        calls.action("delete", {"dataset": "d", "ids": ids.tolist()})
    calls.action("wait_indexed", {"dataset": "d"})
    assert walk()[1] < 1.2 * plain_hops
    assert walk(**filtered)[1] < 1.2 * filtered_hops


def test_snapshots_while_writing_lose_nothing(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server(MAX_WAL_SIZE="4MiB", STORAGE_LOG_SEGMENT_SIZE="1MiB")
    calls = open_calls(server)
    acknowledged: list[int] = []
    stop = threading.Event()

    def write() -> None:
        mine = open_calls(server)
        while not stop.is_set():
            first = len(acknowledged) * 500
            mine.put("d", random_batch(500, 64, first, first_id=first))
            acknowledged.append(first)

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(4):
        time.sleep(0.2)
        assert calls.action_json("ForceSnapshot")["status"] == "ok"
    stop.set()
    writer.join()
    server.kill()
    server.start()
    calls = open_calls(server)
    assert sorted(calls.ids("d")) == list(range(len(acknowledged) * 500))
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=5) as metrics:
        text = metrics.read().decode()
    assert "longbow_snapshot_blocks " in text and "longbow_wal_replay_duration_seconds_count 1" in text


def test_churn_keeps_the_directory_small(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server(MAX_WAL_SIZE="2MiB", STORAGE_LOG_SEGMENT_SIZE="1MiB")
    calls = open_calls(server)
    for generation in range(12):
        calls.put("d", random_batch(2000, 128, generation))
    calls.action("ForceSnapshot")
    live = 2000 * 128 * 4
    used = sum(path.stat().st_size for path in blocks(server))
    assert used < 2 * live, f"{used} bytes of blocks for {live} live bytes"
    assert np.array_equal(np.sort(calls.get({"name": "d"})["id"].to_numpy()), np.arange(2000))


def test_compaction_gives_back_the_room_of_few_dead_rows(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    for name in ("d", "other"):
        calls.put(name, random_batch(2000, 64, 1))
    calls.action("ForceSnapshot")
    before = {path.name for path in blocks(server)}
    for name in ("d", "other"):
        calls.action("delete", {"dataset": name, "ids": list(range(100))})  # a twentieth: not due by itself
    assert calls.action_json("ForceSnapshot", {})["blocks_written"] == 0
    told = calls.action_json("compact", {"dataset": "d"})
    assert told["status"] == "ok" and told["blocks_written"] == 1
    assert len(before & {path.name for path in blocks(server)}) == 1
    assert calls.action_json("compact", {})["blocks_written"] == 1
    assert not before & {path.name for path in blocks(server)}
    assert calls.action_json("compact", {})["blocks_written"] == 0
    with fails("NotFound", "dataset not found: absent"):
        calls.action("compact", {"dataset": "absent"})
    server.kill()
    server.start()
    calls = open_calls(server)
    for name in ("d", "other"):
        assert sorted(calls.ids(name)) == list(range(100, 2000))


def test_verify_says_what_is_wrong_and_repair_puts_it_aside(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("large", random_batch(3000, 16, 1))
    calls.put("small", random_batch(100, 16, 2))
    calls.action("wait_indexed", {})
    calls.action("ForceSnapshot")
    calls.put("small", random_batch(7, 16, 3, first_id=1000))
    code, told = check_directory(server, "--verify")
    assert code == 2 and "longbowd" in told, told
    server.stop()
    code, told = check_directory(server, "--verify")
    assert (code, told.splitlines()[-1]) == (0, "sound"), told

    for graph in (server.data_dir / "derived").glob("*/graph"):
        flip(graph)
    largest = max(blocks(server), key=lambda path: path.stat().st_size)
    flip(largest)
    code, told = check_directory(server, "--verify")
    assert code == 1 and largest.name in told and "3000 rows of dataset large" in told and "derived/" in told, told
    log = start_that_fails(server)
    assert largest.name in log

    code, told = check_directory(server, "--repair")
    assert code == 1 and "3000 rows of dataset large" in told and "put aside" in told, told
    assert (server.data_dir / "quarantine" / f"blocks-{largest.name}").exists()
    code, told = check_directory(server, "--verify")
    assert code == 0, told
    server.start()
    calls = open_calls(server)
    assert len(calls.ids("small")) == 107
    assert calls.ids("large") == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def start_that_fails(server: longbow.Server) -> str:
    process = server.launch()
    try:
        assert process.wait(30) == 1
    finally:
        server.close()
    return server.log()


def test_a_copy_of_the_directory_is_a_restore(start_server: StartServer, open_calls: OpenCalls, tmp_path: Path) -> None:
    """Manifest and blocks alone, without log and derived files, are everything up to the snapshot."""
    server = start_server()
    calls = open_calls(server)
    calls.put("ns/d", random_batch(1000, 16, 5))
    calls.action("delete", {"dataset": "ns/d", "ids": [3]})
    calls.action("ForceSnapshot")
    calls.put("ns/d", random_batch(10, 16, 6, first_id=5000))
    copy = tmp_path / "restored"
    (copy / "blocks").mkdir(parents=True)
    for path in [server.data_dir / "manifest", *blocks(server)]:
        (copy / path.relative_to(server.data_dir)).write_bytes(path.read_bytes())
    by_package = tmp_path / "by-package"
    assert longbow.restore(server.data_dir, by_package).endswith("sound")
    with longbow.connect(by_package) as client:
        assert client.count("ns/d") == 999
    with pytest.raises(longbow.FailedPreconditionError, match="LOCK is held by longbowd"):
        longbow.verify(server.data_dir)
    with pytest.raises(longbow.FailedPreconditionError, match="not empty"):
        longbow.restore(server.data_dir, by_package)
    flip(next((by_package / "blocks").iterdir()))
    with pytest.raises(longbow.CorruptionError, match="blocks/"):
        longbow.verify(by_package)
    restored = start_server(data_dir=copy)
    theirs = open_calls(restored)
    assert sorted(theirs.ids("ns/d")) == [i for i in range(1000) if i != 3]
    theirs.put("ns/d", batch([3, 9999], np.zeros((2, 16))))
    restored.kill()
    restored.start()
    assert sorted(open_calls(restored).ids("ns/d")) == [*range(1000), 9999]
