#!/usr/bin/env python3
"""Our graph index beside other libraries, and the bars it has to reach: `make bench-ann`.

    bench_ann.py                                  everything, about an hour and a half on two cores
    bench_ann.py --quick                          small sets and few rounds, some minutes
    bench_ann.py --steps search --sets l2-100k-768 --peers hnswlib
    bench_ann.py --steps report                   the table and the page again, from the results that are there

Steps: peers (fetch and compile the other libraries), data, build, search, build-rates, inserts, churn, scan, filters,
report. Each measurement leaves one JSON file in build/bench-ann/results, so that runs add up; report prints them and
writes docs/benchmarks/ann.md. What is measured is C++ (bench/ann/ann_bench.cc); this script only prepares and calls it.
"""
from __future__ import annotations

import argparse
import dataclasses
import pathlib
import shlex
import shutil
import subprocess
import sys

import ann_peers
import ann_report

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "bench-ann" / "peers"
STEPS = ["peers", "data", "build", "search", "build-rates", "inserts", "churn", "scan", "filters", "report"]


@dataclasses.dataclass(frozen=True)
class Set:
    """A generated data set, and the measurements beside `search` that are made on it."""
    rows: int
    dim: int
    metric: str = "l2"
    measures: tuple[str, ...] = ()
    build_rate_rows: int = 0
    families: tuple[str, ...] = ("hnswlib", "faiss")

    @property
    def name(self) -> str:
        return f"{self.metric}-{self.rows // 1000}k-{self.dim}"


ALL = tuple(ann_peers.NAMES)
SETS = [
    Set(50_000, 128, measures=("build-rates", "churn"), families=ALL),
    Set(200_000, 128, measures=("build-rates", "inserts", "scan", "filters"), build_rate_rows=100_000,
        families=("hnswlib",)),
    Set(320_000, 128, families=("hnswlib", "faiss", "usearch")),
    Set(60_000, 384, "ip"),
    Set(120_000, 384, "cosine"),
    Set(10_000, 768, measures=("churn",), families=ALL),
    Set(100_000, 768, measures=("build-rates", "inserts", "filters"), build_rate_rows=30_000,
        families=("hnswlib", "faiss", "usearch")),
    Set(50_000, 1536),
    Set(25_000, 3072),
]
QUICK_SETS = [
    Set(10_000, 128, measures=("build-rates", "inserts", "churn", "scan", "filters"), families=ALL),
    Set(10_000, 768, measures=("build-rates", "churn", "filters"), build_rate_rows=5_000, families=ALL),
]


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.work = pathlib.Path(options.work_dir)
        self.results = pathlib.Path(options.results_dir or self.work / ("results-quick" if options.quick else "results"))
        self.results.mkdir(parents=True, exist_ok=True)
        self.programs = ROOT / "build" / "release" / "bench"
        self.failed: list[str] = []

    def call(self, before: str, command: list[str | pathlib.Path]) -> bool:
        words = [*shlex.split(before), *map(str, command)]
        print("+", shlex.join(words), flush=True)
        if subprocess.run(words).returncode == 0:
            return True
        self.failed.append(shlex.join(words))
        return False

    def contenders(self, wanted: tuple[str, ...]) -> list[list[str]]:
        """Groups of names, ours first in each: what fits into memory together and is measured in turn."""
        listed = subprocess.run([self.programs / "ann_bench", "contenders"], text=True, capture_output=True, check=True)
        families: dict[str, list[str]] = {}
        for line in listed.stdout.splitlines():
            name, family, _ = line.split("\t")
            families.setdefault(family.split("-")[0], []).append(name)
        ours = families.pop("longbow")
        for name in wanted:
            if name not in families:
                print(f"bench-ann: {name} is NOT measured: it was not found when ann_bench was built", flush=True)
        groups = [names for family, names in families.items()
                  if family in wanted and (not self.options.peers or family in self.options.peers)]
        return [(ours[:1] if i else ours) + names for i, names in enumerate(groups)] or [ours]

    def data(self, chosen: Set) -> pathlib.Path:
        return self.work / "data" / chosen.name

    def indexes(self, chosen: Set) -> pathlib.Path:
        return self.work / "indexes" / chosen.name

    def measure(self, command: str, chosen: Set, suffix: str, *more: str | pathlib.Path, prepare: bool = False) -> bool:
        before = self.options.prepare_with if prepare else self.options.measure_with
        out = self.results / f"{command}-{chosen.name}{suffix}.json"
        return self.call(before, [self.programs / "ann_bench", command, self.data(chosen), "--json", out, *more])

    def run_set(self, chosen: Set, steps: list[str]) -> None:
        if "data" in steps and not (self.data(chosen) / "gt_ids.npy").exists():
            self.call(self.options.prepare_with,
                      [self.programs / "ann_dataset", self.data(chosen), "--rows", str(chosen.rows),
                       "--dim", str(chosen.dim), "--metric", chosen.metric])
        groups = self.contenders(chosen.families)
        rounds = ["--rounds", str(self.options.rounds)]
        if "build" in steps:
            self.indexes(chosen).mkdir(parents=True, exist_ok=True)
            for name in dict.fromkeys(name for group in groups for name in group):
                if not (self.indexes(chosen) / name).exists():
                    self.measure("build", chosen, f"-{name}", "--indexes-at", self.indexes(chosen), "--contenders",
                                 name, prepare=True)
        if "search" in steps:
            for group in groups:
                there = [name for name in group if (self.indexes(chosen) / name).exists()]
                if len(there) < len(group):
                    print(f"bench-ann: NOT measured, not built: {', '.join(sorted(set(group) - set(there)))}", flush=True)
                if not there or there[0] != group[0]:
                    continue
                self.measure("search", chosen, f"-{group[-1].split('-')[0]}", "--indexes-at", self.indexes(chosen),
                             "--contenders", ",".join(there), *rounds)
        for step in chosen.measures:
            if step not in steps:
                continue
            if step == "build-rates":
                rows = ["--rows", str(chosen.build_rate_rows)] if chosen.build_rate_rows else []
                self.measure(step, chosen, "", "--rounds", str(min(3, self.options.rounds)), *rows)
            elif step == "churn":
                self.measure(step, chosen, "", "--generations", str(self.options.generations))
            else:
                self.measure(step, chosen, "", "--indexes-at", self.indexes(chosen), *rounds)
            if step == "filters":
                self.qdrant_edge(chosen)
        if "search" in steps and not self.options.keep_indexes:
            shutil.rmtree(self.indexes(chosen), ignore_errors=True)

    def qdrant_edge(self, chosen: Set) -> None:
        if not (PEERS / "qdrant-edge").exists():
            print("bench-ann: qdrant-edge is NOT measured: it was not fetched", flush=True)
            return
        self.call(self.options.measure_with,
                  ["env", f"PYTHONPATH={PEERS / 'qdrant-edge'}", sys.executable, ROOT / "bench/ann/qdrant_filters.py",
                   self.data(chosen), "--keep", self.work / "qdrant-edge" / chosen.name,
                   "--json", self.results / f"qdrant-edge-{chosen.name}.json"])


