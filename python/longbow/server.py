"""A server of one's own: longbowd as a child process on free ports. `connect` starts one for a directory."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import shutil
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from longbow.client import Client
from longbow.connection import Connection, Target
from longbow.errors import LongbowConnectionError, UnavailableError
from longbow.retry import NO_RETRY, RetryPolicy

_WHEEL_BINARY = Path(__file__).resolve().parent / "bin" / "longbowd"
_REPOSITORY_BINARY = Path(__file__).resolve().parents[2] / "bin" / "longbowd"

# A private server that ends by itself so often within so many seconds stays down.
_MAX_RESTARTS = 3
_RESTART_WINDOW_SECONDS = 60.0


def find_binary() -> Path:
    """The server program: LONGBOW_BINARY, the wheel's, the repository's bin/longbowd, or longbowd on the PATH."""
    named = os.environ.get("LONGBOW_BINARY")
    if named:
        return Path(named)
    for place in (_WHEEL_BINARY, _REPOSITORY_BINARY):
        if place.exists():
            return place
    found = shutil.which("longbowd")
    if found:
        return Path(found)
    raise UnavailableError("no longbowd: install the wheel that holds it, run `make build`, or set LONGBOW_BINARY to the program")


def program_environment(binary: Path) -> dict[str, str]:
    """What the wheel's program needs in its environment where pyarrow, whose Arrow it links, is not installed beside it."""
    beside = _WHEEL_BINARY.parents[2] / "pyarrow"
    if binary != _WHEEL_BINARY or beside.exists():
        return {}
    import pyarrow

    places = [*pyarrow.get_library_dirs(), os.environ.get("LD_LIBRARY_PATH", "")]
    return {"LD_LIBRARY_PATH": ":".join(place for place in places if place)}


