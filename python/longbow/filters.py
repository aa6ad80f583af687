"""Filters: built from columns, written as text, or given as the wire protocol's objects; one tree for all.

Examples:
    >>> from longbow import col
    >>> (col("year") >= 2024) & col("lang").is_in(["en", "de"])
    year >= 2024 and lang in ('en', 'de')
    >>> parse("year >= 2024 and not (lang = 'en' or lang is null)")
    year >= 2024 and not (lang = 'en' or lang is null)
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np

from longbow.errors import InvalidArgumentError

Scalar = str | int | float | bool

_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_WORDS = ("in", "not in", "contains", "prefix", "like", "in list", "is null", "is not null")
_SYNONYMS = {
    "==": "=", "eq": "=", "<>": "!=", "ne": "!=", "neq": "!=", "lt": "<", "le": "<=", "lte": "<=", "gt": ">", "ge": ">=",
    "gte": ">=", "starts with": "prefix", "starts_with": "prefix", "is_null": "is null", "is_not_null": "is not null",
    "not_in": "not in", "nin": "not in", "in_list": "in list", "allow_list": "in list",
}  # fmt: skip


class Filter:
    """A condition on rows. Immutable. Join with `&`, `|` and `~`; compare equal when they say the same."""

    def __and__(self, other: Filter) -> Filter:
        return _joined("and", self, other)

    def __or__(self, other: Filter) -> Filter:
        return _joined("or", self, other)

    def __invert__(self) -> Filter:
        return Group("not", (self,))

    def __bool__(self) -> bool:
        raise TypeError("a filter has no truth value: join filters with & | ~ and not with and, or, not; write a < x < b as two")

    def __repr__(self) -> str:
        return str(self)

    def to_json(self) -> dict[str, Any]:
        """The wire protocol's object."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Filter):
    """One column compared with a value; nulls never match."""

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...] | None = None

    def __eq__(self, other: object) -> bool:
        """True and 1 are equal in Python, but not what they ask of a column."""
        return isinstance(other, Comparison) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[str, str, str]:
        return self.field, self.op, repr(self.value)

    def to_json(self) -> dict[str, Any]:
        if self.op.startswith("is "):
            return {"field": self.field, "op": self.op}
        return {"field": self.field, "op": self.op, "value": list(self.value) if isinstance(self.value, tuple) else self.value}

    def __str__(self) -> str:
        name = self.field if _NAME.fullmatch(self.field) and self.field.lower() not in _RESERVED else '"' + self.field.replace('"', '""') + '"'
        if self.op.startswith("is "):
            return f"{name} {self.op}"
        if isinstance(self.value, tuple):
            return f"{name} {self.op} ({', '.join(map(_literal, self.value))})"
        assert self.value is not None
        return f"{name} {'starts with' if self.op == 'prefix' else self.op} {_literal(self.value)}"


@dataclass(frozen=True, eq=True, repr=False)
class Group(Filter):
    """Filters joined by "and" or "or", or one under "not"."""

    logic: Literal["and", "or", "not"]
    filters: tuple[Filter, ...]

    def to_json(self) -> dict[str, Any]:
        return {"logic": self.logic, "filters": [f.to_json() for f in self.filters]}

    def __str__(self) -> str:
        parts = [f"({f})" if isinstance(f, Group) and f.logic != "not" else str(f) for f in self.filters]
        if self.logic == "not":
            return f"not {parts[0]}" if isinstance(self.filters[0], Group) and self.filters[0].logic != "not" else f"not ({self.filters[0]})"
        if self.logic == "or":  # `and` binds closer, so it needs no parentheses below
            parts = [str(f) if isinstance(f, Group) and f.logic == "and" else p for f, p in zip(self.filters, parts)]
        return f" {self.logic} ".join(parts)


