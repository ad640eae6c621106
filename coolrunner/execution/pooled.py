"""What backends have in common that give out shares of this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from coolrunner.execution.base import Ended, Job, Outcome, Report, Warned
from coolrunner.execution.slots import SlotPool
from coolrunner.experiment import Slot

if TYPE_CHECKING:
    from coolrunner.definition.resources import Resources

__all__ = ["Pooled"]


class Pooled:
    """The part of a `coolrunner.execution.base.Backend` that has to do with slots, from a pool of them.

    Parameters
    ----------
    pool
        The slots.
    """

    def __init__(self, pool: SlotPool) -> None:
        self._pool = pool
        self._reports: deque[Report] = deque()

    @property
    def slots(self) -> int:
        """How many jobs run at once at the most."""
        return self._pool.most

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to ask for a slot again."""
        return self._pool.retry_after

    @property
    def outlives(self) -> bool:
        """False: what runs on this machine ends with its runner."""
        return False

    def reserve(self, resources: Resources) -> Slot | None:
        """Return a slot, or None while what it takes is in use."""
        slot = self._pool.reserve(resources)
        self._warn("", self._pool.take_warnings())
        return slot

    def release(self, slot: Slot) -> None:
        """Take back a slot that was not used."""
        self._pool.release(slot)

    def impossible(self, resources: Resources) -> str:
        """Say why these can never be had."""
        return self._pool.impossible(resources)

    def _warn(self, identity: str, messages: Iterable[str]) -> None:
        """Report what a person should know of a job, or of no job in particular."""
        self._reports.extend(Warned(identity, message) for message in messages)

    def _report_end(self, job: Job, outcome: Outcome) -> None:
        """Report the end of a job, whose slot is free by then."""
        if job.slot is not None:
            self._pool.release(job.slot)
        self._reports.append(Ended(job.id, outcome))
