"""A run that a launcher has started: its directory, from the beginning to the end of its process."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coolrunner.frontends.launching.plan import Launch
from coolrunner.proof import process_here
from coolrunner.runs.collapsing import CollapsedLog
from coolrunner.runs.current import VARIABLE
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import LAUNCHED
from coolrunner.runs.provenance import Provenance, collect, keep
from coolrunner.runs.root import Root
from coolrunner.runs.sources import keep_sources
from coolrunner.runs.status import RunState, RunStatus, move, now, this_process_facts
from coolrunner.runs.store import Store

__all__ = ["LaunchedRun", "Origin", "Record", "begin", "pass_on"]

# Bytes of output that are kept in memory, for what a failure says of itself.
_TAIL = 1 << 14
# The signals by which a process is asked to end.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TRACEBACK = re.compile(rb"^Traceback \(most recent call last\):$", re.MULTILINE)


@dataclass(frozen=True)
class LaunchedRun:
    """What came of a run.

    Attributes
    ----------
    dir
        Its directory, with ``params.yaml``, ``status.yaml``, ``log.txt`` and what the script has kept.
    log_dir, run_id
        The directory of its variant as it was given, and its number there.
    status
        ``done``, ``failed`` or ``interrupted``.
    exit
        The exit status of its process; negative for the signal that killed it, None where none was started.
    """

    dir: Path
    log_dir: str
    run_id: int
    status: str
    exit: int | None


class Origin:
    """Where the runs of a launcher come from, collected once.

    Parameters
    ----------
    script
        The file that they run.
    apart
        The directory of the runs, which is no part of the code.
    """

    def __init__(self, script: Path, apart: Path) -> None:
        self._script = script
        self._provenance: Provenance = collect(script.parent, apart=[apart])
        self._content = script.read_bytes()

    def facts(self, root: Root) -> dict[str, str]:
        """Return what the status of a run says of it, after it was kept beside the run."""
        store = Store(root.store)
        return {
            "provenance": keep(store, self._provenance),
            "sources": keep_sources(store, self._script.parent, {self._script: self._content}),
        }


def begin(launch: Launch, origin: Origin) -> RunDirectory:
    """Make the directory of a run, or take up the one that was broken off, for this process to watch over.

    Raises
    ------
    RunError
        The disk does not take it, or its status is broken.
    """
    launch.write_variant()
    directory = launch.directory
    root = Root(launch.where, LAUNCHED)
    facts: dict[str, Any] = {"started": now(), **this_process_facts(), **origin.facts(root)}
    if directory.path.exists():
        state = directory.read_state()
        if state.status is RunStatus.RUNNING:  # its process is gone
            state = move(state, RunStatus.LOST)
        directory.write_state(move(state, RunStatus.RUNNING, **facts))
        with suppress(FileNotFoundError):  # of the attempt before
            directory.traceback.unlink()
        return directory
    ticket = root.allocate(number=launch.run_id)
    state = RunState(name=launch.log_dir, **facts)
    return root.create(launch.params, state, ticket, files={LAUNCHED.log: b""})


class Record:
    """Writes down what becomes of a run while its process is another one.

    Parameters
    ----------
    launch
        The run.
    directory
        Its directory, as `begin` has made it.
    """

    def __init__(self, launch: Launch, directory: RunDirectory) -> None:
        self.launch = launch
        self.directory = directory
        self._state = directory.read_state()
        self._began = time.monotonic()
        self._tail = b""
        self._log = CollapsedLog(directory.log)

    @property
    def error(self) -> str:
        """What its failure says."""
        return self._state.error

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which its process finds it."""
        return {VARIABLE: str(self.directory.path)}

    def started(self, pid: int) -> None:
        """Write down which process does it."""
        process = process_here(pid)
        if process is not None:  # else it has ended already
            told = (process.machine, process.boot, process.namespace, process.start)
            text = " ".join(part.replace(" ", "_") or "-" for part in told)
            self._write(replace(self._state, pid=pid, process=text))

    def output(self, data: bytes) -> None:
        """Keep what it has written."""
        self._log.write(data)
        self._tail = (self._tail + data)[-_TAIL:]

    def end(self, exit: int | None, *, stopped: bool = False, error: str = "") -> LaunchedRun:
        """Write down how it ended.

        Parameters
        ----------
        exit
            The exit status of its process; None where none could be started.
        stopped
            Whether it was told to stop.
        error
            What is wrong, where its output does not tell.

        Raises
        ------
        RunWriteError
            The disk does not take it.
        """
        self._log.close()
        to, facts = self._ending(exit, stopped, error)
        elapsed = round(time.monotonic() - self._began, 3)
        if self.directory.path.is_dir():  # whoever removed it wants no more of it
            traceback = self._traceback()
            if to is RunStatus.FAILED and traceback:
                self.directory.write_whole(LAUNCHED.traceback, traceback)
            # Its process may have said meanwhile that it can be resumed.
            self._state = self.directory.read_state()
            self._write(move(self._state, to, ended=now(), elapsed=elapsed, exit=exit, **facts))
        launch = self.launch
        return LaunchedRun(self.directory.path, launch.log_dir, launch.run_id, to.value, exit)

    def _ending(self, exit: int | None, stopped: bool, error: str) -> tuple[RunStatus, dict[str, str]]:
        if exit == 0:
            return RunStatus.DONE, {}
        # A scheduler ends all processes of a job, and may come to the script first.
        if stopped or (exit is not None and -exit in _REQUESTS):
            return RunStatus.INTERRUPTED, {"error": "it was told to stop"}
        if exit is None:
            return RunStatus.FAILED, {"failure": "exit", "error": error}
        if exit < 0:
            return RunStatus.FAILED, {"failure": "signal", "error": f"killed by {_signal_name(-exit)}"}
        said = self._last_line() if self._traceback() else ""
        kind = "exception" if said else "exit"
        return RunStatus.FAILED, {"failure": kind, "error": said or f"it left with status {exit}"}

    def _traceback(self) -> bytes:
        """Return the last traceback of Python in its output, where that ends with one."""
        found = list(_TRACEBACK.finditer(self._tail))
        return self._tail[found[-1].start() :] if found else b""

    def _last_line(self) -> str:
        lines = self._tail.decode(errors="replace").rstrip().splitlines()
        return lines[-1].strip()[:500] if lines else ""

    def _write(self, state: RunState) -> None:
        self.directory.write_state(state)
        self._state = state


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def pass_on(stream: int, data: bytes) -> None:
    """Show what a run has written where the launcher's own output goes."""
    with suppress(OSError):  # who read it has gone
        while data:
            data = data[os.write(stream, data) :]
