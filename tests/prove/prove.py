#!/usr/bin/env python3
"""Breaks real servers on real kernels and holds what is left against a ledger: tests/prove/prove.py --help."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "python")]

from layers import LAYERS, Layer  # noqa: E402
from media import Missing, sweep  # noqa: E402

# What `make prove` goes on until the ledger file has, over all its runs.
TARGETS = {"simulated": 100_000, "kill": 2000, "fs-cut": 500, "disk-cut": 300, "disk-full": 300, "failed-flush": 300, "oom-kill": 200, "bit-flip": 1000}
# A run's own directory below --directory: this, its process id, and something random.
PREFIX = "longbow-prove-"


class Ending:
    """SIGTERM and SIGINT end the run once the cycle under way is over, so that nothing stays mounted or running."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        self.asked = True
        print(f"{signal.Signals(number).name}: ends after this cycle", file=sys.stderr, flush=True)


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def totals(ledger: Path) -> dict[str, Counter[str]]:
    """What all runs so far counted, by layer."""
    sums: dict[str, Counter[str]] = {}
    if ledger.exists():
        for line in ledger.read_text().splitlines():
            entry = json.loads(line)
            sums.setdefault(entry["layer"], Counter()).update(entry["counts"])
    return sums


def run_layer(layer: Layer, cycles: int, cuts: int, deadline: float, ending: Ending) -> tuple[Counter[str], str]:
    """Goes on for `cycles`, or if that is 0 until there are so many `cuts`. Counts, and what went wrong or ''."""
    counts = Counter[str]()

    def enough() -> bool:
        return counts["cycles"] >= cycles if cycles else counts["cuts"] + counts["flips"] >= cuts

    try:
        while not enough() and time.monotonic() < deadline and not ending.asked:
            counts += layer.step()
            counts["cycles"] += 1
        layer.end()
        return counts, ""
    except Missing:
        raise
    except Exception:
        wrong = traceback.format_exc()
        layer.end(keep=True)
        return counts, wrong
    except BaseException:
        layer.end()
        raise


def run(options: argparse.Namespace) -> int:
    chosen = [layer for layer in LAYERS if not options.layer or layer.name in options.layer]
    unknown = set(options.layer or ()) - {layer.name for layer in LAYERS}
    if unknown:
        sys.exit(f"unknown layer {', '.join(sorted(unknown))}; there are {', '.join(layer.name for layer in LAYERS)}")
    done = totals(options.ledger)
    ending = Ending()
    sweep(Path(options.directory), PREFIX)
    work = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=options.directory))
    deadline = time.monotonic() + options.minutes * 60
    failed = False
    for make in chosen:
        if ending.asked:
            break
        sums = done.get(make.name, Counter())
        missing_cuts = max(0, TARGETS[make.name] - sums["cuts"] - sums["flips"])
        share = min(deadline, time.monotonic() + options.layer_minutes * 60)
        seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**31)
        started = time.monotonic()
        crash_tests = [options.build / "tests" / "crash" / name for name in ("log_crash_test", "engine_crash_test")]
        volatile_disk = options.build / "tests" / "prove" / "volatile_disk"
        layer = make(work, seed, {"volatile_disk": volatile_disk, "lies": options.lying_disk, "crash_tests": crash_tests,
                                 "settings": dict(pair.split("=", 1) for pair in options.set)})
        try:
            counts, wrong = run_layer(layer, options.cycles, missing_cuts, share, ending)
        except Missing as missing:
            layer.end()
            print(f"{make.name:12} SKIPPED: {missing}", flush=True)
            continue
        if not counts["cycles"] and not wrong:
            print(f"{make.name:12} nothing left to do: the ledger file has its {TARGETS[make.name]} cuts", flush=True)
            continue
        entry: dict[str, Any] = {
            "layer": make.name, "seed": seed, "commit": commit(), "counts": dict(counts),
            "seconds": round(time.monotonic() - started, 1), "violation": wrong.strip().splitlines()[-1] if wrong else "",
        }  # fmt: skip
        if not options.no_ledger:
            options.ledger.parent.mkdir(parents=True, exist_ok=True)
            with open(options.ledger, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        numbers = ", ".join(f"{value} {name}" for name, value in sorted(counts.items()) if value)
        print(f"{make.name:12} {'VIOLATION' if wrong else 'sound'}: {numbers} in {entry['seconds']} s (seed {seed})", flush=True)
        if wrong:
            failed = True
            print(wrong, file=sys.stderr)
            print(f"the server's log and data are in {work}/kept; again: tests/prove/prove.py --layer {make.name} "
                  f"--seed {seed} --cycles {counts['cycles'] + 1}", file=sys.stderr)  # fmt: skip
    if not failed:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", action="append", help=f"only this one, repeatable: {', '.join(layer.name for layer in LAYERS)}")
    parser.add_argument("--cycles", type=int, default=0, help="of each layer; without it, until the ledger file has the targets")
    parser.add_argument("--minutes", type=float, default=600, help="at most, over all layers")
    parser.add_argument("--layer-minutes", type=float, default=600, help="at most, for each layer")
    parser.add_argument("--seed", type=int, help="default: drawn and printed")
    parser.add_argument("--directory", default=os.environ.get("TMPDIR", "/tmp"), help="where the media are made")
    parser.add_argument("--ledger", type=Path, default=ROOT / "build" / "prove-ledger.jsonl", help="results are appended to it")
    parser.add_argument("--no-ledger", action="store_true", help="append nothing")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release", help="where volatile_disk and the crash tests are")
    parser.add_argument("--lying-disk", action="store_true", help="disk-cut with a disk that ignores flushes: must find losses")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of every server, instead of a drawn one")
    parser.add_argument("--totals", action="store_true", help="print what all runs counted, and end")
    options = parser.parse_args()
    if options.totals:
        for name, sums in totals(options.ledger).items():
            print(f"{name:12} " + ", ".join(f"{value} {key}" for key, value in sorted(sums.items())))
        return 0
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
