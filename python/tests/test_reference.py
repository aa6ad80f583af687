"""The API reference names everything that the package promises."""

from __future__ import annotations

import re
from pathlib import Path

import longbow
import pytest

PAGES = "\n".join(page.read_text() for page in sorted((Path(__file__).resolve().parents[2] / "docs" / "reference").glob("*.md")))
SHOWN = set(re.findall(r"^::: (\S+)$", PAGES, re.M))


@pytest.mark.parametrize("name", sorted(set(longbow.__all__) - {"__version__"}))
def test_what_the_package_exports_is_on_a_reference_page(name: str) -> None:
    thing = getattr(longbow, name)
    assert SHOWN & {f"longbow.{name}", f"{thing.__module__}.{thing.__name__}", thing.__module__}, f"no line '::: longbow.{name}' under docs/reference"


def test_what_the_reference_pages_show_is_there() -> None:
    for path in SHOWN:
        owner, _, name = path.rpartition(".")
        assert path in ("longbow.errors", "longbow.models") or hasattr(__import__(owner, fromlist=["_"]), name), path
