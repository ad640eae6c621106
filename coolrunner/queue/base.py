"""What a queue is, and the life of an experiment in it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from coolrunner.errors import IllegalMove

__all__ = ["Item", "Queue", "Status", "move"]


class Status(enum.Enum):
    """Where an experiment is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


_MOVES = {
    Status.WAITING: {Status.RUNNING},
    Status.RUNNING: {Status.DONE, Status.FAILED, Status.INTERRUPTED, Status.LOST},
    Status.DONE: set(),
    Status.FAILED: {Status.WAITING},
    Status.INTERRUPTED: {Status.WAITING},
    Status.LOST: {Status.WAITING},
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


class _Identified(Protocol):
    id: str


Item = TypeVar("Item", bound=_Identified)


class Queue(Protocol, Generic[Item]):
    """The experiments of a study in order; every queue passes one contract test.

    An experiment that was taken is the taker's until `finish` says how it ended.
    """

    def put(self, items: Iterable[Item]) -> None:
        """Add experiments at the end; none where the ``id`` of one is known already, a ValueError."""

    def take(self) -> Item | None:
        """Take the first waiting experiment, which is running from now on; None where none waits."""

    def finish(self, identity: str, status: Status) -> None:
        """Say how a running experiment ended. One that was lost waits again, in its old place.

        One that is not running is an `coolrunner.errors.IllegalMove`, one that was never put a KeyError.
        """

    def status(self, identity: str) -> Status:
        """Return where an experiment is in its life; a KeyError for one that was never put."""

    def waiting(self) -> list[Item]:
        """Return the waiting experiments, in order."""

    def __len__(self) -> int:
        """Return how many wait."""
