"""How the command speaks: tables for people, JSON for programs, one sentence and a hint for errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import longbow
from longbow.errors import LongbowError

console = Console(highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
At = Annotated[
    str | None,
    typer.Option("--at", "-u", envvar="LONGBOW_URI", help='grpc://host:port, a directory, or ":memory:". Default: grpc://127.0.0.1:3000.'),
]
Token = Annotated[str | None, typer.Option("--token", envvar="LONGBOW_TOKEN", help="What the server wants to see.", show_envvar=True)]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The data directory of a server on this machine, for its token. Default: ./data, if it has one.")
]

_HINTS = {
    "Unavailable": "is a server running there? `longbow serve` starts one, `--at DIRECTORY` works without",
    "Unauthenticated": "give --token, set LONGBOW_TOKEN, or name the server's directory with --data-dir",
    "NotFound": "`longbow datasets` lists what is there",
    "DimensionMismatch": "`longbow info DATASET` tells the dimension",
    "AlreadyExists": "choose another name, or --mode upsert",
    "ResourceExhausted": "`longbow top` shows what is used; the limits are longbowd's settings",
    "Unimplemented": "the server is older or newer than this command; `longbow info` tells its version",
}
_HELD_HINT = "`--at host:port --data-dir DIRECTORY` reaches the server that works on it; `verify` and `restore` take a copy"


def connect(at: str | None, token: str | None, data_dir: Path | None) -> longbow.Client:
    """The client that the common options ask for."""
    if at is None and token is None and data_dir is None and Path("data/token").exists():
        data_dir = Path("data")
    return longbow.connect(at, token, data_dir=data_dir)


def show_json(value: Any) -> None:
    """One JSON value on stdout."""
    typer.echo(json.dumps(value, default=str, ensure_ascii=False))


def show(value: Mapping[str, Any], as_json: bool, title: str = "") -> None:
    """One thing with its properties."""
    if as_json:
        show_json(dict(value))
        return
    table = Table(title=title or None, show_header=False, box=None, title_justify="left")
    for name, entry in value.items():
        table.add_row(f"[bold]{name}[/bold]", text_of(entry))
    console.print(table)


def show_rows(rows: Iterable[Mapping[str, Any]], as_json: bool, title: str = "", *, stored: bool = False) -> None:
    """Several things of one kind; JSON is one list. `stored`: values of users, whose digits are not grouped."""
    rows = list(rows)
    if as_json:
        show_json(rows)
        return
    if not rows:
        console.print(f"{title or 'rows'}: none")
        return
    table = Table(title=title or None, box=None, title_justify="left")
    for name in rows[0]:
        table.add_column(name, overflow="fold", justify="right" if isinstance(rows[0][name], (int, float)) else "left")
    for row in rows:
        table.add_row(*(str(value) if stored and isinstance(value, int) else text_of(value) for value in row.values()))
    console.print(table)


def text_of(value: Any) -> str:
    """A value as a cell, with no markup in it."""
    from rich.markup import escape

    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list) and len(value) > 6:
        return escape("[" + ", ".join(text_of(v) for v in value[:4]) + f", ... {len(value)}]")
    if isinstance(value, list):
        return escape("[" + ", ".join(text_of(v) for v in value) + "]")
    if isinstance(value, dict):
        return escape(", ".join(f"{k}: {text_of(v)}" for k, v in value.items()) or "-")
    return escape("-" if value is None else str(value))


def size_of(bytes: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if bytes < 1024:
            return f"{bytes:.0f} {unit}" if unit == "B" else f"{bytes:.1f} {unit}"
        bytes /= 1024
    return f"{bytes:.1f} TiB"


def fail(sentence: str, hint: str = "") -> typer.Exit:
    """Says what went wrong, and what to do."""
    typer.echo(f"longbow: {sentence.rstrip('.')}." if not sentence.endswith("^") else f"longbow: {sentence}", err=True)
    if hint:
        typer.echo(f"Hint: {hint}.", err=True)
    return typer.Exit(1)


def run(app: typer.Typer) -> None:
    """Runs the command with errors as sentences. LONGBOW_TRACEBACK=1 shows where they come from."""
    try:
        app(prog_name="longbow")
    except LongbowError as error:
        if os.environ.get("LONGBOW_TRACEBACK"):
            raise
        held = " is held by " in error.message or " is in use by " in error.message
        fail(error.message, _HELD_HINT if held else _HINTS.get(error.code, ""))
        sys.exit(1)
    except (OSError, ImportError) as error:
        if os.environ.get("LONGBOW_TRACEBACK"):
            raise
        fail(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
