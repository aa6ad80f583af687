"""Writes python/longbow/asynchronous.py from python/longbow/client.py, so that both clients have one source.

Names, signatures and docstrings are copied; each call runs the blocking one in a thread. `--check` compares only.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "python" / "longbow"
SOURCE, CONNECTING, TARGET = PACKAGE / "client.py", PACKAGE / "connecting.py", PACKAGE / "asynchronous.py"
NAMES = {"BoundQuery": "AsyncQuery", "Dataset": "AsyncDataset", "Client": "AsyncClient"}

HEAD = '''"""The client for asyncio: `connect_async`, and the methods of `Client` and `Dataset` to await.

Written by tools/generate_async_client.py from client.py: change that, then run `make generate`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, Literal, NoReturn

import pyarrow as pa

from longbow import connecting, inserting
from longbow.bridge import Bridge
from longbow.client import BoundQuery, Client, Dataset, DatasetInfo, DatasetStats, Mode, Progress
from longbow.connecting import DEFAULT_TIMEOUT
from longbow.filters import FilterLike
from longbow.put import PutResult
from longbow.query import Query, query_fields
from longbow.results import Results
from longbow.retry import RetryPolicy


class Connecting:
    """What `connect_async` returns: await it, or use it in `async with`."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: AsyncClient | None = None

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"no {name!r} before it is awaited: db = await longbow.connect_async(...), or async with")

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._open()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> AsyncClient:
        bridge = Bridge()
        return AsyncClient(await bridge.call(self._connect), bridge)

'''

INITS = {
    "AsyncQuery": '''    _client: AsyncClient | None = field(default=None, repr=False)

    @property
    def _sync(self) -> BoundQuery:
        assert self._client is not None
        values = {f.name: getattr(self, f.name) for f in fields(Query)}
        return BoundQuery(**values, _client=self._client._sync)

    @property
    def _bridge(self) -> Bridge:
        assert self._client is not None
        return self._client._bridge
''',
    "AsyncDataset": '''    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._bridge = client._bridge
        self._sync = Dataset(client._sync, name)
        self.name = name

    def __repr__(self) -> str:
        return f"AsyncDataset({self.name!r})"
''',
    "AsyncClient": '''    def __init__(self, client: Client, bridge: Bridge) -> None:
        self._sync = client
        self._bridge = bridge

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.uri!r})"
''',
}


def docstring(node: ast.AST, indent: str) -> str:
    text = ast.get_docstring(node, clean=False)  # type: ignore[arg-type]
    return f'{indent}"""{text}"""\n' if text else ""


def renamed(annotation: str) -> str:
    for old, new in NAMES.items():
        annotation = new if annotation == old else annotation
    return annotation.replace("Iterator[", "AsyncIterator[")


def passed(f: ast.FunctionDef) -> str:
    names = [a.arg for a in f.args.args[1:]]
    keywords = [f"{a.arg}={a.arg}" for a in f.args.kwonlyargs]
    return ", ".join([*names, *keywords])


def method(owner: str, f: ast.FunctionDef) -> str:
    returns = ast.unparse(f.returns) if f.returns else "None"
    text, arguments = docstring(f, "        "), passed(f)
    head = f"{f.name}({ast.unparse(f.args)}) -> {renamed(returns)}:\n{text}"
    if any(isinstance(d, ast.Name) and d.id == "property" for d in f.decorator_list):
        return f"    @property\n    def {head}        return self._sync.{f.name}\n"
    call = f"self._sync.{f.name}" + (f", {arguments}" if arguments else "")
    if (owner, f.name) == ("Client", "dataset"):
        return f"    def {head}        return AsyncDataset(self, name)\n"
    if (owner, f.name) == ("Dataset", "search"):
        body = ast.unparse(f.body[-1]).replace("BoundQuery(", "AsyncQuery(")
        return f"    def {head}        {body}\n"
    if returns.startswith("Iterator["):
        return f"    async def {head}        async for item in self._bridge.iterate({call}):\n            yield item\n"
    prefix = "" if returns == "None" else "return "
    ask = "end" if (owner, f.name) == ("Client", "close") else "call"
    return f"    async def {head}        {prefix}await self._bridge.{ask}({call})\n"


def transformed(node: ast.ClassDef) -> str:
    name = NAMES[node.name]
    decorator = "@dataclass(frozen=True, eq=False, repr=False)\n" if name == "AsyncQuery" else ""
    base = "(Query)" if name == "AsyncQuery" else ""
    parts = [f"\n{decorator}class {name}{base}:\n{docstring(node, '    ')}\n{INITS[name]}"]
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            parts.append(method(node.name, item))
        elif isinstance(item, ast.Assign):
            parts.append("    " + ast.unparse(item) + "\n")
    return "\n".join(parts)


def connect_function() -> str:
    tree = ast.parse(CONNECTING.read_text())
    f = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "connect")
    names = [a.arg for a in f.args.args] + [f"{a.arg}={a.arg}" for a in f.args.kwonlyargs]
    return (
        f"\ndef connect_async({ast.unparse(f.args)}) -> Connecting:\n{docstring(f, '    ')}"
        f"    return Connecting(lambda: connecting.connect({', '.join(names)}))\n"
    )


def generated() -> str:
    tree = ast.parse(SOURCE.read_text())
    classes = [transformed(n) for n in tree.body if isinstance(n, ast.ClassDef) and n.name in NAMES]
    return HEAD + "\n".join(classes) + "\n" + connect_function()


def main() -> int:
    text = generated()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() == text:
            return 0
        print(f"{TARGET.name} is not what client.py says: run `make generate`", file=sys.stderr)
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