class Column:
    """A column in a filter; `col` makes it.

    Examples:
        >>> col("title").contains("bow") | (col("price") < 20)
        title contains 'bow' or price < 20
        >>> col("year").between(1990, 1999)
        year >= 1990 and year <= 1999
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"col: expected a column's name, got {name!r}")
        self.name = name

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]
        return self.is_null() if value is None else self._compare("=", value)

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]
        return self.is_not_null() if value is None else self._compare("!=", value)

    def __lt__(self, value: Any) -> Filter:
        return self._compare("<", value)

    def __le__(self, value: Any) -> Filter:
        return self._compare("<=", value)

    def __gt__(self, value: Any) -> Filter:
        return self._compare(">", value)

    def __ge__(self, value: Any) -> Filter:
        return self._compare(">=", value)

    def is_in(self, values: Iterable[Any]) -> Filter:
        """One of `values`."""
        return self._compare("in", values)

    def not_in(self, values: Iterable[Any]) -> Filter:
        """Not null and none of `values`."""
        return self._compare("not in", values)

    def between(self, least: Any, most: Any) -> Filter:
        """At least `least` and at most `most`."""
        return self._compare(">=", least) & self._compare("<=", most)

    def contains(self, text: str) -> Filter:
        """A string with `text` in it."""
        return self._compare("contains", text)

    def starts_with(self, text: str) -> Filter:
        """A string that begins with `text`."""
        return self._compare("prefix", text)

    def like(self, pattern: str) -> Filter:
        """A string like `pattern`, in which % stands for any text and _ for any character."""
        return self._compare("like", pattern)

    def in_list(self, name: str) -> Filter:
        """One of the values of a list that `Client.put_allow_list` has uploaded."""
        return self._compare("in list", name)

    def is_null(self) -> Filter:
        """Null, or never given."""
        return Comparison(self.name, "is null")

    def is_not_null(self) -> Filter:
        """Given."""
        return Comparison(self.name, "is not null")

    def __repr__(self) -> str:
        return f"col({self.name!r})"

    def _compare(self, op: str, value: Any) -> Filter:
        return comparison(self.name, op, value)


def col(name: str) -> Column:
    """The column `name`, to be compared: `col("year") >= 2024`."""
    return Column(name)


# What is taken wherever a filter is asked for: a filter, text, ("price", "<", 20), a list of such that must all hold,
# or the wire protocol's objects.
FilterLike = Filter | str | tuple[str, str, Any] | Mapping[str, Any] | Sequence["Filter | str | tuple[str, str, Any] | Mapping[str, Any]"]


def comparison(column: str, op: str, value: Any = None) -> Filter:
    """A comparison whose operator is spelled as clients do. Raises InvalidArgumentError."""
    wanted = " ".join(op.lower().split())
    wanted = _SYNONYMS.get(wanted, wanted)
    if wanted not in _COMPARISONS and wanted not in _WORDS:
        raise InvalidArgumentError(f"filter on {column!r}: unknown operator {op!r}; known are {', '.join([*_COMPARISONS, *_WORDS])}")
    if wanted.startswith("is "):
        return Comparison(column, wanted)
    if wanted in ("in", "not in"):
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, Iterable):
            raise InvalidArgumentError(f"filter on {column!r}: {wanted} needs a list of values, got {value!r}")
        return Comparison(column, wanted, tuple(_scalar(column, v) for v in value))
    return Comparison(column, wanted, _scalar(column, value))


def to_filter(given: FilterLike | None) -> Filter | None:
    """The tree for any of FilterLike; None for nothing. Raises InvalidArgumentError."""
    if given is None or isinstance(given, Filter):
        return given
    if isinstance(given, str):
        return parse(given)
    if isinstance(given, Mapping):
        return _from_json(given)
    if isinstance(given, tuple) and len(given) in (2, 3):
        column, op = given[0], given[1]
        if isinstance(column, str) and isinstance(op, str):
            return comparison(column, op, given[2] if len(given) == 3 else None)
    if isinstance(given, Sequence):
        found = [f for f in map(to_filter, given) if f is not None]
        return None if not found else found[0] if len(found) == 1 else _joined("and", *found)
    raise InvalidArgumentError(
        f'a filter is like col("price") < 20, "price < 20", ("price", "<", 20) or a dict with field, op and value, got {given!r}'
    )


def filters_json(given: FilterLike | None) -> list[dict[str, Any]] | None:
    """A request's "filters"; None for no filter."""
    tree = to_filter(given)
    if tree is None:
        return None
    if isinstance(tree, Group) and tree.logic == "and":
        return [f.to_json() for f in tree.filters]
    return [tree.to_json()]


def _joined(logic: Literal["and", "or"], *filters: Filter) -> Filter:
    flat: list[Filter] = []
    for f in filters:
        if not isinstance(f, Filter):
            raise TypeError(f"filters are joined with filters, got {f!r}")
        flat.extend(f.filters if isinstance(f, Group) and f.logic == logic else (f,))
    return Group(logic, tuple(flat))


def _from_json(given: Mapping[str, Any]) -> Filter | None:
    parts: list[Filter] = []
    if given.get("field"):
        op = given.get("op") or given.get("operator")
        if not isinstance(op, str):
            raise InvalidArgumentError(f'filter on {given["field"]!r} has no "op"')
        parts.append(comparison(str(given["field"]), op, given.get("value")))
    parts.extend(f for f in map(to_filter, given.get("filters") or ()) if f is not None)
    if not parts:
        if given:
            raise InvalidArgumentError(f'a filter has "field", "op" and "value", or "filters"; got {dict(given)!r}')
        return None
    logic = str(given.get("logic") or "and").lower()
    if logic == "not":
        return ~(parts[0] if len(parts) == 1 else _joined("and", *parts))
    if logic not in ("and", "or"):
        raise InvalidArgumentError(f"filter logic: expected and, or, not; got {logic!r}")
    return parts[0] if len(parts) == 1 else _joined("and" if logic == "and" else "or", *parts)


def _scalar(column: str, value: Any) -> Scalar:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):  # JSON's readers know integers of 64 bits; beyond them a float compares the same
        return value if -(2**63) <= value < 2**64 else float(min(max(value, -(10**300)), 10**300))
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise InvalidArgumentError(f"filter on {column!r}: {value} compares with nothing; use a finite number")
        return value
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if value is None:
        raise InvalidArgumentError(f'filter on {column!r}: null compares with nothing; use col({column!r}).is_null() or "{column} is null"')
    raise InvalidArgumentError(f"filter on {column!r}: a value is text, a number, a boolean or a date, got {type(value).__name__}")


