"""Which library the loader gives a name that two of them export (docs/decisions/library-order.md)."""

from __future__ import annotations

import os
import re
import subprocess

from longbow.server import find_binary, program_environment


def bindings() -> list[tuple[str, str, str]]:
    """(library that asks, library that it gets, name), of the program and all that it loads."""
    binary = find_binary()
    settings = {"LD_DEBUG": "bindings", "LD_BIND_NOW": "1", "LD_BIND_NOT": "1"}
    done = subprocess.run([binary, "--version"], env={**os.environ, **program_environment(binary), **settings}, capture_output=True, check=True)
    line = re.compile(rb"binding file \S*?([^/ ]+) \[0\] to \S*?([^/ ]+) \[0\]: normal symbol `([^'`]+)'")
    found = [tuple(part.decode() for part in match.groups()) for match in line.finditer(done.stderr)]
    assert len(found) > 1000, "the loader tells what it binds"
    return found  # type: ignore[return-value]


def test_tls_and_filters_each_use_one_copy_of_what_they_need() -> None:
    arrows = re.compile(r"lib(arrow|parquet)")
    openssl = re.compile(r"lib(ssl|crypto)\.so")
    names = bindings()
    mixed = [b for b in names if openssl.match(b[0]) and arrows.match(b[1])]
    assert not mixed, f"OpenSSL works on a copy in Arrow: {mixed[:3]}"
    of_openssl = {name for asking, got, name in names if openssl.match(got)}
    taken = [b for b in names if b[0].startswith("libgrpc") and arrows.match(b[1]) and b[2] in of_openssl]
    assert not taken, f"gRPC gets OpenSSL from Arrow: {taken[:3]}"
    expressions = [b for b in names if arrows.match(b[0]) and "3re2" in b[2] and not arrows.match(b[1])]
    assert not expressions, f"Arrow gets RE2 from elsewhere: {expressions[:3]}"
