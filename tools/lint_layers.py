#!/usr/bin/env python3
"""Checks that the code keeps to its layers.

1. A file may include "longbow/<folder>/..." only if <folder> is its own or is named in the DEPS of the
   longbow_library(...) that declares its folder. Unit tests may also use what TEST_LINK names.
2. The declared dependencies have no cycle, and each DEPS entry is a declared folder.
3. What is below the network includes no gRPC and no Arrow Flight.
4. Engine, query, storage and index reach threads, clocks, randomness and files only through the interfaces of
   base/environment.h; otherwise crash tests and simulation could not control them.

Prints file:line with how to fix it; exit code 1 when anything was found.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

DECLARATION = re.compile(r"longbow_library\s*\(\s*([\w/]+)([^)]*)\)", re.S)
KEYWORDS = {"SOURCES", "DEPS", "LINK", "TESTS", "TEST_LINK"}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]longbow/([^">]+)[">]')
NETWORK = re.compile(r'^\s*#\s*include\s+["<](grpc|grpcpp|arrow/flight|google/protobuf)/')
NETWORK_FOLDERS = {"server", "protocol"}

INJECTED_FOLDERS = {"engine", "query", "storage", "index"}
SURPRISES = [
    (re.compile(r"\bstd::(thread|jthread|async)\b|\bpthread_create\b"), "a thread", "Environment's Executor"),
    (
        re.compile(
            r"\bstd::chrono::(system|steady|high_resolution)_clock\b|\bclock_gettime\b|\bgettimeofday\b"
            r"|\bsleep_(for|until)\b|\b(u|nano)?sleep\s*\(|(?<![\w.>])time\s*\(\s*(nullptr|NULL|0)\s*\)"
        ),
        "the system's clock",
        "Environment's Clock",
    ),
    (
        re.compile(r"\bstd::(random_device|mt19937(_64)?)\b|(?<![\w.>:])s?rand(om)?\s*\(|\bgetrandom\b"),
        "randomness of its own",
        "Environment's Random",
    ),
    (
        re.compile(r"\bstd::[io]?fstream\b|\bstd::filesystem\b|\bfopen\s*\(|::(open|openat|unlink|rename|fsync)\s*\("),
        "the system's files",
        "Environment's FileSystem",
    ),
    (re.compile(r"(?<![\w.>])(::)?(socket|getenv)\s*\("), "the system", "a setting or Environment's Transport"),
]


@dataclass
class Library:
    folder: str
    where: str
    deps: set[str] = field(default_factory=set)
    test_deps: set[str] = field(default_factory=set)


def read_libraries(source_root: Path, root: Path) -> dict[str, Library]:
    libraries: dict[str, Library] = {}
    for cmake_file in sorted(source_root.rglob("CMakeLists.txt")):
        text = re.sub(r"#.*", "", cmake_file.read_text())
        for match in DECLARATION.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            library = Library(match.group(1), f"{cmake_file.relative_to(root)}:{line}")
            keyword = ""
            for word in match.group(2).split():
                if word in KEYWORDS:
                    keyword = word
                elif keyword == "DEPS":
                    library.deps.add(word)
                elif keyword == "TEST_LINK" and word.startswith("longbow_"):
                    library.test_deps.add(word.removeprefix("longbow_"))
            libraries[library.folder] = library
    return libraries


def owner_of(path: str, libraries: dict[str, Library]) -> str | None:
    """The declared folder that `path` (below src/longbow) lies in: the deepest one."""
    parts = path.split("/")[:-1]
    for depth in range(len(parts), 0, -1):
        folder = "/".join(parts[:depth])
        if folder in libraries:
            return folder
    return None


def find_cycle(libraries: dict[str, Library]) -> list[str]:
    done: set[str] = set()

    def walk(folder: str, path: list[str]) -> list[str]:
        if folder in path:
            return path[path.index(folder) :] + [folder]
        if folder in done:
            return []
        for dep in sorted(libraries[folder].deps & libraries.keys()):
            cycle = walk(dep, path + [folder])
            if cycle:
                return cycle
        done.add(folder)
        return []

    for folder in sorted(libraries):
        cycle = walk(folder, [])
        if cycle:
            return cycle
    return []


def without_comments(text: str) -> str:
    """Comments and string literals blanked, lines kept, so that words in them are not taken for code."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_file(path: Path, source_root: Path, root: Path, libraries: dict[str, Library]) -> list[str]:
    inside = path.relative_to(source_root).as_posix()
    where = path.relative_to(root).as_posix()
    owner = owner_of(inside, libraries)
    if owner is None:
        return [f"{where}:1: no longbow_library() declares this folder: add one to its CMakeLists.txt"]
    library = libraries[owner]
    is_test = "test" in path.stem.split("_")  # flat_index_test.cc, log_test_machine.h
    allowed = {owner} | library.deps | (library.test_deps if is_test else set())
    top = owner.split("/")[0]
    text = path.read_text()
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            target = owner_of(include.group(1), libraries) or include.group(1).split("/")[0]
            if target not in allowed:
                problems.append(
                    f"{where}:{number}: {owner} includes longbow/{include.group(1)} but does not declare {target}: "
                    f"use what {owner} may use ({', '.join(sorted(library.deps)) or 'nothing'}), or, if the layer table "
                    f"allows it, add {target} to DEPS at {library.where}"
                )
        if NETWORK.match(line) and top not in NETWORK_FOLDERS:
            problems.append(f"{where}:{number}: {owner} is below the network: move this to server/")
    if top in INJECTED_FOLDERS and not is_test:
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for pattern, what, instead in SURPRISES:
                found = pattern.search(line)
                if found:
                    problems.append(f"{where}:{number}: {owner} takes {what} ({found.group(0)}): use {instead}")
    return problems


def lint(root: Path) -> list[str]:
    source_root = root / "src" / "longbow"
    libraries = read_libraries(source_root, root)
    problems = []
    for library in libraries.values():
        for dep in sorted(library.deps - libraries.keys()):
            problems.append(f"{library.where}: {library.folder} names {dep} in DEPS, but no such folder is declared")
    cycle = find_cycle(libraries)
    if cycle:
        problems.append(f"src/longbow: dependencies go in a circle: {' -> '.join(cycle)}: includes go down only")
    for path in sorted(source_root.rglob("*")):
        if path.suffix in (".h", ".cc", ".inc"):
            problems += check_file(path, source_root, root, libraries)
    return problems


def main(arguments: list[str]) -> int:
    root = Path(arguments[1]).resolve() if len(arguments) > 1 else Path(__file__).resolve().parent.parent
    problems = lint(root)
    for problem in problems:
        print(problem)
    print(f"layers: {len(problems)} problems" if problems else "layers: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
