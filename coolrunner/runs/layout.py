"""Where things are under a root of runs and in the directory of a run: all of it stands here.

One format has several layouts, because each way to start an experiment keeps the places and names that
its users know: ``results/`` of `run.py`, ``exman/`` of argparse scripts, ``managed_experiments/`` of
scripts and notebooks, and ``data/local/<title>/<date>/<log_dir>/`` of the launcher.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from coolrunner.runs.names import safe_part

__all__ = [
    "EXMAN",
    "LAUNCHED",
    "MANAGED",
    "MANAGED_RUN",
    "NESTED",
    "RESULTS",
    "Layout",
    "RunName",
    "layout_of",
    "layout_of_run",
    "nested_layout",
    "subdirectories",
]

_TIME = "%Y-%m-%d-%H-%M-%S"
_NUMBERED = re.compile(r"(?P<number>\d+)-(?P<time>\d{4}(?:-\d\d){5})(?:-(?P<name>.+))?\Z", re.DOTALL)
_TITLED = re.compile(r"(?:(?P<name>.+) )?(?P<time>\d{4}(?:-\d\d){5})(?: \((?P<copy>\d+)\))?\Z", re.DOTALL)
_COUNTED = re.compile(r"run_(?P<number>\d+)\Z")


class RunName(NamedTuple):
    """What the name of a run's directory tells.

    Attributes
    ----------
    number, time
        None where this layout's names do not hold it; times are local and without a zone.
    name
        What the person called it, as a part of a path; may be empty.
    """

    number: int | None
    time: datetime | None
    name: str


@dataclass(frozen=True)
class Layout:
    """The names of all files and directories.

    Attributes
    ----------
    kind
        What it is called.
    form, pattern
        How the names of runs are written and read.
    runs, index, marked, tmp, fails
        Directories in the root: of runs (empty where they stand in the root itself), of links to the
        parameters of all runs, of marks, of runs that are tried out, of failed runs. None where there are
        none.
    eager
        Whether all of these are made together with the root; else each when it is needed.
    first
        The first number.
    zfill
        Digits that a number has at least.
    params, status, log, info, debug, traceback, metrics
        Files of a run. `log` holds its output, `info` and `debug` what was logged by level.
    files, sources, snapshots, tensorboard, nested
        Directories of a run; `nested` is that of the runs within it.
    directories
        Those of them that each run has from its beginning; the others are made when they are needed.
    """

    kind: str
    form: str
    pattern: re.Pattern[str]
    runs: str = ""
    index: str | None = None
    marked: str | None = "marked"
    tmp: str | None = None
    fails: str | None = None
    eager: bool = False
    first: int = 1
    zfill: int = 6
    params: str = "params.yaml"
    status: str = "status.yaml"
    log: str = "log.txt"
    info: str = "info.log"
    debug: str = "debug.log"
    traceback: str = "traceback.txt"
    metrics: str = "metrics.csv"
    files: str = "files"
    sources: str = "sources"
    snapshots: str = "snapshots"
    tensorboard: str = "tensorboard"
    nested: str = "runs"
    directories: tuple[str, ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether the names of runs hold their numbers."""
        return "number" in self.pattern.groupindex

    @property
    def places(self) -> tuple[str, ...]:
        """The directories in the root where runs are, that of all usual ones first."""
        return (self.runs, *(place for place in (self.tmp, self.fails) if place is not None))

    def directory_name(self, number: int, time: datetime, name: str = "") -> str:
        """Return the name of a run's directory.

        Parameters
        ----------
        number
            Of the run.
        time
            When it was made; local, without a zone.
        name
            What the person calls it; made safe.
        """
        safe = safe_part(name) if name else ""
        text = self.form.format(number=f"{number:0{self.zfill}d}", time=time.strftime(_TIME), name=safe)
        return text if safe else text.strip("- ")

    def parse_name(self, name: str) -> RunName | None:
        """Return what a directory's name tells; None where it is no name of a run."""
        match = self.pattern.match(name)
        if match is None:
            return None
        found = match.groupdict()
        time = None
        if found.get("time"):
            try:
                time = datetime.strptime(found["time"], _TIME)
            except ValueError:  # the 45th of a month
                return None
        number = int(found["number"]) if "number" in found else None
        return RunName(number, time, found.get("name") or "")

    def order(self, name: str) -> tuple[int, str] | None:
        """Return what runs are sorted by, from the name alone; None where it is no name of a run."""
        match = self.pattern.match(name)
        if match is None:
            return None
        if self.numbered:
            return int(match["number"]), name
        return 0, f"{match['time']} {int(match['copy'] or 0):06d} {name}"


