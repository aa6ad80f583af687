"""A server of one's own: longbowd as a child process on free ports, for tests, notebooks and demonstrations."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

from longbow.client import Client, connect
from longbow.errors import UnavailableError

_REPOSITORY_BINARY = Path(__file__).resolve().parents[2] / "bin" / "longbowd"


def find_binary() -> Path:
    """The server program: LONGBOW_BINARY, the repository's bin/longbowd, or longbowd on the PATH."""
    named = os.environ.get("LONGBOW_BINARY")
    if named:
        return Path(named)
    if _REPOSITORY_BINARY.exists():
        return _REPOSITORY_BINARY
    found = shutil.which("longbowd")
    if found:
        return Path(found)
    raise UnavailableError("no longbowd: run `make build`, or set LONGBOW_BINARY to the program")


class Server:
    """longbowd as a child process, listening on loopback.

    Without `data_dir` the data lives in a private temporary directory that `close` removes. `settings` are the server's
    environment, without the LONGBOW_ prefix: `auth="none"`, `max_memory="1GiB"`. Confined to one thread.

    >>> with longbow.Server() as server, server.connect() as client:     # doctest: +SKIP
    ...     client.put("books", {"id": [1], "vector": np.ones((1, 4), "f4")})
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        binary: str | os.PathLike[str] | None = None,
        arguments: list[str] | None = None,
        **settings: str,
    ) -> None:
        self._private = None if data_dir is not None else tempfile.mkdtemp(prefix="longbow-")
        self.data_dir = Path(data_dir) if data_dir is not None else Path(self._private or "") / "data"
        self.log_path = self.data_dir.with_name(self.data_dir.name + ".log")
        self._ports_path = self.data_dir.with_name(self.data_dir.name + ".ports")
        self._binary = Path(binary) if binary is not None else find_binary()
        self._arguments = arguments or []
        self._settings = {name.upper(): value for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
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
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "--ports-file", self._ports_path, *self._arguments],
                env={**inherited, **{f"LONGBOW_{k}": v for k, v in settings.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self._process

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

    def connect(self, token: str | None = None) -> Client:
        """A client of this server, with its token."""
        if token is None and (self.data_dir / "token").exists():
            token = self.token
        return connect(self.uri, token)

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, and the exit code. A server that does not end in time is killed; that counts as an error."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> int:
        """SIGKILL: as if the machine had lost the process. What was acknowledged is on disk."""
        return self._end(signal.SIGKILL, 15.0)

    def close(self) -> None:
        """Ends the server, and removes its data when the directory is private."""
        if self.running:
            self.kill()
        atexit.unregister(self.close)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)

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
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
