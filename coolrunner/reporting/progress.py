"""How far a study is: what is done and what runs, and how long the rest may take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    StudyStarted,
)

__all__ = ["Progress", "Running"]


@dataclass(frozen=True, slots=True)
class Running:
    """An experiment that runs now; `ordinal` counts the starts of a study, from 1."""

    ordinal: int
    name: str
    differing: Mapping[str, Any]
    since: float


@dataclass(eq=False)
class Progress:
    """The counts of a study, kept up to date by its events.

    Attributes
    ----------
    total
        How many experiments there are to run.
    running
        What runs now, by ``ID``, in the order started.
    """

    total: int = 0
    started: int = 0
    done: int = 0
    failed: int = 0
    interrupted: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    # The seconds that led to a result or a failure, and since when the next ones count.
    _spent: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    def take(self, event: Event) -> None:
        """Take notice of an event; one that ends an experiment leaves it in `running` until `drop`."""
        kind = type(event)
        if kind is ExperimentStarted:
            assert isinstance(event, ExperimentStarted)
            self.started += 1
            # A queue may have grown while it was worked off.
            self.total = max(self.total, self.started)
            self.running[event.id] = Running(self.started, event.name, event.differing, time.monotonic())
        elif kind is ExperimentFinished:
            self.done += 1
            self._count_time()
        elif kind is ExperimentFailed:
            self.failed += 1
            self._count_time()
        elif kind is ExperimentInterrupted:
            self.interrupted += 1
            if len(self.running) <= 1:  # with the last one that ran; the time of others still counts
                self._since = time.monotonic()
        elif kind is StudyStarted:
            assert isinstance(event, StudyStarted)
            self.total, self._since = event.total, time.monotonic()

    def _count_time(self) -> None:
        now = time.monotonic()
        self._spent += now - self._since
        self._since = now

    def drop(self, identity: str) -> None:
        """Forget an experiment that does not run any more."""
        self.running.pop(identity, None)

    def place(self, identity: str) -> str:
        """Return ``3/16``: the third experiment to be started, of sixteen."""
        running = self.running.get(identity)
        return f"{running.ordinal if running else self.started}/{self.total}"

    @property
    def ended(self) -> int:
        """How many experiments are over, one way or the other."""
        return self.done + self.failed + self.interrupted

    @property
    def left(self) -> int:
        """How many experiments are not over yet, those that run included."""
        return max(self.total - self.ended, 0)

    def remaining(self) -> float | None:
        """Return an estimate of the seconds that are left, or None before the first end.

        What counts is the time from one end to the next: it knows of experiments that run side by
        side and of what passes between two of them. Those that were interrupted tell nothing of how
        long one takes.
        """
        counted = self.done + self.failed
        if not counted:
            return None
        each = self._spent / counted
        return max(each * (self.total - self.ended) - (time.monotonic() - self._since), 0.0)
