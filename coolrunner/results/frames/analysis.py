"""What one asks of a frame of runs: which repeat each other, what they come to, which are best.

A frame is what `coolrunner.load`, ``Index(root).info()`` or `coolrunner.load_project` return, or any other
with a row for each run; its rows may have several levels. Which columns are parameters and which results is
found as `coolrunner.results.frames.parts` says, and can be told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coolrunner.errors import UsageError, nearest
from coolrunner.results.frames.parts import (
    ROLES,
    columns_of,
    main_result_of,
    names_of,
    numeric_results,
    pandas_module,
    picked,
    roles_of,
)
from coolrunner.results.groups.comparing import PAIRED, Comparison, compare
from coolrunner.results.groups.repeats import Groups, differing, group
from coolrunner.results.groups.statistics import (
    aggregate_groups,
    best,
    is_number,
    statistics_named,
)
from coolrunner.results.parts import MISSING, Role

if TYPE_CHECKING:
    import pandas

__all__ = ["aggregate", "compare_groups", "drop_constant", "group_repeats", "top"]


def group_repeats(frame: pandas.DataFrame, ignore: str | Iterable[str] | None = None) -> pandas.Series[int]:
    """Number the runs by what they share: those that differ in nothing but their seeds have one number.

    >>> frame["setting"] = group_repeats(frame)  # doctest: +SKIP
    >>> frame.groupby("setting").ACC.mean()  # doctest: +SKIP

    Parameters
    ----------
    frame
        Runs.
    ignore
        Parameters in which repetitions differ besides the seeds, such as a fold.

    Returns
    -------
    A number for each row, from 0, in the order in which the groups are first met; the index is the frame's.

    Raises
    ------
    UsageError
        There is no such column.
    """
    numbered = [0] * len(frame)
    for number, positions in enumerate(_repeats(frame, picked(ignore, frame)).positions):
        for position in positions:
            numbered[position] = number
    series: pandas.Series[int] = pandas_module().Series(
        numbered, index=frame.index, name="group", dtype="int64"
    )
    return series


def aggregate(
    frame: pandas.DataFrame,
    by: str | Iterable[str] | None = None,
    what: str | Iterable[str] = ("mean", "std", "n"),
    of: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
) -> pandas.DataFrame:
    """Return what the results of repetitions come to: a row for each group of runs.

    Parameters
    ----------
    frame
        Runs.
    by
        Columns that the runs of a group share; all parameters but the seeds if None.
    what
        Statistics, of `coolrunner.results.groups.statistics`: ``"mean,ci95,n"`` or a list.
    of
        Columns whose statistics are wanted; the results that are numbers if None. Groups without a number
        in any of those that are named come last.
    ignore
        As in `group_repeats`; for where `by` is None.

    Returns
    -------
    A frame with `by`, or the parameters that differ between groups, with the types that they had, and a
    column ``ACC_mean`` for each result and statistic, ``nan`` where there is none.

    Raises
    ------
    UsageError
        There is no such column or statistic, or no result is a number.
    """
    pd = pandas_module()
    what = statistics_named(what)
    results = numeric_results(frame) if of is None else columns_of(frame, picked(of, frame))
    if by is None:
        groups = _repeats(frame, [*picked(ignore, frame), *results])
    else:
        keys = picked(by, frame)
        groups = group(columns_of(frame, keys), keys)
    names = names_of(frame)
    positions = groups.positions
    if of is not None:
        positions = sorted(positions, key=lambda places: not _has_number(results, places))
    firsts = [first for first, *_ in positions]
    settings = frame.iloc[firsts, [names.index(key) for key in groups.keys]].reset_index(drop=True)
    found = aggregate_groups(results, positions, what)
    summary = {
        f"{result}_{name}": _series(pd, values)
        for result, row in found.items()
        for name, values in row.items()
    }
    table: pandas.DataFrame = pd.concat([settings, pd.DataFrame(summary, index=settings.index)], axis=1)
    roles = {**dict.fromkeys(groups.keys, Role.PARAMETER), **dict.fromkeys(summary, Role.RESULT)}
    table.attrs[ROLES] = {name: role.value for name, role in roles.items()}
    return table


def top(
    frame: pandas.DataFrame, k: int = 5, by: str | None = None, largest: bool | None = None
) -> pandas.DataFrame:
    """Return the best runs, best first.

    Parameters
    ----------
    frame
        Runs, or what `aggregate` made of them.
    k
        How many.
    by
        By which column; by the result that a person would look at first if None.
    largest
        Whether more of it is better; if None, unless it is a loss, an error, a time or the like by its name.

    Returns
    -------
    Rows of the frame, as they are. Equal ones stay in their order; those without a number come last.

    Raises
    ------
    UsageError
        There is no such column, or no result is a number.
    """
    name = _one(by, frame)
    order = best(columns_of(frame, [name])[name], k, largest=largest, name=name)
    rows: pandas.DataFrame = frame.iloc[order]
    return rows


def drop_constant(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Return a frame without the columns that hold one value throughout.

    A column that some runs lack differs. A frame of a single row is returned as it is.
    """
    columns = columns_of(frame)
    kept = set(differing(columns) if len(frame) > 1 else columns)
    rest: pandas.DataFrame = frame.iloc[:, [place for place, name in enumerate(columns) if name in kept]]
    return rest


