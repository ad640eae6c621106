"""Stopping what runs: an experiment that is cancelled, or all of them and then the study."""

from __future__ import annotations

import time
from collections.abc import Callable

from coolrunner.definition.plan import Planned
from coolrunner.events import Event, Notice, Pausing, Stopping
from coolrunner.execution.base import Backend
from coolrunner.execution.stopping import Phase, Stop
from coolrunner.studies.holder import QueueHolder

__all__ = ["Stopper"]

#: Seconds in which a second Ctrl-C ends the study.
PAUSE = 2.0
# Seconds after which what was killed, and has not ended, is killed again.
_AGAIN = 1.0


class Stopper:
    """Moves a study through the steps of stopping: ask, wait, kill, pause, go on or end.

    Parameters
    ----------
    stop
        How far it has come.
    holder
        Where experiments wait.
    backend
        What runs them.
    emit
        Announces.
    grace
        Seconds between asking an experiment to stop and killing it.
    waits
        Whether the study stays when nothing is left.
    attended
        Whether a person is there, who may want to keep what is left.
    """

    def __init__(
        self,
        stop: Stop,
        holder: QueueHolder,
        backend: Backend,
        emit: Callable[[Event], None],
        *,
        grace: float,
        waits: bool,
        attended: bool,
    ) -> None:
        self._stop = stop
        self._holder = holder
        self._backend = backend
        self._emit = emit
        self._grace = grace
        self._waits = waits
        self._attended = attended
        self._cancelled: dict[str, float] = {}

    # --- one experiment ---

    def cancel(self, planned: Planned) -> None:
        """Ask a running experiment to stop, and kill it when its time is up; to be called until it ends."""
        now = time.monotonic()
        if planned.id not in self._cancelled:
            self._cancelled[planned.id] = now + self._grace
            self._emit(Notice(f"{planned.name} ({planned.id}) is cancelled", "info"))
            self._backend.interrupt({planned.id})
        elif now >= self._cancelled[planned.id]:
            self._cancelled[planned.id] = now + _AGAIN
            self._backend.kill({planned.id})

    def ended(self, identity: str) -> None:
        """Take note of the end of an experiment, which may be started again."""
        self._cancelled.pop(identity, None)

    # --- all of them ---

    def step(self, *, runs: bool, paused: bool) -> None:
        """Do what is to be done now.

        Parameters
        ----------
        runs
            Whether an experiment runs.
        paused
            Whether the study has paused by itself: then whoever stops it does not want it to go on.
        """
        stop = self._stop
        if stop.keep:
            stop.keep = False
            self._holder.keep()
        if stop.requested:
            stop.requested = False
            stop.final = stop.final or paused
            if runs:
                self._emit(Stopping(stop.reason, self._grace, stop.final))
                self._backend.interrupt()
            stop.begin(Phase.STOPPING, self._grace)
        if stop.kill_now:
            stop.kill_now = False
            if runs:
                self._emit(Stopping(stop.reason, 0.0, True))
                self._backend.kill()
        if stop.phase is Phase.STOPPING:
            self._wait_for_end(runs=runs)
        elif stop.phase is Phase.PAUSING and (stop.final or stop.is_over()):
            stop.begin(Phase.ENDED if stop.final else Phase.NONE)

    def _wait_for_end(self, *, runs: bool) -> None:
        stop = self._stop
        if runs and stop.is_over():
            self._backend.kill()
            stop.begin(Phase.STOPPING, _AGAIN)
        elif not runs and (stop.final or not (self._holder.left or self._waits)):
            stop.begin(Phase.ENDED)
        elif not runs:
            self._emit(Pausing(PAUSE, self._attended and self._holder.can_be_kept))
            stop.begin(Phase.PAUSING, PAUSE)

    def hear(self, typed: str) -> None:
        """Take notice of what a person has typed in the pause."""
        if typed.strip().lower() == "w" and self._holder.can_be_kept:
            self._holder.keep()
            self._stop.final = True
