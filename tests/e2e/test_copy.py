"""Snapshots copied with longbowd --export to a directory and to an S3 server, and restored from there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import longbow
import numpy as np
import pytest
from flight_calls import Calls, batch
from longbow.server import find_binary, program_environment

StartServer = Callable[..., longbow.Server]
OpenCalls = Callable[..., Calls]
KEYS = {"AWS_ACCESS_KEY_ID": "longbow", "AWS_SECRET_ACCESS_KEY": "longbow-secret", "AWS_EC2_METADATA_DISABLED": "true"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A versitygw on a directory, in a process of its own; turns bucket/prefix into a place."""
    root = Path(__file__).resolve().parents[2]
    program = shutil.which("versitygw") or shutil.which("versitygw", path=str(root / "build" / "s3-server"))
    if program is None:
        pytest.skip("SKIPPED: no S3 server here, so copies to S3 were not tried (make s3-server, which needs Go)")
    directory = tmp_path_factory.mktemp("s3")
    (directory / "backups").mkdir()
    port = free_port()
    environment = {**os.environ, "ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]}
    log = open(directory.with_name("s3.log"), "wb")
    process = subprocess.Popen([program, "--port", f"127.0.0.1:{port}", "posix", str(directory)], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "the S3 server does not start"
                time.sleep(0.05)
        yield lambda prefix: f"s3://backups/{prefix}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def longbowd(flag: str, place: str, data_dir: Path) -> tuple[int, str]:
    binary = find_binary()
    environment = {**os.environ, **program_environment(binary), **KEYS}
    done = subprocess.run([binary, flag, place, "--data-path", str(data_dir)], env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def rows(first: int, count: int, seed: int) -> object:
    matrix = np.random.default_rng(seed).standard_normal((count, 8)).astype("float32")
    return batch(np.arange(first, first + count), matrix, text=[f"row {i}" for i in range(first, first + count)])


def there_and_back(place: str, directory: Path, start_server: StartServer, open_calls: OpenCalls) -> None:
    server = start_server()
    calls = open_calls(server)
    code, said = longbowd("--export", place, server.data_dir)
    assert code == 0 and "the snapshot of sequence 0" in said, said
    calls.put("d", rows(0, 3000, 1))
    calls.put("other/e", rows(0, 10, 2))
    calls.action("delete", {"dataset": "d", "ids": [5, 6]})
    calls.action_json("ForceSnapshot")
    code, said = longbowd("--export", place, server.data_dir)
    assert code == 0 and ", 0 bytes were there" in said, said

    # Later rows, another snapshot: what is there already stays, and what is not in a snapshot is not in the copy.
    calls.put("other/e", rows(10, 2000, 3))
    calls.action_json("ForceSnapshot")
    stop = threading.Event()

    def write_on() -> None:
        number = 10_000
        while not stop.is_set():
            calls.put("later", rows(number, 10, 4))
            number += 10

    writer = threading.Thread(target=write_on)
    writer.start()
    code, said = longbowd("--export", place, server.data_dir)
    stop.set()
    writer.join()
    assert code == 0 and " 0 files, 0 bytes were there" not in said, said
    code, again = longbowd("--export", place, server.data_dir)
    assert code == 0 and "copied 0 files" in again, again

    restored = directory / "restored"
    code, said = longbowd("--import", place, restored)
    assert code == 0, said
    code, said = longbowd("--import", place, restored)
    assert code != 0 and "already" in said
    expected = {name: calls.get(name).sort_by("id") for name in ("d", "other/e")}
    with longbow.Server(restored) as second:
        other = open_calls(second)
        for name, table in expected.items():
            assert other.get(name).sort_by("id").equals(table)
        other.put("d", rows(5, 2, 9))
        assert other.get("d").num_rows == 3000
        other.action_json("ForceSnapshot")
        code, said = longbowd("--export", place, restored)
        assert code != 0 and "another data directory" in said, said


def test_a_snapshot_goes_to_a_directory_and_back(tmp_path: Path, start_server: StartServer, open_calls: OpenCalls) -> None:
    there_and_back(str(tmp_path / "copies" / "a"), tmp_path, start_server, open_calls)


def test_a_snapshot_goes_to_s3_and_back(
    tmp_path: Path, s3: Callable[[str], str], start_server: StartServer, open_calls: OpenCalls
) -> None:
    there_and_back(s3("nightly/one"), tmp_path, start_server, open_calls)


def test_a_bucket_that_is_not_there_is_named(
    tmp_path: Path, s3: Callable[[str], str], start_server: StartServer, open_calls: OpenCalls
) -> None:
    server = start_server()
    calls = open_calls(server)
    calls.put("d", rows(0, 10, 1))
    calls.action_json("ForceSnapshot")
    code, said = longbowd("--export", s3("x").replace("backups", "no-such-bucket"), server.data_dir)
    assert code != 0 and "no-such-bucket" in said, said
    code, said = longbowd("--import", s3("nothing"), tmp_path / "new")
    assert code != 0 and "no copy of a snapshot" in said, said
