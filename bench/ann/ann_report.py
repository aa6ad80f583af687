"""What the measurements of ann_bench say together: a table against the bars, and docs/benchmarks/ann.md."""
from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

Result = dict[str, Any]
COMMAND = "make bench-ann"


class Results:
    """All JSON files of a directory, by what they measure."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.all: list[Result] = [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]

    def of(self, measure: str) -> list[Result]:
        return [r for r in self.all if r["measure"] == measure]

    def sets(self, measure: str) -> list[str]:
        """By dimension, then size."""
        return list(dict.fromkeys(r["set"] for r in sorted(self.of(measure), key=lambda r: (r["dim"], r["rows"]))))

    def largest(self, measure: str, dim: int, metric: str = "l2") -> list[Result]:
        """Those of the largest set of that dimension."""
        found = [r for r in self.of(measure) if r["dim"] == dim and r["metric"] == metric]
        return [r for r in found if r["rows"] == max(f["rows"] for f in found)]


def at(contender: Result, recall: float) -> Result | None:
    found = [a for a in contender["at"] if a["recall"] == recall and a["reached"]]
    return found[0] if found else None


def contenders(results: Iterable[Result]) -> list[Result]:
    """Each once, though ours is measured beside every group of others."""
    return list({c["contender"]: c for r in results for c in r["contenders"]}.values())


def over(results: Results, dim: int, family: str, recall: float) -> float | None:
    """Our queries a second over those of the best of a family."""
    ratios = [a["first_over_this"] for c in contenders(results.largest("search", dim)) if c["family"] == family
              if (a := at(c, recall)) is not None]
    return min(ratios) if ratios else None


def own_qps(results: Results, dim: int, recall: float) -> float | None:
    found = [a["qps"] for c in contenders(results.largest("search", dim)) if c["family"] == "longbow"
             if (a := at(c, recall)) is not None]
    return found[0] if found else None


def share(results: Results, of: int, to: int, recall: float) -> float | None:
    part, whole = own_qps(results, of, recall), own_qps(results, to, recall)
    return part / whole if part and whole else None


def build_rate(results: Results, dim: int, contender: str, key: str) -> float | None:
    """The least of all sets of that dimension."""
    rates = [float(c[key]) for result in results.of("build-rates") if result["dim"] == dim
             for c in result["contenders"] if c["contender"] == contender]
    return min(rates) if rates else None


def value(results: Results, measure: str, dim: int, *path: str) -> float | None:
    for result in results.largest(measure, dim):
        for key in path:
            result = result[key]
        return float(result)  # type: ignore[arg-type]
    return None


def scanned_together(results: Results, dim: int) -> float | None:
    """Queries a second at the recall asked for by default, sixteen a call."""
    for result in results.largest("scan", dim):
        for calls in result["calls"]:  # type: ignore[attr-defined]
            if calls["queries_a_call"] == 16:
                return float(calls["qps"])
    return None


def churn(results: Results, key: str) -> float | None:
    values = [float(case[key]) for r in results.of("churn") for case in r["cases"]]
    return max(values) if values else None


def filtered(results: Results, key: str, share_of_rows: float | None = None) -> float | None:
    values = [float(case[key]) for r in results.of("filters") for case in r["cases"]
              if key in case and share_of_rows in (None, case["share"])]
    return min(values) if values else None


def over_qdrant(results: Results, share_of_rows: float) -> float | None:
    """On the set that both were measured on."""
    ratios = []
    for theirs in results.of("qdrant-edge"):
        for ours in [r for r in results.of("filters") if r["set"] == theirs["set"]]:
            ratios += [a["qps_at_asked_recall"] / b["qps"] for a in ours["cases"] for b in theirs["cases"]
                       if a["kind"] == b["kind"] and a["share"] == b["share"] == share_of_rows]
    return min(ratios) if ratios else None


def memory(results: Results, dim: int, contender: str) -> float | None:
    values = [r["times_raw"] for r in results.largest("build", dim) if r["contender"] == contender]
    return values[0] if values else None


@dataclasses.dataclass(frozen=True)
class Bar:
    what: str
    must: float
    goal: float
    seen: Callable[[Results], float | None]
    less_is_better: bool = False
    form: str = "{:.2f}"

    def verdict(self, seen: float | None) -> str:
        if seen is None:
            return "not measured"
        sign = -1 if self.less_is_better else 1
        return "goal" if sign * seen >= sign * self.goal else "must" if sign * seen >= sign * self.must else "MISSED"


def bars() -> list[Bar]:
    table: list[Bar] = []
    for recall, dims in ((0.95, ((128, 2.4, 3.6), (768, 5.5, 9.0), (1536, 5.5, 9.0))),
                         (0.99, ((128, 2.2, 3.0), (768, 4.5, 6.5)))):
        for dim, must, goal in dims:
            table.append(Bar(f"queries a second at recall@10 {recall:.2f}, {dim} d, x hnswlib", must, goal,
                             lambda r, d=dim, q=recall: over(r, d, "hnswlib", q)))  # type: ignore[misc]
    table.append(Bar("queries a second at 3072 d over our own at 768 d, recall 0.95", 0.15, 0.2,
                     lambda r: share(r, 3072, 768, 0.95)))
    for dim, must, goal in ((128, 2.0, 2.4), (768, 2.8, 3.5)):
        table.append(Bar(f"rows built a second by 2 threads, {dim} d, x hnswlib", must, goal,
                         lambda r, d=dim: build_rate(r, d, "hnswlib-16", "first_over_this")))  # type: ignore[misc]
        table.append(Bar(f"build by 2 threads over 1, {dim} d", 1.7, 1.9,
                         lambda r, d=dim: build_rate(r, d, "longbow", "two_over_one")))  # type: ignore[misc]
    for dim, must, goal in ((128, 2500, 3500), (768, 1500, 2200)):
        table.append(Bar(f"rows inserted a second and core into 100 k, {dim} d", must, goal,
                         lambda r, d=dim: value(r, "inserts", d, "rows_per_s_core"), form="{:.0f}"))  # type: ignore[misc]
        table.append(Bar(f"share of queries a second kept beside 1,000 inserts/s, {dim} d", 0.7, 0.8,
                         lambda r, d=dim: value(r, "inserts", d, "qps_kept")))  # type: ignore[misc]
    table += [
        Bar("churn: points of recall below a fresh build, worst case", 0.5, 0.2,
            lambda r: churn(r, "points_below_fresh"), less_is_better=True),
        Bar("churn: live nodes that cannot be reached, worst case", 0, 0, lambda r: churn(r, "unreachable"),
            less_is_better=True, form="{:.0f}"),
        Bar("scan of codes, 128 d: recall", 0.98, 0.98, lambda r: value(r, "scan", 128, "recall"), form="{:.3f}"),
        Bar("scan of codes, 128 d, 16 queries a call: queries a second and core", 4000, 6000,
            lambda r: scanned_together(r, 128), form="{:.0f}"),
        Bar("scan of codes, 128 d, one query a call: queries a second and core (no must)", 0, 4000,
            lambda r: value(r, "scan", 128, "qps"), form="{:.0f}"),
        Bar("scan of codes, 128 d: rows encoded a second and core", 150_000, 300_000,
            lambda r: value(r, "scan", 128, "encode", "rows_per_s"), form="{:.0f}"),
        Bar("filters: recall@10, worst of all", 0.95, 0.97, lambda r: filtered(r, "recall"), form="{:.3f}"),
    ]
    for part, must, goal in ((0.01, 3.0, 5.0), (0.1, 1.5, 2.0), (0.5, 1.1, 1.2)):
        table.append(Bar(f"filter of {100 * part:.0f} %: queries a second over post-filtering", must, goal,
                         lambda r, p=part: filtered(r, "over_post_filtering", p)))  # type: ignore[misc]
    for part in (0.01, 0.1):
        table.append(Bar(f"filter of {100 * part:.0f} %: queries a second over Qdrant Edge (no must)", 0.0, 2.0,
                         lambda r, p=part: over_qdrant(r, p)))  # type: ignore[misc]
    table.append(Bar("memory at 768 d, x raw float32, float32 originals", 2.6, 2.6,
                     lambda r: memory(r, 768, "longbow"), less_is_better=True))
    table.append(Bar("memory at 768 d, x raw float32, float16 originals", 2.6, 1.6,
                     lambda r: memory(r, 768, "longbow-f16"), less_is_better=True))
    return table


def bar_rows(results: Results) -> list[list[str]]:
    rows = []
    for bar in bars():
        seen = bar.seen(results)
        rows.append([bar.what, bar.form.format(bar.must), bar.form.format(bar.goal),
                     "" if seen is None else bar.form.format(seen), bar.verdict(seen)])
    return rows


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def thousands(number: float) -> str:
    return f"{number:,.0f}" if number < 10_000 else f"{number / 1000:,.1f} k"


def search_section(results: Results) -> str:
    text = ""
    for name in results.sets("search"):
        found = [r for r in results.of("search") if r["set"] == name]
        rows, counters = [], []
        for c in contenders(found):
            cells = []
            for recall in (0.90, 0.95, 0.99):
                seen = at(c, recall)
                cells.append("not reached" if seen is None else thousands(seen["qps"]) if c["contender"] == "longbow" else
                             f"{thousands(seen['qps'])} ({seen['first_over_this']:.2f})")
                if seen is not None and c["contender"] == "longbow":
                    counters.append(f"{recall:.2f}: {seen['hops']:.0f} hops, {seen['codes']:.0f} codes, "
                                    f"{seen['distances']:.0f} full distances, {seen['bytes'] / 1e3:.0f} kB")
            rows.append([c["contender"], *cells])
        first = found[0]
        text += (f"\n### {first['rows']:,} x {first['dim']}, {first['metric']}\n\n"
                 f"{first['times_last_level_cache']:.1f} x the last-level cache; {first['queries']} queries, "
                 f"{first['rounds']} rounds, {100 * first['huge_page_share']:.0f} % of memory on huge pages.\n\n")
        text += table(["", "recall 0.90", "0.95", "0.99"], rows)
        if counters:
            text += "\nOurs, a query at recall " + "; ".join(counters) + ".\n"
        asked = [a for c in contenders(found) if c["contender"] == "longbow" for a in c["asked"]]
        if asked:
            text += "Asked for recall instead of given an ef: " + ", ".join(
                f"{a['asked']:.2f} gives {a['recall']:.3f}" for a in asked) + ".\n"
    return text


def build_section(results: Results) -> str:
    rows = []
    for result in sorted(results.of("build"), key=lambda r: (r["dim"], r["rows"], r["contender"] != "longbow")):
        rows.append([result["set"], result["contender"], result["settings"], thousands(result["rows_per_s"]),
                     f"{result['rows'] / result['processor_seconds']:,.0f}", f"{result['bytes_a_row']:,.0f}",
                     f"{result['times_raw']:.2f}"])
    text = table(["set", "index", "settings", "rows/s, 2 threads", "rows a processor second",
                  "bytes a row, vectors included", "x raw"], rows)
    for result in [r for r in results.of("build") if "index_bytes_a_row" in r]:
        rest = result["bytes_a_row"] - result["vector_bytes_a_row"] - result["index_bytes_a_row"]
        text += (f"\n{result['contender']} on {result['set']}, bytes a row: {result['vector_bytes_a_row']:.0f} of vectors, "
                 f"{result['index_bytes_a_row']:.0f} of the index, {rest:.0f} of row versions and allocators.\n")
    rates = [[r["set"], str(r["rows"]), c["contender"], thousands(c["rows_per_s_1_thread"]),
              thousands(c["rows_per_s_2_threads"]), f"{c['two_over_one']:.2f}", f"{c['first_over_this']:.2f}"]
             for r in results.of("build-rates") for c in r["contenders"]]
    if rates:
        text += "\nBuilt in turn, with nothing else running:\n\n" + table(
            ["set", "rows", "index", "rows/s, 1 thread", "2 threads", "2 over 1", "ours over it"], rates)
    return text


def updates_section(results: Results) -> str:
    text = ""
    inserts = [[r["set"], f"{r['graph_rows']:,}", thousands(r["rows_per_s_core"]), thousands(r["qps_alone"]),
                f"{100 * r['qps_kept']:.0f} %"] for r in results.of("inserts")]
    if inserts:
        text += table(["set", "into a graph of", "rows/s by one core", "queries/s alone", "kept beside 1,000 inserts/s"],
                      inserts)
    cases = [[r["set"], c["case"], f"{c['recall']:.4f}", f"{c['fresh_recall']:.4f}", str(c["unreachable"])]
             for r in results.of("churn") for c in r["cases"]]
    if cases:
        text += "\nRecall, the mean of seven lengths around the ef at which a fresh build has 0.95:\n\n" + table(
            ["set", "after", "recall@10", "fresh build", "unreachable"], cases)
    return text


def filter_section(results: Results) -> str:
    rows = []
    theirs = {(r["set"], c["kind"], c["share"]): c for r in results.of("qdrant-edge") for c in r["cases"]}
    for result in results.of("filters"):
        for c in result["cases"]:
            at_asked, after = c.get("qps_at_asked_recall"), c.get("post_filtering_qps")
            edge = theirs.get((result["set"], c["kind"], c["share"]))
            rows.append([result["set"], c["kind"], f"{100 * c['share']:g} %", c["method"], f"{c['recall']:.3f}",
                         thousands(c["qps"]), thousands(at_asked) if at_asked else "", thousands(after) if after else "",
                         f"{thousands(edge['qps'])} at {edge['recall']:.3f}" if edge else ""])
    return "Asked for recall 0.95:\n\n" + table(
        ["set", "filter and query", "rows let through", "method", "recall@10", "queries/s", "at recall 0.95",
         "post-filtering at 0.95", "Qdrant Edge, called from Python"], rows) if rows else ""


def scan_section(results: Results) -> str:
    rows = [[r["set"], f"{c['asked']:.2f}", str(c["queries_a_call"]), f"{c['recall']:.4f}", thousands(c["qps"]), f"{c['distances']:.0f}",
             thousands(r["encode"]["rows_per_s"]), f"{r['encode']['bytes_a_row']:.0f}"] for r in results.of("scan") for c in r["calls"]]
    return table(["set", "recall asked for", "queries a call", "recall@10", "queries/s", "full distances a query", "rows encoded/s",
                  "bytes a code"], rows) if rows else ""


INTRODUCTION = f"""# The graph index beside others

