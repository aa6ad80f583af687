"""connect(): from an address to a client."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from longbow.client import Client
from longbow.connection import Connection, Target, check_timeout
from longbow.errors import InvalidArgumentError
from longbow.retry import NO_RETRY, RetryPolicy

DEFAULT_URI = "grpc://127.0.0.1:3000"
DEFAULT_TIMEOUT = 60.0
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")


def connect(
    uri: str | os.PathLike[str] | None = None,
    token: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    retry: RetryPolicy | None = RetryPolicy(),
    tls_root_certs: str | os.PathLike[str] | bytes | None = None,
    tls_client_cert: tuple[str | os.PathLike[str] | bytes, str | os.PathLike[str] | bytes] | None = None,
    tls_skip_verify: bool = False,
    headers: dict[str, str] | None = None,
    settings: Mapping[str, str | int | float] | None = None,
) -> Client:
    """A client of the server at `uri`.

    Args:
        uri: a directory ("./data"): a server of this program's own on it, started now and ended with its last client;
            ":memory:": the same on a temporary directory that vanishes with it; "grpc://host:port" or "host:port": a
            running server, which is not called before the first use; "grpc+tls://host:port": the same behind TLS.
            Without it, grpc://127.0.0.1:3000.
        token: what the server wants to see; else the environment variable LONGBOW_TOKEN; else the file `token` in
            `data_dir`.
        data_dir: the data directory of a running server on this machine, for its token.
        timeout: seconds that a call may take which is not given a timeout of its own. Inserts, gets and scans may last:
            they end when for so long nothing came that the server owes, a batch or an acknowledgement. None waits as long
            as the server does.
        retry: how calls that may be made twice are tried again; None never does.
        tls_root_certs: PEM certificates to trust, or a file of them; else gRPC's.
        tls_client_cert: certificate chain and private key for a server that asks for them.
        tls_skip_verify: takes any certificate.
        headers: sent with every call.
        settings: of the private server, by name: {"max_memory": "1GiB", "max_k": 100}.

    Raises InvalidArgumentError for an address that is none, LongbowConnectionError when another process holds the
    directory.

    Examples:
        >>> with longbow.connect(":memory:") as db:
        ...     db.put("books", {"id": [1], "vector": [[0.5, 0.5]]}).rows
        1
    """
    from longbow.server import connect_private  # only programs that start servers pay for what starting needs

    retry = NO_RETRY if retry is None else retry
    if not isinstance(retry, RetryPolicy):
        raise InvalidArgumentError(f"retry: expected a RetryPolicy or None, got {retry!r}")
    check_timeout(timeout)
    if not isinstance(uri, (str, os.PathLike, type(None))):
        raise InvalidArgumentError(f'uri: expected a directory, ":memory:", grpc://host:port or grpc+tls://host:port, got {uri!r}')
    address = os.fspath(uri) if uri is not None else DEFAULT_URI
    if address == ":memory:":
        return connect_private(None, timeout, retry, settings or {}, {"longbow.durability": "memory"})
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "file":
        return connect_private(Path(rest), timeout, retry, settings or {}, {})
    if isinstance(uri, os.PathLike) or (not separator and not _HOST_AND_PORT.fullmatch(address)):
        if not address:
            raise InvalidArgumentError('uri: expected a directory, ":memory:", grpc://host:port or grpc+tls://host:port, got ""')
        return connect_private(Path(address).expanduser(), timeout, retry, settings or {}, {})
    if not separator:
        scheme, rest = "grpc", address
    if scheme not in ("grpc", "grpc+tcp", "grpc+tls", "grpc+unix") or (scheme != "grpc+unix" and not _HOST_AND_PORT.fullmatch(rest.rstrip("/"))):
        raise InvalidArgumentError(f'uri: expected a directory, ":memory:", grpc://host:port or grpc+tls://host:port, got {address!r}')
    chain, key = tls_client_cert or (None, None)
    target = Target(
        f"{scheme}://{rest.rstrip('/') if scheme != 'grpc+unix' else rest}",
        _token(token, data_dir),
        tls_root_certs=_pem(tls_root_certs),
        tls_cert_chain=_pem(chain),
        tls_private_key=_pem(key),
        tls_skip_verify=tls_skip_verify,
        headers=headers or {},
    )
    return Client(Connection(target, timeout, retry))


def _token(token: str | None, data_dir: str | os.PathLike[str] | None) -> str | None:
    if token is None:
        token = os.environ.get("LONGBOW_TOKEN") or None
    if token is None and data_dir is not None:
        path = Path(data_dir) / "token"
        try:
            token = path.read_text().strip()
        except OSError as error:
            raise InvalidArgumentError(f"no token in {path}: {error.strerror}") from error
    return token


def _pem(given: str | os.PathLike[str] | bytes | None) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"no certificate in {given}: {error.strerror}") from error
