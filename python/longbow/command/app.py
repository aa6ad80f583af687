"""All commands, in the order of --help."""

from __future__ import annotations

from typing import Annotated

import typer

import longbow
from longbow.command import bench, data, doctor, plan, serving, top

app = typer.Typer(
    name="longbow",
    help="Longbow, a vector database where everything in and out is Apache Arrow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"longbow {longbow.__version__}")
        raise typer.Exit()


@app.callback()
def common(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False) -> None:
    """Longbow, a vector database where everything in and out is Apache Arrow."""


_FIRST = "First steps"
_DATA = "Data"
_CARE = "Care"

app.command(rich_help_panel=_FIRST, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serving.serve)
app.command(rich_help_panel=_FIRST)(serving.demo)
app.command(rich_help_panel=_FIRST)(doctor.doctor)
app.command(rich_help_panel=_FIRST)(plan.plan)
app.command(rich_help_panel=_FIRST)(serving.completion)
app.command(rich_help_panel=_DATA)(data.put)
app.command(rich_help_panel=_DATA)(data.get)
app.command(rich_help_panel=_DATA)(data.search)
app.command(rich_help_panel=_DATA)(data.explain)
app.command(rich_help_panel=_DATA)(data.delete)
app.command("import", rich_help_panel=_DATA)(data.import_file)
app.command("export", rich_help_panel=_DATA)(data.export_file)
app.command(rich_help_panel=_DATA)(data.datasets)
app.command(rich_help_panel=_DATA)(data.info)
app.command(rich_help_panel=_CARE)(serving.snapshot)
app.command(rich_help_panel=_CARE)(serving.compact)
app.command(rich_help_panel=_CARE)(serving.restore)
app.command(rich_help_panel=_CARE)(serving.verify)
app.command("bench", rich_help_panel=_CARE)(bench.bench)
app.command("top", rich_help_panel=_CARE)(top.top)
