"""What many results come to: mean, deviation, interval, and which of them are best.

A value counts where it is a number: an integer, a float, and ``True`` and ``False`` as 1 and 0. What is
missing, null or ``nan``, and texts and lists, are left out of everything but ``count``, and ``n`` says how
many were counted. An infinity counts; what cannot be told then is ``nan``.

=========  =====================================================================================
mean       the arithmetic mean
std        the standard deviation of a sample (divided by n - 1); missing for a single value
sem        the standard error of the mean: std / sqrt(n)
ci95       half the width of the 95% confidence interval of the mean, by Student's t: mean ± ci95
median     the value in the middle, or the mean of the two there
q25, q75   quartiles, with linear interpolation between values
iqr        q75 - q25
min, max   the smallest and the largest value, as they stand
sum        of integers an integer
n          how many numbers there are
count      how many values there are, whatever they are, even missing ones
first      the first value that is not missing, null or nan; of any type
last       the last one
=========  =====================================================================================
"""

from __future__ import annotations

import heapq
import importlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeGuard

from coolrunner.errors import UsageError, nearest
from coolrunner.keys import lower_is_better, main_result
from coolrunner.results.parts import MISSING

__all__ = [
    "STATISTICS",
    "aggregate",
    "aggregate_groups",
    "best",
    "is_number",
    "main_column",
    "numbers",
    "quantile",
    "scipy_module",
    "statistics_named",
]

Numbers = Sequence[float]


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value counts: a number or a truth value, and not ``nan``.

    Integers that no float can hold do not count.
    """
    kind = type(value)
    if kind is float:
        return bool(value == value)
    return kind is bool or (kind is int and -_TOO_LARGE < value < _TOO_LARGE)


def numbers(values: Iterable[Any]) -> list[float]:
    """Return those values that count, truth values as 0 and 1, and integers as they are."""
    return [int(value) if type(value) is bool else value for value in values if is_number(value)]


def statistics_named(names: str | Iterable[str]) -> list[str]:
    """Return names of statistics, each once, as ``mean,std`` or one by one.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    known = [*STATISTICS, *_OF_ANYTHING]
    for name in (names := list(dict.fromkeys(names))):
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close!r}?" if close else f"there are {', '.join(known)}"
            raise UsageError(f"there is no statistic {name!r}; {hint}")
    return names


def aggregate(values: Sequence[Any], what: str | Iterable[str] = ("mean", "std", "n")) -> dict[str, Any]:
    """Return statistics of some values, by their names.

    Parameters
    ----------
    values
        Of any type; see the module for those that count.
    what
        Names of statistics.

    Returns
    -------
    For each name a number, or `coolrunner.results.parts.MISSING` where there is none: of no numbers, or the
    deviation of a single one.

    Raises
    ------
    UsageError
        There is no statistic of that name, or it needs SciPy, which is not installed.
    """
    names = statistics_named(what)
    counted = numbers(values) if any(name in STATISTICS for name in names) else []
    return {
        name: _OF_ANYTHING[name](values) if name in _OF_ANYTHING else STATISTICS[name](counted)
        for name in names
    }


def aggregate_groups(
    columns: Mapping[str, Sequence[Any]], groups: Sequence[Sequence[int]], what: str | Iterable[str]
) -> dict[str, dict[str, list[Any]]]:
    """Return statistics of each column in each group: ``[column][statistic]``, one value for each group.

    Parameters
    ----------
    columns
        Results, one value for each experiment.
    groups
        Where the experiments of each stand, as in `coolrunner.results.groups.repeats.Groups.positions`.
    what
        Names of statistics.

    Raises
    ------
    UsageError
        As `aggregate`.
    """
    names = statistics_named(what)
    table: dict[str, dict[str, list[Any]]] = {}
    for key, column in columns.items():
        found = [aggregate([column[position] for position in group], names) for group in groups]
        table[key] = {name: [row[name] for row in found] for name in names}
    return table


