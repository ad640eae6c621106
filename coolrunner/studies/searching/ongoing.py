"""One search of a study while it runs: how it stands with its trials, and what is to be done with them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.definition.needs import after_names, asked_of_past
from coolrunner.definition.plan import Planned
from coolrunner.definition.sweeps.sweep import key_text, value_text
from coolrunner.errors import DefinitionError, nearest
from coolrunner.events import Event, Notice
from coolrunner.execution.base import Ending, Outcome
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.steps import step
from coolrunner.studies.holder import QueueHolder
from coolrunner.studies.searching.plans import SearchPlan
from coolrunner.studies.searching.pruning import MetricTail, has_stopped, stop

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from coolrunner.studies.searching.storage import SearchFile
    from coolrunner.studies.searching.trials import Trial, Trials

__all__ = ["PRUNED", "OngoingSearch"]

#: What the log says of a trial that its Module has ended early.
PRUNED = "PRUNED"
# Seconds between two times that the file is brought to the disk.
_SYNC = 1.0
# So many results that are none, and so many of the best, are told of.
_TOLD = 3
_RESTS = {Status.WAITING, Status.RUNNING, Status.INTERRUPTED, Status.LOST}


class _Verdict(NamedTuple):
    """What is to be told of a trial: ``values``, or that it ``failed`` or was ``pruned``."""

    kind: str
    final: bool
    values: Sequence[float] = ()
    as_ran: Mapping[tuple[Any, ...], Any] = {}


class OngoingSearch:
    """One search.

    Parameters
    ----------
    plan
        What is searched.
    file, storage
        Where its trials are kept.
    holder
        Where experiments wait.
    emit
        Announces.
    run_of
        Returns the run directory of an experiment that runs; empty for none.
    slots
        How many experiments run at once here.
    """

    def __init__(
        self,
        plan: SearchPlan,
        file: SearchFile,
        storage: BaseStorage,
        holder: QueueHolder,
        emit: Callable[[Event], None],
        run_of: Callable[[str], str],
        slots: int,
    ) -> None:
        from coolrunner.studies.searching.trials import Trials

        self.file = file
        self.prunes = plan.search.prunes
        self._plan = plan
        self._holder = holder
        self._emit = emit
        self._run_of = run_of
        self._slots = slots
        self._trials: Trials = Trials(plan.search, plan.key, storage, plan.search.jobs or slots)
        self._had = self._trials.count
        self._size = file.size
        self._synced = time.monotonic()
        self._records: dict[str, Mapping[str, Any]] = {}
        self._tails: dict[str, MetricTail] = {}
        self._stopped: set[str] = set()
        self._told = 0
        self._begins = True

    # --- how it stands ---

    @property
    def left(self) -> int:
        """How many trials are still to be asked for."""
        return max(self._plan.search.n - self._trials.count, 0)

    @property
    def is_complete(self) -> bool:
        """Whether it was so already as it was opened."""
        open_ = any(not trial.is_told for trial in self._trials.pending.values())
        return self._had > 0 and not self.left and not open_

    @property
    def watches(self) -> bool:
        """Whether something runs that may be pruned."""
        return self.prunes and any(True for _ in self._running())

    def goes_on(self, here: Collection[str]) -> bool:
        """Whether more trials may be asked for without a person's doing more."""
        if not self.left:
            return False
        entries = self._holder.ledger.entries
        return self._has_room(here) or any(
            entries[identity].status is Status.RUNNING
            for trial in self._open()
            for identity in trial.ids
            if identity in entries
        )

    def _open(self) -> list[Trial]:
        return [trial for trial in self._trials.pending.values() if not trial.is_told]

    def _has_room(self, here: Collection[str]) -> bool:
        """Whether another trial may be under way; without a limit of its own, as many as run here."""
        limit = self._plan.search.jobs
        under_way = 0
        for trial in self._open():
            entries = map(self._holder.ledger.entries.get, trial.ids)
            under_way += any(self._is_under_way(entry, here, limit is None) for entry in entries)
        return under_way < (limit or self._slots)

    def _is_under_way(self, entry: Entry | None, here: Collection[str], alone: bool) -> bool:
        if entry is None:
            return False
        if entry.status is Status.WAITING:
            return self._plan.holds or not entry.facts.hold  # one that a person holds keeps no other back
        return entry.status is Status.RUNNING and (not alone or entry.id in here)

    # --- a step ---

    def step(self, *, asks: bool, here: Collection[str]) -> None:
        """Tell what has ended, and ask for as many trials as there is room for, if `asks`."""
        if time.monotonic() - self._synced > _SYNC:
            self._synced = time.monotonic()
            self.file.sync()
        wants = asks and self.left > 0 and self._has_room(here)
        if not (wants or self._begins or any(map(self._standing, self._trials.pending.values()))):
            return
        with self.file.locked():
            try:
                if self.file.size != self._size:
                    self._trials.refresh()
                self._settle()
                while asks and self.left > 0 and self._has_room(here):
                    self._add(self._trials.ask())
            finally:
                self._size = self.file.size
        self._begins = False

    def _settle(self) -> None:
        """Give trials the experiments that they lack, and tell those that have ended."""
        entries = self._holder.ledger.entries
        for trial in list(self._trials.pending.values()):
            if any(identity in entries for identity in trial.ids):
                verdict = self._verdict(trial)
            elif trial.is_told:
                self._trials.pending.pop(trial.number)  # of a queue that is no more
                continue
            else:
                verdict = self._logged(trial)
                if verdict is None:
                    self._trials.complete(trial)
                    self._add(trial)
            if verdict is not None:
                self._tell(trial, verdict)

    def _tell(self, trial: Trial, verdict: _Verdict) -> None:
        if verdict.kind == "values":
            self._trials.tell(trial, verdict.values, verdict.as_ran)
        elif verdict.kind == "pruned":
            self._trials.tell_pruned(trial, final=verdict.final)
        else:
            self._trials.tell_failed(trial, final=verdict.final)
        for identity in trial.ids:
            self._records.pop(identity, None)
        step("trial-told")

    def _add(self, trial: Trial) -> None:
        """Put the experiments of a trial into the queue."""
        queue = self._holder.queue
        with getattr(queue, "session", contextlib.nullcontext)():
            try:
                planned = self._plan.experiments(trial.point, self._holder.ledger.next_index)
            except DefinitionError as error:
                self._emit(Notice(str(error), "error"))
                self._trials.tell_failed(trial, final=True)
                return
            if trial.ids:
                for one, identity in zip(planned, trial.ids, strict=False):
                    one.id = identity
            else:
                step("trial-asked")
                self._trials.assign(trial, [one.id for one in planned])
                step("trial-assigned")
            for one in planned:
                one.needs = self._needs(one)
            queue.put(planned)

    def _needs(self, planned: Planned) -> tuple[str, ...]:
        inputs = planned.experiment.inputs
        names = set(after_names(inputs.get("After")))
        past = [asked.key for asked in asked_of_past(inputs)]
        if not names and not past:
            return ()
        found: dict[str, None] = {}
        for entry in self._holder.ledger.entries.values():
            if entry.facts.runs and entry.facts.name in names:
                found[entry.id] = None
        for key in past:
            named = [e for e in self._holder.ledger.entries.values() if e.facts.runs and e.facts.name == key]
            if named:
                found[max(named, key=lambda entry: entry.facts.index).id] = None
        return tuple(found)

    # --- what came of trials ---

    def ended(self, planned: Planned, outcome: Outcome) -> None:
        """Take note of what came of an experiment, before that is written down."""
        trial = next((t for t in self._trials.pending.values() if planned.id in t.ids), None)
        if trial is None:
            return
        self._tails.pop(planned.id, None)
        if outcome.ending is Ending.FINISHED:
            if self.prunes and outcome.run and has_stopped(outcome.run):
                outcome.results[PRUNED] = True
            self._records[planned.id] = {**planned.experiment.inputs, **outcome.results}

    def _standing(self, trial: Trial) -> str:
        """Return how a trial has ended: ``done``, ``failed`` or ``pruned``; empty where nothing is new."""
        entries = map(self._holder.ledger.entries.get, trial.ids)
        statuses = {entry.status for entry in entries if entry is not None}
        if not statuses or statuses & _RESTS:
            return ""
        if Status.FAILED in statuses or Status.DONE not in statuses:
            ended = "failed" if Status.FAILED in statuses else "pruned"
            return "" if trial.is_told else ended
        return "done"

    def _verdict(self, trial: Trial) -> _Verdict | None:
        """Return what is to be told of a trial; None for nothing (yet)."""
        standing = self._standing(trial)
        if standing != "done":
            return _Verdict(standing, final=False) if standing else None
        entries = map(self._holder.ledger.entries.get, trial.ids)
        return self._judge([self._record(e) for e in entries if e is not None and e.status is Status.DONE])

    def _logged(self, trial: Trial) -> _Verdict | None:
        """Return what is to be told of a trial of an earlier study, whose queue was in memory."""
        from coolrunner.results.logs.finding import find_record

        if not trial.ids:
            return None
        planned = self._plan.experiments(trial.point, 0)
        log = str(planned[0].experiment.inputs["YamlLog"])
        records = [find_record(log, identity) for identity in trial.ids]
        return None if None in records else self._judge([record for record in records if record])

    def _record(self, entry: Entry) -> Mapping[str, Any]:
        record = self._records.get(entry.id)
        if record is None:
            from coolrunner.results.logs.finding import find_record

            record = find_record(entry.facts.log, entry.id) or {}
        return record

    def _judge(self, records: Sequence[Mapping[str, Any]]) -> _Verdict:
        if any(record.get(PRUNED) is True for record in records):
            return _Verdict("pruned", final=True)
        values = []
        for goal in self._plan.search.goals:
            numbers = [_number(record, goal.key) for record in records]
            if None in numbers:
                self._miss(goal.key, records[numbers.index(None)])
                return _Verdict("failed", final=True)
            values.append(sum(number for number in numbers if number is not None) / len(numbers))
        as_ran = {
            path: value
            for path in self._plan.search.space
            if (value := _at(records[0], path)) is not _NOTHING
        }
        return _Verdict("values", True, values, as_ran)

    def _miss(self, goal: str, record: Mapping[str, Any]) -> None:
        self._told += 1
        if self._told > _TOLD:
            return
        names = [key for key in record if isinstance(key, str) and key.isupper()]
        close = next((name for name in names if name.startswith(goal)), "") or nearest(goal, names)
        is_there = "is no number" if _at(record, (goal,)) is not _NOTHING else "is not among its results"
        hint = f"; did you mean {close}?" if close and close != goal else ""
        self._emit(Notice(f"{record.get('Name')}: {goal} {is_there}, so its trial counts as failed{hint}"))

    # --- pruning ---

    def _running(self) -> Iterable[tuple[Trial, str, str]]:
        """Yield the trials that run now, each with the ID and the run directory of its experiment."""
        entries = self._holder.ledger.entries
        for trial in self._open():
            for identity in trial.ids:
                entry = entries.get(identity)
                if entry is not None and entry.status is Status.RUNNING:
                    yield trial, identity, self._run_of(identity) or entry.run

    def watch(self) -> None:
        """Look at what runs, and let know what is to end early."""
        if not self.prunes:
            return
        for trial, identity, run in list(self._running()):
            if not run or identity in self._stopped:
                continue
            tail = self._tails.get(identity)
            if tail is None:
                tail = self._tails[identity] = MetricTail(run, self._plan.search.metric)
            rows = tail.read()
            if rows:
                with self.file.locked():
                    ends = [self._trials.report(trial, value, at) for at, value in rows]
                    self._size = self.file.size
                if any(ends):
                    self._stopped.add(identity)
                    stop(run)

    # --- what a person is told ---

    def tell_of_start(self) -> None:
        """Say that trials of before count."""
        if self._had:
            self._emit(
                Notice(f"{self._plan.name} goes on: {self._had} of {self._plan.search.n} trials", "info")
            )

    def tell_of_end(self) -> None:
        """Say what was found."""
        best = self._trials.best()
        count = f"{self._trials.count} of {self._plan.search.n} trials"
        if not best:
            self._emit(Notice(f"{self._plan.name}: {count}, none with a result", "info"))
            return
        for trial in best[:_TOLD]:
            pairs = zip(self._plan.search.goals, trial.values, strict=False)
            reached = " ".join(f"{goal.key}={value_text(value)}" for goal, value in pairs)
            names = key_text(list(self._plan.search.space))
            point = " ".join(
                f"{names[path]}={value_text(value)}" for path, value in self._trials.point_of(trial).items()
            )
            self._emit(Notice(f"{self._plan.name}: best {reached} with {point} ({count})", "info"))
        if len(best) > _TOLD:
            self._emit(
                Notice(f"{self._plan.name}: {len(best) - _TOLD} more are as good in their way", "info")
            )


_NOTHING = object()


def _at(record: Mapping[str, Any], path: Sequence[Any]) -> Any:
    value: Any = record
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return _NOTHING
        value = value[key]
    return value


def _number(record: Mapping[str, Any], key: str) -> float | None:
    value = _at(record, (key,))
    if value is _NOTHING:
        value = _at(record, key.split("."))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return float(value)
