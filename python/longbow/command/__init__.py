"""The `longbow` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command; what went wrong is one sentence and a hint, and exit status 1."""
    try:
        from longbow.command.app import app
    except ImportError as error:
        sys.exit(f"longbow: the command needs typer and rich ({error}): pip install 'typer>=0.12' 'rich>=13'")
    from longbow.command.output import run

    run(app)
