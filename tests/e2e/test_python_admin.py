"""Administration through the package: what a node on its own says, columns, the other names of methods."""

from __future__ import annotations

import longbow
import numpy as np
import pytest


def test_a_node_on_its_own_has_no_cluster_to_tell_of(client: longbow.Client) -> None:
    with pytest.raises(longbow.UnavailableError, match="gossip mesh not enabled"):
        client.cluster_status()


def test_a_column_is_lost_by_copying_the_others(client: longbow.Client, dataset: str) -> None:
    client.insert(dataset, {"id": [1, 2], "vector": np.eye(2, 4, dtype="f4"), "keep": ["a", "b"], "lose": [1, 2]})
    client.insert(dataset + "-copy", client.scan(dataset, columns=["id", "vector", "keep"]))
    assert client.info(dataset + "-copy").schema.names == ["id", "vector", "keep"]
    assert client.search(dataset + "-copy", [0, 1, 0, 0], k=1).to_list()[0]["keep"] == "b"


def test_other_names_do_the_same(client: longbow.Client, dataset: str) -> None:
    assert client.ingest(dataset, {"id": [1], "vector": [[1.0, 2.0]]}).rows == 1
    assert client.get_info(dataset) == client.info(dataset)
    assert client.list_namespaces() == client.namespaces() and "default" in client.list_namespaces()
