"""The `longbow` command, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pytest
from longbow.command.app import app
from longbow.server import find_binary
from typer.testing import CliRunner

PACKAGE = str(Path(longbow.__file__).resolve().parents[1])
Typed = Callable[..., Any]


@pytest.fixture
def typed(server: longbow.Server) -> Typed:
    """Runs a command on the shared server within this process: its JSON, or its text."""

    def run(*arguments: str, ok: bool = True, input: str | None = None) -> Any:
        at = [] if "--at" in arguments else ["--at", server.uri, "--token", server.token]
        done = CliRunner().invoke(app, [*arguments, *at], input=input)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert (done.exit_code == 0) is ok, done.output
        return json.loads(done.stdout) if "--json" in arguments else done.output

    return run


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a program."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LONGBOW_")}
    env |= {"PYTHONPATH": PACKAGE, "LONGBOW_BINARY": str(find_binary()), "NO_COLOR": "1", "COLUMNS": "120", **environment}
    return subprocess.run([sys.executable, "-c", "from longbow.command import main; main()", *arguments], capture_output=True, text=True, env=env, timeout=60)


def test_rows_go_in_and_come_out(typed: Typed, dataset: str) -> None:
    assert typed("put", dataset, '{"id": 1, "vector": [0, 1], "title": "Bows"}', "--json") == {
        "dataset": dataset, "rows": 1, "batches": 1, "durability": "fsync", "vectors": {"vector": 2}, "failed": [],
    }  # fmt: skip
    assert "2 rows in" in typed("put", dataset, "-", input='{"id": 2, "vector": [1, 0], "title": "[b]A"}\n\n{"id": 3, "vector": [1, 1]}\n')
    hits = typed("search", dataset, "--vector", "[0, 1]", "-k", "2", "--json")
    assert [row["title"] for row in hits["hits"]] == ["Bows", None] and hits["coverage"] == "exact"
    assert [row["id"] for row in typed("search", dataset, "--id", "1", "-w", "id != 3", "--json")["hits"]] == [2]
    assert "[b]A" in typed("get", dataset, "2") and "Bows" not in typed("get", dataset, "2")
    assert typed("get", dataset, "--where", "id < 3", "-c", "id", "--json") == [{"id": 1}, {"id": 2}]
    typed("delete", dataset, "1", "2")
    assert typed("get", dataset, "--json")[0]["id"] == 3
    assert typed("info", dataset, "--json")["rows"] == 1 and "searched by default" in typed("info", dataset)
    assert dataset in [row["name"] for row in typed("datasets", "--json")] and dataset in typed("datasets")
    typed("delete", dataset, "--whole")
    assert dataset not in [row["name"] for row in typed("datasets", "--json")]
    assert typed("info", "--json")["status"] in ("READY", "BUSY")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "npy", "fvecs", "arrow"])
def test_files_are_imported_and_exported(typed: Typed, dataset: str, tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "in.npy", np.arange(12, dtype="f4").reshape(3, 4))
    assert typed("import", dataset, str(tmp_path / "in.npy"), "--json")["rows"] == 3
    out = tmp_path / f"out.{suffix}"
    assert typed("export", dataset, str(out), "--json")["rows"] == 3 and out.stat().st_size > 0
    assert typed("import", dataset + "-again", str(out), "--mode", "create", "--json")["vectors"] == {"vector": 4}
    assert typed("search", dataset + "-again", "--vector", "[4, 5, 6, 7]", "-k", "1", "--columns", "vector", "--json")["hits"][0]["vector"] == [4, 5, 6, 7]


def test_bad_rows_are_listed_and_the_rest_stays(typed: Typed, dataset: str, tmp_path: Path) -> None:
    matrix = np.ones((10, 4), "f4")
    matrix[3, 1] = np.nan
    np.save(tmp_path / "in.npy", matrix)
    found = typed("import", dataset, str(tmp_path / "in.npy"), "--skip-bad-rows", "--json", ok=False)
    assert found["rows"] == 9 and [row["_row"] for row in found["failed"]] == [3]


@pytest.mark.parametrize(
    "arguments, sentence, hint",
    [
        (["get", "no-such-set"], "dataset no-such-set not found", "longbow datasets"),
        (["put", "x", "{id: 1}"], "ROWS is no JSON", "quote it for the shell"),
        (["put", "x", "5"], "an object or a list", ""),
        (["search", "x"], "--vector, --id or --text", "--vector"),
        (["get", "x", "--where", "year >"], "filter: expected a value", ""),
        (["delete", "x"], "needs ids, or --whole", ""),
        (["import", "x", "no.parquet"], "no file no.parquet", ""),
        (["plan", "--rows", "many", "--dim", "8"], "--rows: expected a number", ""),
        (["verify", "/no/such/place"], "no directory", ""),
        (["completion", "cmd"], "no completion for cmd", "bash"),
        (["top", "--metrics", "127.0.0.1:1", "--once"], "no metrics at 127.0.0.1:1", "--metrics"),
    ],
)
def test_errors_are_a_sentence_and_a_hint(server: longbow.Server, arguments: list[str], sentence: str, hint: str) -> None:
    done = shell(*arguments, LONGBOW_URI=server.uri, LONGBOW_TOKEN=server.token)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("longbow: ") and sentence in done.stderr
    assert hint in done.stderr and (not hint or "Hint: " in done.stderr)


def test_no_server_and_no_token_are_told_apart(server: longbow.Server) -> None:
    none = shell("datasets", LONGBOW_URI="127.0.0.1:1")
    assert none.returncode == 1 and "cannot reach 127.0.0.1:1: Connection refused" in none.stderr and "longbow serve" in none.stderr
    assert "--token" in shell("datasets", LONGBOW_URI=server.uri).stderr


def test_serve_runs_until_it_is_asked_to_end(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": PACKAGE, "LONGBOW_BINARY": str(find_binary())}
    flags = ["--listen-addr", "127.0.0.1:0", "--meta-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--ports-file", str(tmp_path / "ports")]
    command = [sys.executable, "-c", "from longbow.command import main; main()", "serve", str(tmp_path / "data"), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        end = time.monotonic() + 20
        while not (tmp_path / "ports").exists() and time.monotonic() < end:
            time.sleep(0.05)
        ports = json.loads((tmp_path / "ports").read_text())
        at = {"LONGBOW_URI": f"127.0.0.1:{ports['data']}"}
        assert shell("put", "x", '{"id": 1, "vector": [1, 2]}', "--data-dir", str(tmp_path / "data"), **at).returncode == 0
        top = json.loads(shell("top", "--metrics", f"127.0.0.1:{ports['http']}", "--every", "0.2", "--json").stdout)
        assert top["memory resident, bytes"] > 1 << 20 and "rows put a second" in top
        assert "memory resident" in shell("top", "--metrics", f"127.0.0.1:{ports['http']}", "--every", "0.2", "--once").stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0


def test_help_version_and_completion_are_printed() -> None:
    shown = shell("--help").stdout
    for command in "serve demo put get search explain delete datasets info import export snapshot compact restore verify plan doctor bench top completion".split():
        assert f" {command} " in shown
    assert shell("--version").stdout.strip() == f"longbow {longbow.__version__}"
    assert "_LONGBOW_COMPLETE" in shell("completion", "bash").stdout
    offered = shell(_LONGBOW_COMPLETE="complete_bash", COMP_WORDS="longbow da", COMP_CWORD="1").stdout
    assert "datasets" in offered


def test_the_doctor_looks_at_everything(tmp_path: Path) -> None:
    found = {entry["what"]: entry for entry in json.loads(shell("doctor", str(tmp_path), "--json").stdout)}
    assert {"server program", "processor", "io_uring", "huge pages", "memory", "clock", "open files", "port 3000", "disk", "durable writes"} <= found.keys()
    assert found["server program"]["verdict"] == "good"
    for entry in found.values():
        assert entry["verdict"] == "good" or entry["fix"], f"{entry['what']} says no fix"
    missing = shell("doctor", LONGBOW_BINARY="/no/such/program")
    assert missing.returncode == 1 and "bad" in missing.stdout and "LONGBOW_BINARY" in missing.stdout


def test_demo_and_bench_end_well() -> None:
    demo = json.loads(shell("demo", "--rows", "2000", "--json").stdout)
    assert demo["rows afterwards"] == 2000 and demo["answers as before"] and demo["recall@10"] > 0.9
    bench = json.loads(shell("bench", "--rows", "2000", "--dim", "16", "--searches", "20", "--json").stdout)
    assert bench["recall@10"] > 0.9 and bench["searches a second"] > 0


def test_plans_grow_with_what_is_planned() -> None:
    def memory(*arguments: str) -> int:
        return int(json.loads(shell("plan", "--json", *arguments).stdout)["resident"])

    base = memory("--rows", "1M", "--dim", "128")
    assert 1.5e9 < base < 4e9
    assert memory("--rows", "2M", "--dim", "128") > 1.9 * base - 2e8 and memory("--rows", "1M", "--dim", "768") > 3 * base
    assert memory("--rows", "1_000_000", "--dim", "128", "--index", "flat") < base / 2
    assert "this machine" in shell("plan", "--rows", "50M", "--dim", "768", "--recall", "0.95").stdout.lower()
