#!/usr/bin/env python3
"""BM25 top-10 of 3-term queries on short documents, beside tantivy: same documents, same queries, one thread each.

Both programs print the fastest round of every query and its hits; they run in turns. Rankings have to agree within
ties: at every rank the scores are equal to 1e-4, and hits that only one has are at the score of the last.
JSON goes to build/bench-text.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
Answer = list[tuple[int, float]]


def write_corpus(folder: Path, documents: int, queries: int, seed: int) -> tuple[Path, Path]:
    """Words as language has them (Zipf), 4 to 20 a document; half the queries are words of one document."""
    random = np.random.default_rng(seed)
    bodies, asked = folder / "documents.txt", folder / "queries.txt"
    if bodies.exists() and asked.exists():
        return bodies, asked
    vocabulary = 200_000
    share = 1 / np.arange(2, vocabulary + 2)
    cumulative = np.cumsum(share / share.sum())

    def draw(count: int) -> np.ndarray:
        return np.minimum(np.searchsorted(cumulative, random.random(count)), vocabulary - 1)

    lengths = random.integers(4, 21, documents)
    ends = np.cumsum(lengths)
    words = draw(int(ends[-1]))
    with bodies.open("w") as file:
        for begin, end in zip(ends - lengths, ends):
            file.write(" ".join(f"w{word}" for word in words[begin:end]) + "\n")
    with asked.open("w") as file:
        for i in range(queries):
            while True:
                if i % 2 == 0:
                    row = int(random.integers(documents))
                    terms = set(random.choice(words[ends[row] - lengths[row] : ends[row]], 3))
                else:
                    terms = set(draw(3))
                if len(terms) == 3:
                    break
            file.write(" ".join(f"w{term}" for term in terms) + "\n")
    return bodies, asked


def run(command: list[str]) -> tuple[dict[str, int], np.ndarray, list[Answer]]:
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    facts = {line.split()[0]: int(line.split()[1]) for line in lines if not line[0].isdigit()}
    nanos, answers = [], []
    for line in lines:
        if line[0].isdigit():
            first, *hits = line.split()
            nanos.append(int(first))
            answers.append([(int(hit.split(":")[0]), float(hit.split(":")[1])) for hit in hits])
    return facts, np.array(nanos), answers


def same_within_ties(a: Answer, b: Answer) -> bool:
    if len(a) != len(b):
        return False
    if any(abs(x[1] - y[1]) > 1e-4 * max(1, x[1]) for x, y in zip(a, b)):
        return False
    only = {row for row, _ in a} ^ {row for row, _ in b}
    last = a[-1][1] if a else 0
    return all(abs(score - last) <= 1e-4 * max(1, last) for row, score in a + b if row in only)


def summary(nanos: np.ndarray) -> dict[str, float]:
    micros = nanos / 1000
    return {
        "mean_us": round(float(micros.mean()), 2),
        "p50_us": round(float(np.percentile(micros, 50)), 2),
        "p99_us": round(float(np.percentile(micros, 99)), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=2, help="runs of each program")
    parser.add_argument("--rounds", type=int, default=3, help="of all queries in a run")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="a directory that keeps the documents and queries for the next run")
    parser.add_argument("--longbow", default=str(ROOT / "build/release/bench/text_bench"))
    parser.add_argument("--tantivy", default=str(ROOT / "build/tantivy/release/tantivy_bench"))
    arguments = parser.parse_args()
    programs = {"longbow": arguments.longbow, "tantivy": arguments.tantivy}
    if not Path(arguments.tantivy).exists():
        print("tantivy is not built (needs cargo); measuring Longbow alone", file=sys.stderr)
        del programs["tantivy"]

    best: dict[str, np.ndarray] = {}
    facts: dict[str, dict[str, int]] = {}
    answers: dict[str, list[Answer]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.corpus or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bodies, asked = write_corpus(folder, arguments.documents, arguments.queries, arguments.seed)
        for _ in range(arguments.turns):
            for name, program in programs.items():
                command = [program, str(bodies), str(asked), str(arguments.rounds), str(arguments.k)]
                facts[name], nanos, answers[name] = run(command)
                best[name] = np.minimum(best[name], nanos) if name in best else nanos

    report: dict[str, object] = {"documents": arguments.documents, "queries": arguments.queries, "k": arguments.k}
    print(f"{'':10} {'mean us':>9} {'p50 us':>9} {'p99 us':>9} {'index s':>9} {'segments':>9}")
    for name in programs:
        figures = summary(best[name])
        index_s = facts[name]["index"] / 1e9
        report[name] = figures | {"index_s": round(index_s, 2), "segments": facts[name]["segments"]}
        print(
            f"{name:10} {figures['mean_us']:9.1f} {figures['p50_us']:9.1f} {figures['p99_us']:9.1f}"
            f" {index_s:9.2f} {facts[name]['segments']:9}"
        )
    different = 0
    if "tantivy" in programs:
        different = sum(not same_within_ties(a, b) for a, b in zip(answers["longbow"], answers["tantivy"]))
        ratio = float(best["tantivy"].mean() / best["longbow"].mean())
        report |= {"times_faster": round(ratio, 2), "rankings_that_differ": different}
        print(f"mean of tantivy / mean of longbow: {ratio:.2f}; rankings that differ beyond ties: {different}")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench-text.json").write_text(json.dumps(report, indent=2) + "\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
