"""The loop: from a queue and a backend to logs, as many experiments at once as there is room for.

Begin with `Study.run`: it is the whole program in a few lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.definition.differing import differing_keys, pick_keys
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.plan import Planned
from coolrunner.definition.resources import Resources
from coolrunner.errors import QueueError, UsageError
from coolrunner.events import (
    Announcer,
    ExperimentStarted,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.execution.base import (
    Backend,
    Begun,
    Ended,
    Ending,
    Job,
    Output,
    Report,
    Warned,
)
from coolrunner.execution.stopping import Interrupts, Phase, Stop
from coolrunner.experiment import Slot
from coolrunner.queue.base import Status
from coolrunner.results.yamllog import YamlLog, failed_log
from coolrunner.study.blocked import left_behind
from coolrunner.study.brief import Brief
from coolrunner.study.outcomes import Outcomes
from coolrunner.study.past import PastIndex

if TYPE_CHECKING:
    from coolrunner.queue.file import FileQueue
    from coolrunner.queue.memory import MemoryQueue

__all__ = ["RunOptions", "Study"]

#: Seconds in which a second Ctrl-C ends the study.
PAUSE = 2.0
# Of a queue that others have filled, so many are looked at to find what tells experiments apart.
_LOOKED_AT = 500
_SHOWN_BLOCKED = 5
# Seconds between two looks at what a person types.
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a definition's settings.

    Attributes
    ----------
    argv
        What Modules see as ``sys.argv``.
    max_failures
        How many failures end the study; None for any number.
    wait
        Whether to stay when nothing is left, for what is added to the queue.
    ask
        Returns what a person has typed and not been heard yet; None where nobody is there to type.
    keep
        Makes a file of the queue, where that is in memory; None where it is a file.
    """

    argv: Sequence[str] = ()
    max_failures: int | None = None
    wait: bool = False
    ask: Callable[[], str] | None = None
    keep: Callable[[], FileQueue[Planned]] | None = None


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
    """

    def __init__(
        self,
        brief: Brief,
        queue: MemoryQueue[Planned] | FileQueue[Planned],
        backend: Backend,
        announcer: Announcer,
        options: RunOptions = RunOptions(),
        items: Sequence[Planned] = (),
    ) -> None:
        self._brief = brief
        self._queue = queue
        self._backend = backend
        self._announcer = announcer
        self._options = options
        self._items = items
        self._emit = announcer.emit
        self._interrupts = Interrupts()
        self._stop = Stop()
        self._running: dict[str, Planned] = {}
        self._cancelled: dict[str, float] = {}
        self._past = PastIndex(queue)
        self._outcomes = Outcomes(
            brief,
            queue,
            self._emit,
            self._stop,
            self._past,
            options.max_failures,
            attended=options.ask is not None,
        )
        self._lanes: dict[str, Resources] = {"": Resources()}
        self._impossible: dict[str, str] = {}
        self._paused = ""
        self._kept = ""

    def run(self) -> StudyFinished:
        """Run what waits and return what came of it.

        Raises
        ------
        UsageError, LogError, ListenerError, QueueError
            The study cannot begin; nothing has run.
        """
        began = time.monotonic()
        self._check_logs()
        self._announcer.start()
        with self._interrupts:
            self._begin()
            while self._goes_on():
                self._look_around()
                self._start_experiments()
                self._hear_reports()
                self._heed_interrupts()
            return self._end(began)

    # --- the steps ---

    def _check_logs(self) -> None:
        """See that every log can be written before hours of work depend on it."""
        definition = Path(self._brief.path).resolve() if self._brief.path else None
        paths = {str(item.experiment.inputs["YamlLog"]) for item in self._items if item.runs}
        paths |= {entry.facts.log for entry in self._queue.ledger.waiting()} - {""}
        for path in sorted(paths):
            if Path(path).resolve() == definition:
                raise UsageError(f"YamlLog: {path} is the definition itself; results need their own file")
            YamlLog.check(path)
            YamlLog.check(failed_log(path))

    def _begin(self) -> None:
        self._queue.put(self._items)
        ledger = self._queue.ledger
        waiting = ledger.waiting()
        if self._items:
            shown = [item for item in self._items if ledger.entries[item.id].facts.runs]
        else:
            shown = [self._queue.item(entry) for entry in waiting[:_LOOKED_AT]]
        self._outcomes.differing = differing_keys([item.experiment.inputs for item in shown])
        self._emit(StudyStarted(self._brief.name, len(waiting), self._brief.skipped))
        for warning in self._brief.warnings:
            self._emit(Notice(warning))

    def _goes_on(self) -> bool:
        if self._running or self._stop.phase is Phase.PAUSING:
            return True
        return self._stop.phase is Phase.NONE and (self._options.wait or self._has_work())

    def _has_work(self) -> bool:
        """Whether something may still be started here without a person's doing more."""
        if self._queue.is_unclear() or (self._paused and len(self._queue)):
            return True
        if any(self._fits_some_day(lane) for lane in self._queue.ledger.lanes()):
            return True
        return self._queue.ledger.next_time() is not None or self._queue.awaits_others()

    def _look_around(self) -> None:
        """Take notice of what people and other runners have done meanwhile."""
        if self._stop.phase is not Phase.ENDED:
            try:
                self._queue.refresh()
            except QueueError as error:
                self._outcomes.break_off(error)
        for message, level in self._queue.messages():
            self._emit(Notice(message, level))
        ledger = self._queue.ledger
        paused = self._outcomes.paused or ledger.paused
        if paused != self._paused:
            self._paused = paused
            state = f"the study pauses: {self._paused}" if self._paused else "the study goes on"
            self._emit(Notice(state, "warning" if self._paused else "info"))
        for identity in ledger.cancelled & self._running.keys():
            self._cancel(identity)
        if self._options.ask and self._listens:
            self._hear_person(self._options.ask())

    @property
    def _listens(self) -> bool:
        """Whether what a person types means something now."""
        return bool(self._outcomes.paused) or self._stop.phase is Phase.PAUSING

    def _cancel(self, identity: str) -> None:
        now = time.monotonic()
        if identity not in self._cancelled:
            self._cancelled[identity] = now + self._brief.settings.grace
            self._emit(Notice(f"{self._running[identity].name} ({identity}) is cancelled", "info"))
            self._backend.interrupt({identity})
        elif now >= self._cancelled[identity]:
            self._cancelled[identity] = now + 1.0
            self._backend.kill({identity})

    def _hear_person(self, typed: str) -> None:
        if not typed:
            return
        if self._stop.phase is Phase.PAUSING:
            if typed.strip().lower() == "w" and self._options.keep:
                self._keep()
                self._stop.final = True
        elif self._outcomes.paused:
            self._outcomes.paused = ""

    def _start_experiments(self) -> None:
        while self._stop.phase is Phase.NONE and len(self._running) < self._backend.slots:
            if self._outcomes.paused:
                return
            self._interrupts.check(self._stop)
            if self._stop.requested:
                return
            slot: Slot | None = None

            def fits(lane: str) -> bool:
                nonlocal slot
                slot = self._backend.reserve(self._lanes[lane]) if self._fits_some_day(lane) else None
                return slot is not None

            try:
                planned = self._queue.take(fits)
            except QueueError as error:
                planned = None
                self._outcomes.break_off(error)
            if planned is None or slot is None:
                if slot is not None:
                    self._backend.release(slot)
                return
            self._start(planned, slot)

    def _fits_some_day(self, lane: str) -> bool:
        """Whether this machine can ever run an experiment of a lane; said once where it cannot."""
        if lane not in self._impossible:
            resources = self._lanes.setdefault(lane, Resources.from_text(lane))
            why = self._impossible[lane] = self._backend.impossible(resources)
            if why:
                self._emit(Notice(f"an experiment {why}; it is left for another machine"))
        return not self._impossible[lane]

    def _start(self, planned: Planned, slot: Slot) -> None:
        self._running[planned.id] = planned
        inputs = planned.experiment.inputs
        differing = pick_keys(inputs, self._outcomes.differing)
        self._emit(ExperimentStarted(planned.index, planned.id, planned.name, differing))
        timeout = parse_duration(inputs.get("Timeout"))
        imports = self._brief.settings.imports.modules
        job = Job(planned.id, inputs, self._options.argv, imports, timeout, slot)
        self._backend.start(job, self._past.of(planned))

    def _hear_reports(self) -> None:
        waits = (self._stop.remaining(), self._queue.next_look(), self._backend.retry_after)
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
                self._queue.began(report.id, report.pid)
            except QueueError as error:
                self._outcomes.break_off(error)
        elif isinstance(report, Ended):
            self._cancelled.pop(report.id, None)
            self._outcomes.take(self._running.pop(report.id), report.outcome)

    def _heed_interrupts(self) -> None:
        """Move through the steps of stopping: ask, wait, kill, pause, go on or end."""
        stop, grace = self._stop, self._brief.settings.grace
        self._interrupts.check(stop)
        if stop.keep:
            stop.keep = False
            self._keep()
        if stop.requested:
            stop.requested = False
            stop.final = stop.final or bool(self._outcomes.paused)
            if self._running:
                self._emit(Stopping(stop.reason, grace, stop.final))
                self._backend.interrupt()
            stop.begin(Phase.STOPPING, grace)
        if stop.kill_now:
            stop.kill_now = False
            if self._running:
                self._emit(Stopping(stop.reason, 0.0, True))
                self._backend.kill()
        if stop.phase is Phase.STOPPING:
            if self._running:
                if stop.is_over():
                    self._backend.kill()
                    stop.begin(Phase.STOPPING, 1.0)
            elif stop.final or not (len(self._queue) or self._options.wait):
                stop.begin(Phase.ENDED)
            else:
                self._emit(Pausing(PAUSE, self._options.ask is not None and self._options.keep is not None))
                stop.begin(Phase.PAUSING, PAUSE)
        elif stop.phase is Phase.PAUSING:
            if stop.final:
                stop.begin(Phase.ENDED)
            elif stop.is_over():
                stop.begin(Phase.NONE)

    def _end(self, began: float) -> StudyFinished:
        self._outcomes.emit_unread()
        self._emit_left_behind()
        counts, records, stop = self._outcomes.counts, self._outcomes.records, self._stop
        records.close()
        ledger = self._queue.ledger
        waiting = ledger.waiting()
        unheld = any(not entry.facts.hold for entry in waiting)
        left = {entry.facts.index for entry in waiting} | self._outcomes.unfinished
        if stop.terminated and waiting and not self._kept:
            self._keep()
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
            str(getattr(self._queue, "path", "")),
            ledger.counts[Status.FAILED] + ledger.counts[Status.INTERRUPTED],
        )
        self._emit(finished)
        return finished

    def _emit_left_behind(self) -> None:
        if self._stop.phase is not Phase.NONE:
            return
        here = self._outcomes.counts[Ending.FAILED] + self._outcomes.counts[Ending.INTERRUPTED]
        lines = left_behind(self._queue.ledger, here)
        for line in lines[:_SHOWN_BLOCKED]:
            self._emit(Notice(line))
        if len(lines) > _SHOWN_BLOCKED:
            self._emit(Notice(f"... and {len(lines) - _SHOWN_BLOCKED} more are held or blocked"))

    def _keep(self) -> None:
        """Go on with a queue in a file, so that what is left is not lost with this process."""
        if self._options.keep is None or self._kept:
            return
        try:
            queue = self._options.keep()
        except (QueueError, OSError) as error:
            self._emit(Notice(f"what is left cannot be kept: {error}", "error"))
            return
        self._queue = queue
        self._outcomes.go_on_with(queue)
        self._past.go_on_with(queue)
        self._kept = str(queue.path)
        self._emit(Notice(f"what is left is kept in {self._kept}", "info"))
