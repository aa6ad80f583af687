"""`longbow plan`: memory, disk and time that a dataset will need.

The model counts what the server keeps for a row: its vector in a slab, its key and place, and a node of the graph: its
own vector in 8 bits and, for each of 32 edges, an id, factors and a code of 1, 2 or 4 bits a dimension. On disk, once a
snapshot was taken, lie the rows as Parquet files, the graph's file, and a log without anything in it but with its spare
segments. What no count gives (allocator, buffers, build rate) was fitted to measurements; `bench/plan_check.py` repeats
them and prints the error of each.
"""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import typer

from longbow.command.output import Failure, Json, console, show, size_of, working

_MIB = 1 << 20
_DEGREE = 32
_EDGE_BYTES = 16
_ROW_BYTES = 68  # key, place, births and deaths
_BASE_BYTES = 65_000_000
_BUFFER_BYTES = 40 * _MIB  # of what was put, so much stays in buffers
_ALLOCATOR_SHARE = 0.03
_LINE_BYTES = 64  # a vector's place in a slab is whole cache lines
_BLOCK_ROW_BYTES = 13  # of a row block beside the columns that were put
_GRAPH_FILE_SHARE = 0.972  # of the graph's memory
_SEGMENT_BYTES = 64 * _MIB
_LIVE_LOG_SEGMENTS, _LEAST_SPARE_SEGMENTS, _MOST_SPARE_SEGMENTS = 3, 8, 32  # the log is cut at 1 to 2 GiB
# A core takes so many seconds a row of a graph of _FITTED_ROWS; in larger ones a row costs (rows / _FITTED_ROWS) **
# _GROWTH as much. Until the first row is linked and when the last is, cores wait.
_ROW_SECONDS, _DIMENSION_SECONDS = 4.2e-5, 8.5e-8
_FITTED_ROWS, _GROWTH, _WAIT_SECONDS = 20_000, 0.15, 0.3

_ELEMENT_BYTES = {"float16": 2, "float32": 4, "float64": 8, "int8": 1, "uint8": 1}
_COUNT = re.compile(r"([\d_,.]+)\s*([kKmMgGbB]?)")


@dataclass(frozen=True)
class Plan:
    """What rows of one dimension need. Bytes, and seconds."""

    vectors: int
    payload: int
    index: int
    rows: int
    resident: int
    disk: int
    build_seconds: float


def code_bits(dimension: int) -> int:
    """Bits a dimension of an edge's code."""
    return 4 if dimension <= 64 else 2 if dimension <= 384 else 1


def node_bytes(dimension: int) -> float:
    """Bytes of a node of the graph."""
    padded = math.ceil(dimension / 64) * 64
    return padded + _DEGREE * (code_bits(dimension) * padded / 8 + _EDGE_BYTES) + 112 + 0.12 * padded


def build_seconds(rows: int, dimension: int, cores: float, speed: float = 1) -> float:
    """How long the graph is built. The wait for the last rows is a timer's: it is the same on slower machines."""
    a_row: float = (_ROW_SECONDS + _DIMENSION_SECONDS * dimension) * max(1.0, rows / _FITTED_ROWS) ** _GROWTH
    return _WAIT_SECONDS + rows * a_row / cores / speed


def estimate(rows: int, dimension: int, payload: int = 0, element: str = "float32", index: str = "graph", cores: float = 2, speed: float = 1) -> Plan:
    """The plan. `payload` is bytes a row besides the vector; `speed` compares this machine with the one of the measurements."""
    width = _ELEMENT_BYTES[element] * dimension
    stride = math.ceil(width / _LINE_BYTES) * _LINE_BYTES
    vectors = math.ceil(rows * stride / (2 * _MIB)) * 2 * _MIB
    graph = int(rows * node_bytes(dimension)) if index == "graph" else 0
    accounted = vectors + rows * (payload + _ROW_BYTES) + graph
    blocks = rows * (width + payload + _BLOCK_ROW_BYTES)
    # As many segments are kept as the log was long when it was cut.
    logged = math.ceil(rows * (width + payload) / _SEGMENT_BYTES)
    segments = _LIVE_LOG_SEGMENTS + min(_MOST_SPARE_SEGMENTS, max(_LEAST_SPARE_SEGMENTS, logged))
    return Plan(
        vectors=vectors,
        payload=rows * payload,
        index=graph,
        rows=rows * _ROW_BYTES,
        resident=int(accounted * (1 + _ALLOCATOR_SHARE)) + _BASE_BYTES + min(_BUFFER_BYTES, rows * (width + payload)),
        disk=blocks + int(graph * _GRAPH_FILE_SHARE) + segments * _SEGMENT_BYTES,
        build_seconds=build_seconds(rows, dimension, cores, speed) if index == "graph" else 0,
    )


