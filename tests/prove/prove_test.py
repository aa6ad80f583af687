"""The crash layers of prove.py for a few seconds each. `make prove` is the long run."""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import longbow
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import prove  # noqa: E402
import soak  # noqa: E402
from layers import LAYERS, DiskCut, Layer, Simulated  # noqa: E402
from media import Missing  # noqa: E402
from workload import Violation  # noqa: E402

# Beside the server that is tested: build/<preset>/apps/longbowd/longbowd or bin/longbowd.
VOLATILE_DISK = Path(os.environ.get("LONGBOW_VOLATILE_DISK", Path(__file__).parents[2] / "build/release/tests/prove/volatile_disk"))
# The simulated layer is what ctest runs anyway.
REAL = [layer for layer in LAYERS if layer is not Simulated]
SECONDS = float(os.environ.get("LONGBOW_PROVE_SECONDS", "6"))


def cycles(layer: Layer, seconds: float, most: int = 1000) -> int:
    """As many as fit, at least one."""
    done = 0
    until = time.monotonic() + seconds
    try:
        while done == 0 or (time.monotonic() < until and done < most):
            layer.step()
            done += 1
    except Missing as missing:
        pytest.skip(f"LAYER {layer.name}: {missing}")
    finally:
        layer.end()
    return done


@pytest.mark.parametrize("make", REAL, ids=lambda layer: layer.name)
def test_nothing_acknowledged_is_lost(make: type[Layer], tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print(f"{make.name}: {make.what}; again: tests/prove/prove.py --layer {make.name} --seed {seed}")
    cycles(make(tmp_path, seed, {"volatile_disk": VOLATILE_DISK}), SECONDS)


def test_what_is_skipped_is_told_at_the_end(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "test_skip.py").write_text("import pytest\ndef test_it():\n    pytest.skip('LAYER x: needs root')\n")
    command = [sys.executable, "-m", "pytest", "-c", str(root / "pytest.ini"), "--rootdir", str(tmp_path), str(tmp_path / "test_skip.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "SKIPPED [1]" in done.stdout and "LAYER x: needs root" in done.stdout, done.stdout + done.stderr


def test_the_page_has_what_the_kept_ledger_counts() -> None:
    docs = Path(__file__).parents[2] / "docs"
    counted = prove.totals(docs / "prove-ledger.jsonl")
    row = re.compile(r"^\| `([a-z-]+)` \| [0-9,]+ \| ([0-9,]+) \| ([0-9,]+) ", re.MULTILINE)
    told = {name: (cuts, batches) for name, cuts, batches in row.findall((docs / "reliability.md").read_text())}
    assert told == {name: (f"{sums['cuts'] + sums['flips']:,}", f"{sums['acked_batches']:,}") for name, sums in counted.items()}
    assert sorted(told) == sorted(prove.TARGETS)


def test_a_disk_that_ignores_flushes_is_noticed(tmp_path: Path) -> None:
    """Whether the layer is awake: here the server is sound and the disk is not."""
    layer = DiskCut(tmp_path, 7, {"volatile_disk": VOLATILE_DISK, "lies": True})
    with pytest.raises((Violation, longbow.LongbowError, RuntimeError)):
        cycles(layer, seconds=60, most=20)


def test_churn_leaves_nothing_on_the_ledger(tmp_path: Path) -> None:
    """Some seconds of the soak: whether memory stays level takes half an hour to say."""
    options = argparse.Namespace(minutes=0.1, window=0.05, keys=2000, rows=500, dim=32, seed=7)
    figures = soak.run(options, tmp_path)
    assert figures["rows"] > 0
    assert [line for line in figures["wrong"] if "ledger" in line] == []


def test_the_soak_sees_what_grows() -> None:
    def windows(*resident: float) -> list[dict[str, float]]:
        return [{"resident": value, "threads": 20.0, "descriptors": 30.0} for value in resident]

    assert soak.judge(windows(90, 100, 100.5, 100.9)) == []
    assert "resident memory" in soak.judge(windows(100, 100, 100.5, 101.5))[0]
    assert "threads" in soak.judge([*windows(100, 100), {"resident": 100, "threads": 22.0, "descriptors": 30.0}])[0]