def compare_groups(
    frame: pandas.DataFrame,
    key: str,
    a: Any,
    b: Any,
    of: str | None = None,
    test: str = "auto",
    pair: str | Iterable[str] | None = None,
) -> Comparison:
    """Compare the runs with one value of a parameter with those with another one.

    >>> print(compare_groups(frame, "optimizer", "adam", "sgd"))  # doctest: +SKIP

    Parameters
    ----------
    frame
        Runs.
    key
        The parameter.
    a, b
        Its two values.
    of
        The result that is compared; the one that a person would look at first if None.
    test
        As in `coolrunner.results.groups.comparing`.
    pair
        For tests of pairs: what the two of a pair share; all other parameters, seeds too, and ``REP``, if
        None. Runs without a counterpart are left out.

    Raises
    ------
    UsageError
        There is no such column, value or test, there are no pairs, or several runs would be one of a pair.
    """
    key, result = _one(key, frame), _one(of, frame)
    keys = columns_of(frame, [key])[key]
    sides = [_places(keys, value, key) for value in (a, b)]
    if test in PAIRED:
        sides = _paired(frame, sides, _shared(frame, key, result) if pair is None else picked(pair, frame))
    values = columns_of(frame, [result])[result]
    one, other = ([values[place] for place in places] for places in sides)
    return replace(compare(one, other, test, labels=(f"{key}={a}", f"{key}={b}")), of=result)


def _has_number(columns: Mapping[str, Sequence[Any]], places: Sequence[int]) -> bool:
    return any(is_number(column[place]) for column in columns.values() for place in places)


def _repeats(frame: pandas.DataFrame, left_out: Sequence[str]) -> Groups:
    """Group the runs by their parameters, but some."""
    parameters = [name for name in _parameters(frame) if name not in left_out]
    if parameters:
        return group(columns_of(frame, parameters))
    return Groups([], [()], [list(range(len(frame)))]) if len(frame) else Groups([], [], [])


def _parameters(frame: pandas.DataFrame) -> list[str]:
    return [name for name, role in roles_of(frame).items() if role is Role.PARAMETER]


def _one(name: str | None, frame: pandas.DataFrame) -> str:
    """Return a name of a column, that of the main result for None."""
    return main_result_of(frame) if name is None else picked(name, frame)[0]


def _shared(frame: pandas.DataFrame, key: str, result: str) -> list[str]:
    """Return what the two runs of a pair share: all that is given."""
    given = [*_parameters(frame), *(["REP"] if "REP" in names_of(frame) else [])]
    return [name for name in dict.fromkeys(given) if name not in (key, result)]


def _places(column: Sequence[Any], value: Any, key: str) -> list[int]:
    places = [place for place, here in enumerate(column) if here is not MISSING and here == value]
    if not places:
        values = list(dict.fromkeys(str(here) for here in column if here is not MISSING))
        close = nearest(str(value), values)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(values[:10])}"
        raise UsageError(f"{key!r} is never {value!r}; {hint}")
    return places


def _paired(frame: pandas.DataFrame, sides: Sequence[Sequence[int]], shared: list[str]) -> list[list[int]]:
    """Return the places of those that have a counterpart, pairs at the same place."""
    what = ", ".join(shared) or "all else"
    positions = group(columns_of(frame, shared), shared).positions if shared else [list(range(len(frame)))]
    number = {place: number for number, places in enumerate(positions) for place in places}
    by_group: list[dict[int, int]] = [{}, {}]
    for side, found in zip(sides, by_group, strict=True):
        for place in side:
            if found.setdefault(number[place], place) != place:
                raise UsageError(
                    f"several runs are the same in {what}: name with pair=[...] what tells pairs apart"
                )
    both = [which for which in by_group[0] if which in by_group[1]]
    if not both:
        raise UsageError(f"no two runs are the same in {what}: name with pair=[...] what pairs share")
    return [[found[which] for which in both] for found in by_group]


def _series(pd: Any, values: Sequence[Any]) -> Any:
    present = [float("nan") if value is MISSING else value for value in values]
    is_numeric = all(isinstance(value, (int, float)) for value in present)
    return pd.Series(present, dtype=None if is_numeric else object)
