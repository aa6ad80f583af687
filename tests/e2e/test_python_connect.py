"""connect(): directories, memory, servers, who holds what, and what a client survives."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import longbow
import numpy as np
import pyarrow as pa
import pytest
from longbow.columns import vector_array
from longbow.server import find_binary

PACKAGE = str(Path(longbow.__file__).resolve().parents[1])
ROWS = {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4")}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def server_pid(directory: Path) -> int:
    (ports,) = directory.glob("run.*.ports")
    return int(json.loads(ports.read_text())["pid"])


def in_new_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": PACKAGE, "LONGBOW_BINARY": str(find_binary())}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def test_a_directory_has_a_server_of_its_own_while_it_is_in_use(tmp_path: Path) -> None:
    place = tmp_path / "new" / "data"
    with longbow.connect(place) as db:
        pid = server_pid(place)
        db.put("kept", ROWS)
        with longbow.connect(str(place)) as second:
            assert second.uri == db.uri, "clients of one directory share its server"
        assert alive(pid), "the first still needs it"
    assert gone(pid)
    with longbow.connect(place) as db:
        assert db.get("kept", columns=["id"])["id"].to_pylist() == [1, 2]
        assert db.put("kept", {"id": [3], "vector": np.ones((1, 4), "f4")}).durability == "fsync"
    assert not list(place.glob("*.ports"))


@pytest.mark.parametrize("settings, said", [({"max_kk": 5}, "--max-kk is unknown"), ({"max_k": "many"}, "--max-k: expected a whole number")])
def test_a_setting_that_is_none_stops_the_start(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(longbow.UnavailableError, match=said):
        longbow.connect(":memory:", settings=settings)


def test_memory_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with longbow.connect(":memory:") as db:
        assert list(tmp_path.iterdir())
        assert db.put("x", ROWS).durability == "memory"
        with longbow.connect(":memory:") as other:
            assert other.datasets() == [], "each has its own"
    with pytest.raises(longbow.LongbowConnectionError, match="closed"):
        db.datasets()
    db.close()
    assert not list(tmp_path.iterdir())


def test_a_directory_in_use_says_by_whom(tmp_path: Path) -> None:
    with longbow.connect(tmp_path) as db:
        db.put("x", ROWS)
        pid = server_pid(tmp_path)
        other = in_new_python("import longbow, sys\ntry: longbow.connect(sys.argv[1])\nexcept longbow.LongbowConnectionError as e: print(e)", str(tmp_path))
        said, _ = other.communicate(timeout=30)
        assert f"process {pid}" in said and "is in use by longbowd" in said and "connect to that server" in said
        assert db.datasets() == ["x"], "and the holder noticed nothing"


def test_a_private_server_that_dies_is_started_again(tmp_path: Path) -> None:
    with longbow.connect(tmp_path) as db:
        db.put("x", ROWS)
        for _ in range(2):
            os.kill(server_pid(tmp_path), signal.SIGKILL)
            assert db.search("x", [1, 0, 0, 0], k=1)["id"].to_pylist() == [1]
            assert db.put("x", ROWS).rows == 2


def test_a_private_server_ends_with_a_killed_program(tmp_path: Path) -> None:
    code = "import longbow, sys, time\ndb = longbow.connect(sys.argv[1])\nprint(db.uri, flush=True)\ntime.sleep(60)"
    program = in_new_python(code, str(tmp_path))
    assert program.stdout and program.stdout.readline().startswith("grpc://")
    pid = server_pid(tmp_path)
    program.kill()
    program.wait()
    assert gone(pid), "no server stays behind"
    with longbow.connect(tmp_path) as db:
        assert db.datasets() == []


def test_a_program_that_closes_nothing_ends_quietly(tmp_path: Path) -> None:
    code = "import longbow, sys\ndb = longbow.connect(sys.argv[1])\ndb.put('x', {'id': [1], 'vector': [[1.0, 2.0]]})\nprint(db.search('x', [1, 2])['id'].to_pylist())"
    said, errors = in_new_python(code, str(tmp_path)).communicate(timeout=30)
    assert said == "[1]\n" and errors == ""
    with longbow.connect(tmp_path) as db:
        assert db.count("x") == 1


def _in_fork(uri: str, token: str, client: longbow.Client, answers: multiprocessing.SimpleQueue[str]) -> None:
    for call in (client.datasets, lambda: client.search("x", [1, 0, 0, 0]), lambda: client.put("x", ROWS), lambda: longbow.connect(uri, token).datasets()):
        try:
            call()
            answers.put("worked")
        except longbow.LongbowConnectionError as error:
            answers.put(str(error))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_is_told_instead_of_hanging(server: longbow.Server, client: longbow.Client, dataset: str) -> None:
    client.put("x", ROWS)
    client.search("x", [1, 0, 0, 0])
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_in_fork, args=(server.uri, server.token, client, answers))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    for _ in range(4):
        assert f"forked from process {os.getpid()}" in answers.get()
    assert server.running and client.count("x") == 2, "the parent goes on"
    client.delete_dataset("x")


def test_calls_wait_for_a_server_that_is_away_for_a_moment(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server:
        with server.connect(retry=longbow.RetryPolicy(deadline=20)) as client:
            client.put("x", ROWS)
            server.kill()
            back = threading.Timer(0.7, server.start)
            back.start()
            assert client.search("x", [0, 1, 0, 0], k=1)["id"].to_pylist() == [2]
            assert client.count("x") == 2
            back.join()


def test_a_search_that_a_stopping_server_cuts_off_is_asked_again(tmp_path: Path) -> None:
    vectors = np.random.default_rng(3).standard_normal((20_000, 256)).astype("f4")
    with longbow.Server(tmp_path / "data", drain_time="20ms") as server:

        def restart() -> None:
            server.stop()
            server.start()

        with server.connect(retry=longbow.RetryPolicy(deadline=30)) as client:
            client.insert("x", {"id": np.arange(len(vectors)), "vector": vectors})
            again = threading.Thread(target=restart)
            again.start()
            while again.is_alive():  # each search takes longer than the drain
                hits = client.search("x", vectors[:1000], k=1, exact=True)
                assert hits["id"].to_pylist() == list(range(1000))


def test_no_server_is_said_soon_and_in_words() -> None:
    with longbow.connect("grpc://127.0.0.1:1", "token") as client:
        start = time.monotonic()
        with pytest.raises(longbow.UnavailableError) as raised:
            client.datasets()
        assert time.monotonic() - start < 5
        assert raised.value.retriable and isinstance(raised.value, ConnectionError)
        with pytest.raises(longbow.UnavailableError):
            client.put("x", ROWS)


def stop(server: longbow.Server) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    while Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        time.sleep(0.01)


def test_a_server_that_does_not_answer_costs_no_more_than_the_timeout(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server:
        with server.connect(timeout=0.3, retry=longbow.RetryPolicy()) as client, server.connect(timeout=0.3) as fresh:
            client.put("x", ROWS, timeout=30)
            client.search("x", [0, 1, 0, 0], timeout=30)
            for _ in range(4):
                client.count("x", timeout=30)  # so that every channel is open
            stop(server)
            try:
                for call in (
                    client.datasets,
                    lambda: client.info("x"),
                    lambda: client.search("x", [0, 1, 0, 0]),
                    lambda: client.search("x", text="bow"),
                    lambda: client.get("x"),
                    lambda: client.get("x", [1], timeout=0.2),
                    lambda: list(client.scan("x")),
                    lambda: client.count("x", "id = 1"),
                    lambda: client.delete("x", 1),
                    lambda: client.insert("x", ROWS),
                    lambda: client.insert("x", ROWS, mode="replace"),
                    lambda: client.insert("x", ROWS, timeout=0.2),
                    client.snapshot,
                    lambda: client.stats("x", timeout=0.2),
                    lambda: fresh.insert("x", ROWS),
                    lambda: fresh.get("x"),
                    lambda: fresh.search("x", [0, 1, 0, 0]),
                ):
                    start = time.monotonic()
                    with pytest.raises((longbow.DeadlineExceededError, longbow.UnavailableError)) as raised:
                        call()
                    assert time.monotonic() - start < 8
                    assert raised.value.request_id and raised.value.details
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert client.count("x", timeout=30) in (1, 2)


def test_a_call_of_its_own_timeout_may_take_longer_than_the_clients(tmp_path: Path) -> None:
    with longbow.Server(tmp_path / "data") as server, server.connect(timeout=0.3, retry=longbow.RetryPolicy()) as client:
        client.put("x", ROWS, timeout=30)
        for call in (lambda: client.get("x", timeout=20).num_rows, lambda: client.insert("x", ROWS, timeout=20).rows, lambda: client.count("x", timeout=20)):
            stop(server)
            going_on = threading.Timer(1, os.kill, (server.pid, signal.SIGCONT))
            going_on.start()
            try:
                assert call() == 2
            finally:
                going_on.join()


def test_what_gets_on_is_not_ended_however_long_it_takes(tmp_path: Path) -> None:
    """Longer than the timeout in all: a source that pauses, a reader that pauses, a server that works in fits and starts."""

    def batches(count: int, rows: int, pause: float) -> Iterator[pa.RecordBatch]:
        for i in range(count):
            time.sleep(pause if i == 1 else 0.1)
            yield pa.RecordBatch.from_pydict({"id": np.arange(i * rows, (i + 1) * rows), "vector": vector_array(np.ones((rows, 128), "f4"))})

    with longbow.Server(tmp_path / "data") as server, server.connect(timeout=2) as client:
        result = client.insert("slow", batches(30, 100, 2.3), durability="memory")
        assert (result.rows, result.batches, result.resumed) == (3000, 30, 0)
        assert client.get("slow")["id"].to_pylist() == list(range(3000)), "each row once, in order"

        over = threading.Event()

        def fits_and_starts() -> None:
            while not over.is_set():
                os.kill(server.pid, signal.SIGSTOP)
                over.wait(0.4)
                os.kill(server.pid, signal.SIGCONT)
                over.wait(0.2)

        worker = threading.Thread(target=fits_and_starts)
        worker.start()
        try:
            result = client.insert("large", batches(30, 5000, 0.1), durability="memory")
        finally:
            over.set()
            worker.join()
        assert (result.rows, result.resumed) == (150_000, 0)
        assert client.get("large", columns=["id"])["id"].to_pylist() == list(range(150_000))

        read = 0
        for batch in client.scan("large"):
            time.sleep(2.3 if read == 0 else 0)
            read += batch.num_rows
        assert read == 150_000


def test_a_server_behind_tls_that_speaks_none_is_unavailable(server: longbow.Server) -> None:
    with longbow.connect(f"grpc+tls://127.0.0.1:{server.port}", server.token, tls_skip_verify=True, retry=None, timeout=5) as client:
        with pytest.raises(longbow.UnavailableError, match="does not speak TLS: connect to grpc://"):
            client.datasets()
