"""What a queue is, and the life of an experiment in it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from coolrunner.errors import IllegalMove

__all__ = ["ENDED", "Ended", "Facts", "Fits", "Item", "Queue", "Status", "move"]


class Status(enum.Enum):
    """Where an experiment is in its life; the values stand in journals."""

    SKIPPED = "skipped"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    REMOVED = "removed"

    __hash__ = object.__hash__  # that of an enumeration takes long, and all is counted by status


# A result is accepted whenever it comes: its experiment may have been taken for lost meanwhile.
_MOVES = {
    Status.SKIPPED: set(),
    Status.WAITING: {Status.RUNNING, Status.REMOVED, Status.DONE},
    Status.RUNNING: {Status.DONE, Status.FAILED, Status.INTERRUPTED, Status.LOST},
    Status.DONE: set(),
    Status.FAILED: {Status.WAITING, Status.REMOVED, Status.DONE},
    Status.INTERRUPTED: {Status.WAITING, Status.REMOVED, Status.DONE},
    Status.LOST: {Status.WAITING, Status.DONE},
    Status.REMOVED: {Status.WAITING, Status.DONE},
}


def move(status: Status, to: Status) -> Status:
    """Return the next status of an experiment.

    Raises
    ------
    IllegalMove
        An experiment does not go from the one to the other.
    """
    if to not in _MOVES[status]:
        raise IllegalMove(f"an experiment that is {status.value} cannot become {to.value}")
    return to


class Facts(NamedTuple):
    """What a queue has to know of an experiment without reading its text.

    Attributes
    ----------
    name
        Its ``Name``.
    index
        Its place in the study's list, from 0.
    first
        The place at which its repetition of the list begins.
    runs
        Whether it is to be run at all; what is skipped or was not picked is known to others as ``E``.
    hold
        Whether it stays and is not run.
    priority
        The higher ones are taken first.
    lane
        What it asks of a machine, as text: experiments of one lane ask for the same.
    needs
        The IDs of those that must be done before it.
    retries
        How often it is tried again when it fails.
    log
        Its YamlLog.
    """

    name: str = ""
    index: int = 0  # type: ignore[assignment]  # nobody looks for a value in facts
    first: int = 0
    runs: bool = True
    hold: bool = False
    priority: float = 0
    lane: str = ""
    needs: tuple[str, ...] = ()
    retries: int = 0
    log: str = ""

    def to_data(self) -> dict[str, Any]:
        """Return what is not as usual, `needs` left out, as plain data."""
        pairs = zip(self._fields, self, _USUAL, strict=True)
        return {name: value for name, value, usual in pairs if value != usual and name != "needs"}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], needs: tuple[str, ...] = ()) -> Facts:
        """Return the facts that `to_data` gave; what is not known here is left out."""
        get = data.get
        return cls._make((
            get("name", ""), get("index", 0), get("first", 0), get("runs", True), get("hold", False),
            get("priority", 0), get("lane", ""), needs, get("retries", 0), get("log", ""),
        ))  # fmt: skip


_USUAL = tuple(Facts._field_defaults.values())


class _Identified(Protocol):
    id: str


Item = TypeVar("Item", bound=_Identified)
#: Whether an experiment of a lane may be started now.
Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended, beside its status.

    Attributes
    ----------
    error, kind
        Of a failure: the last line, and what kind it is.
    elapsed
        Seconds that it ran.
    retry_at
        When it is tried again, in seconds since the epoch; None for never.
    run
        Its run directory, where that is worth noting for an attempt that goes on in it.
    """

    error: str = ""
    kind: str = ""
    elapsed: float = 0.0
    retry_at: float | None = None
    run: str = ""


#: There is nothing to say beside the status.
ENDED = Ended()


class Queue(Protocol, Generic[Item]):
    """The experiments of a study in order; every queue passes one contract test.

    An experiment that was taken is the taker's until `finish` says how it ended.
    """

    def put(self, items: Iterable[Item]) -> None:
        """Add experiments at the end; none where the ``id`` of one is known already, a ValueError."""

    def take(self, fits: Fits | None = None) -> Item | None:
        """Take the next experiment, which is running from now on; None where none can be started.

        That is the first of the highest priority that is not held back, needs nothing that is not done,
        and whose lane `fits` (asked once for a lane, in the order of their first experiments).
        """

    def finish(
        self,
        identity: str,
        status: Status,
        ended: Ended = ENDED,
        commit: Callable[[], None] | None = None,
    ) -> bool:
        """Say how a running experiment ended; `commit` writes its result down, if that is still wanted.

        One that was lost waits again, in its old place. False where it has been finished already, by
        another runner that took it for lost: then `commit` is not called.

        One that never ran is an `coolrunner.errors.IllegalMove`, one that was never put a KeyError.
        """

    def status(self, identity: str) -> Status:
        """Return where an experiment is in its life; a KeyError for one that was never put."""

    def waiting(self) -> list[Item]:
        """Return the waiting experiments, in the order in which they stand."""

    def __len__(self) -> int:
        """Return how many wait."""
