"""The run of a script: the current one from when it is made, and ended with the script at the latest.

Nothing tells a library how a script ends, so three places are watched from the first run on: an exception
that nobody has caught (`sys.excepthook`), the status that the script gives to `sys.exit`, and the end itself.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coolrunner.errors import CoolrunnerError
from coolrunner.frontends.origins import Sources
from coolrunner.runs import current
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.session import Run
from coolrunner.runs.status import RunState, RunStatus, this_process_facts

__all__ = ["Lifetime", "exit_status"]


class Lifetime:
    """A run, from its beginning in this process to its end.

    Parameters
    ----------
    directory
        Of the run, whose status says that it is running.

    Attributes
    ----------
    directory
        Where the run is; another one once a failed run was put aside.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self._run: Run | None = None
        self._pid = 0
        self._began = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it goes on in this process, and not in one that this was forked from."""
        return self._run is not None and self._pid == os.getpid()

    def begin(self) -> None:
        """Make it the current run.

        A run that has ended goes on in the same attempt: it is still the process of that which does so.
        """
        self._pid = os.getpid()
        if self._run is None:
            self._began = time.monotonic()
            state = self.directory.read_state()
            if state.status is not RunStatus.RUNNING:
                state = _running_again(state)
                self.directory.write_state(state)
            self._run = Run(self.directory, state)
            _ends.add(self)
        else:
            current.leave(self._run)
        current.enter(self._run)

    def end(self, error: BaseException | None = None, status: object = None) -> None:
        """Write down how it ended; what it has logged is on the disk then. Later calls do nothing.

        Parameters
        ----------
        error
            What ended it.
        status
            What was given to `sys.exit`.

        Raises
        ------
        RunError
            The disk does not take it.
        """
        if not self.is_open:
            return
        run, self._run = self._run, None
        assert run is not None
        _ends.forget(self)
        current.leave(run)
        try:
            run.close()
        finally:
            self._write_end(run, error, status)

    def _write_end(self, run: Run, error: BaseException | None, status: object) -> None:
        directory = self.directory
        if not directory.path.is_dir():  # whoever removed it wants no more of it
            return
        facts: dict[str, Any] = {"elapsed": round(time.monotonic() - self._began, 3)}
        if error is not None and not (isinstance(error, SystemExit) and not exit_status(error.code)):
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            directory.write_whole(directory.layout.traceback, text.encode(errors="backslashreplace"))
        else:
            directory.traceback.unlink(missing_ok=True)  # of an attempt before
        facts["sources"] = Sources.of(directory.store, directory.root).keep()
        to, found = _ending(error, status)
        run.end(to, **facts, **found)


def _running_again(state: RunState) -> RunState:
    return replace(
        state,
        status=RunStatus.RUNNING,
        ended="",
        elapsed=None,
        exit=None,
        failure="",
        error="",
        **this_process_facts(),
    )


def exit_status(status: object) -> int:
    """Return the exit status that a process has after ``sys.exit(status)``."""
    if status is None:
        return 0
    return status if isinstance(status, int) else 1


def _ending(error: BaseException | None, status: object) -> tuple[RunStatus, dict[str, Any]]:
    """Return the last status of a run, and what belongs to it."""
    if isinstance(error, SystemExit):
        status, error = error.code, None
    if error is None:
        code = exit_status(status)
        if not code:
            return RunStatus.DONE, {"exit": 0}
        said = f"SystemExit: {status}" if isinstance(status, str) else ""
        return RunStatus.FAILED, {"exit": code, "failure": "exit", "error": said}
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.INTERRUPTED, {"error": last}
    kind = "memory" if isinstance(error, MemoryError) else "exception"
    return RunStatus.FAILED, {"exit": 1, "failure": kind, "error": last}


class _Ends:
    """Sees how this script ends, and ends the runs that are still open with it."""

    def __init__(self) -> None:
        self._open: list[Lifetime] = []
        self._is_watching = False
        self._error: BaseException | None = None
        self._status: object = None

    def add(self, lifetime: Lifetime) -> None:
        self._open.append(lifetime)
        # Whoever begins a run has caught what was raised before.
        self._error = self._status = None
        if not self._is_watching:
            self._is_watching = True
            sys.excepthook = self._seeing_errors(sys.excepthook)
            vars(sys)["exit"] = self._seeing_exits(sys.exit)
            atexit.register(self._end)

    def forget(self, lifetime: Lifetime) -> None:
        if lifetime in self._open:
            self._open.remove(lifetime)

    def _seeing_errors(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def excepthook(kind: type[BaseException], value: BaseException, trace: Any) -> None:
            self._error = value
            before(kind, value, trace)

        return excepthook

    def _seeing_exits(self, before: Callable[..., Any]) -> Callable[..., Any]:
        def exit(status: object = None, /) -> None:
            # In another thread it ends that thread alone.
            if threading.current_thread() is threading.main_thread():
                self._status = status
            before(status)

        return exit

    def _end(self) -> None:
        for lifetime in reversed(list(self._open)):
            try:
                lifetime.end(self._error, self._status)
            except (CoolrunnerError, OSError) as error:
                warning = f"warning: the end of {lifetime.directory.name} is not written down: {error}\n"
                sys.stderr.write(warning)


_ends = _Ends()
