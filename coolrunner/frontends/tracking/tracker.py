"""The door of experiment_tracker: the runs of Hydra under a directory, and paths of their files, as a frame.

::

    frame = coolrunner.load_project("experiments", "*.ckpt")
    frame.loc[("2021-01-26 17-07-39", 1), :]

A row is a run. The first level of its label is the date and time of its experiment, as its path tells them;
the path of the experiment where it tells none, or where two have the same. The second level is the number of
the run. Rows are in the order of their labels. The columns are the config, with ``/`` between the keys of
nested ones, and ``collected_path_0`` and so on: the files that were asked for.
"""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import BadRootError, UsageError, nearest
from coolrunner.frontends.tracking.runs import Experiment, Wanted, experiments_of, in_numbers
from coolrunner.results.frames.columns import column
from coolrunner.results.frames.parts import ROLES, pandas_module
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows, find_rows

if TYPE_CHECKING:
    import pandas

__all__ = ["FileLoader", "load", "load_project", "load_run"]

_LOGIC = ("multirun", "singlerun")
_COLLECTED = re.compile(r"collected_path_\d+")
_SHOWN = 20  # runs named in a warning

PathLike = str | os.PathLike[str]
Moment = str | date | time | datetime | None


class FileLoader:
    """Collects the configs of runs, and the paths of some of their files.

    Parameters
    ----------
    query_string
        Which files: a glob, such as ``*.npy``, or a list of them. They are looked for in the directory of
        each run; ``**`` stands for any directories.
    logic
        ``multirun`` for the jobs of sweeps, ``singlerun`` for runs of their own.
    min_required_files
        How many of these files a run must have to be a row; 0 for all runs.

    Raises
    ------
    UsageError
        There is no such logic.
    TypeError
        `query_string` is no text and no list of texts, or `min_required_files` no whole number.
    """

    def __init__(
        self, query_string: str | Sequence[str], logic: str = "multirun", min_required_files: int = 1
    ) -> None:
        globs = [query_string] if isinstance(query_string, str) else query_string
        if not isinstance(globs, Iterable) or not all(isinstance(each, str) for each in globs):
            raise TypeError(f"query_string is a glob or a list of globs, not {query_string!r}")
        if not isinstance(min_required_files, int):
            raise TypeError(f"min_required_files is a whole number, not {min_required_files!r}")
        if logic not in _LOGIC:
            hint = nearest(str(logic), _LOGIC)
            raise UsageError(
                f"logic is 'multirun' or 'singlerun', not {logic!r}"
                + (f"; did you mean {hint!r}?" if hint else "")
            )
        self.query_string = list(globs)
        self.logic = logic
        self.min_required_files = min_required_files

    def load_project(
        self,
        base_project_path: PathLike,
        filter_date: Moment = None,
        filter_hms: Moment = None,
    ) -> pandas.DataFrame:
        """Return the runs under a directory as a frame.

        Parameters
        ----------
        base_project_path
            Any directory around the runs, whatever the pattern of their paths.
        filter_date, filter_hms
            Which experiments: a day (``2021-01-26``), a time (``17-07-39``), or both
            (``2021-01-26 17-07-39``), in either of the two; or ``last``, for the last one of these.

        Returns
        -------
        A frame with the columns and labels that the top of this module describes. Each glob has columns of
        its own, as many as the run with most files for it needs, and one at least; files are in the order of
        their names, numbers in them by their value. `DataFrame.attrs` says under ``collected`` which columns
        are whose. A path is relative where that of the directory is. Where a run lacks a key or a file, there
        is NaN. Runs that cannot be read, or have too few files, are named in a warning and left out.

        Raises
        ------
        BadRootError
            There is no such directory, or no such run in it; it is a ValueError.
        UsageError
            A filter is no day and no time, or pandas is not installed.
        """
        return self._load(base_project_path, Wanted.of(filter_date, filter_hms))

    def load_run(self, run_path: PathLike) -> pandas.DataFrame:
        """Return the run that a directory is, as a frame of one row, without any where it has too few files.

        Raises
        ------
        BadRootError
            It is no run of Hydra.
        """
        base = os.fspath(run_path)
        with _rows(base) as rows:
            if len(rows) != 1:
                raise BadRootError(
                    f"{base} is no run of Hydra: there is no .hydra/config.yaml in it that can be read"
                )
            collected = [self._collected(base)]
            kept, few = self._sorted_out(collected)
            self._warn([base for _ in few])
            return self._frame(rows.take(kept), [collected[place] for place in kept], None)

    return_pandas = load_run

    def _load(self, base_path: PathLike, wanted: Wanted) -> pandas.DataFrame:
        base = os.fspath(base_path)
        with _rows(base) as rows:
            found = experiments_of(rows, os.path.abspath(base))  # noqa: PTH100 - links stay as they are
            chosen = wanted.chosen([each for each in found if each.single is (self.logic == "singlerun")])
            labels = [(each.label, number) for each in chosen for number in each.numbers]
            positions = [position for each in chosen for position in each.positions]
            places = [_joined(base, place.path) for place in rows.take(positions).places()]
            collected = [self._collected(place) for place in places]
            kept, few = self._sorted_out(collected)
            if not kept:
                raise BadRootError(self._nothing(base, found, bool(positions), wanted))
            self._warn([places[place] for place in few])
            return self._frame(
                rows.take([positions[place] for place in kept]),
                [collected[place] for place in kept],
                [labels[place] for place in kept],
            )

    def _collected(self, run: str) -> list[list[str]]:
        """Return the files of a run, for each glob."""
        return [
            [
                os.path.join(run, name)  # noqa: PTH118
                for name in sorted(glob.glob(each, root_dir=run, recursive=True), key=in_numbers)  # noqa: PTH207
            ]
            for each in self.query_string
        ]

    def _sorted_out(self, collected: Sequence[list[list[str]]]) -> tuple[list[int], list[int]]:
        """Return which runs have files enough and which have not, by their positions."""
        kept: list[int] = []
        few: list[int] = []
        for position, groups in enumerate(collected):
            enough = sum(map(len, groups)) >= self.min_required_files
            (kept if enough else few).append(position)
        return kept, few

    def _warn(self, few: Sequence[str]) -> None:
        wanted, least = _either(self.query_string), self.min_required_files
        if few:
            _warn(f"left out, {'without' if least == 1 else f'with less than {least} files'} {wanted}", few)

    def _frame(
        self,
        rows: Rows,
        collected: Sequence[list[list[str]]],
        labels: Sequence[tuple[str, int]] | None,
    ) -> pandas.DataFrame:
        keys = [key for key in rows.keys if key.role is Role.PARAMETER and key.kinds != {"map"}]
        columns: dict[str, list[Any]] = {}
        for key, values in zip(keys, rows.columns([key.path for key in keys]), strict=True):
            name = "/".join(map(str, key.path))
            while name in columns or _COLLECTED.fullmatch(name):
                name += "_"
            columns[name] = values
        roles = dict.fromkeys(columns, Role.PARAMETER.value)
        groups: dict[str, list[str]] = {}
        for number, query in enumerate(self.query_string):
            found = [each[number] for each in collected]
            groups[query] = [
                f"collected_path_{len(columns) - len(keys) + place}"
                for place in range(max([1, *map(len, found)]))
            ]
            for place, name in enumerate(groups[query]):
                roles[name] = Role.INFO.value
                columns[name] = [paths[place] if place < len(paths) else MISSING for paths in found]
        pd = pandas_module()
        frame: pandas.DataFrame = pd.DataFrame(
            {name: column(pd, name, values) for name, values in columns.items()},
            index=pd.RangeIndex(len(rows)),
            columns=pd.Index(list(columns), dtype=object),
        )
        if labels is not None:
            frame.index = pd.MultiIndex.from_tuples(labels, names=["Date", "Run"])
        frame.attrs |= {ROLES: roles, "collected": groups}
        return frame

    def _nothing(self, base: str, found: Sequence[Experiment], chosen: bool, wanted: Wanted) -> str:
        """Say why there is no row, and what may have been meant."""
        if chosen:
            least = self.min_required_files
            what = "a file" if least == 1 else f"{least} files"
            return f"no run in {base} has {what} {_either(self.query_string)}"
        if not found:
            return f"no runs of Hydra in {base}: there is no directory with a .hydra/config.yaml"
        other = _LOGIC[self.logic == "multirun"]
        meant = sum(len(each.positions) for each in found if each.single is (other == "singlerun"))
        if meant == sum(len(each.positions) for each in found):
            return f"no runs of the logic {self.logic!r} in {base}; logic={other!r} finds {meant}"
        return f"no runs of the logic {self.logic!r} in {base} at {wanted}"


