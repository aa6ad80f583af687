"""tools/planted needs a build; that its patches still fit the sources can be seen without one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATCHES = sorted((ROOT / "tests" / "planted").glob("*.patch"))
WANTED = {
    "apply_twice_on_replay",
    "log_acknowledge_before_flush",
    "log_crc_over_payload_only",
    "log_no_fsync",
    "log_truncate_below_durable",
}


def test_no_planted_bug_was_lost() -> None:
    assert WANTED <= {patch.stem for patch in PATCHES}


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_applies_and_names_a_test_that_exists(patch: Path) -> None:
    tried = subprocess.run(
        ["patch", "-p1", "--dry-run", "--fuzz=0", "-i", str(patch)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    expect = re.search(r"^# expect: (\S+)(?: (\w+)\.(\S+))?$", patch.read_text(), re.MULTILINE)
    assert expect, "the patch has no line '# expect: <test program> [<GoogleTest filter>]'"
    program, suite, test = expect.groups()
    lists = "".join(path.read_text() for path in (ROOT / "tests").glob("*/CMakeLists.txt"))
    assert f"longbow_test({program}\n" in lists
    if suite:
        sources = "".join(path.read_text() for path in (ROOT / "tests").glob("*/*_test.cc"))
        name = r"\w+" if test == "*" else re.escape(test)
        assert re.search(rf"TEST(_F|_P)?\({suite}, {name}\)", sources), f"{suite}.{test} is gone"
