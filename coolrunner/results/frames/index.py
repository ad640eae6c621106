"""The runs of a root as one table: ``Index(root).info()``.

Each run is a row: its number, its parameters under their names, when it began, and where it is. The columns
have the types that the parameters had, see `coolrunner.results.frames.columns`.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.errors import BadRootError, RunError
from coolrunner.results.frames.columns import column
from coolrunner.results.frames.parts import pandas_module
from coolrunner.results.loaders.run_rows import OF_PARSER, OF_RUNNER, OF_SCRIPT, time_of
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Cache, Rows, find_rows
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import Layout, layout_of, subdirectories
from coolrunner.runs.links import links_under
from coolrunner.runs.root import Root
from coolrunner.runs.roots import root_around, roots_under

if TYPE_CHECKING:
    import pandas

__all__ = ["Index"]

#: What every run has; a parameter of such a name gets an underscore.
_OF_RUNS = tuple(OF_SCRIPT)
#: What `run.py` writes among the parameters.
_OURS = frozenset((*OF_RUNNER, "ID")) - {"Name"}
_NUMBER = ("NUMBER",)


class Index:
    """The runs of a root.

    Parameters
    ----------
    root
        Where they are, as given to `coolrunner.ExParser`, or the root of `run.py` or of another door.
    cache
        Whether what was read is kept, as for `coolrunner.results.rows.find_rows`.

    Attributes
    ----------
    root
        As given, absolute.

    Raises
    ------
    BadRootError
        There is none; it is a ValueError.
    """

    def __init__(self, root: str | os.PathLike[str], *, cache: Cache | str = "auto") -> None:
        layout = layout_of(root)
        if layout is None:
            raise BadRootError(_no_root(Path(root)))
        self._runs = Root(root, layout)
        self._cache = cache
        self.root = self._runs.path

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
        pd = pandas_module()
        chosen = self._chosen(source)
        paths = [self.root]
        tmp = self._runs.layout.tmp
        if tmp is not None and any(chosen(entry.path) for entry in subdirectories(self.root / tmp)):
            paths.append(self.root / tmp)
        with find_rows(paths, cache=self._cache, kinds=("run",)) as rows:
            self._warn(rows.report.broken, chosen)
            return _frame(pd, rows, self._runs.layout, chosen)

    def _chosen(self, source: str | os.PathLike[str] | None) -> Callable[[str], bool]:
        """Return what tells by the path of a run whether it is wanted."""
        layout = self._runs.layout
        if source is not None:
            return {str(run.path) for run in self._runs.marked(os.fspath(source).rstrip("/"))}.__contains__
        places = {str(self.root / place) for place in layout.places}
        if layout.index is None:
            usual = str(self.root / layout.runs)
            return lambda path: os.path.dirname(path) == usual  # noqa: PTH120 - of thousands
        # A person may have put those that were tried out, or have failed, there as well.
        names = {link.run for link in links_under(self.root / layout.index)}

        def is_indexed(path: str) -> bool:
            place, name = os.path.split(path)
            return name in names and place in places

        return is_indexed

    def _warn(self, problems: Iterable[str], chosen: Callable[[str], bool]) -> None:
        for problem in problems:
            path, params, _ = problem.partition(f"/{self._runs.layout.params}")
            if params and chosen(path):
                warnings.warn(f"left out of the index: {problem}", stacklevel=3)

    def __repr__(self) -> str:
        return f"Index({str(self.root)!r})"


def _frame(pd: Any, rows: Rows, layout: Layout, chosen: Callable[[str], bool]) -> pandas.DataFrame:
    """Return the runs that are wanted, of those that were read, in the order of their numbers."""
    given = _given(rows)
    numbers, times = rows.columns([_NUMBER, ("time",)])
    found = []
    for at, place in enumerate(rows.places()):
        if chosen(place.path):
            number, time = _told(place.path, layout)
            if number is None and given[at].has_number:
                number = numbers[at]
            if given[at].is_script:
                time = time_of(times[at])
            found.append((number or 0, at, time, place.path))
    found.sort(key=lambda each: each[:2])
    keys = list(dict.fromkeys(key for _, at, _, _ in found for key in given[at].keys))
    columns: dict[str, list[Any]] = {"id": [number for number, *_ in found]}
    for key, values in zip(keys, rows.columns([(key,) for key in keys]), strict=True):
        name = f"{key}_" if key in _OF_RUNS else str(key)
        cells = [values[at] if key in given[at].keys else MISSING for _, at, _, _ in found]
        if name in columns:  # 1 and "1"
            cells = [old if new is MISSING else new for old, new in zip(columns[name], cells, strict=True)]
        columns[name] = cells
    made = {name: column(pd, name, values) for name, values in columns.items()}
    began = pd.to_datetime([time for _, _, time, _ in found], errors="coerce")
    made["time"] = pd.Series(began.astype("datetime64[ns]"))
    made["root"] = pd.Series([Path(path) for *_, path in found], dtype=object)
    made["id"] = made["id"].astype("int64")
    index, names = pd.RangeIndex(len(found)), pd.Index(list(made), dtype=object)
    frame: pandas.DataFrame = pd.DataFrame(made, index=index, columns=names)
    return frame


def _told(path: str, layout: Layout) -> tuple[int | None, datetime | None]:
    """Return the number and the time of a run, as far as its name holds them, or else its status."""
    match = layout.pattern.match(os.path.basename(path))  # noqa: PTH119 - of thousands
    told = match.groupdict() if match is not None else {}
    number = int(told["number"]) if "number" in told else None
    if "time" in told:
        with contextlib.suppress(ValueError):  # the 45th of a month
            # Ten times as quick as to parse it as a time.
            return number, datetime(*map(int, told["time"].split("-")))  # type: ignore[arg-type]
    try:
        return number, RunDirectory(Path(path), layout).time
    except RunError:  # its status is broken
        return number, None


class _Given(NamedTuple):
    """What a row has of ``params.yaml``: the parameters, and whether an argparse script wrote it."""

    keys: Mapping[Any, None]
    is_script: bool
    has_number: bool


def _given(rows: Rows) -> list[_Given]:
    """Return for each row what its run was given; rows with the same keys share it."""
    shapes = rows.shapes()
    known: dict[int, _Given] = {}
    for at, shape in enumerate(shapes):
        if shape not in known:
            roles = {path[0]: role for path, role in rows.roles(at).items()}
            is_script = all(roles.get(key) is Role.INFO for key in _OF_RUNS)
            ours = _OURS.union(OF_PARSER) if is_script else _OURS
            keys = [
                key
                for key, role in roles.items()
                if role is Role.PARAMETER or (role is Role.INFO and key in ours)
            ]
            known[shape] = _Given(dict.fromkeys(keys), is_script, roles.get(*_NUMBER) is Role.INFO)
    return [known[shape] for shape in shapes]


def _no_root(path: Path) -> str:
    """Say that a path is no root of runs, and which one may be meant."""
    if not path.is_dir():
        return f"{path.absolute()} does not exist"
    around = root_around(path)
    meant = [around] if around is not None else roots_under(path)[:3]
    hint = f"; did you mean {' or '.join(str(root.path) for root in meant)}?" if meant else ""
    return f"{path.absolute()} is no root of runs{hint}"