Written by `{COMMAND}`, which makes the data, fetches and compiles the other libraries, measures, and writes this page.
`python3 bench/ann/bench_ann.py --help` lists its steps; [bench/ann](../../bench/ann) holds all of it.

- **Data** is generated (`bench/ann/make_dataset.cc`): clusters of unequal size and width, near a point about 20 real
  dimensions, as in normalised embeddings. Queries are never rows. The true neighbours are decided in float64; a row as near
  as the last of them counts as a hit.
- **Contenders** are compiled with the same compiler and `-O3 -march=native` (our own code chooses its instruction set when it
  runs) and search on one thread, with all their memory on huge pages. FAISS gets all queries in one call, which is
  how it is fastest; the others, ours too, get one at a time. Ours is both given lengths (`ef`) and asked for recalls, which
  is its default and stops walks by distance: at each recall the fastest counts, as of all settings.
- **Rounds** go through all contenders in turn. What is compared is processor time, by medians of the ratios within a round;
  queries a second at a recall are interpolated between the two settings around it. In brackets: ours over the
  contender's.
"""


def report(directory: pathlib.Path, page: pathlib.Path | None) -> None:
    results = Results(directory)
    if not results.all:
        print("bench-ann: no results yet")
        return
    head = ["", "must", "goal", "seen", "reached"]
    rows = bar_rows(results)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))))
    if page is None:
        return
    machine = results.all[0]
    kernels = f", kernels for {machine['simd']}" if "simd" in machine else ""
    text = INTRODUCTION + f"\nThe machine: {machine['cores']} cores of {machine['processor']}, shared with others{kernels}.\n"
    for title, section in (("The bars", table(head, rows)), ("Searching", search_section(results)),
                           ("Building and memory", build_section(results)), ("Updates", updates_section(results)),
                           ("Filters", filter_section(results)), ("The scan of codes", scan_section(results))):
        if section:
            text += f"\n## {title}\n\n{section.lstrip()}"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)
    print(f"\nwritten to {page}")
