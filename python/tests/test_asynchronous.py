"""Both clients have the same names, signatures and docstrings."""

from __future__ import annotations

import inspect
from typing import Any

import generate_async_client
import longbow
import pytest

PAIRS = [(longbow.Client, longbow.AsyncClient), (longbow.Dataset, longbow.AsyncDataset), (longbow.BoundQuery, longbow.AsyncQuery)]


def public(kind: type) -> dict[str, Any]:
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize("blocking, asynchronous", PAIRS)
def test_both_clients_offer_the_same(blocking: type, asynchronous: type) -> None:
    ours, theirs = public(blocking), public(asynchronous)
    assert ours.keys() == theirs.keys()
    for name, member in ours.items():
        twin = theirs[name]
        assert inspect.getdoc(getattr(blocking, name)) == inspect.getdoc(getattr(asynchronous, name)), name
        if inspect.isfunction(member):
            a, b = inspect.signature(member), inspect.signature(twin)
            assert [(p.name, p.kind, p.default, p.annotation) for p in a.parameters.values()] == [
                (p.name, p.kind, p.default, p.annotation) for p in b.parameters.values()
            ], name


def test_connect_async_takes_what_connect_takes() -> None:
    assert inspect.signature(longbow.connect).parameters == inspect.signature(longbow.connect_async).parameters
    assert inspect.getdoc(longbow.connect) == inspect.getdoc(longbow.connect_async)


def test_the_asynchronous_client_is_written_from_the_blocking_one() -> None:
    assert generate_async_client.TARGET.read_text() == generate_async_client.generated(), "run `make generate`"
