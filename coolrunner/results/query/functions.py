"""The functions that questions may use. Each takes plain data and is done in time that grows with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from coolrunner.results.query.times import moment

__all__ = ["FUNCTIONS", "Function"]

_DIGITS = 400  # of a text that is read as a whole number, and of what is rounded


class Function(NamedTuple):
    """A function: what it does, and how many values it takes at least and at most."""

    apply: Callable[..., Any]
    least: int
    most: int

    @property
    def takes(self) -> str:
        """How many values it takes, in words."""
        if self.least == self.most:
            return "one value" if self.least == 1 else f"{self.least} values"
        return f"{self.least} to {self.most} values" if self.most < 100 else f"{self.least} or more values"


def _of_texts(apply: Callable[..., Any]) -> Callable[..., Any]:
    name = apply.__name__

    def checked(*values: Any) -> Any:
        if not all(isinstance(value, str) for value in values):
            raise TypeError(f"{name}() takes texts, not {list(values)!r}")
        return apply(*values)

    return checked


def _int(value: Any) -> int:
    if isinstance(value, str) and len(value) > _DIGITS:
        raise ValueError("int() of a text that is too long")
    return int(value)


def _round(value: Any, digits: Any = None) -> Any:
    if digits is not None and not -_DIGITS <= digits <= _DIGITS:
        raise ValueError(f"round() to {digits} digits")
    return round(value, digits)


def _sum(values: Any) -> Any:
    # Lists in a list would be joined, in time that grows with their square.
    if not isinstance(values, list) or not all(isinstance(value, (int, float)) for value in values):
        raise TypeError("sum() takes a list of numbers")
    return sum(values)


#: By name, in the order in which they are named to a person.
FUNCTIONS: dict[str, Function] = {
    "abs": Function(abs, 1, 1),
    "date": Function(moment, 1, 1),
    "float": Function(float, 1, 1),
    "int": Function(_int, 1, 1),
    "len": Function(len, 1, 1),
    "max": Function(max, 1, 1_000),
    "min": Function(min, 1, 1_000),
    "round": Function(_round, 1, 2),
    "str": Function(str, 1, 1),
    "sum": Function(_sum, 1, 1),
    "endswith": Function(_of_texts(str.endswith), 2, 2),
    "lower": Function(_of_texts(str.lower), 1, 1),
    "startswith": Function(_of_texts(str.startswith), 2, 2),
    "upper": Function(_of_texts(str.upper), 1, 1),
}