#: What `run.py` writes.
RESULTS = Layout(
    kind="results",
    form="{number}-{time}-{name}",
    pattern=_NUMBERED,
    runs="runs",
    index="index",
    tmp="tmp",
    fails="fails",
    eager=True,
)
#: What argparse scripts write: the same tree in another place.
EXMAN = replace(RESULTS, kind="exman")
#: Runs within a run.
NESTED = replace(RESULTS, kind="nested", index=None, marked=None, tmp=None, fails=None)
#: The experiments of a manager.
MANAGED = Layout(
    kind="managed",
    form="{name} {time}",
    pattern=_TITLED,
    log="stdout_capture.log",
    info="experiment_info.log",
    metrics="saved_metrics/metrics.csv",
    files="saved_files",
    sources="saved_sources",
    nested="saved_runs",
    directories=("saved_files", "saved_sources", "saved_metrics", "saved_runs"),
)
#: The runs within such an experiment.
MANAGED_RUN = replace(
    MANAGED,
    kind="managed-run",
    runs="saved_runs",
    marked=None,
    log="run.log",
    info="run_info.log",
    directories=("saved_files", "saved_metrics"),
)
#: The runs of one variant, whose numbers the launcher gives.
LAUNCHED = Layout(kind="launched", form="run_{number}", pattern=_COUNTED, first=0, zfill=1)


def nested_layout(layout: Layout) -> Layout:
    """Return the layout of the runs within a run; their root is the run's directory."""
    return MANAGED_RUN if layout.kind.startswith("managed") else NESTED


def layout_of(path: str | os.PathLike[str]) -> Layout | None:
    """Return the layout of a root of runs; None for what is none.

    Parameters
    ----------
    path
        A directory; nothing in it is read but names.
    """
    path = Path(path)
    has = {entry.name for entry in subdirectories(path)}
    if MANAGED.nested in has:
        return MANAGED_RUN
    if RESULTS.runs in has:
        if (path / RESULTS.status).is_file():
            return NESTED
        # A directory "runs" alone may be anybody's.
        return _by_name(path) if {"index", "marked"} <= has else None
    if path.name == MANAGED.nested:  # its root is the run around it
        return None
    if path.name == "managed_experiments":
        return MANAGED
    for name in has:
        if _TITLED.match(name) and (path / name / MANAGED.files).is_dir():
            return MANAGED
        if _COUNTED.match(name) and (path / name / LAUNCHED.params).is_file():
            return LAUNCHED
    return None


def layout_of_run(path: Path) -> Layout | None:
    """Return the layout of the directory of a run; None for what is none."""
    name, place, root = path.name, path.parent.name, path.parent.parent
    if place == MANAGED_RUN.runs:
        return MANAGED_RUN
    if _COUNTED.match(name):
        return LAUNCHED
    if place in RESULTS.places and _NUMBERED.match(name):
        return NESTED if (root / RESULTS.status).is_file() else _by_name(root)
    if _TITLED.match(name) and (path / MANAGED.files).is_dir():
        return MANAGED
    return None


def _by_name(root: Path) -> Layout:
    return EXMAN if root.name == "exman" else RESULTS


def subdirectories(path: Path) -> list[os.DirEntry[str]]:
    """Return the directories in one, hidden ones too; none of what cannot be read."""
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []
