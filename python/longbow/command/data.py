"""Commands on datasets and their rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import typer

import longbow
from longbow import files
from longbow.columns import VECTOR_NAMES, width_of
from longbow.command.output import At, DataDir, Failure, Json, Token, connect, console, show, show_json, show_rows, size_of, working
from longbow.query import Query

Name = Annotated[str, typer.Argument(metavar="DATASET", help='A dataset, or "namespace/dataset".')]
Where = Annotated[str | None, typer.Option("--where", "-w", help="A filter: \"year >= 1990 and lang in ('en', 'de')\".")]
Columns = Annotated[str | None, typer.Option("--columns", "-c", help="Columns to return, with commas between.")]
Mode = Annotated[Literal["upsert", "append", "create", "replace"], typer.Option(help="What may be there before, and what becomes of it.")]
VectorColumn = Annotated[str | None, typer.Option("--vector-column", help="The column of vectors, if it is not vector or embedding.")]


def _names(columns: str | None) -> list[str] | None:
    return None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]


_ROW = """'{"id": 1, "vector": [0.1, 0.2]}'"""


def _json_argument(text: str, what: str, hint: str = f"quote it for the shell, like {_ROW}") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure(f"{what} is no JSON: {error}", hint) from error


def _stored(client: longbow.Client, dataset: str, data: Any, as_json: bool, title: str, **options: Any) -> None:
    with working(title, as_json) as progress:
        result = client.insert(dataset, data, progress=progress, **options)
    failed = [] if result.failed is None else result.failed.select(["_row", "_code", "_reason"]).to_pylist()
    if as_json:
        show_json({"dataset": dataset, "rows": result.rows, "batches": result.batches, "durability": result.durability, "vectors": result.vectors, "failed": failed})
    else:
        vectors = ", ".join(f"{name} of {dim} dimensions" for name, dim in result.vectors.items()) or "no vectors"
        console.print(f"{result.rows:,} row{'s' * (result.rows != 1)} in {dataset} ({vectors}), durability {result.durability}")
        if failed:
            show_rows(failed[:20], False, f"{len(failed)} rows were refused")
    if failed:
        raise typer.Exit(1)


def put(
    dataset: Name,
    rows: Annotated[str, typer.Argument(help='Rows as JSON: an object, or a list of them. "-" reads JSON lines from stdin.')],
    mode: Mode = "upsert",
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Stores rows given as JSON: longbow put books '{"id": 1, "vector": [0.1, 0.2], "title": "Bows"}'"""
    data: Any
    if rows == "-":
        data = (_json_argument(line, f"line {number}", "each line is an object, a row") for number, line in enumerate(sys.stdin, 1) if line.strip())
    else:
        data = _json_argument(rows, "ROWS")
        if not all(isinstance(row, dict) for row in (data if isinstance(data, list) else [data])):
            raise Failure("ROWS must be an object or a list of objects", f"for instance {_ROW}")
    with connect(at, token, data_dir) as client:
        _stored(client, dataset, data, as_json, dataset, mode=mode)


