"""The layer lint finds what it is there for and lets the rest pass."""

from __future__ import annotations

from pathlib import Path

import lint_layers
import pytest


@pytest.fixture
def tree(tmp_path: Path):
    def write(**files: str) -> list[str]:
        defaults = {
            "base/CMakeLists.txt": "longbow_library(base SOURCES clock.cc)",
            "storage/CMakeLists.txt": "longbow_library(storage\n  SOURCES log.cc\n  DEPS base)",
            "engine/CMakeLists.txt": "longbow_library(engine\n  DEPS base storage  # the log\n TEST_LINK longbow_storage GTest::x)",
            "server/CMakeLists.txt": "longbow_library(server DEPS base engine LINK PkgConfig::GRPC)",
        }
        for name, text in {**defaults, **files}.items():
            path = tmp_path / "src" / "longbow" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return lint_layers.lint(tmp_path)

    return lambda files={}: write(**files)


def test_declared_includes_pass(tree) -> None:
    assert tree({"engine/shard.cc": '#include "longbow/engine/shard.h"\n#include "longbow/storage/log.h"\n'}) == []


def test_undeclared_include_is_found_with_file_line_and_fix(tree) -> None:
    problems = tree({"storage/log.cc": '#include <vector>\n#include "longbow/engine/shard.h"\n'})
    assert len(problems) == 1
    assert problems[0].startswith("src/longbow/storage/log.cc:2: storage includes longbow/engine/shard.h")
    assert "src/longbow/storage/CMakeLists.txt:1" in problems[0]


def test_what_a_dependency_may_use_is_not_inherited(tree) -> None:
    problems = tree({"server/service.cc": '#include "longbow/storage/log.h"\n'})
    assert len(problems) == 1 and "does not declare storage" in problems[0]


def test_a_nested_folder_is_its_own_layer(tree) -> None:
    files = {
        "index/CMakeLists.txt": "longbow_library(index DEPS base)",
        "index/flat/CMakeLists.txt": "longbow_library(index/flat DEPS base)",
        "index/flat/flat_index.cc": '#include "longbow/index/vector_index.h"\n',
    }
    problems = tree(files)
    assert len(problems) == 1 and "does not declare index" in problems[0]


def test_a_cycle_is_found(tree) -> None:
    problems = tree({"base/CMakeLists.txt": "longbow_library(base DEPS engine)"})
    assert any("in a circle" in problem for problem in problems)


def test_an_unknown_dependency_is_found(tree) -> None:
    problems = tree({"base/CMakeLists.txt": "longbow_library(base DEPS bsae)"})
    assert problems == ["src/longbow/base/CMakeLists.txt:1: base names bsae in DEPS, but no such folder is declared"]


def test_the_network_stays_in_the_server(tree) -> None:
    assert tree({"server/service.cc": "#include <grpcpp/grpcpp.h>\n"}) == []
    assert len(tree({"engine/shard.cc": "#include <grpcpp/grpcpp.h>\n"})) == 1


@pytest.mark.parametrize(
    "line",
    [
        "std::thread applier;",
        "auto now = std::chrono::steady_clock::now();",
        "std::this_thread::sleep_for(delay);",
        "std::random_device seed;",
        "int fd = ::open(path, O_RDONLY);",
        "std::ifstream in(path);",
        'const char* home = getenv("HOME");',
        "long now = time(nullptr);",
    ],
)
def test_a_source_of_surprise_is_found(tree, line: str) -> None:
    problems = tree({"engine/shard.cc": f"// first\n{line}\n"})
    assert len(problems) == 1 and problems[0].startswith("src/longbow/engine/shard.cc:2:")
    assert tree({"engine/shard.cc": f"// {line}\n"}) == [], "a comment is not code"
    assert tree({"engine/shard.cc": "", "base/clock.cc": line}) == [], "base is where they live"
    assert tree({"engine/shard_test.cc": line, "engine/test_shard.h": line}) == [], "tests may"


def test_names_that_only_look_alike_pass(tree) -> None:
    lines = "file_system->open(x); clock->time(0); operand(1); run_time(nullptr); my_socket(1);\n"
    assert tree({"engine/shard.cc": lines}) == []
