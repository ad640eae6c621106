"""Results as a frame: `load` gives a pandas, polars or Arrow table of whatever kinds of results there are."""

from __future__ import annotations

import datetime
import importlib
import os
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from coolrunner.errors import UsageError
from coolrunner.results.annotations import annotated
from coolrunner.results.asking import sorted_by, where_true
from coolrunner.results.frames.columns import column as pandas_column
from coolrunner.results.frames.parts import ROLES, pandas_module
from coolrunner.results.handles import handles
from coolrunner.results.joining import joined
from coolrunner.results.loaders import KINDS
from coolrunner.results.logs.sources import Report, counted
from coolrunner.results.naming import HANDLE, OF_TABLES
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.query import parse_query
from coolrunner.results.query.times import now
from coolrunner.results.rows import Cache, Rows, find_rows
from coolrunner.results.showing.choosing import Heading, all_headings, columns_of, headings_named
from coolrunner.results.showing.formats import cell

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["frame_of", "load"]

Frame = Literal["pandas", "polars", "arrow"]
_SHOWN = 5  # of what could not be read
_ASKS_FOR_ID = re.compile(r"\bid\b")
_TIMES = ("STARTED", "started", "ended")


def load(
    *paths: str | os.PathLike[str],
    where: str | Sequence[str] = (),
    sort: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    separator: str = ".",
    into: Frame = "pandas",
    exclude: Sequence[str] = (),
    kinds: Sequence[str] = KINDS,
    cache: Cache | str = "auto",
) -> pandas.DataFrame | polars.DataFrame | pyarrow.Table:
    """Load results of whatever kinds as one table: logs, run directories, Hydra, Sacred, MLflow and others.

    Parameters
    ----------
    paths
        Files and directories; the working directory by default.
    where
        Conditions that all hold, such as ``"ACC > 0.9 and optimizer.name == 'adam'"``.
    sort
        Expressions to sort by, the first one first; without any the rows stand as they were found.
    columns
        Names, or globs such as ``optimizer.*``, of the columns that are wanted; all by default.
    separator
        Stands between the keys of nested mappings in the names of columns.
    into
        What kind of table: ``pandas``, ``polars``, or ``arrow``.
    exclude
        Names, globs or paths of what is not wanted.
    kinds
        Of the results that are wanted.
    cache
        As for `coolrunner.results.rows.find_rows`.

    Returns
    -------
    A row for each experiment or run, a column for each key: parameters, results, and what is kept for the
    record, each in the order in which they first come. Columns have the types of their values; lists stay
    lists; what a row does not have is missing. In pandas, whole numbers with gaps are floats, and
    ``frame.attrs["roles"]`` says of each column whether it is a ``parameter``, a ``result``, or ``info``.
    Columns whose values are of several types are of the type object in pandas, and texts in polars and
    Arrow.

    Raises
    ------
    UsageError
        A path is missing; a column does not exist; or the library for the table is not installed.
    QueryError
        A condition is not written correctly, or fails on a row.

    Warns
    -----
    UserWarning
        Something could not be read; it names what and where.
    """
    make = _maker(into)
    with find_rows(paths or (".",), exclude=exclude, kinds=kinds, cache=cache) as found:
        _warn(found.report)
        rows = annotated(joined(found))
        if any(map(_ASKS_FOR_ID.search, [*_listed(where), *_listed(sort), *_listed(columns)])):
            rows = rows.with_columns({HANDLE: (Role.INFO, handles(rows))})
        asked = now()  # the same for all conditions
        for text in _listed(where):
            rows = where_true(rows, parse_query(text, "where", asked), label="where")
        for text in _listed(sort):
            rows = sorted_by(rows, text, label="sort")
        names = ",".join(_listed(columns))
        headings = headings_named(rows, names, "columns") if names else all_headings(rows)
        return make(*_columns(rows, headings, separator))


def frame_of(rows: Rows, separator: str = ".") -> pandas.DataFrame:
    """Return rows as a pandas frame, as `load` does.

    Parameters
    ----------
    rows
        The rows.
    separator
        Stands between the keys of nested mappings.

    Raises
    ------
    UsageError
        pandas is not installed.
    """
    return _pandas(*_columns(rows, all_headings(rows), separator))