def import_file(
    dataset: Name,
    file: Annotated[Path, typer.Argument(help=f"A file that ends in {', '.join(files.READABLE)}, or a directory of Parquet files.")],
    mode: Mode = "upsert",
    metric: Annotated[str | None, typer.Option(help="l2, cosine or ip, for a new dataset.")] = None,
    vector_column: VectorColumn = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Store what can be stored, and list the rest.")] = False,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Stores the rows of a file."""
    on_error = "collect" if skip_bad_rows else "raise"
    with connect(at, token, data_dir) as client:
        _stored(client, dataset, file, as_json, file.name, mode=mode, metric=metric, vector_column=vector_column, on_error=on_error)


def export_file(
    dataset: Name,
    file: Annotated[Path, typer.Argument(help=f"The file to write; its name ends in {', '.join(files.WRITABLE)}.")],
    where: Where = None,
    columns: Columns = None,
    vector_column: VectorColumn = None,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Writes the rows of a dataset to a file."""
    with connect(at, token, data_dir) as client:
        schema = client.info(dataset).schema
        names = _names(columns)
        if names is not None:
            missing = [name for name in names if name not in schema.names]
            if missing:
                raise Failure(f"dataset {dataset} has no column {missing[0]}", f"it has {', '.join(schema.names)}", "NotFound")
            schema = pa.schema([schema.field(name) for name in schema.names if name in names])
        total = client.count(dataset, where)
        done = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal done
            for batch in client.scan(dataset, where, columns=names):
                yield batch.select(schema.names).cast(schema)
                done += batch.num_rows
                progress(done, total)

        with working(file.name, as_json) as progress:
            rows = files.write(file, schema, counted(), vector_column)
    show({"dataset": dataset, "rows": rows, "file": str(file), "bytes": file.stat().st_size}, as_json)


def get(
    dataset: Name,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of rows; without them all, up to --limit.")] = None,
    where: Where = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0: all.")] = 20,
    columns: Columns = None,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prints stored rows."""
    with connect(at, token, data_dir) as client:
        found = client.get(dataset, where, limit or None, _names(columns), ids=ids or None)
        show_rows(found.to_list(), as_json, stored=True)
        if not as_json and limit and len(found) == limit and not ids:
            console.print(f"[dim]the first {limit}; --limit 0 prints all[/dim]")


Vector = Annotated[str | None, typer.Option("--vector", "-v", help='The query: "[0.1, 0.2, ...]", or the path of a .npy file.')]
RowId = Annotated[str | None, typer.Option("--id", help="Search near this stored row.")]
Text = Annotated[str | None, typer.Option("--text", "-t", help="Words to rank by.")]
K = Annotated[int, typer.Option("--k", "-k", min=1, help="So many hits.")]


def _query(dataset: str, vector: str | None, id: str | None, text: str | None, k: int, where: str | None, columns: str | None) -> Query:
    vectors: Any = None
    if vector is not None:
        vectors = files.read(Path(vector)) if vector.endswith(".npy") else _json_argument(vector, "--vector")
    if vectors is None and id is None and text is None:
        raise Failure("a search needs --vector, --id or --text", f"""longbow search {dataset} --vector "[0.1, 0.2]" """.strip())
    query = Query(dataset, vectors=vectors, ids=None if id is None else [id], text=text, k=k)
    query = query if where is None else query.where(where)
    names = _names(columns)
    return query if names is None else query.select(*names)


def search(
    dataset: Name,
    vector: Vector = None,
    id: RowId = None,
    text: Text = None,
    k: K = 10,
    where: Where = None,
    columns: Columns = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every row.")] = False,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prints the rows nearest to a vector, a stored row or words."""
    query = _query(dataset, vector, id, text, k, where, columns)
    with connect(at, token, data_dir) as client:
        found = client.run(query.exactly() if exact else query)
        rows = found.to_list() if id is None else found.to_arrow().drop_columns(["query"]).to_pylist()
        if as_json:
            stats = found.stats
            show_json({"hits": rows, "coverage": stats.coverage, "method": stats.method, "seconds": stats.seconds})
            return
        show_rows(rows, False, stored=True)
        if found.stats.coverage:
            console.print(f"[dim]{found.stats.coverage}, {found.stats.method}, {found.stats.seconds * 1000:.2f} ms[/dim]")


def explain(
    dataset: Name,
    vector: Vector = None,
    id: RowId = None,
    text: Text = None,
    k: K = 10,
    where: Where = None,
    analyze: Annotated[bool, typer.Option("--analyze", help="Run the search, and print what it did.")] = False,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prints how the server would search, and what else it weighed."""
    with connect(at, token, data_dir) as client:
        plans = client.explain(_query(dataset, vector, id, text, k, where, None), analyze=analyze).to_list()
    if as_json:
        show_json(plans)
        return
    show_rows([_plan_line(plan) for plan in plans], False)
    chosen = next((plan for plan in plans if plan["chosen"]), None)
    if chosen is None:
        return
    figures = {name: value for name, value in chosen.items() if name not in _PLAN_LINE and value is not None}
    console.print()
    show({name.replace("_nanos", " (us)"): value / 1000 if name.endswith("_nanos") else value for name, value in figures.items()}, False)


_PLAN_LINE = ("plan", "chosen", "exact", "cost_nanos", "reason", "index")


def _plan_line(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "plan": plan["plan"],
        "cost (us)": plan["cost_nanos"] / 1000,
        "exact": "yes" if plan["exact"] else "no",
        "index": plan["index"],
        "": "chosen" if plan["chosen"] else plan["reason"],
    }


def delete(
    dataset: Name,
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of rows.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="The dataset with all its rows.")] = False,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Deletes rows, or a whole dataset."""
    if bool(ids) == whole:
        raise Failure("delete needs ids, or --whole for the dataset, and not both", f"longbow delete {dataset} 1 2, or longbow delete {dataset} --whole")
    with connect(at, token, data_dir) as client:
        if whole:
            client.delete_dataset(dataset)
        else:
            client.delete(dataset, ids or [])
    show({"dataset": dataset, "deleted": "all" if whole else ids}, as_json)


def datasets(at: At = None, token: Token = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Lists the datasets."""
    with connect(at, token, data_dir) as client:
        infos = [client.info(name) for name in client.datasets()]
    rows = [{"name": i.name, "rows": i.rows, "bytes": i.bytes if as_json else size_of(i.bytes), "vectors": i.vectors} for i in infos]
    show_rows(rows, as_json, "" if rows else "datasets")


def info(
    dataset: Annotated[str | None, typer.Argument(metavar="[DATASET]", help="A dataset; without one, the server.")] = None,
    at: At = None,
    token: Token = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prints the figures and columns of a dataset, or what server answers."""
    with connect(at, token, data_dir) as client:
        if dataset is None:
            health = client.health()
            show({"server": client.uri, "client version": longbow.__version__, **health, "datasets": client.datasets(), "namespaces": client.namespaces()}, as_json)
            return
        stats = client.stats(dataset)
        schema = client.info(dataset).schema
    columns = [{"column": f.name, "type": str(f.type), "role": _role(f)} for f in schema]
    figures = {**vars(stats), "bytes": stats.bytes if as_json else size_of(stats.bytes)}
    if as_json:
        show_json({**figures, "columns": columns})
        return
    show(figures, False)
    console.print()
    show_rows(columns, False)


def _role(field: pa.Field) -> str:
    if field.name == "id":
        return "key"
    if width_of(field.type) is not None:
        return "vector, searched by default" if field.name in VECTOR_NAMES else "vector"
    return "payload"
