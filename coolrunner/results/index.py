"""The runs of a root as one table: ``Index(root).info()``.

Each run is a row: its number, its parameters under their names, when it began, and where it is. The columns
have the types that the parameters had, by rules that do not change with the version of pandas.
"""

from __future__ import annotations

import copy
import importlib
import os
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import BadRootError, RunError, UsageError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import layout_of
from coolrunner.runs.links import links_under
from coolrunner.runs.root import Root
from coolrunner.runs.roots import root_around, roots_under

if TYPE_CHECKING:
    import pandas

__all__ = ["Index"]

_INT64 = 1 << 63
#: What every run has; a parameter of such a name gets an underscore.
_OF_RUNS = ("id", "time", "root")


class Index:
    """The runs of a root.

    Parameters
    ----------
    root
        Where they are, as given to `coolrunner.ExParser`, or the root of `run.py` or of another door.

    Attributes
    ----------
    root
        As given, absolute.

    Raises
    ------
    BadRootError
        There is none; it is a ValueError.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        layout = layout_of(root)
        if layout is None:
            raise BadRootError(_no_root(Path(root)))
        self._runs = Root(root, layout)
        self.root = self._runs.path
        self._read: dict[Path, tuple[tuple[int, int], dict[str, Any]]] = {}

    def info(self, source: str | os.PathLike[str] | None = None, *, njobs: int = 1) -> pandas.DataFrame:
        """Return the runs as a table, in the order of their numbers.

        Parameters
        ----------
        source
            A mark: only runs with it, or with one nested in it (``/`` nests). Otherwise those in the index.
        njobs
            Not needed any more: thousands of runs are read in a second.

        Returns
        -------
        A frame with the columns ``id``, the parameters, ``time`` (datetime64[ns], local) and ``root`` (the
        absolute path of the run, a `pathlib.Path`). Texts are of the type object; integers that some runs
        lack are float64, with NaN for those. What cannot be read is named in a warning and left out.

        Raises
        ------
        UnknownMarkError
            No run has the mark; it is a KeyError.
        BadNameError
            It can be no mark.
        UsageError
            pandas is not installed.
        """
        pd = _pandas()
        chosen = self._indexed() if source is None else self._runs.marked(os.fspath(source).rstrip("/"))
        rows = list(self._rows(chosen))
        rows.sort(key=lambda row: row["id"])
        names = ["id", *_in_order(rows)]
        columns = {name: _column(pd, name, [row.get(name, _MISSING) for row in rows]) for name in names}
        frame: pandas.DataFrame = pd.DataFrame(
            columns, index=pd.RangeIndex(len(rows)), columns=pd.Index(names, dtype=object)
        )
        return frame

    def _indexed(self) -> list[RunDirectory]:
        """Return the runs with a link in the index: a person may have put those of others there as well."""
        place = self._runs.layout.index
        if place is None:
            return self._runs.runs()
        names = {link.run for link in links_under(self.root / place)}
        return [run for run in self._runs.runs(tmp=True, fails=True) if run.name in names]

    def _rows(self, runs: Iterable[RunDirectory]) -> Iterable[dict[str, Any]]:
        for run in runs:
            try:
                yield self._row(run)
            except RunError as error:
                warnings.warn(f"left out of the index: {error}", stacklevel=3)

    def _row(self, run: RunDirectory) -> dict[str, Any]:
        row = self._params(run)
        time = _time(row.get("time"))
        if time is None or row.get("id") != run.number or not isinstance(row.get("root"), str):
            # It is not of an argparse script, and these are parameters.
            row = {f"{name}_" if name in _OF_RUNS else name: value for name, value in row.items()}
            time = run.time
        return {**row, "id": run.number, "time": time, "root": run.path}

    def _params(self, run: RunDirectory) -> dict[str, Any]:
        """Return the parameters of a run, which is read again only where it has changed."""
        try:
            status = run.params.stat()
        except OSError:
            return {str(key): value for key, value in run.read_params().items()}
        stamp = status.st_mtime_ns, status.st_size
        known = self._read.get(run.path)
        if known is None or known[0] != stamp:
            known = stamp, {str(key): value for key, value in run.read_params().items()}
            self._read[run.path] = known
        return known[1]

    def __repr__(self) -> str:
        return f"Index({str(self.root)!r})"


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise UsageError("a table of runs needs pandas: pip install 'coolrunner[frame]'") from None


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):  # written by hand, without quotes
        return value.replace(tzinfo=None)
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _in_order(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the parameters in the order in which they first appear, then what every run has."""
    names = dict.fromkeys(name for row in rows for name in row if name not in _OF_RUNS)
    return [*names, "time", "root"]


# --- columns ---

#: A run does not have the parameter.
_MISSING = object()


def _column(pd: Any, name: str, values: list[Any]) -> Any:
    """Return values as a column of the type that they have."""
    if name == "time":
        return pd.Series(pd.to_datetime(values, errors="coerce").astype("datetime64[ns]"))
    if name in ("root", "id"):
        return pd.Series(values, dtype=object if name == "root" else "int64")
    kinds = {type(value) for value in values if value is not None and value is not _MISSING}
    has_gaps = any(value is None or value is _MISSING for value in values)
    if kinds == {bool} and not has_gaps:
        return pd.Series(values, dtype="bool")
    if kinds and kinds <= {int, float} and all(_fits(value) for value in values if type(value) is int):
        if kinds == {int} and not has_gaps:
            return pd.Series(values, dtype="int64")
        return pd.Series(
            [float("nan") if value is _MISSING or value is None else value for value in values],
            dtype="float64",
        )
    if kinds == {datetime} and all(value.tzinfo is None for value in values if type(value) is datetime):
        try:
            present = [None if value is _MISSING else value for value in values]
            return pd.Series(pd.to_datetime(present).astype("datetime64[ns]"))
        except (pd.errors.OutOfBoundsDatetime, OverflowError):
            pass
    return pd.Series([_as_object(value) for value in values], dtype=object)


def _fits(value: int) -> bool:
    return -_INT64 <= value < _INT64


def _as_object(value: Any) -> Any:
    if value is _MISSING:
        return float("nan")
    # What is changed in a frame is not changed in the next one.
    return copy.deepcopy(value) if isinstance(value, (list, dict)) else value


def _no_root(path: Path) -> str:
    """Say that a path is no root of runs, and which one may be meant."""
    if not path.is_dir():
        return f"{path.absolute()} does not exist"
    around = root_around(path)
    meant = [around] if around is not None else roots_under(path)[:3]
    hint = f"; did you mean {' or '.join(str(root.path) for root in meant)}?" if meant else ""
    return f"{path.absolute()} is no root of runs{hint}"