class _Starter:
    """Starts child processes from one thread that lasts as long as this process.

    Linux ends a child that asked for it (setpriv --pdeathsig) when the *thread* that started it ends, so that a
    private server does not outlive a program that was killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._pid = 0

    def run(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._orders = queue.SimpleQueue()
                threading.Thread(target=self._work, args=(self._orders,), name="longbow-starter", daemon=True).start()
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._orders.put((start, answer))
        outcome = answer.get()
        if isinstance(outcome, BaseException):
            raise outcome
        process: subprocess.Popen[bytes] = outcome
        return process

    @staticmethod
    def _work(orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]]) -> None:
        while True:
            start, answer = orders.get()
            try:
                answer.put(start())
            except BaseException as error:
                answer.put(error)


_starter = _Starter()


class Server:
    """longbowd as a child process, listening on loopback.

    Without `data_dir` the data lives in a private temporary directory that `close` removes. `settings` are the server's
    environment, without the LONGBOW_ prefix: `auth="none"`, `max_memory="1GiB"`, `max_k=100`. Ends with the process that started
    it. Confined to one thread.

    Examples:
        >>> with longbow.Server() as server, server.connect() as client:
        ...     client.put("books", {"id": [1], "vector": np.ones((1, 4), "f4")}).rows
        1
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        binary: str | os.PathLike[str] | None = None,
        side_files: Path | None = None,
        arguments: list[str] | None = None,
        **settings: str | int | float | os.PathLike[str],
    ) -> None:
        self._private = None if data_dir is not None else tempfile.mkdtemp(prefix="longbow-")
        self.data_dir = Path(data_dir) if data_dir is not None else Path(self._private or "") / "data"
        beside = side_files or self.data_dir.with_name(self.data_dir.name)
        self.log_path = beside.with_name(beside.name + ".log")
        self._ports_path = beside.with_name(beside.name + f".{os.getpid()}.ports")
        self._binary = Path(binary) if binary is not None else find_binary()
        self._arguments = arguments or []
        self._settings = {name.upper(): _as_text(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._log_start = 0
        self.port = self.meta_port = self.http_port = 0
        atexit.register(self.close)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise UnavailableError("the server is not running: call start()")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def token(self) -> str:
        """The token that clients must send: the server writes it into its data directory."""
        return (self.data_dir / "token").read_text().strip()

    def log(self) -> str:
        """What the server has printed."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the program without waiting for anything."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LONGBOW_")}
        settings = {
            "DATA_PATH": str(self.data_dir),
            "LISTEN_ADDR": f"127.0.0.1:{self.port}",
            "META_ADDR": f"127.0.0.1:{self.meta_port}",
            "METRICS_ADDR": f"127.0.0.1:{self.http_port}",
            **self._settings,
        }
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._ports_path.unlink(missing_ok=True)
        ending_with_us = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        with open(self.log_path, "ab") as log:
            process = self._process = _starter.run(
                lambda: subprocess.Popen(
                    [*ending_with_us, str(self._binary), "--ports-file", str(self._ports_path), *self._arguments],
                    env={**inherited, **program_environment(self._binary), **{f"LONGBOW_{k}": v for k, v in settings.items()}},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        return process

    def start(self, timeout: float = 30.0) -> None:
        """Starts the server and waits until it has recovered its data. UnavailableError shows what it printed."""
        process = self.launch()
        deadline = time.monotonic() + timeout
        while not self._ready():
            if process.poll() is not None:
                raise UnavailableError(f"longbowd ended with code {process.returncode}:\n{self._new_log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise UnavailableError(f"longbowd was not ready within {timeout:g} s:\n{self._new_log()}")
            time.sleep(0.01)

    def connect(self, token: str | None = None, *, timeout: float | None = None, retry: RetryPolicy = NO_RETRY) -> Client:
        """A client of this server, with its token. It does not try again unless asked: who started the server knows."""
        if token is None and (self.data_dir / "token").exists():
            token = self.token
        return Client(Connection(Target(self.uri, token), timeout, retry))

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, and the exit code. A server that does not end in time is killed; that counts as an error."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> int:
        """SIGKILL: as if the machine had lost the process. What was acknowledged is on disk."""
        return self._end(signal.SIGKILL, 15.0)

    def close(self) -> None:
        """Kills the server, and removes its data when the directory is private."""
        if self._owner != os.getpid():
            return  # a forked child at its end; the server is its parent's
        if self.running:
            self.kill()
        atexit.unregister(self.close)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
        self._ports_path.unlink(missing_ok=True)

    def _end(self, number: signal.Signals, timeout: float) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise UnavailableError(f"longbowd did not end within {timeout:g} s of {number.name}") from None
        finally:
            self._process = None

    def _new_log(self) -> str:
        return self.log()[self._log_start :]

    def _ready(self) -> bool:
        if not self._ports_path.exists():
            return False
        ports = json.loads(self._ports_path.read_text())
        self.port, self.meta_port, self.http_port = ports["data"], ports["meta"], ports["http"]
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=1)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Private:
    """A server for the clients of one directory in this process: started with the first, ended with the last. Guarded."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients = 0
        self._lock = threading.Lock()
        self._restarts: list[float] = []

    def restart_if_ended(self) -> None:
        """Starts a server again that ended by itself. Raises UnavailableError when that happened too often."""
        with self._lock:
            if self.server.running or self.clients == 0:
                return
            now = time.monotonic()
            self._restarts = [t for t in self._restarts if now - t < _RESTART_WINDOW_SECONDS]
            if len(self._restarts) >= _MAX_RESTARTS:
                raise UnavailableError(
                    f"the private server ended {_MAX_RESTARTS + 1} times within {_RESTART_WINDOW_SECONDS:g} s; its log is {self.server.log_path}"
                )
            self._restarts.append(now)
            self.server.start()


_private: dict[Path | None, _Private] = {}
_private_lock = threading.Lock()
_HELD = re.compile(r"(\S*(?:server\.lock|LOCK)) is held by ([^\n]*)")


def connect_private(
    directory: Path | None, timeout: float | None, retry: RetryPolicy, settings: Mapping[str, str | int | float], defaults: dict[str, str]
) -> Client:
    """A client of a server of its own on `directory`, or on a temporary one for None.

    Clients of one directory in one process share the server. Raises LongbowConnectionError that names the process when
    another one holds the directory.
    """
    key = directory.resolve() if directory is not None else None
    with _private_lock:
        shared = _private.get(key) if key is not None else None
        if shared is None:
            shared = _Private(_started(directory, settings))
            if key is not None:
                _private[key] = shared
        shared.clients += 1
    server = shared.server
    token = server.token if (server.data_dir / "token").exists() else None
    connection = Connection(Target(server.uri, token), timeout, retry)
    connection.on_unavailable = shared.restart_if_ended
    closed = False

    def on_close() -> None:
        nonlocal closed
        with _private_lock:
            if closed or os.getpid() != server._owner:
                return
            closed = True
            shared.clients -= 1
            if shared.clients > 0:
                return
            if key is not None:
                _private.pop(key, None)
        try:
            server.stop()
        finally:
            server.close()

    return Client(connection, on_close, defaults)


def _started(directory: Path | None, settings: Mapping[str, str | int | float]) -> Server:
    if directory is not None:
        if directory.exists() and not directory.is_dir():
            raise LongbowConnectionError(f"{directory} is a file: expected a directory, \":memory:\" or grpc://host:port")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LongbowConnectionError(f"directory {directory} cannot be made: {error.strerror}") from error
    # As flags: of the environment the server passes over what it does not know.
    flags = [part for name, value in settings.items() for part in (f"--{name.lower().replace('_', '-')}", _as_text(value))]
    server = Server(directory, side_files=None if directory is None else directory / "run", arguments=flags)
    try:
        server.start()
    except UnavailableError as error:
        server.close()
        held = _HELD.search(error.message)
        if held is None:
            raise
        raise LongbowConnectionError(
            f"directory {directory} is in use by {held.group(2).rstrip('.')}: connect to that server "
            f'(longbow.connect("grpc://host:port", data_dir="{directory}")), or end it first'
        ) from error
    return server
