"""What a backend is: it starts jobs and reports what becomes of them."""

from __future__ import annotations

import abc
import enum
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from coolrunner.experiment import Experiment, Slot
from coolrunner.runs.attempts import Order

if TYPE_CHECKING:
    from coolrunner.definition.resources import Resources

__all__ = ["Backend", "Begun", "Ended", "Ending", "Job", "Outcome", "Output", "Past", "Report", "Warned"]


@dataclass(frozen=True, slots=True)
class Job:
    """One experiment to run.

    Attributes
    ----------
    id
        The experiment's ``ID``.
    inputs
        Its configuration, with ``solve`` values as text.
    argv
        What the Module sees as ``sys.argv``.
    imports
        What ``solve`` expressions may use, as in ``Global.imports``.
    timeout
        Seconds after which it has failed; None for never.
    slot
        What it may use of the machine, as reserved; None for a process that is left as it is.
    run
        The run directory to make for it; None for none.
    """

    id: str
    inputs: Mapping[str, Any]
    argv: Sequence[str] = ()
    imports: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    slot: Slot | None = None
    run: Order | None = None


class Ending(enum.Enum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


@dataclass(slots=True)
class Outcome:
    """What came of a job.

    Attributes
    ----------
    results
        What the Module added, as plain data, in the order written; also where it failed later on.
    solved
        The plain values that ``solve`` gave, by dotted key.
    unread
        The inputs that the Module never looked at.
    error, traceback
        For a failure: the last line, and all of it (empty for a process that was killed).
    kind
        Why it did not finish: ``exception``, ``timeout``, ``signal`` (its process was killed by one),
        ``exit`` (its process left by itself), ``memory`` (a MemoryError, or killed by the kernel for want
        of memory), ``lost`` or ``interrupted``; empty for one that finished.
    started
        Seconds since the epoch.
    elapsed
        Seconds that the Module's function took.
    warnings
        What a person should know of it.
    run
        Its run directory, as logs name it; empty for none, or for the one that was ordered.
    sources
        What the run remembers of the project's files that it imported.
    """

    ending: Ending
    results: dict[str, Any] = field(default_factory=dict)
    solved: dict[str, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    error: str = ""
    traceback: str = ""
    kind: str = ""
    started: float = 0.0
    elapsed: float = 0.0
    warnings: list[str] = field(default_factory=list)
    run: str = ""
    sources: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The base of what a backend reports of a job."""

    id: str


@dataclass(frozen=True, slots=True)
class Begun(Report):
    """A job has a process of its own, which leads a group: `pid`. Not reported where it has none."""

    pid: int


@dataclass(frozen=True, slots=True)
class Output(Report):
    """Bytes that a job wrote to its standard output or error, where they are captured."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Warned(Report):
    """Something that a person should know; `id` may be empty."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended(Report):
    """A job is over and nothing of it runs any more."""

    outcome: Outcome


class Past(abc.ABC):
    """``E`` for ``solve``: the experiments before a job, which must have finished when asked for."""

    @abc.abstractmethod
    def get(self, key: int | str) -> Experiment:
        """Return one with its results, by place or by name.

        Raises
        ------
        LookupError
            It cannot be had; the message says why. An IndexError for a place before the first one.
        """

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return how many stand before the job, finished or not."""

    def __getitem__(self, key: int | str | slice) -> Experiment | list[Experiment]:
        """Return an experiment, or a list of them for a slice."""
        if isinstance(key, slice):
            return [self.get(index) for index in range(*key.indices(len(self)))]
        return self.get(key)

    def __iter__(self) -> Iterator[Experiment]:
        """Yield all of them, in order."""
        return (self.get(index) for index in range(len(self)))


class Backend(Protocol):
    """Starts jobs on slots; every backend passes one contract test.

    A job is started in three steps: `reserve` a slot, make a `Job` of it, and `start` that. From then on
    the slot is the backend's, which takes it back before it reports the end of the job. What a job has left
    elsewhere is removed at the earliest when the reports that come after its end are asked for.
    """

    @property
    def slots(self) -> int:
        """How many jobs run at once at the most; what they ask for may leave room for fewer."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a `reserve` that gave nothing may give something, though no job has ended.

        None where only the end of a job of this backend can change the answer.
        """

    @property
    def outlives(self) -> bool:
        """Whether running jobs go on where their runner is gone, and a later runner takes them up."""

    def reserve(self, resources: Resources) -> Slot | None:
        """Return a slot for one job that needs these; None while they are in use."""

    def release(self, slot: Slot) -> None:
        """Take back a slot that no job was started on."""

    def impossible(self, resources: Resources) -> str:
        """Say why these can never be reserved, after the name of who asks; empty where they can."""

    def start(self, job: Job, past: Past) -> None:
        """Start a job, or run it at once."""

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what has happened, after waiting up to `timeout` seconds for something to happen.

        Comes back earlier, with nothing, when a signal has come in.
        """

    def interrupt(self, ids: Collection[str] | None = None) -> None:
        """Pass an interrupt on to running jobs, all or these; those that stop for it are interrupted."""

    def kill(self, ids: Collection[str] | None = None) -> None:
        """End running jobs at once, all or these; those that had not finished are interrupted."""

    def close(self) -> None:
        """End whatever still runs, where it does not outlive its runner, and let go of everything."""
