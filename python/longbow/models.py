"""Rows, hits and figures as pydantic models: checked where data enters or leaves a program, never on the way.

Needs pydantic: `pip install 'longbow[pydantic]'`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

try:
    from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
except ImportError as error:
    raise ImportError("longbow's models need pydantic: pip install 'longbow[pydantic]'") from error

from longbow.columns import VECTOR_NAMES


class Record(BaseModel):
    """A row with an id; every further column is a further attribute. `insert` takes a list of them.

    >>> Record(id=1, vector=[0.5, 0.25], title="Bows").title
    'Bows'
    """

    model_config = ConfigDict(extra="allow")

    id: int | str
    vector: list[float] | None = None

    @field_validator("vector")
    @classmethod
    def _finite(cls, vector: list[float] | None) -> list[float] | None:
        if vector is not None and not all(map(math.isfinite, vector)):
            raise ValueError("a vector's numbers must be finite")
        return vector


class Vector(BaseModel):
    """A vector with its id and metadata; `insert` takes a list of them and stores metadata as JSON."""

    id: int | str
    values: list[float] = Field(min_length=1)
    metadata: dict[str, Any] = Field(default_factory=dict)
    timestamp: int | None = None

    @field_validator("values")
    @classmethod
    def _finite(cls, values: list[float]) -> list[float]:
        if not all(map(math.isfinite, values)):
            raise ValueError("a vector's numbers must be finite")
        return values

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The row that is stored: `values` become column `vector`."""
        row = super().model_dump(**options)
        row["vector"] = row.pop("values")
        return row


class SearchResult(BaseModel):
    """A hit: its id, score and distance, its vector when asked for, and its other columns as `metadata`."""

    id: int | str
    score: float
    distance: float | None = None
    query: int | None = None
    values: list[float] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> SearchResult:
        """The model of one row of Results."""
        known = {name: row[name] for name in ("score", "distance", "query") if name in row}
        vector = next((name for name in VECTOR_NAMES if isinstance(row.get(name), list)), None)
        rest = {name: value for name, value in row.items() if name not in (*known, "id", "key", vector)}
        return cls(id=row.get("key", row["id"]), values=row[vector] if vector else None, metadata=rest, **known)


class IndexStats(BaseModel):
    """Figures of a dataset and of its index."""

    name: str
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    indexed_rows: int = Field(ge=0)
    status: str = "READY"
    dimensions: dict[str, int] = Field(default_factory=dict)
    metric: str = "l2"
    index: str = "graph"
    durability: str = "fsync"

    @property
    def dimension(self) -> int:
        """Dimensions of the first vector column; 0 without one."""
        return next(iter(self.dimensions.values()), 0)

    @property
    def count(self) -> int:
        """The same as `rows`."""
        return self.rows

    @model_validator(mode="after")
    def _indexed_at_most_all(self) -> IndexStats:
        if self.indexed_rows > self.rows:
            raise ValueError(f"indexed_rows {self.indexed_rows} are more than rows {self.rows}")
        return self
