"""What came of each experiment: written down first, then announced."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from coolrunner.definition.differing import pick_keys
from coolrunner.definition.plan import Planned
from coolrunner.errors import LogError, QueueError
from coolrunner.events import Event, ExperimentFailed, ExperimentFinished, ExperimentInterrupted, Notice
from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.stopping import Stop
from coolrunner.queue.base import Ended, Status
from coolrunner.studies.brief import Brief
from coolrunner.studies.holder import QueueHolder
from coolrunner.studies.past import PastIndex
from coolrunner.studies.patience import Patience, retry_delay
from coolrunner.studies.records import Records

__all__ = ["Outcomes"]

#: How often an experiment may be lost to a broken helper before it counts as failed.
MAX_LOSSES = 2


class Outcomes:
    """Takes what came of experiments to the queue, the logs and the listeners.

    Parameters
    ----------
    brief, holder
        The study, and where its experiments are known.
    emit
        Announces.
    stop
        Is told to end the study where failures or a broken queue demand it.
    past
        Is given results that others may ask for.
    max_failures
        How many failures end the study; None for any number.
    attended
        Whether a person is there, who may go on after a pause.

    Attributes
    ----------
    records
        The logs.
    counts
        How many experiments have ended in each way.
    unfinished
        The places of those that failed or were interrupted.
    paused
        Why this runner starts nothing for now, though the queue may go on; empty where it does.
    differing
        The keys in which the experiments differ, by their paths.
    """

    def __init__(
        self,
        brief: Brief,
        holder: QueueHolder,
        emit: Callable[[Event], None],
        stop: Stop,
        past: PastIndex,
        max_failures: int | None,
        *,
        attended: bool,
    ) -> None:
        self.records = Records(brief.name, lambda text: emit(Notice(text, "error")))
        self.counts: Counter[Ending] = Counter()
        self.unfinished: set[int] = set()
        self.paused = ""
        self.differing: list[tuple[Any, ...]] = []
        self._brief = brief
        self._holder = holder
        self._emit = emit
        self._stop = stop
        self._past = past
        self._attended = attended
        self._patience = Patience(max_failures, breaker=brief.settings.breaker)
        self._losses: Counter[str] = Counter()
        self._unread: dict[str, tuple[set[str], set[str]]] = {}

    def take(self, planned: Planned, outcome: Outcome) -> None:
        """Write down how an experiment ended, then announce it: in this order."""
        if outcome.ending is Ending.LOST and not self._is_lost(planned, outcome):
            return
        for warning in outcome.warnings:
            self._emit(Notice(f"{planned.name}: {warning}"))
        if outcome.ending is Ending.FINISHED:
            self._record_finished(planned, outcome)
        elif outcome.ending is Ending.FAILED:
            self._record_failed(planned, outcome)
        else:
            self._finish(planned, Status.INTERRUPTED, outcome)
            self.unfinished.add(planned.index)
            self.counts[Ending.INTERRUPTED] += 1
            self._emit(ExperimentInterrupted(planned.index, planned.id, planned.name, outcome.elapsed))

    def _is_lost(self, planned: Planned, outcome: Outcome) -> bool:
        """Put a lost experiment back to its place; True once it has been lost too often."""
        self._losses[planned.id] += 1
        if self._losses[planned.id] > MAX_LOSSES:
            outcome.ending, outcome.kind = Ending.FAILED, "lost"
            return True
        self._finish(planned, Status.LOST, outcome)
        self._emit(Notice(f"{planned.name} was lost ({outcome.error}); it is started again"))
        return False

    def _finish(
        self,
        planned: Planned,
        status: Status,
        outcome: Outcome,
        commit: Callable[[], None] | None = None,
        retry_at: float | None = None,
    ) -> bool:
        """Tell the queue; False where another runner has finished it meanwhile.

        Raises
        ------
        LogError
            What `commit` raises.
        """
        noted = self._holder.ledger.entries[planned.id].run
        run = outcome.run if status is not Status.DONE and outcome.run != noted else ""
        ended = Ended(outcome.error, outcome.kind, outcome.elapsed, retry_at, run)
        try:
            return self._holder.queue.finish(planned.id, status, ended, commit)
        except QueueError as error:
            self.break_off(error)
            return True

    def _record_finished(self, planned: Planned, outcome: Outcome) -> None:
        record = self.records.document(planned, outcome)
        log = str(planned.experiment.inputs["YamlLog"])
        try:
            wanted = self._finish(
                planned, Status.DONE, outcome, lambda: _drop(self.records.add(planned, record))
            )
        except LogError as error:
            self._emit(Notice(str(error), "error"))
            self._stop.broken = True
            self._stop.end_by_failures()
            outcome.ending, outcome.kind = Ending.FAILED, "exception"
            outcome.error = f"its result could not be logged: {error}"
            self._finish(planned, Status.FAILED, outcome)
            self._note_failed(planned, outcome, record, str(error).rpartition(" is in ")[2])
            return
        if not wanted:
            self._emit(Notice(f"{planned.name} ({planned.id}) has a result already; the second is left out"))
            return
        self.counts[Ending.FINISHED] += 1
        self._patience.succeed()
        if self._brief.needs_past:
            self._past.remember(planned.id, outcome.results)
        self._note_unread(planned, outcome)
        self._emit(
            ExperimentFinished(
                planned.index,
                planned.id,
                planned.name,
                record,
                tuple(outcome.results),
                outcome.elapsed,
                log,
                pick_keys(planned.experiment.inputs, self.differing),
            )
        )

    def _record_failed(self, planned: Planned, outcome: Outcome) -> None:
        entry = self._holder.ledger.entries[planned.id]
        if entry.failures < entry.facts.retries and not self._stop.final:
            delay = retry_delay(entry.failures + 1)
            if self._finish(planned, Status.FAILED, outcome, retry_at=time.time() + delay):
                count = f"try {entry.failures + 1} of {entry.facts.retries + 1}"
                self._emit(Notice(f"{planned.name} failed ({outcome.error}); {count} in {delay:g} s"))
            return
        record = self.records.failure(planned, outcome)
        log: list[str] = []
        if not self._finish(
            planned, Status.FAILED, outcome, lambda: log.append(self.records.add_failure(planned, record))
        ):
            return
        if self.records.broken:
            self._stop.broken = True
            self._stop.end_by_failures()
        self._note_failed(planned, outcome, record, log[0] if log else "")
        self._patience.fail(outcome.elapsed)
        if self._patience.is_over and not self._stop.final:
            if self._holder.left:
                self._emit(Notice(self._patience.end, "error"))
            self._stop.end_by_failures()
        elif self._patience.breaks() and self._holder.left and not self._stop.final:
            self._pause_or_end()

    def _pause_or_end(self) -> None:
        why = "the first experiments have all failed at once"
        if self._attended:
            self.paused = f"{why}; Enter goes on, Ctrl-C ends it (Global.breaker: false turns this off)"
        else:
            self._emit(Notice(f"{why}; the study ends (Global.breaker: false turns this off)", "error"))
            self._stop.end_by_failures()

    def _note_failed(self, planned: Planned, outcome: Outcome, record: dict[str, Any], log: str) -> None:
        self.counts[Ending.FAILED] += 1
        self.unfinished.add(planned.index)
        self._emit(
            ExperimentFailed(
                planned.index,
                planned.id,
                planned.name,
                record,
                outcome.error,
                outcome.traceback,
                outcome.elapsed,
                log,
                pick_keys(planned.experiment.inputs, self.differing),
            )
        )

    def _note_unread(self, planned: Planned, outcome: Outcome) -> None:
        inputs = planned.experiment.inputs
        unread, read = self._unread.setdefault(str(inputs.get("Run") or inputs.get("Module")), (set(), set()))
        unread.update(outcome.unread)
        read.update(key for key in inputs if key not in outcome.unread)

    def emit_unread(self) -> None:
        """Tell of the parameters that no experiment of a Module has read."""
        for module, (unread, read) in self._unread.items():
            names = ", ".join(sorted(unread - read - self._brief.used))
            if names:
                hint = "a typo? a name with '_' in front is not reported"
                self._emit(Notice(f"{module} never read: {names} ({hint})"))

    def break_off(self, error: QueueError) -> None:
        """End the study, for its queue cannot be worked on; what runs may end, and is recorded."""
        if not self._stop.broken:
            self._emit(Notice(f"{error}; what runs goes on to its end", "error"))
        self._stop.broken = True
        self._stop.end_by_failures()


def _drop(_: object) -> None:
    """Make nothing of a value."""
