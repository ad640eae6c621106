"""What the runner announces, and to whom.

The core prints nothing. It emits the events below; the console, Slack and tests listen. A listener
that cannot start is fatal. One that fails later is reported once, left out from then on, and cannot
stop a study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

__all__ = [
    "Announcer",
    "Event",
    "ExperimentFailed",
    "ExperimentFinished",
    "ExperimentInterrupted",
    "ExperimentStarted",
    "Listener",
    "Notice",
    "OutputWritten",
    "Pausing",
    "Stopping",
    "StudyFinished",
    "StudyStarted",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""


@dataclass(frozen=True, slots=True)
class StudyStarted(Event):
    """A study begins.

    Attributes
    ----------
    study
        The definition's file name.
    total
        How many experiments are going to run.
    skipped
        How many are defined and never run.
    """

    study: str
    total: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ExperimentStarted(Event):
    """An experiment begins.

    Attributes
    ----------
    index
        Its place in the whole list, from 0; what ``--pick`` counts.
    id, name
        Its ``ID`` and ``Name``.
    differing
        The keys (dotted) in which it differs from the others of its study, and their values.
    """

    index: int
    id: str
    name: str
    differing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputWritten(Event):
    """A running experiment wrote to its standard output or error; only where output is captured.

    Attributes
    ----------
    id
        The experiment's ``ID``.
    data
        The bytes as written, cut anywhere.
    """

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ExperimentFinished(Event):
    """An experiment is done, and its result is in the YamlLog.

    Attributes
    ----------
    index, id, name
        As in `ExperimentStarted`.
    record
        The document as it stands in the log.
    results
        The keys of `record` that the Module wrote, in the order written.
    elapsed
        Seconds.
    log
        The YamlLog.
    differing
        As in `ExperimentStarted`.
    """

    index: int
    id: str
    name: str
    record: Mapping[str, Any]
    results: Sequence[str]
    elapsed: float
    log: str
    differing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentFailed(Event):
    """An experiment failed, and its traceback is in the log of failures.

    Attributes
    ----------
    index, id, name, elapsed
        As in `ExperimentFinished`.
    record
        The document as it stands in the log of failures.
    error
        The last line, such as ``ValueError: lr must be positive``.
    traceback
        All of it; may be empty, for a process that was killed.
    log
        The log of failures.
    """

    index: int
    id: str
    name: str
    record: Mapping[str, Any]
    error: str
    traceback: str
    elapsed: float
    log: str
    differing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentInterrupted(Event):
    """A person stopped an experiment; it stands in no log."""

    index: int
    id: str
    name: str
    elapsed: float


@dataclass(frozen=True, slots=True)
class Stopping(Event):
    """The running experiments were asked to stop; after `grace` seconds they are killed.

    Attributes
    ----------
    reason
        What asked for it: ``Ctrl-C``, ``SIGTERM``, ...
    final
        Whether the study ends with them.
    """

    reason: str
    grace: float
    final: bool


@dataclass(frozen=True, slots=True)
class Pausing(Event):
    """After an interrupt: a second Ctrl-C within `seconds` ends the study.

    Attributes
    ----------
    keeps
        Whether typing ``w`` and Enter ends it, too, and writes what is left to a file.
    """

    seconds: float
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something that a person should know.

    Attributes
    ----------
    level
        ``info``, ``warning`` or ``error``.
    """

    message: str
    level: str = "warning"


@dataclass(frozen=True, slots=True)
class StudyFinished(Event):
    """A study is over.

    Attributes
    ----------
    done, failed, interrupted, left
        Counts of experiments; `left` ones were never started.
    elapsed
        Seconds.
    status
        The exit status: 0 all done, 1 some failed or were interrupted, 130 ended by a person.
    logs
        The YamlLogs that were written to.
    failed_logs
        The logs of failures that were written to.
    unfinished
        Indices of the experiments that failed, were interrupted or are left, for ``--pick``.
    queue
        The queue file in which what is left waits; empty where there is none.
    stopped
        How many experiments of the queue have failed or were interrupted, whoever ran them.
    """

    study: str
    done: int
    failed: int
    interrupted: int
    left: int
    elapsed: float
    status: int
    logs: Sequence[str] = ()
    failed_logs: Sequence[str] = ()
    unfinished: Sequence[int] = ()
    queue: str = ""
    stopped: int = 0


class Listener(Protocol):
    """Who is told of events."""

    def start(self) -> None:
        """Make ready; raise `coolrunner.errors.ListenerError` to keep the study from beginning."""

    def handle(self, event: Event) -> None:
        """Take notice of one event; must not take long."""

    def close(self) -> None:
        """Finish; called once, also where the study broke off."""


class Announcer:
    """Hands each event to every listener, in the order in which they were added.

    Parameters
    ----------
    listeners
        Who listens.
    """

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = list(listeners)

    def add(self, listener: Listener) -> None:
        """Add a listener, before `start`."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Start every listener; what one raises ends the study before it begins."""
        for listener in self._listeners:
            listener.start()

    def emit(self, event: Event) -> None:
        """Tell every listener."""
        for listener in tuple(self._listeners):
            if listener in self._listeners:  # it may have failed at a notice in between
                self._guarded(listener, partial(listener.handle, event))

    def close(self) -> None:
        """Close every listener, the first one last: it hears what the others still have to say."""
        for listener in reversed(tuple(self._listeners)):
            if listener in self._listeners:
                self._guarded(listener, listener.close)
            if listener in self._listeners:
                self._listeners.remove(listener)

    def _guarded(self, listener: Listener, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            if listener not in self._listeners:
                return
            self._listeners.remove(listener)
            name = type(listener).__name__
            self.emit(Notice(f"{name} failed and is left out from now on: {type(error).__name__}: {error}"))
