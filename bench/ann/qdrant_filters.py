#!/usr/bin/env python3
"""Qdrant Edge under filters, on a data set of ann_dataset: what no C++ program can call.

    qdrant_filters.py DIRECTORY --keep SHARD_DIRECTORY [--rounds 5] [--json FILE]

One shard in memory, M 16, ef_construct 200, 8-bit codes rescored by the originals, each filter a match on an indexed
integer field. All queries go in one call on one search thread, so that Python costs little; the ef is the smallest
tried at which recall@10 reaches 0.95. Filters and answers are independent of position, as `ann_bench filters` makes
those that it calls uncorrelated.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import qdrant_edge as qe

SHARES = [0.001, 0.01, 0.1, 0.5]
EFS = [16, 32, 64, 128, 256]
RECALL, K, POINTS_A_CALL = 0.95, 10, 2000


def field(share: float) -> str:
    return f"one_in_{round(1 / share)}"


def config(dim: int) -> qe.EdgeConfig:
    codes = qe.ScalarQuantizationConfig(type=qe.ScalarType.Int8, memory=qe.Memory.Pinned)
    graph = qe.HnswIndexConfig(m=16, ef_construct=200, full_scan_threshold=10_000, memory=qe.Memory.Cached)
    return qe.EdgeConfig(
        vectors=qe.EdgeVectorParams(size=dim, distance=qe.Distance.Euclid, quantization_config=codes,
                                    hnsw_config=graph),
        optimizers=qe.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000,
                                           max_segment_size=100_000_000),
        max_search_threads=1)


def build(base: np.ndarray, passes: dict[float, np.ndarray], keep: pathlib.Path) -> qe.EdgeShard:
    keep.mkdir(parents=True)
    shard = qe.EdgeShard.create(str(keep), config(base.shape[1]))
    for share in SHARES:
        shard.update(qe.UpdateOperation.create_field_index(field(share), qe.PayloadSchemaType.Integer))
    for first in range(0, len(base), POINTS_A_CALL):
        rows = range(first, min(first + POINTS_A_CALL, len(base)))
        shard.update(qe.UpdateOperation.upsert_points(
            [qe.Point(row, base[row].tolist(), {field(s): int(passes[s][row]) for s in SHARES}) for row in rows]))
    while shard.optimize():
        pass
    return shard


def nearest(base: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Squared distance of the K-th true neighbour of each query among `rows`."""
    some = base[rows].astype(np.float64)
    norms = (some ** 2).sum(1)
    far = []
    for query in queries.astype(np.float64):
        d = norms - 2 * (some @ query) + query @ query
        far.append(np.partition(d, min(K, len(d)) - 1)[min(K, len(d)) - 1])
    return np.array(far)


def recall(base: np.ndarray, queries: np.ndarray, far: np.ndarray, answers: list[list[int]], most: int) -> float:
    hits = 0
    for query, limit, ids in zip(queries.astype(np.float64), far, answers):
        d = ((base[sorted(set(ids))].astype(np.float64) - query) ** 2).sum(1)
        hits += int((d <= limit * (1 + 1e-9) + 1e-12).sum())
    return hits / (len(queries) * most)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    base = np.load(options.directory / "base.npy")
    queries = np.load(options.directory / "queries.npy")
    order = np.random.default_rng(3).permutation(len(base))
    passes = {share: order < max(1, int(share * len(base))) for share in SHARES}
    if options.keep.exists():
        shard = qe.EdgeShard.load(str(options.keep), config(base.shape[1]))
    else:
        start = time.perf_counter(), time.process_time()
        shard = build(base, passes, options.keep)
        print(f"built in {time.perf_counter() - start[0]:.1f} s, {time.process_time() - start[1]:.1f} processor seconds")
    cases = []
    for share in SHARES:
        rows = np.flatnonzero(passes[share])
        far = nearest(base, queries, rows)
        only = qe.Filter(must=[qe.FieldCondition(key=field(share), match=qe.MatchValue(1))])
        for ef in EFS:
            params = qe.SearchParams(hnsw_ef=ef, quantization=qe.QuantizationSearchParams(rescore=True, oversampling=2.0))
            batch = qe.QueryBatchRequest([
                qe.QueryRequest(limit=K, query=qe.Query.Nearest(query.tolist()), filter=only, params=params)
                for query in queries])
            times, walls = [], []
            for _ in range(options.rounds):
                start = time.perf_counter(), time.process_time()
                found = shard.query_batch(batch)
                walls.append(time.perf_counter() - start[0])
                times.append(time.process_time() - start[1])
            seen = recall(base, queries, far, [[point.id for point in hits] for hits in found], min(K, len(rows)))
            qps = len(queries) / statistics.median(times)
            if seen >= RECALL or ef == EFS[-1]:
                break
        print(f"{100 * share:g} %: recall {seen:.4f}, {qps:.0f} qps at ef {ef}", flush=True)
        cases.append({"kind": "uncorrelated", "share": share, "recall": seen, "qps": qps,
                      "qps_wall": len(queries) / statistics.median(walls), "ef": ef})
    if options.json:
        options.json.write_text(json.dumps({"measure": "qdrant-edge", "set": options.directory.name, "rows": len(base),
                                            "dim": base.shape[1], "metric": "l2", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
