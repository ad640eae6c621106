"""The loop: from a queue and a backend to logs, as many experiments at once as there is room for.

Begin with `Study.run`: it is the whole program in a few lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coolrunner.definition.differing import differing_keys, pick_keys
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.plan import Planned
from coolrunner.errors import QueueError, RunError
from coolrunner.events import (
    Announcer,
    ExperimentStarted,
    Notice,
    OutputWritten,
    StudyFinished,
    StudyStarted,
)
from coolrunner.execution.base import (
    Backend,
    Begun,
    Ended,
    Ending,
    Job,
    Outcome,
    Output,
    Report,
    Warned,
)
from coolrunner.execution.stopping import Interrupts, Phase, Stop
from coolrunner.experiment import Slot
from coolrunner.queue.base import Status
from coolrunner.studies.blocked import left_behind
from coolrunner.studies.brief import Brief
from coolrunner.studies.directories import RunDirectories
from coolrunner.studies.holder import QueueHolder
from coolrunner.studies.lanes import Lanes
from coolrunner.studies.outcomes import Outcomes
from coolrunner.studies.past import PastIndex
from coolrunner.studies.records import check_logs
from coolrunner.studies.searching.search import Searches
from coolrunner.studies.stopper import Stopper

if TYPE_CHECKING:
    from coolrunner.queue.file import FileQueue
    from coolrunner.queue.memory import MemoryQueue
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = ["RunOptions", "Study"]

# Of a queue that others have filled, so many are looked at to find what tells experiments apart.
_LOOKED_AT = 500
# Seconds between two looks at what a person types.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a definition's settings.

    Attributes
    ----------
    argv
        What Modules see as ``sys.argv``.
    project
        The directory of their code.
    max_failures
        How many failures end the study; None for any number.
    wait
        Whether to stay when nothing is left, for what is added to the queue.
    ask
        Returns what a person has typed and not been heard yet; None where nobody is there to type.
    keep
        Makes a file of the queue, where that is in memory; None where it is a file.
    resumes
        Whether what is complete stays so, searches among it.
    """

    argv: Sequence[str] = ()
    max_failures: int | None = None
    wait: bool = False
    ask: Callable[[], str] | None = None
    keep: Callable[[], FileQueue[Planned]] | None = None
    project: str = ""
    resumes: bool = False


