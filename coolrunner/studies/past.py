"""``E`` for ``solve``: the experiments before one, which must have finished, with their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coolrunner.definition.names import GIVEN_NAMES
from coolrunner.definition.plan import Planned
from coolrunner.execution.base import Past
from coolrunner.experiment import Experiment, freeze
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.studies.holder import QueueHolder

__all__ = ["PastIndex"]


_WHY = {
    Status.WAITING: "it has not run yet",
    Status.RUNNING: "it is still running",
    Status.FAILED: "it failed",
    Status.INTERRUPTED: "it was interrupted",
    Status.LOST: "it was lost",
    Status.REMOVED: "it was deleted from the queue",
}


class PastIndex:
    """Finds the experiments before one, in its repetition of the list, by place or name.

    Parameters
    ----------
    holder
        Where all experiments of the study are known.
    """

    def __init__(self, holder: QueueHolder) -> None:
        self._holder = holder
        self._results: dict[str, Mapping[str, Any]] = {}
        self._by_name: dict[str, list[int]] = {}
        self._indexed = 0

    def remember(self, identity: str, results: Mapping[str, Any]) -> None:
        """Keep the results of a finished experiment at hand; others are looked up in their logs."""
        self._results[identity] = results

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
        first = planned.first
        if isinstance(key, str):
            index = self._nearest(key, first, planned.index)
        else:
            index = planned.index + key if key < 0 else first + key
            if not first <= index < planned.index:
                raise IndexError(f"E[{key}]: there are {planned.before} experiments before this one")
        ledger = self._holder.ledger
        entry = ledger.entries[ledger.roster[index]]
        found = self._holder.queue.item(entry)
        where = f"experiment {found.name!r} (index {index})"
        if not found.runs:
            return found.experiment
        if entry.status is Status.SKIPPED:
            pick = f"pick it, too: --pick {index},{planned.index}"
            raise LookupError(f"{where} was not picked, so it has no results; {pick}")
        if entry.status is not Status.DONE:
            raise LookupError(f"{where} has no results: {_WHY[entry.status]}")
        return Experiment(dict(found.experiment.inputs), freeze(dict(self._results_of(entry, found, where))))

    def _results_of(self, entry: Entry, found: Planned, where: str) -> Mapping[str, Any]:
        results = self._results.get(entry.id)
        if results is None:
            from coolrunner.results.logs.finding import find_record

            record = find_record(entry.facts.log, entry.id)
            if record is None:
                raise LookupError(f"{where} has no results: they are not in {entry.facts.log} any more")
            inputs = found.experiment.inputs
            results = {
                key: value for key, value in record.items() if key not in inputs and key not in GIVEN_NAMES
            }
            self._results[entry.id] = results
        return results

    def _nearest(self, name: str, first: int, before: int) -> int:
        ledger = self._holder.ledger
        while self._indexed < ledger.next_index:
            identity = ledger.roster.get(self._indexed)
            if identity is not None:
                self._by_name.setdefault(ledger.entries[identity].facts.name, []).append(self._indexed)
            self._indexed += 1
        for index in reversed(self._by_name.get(name, ())):
            if first <= index < before:
                return index
        raise LookupError(f"no experiment before this one is named {name!r}")


class _PastOf(Past):
    def __init__(self, index: PastIndex, planned: Planned) -> None:
        self._index = index
        self._planned = planned

    def get(self, key: int | str) -> Experiment:
        """Return an experiment with its results."""
        return self._index.find(self._planned, key)

    def __len__(self) -> int:
        return self._planned.before
