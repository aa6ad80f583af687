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


def verify(directory: str | os.PathLike[str]) -> str:
    """Checks every byte of a data directory that no server uses at this moment, and returns the report.

    Raises CorruptionError, whose message is the report, when something is damaged; NotFoundError; FailedPreconditionError
    while a server has the directory.
    """
    if not Path(directory).is_dir():
        raise NotFoundError(f"there is no directory {directory}")
    binary = find_binary()
    command = [str(binary), "--verify", "--data-path", os.fspath(directory)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **program_environment(binary)})
    report = (done.stdout + done.stderr).strip()
    if done.returncode == 0:
        return report
    if done.returncode == 1:
        raise CorruptionError(report)
    raise FailedPreconditionError(report.removeprefix("longbowd: "))


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
    for attempt in range(_ATTEMPTS):
        there.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(here / "manifest", there / "manifest")
            for part in ("blocks", "derived"):
                if (here / part).is_dir():
                    shutil.copytree(here / part, there / part)
            return verify(there)
        except (CorruptionError, shutil.Error, FileNotFoundError):
            shutil.rmtree(there)
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")
