"""TLS on the Flight ports: with the server's certificate, and with one that clients show."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import longbow
import pytest
from longbow.server import find_binary

if shutil.which("openssl") is None:
    pytest.skip("openssl is not installed", allow_module_level=True)

StartServer = Callable[..., longbow.Server]


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of a server on localhost and of a client that it signed."""
    place = tmp_path_factory.mktemp("pem")
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl(*make, "-subj", "/CN=authority", "-keyout", f"{place}/ca.key", "-out", f"{place}/ca.pem")
    for name in ("server", "client"):
        signed = ["-CA", f"{place}/ca.pem", "-CAkey", f"{place}/ca.key", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        openssl(*make, *signed, "-subj", f"/CN={name}", "-keyout", f"{place}/{name}.key", "-out", f"{place}/{name}.pem")
    return place


def works(client: longbow.Client) -> bool:
    with client:
        client.put("d", {"id": [1, 2], "vector": [[0.0, 1.0], [1.0, 0.0]]})
        return client.search("d", [0, 1], k=1)["id"].to_pylist() == [1]


def test_calls_travel_encrypted(start_server: StartServer, pem: Path) -> None:
    server = start_server(tls_cert=str(pem / "server.pem"), tls_key=str(pem / "server.key"))
    for port in (server.port, server.meta_port):
        assert works(longbow.connect(f"grpc+tls://localhost:{port}", server.token, tls_root_certs=pem / "ca.pem"))
    assert works(longbow.connect(f"grpc+tls://localhost:{server.port}", server.token, tls_skip_verify=True))
    with longbow.connect(f"grpc+tls://localhost:{server.port}", "wrong", tls_root_certs=pem / "ca.pem") as client, pytest.raises(longbow.UnauthenticatedError):
        client.datasets()
    for uri, authority in ((f"grpc+tls://localhost:{server.port}", None), (f"grpc://localhost:{server.port}", None)):
        with longbow.connect(uri, server.token, tls_root_certs=authority, timeout=3, retry=None) as client, pytest.raises(longbow.LongbowConnectionError):
            client.datasets()
    assert "certificate" in server.log() or server.running


def test_clients_show_a_certificate_where_one_is_wanted(start_server: StartServer, pem: Path) -> None:
    server = start_server(
        auth="none", tls_cert=str(pem / "server.pem"), tls_key=str(pem / "server.key"), tls_client_ca=str(pem / "ca.pem")
    )
    uri = f"grpc+tls://localhost:{server.port}"
    assert works(longbow.connect(uri, tls_root_certs=pem / "ca.pem", tls_client_cert=(pem / "client.pem", pem / "client.key")))
    with longbow.connect(uri, tls_root_certs=pem / "ca.pem", timeout=3, retry=None) as client, pytest.raises(longbow.LongbowConnectionError):
        client.datasets()


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"tls-cert": "server.pem"}, 2, "TLS needs tls_cert and tls_key"),
        ({"tls-client-ca": "ca.pem"}, 2, "TLS needs tls_cert and tls_key"),
        ({"tls-cert": "none.pem", "tls-key": "server.key"}, 1, "tls_cert: cannot read"),
        ({"tls-cert": "server.pem", "tls-key": "text"}, 1, "tls_key: expected"),
        ({"tls-cert": "server.pem", "tls-key": "client.key"}, 1, "the TLS key is not the certificate's"),
        ({"listen-addr": "0.0.0.0:0", "tls-cert": "server.pem", "tls-key": "server.key", "auth": "none"}, 2, "tls_client_ca"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(tmp_path: Path, pem: Path, settings: dict[str, str], code: int, said: str) -> None:
    (pem / "text").write_text("no key")
    flags = {"listen-addr": "127.0.0.1:0", "meta-addr": "127.0.0.1:0", "metrics-addr": "127.0.0.1:0", "data-path": str(tmp_path / "data")}
    flags |= {name: str(pem / value) if name.startswith("tls") else value for name, value in settings.items()}
    command = [str(find_binary()), *(f"--{name}={value}" for name, value in flags.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == code and said in done.stderr, done.stderr
