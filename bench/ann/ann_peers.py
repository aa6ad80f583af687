"""Fetches the libraries that ann_bench is measured beside: pinned sources from package registries, compiled with the
flags that our own benchmarks are compiled with. What cannot be had is said and left out."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable

NAMES = ["hnswlib", "faiss", "usearch", "voyager"]
HNSWLIB, USEARCH, VOYAGER = "0.8.0", "2.26.6", "2.2.3"  # source packages on PyPI, whose headers are all it takes
FAISS_SYS = "0.7.0"  # the crate holds FAISS 1.12.0
QDRANT_EDGE = "0.9.0"  # a Python wheel, called from Python: for filters alone
FLAGS = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=-march=native", "-DCMAKE_CXX_FLAGS_RELEASE=-O3 -DNDEBUG"]


def run(command: list[str | pathlib.Path], cwd: pathlib.Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def source_package(name: str, version: str, folder: str) -> Callable[[pathlib.Path], None]:
    """From PyPI; `folder` of it becomes peers/name."""
    def fetch(peers: pathlib.Path) -> None:
        run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
             "--no-binary", name, f"{name}=={version}"], peers)
        with tarfile.open(peers / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(peers)
        (peers / name).symlink_to(pathlib.Path(f"{name}-{version}") / folder)
    return fetch


def faiss(peers: pathlib.Path) -> None:
    cargo = shutil.which("cargo") or str(pathlib.Path.home() / ".cargo" / "bin" / "cargo")
    project = peers / "faiss-crate"
    (project / "src").mkdir(parents=True, exist_ok=True)
    (project / "src" / "lib.rs").touch()
    (project / "Cargo.toml").write_text(
        f'[package]\nname = "peers"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\nfaiss-sys = "={FAISS_SYS}"\n')
    run([cargo, "vendor", "-q", "--versioned-dirs", "vendor"], project)
    source = project / "vendor" / f"faiss-sys-{FAISS_SYS}"
    run(["cmake", "-S", "faiss", "-B", "build", "-G", "Ninja", *FLAGS, "-DFAISS_ENABLE_GPU=OFF",
         "-DFAISS_ENABLE_PYTHON=OFF", "-DFAISS_ENABLE_EXTRAS=OFF", "-DBUILD_TESTING=OFF", "-DBUILD_SHARED_LIBS=OFF",
         "-DFAISS_OPT_LEVEL=generic",
         *(["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else [])], source)
    run(["ninja", "-C", "build", f"-j{os.cpu_count()}", "faiss"], source)
    (peers / "faiss").symlink_to(source.relative_to(peers))


def qdrant_edge(peers: pathlib.Path) -> None:
    run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
         "--target", peers / "qdrant-edge", f"qdrant-edge-py=={QDRANT_EDGE}"], peers)


FETCH: dict[str, tuple[Callable[[pathlib.Path], None], str]] = {
    "hnswlib": (source_package("hnswlib", HNSWLIB, "."), "pip"),
    "faiss": (faiss, "cargo, cmake, ninja and the apt packages libopenblas-dev and liblapack-dev"),
    "usearch": (source_package("usearch", USEARCH, "."), "pip"),
    "voyager": (source_package("voyager", VOYAGER, "src/cpp"), "pip"),
    "qdrant-edge": (qdrant_edge, "pip"),
}


def fetch(peers: pathlib.Path) -> None:
    peers.mkdir(parents=True, exist_ok=True)
    for name, (get, needs) in FETCH.items():
        if (peers / name).exists():
            continue
        print(f"bench-ann: fetching {name}", flush=True)
        try:
            get(peers)
        except (OSError, subprocess.CalledProcessError, tarfile.TarError) as error:
            print(f"bench-ann: {name} is NOT measured: {error}; it takes {needs}", flush=True)
