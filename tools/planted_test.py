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
    "end_of_stream_commits",
    "engine_acknowledge_before_apply",
    "engine_dedupe_lost_on_restart",
    "engine_deletes_not_replayed",
    "engine_nan_accepted",
    "log_acknowledge_before_flush",
    "log_async_window_unbounded",
    "log_crc_over_payload_only",
    "log_marks_not_waited_for",
    "log_no_directory_sync",
    "log_no_fsync",
    "log_recovery_trusts_the_cache",
    "log_retry_failed_flush",
    "log_truncate_below_durable",
    "posix_failed_sync_ignored",
    "posix_no_directory_sync",
    "posix_no_fsync",
    "posix_short_write_ignored",
    "uring_short_write_ignored",
}


def test_no_planted_bug_was_lost() -> None:
    assert WANTED <= {patch.stem for patch in PATCHES}


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_applies_and_names_a_test_that_exists(patch: Path) -> None:
    tried = subprocess.run(
        ["patch", "-p1", "--dry-run", "--fuzz=0", "-i", str(patch)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    expect = re.search(r"^# expect: (\S+)(?: (.+))?$", patch.read_text(), re.MULTILINE)
    assert expect, "the patch has no line '# expect: <test program> [<GoogleTest filter>]'"
    program, rest = expect.groups()
    if program == "prove":
        layer, cycles, *_ = rest.split()
        assert f'name = "{layer}"' in (ROOT / "tests/prove/layers.py").read_text() and int(cycles) > 0
    elif program == "pytest":
        assert (ROOT / rest.split()[0]).exists()
    else:
        lists = "".join(path.read_text() for path in ROOT.glob("*/**/CMakeLists.txt") if "build" not in path.parts)
        folder = re.fullmatch(r"longbow_(\w+)_test", program)
        assert f"longbow_test({program}\n" in lists or (folder and f"longbow_library({folder[1]}\n" in lists)
        for suite, test in re.findall(r"(\w+)\.(\w+|\*)", rest or ""):
            sources = "".join(path.read_text() for path in [*ROOT.glob("tests/*/*_test.cc"), *ROOT.glob("src/longbow/**/*_test.cc")])
            name = r"\w+" if test == "*" else re.escape(test)
            assert re.search(rf"TEST(_F|_P)?\({suite}, {name}\)", sources), f"{suite}.{test} is gone"
