"""Builds dist/longbow-VERSION-py3-none-PLATFORM.whl: the Python package with the server program in it.

The program finds Arrow's libraries in the pyarrow that is installed beside the package; every other library that a bare
system may lack is in the wheel. Needs patchelf and binutils.

    python tools/make_wheel.py [--binary bin/longbowd] [--out dist]
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Of the C library, on every Linux with the glibc that the wheel's name asks for.
SYSTEM = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2", "linux-vdso.so.1"}
ARROW = re.compile(r"lib(?:arrow|parquet)\w*\.so\.\d+")
RPATH = "$ORIGIN/lib:$ORIGIN/../../pyarrow"
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def run(*command: str | Path) -> str:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def libraries(binary: Path) -> dict[str, Path]:
    """The shared libraries that the program and its libraries load: path by name."""
    found = {}
    for line in run("ldd", binary).splitlines():
        match = re.match(r"\s*(\S+) => (\S+) \(", line)
        if match:
            found[match.group(1)] = Path(match.group(2))
        elif "not found" in line:
            sys.exit(f"make_wheel: {binary} lacks a library: {line.strip()}")
    return found


def newest_glibc(files: list[Path]) -> tuple[int, int]:
    """The newest version of glibc that any of the files asks for."""
    versions = set()
    for file in files:
        versions.update(re.findall(r"GLIBC_(\d+)\.(\d+)", run("objdump", "-T", file)))
    return max((int(major), int(minor)) for major, minor in versions)


def copyrights(paths: list[Path]) -> dict[str, bytes]:
    """The licences of bundled libraries, by the Debian package that each is from."""
    # A merged /usr has each library at two paths, of which dpkg knows one.
    spellings = {spelling: path for path in paths for spelling in (str(path.resolve()), str(path.resolve()).removeprefix("/usr"))}
    answer = subprocess.run(["dpkg", "-S", *spellings], capture_output=True, text=True).stdout
    owners = {spellings[line.rsplit(": ", 1)[1]]: line.split(":")[0] for line in answer.splitlines() if ": /" in line}
    unknown = [str(path) for path in paths if path not in owners]
    if unknown:
        sys.exit(f"make_wheel: {unknown[0]} is of no package, so its licence is not known")
    return {package: Path("/usr/share/doc", package, "copyright").read_bytes() for package in owners.values()}


def stage_program(binary: Path, place: Path) -> tuple[list[Path], dict[str, bytes]]:
    """The program and the libraries it brings along, stripped, each finding the others; and the libraries' licences."""
    (place / "lib").mkdir(parents=True)
    program = place / "longbowd"
    bundled = {name: path for name, path in libraries(binary).items() if name not in SYSTEM and not ARROW.fullmatch(name)}
    shutil.copy(binary, program)
    files = [program]
    for name, path in sorted(bundled.items()):
        shutil.copy(path.resolve(), place / "lib" / name)
        files.append(place / "lib" / name)
    for file in files:
        file.chmod(0o755)
        run("strip", "--strip-unneeded", file)
        run("patchelf", "--set-rpath", RPATH if file == program else "$ORIGIN", file)
    return files, copyrights(list(bundled.values()))


def metadata(project: dict[str, Any], version: str) -> str:
    """The wheel's METADATA."""
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        "License: Apache-2.0",
        f"Requires-Python: {project['requires-python']}",
        *(f"Classifier: {c}" for c in project.get("classifiers", [])),
        *(f"Requires-Dist: {d}" for d in project["dependencies"]),
    ]
    for extra, wanted in project.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines.extend(f'Requires-Dist: {d}; extra == "{extra}"' for d in wanted)
    text = (ROOT / "python" / "README.md").read_text()
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", text])


def write_wheel(target: Path, files: dict[str, bytes | Path]) -> None:
    """A wheel is a zip archive that lists its files with their hashes."""
    record = next(name for name in files if name.endswith("METADATA")).replace("METADATA", "RECORD")
    lines = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, source in files.items():
            content = source if isinstance(source, bytes) else source.read_bytes()
            mode = 0o755 if isinstance(source, Path) and os.access(source, os.X_OK) else 0o644
            entry = zipfile.ZipInfo(name, FIXED_TIME)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(content)}")
        archive.writestr(zipfile.ZipInfo(record, FIXED_TIME), "\n".join([*lines, f"{record},,", ""]))


def build(binary: Path, out: Path) -> Path:
    project = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]
    version = (ROOT / "VERSION").read_text().strip()
    info = f"longbow-{version}.dist-info"
    with tempfile.TemporaryDirectory() as scratch:
        program_files, licences = stage_program(binary, Path(scratch) / "bin")
        major, minor = newest_glibc(program_files)
        tag = f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"
        files: dict[str, bytes | Path] = {}
        for path in sorted((ROOT / "python" / "longbow").rglob("*")):
            if path.is_file() and path.suffix in (".py", ".typed"):
                files[str(path.relative_to(ROOT / "python"))] = path.read_bytes()
        files["longbow/VERSION"] = version.encode()
        for path in program_files:
            files[f"longbow/bin/{path.relative_to(Path(scratch) / 'bin')}"] = path
        files[f"{info}/METADATA"] = metadata(project, version).encode()
        files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: longbow make_wheel\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
        scripts = "\n".join(f"{name} = {where}" for name, where in project["scripts"].items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
        for name in ("LICENSE", "NOTICE"):
            files[f"{info}/licenses/{name}"] = (ROOT / name).read_bytes()
        files.update({f"{info}/licenses/bundled/{package}.txt": text for package, text in sorted(licences.items())})
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"longbow-{version}-{tag}.whl"
        write_wheel(target, files)
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "bin" / "longbowd")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    arguments = parser.parse_args()
    wheel = build(arguments.binary, arguments.out)
    print(f"{wheel} ({wheel.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
