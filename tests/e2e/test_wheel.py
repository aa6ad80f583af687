"""The wheel as it is installed: in a directory of its own, with no repository around and no settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import make_wheel
import pyarrow as pa
import pytest
from longbow.server import find_binary

FIRST = """
import longbow, numpy as np
db = longbow.connect("./data")
vectors = np.random.rand(100, 16).astype("float32")
db.insert("books", {"id": np.arange(100), "vector": vectors})
assert db.search("books", vectors[7], k=1)["id"].to_pylist() == [7]
print(longbow.__file__, longbow.__version__, longbow.server.find_binary())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("patchelf"):
        pytest.skip("patchelf is not installed")
    return make_wheel.build(find_binary(), tmp_path_factory.mktemp("dist"))


def unpacked(wheel: Path, place: Path) -> Path:
    """What pip does with a wheel, without asking an index for what it depends on."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-compile", "--target", str(place), str(wheel)]
    subprocess.run(command, check=True, timeout=120)
    return place


def run(site: Path, place: Path, *command: str) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(place), "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("pyarrow_beside", [True, False], ids=["beside pyarrow", "apart from pyarrow"])
def test_an_installed_wheel_runs_its_own_server(wheel: Path, tmp_path: Path, pyarrow_beside: bool) -> None:
    site, place = unpacked(wheel, tmp_path / "site"), tmp_path / "empty"
    place.mkdir()
    if pyarrow_beside:
        os.symlink(Path(pa.__file__).parent, site / "pyarrow")
    said = run(site, place, sys.executable, "-P", "-c", FIRST)
    assert f"{site}/longbow/__init__.py {make_wheel.ROOT.joinpath('VERSION').read_text().strip()} {site}/longbow/bin/longbowd" in said
    assert "longbow.command" in run(site, place, sys.executable, "-P", "-c", "import importlib.metadata as m; print(m.entry_points(name='longbow'))")


def test_only_the_c_library_is_left_to_the_system(wheel: Path, tmp_path: Path) -> None:
    site = unpacked(wheel, tmp_path / "site")
    os.symlink(Path(pa.__file__).parent, site / "pyarrow")
    for name, path in make_wheel.libraries(site / "longbow" / "bin" / "longbowd").items():
        inside = str(path.resolve()).startswith(str(site)) or make_wheel.ARROW.fullmatch(name) is not None
        assert inside or name in make_wheel.SYSTEM, f"{name} comes from {path}"


def test_the_wheel_says_what_it_needs_and_under_which_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
        assert archive.testzip() is None
    assert "manylinux_" in wheel.name and "Requires-Dist: pyarrow>=25" in metadata and "Provides-Extra: polars" in metadata
    assert any(n.endswith("licenses/LICENSE") for n in names) and any("bundled/libgrpc" in n for n in names)
    assert not any("__pycache__" in n or "/tests/" in n for n in names)