def measured_speed(rows: int, dimension: int, cores: float) -> float:
    """How this machine compares, by building a graph of so many rows, but 5,000 to 30,000, twice, on servers of their own."""
    from longbow.server import Server

    rows = min(max(rows, 5_000), 30_000)
    rng = np.random.default_rng(3)
    centers = rng.standard_normal((256, dimension))
    vectors = (centers[rng.integers(0, 64, rows)] + 0.5 * rng.standard_normal((rows, dimension))).astype("f4")
    taken = []
    for _ in range(2):
        with Server() as server, server.connect() as client:
            start = time.perf_counter()
            client.insert("plan", {"id": np.arange(rows), "vector": vectors})
            client.wait_indexed("plan", timeout=600)
            taken.append(time.perf_counter() - start)
    return (build_seconds(rows, dimension, cores) - _WAIT_SECONDS) / max(sum(taken) / len(taken) - _WAIT_SECONDS, 0.01)


def count_of(text: str) -> int:
    """50M, 1.5k, 200_000 and the like as a number."""
    match = _COUNT.fullmatch(text.strip())
    try:
        number = float(match.group(1).replace(",", "").replace("_", "")) if match else 0
    except ValueError:
        number = 0
    scale = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}[match.group(2).lower()] if match else 1
    if number * scale < 1:
        raise Failure(f"--rows: expected a number of rows, got {text}", "write it as 200000, 1.5M or 2B")
    return int(number * scale)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plan(
    rows: Annotated[str, typer.Option(help="How many rows: 200000, 1.5M, 2B.")],
    dimension: Annotated[int, typer.Option("--dim", min=1, max=32768, help="Dimensions of the vectors.")],
    recall: Annotated[float, typer.Option(min=0.01, max=1.0, help="Share of the true neighbours that searches aim at.")] = 0.95,
    payload: Annotated[int, typer.Option(min=0, help="Bytes a row besides the vector.")] = 0,
    element: Annotated[Literal["float16", "float32", "float64", "int8", "uint8"], typer.Option(help="Type of the vectors' numbers.")] = "float32",
    index: Annotated[Literal["graph", "flat"], typer.Option(help="Kind of index.")] = "graph",
    cores: Annotated[int, typer.Option(min=0, help="Cores that build; 0: those of this machine.")] = 0,
    measure: Annotated[bool, typer.Option("--measure", help="Build a small index here first, to know this machine's speed.")] = False,
    as_json: Json = False,
) -> None:
    """Prints the memory, disk and build time that a dataset will need: longbow plan --rows 50M --dim 768 --recall 0.95"""
    number, cores = count_of(rows), cores or len(os.sched_getaffinity(0))
    speed = 1.0
    if measure:
        with working("building a small index, twice", as_json):
            speed = measured_speed(number, dimension, len(os.sched_getaffinity(0)))
    found = estimate(number, dimension, payload, element, index, cores, speed)
    if as_json:
        show({**vars(found), "rows_planned": number, "dimension": dimension, "recall": recall, "cores": cores, "speed": speed}, True)
        return
    show(
        {
            "memory": size_of(found.resident),
            "  vectors": size_of(found.vectors),
            "  graph": size_of(found.index),
            "  keys and places": size_of(found.rows),
            "  payload": size_of(found.payload),
            "  program, buffers": size_of(found.resident - found.vectors - found.index - found.rows - found.payload),
            "disk": size_of(found.disk) + ", and up to 1 GiB of log between snapshots",
            "build time": f"{_duration(found.build_seconds)} on {cores} cores",
        },
        False,
        f"{number:,} rows of {dimension} dimensions, {element}",
    )
    if index == "graph":
        console.print(f"\nRecall {recall:g} costs searches, not memory: search(recall={recall:g}), where 0.95 is the default.", markup=False)
    if not measure:
        console.print("The build time is that of the machine it was fitted on; --measure fits it to this one.", markup=False)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if found.resident > 0.8 * available:
        console.print(f"[yellow]This machine has {size_of(available)} of memory.[/yellow]")
