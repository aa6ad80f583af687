"""A shared server for tests that only need a dataset of their own, and servers of their own for the rest.

Every server has its own directory and free ports, so that several runs can go on side by side.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import longbow
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from flight_calls import Calls  # noqa: E402
from raw_flight import RawFlight  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[longbow.Server]:
    """One server for all tests that harm nothing outside their dataset."""
    one = longbow.Server(tmp_path_factory.mktemp("shared") / "data")
    one.start()
    yield one
    alive = one.running
    log = one.log()
    one.close()
    assert alive, f"the shared server died during the tests:\n{log[-4000:]}"


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., longbow.Server]]:
    """Starts a server on the test's own directory; all are ended with the test."""
    servers: list[longbow.Server] = []

    def start(**settings: Any) -> longbow.Server:
        one = longbow.Server(settings.pop("data_dir", tmp_path / "data"), **settings)
        servers.append(one)
        one.start()
        return one

    yield start
    for one in servers:
        one.close()


@pytest.fixture
def open_calls() -> Iterator[Callable[[longbow.Server], Calls]]:
    opened: list[Calls] = []

    def open_for(server: longbow.Server, port: int | None = None, token: str | None = None) -> Calls:
        has_token = (server.data_dir / "token").exists()
        calls = Calls(port or server.port, token or (server.token if has_token else None))
        opened.append(calls)
        return calls

    yield open_for
    for calls in opened:
        calls.close()


@pytest.fixture(scope="session")
def _shared_calls(server: longbow.Server) -> Iterator[Calls]:
    calls = Calls(server.port, server.token)
    yield calls
    calls.close()


@pytest.fixture
def calls(_shared_calls: Calls) -> Calls:
    """pyarrow.flight calls to the shared server's data port."""
    return _shared_calls


@pytest.fixture
def meta_calls(server: longbow.Server) -> Iterator[Calls]:
    """pyarrow.flight calls to the shared server's meta port."""
    calls = Calls(server.meta_port, server.token)
    yield calls
    calls.close()


@pytest.fixture
def raw(server: longbow.Server) -> Iterator[RawFlight]:
    """Bytes on a gRPC channel to the shared server."""
    channel = RawFlight(server.port, server.token)
    yield channel
    channel.close()


@pytest.fixture
def client(server: longbow.Server) -> Iterator[longbow.Client]:
    """The longbow package, connected to the shared server."""
    with server.connect() as connected:
        yield connected


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    """A name no other test uses."""
    return f"t{next(_numbers)}-" + "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
