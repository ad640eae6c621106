"""Experiments in this very process: for debuggers, and where a fresh process each is not wanted."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any

from coolrunner.errors import RunError
from coolrunner.execution import pinning
from coolrunner.execution.attempt import STATUS, facts_of
from coolrunner.execution.base import Ending, Job, Outcome, Past, Report
from coolrunner.execution.pooled import Pooled
from coolrunner.execution.slots import SlotPool
from coolrunner.execution.worker import TimedOut, run_job
from coolrunner.runs.attempts import Order, settle

__all__ = ["InlineBackend"]

_FOREVER = 1e8  # seconds that a timer can count


class InlineBackend(Pooled):
    """Runs a job at once, in `start`.

    Modules are imported once, so a later edit of theirs waits for the next study. A Module that does
    not heed an interrupt, or the end of its time, cannot be killed here: it is told again.

    Parameters
    ----------
    board
        Where the versions of the user's files are kept.
    directory
        Below it are the files that are the user's own.
    grace
        Seconds between one word to a Module whose time is up and the next.
    pool
        The slots, of which one is given at a time; by default one that binds to no CPU.
    """

    def __init__(
        self, board: pinning.PinBoard, directory: str, *, grace: float = 10.0, pool: SlotPool | None = None
    ) -> None:
        super().__init__(pool or SlotPool(pins=False))
        self._board = board
        self._uninstall = pinning.install(directory)
        self._grace = grace
        self._pid = os.getpid()

    @property
    def slots(self) -> int:
        """How many jobs run at once at the most."""
        return 1

    def start(self, job: Job, past: Past) -> None:
        """Run a job to its end."""
        self._warn(job.id, self._board.changes())
        signals = _Interruptible(job.timeout, self._grace)
        with _surroundings_kept(job):
            outcome = run_job(job, past, signals, capture=True)
        if os.getpid() != self._pid:  # a copy that the Module forked, and that came back from it as well
            os._exit(0)
        said = outcome.kind
        signals.judge(outcome)
        # It is a timeout whatever the Module made of it, and the words for it are the judge's.
        if job.run is not None and (outcome.kind != said or outcome.kind == "timeout"):
            self._settle(job.run, outcome)
        self._warn(job.id, self._board.add(pinning.take_made()))
        self._report_end(job, outcome)
        for number in signals.noted:
            signal.raise_signal(number)  # the runner hears of it as well, through its own handler

    def _settle(self, order: Order, outcome: Outcome) -> None:
        try:
            settle(order, STATUS[outcome.ending], **facts_of(outcome))
        except RunError as error:
            outcome.warnings.append(str(error))

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what the last job left."""
        while self._reports:
            yield self._reports.popleft()

    def interrupt(self, ids: Collection[str] | None = None) -> None:
        """Nothing runs outside `start`."""

    def kill(self, ids: Collection[str] | None = None) -> None:
        """Nothing runs outside `start`."""

    def close(self) -> None:
        """Let imports be what they were."""
        self._uninstall()
        self._pool.close()


@contextlib.contextmanager
def _surroundings_kept(job: Job) -> Iterator[None]:
    """Give a Module its arguments; afterwards put back what the next one must find as it was."""
    argv, sys.argv = sys.argv, list(job.argv) or sys.argv
    given = dict(job.slot.environment) if job.slot is not None else {}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    directory = None
    with contextlib.suppress(OSError):
        directory = os.getcwd()  # noqa: PTH109 - as a string, right before every experiment
    try:
        yield
    finally:
        sys.argv = argv
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if directory is not None:
            with contextlib.suppress(OSError):
                os.chdir(directory)


class _Interruptible:
    """Lets signals and the time limit break into a Module, and into nothing else.

    Attributes
    ----------
    noted
        The signals that came in meanwhile.
    """

    def __init__(self, limit: float | None, grace: float) -> None:
        self.noted: list[int] = []
        self._limit = limit if hasattr(signal, "setitimer") else None
        self._grace = grace
        self._late = False
        self._inside = False
        self._pid = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # One that is ignored from outside (nohup) stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._interrupt)
        if self._limit is not None:
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._alarm)
            signal.setitimer(signal.ITIMER_REAL, min(self._limit, _FOREVER), max(self._grace, 0.1))
        self._inside = True
        if self.noted:
            self.__exit__()
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        self._inside = False
        if self._before and self._limit is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT and os.getpid() != self._pid:
            # For a process that the Module forked, as a pool does, which ends its own in this way.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.noted.append(number)
        if self._inside:
            raise KeyboardInterrupt

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        if self._inside:
            self._late = True
            raise TimedOut("its time is up")

    def judge(self, outcome: Outcome) -> None:
        """Say what an outcome is in the light of the signals that came in."""
        if self._late:
            outcome.ending = Ending.FAILED
            outcome.kind = "timeout"
            outcome.error = f"Timeout: it ran for longer than {self._limit:g} s"
        elif self.noted and outcome.ending is Ending.FAILED:
            # What it raised came of the interrupt.
            outcome.ending, outcome.kind = Ending.INTERRUPTED, "interrupted"