def main_column(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the name of the result that ranks, or an empty string where none is a number.

    It is the `coolrunner.keys.main_result` of those that at least half of the experiments have as a number
    that is no truth value, or else of those that most have.
    """
    counts = {name: sum(1 for value in column if _ranks(value)) for name, column in columns.items()}
    length = max(map(len, columns.values()), default=0)
    enough = min(max(counts.values(), default=0), (length + 1) // 2)
    return main_result(name for name, count in counts.items() if count and count >= enough)


def best(
    values: Sequence[Any], count: int | None = None, *, largest: bool | None = None, name: str = ""
) -> list[int]:
    """Return where the best values stand, best first; equal ones in their order, and no numbers last.

    Parameters
    ----------
    values
        A column.
    count
        How many to return; all if None.
    largest
        Whether more is better; what the name says if None (`coolrunner.keys.lower_is_better`).
    name
        What the values are called.
    """
    sign = -1 if (largest if largest is not None else not lower_is_better(name)) else 1

    def badness(position: int) -> tuple[bool, float]:
        value = values[position]
        return (False, sign * value) if is_number(value) else (True, 0)

    if count is None:
        return sorted(range(len(values)), key=badness)
    return heapq.nsmallest(count, range(len(values)), key=badness)


def quantile(ordered: Numbers, share: float) -> float:
    """Return the value below which a share of some sorted numbers lies, as NumPy does by default."""
    place = (len(ordered) - 1) * share
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    part = place - math.floor(place)
    return float(low) if low == high or not part else _between(low, high, part)


def _between(low: float, high: float, part: float) -> float:
    value = low * (1 - part) + high * part  # the difference of the two may be too large for a float
    return value if math.isinf(value) or value != value else min(max(value, low), high)


def _mean(values: Numbers) -> Any:
    if not values:
        return MISSING
    low, high = min(values), max(values)
    if math.isinf(low) or math.isinf(high):
        return float(low + high if math.isinf(low) and math.isinf(high) else low if math.isinf(low) else high)
    try:
        mean = math.fsum(values) / len(values)
    except OverflowError:  # of the sum, not of the mean
        mean = float(sum(map(Fraction, values)) / len(values))
    return float(min(max(mean, low), high))


def _std(values: Numbers) -> Any:
    if len(values) < 2:
        return MISSING
    mean = _mean(values)
    differences = [value - mean for value in values]
    scale = max(map(abs, differences))
    if not scale:
        return 0.0
    if not math.isfinite(scale):
        return math.nan
    # The squares of very large and very small differences fit no float. The mean is rounded, and the sum of
    # the differences is therefore not quite 0.
    shares = [difference / scale for difference in differences]
    squares = math.fsum(share * share for share in shares) - math.fsum(shares) ** 2 / len(values)
    return scale * math.sqrt(max(squares, 0.0) / (len(values) - 1))


def _sem(values: Numbers) -> Any:
    return _std(values) / math.sqrt(len(values)) if len(values) > 1 else MISSING


def _ci95(values: Numbers) -> Any:
    if len(values) < 2:
        return MISSING
    return float(scipy_module("special").stdtrit(len(values) - 1, 0.975)) * _sem(values)


def _sum(values: Numbers) -> Any:
    if not values:
        return MISSING
    if all(type(value) is int for value in values):
        return sum(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)


def _of_sorted(function: Callable[[Numbers], float]) -> Callable[[Numbers], Any]:
    return lambda values: function(sorted(values)) if values else MISSING


def _iqr(ordered: Numbers) -> float:
    return quantile(ordered, 0.75) - quantile(ordered, 0.25)


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if _is_there(value)), MISSING)


def _is_there(value: Any) -> bool:
    return value is not None and value is not MISSING and not (type(value) is float and value != value)


def _ranks(value: Any) -> bool:
    return type(value) is not bool and is_number(value)


_TOO_LARGE = 1 << 1000

#: Statistics of numbers, by name.
STATISTICS: dict[str, Callable[[Numbers], Any]] = {
    "mean": _mean,
    "std": _std,
    "sem": _sem,
    "ci95": _ci95,
    "median": _of_sorted(lambda ordered: quantile(ordered, 0.5)),
    "q25": _of_sorted(lambda ordered: quantile(ordered, 0.25)),
    "q75": _of_sorted(lambda ordered: quantile(ordered, 0.75)),
    "iqr": _of_sorted(_iqr),
    "min": lambda values: min(values, default=MISSING),
    "max": lambda values: max(values, default=MISSING),
    "sum": _sum,
    "n": len,
}
_OF_ANYTHING: dict[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "first": _first,
    "last": lambda values: _first(reversed(values)),
}


def scipy_module(part: str) -> Any:
    """Return ``scipy.stats``, ``scipy.special`` and the like.

    Raises
    ------
    UsageError
        SciPy is not installed.
    """
    try:
        return importlib.import_module(f"scipy.{part}")
    except ModuleNotFoundError as error:
        if error.name not in ("scipy", "numpy"):
            raise
        raise UsageError("this needs SciPy: pip install 'coolrunner[stats]'") from None
