"""The loop: from a plan and a backend to logs, one experiment after the other.

Begin with `Study.run`: it is the whole program in a few lines.
"""

from __future__ import annotations

import datetime
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coolrunner.definition.differing import differing_keys, pick_keys
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.plan import Plan, Planned
from coolrunner.errors import LogError, UsageError
from coolrunner.events import (
    Announcer,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.execution.base import Backend, Ended, Ending, Job, Outcome, Output, Report, Warned
from coolrunner.execution.past import PastIndex
from coolrunner.execution.stopping import Interrupts, Phase, Stop
from coolrunner.queue.base import Queue, Status
from coolrunner.results.yamllog import LogBook, YamlLog, failed_log, record_text

__all__ = ["RunOptions", "Study"]

#: Seconds in which a second Ctrl-C ends the study.
PAUSE = 2.0
#: How often an experiment may be lost to a broken helper before it counts as failed.
MAX_LOSSES = 2


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a definition's settings.

    Attributes
    ----------
    argv
        What Modules see as ``sys.argv``.
    max_failures
        How many failures end the study; None for any number.
    """

    argv: Sequence[str] = ()
    max_failures: int | None = None


class Study:
    """One run of a definition.

    Parameters
    ----------
    plan
        The experiments.
    queue
        Where they wait; filled by the study.
    backend
        What runs them.
    announcer
        Who is told.
    options
        See `RunOptions`.
    """

    def __init__(
        self,
        plan: Plan,
        queue: Queue[Planned],
        backend: Backend,
        announcer: Announcer,
        options: RunOptions = RunOptions(),
    ) -> None:
        self._plan = plan
        self._queue = queue
        self._backend = backend
        self._announcer = announcer
        self._options = options
        self._emit = announcer.emit
        self._logs, self._failed_logs = LogBook(), LogBook()
        self._interrupts = Interrupts()
        self._stop = Stop()
        self._running: dict[str, Planned] = {}
        self._counts: Counter[Ending] = Counter()
        self._losses: Counter[str] = Counter()
        self._unfinished: list[int] = []
        self._unread: dict[str, tuple[set[str], set[str]]] = {}
        self._differing: list[tuple[Any, ...]] = []
        self._past = PastIndex(plan, queue)
        self._host = socket.gethostname()

    def run(self) -> StudyFinished:
        """Run every experiment of the plan and return what came of them.

        Raises
        ------
        UsageError, LogError, ListenerError
            The study cannot begin; nothing has run.
        """
        began = time.monotonic()
        self._check_logs()
        self._announcer.start()
        with self._interrupts:
            self._begin()
            while self._goes_on():
                self._start_experiments()
                self._hear_reports()
                self._heed_interrupts()
            return self._end(began)

    # --- the steps ---

    def _check_logs(self) -> None:
        """See that every log can be written before hours of work depend on it."""
        definition = Path(self._plan.definition.source.name).resolve()
        paths = {str(p.experiment.inputs["YamlLog"]) for p in self._plan.chosen if p.runs}
        for path in sorted(paths):
            if Path(path).resolve() == definition:
                raise UsageError(f"YamlLog: {path} is the definition itself; results need their own file")
            YamlLog.check(path)
            YamlLog.check(failed_log(path))

    def _begin(self) -> None:
        chosen = self._plan.chosen
        to_run = [planned for planned in chosen if planned.runs]
        self._queue.put(to_run)
        self._differing = differing_keys([planned.experiment.inputs for planned in to_run])
        self._emit(StudyStarted(self._plan.study, len(to_run), len(chosen) - len(to_run)))
        for warning in self._plan.warnings:
            self._emit(Notice(str(warning)))

    def _goes_on(self) -> bool:
        if self._running or self._stop.phase is Phase.PAUSING:
            return True
        return self._stop.phase is Phase.NONE and len(self._queue) > 0

    def _start_experiments(self) -> None:
        while self._stop.phase is Phase.NONE and len(self._running) < self._backend.slots:
            self._interrupts.check(self._stop)
            if self._stop.requested:
                return
            planned = self._queue.take()
            if planned is None:
                return
            self._running[planned.id] = planned
            inputs = planned.experiment.inputs
            self._emit(
                ExperimentStarted(planned.index, planned.id, planned.name, pick_keys(inputs, self._differing))
            )
            job = Job(
                planned.id,
                inputs,
                self._options.argv,
                self._plan.settings.imports.modules,
                parse_duration(inputs.get("Timeout")),
            )
            self._backend.start(job, self._past.of(planned))

    def _hear_reports(self) -> None:
        timeout = self._stop.remaining()
        if not self._running:
            # Nothing to hear of: a pause, which a signal ends.
            self._interrupts.sleep(timeout or 0.0)
            return
        for report in self._backend.reports(timeout):
            self._hear(report)

    def _hear(self, report: Report) -> None:
        if isinstance(report, Output):
            self._emit(OutputWritten(report.id, report.data))
        elif isinstance(report, Warned):
            self._emit(Notice(report.message))
        elif isinstance(report, Ended):
            self._record(self._running.pop(report.id), report.outcome)

    def _heed_interrupts(self) -> None:
        """Move through the steps of stopping: ask, wait, kill, pause, go on or end."""
        stop, grace = self._stop, self._plan.settings.grace
        self._interrupts.check(stop)
        if stop.requested:
            stop.requested = False
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
            elif stop.final or not len(self._queue):
                stop.begin(Phase.ENDED)
            else:
                self._emit(Pausing(PAUSE))
                stop.begin(Phase.PAUSING, PAUSE)
        elif stop.phase is Phase.PAUSING:
            if stop.final:
                stop.begin(Phase.ENDED)
            elif stop.is_over():
                stop.begin(Phase.NONE)

    def _end(self, began: float) -> StudyFinished:
        self._emit_unread()
        for logs in (self._logs, self._failed_logs):
            try:
                logs.close()
            except LogError as error:
                self._emit(Notice(str(error), "error"))
                self._stop.broken = True
        counts, stop, waiting = self._counts, self._stop, self._queue.waiting()
        status = 0
        if stop.final and not stop.by_failures:
            status = 130
        elif counts[Ending.FAILED] or waiting or stop.pressed or stop.broken or counts[Ending.INTERRUPTED]:
            status = 1
        finished = StudyFinished(
            self._plan.study,
            counts[Ending.FINISHED],
            counts[Ending.FAILED],
            counts[Ending.INTERRUPTED],
            len(waiting),
            time.monotonic() - began,
            status,
            self._logs.paths,
            self._failed_logs.paths,
            sorted([*self._unfinished, *(planned.index for planned in waiting)]),
        )
        self._emit(finished)
        return finished

    # --- what came of an experiment ---

    def _record(self, planned: Planned, outcome: Outcome) -> None:
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
            self._queue.finish(planned.id, Status.INTERRUPTED)
            self._unfinished.append(planned.index)
            self._emit(ExperimentInterrupted(planned.index, planned.id, planned.name, outcome.elapsed))
        self._counts[outcome.ending] += 1

    def _is_lost(self, planned: Planned, outcome: Outcome) -> bool:
        """Put a lost experiment back to its place; True once it has been lost too often."""
        self._losses[planned.id] += 1
        if self._losses[planned.id] > MAX_LOSSES:
            outcome.ending, outcome.kind = Ending.FAILED, "lost"
            return True
        self._queue.finish(planned.id, Status.LOST)
        self._emit(Notice(f"{planned.name} was lost ({outcome.error}); it is started again"))
        return False

    def _record_finished(self, planned: Planned, outcome: Outcome) -> None:
        record = self._document(planned, outcome)
        log = str(planned.experiment.inputs["YamlLog"])
        error, saved = self._append(self._logs, log, planned, record)
        if error:
            outcome.ending, outcome.error = Ending.FAILED, f"its result could not be logged: {error}"
            self._emit_failed(planned, outcome, record, saved)
            return
        self._queue.finish(planned.id, Status.DONE)
        if self._plan.needs_past:
            planned.experiment.update(outcome.results)
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
                pick_keys(planned.experiment.inputs, self._differing),
            )
        )

    def _record_failed(self, planned: Planned, outcome: Outcome) -> None:
        record = self._document(planned, outcome)
        record["ERROR"] = outcome.error
        record["TRACEBACK"] = outcome.traceback
        log = failed_log(str(planned.experiment.inputs["YamlLog"]))
        _, saved = self._append(self._failed_logs, log, planned, record)
        self._emit_failed(planned, outcome, record, saved)
        limit = self._options.max_failures
        if limit is not None and self._counts[Ending.FAILED] + 1 >= limit and not self._stop.final:
            if len(self._queue):
                count = "the first failure" if limit == 1 else f"{limit} failures"
                self._emit(Notice(f"the study ends after {count}", "error"))
            self._stop.end_by_failures()

    def _emit_failed(self, planned: Planned, outcome: Outcome, record: Mapping[str, Any], log: str) -> None:
        self._queue.finish(planned.id, Status.FAILED)
        self._unfinished.append(planned.index)
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
                pick_keys(planned.experiment.inputs, self._differing),
            )
        )

    def _document(self, planned: Planned, outcome: Outcome) -> dict[str, Any]:
        """Return an experiment as a log holds it."""
        started = datetime.datetime.fromtimestamp(outcome.started).astimezone()
        record = {**planned.experiment.inputs, **outcome.results}
        if outcome.solved:
            record["SOLVED"] = outcome.solved
        record["ID"] = planned.id
        record["STUDY"] = self._plan.study
        record["HOST"] = self._host
        record["STARTED"] = started.isoformat(timespec="seconds")
        record["TIME_ELAPSED"] = round(outcome.elapsed, 6)
        return record

    def _append(
        self, logs: LogBook, path: str, planned: Planned, record: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Append to a log; return what went wrong, if something did, and where the record is.

        A record that its log does not take is saved elsewhere, and the study ends.
        """
        try:
            logs.append(path, planned.id, record)
        except LogError as error:
            saved = _rescue(planned.id, record)
            self._emit(Notice(f"{error}; the result of {planned.name} is in {saved}", "error"))
            self._stop.broken = True
            self._stop.end_by_failures()
            return str(error), saved
        return "", path

    def _note_unread(self, planned: Planned, outcome: Outcome) -> None:
        inputs = planned.experiment.inputs
        unread, read = self._unread.setdefault(str(inputs.get("Run") or inputs.get("Module")), (set(), set()))
        unread.update(outcome.unread)
        read.update(key for key in inputs if key not in outcome.unread)

    def _emit_unread(self) -> None:
        for module, (unread, read) in self._unread.items():
            names = ", ".join(sorted(unread - read - self._plan.used))
            if names:
                hint = "a typo? a name with '_' in front is not reported"
                self._emit(Notice(f"{module} never read: {names} ({hint})"))


def _rescue(identity: str, record: Mapping[str, Any]) -> str:
    """Save a record that its log could not take; return where it is, or the record itself."""
    text = record_text(identity, record)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=f"coolrunner-{identity}-", suffix=".yaml", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
            return file.name
    except OSError:
        return f"no file, as no other can be written either; it is:\n{text}"
