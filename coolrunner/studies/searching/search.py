"""The searches of a study while it runs: trials into the queue, and what came of them to Optuna.

A trial is asked for at Optuna, gets the ``ID`` of its experiments, and only then its experiments are put into
the queue; it is told once they have ended. All of it happens under the lock of the search's file, in an order
such that whoever goes on after a kill finds what is missing: a trial without experiments gets them, and one
whose experiments have ended is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from coolrunner.definition.plan import Planned
from coolrunner.events import Event, Notice
from coolrunner.execution.base import Outcome
from coolrunner.runs.session import Run
from coolrunner.studies.holder import QueueHolder

if TYPE_CHECKING:
    from pathlib import Path

    from coolrunner.studies.searching.ongoing import OngoingSearch
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = ["Searches"]

# Seconds between two looks at the metrics of what runs.
_LOOK = 0.1


class Searches:
    """All searches of a study.

    Parameters
    ----------
    plans
        What is searched.
    holder
        Where experiments wait.
    emit
        Announces.
    run_of
        Returns the run directory of an experiment that runs; empty for none.
    slots
        Returns how many experiments run at once here.
    go_on
        Whether a search that is complete stays so; otherwise it begins anew, and its trials are kept aside.
    """

    def __init__(
        self,
        plans: Sequence[SearchPlan],
        holder: QueueHolder,
        emit: Callable[[Event], None],
        run_of: Callable[[str], str],
        slots: Callable[[], int],
        *,
        go_on: bool,
    ) -> None:
        self._plans = plans
        self._holder = holder
        self._emit = emit
        self._run_of = run_of
        self._slots = slots
        self._go_on = go_on
        self._searches: list[OngoingSearch] = []
        self._looked = 0.0

    def begin(self) -> None:
        """Open what is kept of earlier trials, and put the first ones into the queue.

        Raises
        ------
        QueueError
            They cannot be kept.
        """
        by_file: dict[Path, list[SearchPlan]] = {}
        for plan in self._plans:
            by_file.setdefault(plan.storage, []).append(plan)
        for path, plans in by_file.items():
            opened = self._open(path, plans)
            if not self._go_on and all(search.is_complete for search in opened):
                opened[0].file.close()
                path.replace(aside := path.with_name(f"{path.name}.before"))
                self._emit(Notice(f"the trials of before are kept in {aside}", "info"))
                opened = self._open(path, plans)
            self._searches += opened
        self._holder.expected = lambda: self.left
        for search in self._searches:
            search.tell_of_start()
        if any(search.prunes for search in self._searches):
            Run.before_asking = self._watch_now
        self.step()

    def _open(self, path: Path, plans: Iterable[SearchPlan]) -> list[OngoingSearch]:
        from optuna.storages import JournalStorage

        from coolrunner.studies.searching.ongoing import OngoingSearch
        from coolrunner.studies.searching.storage import SearchFile

        file = SearchFile(path)
        with file.locked():
            storage = JournalStorage(file)
            return [
                OngoingSearch(plan, file, storage, self._holder, self._emit, self._run_of, self._slots())
                for plan in plans
            ]

    @property
    def left(self) -> int:
        """How many trials are still to be asked for."""
        return sum(search.left for search in self._searches)

    @property
    def paths(self) -> list[tuple[Any, ...]]:
        """The keys that are varied."""
        return list(dict.fromkeys(path for plan in self._plans for path in plan.search.space))

    def step(self, *, asks: bool = True, here: Collection[str] = ()) -> None:
        """Tell what has ended; ask for as many trials as there is room for, if `asks`.

        Parameters
        ----------
        here
            The experiments that run here.

        Raises
        ------
        QueueError
            The trials cannot be kept, or not be put into the queue.
        """
        for search in self._searches:
            search.step(asks=asks, here=here)

    def goes_on(self, here: Collection[str] = ()) -> bool:
        """Whether more trials may be asked for without a person's doing more."""
        return any(search.goes_on(here) for search in self._searches)

    def next_look(self) -> float | None:
        """Return the seconds until it is worth looking at what runs; None for never."""
        return _LOOK if any(search.watches for search in self._searches) else None

    def watch(self) -> None:
        """Look at what runs, and let know what is to end early."""
        if time.monotonic() - self._looked >= _LOOK:
            self._watch_now()

    def _watch_now(self) -> None:
        self._looked = time.monotonic()
        for search in self._searches:
            search.watch()

    def ended(self, planned: Planned, outcome: Outcome) -> None:
        """Take note of what came of an experiment, before that is written down."""
        for search in self._searches:
            search.ended(planned, outcome)

    def close(self) -> None:
        """Say what was found, and let go."""
        Run.before_asking = None
        for search in self._searches:
            search.tell_of_end()
        for file in {id(search.file): search.file for search in self._searches}.values():
            file.close()
        self._searches = []
