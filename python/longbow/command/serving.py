"""Commands that run the server program, or look after what it keeps."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import longbow
from longbow.command.output import At, DataDir, Failure, Json, Token, connect, console, show, show_json, working
from longbow.server import Server, find_binary, program_environment


def serve(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Where everything is kept.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Log lines as JSON; --ports-file FILE has the ports as JSON.")] = False,
) -> None:
    """Runs a server on a directory until Ctrl-C. Further options are longbowd's: longbow serve ./data --listen-addr 127.0.0.1:4000"""
    binary = find_binary()
    sys.stdout.flush()
    environment = {**os.environ, **program_environment(binary)}
    os.execve(binary, [str(binary), "--data-path", str(directory), *(["--log-format", "json"] if as_json else []), *context.args], environment)


def demo(
    rows: Annotated[int, typer.Option(min=100, max=1_000_000, help="Vectors to put.")] = 20_000,
    dimension: Annotated[int, typer.Option("--dim", min=2, max=4096)] = 64,
    as_json: Json = False,
) -> None:
    """Puts vectors into a server of its own, searches, kills the server, and shows that everything is still there."""
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((64, dimension))
    vectors = (centers[rng.integers(0, 64, rows)] + 0.3 * rng.standard_normal((rows, dimension))).astype("f4")
    queries = vectors[:: max(1, rows // 100)][:100] + 0.05 * rng.standard_normal((100, dimension)).astype("f4")
    seen: dict[str, Any] = {"vectors": rows, "dimensions": dimension}

    def timed(name: str, work: Callable[[Any], Any]) -> Any:
        with working(name.removesuffix(" (s)"), as_json) as told:
            start = time.perf_counter()
            result = work(told)
            seen[name] = round(time.perf_counter() - start, 4)
        return result

    with Server() as server:
        client = server.connect()
        timed("put, on disk (s)", lambda told: client.insert("demo", {"id": np.arange(rows), "vector": vectors}, progress=told))
        exact = client.search("demo", queries, k=10, exact=True, columns=[])["id"].to_numpy().reshape(100, 10)
        found = timed("100 searches (s)", lambda _: [client.search("demo", q, k=10, columns=[])["id"].to_numpy() for q in queries])
        seen["recall@10"] = round(float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found)])), 4)
        client.close()
        server.kill()
        timed("kill -9 and start (s)", lambda _: server.start())
        with server.connect() as again:
            seen["rows afterwards"] = again.count("demo")
            kept = again.search("demo", queries, k=10, exact=True, columns=[])["id"].to_numpy().reshape(100, 10)
            seen["answers as before"] = bool((kept == exact).all())
    show(seen, as_json)
    if seen["rows afterwards"] != rows or not seen["answers as before"]:
        raise Failure("rows or answers are not as before: see the figures above", "`longbow doctor` looks at this machine", "Internal")
    if not as_json:
        console.print("\nNext: [bold]longbow serve ./data[/bold], and in another terminal")
        console.print("""  longbow put notes '{"id": 1, "vector": [0.1, 0.9], "title": "Bows"}'""", markup=False)
        console.print("""  longbow search notes --vector "[0, 1]\"""", markup=False)


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")] = "bash",
    as_json: Json = False,
) -> None:
    """Prints a completion script: longbow completion bash >> ~/.bashrc"""
    if shell not in ("bash", "zsh", "fish"):
        raise Failure(f"there is no completion for {shell}", "bash, zsh and fish are known")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="longbow", complete_var="_LONGBOW_COMPLETE", shell=shell)
    if as_json:
        show_json({"shell": shell, "script": script})
    else:
        typer.echo(script)


Timeout = Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds that it may take. Default: 60.")]


def snapshot(timeout: Timeout = None, at: At = None, token: Token = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Takes a snapshot of everything, without stopping writes."""
    with connect(at, token, data_dir) as client:
        with working("taking a snapshot", as_json):
            taken = client.snapshot(timeout=timeout)
        show(taken, as_json)


def compact(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="A dataset; without one, all.")] = None,
    timeout: Timeout = None,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Gives back the room on disk of deleted and replaced rows."""
    with connect(at, token, data_dir) as client:
        with working("compacting", as_json):
            done = client.compact(dataset, timeout=timeout)
        show(done, as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="A data directory, also of a running server, or a copy of one.")],
    directory: Annotated[Path, typer.Argument(help="A new directory.")],
    as_json: Json = False,
) -> None:
    """Makes a data directory from the newest snapshot in another one, and checks it."""
    try:
        with working("copying and checking", as_json):
            report = longbow.restore(source, directory)
    except longbow.NotFoundError as error:
        raise Failure(error.message, "`longbow snapshot` takes one, of the server that has this data directory", error.code) from error
    show({"directory": str(directory), "report": report}, as_json)


def verify(
    directory: Annotated[Path, typer.Argument(help="A data directory that no server uses at this moment.")],
    as_json: Json = False,
) -> None:
    """Checks every byte of a data directory, and says what is wrong."""
    if not directory.is_dir():
        raise Failure(f"there is no directory {directory}", "give the one that `longbow serve` or longbow.connect works on", "NotFound")
    try:
        with working("checking", as_json):
            report, sound = longbow.verify(directory), True
    except longbow.CorruptionError as error:
        report, sound = error.message, False
    show({"ok": sound, "directory": str(directory), "report": report}, as_json)
    if not sound:
        raise typer.Exit(1)
