"""The run that is under way here: found from anywhere, by whoever asks.

Each task and each thread that entered a run finds that one (a context variable). A thread that entered
none finds the innermost run open in its process; a process that was started by a run finds it through the
environment; and outside of any run there is one that writes nothing and says so once.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from coolrunner.runs.session import NoRun, Run

__all__ = ["VARIABLE", "current_run", "enter", "entered", "is_inside", "leave", "outward"]

#: The environment variable that tells a process of its run: the run's directory, an absolute path.
VARIABLE = "COOLRUNNER_RUN"

_entered: ContextVar[Run | None] = ContextVar("coolrunner_run", default=None)
# The runs that are open in this process, the innermost last.
_open: list[Run] = []
_joined: dict[str, Run] = {}
_none: list[Run] = []
# What the environment named before the first of them was opened.
_outside: str | None = None


def current_run() -> Run:
    """Return the run that the caller is part of.

    Returns
    -------
    A `Run`. Outside of any run, one that writes nothing; that is warned of once in a process.
    """
    run = _find()
    if run is not None:
        return run
    if not _none:
        _none.append(NoRun())
        warnings.warn(
            "there is no run here: what is logged or saved is not kept", RuntimeWarning, stacklevel=2
        )
    return _none[0]


def is_inside() -> bool:
    """Whether the caller is part of a run."""
    return _find() is not None


def _find() -> Run | None:
    for run in outward(_entered.get()):
        if not run.closed:
            return run
    if _open:
        return _open[-1]
    path = os.environ.get(VARIABLE)
    return _join(path) if path else None


def outward(run: Run | None) -> Iterator[Run]:
    """Yield a run, and those within which it was entered, each once: one may be entered anew in another."""
    seen: set[int] = set()
    while run is not None and id(run) not in seen:
        seen.add(id(run))
        yield run
        run = run.outer


def _join(path: str) -> Run | None:
    """Return a run that a process above this one has opened, as its guest."""
    run = _joined.get(path)
    if run is None or run.closed:
        if not Path(path).is_dir():
            return None
        run = _joined[path] = Run.join(path)
    return run


@contextlib.contextmanager
def entered(run: Run) -> Iterator[Run]:
    """Make a run the current one, for this task or thread and what it starts; it is closed at the end."""
    enter(run)
    try:
        yield run
    finally:
        leave(run)
        run.close()


def enter(run: Run) -> None:
    """Make a run the current one until `leave`."""
    global _outside
    if not _open:
        _outside = os.environ.get(VARIABLE)
    run.outer = next(
        (outer for outer in outward(_entered.get()) if outer is not run and not outer.closed), None
    )
    _entered.set(run)
    _open.append(run)
    _tell_processes()


def leave(run: Run) -> None:
    """End what `enter` began; runs that were entered since are left as they are."""
    if run not in _open:
        return
    _open.remove(run)
    if _entered.get() is run:
        _entered.set(run.outer)
    _tell_processes()


def _tell_processes() -> None:
    """Let processes that are started from now on find the innermost run, or the one that we came from."""
    path = next((str(run.dir) for run in reversed(_open) if not run.ghost), _outside)
    if path is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = path