class Study:
    """One runner's work on a study.

    Parameters
    ----------
    brief
        What is known of the study.
    queue
        Where its experiments wait.
    backend
        What runs them.
    announcer
        Who is told.
    options
        See `RunOptions`.
    items
        What is put into the queue as the study begins.
    searches
        What puts experiments into it as results come in.

    Attributes
    ----------
    finished
        What came of it, once it is over.
    """

    def __init__(
        self,
        brief: Brief,
        queue: MemoryQueue[Planned] | FileQueue[Planned],
        backend: Backend,
        announcer: Announcer,
        options: RunOptions = RunOptions(),
        items: Sequence[Planned] = (),
        searches: Sequence[SearchPlan] = (),
    ) -> None:
        self._brief = brief
        self._backend = backend
        self._announcer = announcer
        self._options = options
        self._items = items
        self._emit = emit = announcer.emit
        self.finished: StudyFinished | None = None
        self._running: dict[str, Planned] = {}
        self._paused = ""
        self._interrupts = Interrupts()
        self._stop = Stop()
        self._holder = QueueHolder(queue, options.keep, emit)
        self._lanes = Lanes(self._holder, backend, emit)
        self._past = PastIndex(self._holder)
        self._directories = RunDirectories(brief.name, brief.settings.root, options.project)
        self._searches = Searches(
            searches,
            self._holder,
            emit,
            self._directories.shown,
            lambda: backend.slots,
            go_on=options.resumes,
        )
        self._stopper = Stopper(
            self._stop,
            self._holder,
            backend,
            emit,
            grace=brief.settings.grace,
            waits=options.wait,
            attended=options.ask is not None,
        )
        self._outcomes = Outcomes(
            brief,
            self._holder,
            emit,
            self._stop,
            self._past,
            options.max_failures,
            attended=options.ask is not None,
        )

    def run(self) -> StudyFinished:
        """Run what waits and return what came of it.

        Raises
        ------
        UsageError, LogError, RunError, ListenerError, QueueError
            The study cannot begin; nothing has run.
        """
        for _ in self.steps(lambda: False):
            pass
        assert self.finished is not None
        return self.finished

    def steps(self, due: Callable[[], bool]) -> Iterator[None]:
        """Run what waits, and pause whenever the caller is to do something meanwhile.

        In a pause signals are the caller's, and experiments go on, but nobody looks after them. Who does
        not come back from it (closes this iterator) ends the study.

        Parameters
        ----------
        due
            Whether there is to be a pause now.

        Raises
        ------
        UsageError, LogError, RunError, ListenerError, QueueError
            The study cannot begin; nothing has run.
        """
        began = time.monotonic()
        self._check_logs()
        self._directories.prepare()
        self._announcer.start()
        with self._interrupts:
            self._begin()
            while self._goes_on():
                self._look_around()
                self._start_experiments()
                self._hear_reports()
                self._heed_interrupts()
                if due() and not self._stop.left:
                    try:
                        with self._interrupts.lifted():
                            yield
                    except GeneratorExit:
                        self._stop.leave()
                        self._heed_interrupts()
            self.finished = self._end(began)

    # --- the steps ---

    def _check_logs(self) -> None:
        """See that every log can be written before hours of work depend on it."""
        logs = {str(item.experiment.inputs["YamlLog"]) for item in self._items if item.runs}
        logs |= {entry.facts.log for entry in self._holder.ledger.waiting()} - {""}
        check_logs(sorted(logs), self._brief.path)

    def _begin(self) -> None:
        queue = self._holder.queue
        queue.put(self._items)
        self._searches.begin()
        ledger = queue.ledger
        waiting = ledger.waiting()
        if self._items:
            shown = [item for item in self._items if ledger.entries[item.id].facts.runs]
        else:
            shown = [queue.item(entry) for entry in waiting[:_LOOKED_AT]]
        self._outcomes.differing = differing_keys([item.experiment.inputs for item in shown])
        self._outcomes.differing += [
            path for path in self._searches.paths if path not in self._outcomes.differing
        ]
        self._emit(StudyStarted(self._brief.name, len(waiting) + self._searches.left, self._brief.skipped))
        for warning in self._brief.warnings:
            self._emit(Notice(warning))

    def _goes_on(self) -> bool:
        if self._running or self._stop.phase is Phase.PAUSING:
            return True
        return self._stop.phase is Phase.NONE and (self._options.wait or self._has_work())

    def _has_work(self) -> bool:
        """Whether something may still be started here without a person's doing more."""
        queue = self._holder.queue
        if queue.is_unclear() or (self._paused and self._holder.left) or self._lanes.any_possible():
            return True
        if self._searches.goes_on(self._running):
            return True
        return queue.ledger.next_time() is not None or queue.awaits_others()

    def _look_around(self) -> None:
        """Take notice of what people and other runners have done meanwhile."""
        if self._stop.phase is not Phase.ENDED:
            try:
                self._holder.queue.refresh()
                self._search()
            except QueueError as error:
                self._outcomes.break_off(error)
        for message, level in self._holder.queue.messages():
            self._emit(Notice(message, level))
        ledger = self._holder.ledger
        paused = self._outcomes.paused or ledger.paused
        if paused != self._paused:
            self._paused = paused
            state = f"the study pauses: {self._paused}" if self._paused else "the study goes on"
            self._emit(Notice(state, "warning" if self._paused else "info"))
        for identity in ledger.cancelled & self._running.keys():
            self._stopper.cancel(self._running[identity])
        if self._options.ask and self._listens and (typed := self._options.ask()):
            self._hear_person(typed)

    def _search(self) -> None:
        """Let searches hear of what has ended, and ask for more."""
        is_halted = self._outcomes.paused or self._holder.ledger.paused
        asks = self._stop.phase is Phase.NONE and not self._stop.requested and not is_halted
        self._searches.step(asks=asks, here=self._running)
        self._searches.watch()

    @property
    def _listens(self) -> bool:
        """Whether what a person types means something now."""
        return bool(self._outcomes.paused) or self._stop.phase is Phase.PAUSING

    def _hear_person(self, typed: str) -> None:
        if self._stop.phase is Phase.PAUSING:
            self._stopper.hear(typed)
        else:
            self._outcomes.paused = ""

    def _start_experiments(self) -> None:
        while self._may_start():
            try:
                taken = self._lanes.take()
            except QueueError as error:
                self._outcomes.break_off(error)
                return
            if taken is None:
                return
            self._start(*taken)

    def _may_start(self) -> bool:
        if self._stop.phase is not Phase.NONE or self._outcomes.paused:
            return False
        if len(self._running) >= self._backend.slots:
            return False
        self._interrupts.check(self._stop)
        return not self._stop.requested

    def _start(self, planned: Planned, slot: Slot) -> None:
        earlier = self._holder.ledger.entries[planned.id].run
        outcome = self._directories.finished(planned, earlier) if earlier else None
        if outcome is not None:
            self._backend.release(slot)
            self._searches.ended(planned, outcome)
            self._outcomes.take(planned, outcome)
            return
        self._running[planned.id] = planned
        inputs = planned.experiment.inputs
        differing = pick_keys(inputs, self._outcomes.differing)
        self._emit(ExperimentStarted(planned.index, planned.id, planned.name, differing))
        timeout = parse_duration(inputs.get("Timeout"))
        imports = self._brief.settings.imports.modules
        try:
            order = self._directories.order(planned, earlier)
        except RunError as error:  # the disk is full, or the root has gone
            self._backend.release(slot)
            del self._running[planned.id]
            failed = Outcome(Ending.FAILED, error=str(error), kind="exception", started=time.time())
            self._outcomes.take(planned, failed)
            return
        job = Job(planned.id, inputs, self._options.argv, imports, timeout, slot, order)
        self._backend.start(job, self._past.of(planned))

    def _hear_reports(self) -> None:
        waits = (
            *(self._stop.remaining(), self._holder.queue.next_look()),
            *(self._backend.retry_after, self._searches.next_look()),
        )
        timeout = min((wait for wait in waits if wait is not None), default=None)
        if self._options.ask and self._listens:
            timeout = _LOOK if timeout is None else min(timeout, _LOOK)
        if self._running:
            for report in self._backend.reports(timeout):
                self._hear(report)
        elif self._goes_on() or self._stop.phase is not Phase.NONE:
            # Nothing to hear of: a pause, or a queue that others fill; a signal ends it.
            self._interrupts.sleep(_LOOK if timeout is None else timeout)

    def _hear(self, report: Report) -> None:
        if isinstance(report, Output):
            self._emit(OutputWritten(report.id, report.data))
        elif isinstance(report, Warned):
            self._emit(Notice(report.message))
        elif isinstance(report, Begun):
            try:
                self._holder.queue.began(report.id, report.pid, self._directories.shown(report.id))
            except QueueError as error:
                self._outcomes.break_off(error)
        elif isinstance(report, Ended):
            self._stopper.ended(report.id)
            planned = self._running.pop(report.id)
            self._directories.ended(planned, report.outcome)
            self._searches.ended(planned, report.outcome)
            self._outcomes.take(planned, report.outcome)

    def _heed_interrupts(self) -> None:
        self._interrupts.check(self._stop)
        if self._stop.terminated and self._running and self._backend.outlives:
            count = len(self._running)
            what = "1 experiment goes" if count == 1 else f"{count} experiments go"
            self._emit(
                Notice(f"{what} on without this runner; the next start with --resume takes up what is left")
            )
            self._running.clear()
        self._stopper.step(runs=bool(self._running), paused=bool(self._outcomes.paused))

    def _end(self, began: float) -> StudyFinished:
        self._end_searches()
        self._outcomes.emit_unread()
        self._emit_left_behind()
        counts, records, stop = self._outcomes.counts, self._outcomes.records, self._stop
        records.close()
        ledger = self._holder.ledger
        waiting = ledger.waiting()
        unheld = any(not entry.facts.hold for entry in waiting)
        left = {entry.facts.index for entry in waiting} | self._outcomes.unfinished
        if stop.terminated and waiting:
            self._holder.keep()
        broken = stop.broken or records.broken
        status = 0
        if stop.final and not stop.by_failures:
            status = 130
        elif counts[Ending.FAILED] or unheld or stop.pressed or broken or counts[Ending.INTERRUPTED]:
            status = 1
        finished = StudyFinished(
            self._brief.name,
            counts[Ending.FINISHED],
            counts[Ending.FAILED],
            counts[Ending.INTERRUPTED],
            len(waiting),
            time.monotonic() - began,
            status,
            records.paths,
            records.failed_paths,
            sorted(left),
            self._holder.path,
            ledger.counts[Status.FAILED] + ledger.counts[Status.INTERRUPTED],
        )
        self._emit(finished)
        return finished

    def _end_searches(self) -> None:
        try:
            self._searches.step(asks=False, here=self._running)
            self._searches.close()
        except QueueError as error:
            self._outcomes.break_off(error)

    def _emit_left_behind(self) -> None:
        if self._stop.phase is not Phase.NONE:
            return
        here = self._outcomes.counts[Ending.FAILED] + self._outcomes.counts[Ending.INTERRUPTED]
        for line in left_behind(self._holder.ledger, here):
            self._emit(Notice(line))