Columns = dict[str, list[Any]]


def _columns(rows: Rows, headings: Sequence[Heading], separator: str) -> tuple[Columns, dict[str, Role], int]:
    """Return the columns by their names, their roles, and how many rows there are."""
    columns: Columns = {}
    roles: dict[str, Role] = {}
    for heading, values in zip(headings, columns_of(rows, headings), strict=True):
        # A heading of the tables is called so, whatever the key behind it is.
        is_called = heading.name in OF_TABLES or heading.path[0] == ""
        path = (heading.name,) if is_called else heading.path
        name = _free(separator.join(map(str, path)), columns)
        columns[name], roles[name] = values, heading.role
    return columns, roles, len(rows)


def _free(name: str, taken: Columns) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _listed(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _warn(report: Report) -> None:
    problems = [*report.broken, *report.foreign]
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
        more = f"\n  and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        warnings.warn(f"{counted(len(problems), 'place')} could not be read:{shown}{more}", stacklevel=3)


# --- the kinds of tables ---------------------------------------------------------------------------


def _maker(into: str) -> Callable[[Columns, dict[str, Role], int], Any]:
    makers = {"pandas": _pandas, "polars": _polars, "arrow": _arrow}
    if into not in makers:
        raise UsageError(f"into={into!r}: the tables are {', '.join(makers)}")
    return makers[into]


def _pandas(columns: Columns, roles: dict[str, Role], count: int) -> pandas.DataFrame:
    pd = pandas_module()
    made = {name: _times(pd, values) if _is_time(name, roles) else None for name, values in columns.items()}
    for name, values in columns.items():
        if made[name] is None:
            made[name] = pandas_column(pd, name, values)
    index = pd.RangeIndex(count)
    frame: pandas.DataFrame = pd.DataFrame(made, index=index, columns=pd.Index(list(made), dtype=object))
    frame.attrs[ROLES] = {name: role.value for name, role in roles.items()}
    return frame


def _is_time(name: str, roles: dict[str, Role]) -> bool:
    return name in _TIMES and roles[name] is Role.INFO


def _times(pd: Any, values: Sequence[Any]) -> Any:
    """Return the times that a runner wrote, in UTC; None where one of them is something else."""
    texts = [None if value is MISSING else value for value in values]
    try:
        return pd.Series(pd.to_datetime(texts, utc=True, format="ISO8601").astype("datetime64[ns, UTC]"))
    except (ValueError, TypeError, OverflowError):
        return None


def _polars(columns: Columns, roles: dict[str, Role], count: int) -> polars.DataFrame:
    pl = _module("polars", "polars")
    plain = {name: _of_one_type(values) for name, values in columns.items()}
    frame: polars.DataFrame = pl.DataFrame({name: pl.Series(name, values) for name, values in plain.items()})
    return frame


def _arrow(columns: Columns, roles: dict[str, Role], count: int) -> pyarrow.Table:
    pa = _module("pyarrow", "arrow")
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = pa.array(_of_one_type(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # lists of several types, say
            arrays[name] = pa.array(_texts(values))
    metadata = {f"role:{name}": role.value for name, role in roles.items()}
    table: pyarrow.Table = pa.table(arrays).replace_schema_metadata(metadata)
    return table


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    """Return values of one type, None where there is none; texts where they are of several."""
    present = [None if value is MISSING else value for value in values]
    kinds = {type(value) for value in present if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in present]
    if (
        kinds == {datetime.date, datetime.datetime}
        or len(kinds) > 1
        or (kinds & {dict, list} and _is_odd(present))
    ):
        return _texts(present)
    if kinds == {int} and not all(-(1 << 63) <= value < 1 << 63 for value in present if value is not None):
        return _texts(present)
    return present


def _is_odd(values: Sequence[Any]) -> bool:
    """Whether lists hold items of several types, or are mappings, which have no column of their own."""
    items = {type(item) for value in values if isinstance(value, list) for item in value if item is not None}
    return bool(items & {list, dict}) or len(items) > 1 or any(isinstance(value, dict) for value in values)


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None or value is MISSING else cell(value) for value in values]


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UsageError(f"a table of {name} needs it: pip install 'coolrunner[{extra}]'") from None
