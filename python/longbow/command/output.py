"""How the command speaks: tables for people, JSON for programs, one sentence and a hint for errors."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import longbow
from longbow.errors import LongbowError

console = Console(highlight=False, soft_wrap=True)
_progress_console = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
At = Annotated[
    str | None,
    typer.Option("--at", "-u", envvar="LONGBOW_URI", help='grpc://host:port, a directory, or ":memory:". Default: grpc://127.0.0.1:3000.'),
]
Token = Annotated[str | None, typer.Option("--token", envvar="LONGBOW_TOKEN", help="What the server wants to see.", show_envvar=True)]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The data directory of a server on this machine, for its token. Default, without --at: ./data, if it has one.")
]

_HINTS = {
    "AlreadyExists": "choose another name, or --mode upsert",
    "Cancelled": "the server ended the call: try again",
    "Corruption": "`longbow verify DIRECTORY` lists what is damaged; `longbowd --repair --data-path DIRECTORY` puts it aside",
    "DataLoss": "`longbow verify DIRECTORY` says what is on disk, once no server works on it",
    "DeadlineExceeded": "`longbow top` shows what the server is doing; snapshot and compact take --timeout SECONDS",
    "DimensionMismatch": "`longbow info DATASET` tells the dimension",
    "FailedPrecondition": "`longbow info DATASET` shows how the dataset stands, `longbow info` the server",
    "Internal": "this should not happen: the server's log says more, and LONGBOW_TRACEBACK=1 where the command met it",
    "InvalidArgument": "`longbow COMMAND --help` shows what a command takes, `longbow info DATASET` the columns of a dataset",
    "NotFound": "`longbow datasets` lists the datasets, `longbow get DATASET` rows of one",
    "NotLeader": "give --at the address of the node that takes writes",
    "PermissionDenied": "a file is not the server's to read or write, or the token does not allow this: the server's log says which",
    "ResourceExhausted": "`longbow top` shows what is used; the limits are longbowd's settings",
    "Unauthenticated": "give --token, set LONGBOW_TOKEN, or name the server's directory with --data-dir",
    "Unavailable": "is a server running there? `longbow serve` starts one, `--at DIRECTORY` works without",
    "Unimplemented": "server and command are of different versions: `longbow --version` and `longbowd --version` tell them",
}
# Where the message tells more than its code; the first that fits.
_HINTS_BY_TEXT = (
    (r" is (held|in use) by ", "`--at host:port --data-dir DIRECTORY` reaches the server that works on it; `verify` and `restore` take a copy"),
    (r"^no longbowd", "`longbow doctor` says where it looked"),
    (r"^longbowd (ended|was not ready)", "`longbow doctor DIRECTORY` looks at this machine, `longbow verify DIRECTORY` at the data"),
    (r"^uri: ", '--at takes host:port, grpc://host:port, grpc+tls://host:port, a directory or ":memory:"'),
    (r" is a file: ", '--at takes a directory, host:port or ":memory:"; `longbow import DATASET FILE` reads files'),
    (r"warming|is stopping|ended the call", "the server is there: try again in a moment"),
    (r"index not initialized", "the dataset has no vector column; lists become one when it is named vector or embedding, or by --vector-column"),
    (r"newer (program|one)", "what is on disk was written by a newer longbowd: use that one; `longbowd --version` tells this one's"),
    (r"^no (token|certificate) in ", "name the data directory of the server that --at means"),
    (r"^filter: ", """a filter reads like "year >= 1990 and lang in ('en', 'de')", in quotes for the shell"""),
    (r"^no file ", "see its spelling, and from where the command is run"),
    (r" cannot be read as | are no vectors of |, line \d+: ", "the end of a file's name says what it holds: `longbow import --help` lists the kinds"),
    (r" is not empty: ", "name a directory that is not there yet"),
    (r"^vector_column: ", "--vector-column takes the name of one of these columns"),
)


class Failure(Exception):
    """What a command cannot do, and what to do about it. `code` is one of LongbowError's, `status` the process's."""

    def __init__(self, sentence: str, hint: str, code: str = "InvalidArgument", status: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.code = code
        self.status = status


def connect(at: str | None, token: str | None, data_dir: Path | None) -> longbow.Client:
    """The client that the common options ask for."""
    if at is None and token is None and data_dir is None and Path("data/token").exists():
        data_dir = Path("data")
    return longbow.connect(at, token, data_dir=data_dir)


def show_json(value: Any) -> None:
    """One JSON value on stdout. JSON has no NaN: what is none, as the distance of a hit by words alone, is null."""
    try:
        text = json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), default=str, ensure_ascii=False)
    typer.echo(text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


@contextmanager
def working(title: str, as_json: bool, *, still: bool = False) -> Iterator[Callable[[int, int | None], None]]:
    """Shows on stderr what is being done and for how long, until it is: nothing with --json or where stderr is no terminal.

    Gives a function to tell how many are done, of how many. `still` moves only when told, so as not to disturb a measurement.
    """
    if as_json or not _progress_console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=_progress_console, transient=True, auto_refresh=not still, refresh_per_second=4) as bar:
        task = bar.add_task(title, total=None, count="")

        def told(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, count=f"{done:,}" if total is None else f"{done:,} of {total:,}", refresh=still)

        yield told


# click's; newer versions of typer have one of their own.
_UsageError: Any = typer.BadParameter.__base__


def failure_of(error: Exception) -> Failure | None:
    """The sentence and hint for what was raised; None for what no user can have caused."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, LongbowError):
        by_text = next((hint for pattern, hint in _HINTS_BY_TEXT if re.search(pattern, error.message)), "")
        return Failure(error.message, by_text or _HINTS[error.code], error.code)
    if isinstance(error, _UsageError):
        command = getattr(getattr(error, "ctx", None), "command_path", "longbow")
        return Failure(cast(typer.BadParameter, error).format_message(), f"`{command} --help` shows what it takes", status=2)
    if isinstance(error, ImportError):
        return Failure(str(error), "install with pip what it names", "FailedPrecondition")
    if isinstance(error, OSError):
        reason = re.sub(r"\. Detail: \[errno \d+\]", ":", error.strerror or str(error))  # Arrow's
        sentence = reason if error.filename is None else f"{error.filename}: {reason}"
        if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)):
            return Failure(sentence, "see that the path is there, and that you may read and write it")
        return Failure(sentence, "`longbow doctor DIRECTORY` looks at this machine's disk, limits and ports", "Unavailable")
    if isinstance(error, (pa.ArrowException, ValueError)):
        return Failure(str(error), _HINTS["InvalidArgument"])
    return None


def run(app: typer.Typer) -> None:
    """Runs the command. What goes wrong is a sentence and a hint on stderr, with --json an object there.

    LONGBOW_TRACEBACK=1 shows where errors come from.
    """
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], prog_name="longbow", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:
        failure = failure_of(error)
        if failure is None or os.environ.get("LONGBOW_TRACEBACK"):
            raise
        if "--json" in sys.argv:
            told = {"error": {"code": failure.code, "message": failure.sentence, "hint": failure.hint}}
            typer.echo(json.dumps(told, ensure_ascii=False), err=True)
        else:
            ended = failure.sentence.endswith(("^", "?"))  # "^" points at a place in a filter
            typer.echo(f"longbow: {failure.sentence}" if ended else f"longbow: {failure.sentence.rstrip('.')}.", err=True)
            typer.echo(f"Hint: {failure.hint}.", err=True)
        sys.exit(failure.status)