def load_project(
    base_path: PathLike,
    query_string: str | Sequence[str],
    logic: str = "multirun",
    min_required_files: int = 1,
    filter_date: Moment = None,
    filter_hms: Moment = None,
) -> pandas.DataFrame:
    """Return the runs of Hydra under a directory as a frame.

    See `FileLoader`, which takes the globs, the logic and the number of files, and `FileLoader.load_project`,
    which takes the rest.
    """
    loader = FileLoader(query_string, logic, min_required_files)
    return loader._load(base_path, Wanted.of(filter_date, filter_hms))


load = load_project


def load_run(run_path: PathLike, query_string: str | Sequence[str]) -> pandas.DataFrame:
    """Return the run of Hydra that a directory is, as a frame of one row; see `FileLoader.load_run`."""
    return FileLoader(query_string).load_run(run_path)


def _either(globs: Sequence[str]) -> str:
    return " or ".join(map(repr, globs))


def _rows(base: str) -> Rows:
    if not Path(base).is_dir():
        raise BadRootError(f"{base} is no directory")
    rows = find_rows([base], kinds=["hydra"])
    if rows.report.broken:
        _warn("left out, as they cannot be read", rows.report.broken)
    return rows


def _joined(base: str, path: str) -> str:
    """Return a path below a directory as the directory was given: relative, or absolute."""
    inner = os.path.relpath(path, os.path.abspath(base))  # noqa: PTH100
    return base if inner == "." else os.path.join(base, inner)  # noqa: PTH118


def _warn(what: str, names: Sequence[str]) -> None:
    shown = [f"  {name}" for name in names[:_SHOWN]]
    if len(shown) < len(names):
        shown.append(f"  and {len(names) - len(shown)} more")
    # The line to be shown is the caller's: the first one that is not in this file.
    warnings.warn("\n".join([f"{what}:", *shown]), stacklevel=_depth())


def _depth() -> int:
    import sys

    depth = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
        depth += 1
    return depth
