"""The `longbow` command, as typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from longbow.command.app import app
from longbow.command.output import failure_of
from longbow.server import find_binary
from typer.main import get_command
from typer.testing import CliRunner

PACKAGE = str(Path(longbow.__file__).resolve().parents[1])
Typed = Callable[..., Any]


@pytest.fixture
def typed(server: longbow.Server) -> Typed:
    """Runs a command on the shared server within this process: its JSON, or its text."""

    def run(*arguments: str, ok: bool = True, input: str | None = None) -> Any:
        return within(*arguments, "--at", server.uri, "--token", server.token, ok=ok, input=input)

    return run


def within(*arguments: str, ok: bool = True, input: str | None = None) -> Any:
    """Runs a command within this process: its JSON, or its text."""
    done = CliRunner().invoke(app, arguments, input=input)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert (done.exit_code == 0) is ok, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


PROGRAM = [sys.executable, "-c", "from longbow.command import main; main()"]


def environment_with(**more: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LONGBOW_")}
    return env | {"PYTHONPATH": PACKAGE, "LONGBOW_BINARY": str(find_binary()), "NO_COLOR": "1", "COLUMNS": "120", "TERM": "xterm", **more}


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a program."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, env=environment_with(**environment), timeout=60)


def drawn_on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command that ends well writes to stderr when that is a terminal."""
    ours, theirs = os.openpty()
    drawn = b""
    with subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=theirs, env=environment_with(**environment)) as process:
        os.close(theirs)
        try:
            while more := os.read(ours, 65536):
                drawn += more
        except OSError:  # what Linux says when nobody has the other end any more
            pass
    os.close(ours)
    assert process.returncode == 0, drawn.decode()
    return drawn.decode()


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
    "arguments, code, sentence, hint",
    [
        (["get", "no-such-set"], "NotFound", "dataset no-such-set not found", "longbow datasets"),
        (["put", "x", "{id: 1}"], "InvalidArgument", "ROWS is no JSON", "quote it for the shell"),
        (["put", "x", "5"], "InvalidArgument", "an object or a list", "for instance"),
        (["put", "x", "[1, 2]"], "InvalidArgument", "an object or a list", "for instance"),
        (["search", "x"], "InvalidArgument", "--vector, --id or --text", "--vector"),
        (["get", "x", "--where", "year >"], "InvalidArgument", "filter: expected a value", "a filter reads like"),
        (["delete", "x"], "InvalidArgument", "needs ids, or --whole", "longbow delete x --whole"),
        (["import", "x", "no.parquet"], "InvalidArgument", "no file no.parquet", "spelling"),
        (["import", "x", "no.such"], "InvalidArgument", "no file no.such", "spelling"),
        (["export", "seen", "/no/such/place/x.csv"], "InvalidArgument", "/no/such/place/x.csv", "see that the path is there"),
        (["search", "seen", "--vector", "[1, 2, 3]"], "DimensionMismatch", "dimension", "longbow info DATASET"),
        (["put", "seen", '{"id": 1}', "--mode", "create"], "AlreadyExists", "is there already", "--mode upsert"),
        (["plan", "--rows", "many", "--dim", "8"], "InvalidArgument", "--rows: expected a number", "1.5M"),
        (["verify", "/no/such/place"], "NotFound", "no directory", "longbow serve"),
        (["restore", "/proc", "/no/such/place"], "NotFound", "no snapshot in /proc", "longbow snapshot"),
        (["completion", "cmd"], "InvalidArgument", "no completion for cmd", "bash"),
        (["top", "--metrics", "127.0.0.1:1", "--once"], "Unavailable", "no metrics at 127.0.0.1:1", "--metrics"),
        (["get", "seen", "--where", "idd = 1"], "InvalidArgument", 'did you mean "id"?', "a filter reads like"),
        (["search", "plain", "--vector", "[1]"], "FailedPrecondition", "index not initialized", "--vector-column"),
        (["datasets", "--at", "/proc/version"], "Unavailable", "/proc/version is a file", "longbow import"),
        (["datasets", "--at", "http://x"], "InvalidArgument", "uri: expected", "--at takes"),
        (["get", "--no-such-option", "x"], "InvalidArgument", "--no-such-option", "longbow get --help"),
        (["no-such-command"], "InvalidArgument", "no-such-command", "longbow --help"),
    ],
)
def test_errors_are_a_sentence_and_a_hint(server: longbow.Server, client: longbow.Client, arguments: list[str], code: str, sentence: str, hint: str) -> None:
    client.put("seen", {"id": [1], "vector": [[1.0, 2.0]]})
    client.put("plain", {"id": [1]})
    at = {"LONGBOW_URI": server.uri, "LONGBOW_TOKEN": server.token}
    done = shell(*arguments, **at)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr and not done.stdout
    said, _, advice = done.stderr.partition("\nHint: ")
    assert said.startswith("longbow: ") and sentence in said and hint in advice
    told = shell(*arguments, "--json", **at)
    error = json.loads(told.stderr)["error"]
    assert told.returncode == done.returncode and not told.stdout
    assert error["code"] == code and sentence in error["message"] and hint in error["hint"]


