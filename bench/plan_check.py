"""How far `longbow plan` is off: builds datasets of some sizes on servers of their own, and compares what they take.

    python bench/plan_check.py [ROWSxDIM ...]

Prints planned and measured memory, disk and build time, with the error of each; ends with 1 when one is off by more than
15 %. The build time is planned with the speed of this machine, as `longbow plan --measure` does, measured before
and after.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import longbow  # noqa: E402
from longbow.command.plan import estimate, measured_speed  # noqa: E402
from longbow.command.top import read_metrics  # noqa: E402

WANTED = 0.15
CASES = ["20000x128", "50000x128", "150000x128", "60000x768", "20000x1536"]


def measure(rows: int, dimension: int) -> tuple[float, float, float]:
    """Resident bytes, bytes of files after a snapshot, and seconds until indexed."""
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((256, dimension), dtype="f4")
    vectors = centers[rng.integers(0, 256, rows)] + 0.5 * rng.standard_normal((rows, dimension), dtype="f4")
    with longbow.Server() as server, server.connect() as client:
        start = time.perf_counter()
        client.insert("plan", {"id": np.arange(rows), "vector": vectors})
        client.wait_indexed("plan", timeout=600)
        seconds = time.perf_counter() - start
        resident = read_metrics(f"127.0.0.1:{server.http_port}")["process_resident_memory_bytes"]
        client.snapshot()
        return resident, settled_bytes(server.data_dir), seconds


def settled_bytes(directory: Path) -> int:
    """Bytes of the files once the log has prepared its spare segments, which it does while nobody writes."""
    same, last = 0, -1
    while same < 4:
        time.sleep(1)
        found = sum(f.stat().st_size for f in directory.rglob("*") if f.is_file())
        same, last = (same + 1 if found == last else 0), found
    return last


def main() -> int:
    cores = len(os.sched_getaffinity(0))
    worst = 0.0
    print(f"{'case':>14} {'':>8} {'planned':>12} {'measured':>12} {'error':>7}")
    for case in sys.argv[1:] or CASES:
        rows, dimension = (int(part) for part in case.split("x"))
        before = measured_speed(rows, dimension, cores)
        measured = measure(rows, dimension)
        speed = (before + measured_speed(rows, dimension, cores)) / 2
        planned = estimate(rows, dimension, cores=cores, speed=speed)
        for name, plan, found in zip(("memory", "disk", "build s"), (planned.resident, planned.disk, planned.build_seconds), measured):
            error = plan / found - 1
            worst = max(worst, abs(error))
            scale = 1 if name == "build s" else 1e6
            print(f"{case:>14} {name:>8} {plan / scale:>12,.2f} {found / scale:>12,.2f} {error:>+7.1%}")
    print(f"worst error {worst:.1%}, wanted <= {WANTED:.0%}; memory and disk in MB")
    return 0 if worst <= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