def configure_and_build() -> None:
    """The programs, with whatever peers are there compiled in."""
    subprocess.run(["cmake", "--preset", "release", f"-DLONGBOW_BENCH_PEERS={PEERS}"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "ann_dataset", "ann_bench"], cwd=ROOT,
                   check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sets, few rounds")
    parser.add_argument("--steps", type=lambda s: s.split(","), default=STEPS, help=",".join(STEPS))
    parser.add_argument("--sets", type=lambda s: s.split(","), default=[], help="names of sets; default: all")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=[], help="families; default: all")
    parser.add_argument("--rounds", type=int, default=0, help="default: 7, with --quick 3")
    parser.add_argument("--generations", type=int, default=0, help="of churn; default: 100, with --quick 10")
    parser.add_argument("--work-dir", default=str(ROOT / "build" / "bench-ann"), help="data sets and indexes")
    parser.add_argument("--results-dir", default="", help="default: results in --work-dir")
    parser.add_argument("--page", default="docs/benchmarks/ann.md", help="what report writes, seen from the project's root")
    parser.add_argument("--keep-indexes", action="store_true", help="do not remove them after they were searched")
    parser.add_argument("--prepare-with", default="", help="put before commands that prepare")
    parser.add_argument("--measure-with", default="", help="put before commands that measure")
    options = parser.parse_args()
    unknown = set(options.steps) - set(STEPS)
    if unknown:
        parser.error(f"unknown steps: {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.generations = options.generations or (10 if options.quick else 100)
    sets = [s for s in (QUICK_SETS if options.quick else SETS) if not options.sets or s.name in options.sets]
    if not sets:
        parser.error(f"no such set; there are {', '.join(s.name for s in SETS + QUICK_SETS)}")

    if "peers" in options.steps:
        ann_peers.fetch(PEERS)
        configure_and_build()
    bench = Bench(options)
    if set(options.steps) - {"peers", "report"}:
        for chosen in sets:
            bench.run_set(chosen, options.steps)
    if "report" in options.steps:
        ann_report.report(bench.results, ROOT / options.page if not options.quick else None)
    for command in bench.failed:
        print("bench-ann: FAILED:", command)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
