"""A client in Go: grpc-go with its defaults, which refuse messages above 4 MiB."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import longbow
import pytest
from flight_calls import Calls, random_batch

SOURCE = Path(__file__).parent / "go"


@pytest.fixture(scope="module")
def flight_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("SKIPPED: no Go here, so the client in Go was not tried (apt-get install golang)")
    program = tmp_path_factory.mktemp("go") / "flightclient"
    built = subprocess.run([go, "build", "-o", program, "."], cwd=SOURCE, capture_output=True, text=True, timeout=400)
    if built.returncode != 0:
        pytest.skip(f"SKIPPED: the client in Go does not build here (its modules come from a proxy): {built.stderr[-300:]}")
    return program


def test_go_reads_large_datasets_and_every_kind_of_call(tmp_path: Path, flight_client: Path) -> None:
    with longbow.Server(tmp_path / "data", AUTH="none") as server:
        calls = Calls(server.port, None)
        for i in range(4):
            calls.put("wide", random_batch(4_000, 1024, seed=i, first_id=4_000 * i))
        calls.put("small", random_batch(5, 4, seed=9))
        calls.close()
        for port in (server.port, server.meta_port):
            for dataset in ("wide", "small"):
                run = subprocess.run([flight_client, f"127.0.0.1:{port}", dataset], capture_output=True, text=True, timeout=120)
                results = json.loads(run.stdout)
                assert results["scan"]["code"] == "OK", results
                assert results["scan"]["bytes"] > (16_000 * 1024 if dataset == "wide" else 5 * 4) * 4
                assert results["scan"]["largest"] < 4 << 20
                assert results["missing"]["code"] == "NotFound" and "dataset no-such-set not found" in results["missing"]["text"]
                assert results["search"]["code"] == ("OK" if dataset == "small" else "InvalidArgument"), results
                assert "READY" in results["readiness"]["first"] or "BUSY" in results["readiness"]["first"], results
                assert results["unknown"]["code"] == "Unimplemented"
                assert results["flights"]["messages"] == 2
