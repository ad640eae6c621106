"""An experiment's run directory, in the process that runs it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from coolrunner.errors import NotPlainError, RunError, YamlError
from coolrunner.execution import pinning
from coolrunner.execution.base import Ending, Outcome
from coolrunner.runs import current
from coolrunner.runs.attempts import Order, begin
from coolrunner.runs.collapsing import CollapsedLog
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.session import NoRun, Run
from coolrunner.runs.sources import keep_sources
from coolrunner.runs.status import RunStatus
from coolrunner.runs.store import Store
from coolrunner.yamlio import dump, read_source, read_text

__all__ = ["RESULTS", "STATUS", "Attempt", "facts_of", "log_problem", "read_results"]

#: The file in a run directory that holds what its Module added.
RESULTS = "results.yaml"
#: The statuses of runs, by how they ended.
STATUS = {
    Ending.FINISHED: RunStatus.DONE,
    Ending.FAILED: RunStatus.FAILED,
    Ending.INTERRUPTED: RunStatus.INTERRUPTED,
    Ending.LOST: RunStatus.LOST,
}


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """Return what the status of a run says of an outcome."""
    facts: dict[str, Any] = {"elapsed": round(outcome.elapsed, 6)}
    if outcome.ending is Ending.FINISHED:
        return {**facts, "exit": 0}
    return {**facts, "failure": outcome.kind, "error": outcome.error}


def _is_attended() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed, as by exit() of an experiment before
        return False


def _leave(run: Run, warn: Callable[[str], None]) -> None:
    current.leave(run)
    try:
        run.close()
    except RunError as error:  # what it logged last is lost; its results are not
        warn(str(error))


def read_results(directory: RunDirectory) -> dict[str, Any]:
    """Return what a Module added, and ``SOLVED``, from the run directory; empty where there is nothing.

    Raises
    ------
    RunError
        It is broken; names file and line.
    """
    path = directory.path / RESULTS
    if not path.exists():
        return {}
    try:
        source = read_source(path)
        results = read_text(source.text, source.name)
    except YamlError as error:
        raise RunError(str(error)) from None
    if not isinstance(results, dict):
        raise RunError(f"{path}:1: results were expected: lines such as 'ACC: 0.9'")
    return results


def log_problem(log: CollapsedLog) -> list[str]:
    """Return what to tell a person of a log that the disk did not take all of."""
    if log.error is None:
        return []
    return [f"not all that it wrote is in {log.path}: {log.error.strerror}"]


def _remove(path: Path) -> None:
    """Remove what an attempt before has left."""
    with contextlib.suppress(OSError):
        path.unlink()


class Attempt:
    """Makes the directory that was ordered, and keeps in it what belongs there.

    Parameters
    ----------
    order
        What to make; None for nothing.
    """

    def __init__(self, order: Order | None) -> None:
        self._project = order.project if order else ""
        self._run = Run(*begin(order)) if order else None
        self._log: CollapsedLog | None = None
        self._is_again = order is not None and order.again
        self._pid = os.getpid()

    def find(self) -> Run:
        """Return the run of the experiment, also within another that its Module has opened."""
        return current.current_run() if self._run is None else self._run

    def capture(self, around: contextlib.ExitStack) -> None:
        """Write to the directory what this process writes within a context; it is still shown."""
        if self._run is None:
            return
        from coolrunner.runs.capture import Capture  # here: most processes have no use for it

        # A debugger talks through Python's own streams, and wants to find the terminal in them.
        level: Literal["fd", "sys"] = "sys" if _is_attended() else "fd"
        self._log = CollapsedLog(self._run.directory.log)
        around.callback(self._log.close)
        around.enter_context(Capture(self._log, level))

    def enter(self, around: contextlib.ExitStack, warn: Callable[[str], None]) -> None:
        """Let the Module, which has been imported, find its run; what it logged is written in the end."""
        run = self._run
        if run is None:  # none is wanted, which needs no warning
            run = NoRun()
        else:
            run.change(sources=self._sources())
        current.enter(run)
        around.callback(_leave, run, warn)

    def _sources(self) -> str:
        """Keep the files of the project that are imported by now; return what a run remembers of them."""
        imported = pinning.imported()
        if self._run is None or not self._project or not imported:
            return ""
        return keep_sources(Store(self._run.directory.store), self._project, imported)

    def end(self, outcome: Outcome) -> None:
        """Write down what came of it; what the disk does not take is a warning of the outcome."""
        if self._run is None or os.getpid() != self._pid:  # a copy that the Module forked is not the run
            return
        if self._log is not None:
            outcome.warnings.extend(log_problem(self._log))
        facts = facts_of(outcome)
        try:
            self._keep(outcome, self._run.directory)
        except RunError as error:
            outcome.warnings.append(str(error))
            facts.setdefault("error", str(error))  # so that nobody takes for all what is there
        try:
            self._run.end(STATUS[outcome.ending], sources=outcome.sources, **facts)
        except RunError as error:
            outcome.warnings.append(str(error))

    def _keep(self, outcome: Outcome, directory: RunDirectory) -> None:
        solved = {"SOLVED": outcome.solved} if outcome.solved else {}
        if outcome.results or solved:
            with contextlib.suppress(NotPlainError):  # the log will say so
                directory.write_whole(RESULTS, dump({**outcome.results, **solved}).encode())
        elif self._is_again:
            _remove(directory.path / RESULTS)
        if outcome.traceback and outcome.ending is not Ending.FINISHED:
            directory.write_whole(directory.layout.traceback, outcome.traceback.encode())
        elif self._is_again:
            _remove(directory.traceback)
        outcome.sources = self._sources()
