"""Distributions as people write them in a sweep: ``loguniform(1e-5, 1e-1)``, ``choice([64, 128])``.

============================== ====================================================================
``uniform(low, high)``         a number, any as likely
``loguniform(low, high)``      a number above zero, its logarithm uniform
``quniform(low, high, step)``  low, low + step, ... up to high
``int(low, high[, step])``     a whole number, both ends included
``logint(low, high)``          a whole number above zero, its logarithm about uniform, both ends included
``normal(mean, deviation)``    a number without bounds
``lognormal(mean, deviation)`` a number above zero, whose natural logarithm is normal(mean, deviation)
``choice([a, b])``             one of a list of any values; ``choice(a, b)`` is the same
============================== ====================================================================

Arguments are YAML, so ``1e-5`` is a number and ``choice(relu, gelu)`` chooses between two words. Nothing is
evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coolrunner.definition.problems import shown
from coolrunner.definition.sweeps.drawing import (
    Choice,
    Distribution,
    Int,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
)
from coolrunner.errors import YamlError, nearest
from coolrunner.yamlio import Document, Source, load

__all__ = [
    "Choice",
    "Distribution",
    "DistributionError",
    "Int",
    "LogInt",
    "LogNormal",
    "LogUniform",
    "Normal",
    "QUniform",
    "Uniform",
    "looks_like_one",
    "parse_distribution",
    "shielded",
    "unshielded",
]

_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\(")


class DistributionError(ValueError):
    """A text is no distribution.

    Attributes
    ----------
    message
        What is wrong and what was expected; it begins with no key and no place.
    place
        How many characters into the text.
    hint
        How to mend it; may be empty.
    """

    def __init__(self, message: str, place: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.hint = message, place, hint


def looks_like_one(value: Any) -> bool:
    """Whether a value is a text that begins as a distribution does: with a name and a parenthesis."""
    return isinstance(value, str) and _CALL.match(value) is not None


def parse_distribution(text: str) -> Distribution:
    """Read a distribution.

    Raises
    ------
    DistributionError
        It is none, or one with wrong arguments; with the place in `text`.
    """
    text = unshielded(text)
    call = _CALL.match(text)
    if call is None:
        known = f"write one such as uniform(0, 1); known are {', '.join(_READERS)}"
        raise DistributionError("a distribution was expected: a name and parentheses", 0, known)
    name, start = call[1], call.end()
    if name not in _READERS:
        meant = _ELSEWHERE.get(name.replace("_", "")) or nearest(name, _READERS)
        hint = f"did you mean {meant}?" if meant else f"known are {', '.join(_READERS)}"
        raise DistributionError(f"there is no distribution {name}", call.start(1), hint)
    inside = text[start:].rstrip()
    if not inside.endswith(")"):
        after = inside.rpartition(")")[2].strip() if ")" in inside else ""
        if after:
            place = start + len(inside) - len(after)
            raise DistributionError(f"{after!r} stands behind the distribution", place, "remove it")
        hint = f"inside {{...}} YAML ends a text at a comma: put quotes around it, '{name}(...)'"
        raise DistributionError("its closing parenthesis is missing", len(text.rstrip()), hint)
    return _READERS[name](_Arguments(name, inside[:-1], start))


@dataclass(frozen=True, slots=True)
class _Arguments:
    """The arguments of a distribution, and where they stand."""

    name: str
    text: str
    start: int

    def values(self) -> list[Any]:
        try:
            values = load(f"[{self.text}]")
        except YamlError as error:
            place = error.problem.position
            column = min(max(place.column - 2, 0), len(self.text)) if place else 0
            raise self.wrong(f"its arguments cannot be read: {error.problem.message}", column) from None
        if not isinstance(values, list):  # [a]: [b]
            raise self.wrong("its arguments cannot be read")
        return values

    def wrong(self, message: str, place: int = 0, hint: str = "") -> DistributionError:
        return DistributionError(message, self.start + place, hint)

    def wrong_at(self, index: int, message: str, hint: str = "") -> DistributionError:
        """Return what is wrong with one argument."""
        source = Source("", f"[{self.text}]")
        line, column = source.locate(Document(None, 1, 0), (index,))
        return self.wrong(message, column - 2 if line == 1 else 0, hint)

    def numbers(self, *names: str, least: int | None = None, whole: bool = False) -> list[Any]:
        """Return the arguments, each a number of the kind that is wanted; `least` of them must be there."""
        values = self.values()
        form = f"write {self.name}({', '.join(names)})"
        fewest = len(names) if least is None else least
        if not fewest <= len(values) <= len(names):
            wanted = f"{fewest} or {len(names)}" if fewest < len(names) else str(fewest)
            were = f"there {'is' if len(values) == 1 else 'are'} {len(values)}"
            raise self.wrong(f"{wanted} arguments were expected, {were}", 0, form)
        for index, value in enumerate(values):
            kind = int if whole else (int, float)
            good = isinstance(value, kind) and not isinstance(value, bool)
            if not good or not math.isfinite(_as_float(value)):
                expected = "a whole number" if whole else "a number"
                message = f"{names[index]} is {shown(value)}; {expected} was expected"
                raise self.wrong_at(index, message, form)
        return values if whole else [float(value) for value in values]

    def above_zero(self, index: int, value: float, what: str, hint: str = "") -> None:
        if value <= 0:
            raise self.wrong_at(index, f"{what} is {value:g}; a number above zero was expected", hint)

    def in_order(self, low: float, high: float) -> None:
        if low > high:
            message = f"its low end {low:g} is above its high end {high:g}"
            raise self.wrong_at(0, message, "write the lower one first")
        if low == high:
            message = f"its low end and its high end are both {low:g}: there is nothing to choose from"
            raise self.wrong_at(1, message, "write the value alone")


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _uniform(given: _Arguments) -> Distribution:
    low, high = given.numbers("low", "high")
    given.in_order(low, high)
    if not math.isfinite(high - low):
        raise given.wrong_at(1, "the range is wider than the largest number there is")
    return Uniform(low, high)


def _loguniform(given: _Arguments) -> Distribution:
    low, high = given.numbers("low", "high")
    given.above_zero(0, low, "low", f"zero has no logarithm; write uniform({low:g}, {high:g}) or a small low")
    given.in_order(low, high)
    return LogUniform(low, high)


def _quniform(given: _Arguments) -> Distribution:
    low, high, step = given.numbers("low", "high", "step")
    given.in_order(low, high)
    given.above_zero(2, step, "step")
    if step > high - low:
        raise given.wrong_at(2, f"step is {step:g}, more than the whole range of {high - low:g}")
    return QUniform(low, high, step)


def _int(given: _Arguments) -> Distribution:
    low, high, *rest = given.numbers("low", "high", "step", least=2, whole=True)
    given.in_order(low, high)
    step = rest[0] if rest else 1
    given.above_zero(2, step, "step")
    if step > high - low:
        raise given.wrong_at(2, f"step is {step}, more than the whole range of {high - low}")
    return Int(low, high, step)


def _logint(given: _Arguments) -> Distribution:
    low, high = given.numbers("low", "high", whole=True)
    given.above_zero(0, low, "low", f"zero has no logarithm; write int({low}, {high}) or a low of 1")
    given.in_order(low, high)
    return LogInt(low, high)


def _normal(given: _Arguments) -> Distribution:
    mean, deviation = given.numbers("mean", "deviation")
    given.above_zero(1, deviation, "deviation")
    return Normal(mean, deviation)


def _lognormal(given: _Arguments) -> Distribution:
    mean, deviation = given.numbers("mean", "deviation")
    given.above_zero(1, deviation, "deviation")
    return LogNormal(mean, deviation)


def _choice(given: _Arguments) -> Distribution:
    options = given.values()
    if len(options) == 1 and isinstance(options[0], list):
        options = options[0]
    if not options:
        raise given.wrong("choice has nothing to choose from", 0, "write choice([a, b])")
    return Choice(tuple(options))


_READERS: dict[str, Callable[[_Arguments], Distribution]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "quniform": _quniform,
    "int": _int,
    "logint": _logint,
    "normal": _normal,
    "lognormal": _lognormal,
    "choice": _choice,
}
#: What other tools call them, without underscores.
_ELSEWHERE = {
    "interval": "uniform",
    "float": "uniform",
    "randint": "int",
    "range": "int",
    "lograndint": "logint",
    "qrandint": "int",
    "intloguniform": "logint",
    "randn": "normal",
    "gauss": "normal",
    "gaussian": "normal",
    "categorical": "choice",
}

# Inside {...} and [...] YAML would end a text at these; private characters stand for them meanwhile, one
# for one, so that every line and column stays.
_SHIELDS = dict(zip(",:[]{}?", "\ue0a0\ue0a1\ue0a2\ue0a3\ue0a4\ue0a5\ue0a6", strict=True))
_SHIELD = str.maketrans(_SHIELDS)
_UNSHIELD = str.maketrans({private: sign for sign, private in _SHIELDS.items()})
_PRIVATE = re.compile("[\ue0a0-\ue0a6]")
_WRITTEN = re.compile(rf"(?<![\w.'\"])(?:{'|'.join(_READERS)})\((?:[^()'\"\n#]|'[^'\n]*'|\"[^\"\n]*\")*\)")


def shielded(text: str) -> str:
    """Return a YAML text in which every distribution is read as one text, also inside ``{...}``.

    ``{lr: loguniform(1e-5, 1e-1)}`` would otherwise be two keys to YAML. It keeps its length, its lines and
    columns; `unshielded` gives the signs back, and `parse_distribution` takes either form.
    """
    if "(" not in text:
        return text
    return _WRITTEN.sub(lambda found: found[0].translate(_SHIELD), text)


def unshielded(value: Any) -> Any:
    """Return a text or plain data as it was before it was `shielded`."""
    if isinstance(value, str):
        return value.translate(_UNSHIELD) if not value.isascii() and _PRIVATE.search(value) else value
    if isinstance(value, dict):
        return {unshielded(key): unshielded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unshielded(item) for item in value]
    return value
