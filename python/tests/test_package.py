"""The package as such: light to import, silent, typed, one version."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import longbow
import pytest
from longbow.retry import RetryPolicy, retry_after

ROOT = Path(__file__).resolve().parents[2]


def in_new_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "python", timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_importing_is_silent_and_loads_nothing_of_the_extras() -> None:
    code = "import pyarrow, pyarrow.flight, sys; before = set(sys.modules); import longbow; print(sorted(set(sys.modules) - before))"
    loaded = in_new_python(code)
    for heavy in ("pandas", "polars", "dask", "pydantic", "typer", "rich", "subprocess", "asyncio", "urllib.request"):
        assert f"'{heavy}'" not in loaded, f"importing longbow loads {heavy}"
    assert in_new_python("import longbow") == ""


def test_nothing_needs_the_extras() -> None:
    code = """
import sys
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("pandas", "polars", "dask", "pydantic", "opentelemetry", "tqdm"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing)
import longbow, numpy as np
with longbow.connect(":memory:") as db:
    db.insert("books", {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "title": ["A", "B"]})
    query = db.dataset("books").search(np.eye(2, 4)[1], k=1).where("title = 'B'")
    assert longbow.Query.from_dict(query.to_dict()).to_dict() == query.to_dict()
    assert query.to_list()[0]["title"] == "B" and query.explain().to_list()
    assert db.get("books").to_numpy("vector").shape == (2, 4) and db.stats("books").rows == 2
"""
    assert in_new_python(code) == ""


def test_the_version_is_the_one_of_the_repository() -> None:
    assert longbow.__version__ == (ROOT / "VERSION").read_text().strip()


def test_every_name_that_is_promised_is_there() -> None:
    for name in longbow.__all__:
        assert getattr(longbow, name) is not None
    assert (ROOT / "python/longbow/py.typed").exists()
    with pytest.raises(AttributeError):
        longbow.no_such_name


def test_errors_can_be_pickled_with_all_they_know() -> None:
    error = longbow.DimensionMismatchError("expected 8, got 2")
    error.request_id, error.details = "abc-1", {"column": "vector"}
    error.put_result = longbow.PutResult(1, 1, "fsync", "s1")
    error.__cause__ = ValueError("below")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) == again.message
    assert (again.code, again.retriable, again.request_id, again.details) == ("DimensionMismatch", False, "abc-1", {"column": "vector"})
    assert again.put_result == error.put_result and isinstance(again.__cause__, ValueError)


def test_retries_wait_longer_each_time_up_to_a_cap_and_a_deadline() -> None:
    random.seed(1)
    policy = RetryPolicy(deadline=3600, first_delay=0.05, max_delay=1)
    delays = [delay for delay, _ in zip(policy.delays(), range(20))]
    assert 0.025 <= delays[0] <= 0.05 and all(0.5 <= d <= 1 for d in delays[6:]) and len(set(delays)) == 20
    calls = 0

    def failing() -> None:
        nonlocal calls
        calls += 1
        raise longbow.UnavailableError("away")

    start = time.monotonic()
    with pytest.raises(longbow.UnavailableError):
        retry_after(longbow.UnavailableError("away"), RetryPolicy(deadline=0.2), failing, lambda error: None)
    assert calls > 1 and time.monotonic() - start < 0.2
    with pytest.raises(longbow.InvalidArgumentError):
        retry_after(longbow.UnavailableError("away"), RetryPolicy(), lambda: (_ for _ in ()).throw(longbow.InvalidArgumentError("wrong")), lambda error: None)


@pytest.mark.parametrize("timeout", [-1, "5", float("nan")])
def test_times_that_are_none_are_refused(timeout: Any) -> None:
    with pytest.raises(longbow.InvalidArgumentError, match="timeout: expected seconds"):
        longbow.connect("localhost:3000", timeout=timeout)
    with longbow.connect("localhost:3000") as client:
        for call in (client.count, client.get, client.info, lambda name, timeout: client.insert(name, {"id": [1]}, timeout=timeout)):
            with pytest.raises(longbow.InvalidArgumentError, match="timeout: expected seconds"):
                call("books", timeout=timeout)
        with pytest.raises(longbow.InvalidArgumentError, match="timeout: expected seconds"):
            client.search("books", [1.0], timeout=timeout)
    with pytest.raises(longbow.InvalidArgumentError, match="retry: expected a RetryPolicy"):
        longbow.connect("localhost:3000", retry=timeout)


@pytest.mark.parametrize("name", [None, 5])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with longbow.connect("localhost:3000") as client:
        for call in (client.info, lambda name: client.insert(name, {"id": [1]})):
            with pytest.raises(longbow.InvalidArgumentError, match=f"dataset: expected a name, got {name}"):
                call(name)


def test_addresses_that_are_none_are_refused(tmp_path: Path) -> None:
    for wrong in ("http://localhost:3000", "grpc://", "grpc://host", "", "ftp://x:1"):
        with pytest.raises(longbow.InvalidArgumentError, match="uri: expected"):
            longbow.connect(wrong)
    with pytest.raises(longbow.InvalidArgumentError, match="no token in"):
        longbow.connect("localhost:3000", data_dir=tmp_path)
    with pytest.raises(longbow.InvalidArgumentError, match="no certificate in"):
        longbow.connect("grpc+tls://localhost:3000", tls_root_certs=tmp_path / "none.pem")
    with pytest.raises(longbow.InvalidArgumentError, match="uri: expected .* got 5"):
        longbow.connect(5)  # type: ignore[arg-type]
    with pytest.raises(longbow.LongbowConnectionError, match="/proc/none cannot be made: "):
        longbow.connect("/proc/none")
    (tmp_path / "file").touch()
    with pytest.raises(longbow.LongbowConnectionError, match="is a file"):
        longbow.connect(tmp_path / "file")
