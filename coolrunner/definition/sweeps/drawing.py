"""The distributions of a sweep: what values a key may have, and how one is drawn.

What is drawn depends on nothing but the generator's `random.Random.random`, the one method whose numbers
Python promises to keep for ever, and is kept to twelve significant digits, on which all C libraries agree.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from coolrunner.definition.problems import shown
from coolrunner.yamlio import flow_text

__all__ = [
    "Choice",
    "Distribution",
    "Int",
    "LogInt",
    "LogNormal",
    "LogUniform",
    "Normal",
    "QUniform",
    "Uniform",
]

_DIGITS = 12
_OPTIONS_SHOWN = 6
_LARGEST_POWER = 709.0  # e to the power of 710 is more than a float holds


class Distribution(ABC):
    """What values a key may have, and how likely each is; as text it is what `parse_distribution` reads."""

    __slots__ = ()

    @property
    def count(self) -> int | None:
        """How many values there are, or None for what cannot be counted."""
        return None

    def value(self, index: int) -> Any:
        """Return one of `count` values, in their order.

        Raises
        ------
        IndexError
            There is none of that number, or they cannot be counted.
        """
        raise IndexError(f"{self} has no values that can be counted")

    @abstractmethod
    def draw(self, random: Random) -> Any:
        """Return a value; the same for ever from a generator that was seeded the same."""

    @abstractmethod
    def describe(self) -> str:
        """Return the range in words that fit into a line."""


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Any number from `low` up to `high`."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """Return a number."""
        return _kept(self.low + (self.high - self.low) * random.random(), self.low, self.high)

    def describe(self) -> str:
        """Return the bounds."""
        return f"{self.low:g} to {self.high:g}"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("uniform", self.low, self.high)


@dataclass(frozen=True, slots=True)
class LogUniform(Distribution):
    """Any number from `low` up to `high`, each order of magnitude as likely as the next."""

    low: float
    high: float

    def draw(self, random: Random) -> float:
        """Return a number."""
        low, high = math.log(self.low), math.log(self.high)
        return _kept(math.exp(low + (high - low) * random.random()), self.low, self.high)

    def describe(self) -> str:
        """Return the bounds."""
        return f"{self.low:g} to {self.high:g}, logarithmic"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("loguniform", self.low, self.high)


@dataclass(frozen=True, slots=True)
class QUniform(Distribution):
    """One of `low`, `low` + `step`, and so on, of which none is above `high`."""

    low: float
    high: float
    step: float

    @property
    def count(self) -> int:
        """How many steps there are, the first included."""
        return int((_exact(self.high) - _exact(self.low)) // _exact(self.step)) + 1

    def value(self, index: int) -> float:
        """Return a number; 0.1 + 2 * 0.1 is 0.3 here."""
        return float(_exact(self.low) + _checked(index, self.count) * _exact(self.step))

    def draw(self, random: Random) -> float:
        """Return a number."""
        return self.value(int(random.random() * self.count))

    def describe(self) -> str:
        """Return the bounds and the step."""
        return f"{self.low:g} to {self.high:g} in steps of {self.step:g}"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("quniform", self.low, self.high, self.step)


@dataclass(frozen=True, slots=True)
class Int(Distribution):
    """One of the whole numbers `low`, `low` + `step`, and so on, of which none is above `high`."""

    low: int
    high: int
    step: int = 1

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return (self.high - self.low) // self.step + 1

    def value(self, index: int) -> int:
        """Return a number."""
        return self.low + _checked(index, self.count) * self.step

    def draw(self, random: Random) -> int:
        """Return a number."""
        return self.value(int(random.random() * self.count))

    def describe(self) -> str:
        """Return the bounds, and the step if it is more than one."""
        steps = f" in steps of {self.step}" if self.step != 1 else ""
        return f"{self.low} to {self.high}, whole{steps}"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("int", self.low, self.high, *((self.step,) if self.step != 1 else ()))


@dataclass(frozen=True, slots=True)
class LogInt(Distribution):
    """A whole number from `low` to `high`, each order of magnitude about as likely as the next."""

    low: int
    high: int

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return self.high - self.low + 1

    def value(self, index: int) -> int:
        """Return a number."""
        return self.low + _checked(index, self.count)

    def draw(self, random: Random) -> int:
        """Return a number, rounded from half below `low` to half above `high`, as Optuna does it."""
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        drawn = math.exp(low + (high - low) * random.random())
        return min(max(math.floor(_kept(drawn, 0.5, math.inf) + 0.5), self.low), self.high)

    def describe(self) -> str:
        """Return the bounds."""
        return f"{self.low} to {self.high}, whole, logarithmic"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("logint", self.low, self.high)


@dataclass(frozen=True, slots=True)
class Normal(Distribution):
    """A number that is normally distributed."""

    mean: float
    deviation: float

    def draw(self, random: Random) -> float:
        """Return a number."""
        return _kept(self.mean + self.deviation * _standard_normal(random))

    def describe(self) -> str:
        """Return mean and deviation."""
        return f"{self.mean:g} ± {self.deviation:g}, normal"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("normal", self.mean, self.deviation)


@dataclass(frozen=True, slots=True)
class LogNormal(Distribution):
    """A number whose natural logarithm is normally distributed."""

    mean: float
    deviation: float

    def draw(self, random: Random) -> float:
        """Return a number, at most the largest that there is."""
        power = self.mean + self.deviation * _standard_normal(random)
        return _kept(math.exp(min(power, _LARGEST_POWER)))

    def describe(self) -> str:
        """Return mean and deviation."""
        return f"e to the power of {self.mean:g} ± {self.deviation:g}, normal"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return _text("lognormal", self.mean, self.deviation)


@dataclass(frozen=True, slots=True)
class Choice(Distribution):
    """One of some values, each as likely."""

    options: tuple[Any, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.options)

    def value(self, index: int) -> Any:
        """Return one; a list or a mapping is the caller's own."""
        return copy.deepcopy(self.options[_checked(index, self.count)])

    def draw(self, random: Random) -> Any:
        """Return one; a list or a mapping is the caller's own."""
        return self.value(int(random.random() * self.count))

    def describe(self) -> str:
        """Return the values, the first few where there are many."""
        few = ", ".join(shown(option).strip("'") for option in self.options[:_OPTIONS_SHOWN])
        rest = self.count - _OPTIONS_SHOWN
        return f"one of {few}, and {rest} more" if rest > 0 else f"one of {few}"

    def __str__(self) -> str:
        """Return the distribution as it is written."""
        return f"choice({flow_text(list(self.options))})"


def _kept(number: float, low: float = -math.inf, high: float = math.inf) -> float:
    return min(max(float(f"{number:.{_DIGITS}g}"), low), high)


def _standard_normal(random: Random) -> float:
    one, other = random.random(), random.random()
    return math.sqrt(-2.0 * math.log(1.0 - one)) * math.cos(math.tau * other)  # Box and Muller 1958


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _checked(index: int, count: int) -> int:
    if not 0 <= index < count:
        raise IndexError(f"there are {count} values, none has the number {index}")
    return index


def _text(name: str, *numbers: float) -> str:
    return f"{name}({', '.join(flow_text(number) for number in numbers)})"
