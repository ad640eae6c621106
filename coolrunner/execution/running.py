"""One experiment in a process of its own, as its runner sees it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError
from coolrunner.execution.attempt import STATUS, facts_of, log_problem
from coolrunner.execution.base import Ending, Job, Outcome, Past
from coolrunner.execution.forker import Forker
from coolrunner.execution.memory import Watched
from coolrunner.execution.wire import FrameReader, plain_loads, send
from coolrunner.runs.attempts import settle
from coolrunner.runs.collapsing import CollapsedLog
from coolrunner.yamlio import to_plain

__all__ = ["Running"]

_READ = 1 << 18
# A pipe holds at most 1 MiB: what still comes after that, once the experiment is gone, is not its own.
_LEFT_IN_PIPE = 1 << 20
_WHY = {
    int(signal.SIGSEGV): "a segmentation fault",
    int(signal.SIGABRT): "it aborted",
    int(getattr(signal, "SIGKILL", 9)): "by somebody, or by the system for want of memory",
}


class Running:
    """A job that runs: the handles, which are never part of stored state, and how far it has come.

    Parameters
    ----------
    job, past
        What runs.
    forker, memory
        The helper that starts it, and what watches over its memory.
    sock
        The socket to its process.
    outputs
        The ends of the pipes that its output comes from, where it is captured; each with the file
        descriptor that it is passed on to, None where it is reported.
    grace
        Seconds between asking it to stop and killing it, and that it may take to end after its Module
        has returned.

    Attributes
    ----------
    outcome
        What came of it, as soon as that is known.
    pid
        Its process, which leads a group of its own; None before the helper has told.
    exit
        The wait status of its process, once that has ended.
    interrupted
        Whether it was asked to stop, or killed.
    """

    def __init__(
        self,
        job: Job,
        past: Past,
        forker: Forker,
        memory: Watched,
        sock: socket.socket,
        outputs: dict[int, int | None],
        grace: float,
    ) -> None:
        self.job = job
        self.past = past
        self.forker = forker
        self.memory = memory
        self.sock: socket.socket | None = sock
        self.outputs = outputs
        self.outcome: Outcome | None = None
        self.pid: int | None = None
        self.exit: int | None = None
        self.interrupted = False
        self._grace = grace
        self._linger = max(grace, 1.0)  # to flush and to close takes a moment, whatever the grace
        self._frames = FrameReader()
        self._began = time.time()
        self._clock = time.monotonic()
        self._timed_out = False
        self._killed = False
        self._kill_at: float | None = None
        self._lingered = False
        self._log: CollapsedLog | None = None
        self._unwritten = bytearray()
        self._told: Outcome | None = None
        self._told_as = ""

    # --- messages and output ---

    def receive(self, wait: float = 0.0) -> list[tuple[Any, ...]] | None:
        """Return the messages that have come, after waiting up to `wait` seconds; None at their end.

        Raises
        ------
        BlockingIOError
            There is nothing to read.
        """
        if self.sock is None:
            return None
        self.sock.settimeout(wait)
        try:
            data = self.sock.recv(_READ)
        except TimeoutError:
            raise BlockingIOError from None
        except BlockingIOError:
            raise
        except OSError:
            data = b""
        finally:
            self.sock.settimeout(None)
        if not data:
            return None
        return [message for frame in self._frames.feed(data) if (message := _read(frame)) is not None]

    def answer(self, verb: str, *arguments: Any) -> None:
        """Answer what its process asks of ``E``."""
        answer: Any = None
        error, out_of_range = "", False
        try:
            if verb == "count":
                answer = len(self.past)
            else:
                found = self.past.get(arguments[0])
                answer = (to_plain(found.inputs), to_plain(found.results))
        except LookupError as missing:
            error = str(missing.args[0]) if missing.args else "not found"
            out_of_range = isinstance(missing, IndexError)
        if self.sock is not None:
            with contextlib.suppress(OSError):
                send(self.sock, (answer, error, out_of_range))

    def read_output(self, pipe: int) -> bytes | None:
        """Return output that has come; nothing where there is none now, None at its end.

        It is written to the run directory already, and to where it is passed on to.
        """
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return b""
        if not data:
            return None
        if self.job.run is not None:
            self._keep_output(self.job.run.directory.log, data)
        echo = self.outputs[pipe]
        if echo is not None:
            pass_on(data, echo)
        return data

    def _keep_output(self, path: Path, data: bytes) -> None:
        self._unwritten += data
        with contextlib.suppress(OSError):  # the directory is not made yet, or the disk does not take it
            if self._log is None:
                self._log = CollapsedLog(path)
            self._log.write(bytes(self._unwritten))
            self._unwritten.clear()
        del self._unwritten[:-_LEFT_IN_PIPE]

    def last_output(self) -> list[bytes]:
        """Return what its process, now gone, has left to report; others may hold the pipes open."""
        pieces: list[bytes] = []
        for pipe, echo in self.outputs.items():
            read = 0
            while read < _LEFT_IN_PIPE and (data := self.read_output(pipe)):
                read += len(data)
                if echo is None:
                    pieces.append(data)
        return pieces

    # --- limits ---

    @property
    def limit(self) -> float | None:
        """When something is due, by `time.monotonic`; None for never."""
        if self._kill_at is not None:
            return self._kill_at
        return None if self.job.timeout is None else self._clock + self.job.timeout

    def take_outcome(self, outcome: Outcome) -> None:
        """Take what came of it; its process has a while to end."""
        self.outcome = self._told = outcome
        self._told_as = outcome.kind
        outcome.started = outcome.started or self._began
        self._kill_at = time.monotonic() + self._linger

    def due_signal(self) -> int | None:
        """Return the signal that is due, if one is, and take it for sent."""
        now = time.monotonic()
        if self.limit is None or now < self.limit:
            return None
        if self._kill_at is not None:
            self._lingered = self.outcome is not None
            self._killed = True
            self._kill_at = now + 1.0  # again, should it be in a place where it cannot be killed
            return signal.SIGKILL
        self._kill_at = now + self._grace
        if self._frames.pending:
            return None  # its Module has returned, and its results are on their way
        self._timed_out = True
        return signal.SIGINT

    def kill_group(self) -> None:
        """Kill its processes without the helper's help, which is gone."""
        if self.pid is not None and self.exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    # --- the end ---

    def verdict(self) -> Outcome:
        """Return what came of it, now that its process is gone."""
        outcome = self.outcome or self._died()
        if self._timed_out:
            outcome.ending = Ending.FAILED
            outcome.kind = "timeout"
            outcome.error = f"Timeout: it ran for longer than {self.job.timeout:g} s"
        elif self.interrupted and outcome.ending is Ending.FAILED:
            # What it raised, or died of, came of the interrupt.
            outcome.ending, outcome.kind = Ending.INTERRUPTED, "interrupted"
        elif (
            outcome.ending is Ending.FAILED
            and outcome is self._told  # of a process that died by itself that has been asked
            and outcome.kind in ("exception", "exit", "signal")
            and self.memory.shortage()
        ):
            outcome.warnings.append(
                "meanwhile a process was killed by the kernel for want of memory; it may be one of this "
                "experiment's"
            )
        if self._lingered:
            outcome.warnings.append(
                f"its process did not end within {self._linger:g} s after the Module had returned (threads "
                "that go on?) and was killed"
            )
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """See that the run directory says how it ended, where its process did not come to do so."""
        run = self.job.run
        if run is None:
            return
        try:
            if outcome is not self._told or outcome.kind != self._told_as:
                facts = {**facts_of(outcome), "exit": self._exit_status()}
                settle(run, STATUS[outcome.ending], **facts)
            if self._unwritten:
                self._keep_output(run.directory.log, b"")
        except RunError as error:
            outcome.warnings.append(str(error))
        if self._log is not None:
            outcome.warnings.extend(log_problem(self._log))
            with contextlib.suppress(OSError):
                self._log.close()

    def _exit_status(self) -> int | None:
        """Return its exit status; negative for the signal that killed it, None where it is not known."""
        return None if self.exit is None else os.waitstatus_to_exitcode(self.exit)

    def lost(self) -> None:
        """Take note that it went down with the helper."""
        ending = Ending.INTERRUPTED if self.interrupted else Ending.LOST
        error = "the process that starts experiments is gone"
        elapsed = time.monotonic() - self._clock
        self.outcome = Outcome(ending, error=error, kind=ending.value, started=self._began, elapsed=elapsed)

    def _died(self) -> Outcome:
        status = self.exit or 0
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            ours = self._killed or self.interrupted
            shortage = self.memory.shortage() if number == signal.SIGKILL and not ours else ""
            why = _WHY.get(number)
            error = f"the process was killed by {_signal_name(number)}" + (f": {why}" if why else "")
            kind = "signal"
            if shortage:
                error, kind = f"the process was killed by the kernel: {shortage}", "memory"
        else:
            error = f"the process left with status {os.WEXITSTATUS(status)} before the Module returned"
            kind = "exit"
        elapsed = time.monotonic() - self._clock
        return Outcome(Ending.FAILED, error=error, kind=kind, started=self._began, elapsed=elapsed)

    def close(self) -> None:
        """Let go of the handles."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None
        for pipe in self.outputs:
            os.close(pipe)
        self.outputs.clear()
        self.memory.close()


def pass_on(data: bytes, echo: int) -> None:
    """Write what an experiment wrote to a descriptor, all of it; nothing where nobody reads it any more."""
    with contextlib.suppress(OSError):  # who read it has gone
        while data:
            try:
                data = data[os.write(echo, data) :]
            except BlockingIOError:  # a terminal or pipe that somebody has made so
                select.select((), (echo,), (), 1.0)


def _read(frame: bytes) -> tuple[Any, ...] | None:
    """Return a message; None for one that the Module wrote to a socket that is not its own."""
    try:
        message = plain_loads(frame)
    except Exception:
        return None
    return message if isinstance(message, tuple) and message else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
