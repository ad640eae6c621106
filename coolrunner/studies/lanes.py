"""What experiments ask for, lane by lane, and which of them is started next."""

from __future__ import annotations

from collections.abc import Callable

from coolrunner.definition.plan import Planned
from coolrunner.definition.resources import Resources
from coolrunner.events import Event, Notice
from coolrunner.execution.base import Backend
from coolrunner.experiment import Slot
from coolrunner.studies.holder import QueueHolder

__all__ = ["Lanes"]


class Lanes:
    """Takes experiments from the queue, each with a slot that has what its lane asks for.

    Parameters
    ----------
    holder
        Where the experiments wait.
    backend
        Has the slots.
    emit
        Announces.
    """

    def __init__(self, holder: QueueHolder, backend: Backend, emit: Callable[[Event], None]) -> None:
        self._holder = holder
        self._backend = backend
        self._emit = emit
        self._lanes: dict[str, tuple[Resources, bool]] = {}

    def any_possible(self) -> bool:
        """Whether something can be taken that this machine can run, be it only once there is room."""
        return any(self._look_up(lane)[1] for lane in self._holder.ledger.lanes())

    def take(self) -> tuple[Planned, Slot] | None:
        """Take the next experiment for which there is room, with its slot; None where there is none.

        Raises
        ------
        QueueError
            The queue cannot be worked on: nothing is taken.
        """
        reserved: list[Slot] = []

        def fits(lane: str) -> bool:
            resources, is_possible = self._look_up(lane)
            slot = self._backend.reserve(resources) if is_possible else None
            if slot is not None:
                reserved.append(slot)
            return slot is not None

        planned = None
        try:
            planned = self._holder.queue.take(fits)
        finally:
            if planned is None:
                for slot in reserved:
                    self._backend.release(slot)
        return None if planned is None else (planned, reserved[-1])

    def _look_up(self, lane: str) -> tuple[Resources, bool]:
        """Return what a lane asks for, and whether this machine can ever have it; said once if not."""
        if lane not in self._lanes:
            resources = Resources.from_text(lane)
            why = self._backend.impossible(resources)
            self._lanes[lane] = resources, not why
            if why:
                self._say_impossible(lane, why)
        return self._lanes[lane]

    def _say_impossible(self, lane: str, why: str) -> None:
        waiting = self._holder.ledger.waiting()
        first, *others = [entry for entry in waiting if entry.facts.lane == lane and not entry.facts.hold]
        left = "it is"
        if others:
            left = f"it and {len(others)} {'other' if len(others) == 1 else 'others'} like it are"
        self._emit(Notice(f"{first.facts.name} ({first.id}) {why}; {left} left for another machine"))
