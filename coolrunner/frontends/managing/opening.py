"""How an experiment of a manager begins on disk: its directory, the copies of its sources, its output."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from coolrunner.frontends.managing.sources import copies_of
from coolrunner.frontends.origins import new_state
from coolrunner.runs.capture import Capture, CollapsedLog
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED
from coolrunner.runs.root import Root

__all__ = ["EXPERIMENTS", "Output", "SourceRules", "begun", "is_worker"]

#: The directory of experiments in a project, where no other one is named.
EXPERIMENTS = "managed_experiments"


@dataclass(frozen=True)
class SourceRules:
    """Which sources of a project are copied; see `copies_of`."""

    extensions: Collection[str] = ("py",)
    names: Collection[str] = ()
    skip: Collection[str] = ()


def begun(
    name: str, experiments_dir: Path, project_dir: Path, sources: SourceRules | None
) -> tuple[RunDirectory, list[str]]:
    """Make the directory of an experiment, with all that is in it from the beginning.

    Parameters
    ----------
    name
        What the person calls it.
    experiments_dir
        The directory of all experiments.
    project_dir
        The directory of the code.
    sources
        Which sources are copied; None for none.

    Returns
    -------
    The directory, and the sources that were left out.

    Raises
    ------
    UsageError
        A rule to skip is no regular expression.
    BadRootError
        The directory of experiments cannot be made.
    RunWriteError
        The disk does not take it.
    """
    root = Root(experiments_dir, MANAGED)
    files = {MANAGED.info: b"", MANAGED.debug: b"", MANAGED.log: b""}
    left_out: list[str] = []
    if sources is not None:
        copies, left_out = copies_of(
            project_dir,
            # The usual place is full of copies as well, of experiments that are kept elsewhere by now.
            apart=(experiments_dir, project_dir / EXPERIMENTS),
            extensions=sources.extensions,
            names=sources.names,
            skip=sources.skip,
        )
        files |= {f"{MANAGED.sources}/{path}": content for path, content in copies.items()}
    root.make()
    return root.create("{}\n", new_state(root), name=name, files=files), left_out


class Output:
    """Keeps what is printed, which is shown as before.

    Parameters
    ----------
    path
        The file for it.
    level
        ``fd`` for all that this process and its children print, ``sys`` for what Python prints. By default
        the latter where a person may want to use a debugger, at a terminal or in a notebook.
    """

    def __init__(self, path: Path, level: Literal["fd", "sys"] | None = None) -> None:
        self._log = CollapsedLog(path)
        self._capture = Capture(self._log, level or _fitting_level())
        self._capture.start()
        # IPython puts its streams back after each cell as they were before it.
        self._events: Any = getattr(_shell(), "events", None)
        if self._events is not None:
            self._events.register("pre_run_cell", self._begin_cell)
            self._events.register("post_run_cell", self._end_cell)

    def _begin_cell(self, *_: object) -> None:
        self._capture.start()

    def _end_cell(self, *_: object) -> None:
        self._capture.stop()

    def close(self) -> None:
        """Keep no more; what was printed is on the disk."""
        if self._events is not None:
            self._events.unregister("pre_run_cell", self._begin_cell)
            self._events.unregister("post_run_cell", self._end_cell)
            self._events = None
        self._capture.stop()
        self._log.close()


def _shell() -> Any:
    """Return the IPython that runs this, if there is one."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None


def _fitting_level() -> Literal["fd", "sys"]:
    at_terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
    return "sys" if at_terminal or hasattr(sys, "ps1") or _shell() is not None else "fd"


def is_worker() -> bool:
    """Whether multiprocessing has started this process, or does so just now by running the script again."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None:
        return False
    runs_again = sys.modules.get("__mp_main__") is not sys.modules.get("__main__")
    return runs_again or processes.parent_process() is not None
