"""Start, stop, kill, restart: what the server promises about its own life."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from flight_calls import Calls, batch, fails, matrix_of, query_batch, random_batch, vectors

SEED = random.SystemRandom().randrange(2**32)
StartServer = Callable[..., longbow.Server]
OpenCalls = Callable[..., Calls]


def http(server: longbow.Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def start_that_fails(tmp_path: Path, *arguments: str, **settings: str) -> str:
    """Starts a server that must refuse to run, and returns what it printed."""
    one = longbow.Server(settings.pop("data_dir", tmp_path / "refused"), arguments=list(arguments), **settings)
    process = one.launch()
    try:
        code = process.wait(15)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the server runs, but should have refused:\n{one.log()}") from None
    finally:
        one.close()
    assert code not in (0, -signal.SIGABRT, -signal.SIGSEGV), one.log()
    return one.log()


# Start


def test_the_banner_says_what_an_operator_needs(server: longbow.Server) -> None:
    banner = server.log()
    version = (Path(__file__).resolve().parents[2] / "VERSION").read_text().strip()
    for text in (version, str(server.data_dir), str(server.port), str(server.meta_port), str(server.http_port), "fsync", "token", "memory limit"):
        assert text in banner, f"{text!r} is missing in:\n{banner}"
    assert re.search(r"simd +(scalar|neon|avx2|avx512)\n", banner), banner
    assert re.search(r"memory limit +[0-9.]+ [GM]iB \([0-9]+ bytes\)\n", banner), banner
    assert server.token not in banner, "the token itself is a secret"


def test_the_token_is_private_and_stays(start_server: StartServer) -> None:
    server = start_server()
    token = server.token
    assert len(token) >= 32
    assert (server.data_dir / "token").stat().st_mode & 0o077 == 0
    server.stop()
    server.start()
    assert server.token == token


def test_only_one_address_listens(server: longbow.Server) -> None:
    """127.0.0.2 is this machine, too: a server that listened on every address would answer there."""
    for port in (server.port, server.meta_port, server.http_port):
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):
            pass


@pytest.mark.parametrize("settings", [{"LISTEN_ADDR": "0.0.0.0:0"}, {"META_ADDR": "0.0.0.0:0"}, {"LISTEN_ADDR": "[::]:0"}, {"LISTEN_ADDR": "0.0.0.0:0", "AUTH": "none"}], ids=str)
def test_listening_wider_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    log = start_that_fails(tmp_path, **settings)
    assert "insecure" in log, log


@pytest.mark.parametrize("settings", [{}, {"AUTH": "none"}], ids=str)
def test_listening_wider_works_when_asked_for(start_server: StartServer, open_calls: OpenCalls, settings: dict[str, str]) -> None:
    server = start_server(LISTEN_ADDR="0.0.0.0:0", INSECURE="true", **settings)
    calls = open_calls(server)
    calls.put("wide", random_batch(1, 2, seed=1))
    assert calls.get("wide").num_rows == 1


def test_without_authentication_no_token_is_needed(start_server: StartServer) -> None:
    server = start_server(auth="none")
    assert flight.connect(server.uri).authenticate_basic_token("anybody", "anything") is not None
    for token in (None, "anything"):
        calls = Calls(server.port, token)
        calls.put("open", random_batch(1, 2, seed=1))
        assert calls.get("open").num_rows == 1
        calls.close()


def test_a_second_server_on_the_same_data_is_refused(start_server: StartServer, tmp_path: Path) -> None:
    first = start_server()
    log = start_that_fails(tmp_path, data_dir=first.data_dir)
    assert str(first.pid) in log, f"names the holder:\n{log}"
    with first.connect() as client:
        client.put("still", {"id": [1], "vector": np.ones((1, 2), "f4")})


def test_a_busy_port_is_named(start_server: StartServer, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name in ("LISTEN_ADDR", "META_ADDR"):
            log = start_that_fails(tmp_path, **{name: f"127.0.0.1:{port}"})
            assert f"port {port} is in use by another process" in log and "choose another port" in log, log
            assert "grpc" not in log.lower(), f"one sentence of our own says it:\n{log}"


def test_an_unknown_setting_in_the_file_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "longbow.toml"
    file.write_text('max_memmory = "1GiB"\n')
    log = start_that_fails(tmp_path, "--config", str(file))
    assert "max_memmory" in log and "max_memory" in log


def test_an_unknown_flag_is_refused(tmp_path: Path) -> None:
    assert "--data-paht" in start_that_fails(tmp_path, "--data-paht", "x")


@pytest.mark.parametrize("name, value", [("MAX_MEMORY", "lots"), ("GRPC_KEEPALIVE_TIME", "2 fortnights"), ("LISTEN_ADDR", "nowhere"), ("AUTH", "maybe")])
def test_a_value_that_does_not_parse_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    log = start_that_fails(tmp_path, **{name: value})
    assert f"LONGBOW_{name}" in log and value in log


def test_settings_of_old_and_unknown_variables_are_taken(start_server: StartServer) -> None:
    start_server(
        GRPC_KEEPALIVE_TIME="2h45m", MAX_MEMORY="1.073741824e+09", GOGC="100", HNSW_M="32", S3_ENABLED="false",
        NO_SUCH_THING="5", GOSSIP_INTERVAL="200ms", GRPC_MAX_RECV_MSG_SIZE="6.7108864e+07",
    )  # fmt: skip


def test_a_file_and_flags_set_what_they_say(start_server: StartServer, tmp_path: Path, open_calls: OpenCalls) -> None:
    file = tmp_path / "longbow.toml"
    file.write_text("max_dimension = 16\nmax_k = 50\n")
    calls = open_calls(start_server(arguments=["--config", str(file), "--max-k", "60"]))
    with fails("InvalidArgument", "16"):
        calls.put("wide", random_batch(1, 17, seed=1))
    calls.put("narrow", random_batch(1, 16, seed=1))
    calls.search_action(dataset="narrow", vector=[0] * 16, k=60)
    with fails("InvalidArgument", "60"):
        calls.search_action(dataset="narrow", vector=[0] * 16, k=61)


def test_help_and_version_are_printed() -> None:
    binary = longbow.server.find_binary()
    shown = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=10)
    assert shown.returncode == 0 and "--data-path" in shown.stdout and "LONGBOW_" in shown.stdout
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10)
    assert version.returncode == 0 and (Path(__file__).resolve().parents[2] / "VERSION").read_text().strip() in version.stdout


def test_settings_come_from_the_file_env_where_the_environment_has_none(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# of a deployment\nLONGBOW_MAX_K='lots'\nTTL=1h\n")
    command = [longbow.server.find_binary(), "--data-path", str(tmp_path / "data")]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LONGBOW_")}
    refused = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=10)
    assert refused.returncode != 0 and "LONGBOW_MAX_K" in refused.stderr and "lots" in refused.stderr
    stronger = subprocess.run([*command, "--max-dimension", "none"], cwd=tmp_path, env=clean | {"LONGBOW_MAX_K": "50"}, capture_output=True, text=True, timeout=10)
    assert stronger.returncode != 0 and "LONGBOW_MAX_K" not in stronger.stderr and "--max-dimension" in stronger.stderr


def test_calls_that_come_too_fast_wait_for_their_turn(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server(RATE_LIMIT_RPS="10", RATE_LIMIT_BURST="2")
    calls = open_calls(server)
    start = time.monotonic()
    for _ in range(7):
        calls.dataset_names()
    assert time.monotonic() - start > 0.35, "two at once, five more at ten a second"
    hurried = flight.FlightCallOptions(timeout=0.02, headers=[(b"authorization", f"Bearer {server.token}".encode())])
    outcomes = []
    for _ in range(5):
        try:
            list(calls.client.list_flights(b"", hurried))
        except pa.ArrowException as refused:
            outcomes.append(str(refused))
    assert outcomes, "turns came faster than they may"
    status, text = http(server, "/metrics")
    assert 'longbow_rate_limit_requests_total{result="throttled"}' in text


# HTTP


def test_health_ready_and_metrics(server: longbow.Server, calls: Calls, dataset: str) -> None:
    calls.put(dataset, random_batch(10, 4, seed=1))
    calls.search_action(dataset=dataset, vector=[0] * 4, k=1)
    calls.get(dataset)
    assert http(server, "/health")[0] == 200
    assert http(server, "/ready")[0] == 200
    status, text = http(server, "/metrics")
    assert status == 200
    for name in (
        "longbow_flight_ops_total", "longbow_flight_rows_processed_total", "longbow_vector_search_action_total",
        "longbow_wal_writes_total", "longbow_wal_bytes_written_total", "longbow_wal_fsync_duration_seconds",
        "longbow_do_exchange_calls_total", "longbow_namespaces_total", "longbow_ingestion_queue_depth",
        "longbow_index_queue_depth", "longbow_ingestion_lag_count", "longbow_do_put_payload_size_bytes",
        "longbow_do_get_zero_copy_total", "longbow_wal_replay_duration_seconds", "longbow_hnsw_node_count",
        f'longbow_vector_search_latency_seconds_count{{dataset="{dataset}"}}', "go_goroutines",
        *(
            f'longbow_index_{gauge}{{dataset="{dataset}",column="vector"}}'
            for gauge in ("backlog_rows", "dead_share", "unreachable_nodes", "walks_missed", "in_edges_0", "bytes")
        ),
    ):  # fmt: skip
        assert f"\n{name}" in "\n" + text, f"{name} is missing"
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None, line
    samples = [line.rsplit(" ", 1)[0] for line in text.splitlines()]
    assert len(samples) == len(set(samples)), "a sample, or a HELP or TYPE line, stands there twice"


@pytest.mark.parametrize("path", ["/nope", "/../../etc/passwd", "/metrics/x", "/%2e%2e/token"])
def test_other_paths_are_not_found(server: longbow.Server, path: str) -> None:
    assert http(server, path)[0] == 404


def test_http_survives_what_is_no_http(server: longbow.Server) -> None:
    for noise in (b"\x00\xff" * 100, b"GET " + b"/" * 100_000, b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b""):
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=5) as connection:
            try:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(5)
                while connection.recv(4096):
                    pass
            except OSError:
                pass
    assert http(server, "/health")[0] == 200


# Stop


def test_sigterm_ends_an_idle_server_at_once(start_server: StartServer) -> None:
    server = start_server()
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 5


def test_sigterm_ends_within_10_seconds_with_stalled_streams(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("big", *[random_batch(10_000, 256, seed=i, first_id=10_000 * i) for i in range(4)])
    stalled_get = calls.open_get("big")
    stalled_get.read_chunk()
    half_put, _ = calls.open_put("big", random_batch(1, 256, seed=0).schema)
    half_put.write_batch(random_batch(10, 256, seed=9, first_id=500_000))
    idle, _ = calls.client.do_exchange(flight.FlightDescriptor.for_command("VectorSearch"), calls.options)
    idle.begin(query_batch([[1.0] * 256]).schema)
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    server.start()
    again = open_calls(server)
    assert again.get({"name": "big", "columns": ["id"]}).num_rows in (40_000, 40_010)


def test_a_stream_kept_open_between_searches_does_not_hold_up_the_end(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("few", random_batch(10, 4, seed=1))
    idle, answers = calls.client.do_exchange(flight.FlightDescriptor.for_command(b'{"command": "VectorSearch", "dataset": "few"}'), calls.options)
    queries = query_batch([[1.0] * 4])
    idle.begin(queries.schema)
    idle.write_batch(queries)
    assert answers.read_chunk().data.num_rows > 0
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 4  # the drain time is 8
    with pytest.raises(flight.FlightUnavailableError, match="the server is stopping"):
        answers.read_chunk()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_and_starting_changes_nothing(start_server: StartServer, open_calls: OpenCalls, number: signal.Signals) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("kept", random_batch(500, 16, seed=1))
    before = calls.get("kept")
    os.kill(server.pid, number)
    assert server.stop() == 0
    server.start()
    assert open_calls(server).get("kept").equals(before)


# Restart


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_everything_is_there_after_a_restart(start_server: StartServer, open_calls: OpenCalls, how: str) -> None:
    server = start_server()
    calls = open_calls(server)
    rows = random_batch(2000, 24, seed=1, n=[i % 7 for i in range(2000)])
    calls.put("all", rows.replace_schema_metadata({"longbow.metric": "cosine", "mine": "kept"}))
    calls.put("all", random_batch(100, 24, seed=2, first_id=50, added=["new"] * 100))  # replaces and evolves
    for id in (3, 77, 1999):
        calls.action("delete", {"dataset": "all", "id": id})
    calls.put("strings", batch([f"key {i}" for i in range(50)], np.random.default_rng(1).random((50, 4))))
    calls.put("keyless", pa.RecordBatch.from_pydict({"vector": vectors(np.eye(4))}))
    calls.put("dropped", random_batch(10, 4, seed=1))
    calls.action("delete-dataset", {"dataset": "dropped"})
    calls.action("CreateNamespace", {"name": "empty"})
    calls.put("team/inner", random_batch(10, 4, seed=1))
    queries = matrix_of(rows["vector"])[:50]

    def everything(c: Calls) -> dict[str, object]:
        search = {"command": "VectorSearch", "dataset": "all", "k": 20}
        filtered = {**search, "filters": [{"field": "n", "op": "=", "value": 3}]}
        return {
            "datasets": sorted(c.dataset_names()),
            "namespaces": c.action_json("ListNamespaces", {})["namespaces"],
            **{name: c.get(name) for name in c.dataset_names()},
            "schema": c.info("all").schema.to_string(show_schema_metadata=True),
            "answers": c.exchange(search, query_batch(queries))[0][0],
            "filtered": c.exchange(filtered, query_batch(queries))[0][0],
            "keyless ids": c.search_action(dataset="keyless", vector=[1, 0, 0, 0], k=4)[0]["id"].to_pylist(),
        }

    before = everything(calls)
    assert before["all"].num_rows == 1997
    for _ in range(2):
        getattr(server, how)()
        server.start()
        calls = open_calls(server)
        after = everything(calls)
        assert after.keys() == before.keys()
        for name in before:
            same = after[name].equals(before[name]) if hasattr(before[name], "equals") else after[name] == before[name]
            assert same, f"{name} changed:\n{before[name]}\n{after[name]}"
    calls.put("all", random_batch(1, 24, seed=5, first_id=7000))
    assert calls.get("all").num_rows == 1998


def test_kill_9_loses_nothing_that_was_acknowledged(start_server: StartServer) -> None:
    """Writers keep a ledger of what was acknowledged; the server is killed again and again under them."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    server = start_server()
    acknowledged: dict[int, int] = {}  # batch number -> rows
    attempted: dict[int, int] = {}
    deleted: set[int] = set()
    lock = threading.Lock()
    numbers = iter(range(10**9))

    def write(client: longbow.Client, stop: threading.Event) -> None:
        while not stop.is_set():
            with lock:
                number = next(numbers)
                rows = attempted[number] = rng.randrange(1, 40)
            ids = np.arange(number * 100, number * 100 + rows)
            try:
                client.put("ledger", {"id": ids, "vector": np.full((rows, 8), number, "f4"), "batch": np.full(rows, number)})
            except longbow.LongbowError:
                return
            with lock:
                acknowledged[number] = rows
            if number % 5 == 0:
                try:
                    client.delete("ledger", int(ids[0]))
                except longbow.LongbowError:
                    with lock:  # it may or may not have happened
                        del acknowledged[number]
                    return
                with lock:
                    deleted.add(int(ids[0]))

    for round in range(6):
        stop = threading.Event()
        clients = [server.connect() for _ in range(3)]
        writers = [threading.Thread(target=write, args=(c, stop)) for c in clients]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.05, 0.5))
        server.kill()
        stop.set()
        for writer in writers:
            writer.join(30)
            assert not writer.is_alive()
        for client in clients:
            client.close()
        server.start()
        with server.connect() as client:
            if not acknowledged and "ledger" not in client.datasets():
                continue
            table = client.get("ledger")
            found: dict[int, int] = {}
            ids, batches, matrix = table["id"].to_pylist(), table["batch"].to_pylist(), matrix_of(table["vector"])
            assert len(set(ids)) == len(ids), f"round {round}: a row is there twice"
            for id, number in zip(ids, batches):
                assert id // 100 == number and id not in deleted, f"round {round}: phantom row {id} of batch {number}"
                found[number] = found.get(number, 0) + 1
            assert (matrix == np.array(batches, "f4")[:, None]).all(), f"round {round}: a vector changed"
            gone = {id // 100 for id in deleted}
            for number, rows in acknowledged.items():
                assert found.get(number, 0) == rows - (number in gone), f"round {round}: acknowledged batch {number} is not whole"
            for number in found.keys() - acknowledged.keys():
                assert found[number] >= attempted[number] - 1, f"round {round}: batch {number} is half there"
    assert len(acknowledged) > 5


# Many streams


def status_of(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise KeyError(key)


def threads_named(pid: int, name: str) -> list[str]:
    return [task.name for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().strip() == name]


def wait_for_ready(server: longbow.Server, status: int, seconds: float) -> str:
    until = time.monotonic() + seconds
    while True:
        got, text = http(server, "/ready")
        if got == status:
            return text
        assert time.monotonic() < until, f"/ready still answers {got}: {text}"
        time.sleep(0.1)


@pytest.mark.skipif(shutil.which("strace") is None, reason="holding up a server's thread needs strace")
def test_a_thread_that_hangs_is_told_with_all_stacks(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    held = [option for thread in threads_named(server.pid, "applier") for option in ("-p", thread)]
    # A worker without work waits in futex; what it calls besides belongs to a task, if only for memory for these rows.
    strace = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=!futex:delay_enter=100s", *held], stderr=subprocess.PIPE, text=True)
    writing = threading.Thread(target=lambda: calls.put("d", random_batch(20_000, 64, seed=2)))
    try:
        time.sleep(0.5)  # strace says nothing when it has attached
        if strace.poll() is not None:
            pytest.skip(f"strace may not attach here: {strace.stderr.read()}")
        writing.start()
        assert "applier" in wait_for_ready(server, 503, 15 + 15)
        assert http(server, "/health")[0] == 200
    finally:
        strace.terminate()
        strace.wait()
    wait_for_ready(server, 200, 30)
    writing.join(60)
    assert calls.get("d").num_rows == 20_000, "it goes on where it was held up"
    log = server.log()
    assert "a thread is stuck" in log
    for name in ("applier", "searcher", "builder"):
        assert name in log, f"the stack of {name} is missing"


def bytes_written(server: longbow.Server) -> int:
    (line,) = [line for line in http(server, "/metrics")[1].splitlines() if line.startswith("longbow_flight_bytes_written_total ")]
    return int(float(line.split()[1]))


def test_200_idle_streams_cost_little(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("idle", random_batch(100, 8, seed=1))
    query = query_batch(np.ones((1, 8)), dataset=["idle"])
    calls.exchange("VectorSearch", query)
    threads, resident = status_of(server.pid, "Threads"), status_of(server.pid, "VmRSS")
    streams = []
    for _ in range(200):
        writer, reader = calls.client.do_exchange(flight.FlightDescriptor.for_command("VectorSearch"), calls.options)
        writer.begin(query.schema)
        writer.write_batch(query)
        assert reader.read_chunk().data.num_rows == 10
        streams.append((writer, reader))
    more_threads, more_kib = status_of(server.pid, "Threads") - threads, status_of(server.pid, "VmRSS") - resident
    print(f"200 idle streams: {more_threads} threads, {more_kib / 1024:.1f} MiB")
    assert more_threads < 16
    assert more_kib < 64 << 10
    for writer, reader in streams:
        writer.write_batch(query)
        assert reader.read_chunk().data.num_rows == 10, "an idle stream still answers"
    for writer, _ in streams:
        writer.done_writing()
        writer.close()


def test_200_idle_puts_cost_little(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("idle", random_batch(100, 8, seed=1))
    threads, resident = status_of(server.pid, "Threads"), status_of(server.pid, "VmRSS")
    streams = []
    for i in range(200):
        writer, reader = calls.open_put("idle", random_batch(1, 8, seed=1).schema)
        opening = {"protocol": 1, "client": f"c{i}", "stream": "s", "seq": 1, "rows": 1}
        writer.write_with_metadata(random_batch(1, 8, seed=i, first_id=1000 + i), json.dumps(opening).encode())
        assert json.loads(reader.read().to_pybytes())["acked_through"] == 1
        streams.append((writer, reader))
    more_threads, more_kib = status_of(server.pid, "Threads") - threads, status_of(server.pid, "VmRSS") - resident
    print(f"200 idle puts: {more_threads} threads, {more_kib / 1024:.1f} MiB")
    assert more_threads < 16
    assert more_kib < 64 << 10
    calls.put("others", random_batch(100, 8, seed=2))
    assert calls.search_action(dataset="others", vector=[0] * 8, k=3)[0].num_rows == 3, "others are served"
    for i, (writer, reader) in enumerate(streams):
        writer.write_with_metadata(random_batch(1, 8, seed=i, first_id=2000 + i), b'{"seq": 2, "rows": 1}')
        writer.write_metadata(b'{"fin": true, "seq": 2, "rows": 2}')
        writer.done_writing()
        while (result := reader.read()) is not None:
            last = json.loads(result.to_pybytes())
        assert last["acked_through"] == 2, "an idle stream still takes rows"
        writer.close()
    assert calls.get("idle").num_rows == 500


def test_readers_that_take_nothing_hold_little(start_server: StartServer, open_calls: OpenCalls) -> None:
    """16 MiB each at most, of an answer of 40: the server stops making what nobody takes."""
    readers, each = 8, 16 << 20
    server = start_server(STALLED_TRANSFER_TIME="1h")
    calls = open_calls(server)
    for i in range(8):
        text = ["%01000d" % (10_000 * i + j) for j in range(10_000)]
        calls.put("big", batch(np.arange(10_000 * i, 10_000 * i + 10_000), np.ones((10_000, 2), "f4"), text=text, half=[0, 1] * 5000))
    half = {"name": "big", "filters": [{"field": "half", "op": "=", "value": 1}]}  # rows are gathered: nothing of the answer is there before
    whole = calls.get(half)
    assert whole.nbytes > 40_000 * 1000
    before, resident = bytes_written(server), status_of(server.pid, "VmRSS")
    stalled = [open_calls(server).open_get(half) for _ in range(readers)]
    for reader in stalled:
        reader.read_chunk()
    seen = [before]
    while len(seen) < 20 or seen[-1] != seen[-20]:
        time.sleep(0.05)
        seen.append(bytes_written(server))
    more_kib = status_of(server.pid, "VmRSS") - resident
    print(f"{readers} stalled readers: {(seen[-1] - before) / readers / (1 << 20):.1f} MiB sent to each, {more_kib / 1024:.1f} MiB resident")
    assert seen[-1] - before < readers * each
    assert more_kib << 10 < readers * each
    assert calls.search_action(dataset="big", vector=[0, 0], k=3)[0].num_rows == 3, "others are served"
    assert stalled[0].read_all().num_rows > 30_000, "who goes on gets the rest"
    for reader in stalled[1:]:
        reader.cancel()


def test_many_writers_and_readers_at_once(start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            with server.connect() as client:
                for i in range(10):
                    first = (worker * 10 + i) * 50
                    matrix = np.random.default_rng(first).random((50, 16), "f4")
                    client.put("busy", {"id": np.arange(first, first + 50), "vector": matrix, "worker": np.full(50, worker)})
                    found = client.search("busy", matrix, k=1)
                    assert found["id"].to_pylist() == list(range(first, first + 50)), "a row is found the moment it is acknowledged"
                    assert client.get("busy", ("worker", "=", worker)).num_rows == (i + 1) * 50
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(w,)) for w in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not failures, failures
    assert open_calls(server).get("busy").num_rows == 4000


# Disk


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 96 MiB; needs root to mount."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this machine does not allow mounting: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_refuses_writes_and_keeps_what_it_has(small_disk: Path, start_server: StartServer) -> None:
    server = start_server(data_dir=small_disk / "data", STORAGE_LOG_SEGMENT_SIZE=str(16 << 20))
    stored = 0
    with server.connect() as client:
        with pytest.raises(longbow.LongbowError) as raised:
            for i in range(200):
                matrix = np.full((5000, 64), i, "f4")
                client.put("full", {"id": np.arange(5000 * i, 5000 * i + 5000), "vector": matrix})
                stored += 5000
        assert raised.value.code in ("ResourceExhausted", "Unavailable", "FailedPrecondition"), raised.value
        assert "space" in str(raised.value) or "disk" in str(raised.value), raised.value
        assert 5000 <= stored < 1_000_000
        assert client.get("full", columns=["id"]).num_rows == stored, "reads go on, and show nothing of what was refused"
        assert client.search("full", np.zeros(64, "f4"), k=3)["distance"].to_pylist() == [0, 0, 0]
    server.kill()
    subprocess.run(["mount", "-o", "remount,size=192m", str(small_disk)], check=True)
    server.start()
    with server.connect() as client:
        assert client.get("full", columns=["id"])["id"].to_pylist() == list(range(stored))
        client.put("full", {"id": [10**7], "vector": np.ones((1, 64), "f4")})
        assert client.get("full", columns=["id"]).num_rows == stored + 1
    server.close()
