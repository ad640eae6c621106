"""What a frame of runs is made of: its columns as plain values, and which are parameters and which results.

A frame that knows it says so in ``frame.attrs["roles"]``, with the word of a `coolrunner.results.parts.Role`
for each column; a column that was added to it since is a result. Of another frame the names tell: what
stands behind ``REP`` is a result, or, without one, what is written in capitals.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from coolrunner.errors import UsageError, nearest
from coolrunner.keys import LOGGED
from coolrunner.results.groups.statistics import main_column, numbers
from coolrunner.results.parts import MISSING, Role

if TYPE_CHECKING:
    import pandas

__all__ = [
    "ROLES",
    "columns_of",
    "main_result_of",
    "names_of",
    "numeric_results",
    "pandas_module",
    "picked",
    "roles_of",
]

#: In ``frame.attrs``: the role of each column.
ROLES = "roles"
#: What a run of an argparse script adds to its parameters.
_EXMAN = frozenset({"id", "time", "root"})
_COLLECTED = re.compile(r"collected_path_[0-9]+")


def names_of(frame: pandas.DataFrame) -> list[str]:
    """Return the names of the columns; what has several levels is joined with ``/``.

    Raises
    ------
    UsageError
        Two columns have the same name.
    """
    names = ["/".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two columns of the frame are called {twice!r}")
    return names


def columns_of(frame: pandas.DataFrame, names: Iterable[str] | None = None) -> dict[str, list[Any]]:
    """Return columns as lists of plain values, by their names.

    Parameters
    ----------
    frame
        Runs.
    names
        Which columns; all if None.

    Returns
    -------
    For each a value for each row: `coolrunner.results.parts.MISSING` where it is missing or null, which are
    the same in a frame.

    Raises
    ------
    UsageError
        Two columns have the same name.
    """
    places = {name: place for place, name in enumerate(names_of(frame))}
    return {name: _values(frame.iloc[:, places[name]]) for name in (places if names is None else names)}


def roles_of(frame: pandas.DataFrame) -> dict[str, Role]:
    """Return what each column is, by its name.

    Raises
    ------
    UsageError
        Two columns have the same name.
    """
    names = names_of(frame)
    known = frame.attrs.get(ROLES)
    if isinstance(known, Mapping):
        return {name: Role(known.get(name, Role.RESULT)) for name in names}
    info = LOGGED | (_EXMAN if _EXMAN.issubset(names) else frozenset())
    border = names.index("REP") if "REP" in names else None
    roles = {}
    for place, name in enumerate(names):
        is_result = name.isupper() if border is None else place > border
        roles[name] = Role.RESULT if is_result else Role.PARAMETER
        if name in info or _COLLECTED.fullmatch(name):
            roles[name] = Role.INFO
    return roles


def numeric_results(frame: pandas.DataFrame) -> dict[str, list[Any]]:
    """Return the columns that are results and hold a number.

    Raises
    ------
    UsageError
        There are none.
    """
    results = [name for name, role in roles_of(frame).items() if role is Role.RESULT]
    columns = columns_of(frame, results)
    found = {name: column for name, column in columns.items() if numbers(column)}
    if not found:
        numeric = [name for name, column in columns_of(frame).items() if numbers(column)]
        hint = f"; there are numbers in {', '.join(numeric[:10])}" if numeric else ""
        raise UsageError(f"no column is known to be a numeric result, so one has to be named{hint}")
    return found


def main_result_of(frame: pandas.DataFrame) -> str:
    """Return the name of the result that a person would look at first.

    Raises
    ------
    UsageError
        No result is a number.
    """
    columns = numeric_results(frame)
    return main_column(columns) or next(iter(columns))


def picked(names: str | Iterable[str] | None, frame: pandas.DataFrame) -> list[str]:
    """Return names of columns, one or several, each once; none for None.

    Raises
    ------
    UsageError
        There is no such column.
    """
    wanted = [] if names is None else [names] if isinstance(names, str) else list(dict.fromkeys(names))
    known = names_of(frame)
    for name in wanted:
        if name not in known:
            close = nearest(str(name), known)
            hint = f"; did you mean {close!r}?" if close else ""
            raise UsageError(f"there is no column {name!r}{hint}")
    return wanted


def pandas_module() -> Any:
    """Return pandas.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise UsageError("a frame needs pandas: pip install 'coolrunner[frame]'") from None


def _values(series: pandas.Series[Any]) -> list[Any]:
    values: list[Any] = series.tolist()
    if series.dtype == object:  # what NumPy and pandas have of their own for single values stays only here
        generic = importlib.import_module("numpy").generic
        values = [value.item() if isinstance(value, generic) else value for value in values]
    if series.hasnans:
        values = [MISSING if gone else value for value, gone in zip(values, series.isna(), strict=True)]
    return values
