"""Data as an Arrow table, where programs for the Go server's Python package import it from."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from longbow.errors import DimensionMismatchError
from longbow.sources import open_source

__all__ = ["to_arrow_table"]


def to_arrow_table(data: Any, dim: int | None = None) -> pa.Table:
    """The table that `insert` stores of `data`; a table is returned as it is.

    Raises InvalidArgumentError for what cannot be inserted, DimensionMismatchError when its vectors have other than `dim`
    dimensions.

    Examples:
        >>> to_arrow_table([{"id": 1, "vector": [0.5, 0.25]}]).schema.field("vector").type
        FixedSizeListType(fixed_size_list<item: float>[2])
    """
    if isinstance(data, pa.Table):
        return data
    source = open_source(data)
    wrong = {name: width for name, width in source.vectors.items() if width != dim}
    if dim is not None and wrong:
        raise DimensionMismatchError(f"dimension mismatch: expected {dim}, got {wrong}")
    return pa.Table.from_batches(source.batches, source.schema)
