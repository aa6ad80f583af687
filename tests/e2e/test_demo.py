"""The first of the two commands that README names, without its build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_finds_everything_again() -> None:
    command = [sys.executable, str(ROOT / "examples" / "demo.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("recall@10", "queries/s", "kill -9", "4700 of 4700", "300 of 300", "What to type next"):
        assert text in done.stdout, f"{text!r} is missing in:\n{done.stdout}"