# Text. The grammar, loosest first: or; and; not; parentheses or one comparison.

_RESERVED = {"and", "or", "not", "in", "is", "null", "like", "list", "between", "true", "false", "contains", "prefix", "starts", "with"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![A-Za-z_])
        |(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
        |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)|(?P<op><=|>=|<>|!=|==|=|<|>|\(|\)|,))""",
    re.X,
)


def _literal(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def parse(text: str) -> Filter:
    """The filter that `text` says, in the words of SQL's WHERE.

    Comparisons (`= != < <= > >=`), `in (...)`, `not in (...)`, `in list 'name'`, `between a and b`, `like 'b_w%'`,
    `contains 'bow'`, `starts with 'bow'`, `is null`, `is not null`, joined by `and`, `or`, `not` and
    parentheses. Strings are in single quotes, names that are no plain words in double quotes.

    Raises InvalidArgumentError, which shows the place.
    """
    parser = _Parser(text)
    tree = parser.disjunction()
    if parser.kind:
        parser.fail("and, or, or the end")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.advance()

    def advance(self) -> None:
        self.start = self.position
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            self.kind, self.token = "", ""
            if self.text[self.position :].strip():
                self.start = self.position + len(self.text[self.position :]) - len(self.text[self.position :].lstrip())
                self.fail("a name, a value or an operator")
            return
        self.kind = match.lastgroup or ""
        self.token = match.group(self.kind)
        self.start, self.position = match.start(self.kind), match.end()

    def fail(self, expected: str) -> NoReturn:
        raise InvalidArgumentError(f"filter: expected {expected} at position {self.start + 1}:\n  {self.text}\n  {' ' * self.start}^")

    def word(self, *words: str) -> bool:
        """Takes the token when it is one of `words`."""
        if self.kind in ("name", "op") and self.token.lower() in words:
            self.advance()
            return True
        return False

    def need(self, word: str) -> None:
        if not self.word(word):
            self.fail(f"{word!r}")

    def disjunction(self) -> Filter:
        parts = [self.conjunction()]
        while self.word("or"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else _joined("or", *parts)

    def conjunction(self) -> Filter:
        parts = [self.negation()]
        while self.word("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else _joined("and", *parts)

    def negation(self) -> Filter:
        if self.word("not"):
            return ~self.negation()
        if self.word("("):
            inside = self.disjunction()
            self.need(")")
            return inside
        return self.comparison()

    def comparison(self) -> Filter:
        column = self.name()
        if self.word("is"):
            negated = self.word("not")
            self.need("null")
            return Comparison(column, "is not null" if negated else "is null")
        negated = self.word("not")
        found = self.worded(column)
        if found is not None:
            if not negated:
                return found
            return comparison(column, "not in", found.value) if isinstance(found, Comparison) and found.op == "in" else ~found
        if negated or self.kind != "op" or self.token in "(),":
            self.fail("an operator")
        op = self.token
        self.advance()
        return comparison(column, op, self.value())

    def worded(self, column: str) -> Filter | None:
        if self.word("in"):
            if self.word("list"):
                return comparison(column, "in list", self.value())
            self.need("(")
            values = [] if self.token == ")" else [self.value()]
            while self.word(","):
                values.append(self.value())
            self.need(")")
            return comparison(column, "in", values)
        if self.word("between"):
            least = self.value()
            self.need("and")
            return col(column).between(least, self.value())
        if self.word("contains"):
            return comparison(column, "contains", self.value())
        if self.word("prefix"):
            return comparison(column, "prefix", self.value())
        if self.word("starts"):
            self.need("with")
            return comparison(column, "prefix", self.value())
        if self.word("like"):
            return self.like(column)
        return None

    def like(self, column: str) -> Filter:
        pattern = str(self.value())
        inner = pattern.strip("%")
        if not any(c in inner for c in "%_\\"):
            if pattern == f"%{inner}%":
                return comparison(column, "contains", inner)
            if pattern == f"{inner}%":
                return comparison(column, "prefix", inner)
            if pattern == inner:
                return comparison(column, "=", inner)
        return comparison(column, "like", pattern)

    def name(self) -> str:
        if self.kind == "quoted":
            name = self.token[1:-1].replace('""', '"') if self.token[0] == '"' else self.token[1:-1]
        elif self.kind == "name" and self.token.lower() not in _RESERVED:
            name = self.token
        else:
            self.fail("a column's name")
        self.advance()
        return name

    def value(self) -> Scalar:
        token, kind = self.token, self.kind
        value: Scalar
        if kind == "text":
            value = token[1:-1].replace("''", "'")
        elif kind == "number":
            value = float(token) if any(c in token for c in ".eE") else int(token)
        elif kind == "name" and token.lower() in ("true", "false"):
            value = token.lower() == "true"
        else:
            self.fail("a value: a number, true, false, or text in single quotes")
        self.advance()
        return value
