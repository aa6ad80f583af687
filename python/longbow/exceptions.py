"""The errors under the name of the module where programs for the Go server's Python package import them from."""

from longbow.errors import (
    LongbowAuthenticationError,
    LongbowConnectionError,
    LongbowError,
    LongbowQueryError,
    NotFoundError,
)

LongbowNotFoundError = NotFoundError

__all__ = [
    "LongbowAuthenticationError",
    "LongbowConnectionError",
    "LongbowError",
    "LongbowNotFoundError",
    "LongbowQueryError",
]
