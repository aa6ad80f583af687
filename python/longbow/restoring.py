"""Data directories as files: checked, and made from the newest snapshot of another one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from longbow.errors import CorruptionError, FailedPreconditionError, NotFoundError
from longbow.server import find_binary, program_environment

# A snapshot taken meanwhile replaces files under the copy; then it is made again.
_ATTEMPTS = 3


def _longbowd(directory: str | os.PathLike[str], *arguments: str) -> tuple[int, str]:
    """Exit status of the server program at work on a directory, and all it said."""
    binary = find_binary()
    command = [str(binary), *arguments, "--data-path", os.fspath(directory)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **program_environment(binary)})
    return done.returncode, (done.stdout + done.stderr).strip().removeprefix("longbowd: ")


def verify(directory: str | os.PathLike[str]) -> str:
    """Checks every byte of a data directory that no server uses at this moment, and returns the report.

    Raises CorruptionError, whose message is the report, when something is damaged; NotFoundError; FailedPreconditionError
    while a server has the directory.
    """
    if not Path(directory).is_dir():
        raise NotFoundError(f"there is no directory {directory}")
    status, report = _longbowd(directory, "--verify")
    if status == 0:
        return report
    raise (CorruptionError if status == 1 else FailedPreconditionError)(report)


def restore(source: str | os.PathLike[str], directory: str | os.PathLike[str]) -> str:
    """Makes a new data directory from the newest snapshot in `source`, a data directory or a copy of one.

    A server may run on `source`; what was written since its last snapshot is not in the copy (`Client.snapshot` takes
    one). The copy is checked, and the report returned. Raises NotFoundError without a snapshot, FailedPreconditionError
    when `directory` holds something, CorruptionError when what is copied is damaged.
    """
    here, there = Path(source), Path(directory)
    if not (here / "manifest").is_file():
        raise NotFoundError(f"no snapshot in {here}: expected a data directory with a file manifest, which the first snapshot writes")
    if there.exists() and (not there.is_dir() or any(there.iterdir())):
        raise FailedPreconditionError(f"{there} is not empty: restore into a new directory")
    report = ""
    for _ in range(_ATTEMPTS):
        status, report = _longbowd(there, "--import", os.fspath(here.absolute()))
        if status == 0:
            return verify(there)
        shutil.rmtree(there, ignore_errors=True)
    raise CorruptionError(report)