def test_json_is_json_also_where_a_distance_is_none(typed: Typed, client: longbow.Client, dataset: str) -> None:
    client.put(dataset, {"id": [1], "vector": [[1.0, 2.0]], "title": ["Bows"]})
    done = typed("search", dataset, "--text", "Bows")
    assert "nan" in done

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = CliRunner().invoke(app, ["search", dataset, "--text", "Bows", "--json", "--at", client.uri, "--token", client._connection.target.token or ""]).stdout
    assert json.loads(text, parse_constant=refuse)["hits"][0]["distance"] is None


def test_every_error_of_the_package_has_a_hint() -> None:
    def kinds(kind: type[longbow.LongbowError]) -> set[type[longbow.LongbowError]]:
        return {kind}.union(*(kinds(sub) for sub in kind.__subclasses__()))

    for kind in kinds(longbow.LongbowError):
        failure = failure_of(kind("what happened"))
        assert failure is not None and failure.hint and failure.code == kind.code


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow", "npy", "fvecs", "cut.parquet", "cut.csv", "latin.jsonl"])
def test_a_broken_file_is_named_in_a_sentence_and_a_hint(typed: Typed, server: longbow.Server, client: longbow.Client, dataset: str, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"bad.{suffix}"
    file.write_bytes(b"id,vector\n1,2,3,4\n")
    if suffix == "cut.parquet":
        parquet.write_table(pa.table({"id": range(100_000)}), file)
        whole = file.read_bytes()
        file.write_bytes(whole[:1000] + b"\xff" * (len(whole) // 2) + whole[1000 + len(whole) // 2 :])
    elif suffix == "cut.csv":
        file.write_text("id,vector\n" + '1,"[1, 2]"\n' * 200_000 + "2\n")
    elif suffix == "latin.jsonl":
        file.write_bytes('{"id": 1, "title": "Bögen"}'.encode("latin-1"))
    with pytest.raises(longbow.InvalidArgumentError, match=re.escape(str(file))):
        client.insert(dataset, file)
    done = shell("import", dataset, str(file), "--at", server.uri, "--token", server.token)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"longbow: {file}") and "Hint: the end of a file's name" in done.stderr


def test_a_query_in_a_broken_file_is_a_sentence_and_a_hint(server: longbow.Server, tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_text("no numbers")
    done = shell("search", "x", "--vector", str(tmp_path / "bad.npy"), "--at", server.uri, "--token", server.token)
    assert done.returncode == 1 and done.stderr.startswith(f"longbow: {tmp_path / 'bad.npy'} cannot be read as npy") and "Hint: " in done.stderr


def test_every_command_has_json() -> None:
    for command in get_command(app).commands.values():  # type: ignore[attr-defined]
        assert any("--json" in parameter.opts for parameter in command.params), command.name


def test_directories_are_looked_after_and_plans_explained(start_server: Callable[..., longbow.Server], tmp_path: Path) -> None:
    server = start_server()
    at = ("--at", server.uri, "--token", server.token)
    with server.connect() as client:
        client.insert("x", {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "year": [1, 2]})
        client.delete("x", [2])
    vector = ("--vector", "[1, 0, 0, 0]")
    assert sum(plan["chosen"] for plan in within("explain", "x", *vector, "--where", "year < 9", "--json", *at)) == 1
    assert "chosen" in within("explain", "x", *vector, "--analyze", *at)
    assert within("snapshot", "--json", *at)["blocks"] == 1 and "sequence" in within("snapshot", *at)
    assert within("compact", "x", "--json", *at)["blocks"] == 1 and "bytes" in within("compact", *at)
    copy = tmp_path / "copy"
    assert within("restore", str(server.data_dir), str(copy), "--json")["directory"] == str(copy)
    assert within("verify", str(copy), "--json")["ok"] and str(copy) in within("verify", str(copy))
    assert [row["id"] for row in within("get", "x", "--json", "--at", str(copy))] == [1]
    block = next((copy / "blocks").glob("*.parquet"))
    block.write_bytes(block.read_bytes()[:-20] + b"?" * 20)
    assert not within("verify", str(copy), "--json", ok=False)["ok"]


@pytest.mark.parametrize("command", ["snapshot", "compact"])
def test_care_ends_with_its_time(start_server: Callable[..., longbow.Server], command: str) -> None:
    server = start_server()
    at = {"LONGBOW_URI": server.uri, "LONGBOW_TOKEN": server.token}
    assert shell(command, "--timeout", "30", **at).returncode == 0
    os.kill(server.pid, signal.SIGSTOP)
    try:
        late = shell(command, "--timeout", "0.5", **at)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert late.returncode == 1 and late.stderr.startswith("longbow: ") and "--timeout SECONDS" in late.stderr


@pytest.mark.parametrize(
    "arguments, title",
    [
        (["demo", "--rows", "1000"], "put, on disk"),
        (["bench", "--rows", "1000", "--dim", "4", "--searches", "10"], "searching"),
        (["plan", "--rows", "1M", "--dim", "2", "--measure"], "building a small index"),
        (["snapshot"], "taking a snapshot"),
        (["compact"], "compacting"),
        (["restore", "DIRECTORY", "COPY"], "copying"),
        (["verify", "DIRECTORY"], "checking"),
    ],
)
def test_long_work_is_seen_on_a_terminal_and_nowhere_else(start_server: Callable[..., longbow.Server], tmp_path: Path, arguments: list[str], title: str) -> None:
    server = start_server()
    with server.connect() as client:
        client.put("x", {"id": [1], "vector": [[1.0, 2.0]]})
        client.snapshot()
    at = {} if arguments[0] == "bench" else {"LONGBOW_URI": server.uri, "LONGBOW_TOKEN": server.token}
    if arguments[0] == "verify":
        server.stop()
    arguments = [str(server.data_dir) if a == "DIRECTORY" else str(tmp_path / "copy") if a == "COPY" else a for a in arguments]
    assert title in drawn_on_a_terminal(*arguments, **at)
    if arguments[0] in ("snapshot", "compact", "verify"):
        assert drawn_on_a_terminal(*arguments, "--json", **at) == ""
        assert shell(*arguments, **at).stderr == ""


def test_no_server_and_no_token_are_told_apart(server: longbow.Server) -> None:
    none = shell("datasets", LONGBOW_URI="127.0.0.1:1")
    assert none.returncode == 1 and "cannot reach 127.0.0.1:1: Connection refused" in none.stderr and "longbow serve" in none.stderr
    assert "--token" in shell("datasets", LONGBOW_URI=server.uri).stderr


def test_serve_runs_until_it_is_asked_to_end(tmp_path: Path) -> None:
    flags = ["--listen-addr", "127.0.0.1:0", "--meta-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--ports-file", str(tmp_path / "ports")]
    command = [*PROGRAM, "serve", str(tmp_path / "data"), "--json", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment_with(LONGBOW_LOG_FORMAT="console")) as process:
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
        _, logged = process.communicate(timeout=15)
        assert process.returncode == 0 and all(json.loads(line) for line in logged.splitlines())


def test_help_version_and_completion_are_printed() -> None:
    shown = shell("--help").stdout
    for command in "serve demo put get search explain delete datasets info import export snapshot compact restore verify plan doctor bench top completion".split():
        assert f" {command} " in shown
    assert shell("--version").stdout.strip() == f"longbow {longbow.__version__}"
    assert "_LONGBOW_COMPLETE" in shell("completion", "bash").stdout
    assert "_LONGBOW_COMPLETE" in json.loads(shell("completion", "zsh", "--json").stdout)["script"]
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
    assert abs(memory("--rows", "20k", "--dim", "128") / 124e6 - 1) < 0.15, "as bench/plan_check.py measures it"
    assert "this machine" in shell("plan", "--rows", "50M", "--dim", "768", "--recall", "0.95").stdout.lower()
