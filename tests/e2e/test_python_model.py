"""A client against a dict: whatever is put, replaced, deleted, and whenever the server dies, both say the same."""

from __future__ import annotations

import os
from typing import Any

import longbow
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

DIM = 4
keys = st.integers(0, 30)
tags = st.one_of(st.none(), st.sampled_from(["red", "green", "blue"]))
numbers = st.lists(st.integers(-8, 8), min_size=DIM, max_size=DIM)
rows = st.dictionaries(keys, st.tuples(numbers, tags), min_size=1, max_size=8)


class Model(RuleBasedStateMachine):
    server: longbow.Server
    number = 0
    restarted = False

    @initialize()
    def begin(self) -> None:
        Model.number += 1
        self.name = f"model-{Model.number}"
        self.client = self.server.connect(retry=longbow.RetryPolicy(deadline=20))
        self.rows: dict[int, tuple[list[int], str | None]] = {}
        self.ever: set[int] = set()
        self.put({0: ([0] * DIM, None)})

    def put(self, data: dict[int, tuple[list[int], str | None]]) -> None:
        columns: dict[str, Any] = {"id": list(data), "vector": np.array([v for v, _ in data.values()], "f4"), "tag": [t or "" for _, t in data.values()]}
        assert self.client.insert(self.name, columns).rows == len(data)
        self.rows.update(data)
        self.ever.update(data)

    @rule(data=rows)
    def upsert(self, data: dict[int, tuple[list[int], str | None]]) -> None:
        self.put(data)

    @rule(data=rows)
    def append(self, data: dict[int, tuple[list[int], str | None]]) -> None:
        columns = {"id": list(data), "vector": np.array([v for v, _ in data.values()], "f4"), "tag": [t or "" for _, t in data.values()]}
        failed = self.client.insert(self.name, columns, mode="append", on_error="collect").failed
        assert failed is not None and sorted(failed["id"].to_pylist()) == sorted(data.keys() & self.rows.keys())
        self.rows.update({k: v for k, v in data.items() if k not in self.rows})
        self.ever.update(data)

    @rule(wanted=st.sets(keys, min_size=1, max_size=5))
    def delete(self, wanted: set[int]) -> None:
        if wanted <= self.ever:
            self.client.delete(self.name, sorted(wanted))
            for key in wanted:
                self.rows.pop(key, None)
        else:
            try:
                self.client.delete(self.name, sorted(wanted))
                raise AssertionError("an id that never was is not found")
            except longbow.NotFoundError:
                pass

    @rule(query=numbers, k=st.integers(1, 40), tag=tags)
    def search(self, query: list[int], k: int, tag: str | None) -> None:
        asked = self.client.dataset(self.name).search(np.array(query, "f4")).limit(k).exactly()
        hits = (asked.where(longbow.col("tag") == tag) if tag else asked).run()
        near = sorted((float(np.sqrt(sum((a - b) ** 2 for a, b in zip(v, query)))), key) for key, (v, t) in self.rows.items() if not tag or t == tag)
        assert hits["id"].to_pylist() == [key for _, key in near[:k]]
        assert np.allclose(hits["distance"].to_numpy(), [d for d, _ in near[:k]], atol=1e-4)
        assert [t or None for t in hits["tag"].to_pylist()] == [self.rows[key][1] for _, key in near[:k]]

    @rule(wanted=st.sets(keys, max_size=5))
    def get(self, wanted: set[int]) -> None:
        found = self.client.get(self.name, ids=sorted(wanted)).to_list()
        assert {row["id"] for row in found} == wanted & self.rows.keys()

    @precondition(lambda self: not self.restarted)
    @rule(how=st.sampled_from(["kill", "stop"]))
    def restart(self, how: str) -> None:
        self.restarted = True
        getattr(self.server, how)()
        self.server.start()

    @invariant()
    def the_same_rows(self) -> None:
        if not hasattr(self, "client"):
            return
        stored = {row["id"]: (row["vector"], row["tag"] or None) for row in self.client.get(self.name).to_list()}
        assert stored == {key: ([float(x) for x in v], t) for key, (v, t) in self.rows.items()}
        assert self.client.count(self.name) == len(self.rows)

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.close()


def test_a_client_and_a_dict_agree(start_server: Any) -> None:
    Model.server = start_server(drain_time="100ms")
    examples = int(os.environ.get("LONGBOW_MODEL_EXAMPLES", "20"))
    profile = settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Model, settings=profile)
