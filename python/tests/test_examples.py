"""Every example that is printed anywhere runs: docstrings, pages, notebooks, the README."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import longbow
import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [name for _, name, _ in pkgutil.walk_packages(longbow.__path__, "longbow.")]
PAGES = sorted([ROOT / "README.md", ROOT / "python" / "README.md", *(p for p in (ROOT / "docs").rglob("*.md") if "```python" in p.read_text())])
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def server() -> Iterator[longbow.Server]:
    with longbow.Server() as one:
        yield one


@pytest.mark.parametrize("name", ["longbow", *MODULES])
def test_docstring_examples_say_what_happens(server: longbow.Server, name: str) -> None:
    if name == "longbow.asynchronous":
        return  # the docstrings are the blocking client's
    with server.connect() as client:
        world = {"longbow": longbow, "np": np, "pa": pa, "server": server, "client": client}
        module = importlib.import_module(name)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        for test in sorted(doctest.DocTestFinder().find(module, extraglobs=world), key=lambda t: t.lineno or 0):
            said: list[str] = []
            runner.run(test, out=said.append)
            assert not said, "".join(said)


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_pages_programs_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    world: dict[str, Any] = {"__name__": "example"}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page.name}, program {number}", "exec"), world)
    for value in list(world.values()):
        if isinstance(value, longbow.Client):
            value.close()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebooks_cells_run(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "duckdb" in notebook.read_text():
        pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    world: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(json.loads(notebook.read_text())["cells"]):
        assert cell["cell_type"] != "code" or not cell["outputs"], "outputs are made when the pages are"
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), world)
