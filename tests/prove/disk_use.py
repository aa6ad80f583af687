#!/usr/bin/env python3
"""Steady churn against a real server with its default settings, and how much room its directory takes.

usage: tests/prove/disk_use.py [--keys 400000] [--dim 256] [--turnovers 6] [--rate 50]

All rows of a fixed set of keys are replaced again and again, in batches drawn at random, while nobody asks for snapshots.
Prints what lives, what the directory takes at most after the first turnover, and of that what the log takes; segments that
a load at full speed left go with the first snapshots. Fails when that is more than three times what lives or, with
datasets so small that the log's segments count, 256 MiB more than that.
With --rate 0, as fast as it goes, the server makes the writer wait.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import longbow  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

TIMES = 3
SMALL = 256 << 20
BATCH = 10_000


def room(directory: Path) -> int:
    """Bytes on the disk: files that come and go meanwhile count as they are found."""
    total = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def put(client: longbow.Client, keys: Any, dim: int, rng: np.random.Generator) -> None:
    values = pa.array(rng.standard_normal((len(keys) * dim), dtype=np.float32))
    vectors = pa.FixedSizeListArray.from_arrays(values, type=pa.list_(pa.float32(), dim))
    client.insert("churn", pa.table({"id": pa.array(keys, pa.int64()), "vector": vectors}))


def run(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    rng = np.random.default_rng(options.seed)
    live = options.keys * (options.dim * 4 + 8)
    most: dict[str, int] = {"all": 0}
    with longbow.Server(directory / "data") as server, server.connect() as client:
        for turnover in range(options.turnovers + 1):
            keys = np.arange(options.keys) if turnover == 0 else rng.permutation(options.keys)
            for first in range(0, options.keys, BATCH):
                began = time.monotonic()
                put(client, keys[first : first + BATCH], options.dim, rng)
                if turnover > 0 and options.rate > 0:
                    time.sleep(max(0.0, BATCH * options.dim * 4 / (1 << 20) / options.rate - (time.monotonic() - began)))
                if turnover < 2:
                    continue
                now = room(directory / "data")
                if now > most["all"]:
                    most = {"all": now} | {part: room(directory / "data" / part) for part in ("log", "blocks", "derived")}
        if client.count("churn") != options.keys:
            raise AssertionError(f"{client.count('churn')} rows, should be {options.keys}")
    return {"live": live, "most": most, "times": round(most["all"] / live, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--turnovers", type=int, default=6)
    parser.add_argument("--rate", type=float, default=50, help="MiB replaced a second; 0: as fast as it goes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", default=os.environ.get("TMPDIR", "/tmp"))
    parser.add_argument("--output", type=Path, help="of the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="longbow-disk-", dir=options.directory) as directory:
        figures = run(options, Path(directory))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")
    mib = {name: f"{value / (1 << 20):.0f} MiB" for name, value in figures["most"].items()}
    print(f"{figures['live'] / (1 << 20):.0f} MiB live; at most {mib['all']} on the disk, {figures['times']} times that: log {mib['log']}, "
          f"blocks {mib['blocks']}, indexes {mib['derived']}")  # fmt: skip
    spare = SMALL if figures["live"] < SMALL else 0
    if figures["most"]["all"] > TIMES * figures["live"] + spare:
        print(f"WRONG: more than {TIMES} times what lives and {spare >> 20} MiB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
