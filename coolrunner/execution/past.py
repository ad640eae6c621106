"""``E`` for ``solve``: the experiments before one, which must have finished, with their results."""

from __future__ import annotations

import bisect

from coolrunner.definition.plan import Plan, Planned
from coolrunner.execution.base import Past
from coolrunner.experiment import Experiment, freeze
from coolrunner.queue.base import Queue, Status

__all__ = ["PastIndex"]


_WHY = {
    Status.WAITING: "it has not run yet",
    Status.RUNNING: "it is still running",
    Status.FAILED: "it failed",
    Status.INTERRUPTED: "it was interrupted",
    Status.LOST: "it was lost",
}


class PastIndex:
    """Finds the experiments before one, in its repetition of the list, by place or name."""

    def __init__(self, plan: Plan, queue: Queue[Planned]) -> None:
        self._plan = plan
        self._queue = queue
        self._by_name: dict[str, list[int]] | None = None

    def of(self, planned: Planned) -> Past:
        """Return what stands before `planned`."""
        return _PastOf(self, planned)

    def find(self, planned: Planned, key: int | str) -> Experiment:
        """Return the experiment that ``E[key]`` means to `planned`, for reading.

        Raises
        ------
        LookupError
            There is none, or it has no results; the message says why.
        """
        first = planned.index - planned.before
        if isinstance(key, str):
            index = self._nearest(key, first, planned.index)
        else:
            index = planned.index + key if key < 0 else first + key
            if not first <= index < planned.index:
                raise IndexError(f"E[{key}]: there are {planned.before} experiments before this one")
        found = self._plan.experiments[index]
        where = f"experiment {found.name!r} (index {index})"
        if not found.runs:
            return found.experiment
        try:
            status = self._queue.status(found.id)
        except KeyError:
            pick = f"pick it, too: --pick {found.index},{planned.index}"
            raise LookupError(f"{where} was not picked, so it has no results; {pick}") from None
        if status is not Status.DONE:
            raise LookupError(f"{where} has no results: {_WHY[status]}")
        return Experiment(dict(found.experiment.inputs), freeze(dict(found.experiment.results)))

    def _nearest(self, name: str, first: int, before: int) -> int:
        if self._by_name is None:
            self._by_name = {}
            for planned in self._plan.experiments:
                self._by_name.setdefault(planned.name, []).append(planned.index)
        places = self._by_name.get(name, [])
        place = bisect.bisect_left(places, before) - 1
        if place < 0 or places[place] < first:
            raise LookupError(f"no experiment before this one is named {name!r}")
        return places[place]


class _PastOf(Past):
    def __init__(self, index: PastIndex, planned: Planned) -> None:
        self._index = index
        self._planned = planned

    def get(self, key: int | str) -> Experiment:
        """Return an experiment with its results."""
        return self._index.find(self._planned, key)

    def __len__(self) -> int:
        return self._planned.before
