"""Groups of rows, and what their results come to: a table of one line a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coolrunner.errors import UsageError, nearest
from coolrunner.results.asking import direction
from coolrunner.results.groups.repeats import group
from coolrunner.results.groups.statistics import aggregate_groups, is_number, statistics_named
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.query import ordered
from coolrunner.results.rows import Rows
from coolrunner.results.showing.choosing import Heading, all_headings, columns_of, headings_named
from coolrunner.results.showing.digits import Spread, with_spread

__all__ = ["DEFAULT", "Summary", "summarise"]

#: The statistics where none are named.
DEFAULT = "mean,std,n"
# What may stand behind a mean and the sign of plus and minus.
_SPREADS = ("std", "ci95", "sem")
_NUMBERS = {"int", "float", "bool"}


@dataclass(frozen=True)
class Summary:
    """Groups of rows, and statistics of their results.

    Attributes
    ----------
    keys
        In what the groups differ.
    values
        For each group what it has under `keys`.
    sizes
        For each group how many rows it has.
    results
        ``[result][statistic]``: a value for each group, `MISSING` where there is none.
    what
        The names of the statistics.
    has_numbers
        For each group whether any of its rows has a number under any of the results.
    """

    keys: list[str]
    values: list[tuple[Any, ...]]
    sizes: list[int]
    results: dict[str, dict[str, list[Any]]]
    what: list[str]
    has_numbers: list[bool]

    def take(self, positions: Sequence[int]) -> Summary:
        """Return some of the groups, in the order given."""
        results = {
            name: {each: [column[place] for place in positions] for each, column in table.items()}
            for name, table in self.results.items()
        }
        values = [self.values[place] for place in positions]
        sizes = [self.sizes[place] for place in positions]
        has_numbers = [self.has_numbers[place] for place in positions]
        return Summary(self.keys, values, sizes, results, self.what, has_numbers)

    def best_first(self, name: str, *, largest: bool | None = None, top: int | None = None) -> Summary:
        """Return the groups, the best first, by the mean of a result, or else its median or first statistic.

        Parameters
        ----------
        name
            The result.
        largest
            Whether more of it is better; what its name says if None.
        top
            How many; groups without a value are then not among them, and last otherwise.

        Raises
        ------
        UsageError
            It is no result of the groups.
        """
        column = self._column(name, "--by")
        wanted = None if top is None else min(top, sum(value is not MISSING for value in column))
        return self.take(ordered(column, reverse=direction(name, largest), first=wanted))

    def sorted_by(self, name: str, *, reverse: bool = False) -> Summary:
        """Return the groups in the order of one of their keys, or of a result as `best_first` has it.

        Raises
        ------
        UsageError
            It is neither.
        """
        if name in self.keys:
            place = self.keys.index(name)
            column = [values[place] for values in self.values]
        else:
            column = self._column(name, "--sort")
        return self.take(ordered(column, reverse=reverse))

    def _column(self, name: str, label: str) -> list[Any]:
        if name not in self.results:
            known = [*self.keys, *self.results] if label == "--sort" else list(self.results)
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(known) or 'none'}"
            raise UsageError(f"{label} {name}: the groups have no such number; {hint}")
        table = self.results[name]
        return next((table[each] for each in ("mean", "median", *table) if each in table), [])

    def columns(self) -> dict[str, list[Any]]:
        """Return all columns by their names, such as ``ACC.mean``; nothing is rounded."""
        columns: dict[str, list[Any]] = {
            key: [group[place] for group in self.values] for place, key in enumerate(self.keys)
        }
        columns["count"] = list(self.sizes)
        for name, table in self.results.items():
            columns |= {f"{name}.{each}": column for each, column in table.items()}
        return columns

    def compact(self) -> dict[str, list[Any]]:
        """Return columns for people: a `Spread` for a mean, and ``n`` once where that is possible."""
        columns = {key: list(column) for key, column in self.columns().items() if key in self.keys}
        pair = self.pair
        rest = [each for each in self.what if each not in pair]
        one_n = "n" in rest and len({tuple(table["n"]) for table in self.results.values()}) == 1
        for name, table in self.results.items():
            if pair:
                columns[name] = [
                    _pair(mean, spread) for mean, spread in zip(table[pair[0]], table[pair[1]], strict=True)
                ]
            for each in rest:
                if each != "n" or not one_n:
                    title = name if [each] == self.what or [each, "n"] == self.what else f"{name} {each}"
                    columns[title] = list(table[each])
        if one_n:
            columns["n"] = list(next(iter(self.results.values()))["n"])
        return columns

    @property
    def pair(self) -> tuple[str, str] | tuple[()]:
        """The two statistics that are shown as one: ``mean ± std``."""
        spreads = [each for each in self.what if each in _SPREADS]
        return ("mean", spreads[0]) if spreads and "mean" in self.what else ()


def _pair(mean: Any, spread: Any) -> Any:
    if mean is MISSING or spread is MISSING:
        return mean
    return Spread(*with_spread(mean, spread))


def summarise(rows: Rows, by: str | None, what: str, of: str | None = None) -> Summary:
    """Put rows into groups, and return what their results come to.

    Parameters
    ----------
    rows
        What is summed up.
    by
        The keys, with commas, that the rows of a group share. If None, the rows of a group are repetitions:
        they share every parameter but those that are called like seeds.
    what
        Names of statistics, with commas.
    of
        The columns that are summed up, as of `headings_named`; the results that are numbers if None. Groups
        without a number in any of those that are named come last.

    Raises
    ------
    UsageError
        There is no such key or statistic.
    """
    names = statistics_named(what) or statistics_named(DEFAULT)
    if by is None:
        keys = [heading for heading in all_headings(rows) if heading.role is Role.PARAMETER]
    else:
        keys = headings_named(rows, by, "--group-by")
    columns = dict(zip([key.name for key in keys], columns_of(rows, keys), strict=True))
    if not columns:
        columns = {"": [None] * len(rows)}
    groups = group(columns, by=None if by is None else columns)
    shown = [heading for heading in _summed(rows, of) if heading.name not in groups.keys]
    found = dict(zip([each.name for each in shown], columns_of(rows, shown), strict=True))
    results = aggregate_groups(found, groups.positions, names)
    has_numbers = [
        any(is_number(column[place]) for column in found.values() for place in places)
        for places in groups.positions
    ]
    sizes = list(map(len, groups.positions))
    summary = Summary(groups.keys, groups.values, sizes, results, names, has_numbers)
    if of is None or all(has_numbers):
        return summary
    return summary.take(sorted(range(len(sizes)), key=lambda place: not has_numbers[place]))


def _summed(rows: Rows, of: str | None) -> list[Heading]:
    if of is not None:
        return headings_named(rows, of)
    return [
        heading for heading in all_headings(rows) if heading.role is Role.RESULT and heading.kinds & _NUMBERS
    ]
