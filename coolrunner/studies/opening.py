"""A study's queue in memory: all of it, or what an earlier run has left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coolrunner.definition.plan import Plan, Planned
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.memory import MemoryQueue
from coolrunner.studies.brief import Brief
from coolrunner.studies.facts import facts_of

if TYPE_CHECKING:
    from coolrunner.queue.file import FileQueue
    from coolrunner.studies.resuming import Known
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = [
    "Draws",
    "Opened",
    "ids_left_out",
    "ids_to_run",
    "logged",
    "open_memory",
    "rename_needs",
    "resume_memory",
]

Draws = Mapping[tuple[int, int], int]


@dataclass
class Opened:
    """A queue to run, and what is known of its study.

    Attributes
    ----------
    brief, queue
        The study, and where it waits.
    items
        What is to be put into the queue as the study begins.
    skipped
        For a study that is gone on with: each experiment that is not run again, what it equals, and how
        that ended.
    searches
        What puts experiments into the queue as results come in.
    """

    brief: Brief
    queue: MemoryQueue[Planned] | FileQueue[Planned]
    items: Sequence[Planned] = ()
    skipped: list[tuple[Planned, str, str]] = field(default_factory=list)
    searches: Sequence[SearchPlan] = ()


def open_memory(plan: Plan) -> Opened:
    """Return a queue in memory."""
    left_out = ids_left_out(plan)

    def facts(planned: Planned) -> Facts:
        return facts_of(planned, runs=planned.runs and planned.id not in left_out)

    return Opened(Brief.of_plan(plan), MemoryQueue(facts_of=facts), plan.experiments)


def resume_memory(read: Callable[[Draws | None], Plan]) -> Opened:
    """Return a queue in memory of what has no result in the study's logs yet."""
    from coolrunner.studies.resuming import match

    plan = read(None)
    done = logged(plan)
    finished = {one.id for one in done}
    found = match(read, [*done, *handed_over(plan, finished)])
    new_ids = {planned_id: one.id for planned_id, one in found.known.items()}
    _rename(found.plan.experiments, new_ids)
    opened = open_memory(found.plan)
    opened.queue.put(opened.items)
    opened.items = ()
    for planned in found.plan.experiments:
        entry = opened.queue.ledger.entries[planned.id]
        if entry.status is Status.WAITING and planned.id in finished:
            opened.queue.ledger.apply({"t": "end", "id": planned.id, "status": Status.DONE.value})
            log = str(planned.experiment.inputs["YamlLog"])
            opened.skipped.append((planned, planned.id, f"done, in {log}"))
    return opened


def logged(plan: Plan) -> list[Known]:
    """Return the experiments of a study that stand in its logs."""
    from coolrunner.results.logs.finding import records_of_study
    from coolrunner.studies.resuming import Known

    logs = {str(planned.experiment.inputs["YamlLog"]) for planned in plan.chosen if planned.runs}
    return [
        Known(str(record.get("ID", f"{log} {number}")), record, alone=False)
        for log in sorted(logs)
        for number, record in enumerate(records_of_study(log, plan.study))
    ]


def handed_over(plan: Plan, finished: Collection[str]) -> list[Known]:
    """Return the experiments of a study that are with a cluster, or have ended there unheard."""
    if plan.settings.executor in ("local", "inline"):
        return []
    from coolrunner.studies.clusters import known_jobs

    return list(known_jobs(plan.settings, plan.study, finished))


def ids_to_run(plan: Plan) -> set[str]:
    """Return the IDs of a plan's experiments that were picked and are not skipped."""
    return {planned.id for planned in plan.chosen if planned.runs}


def ids_left_out(plan: Plan) -> set[str]:
    """Return the IDs of a plan's other experiments."""
    return {planned.id for planned in plan.experiments} - ids_to_run(plan)


def _rename(experiments: Iterable[Planned], new: Mapping[str, str]) -> None:
    for planned in experiments:
        planned.id = new.get(planned.id, planned.id)
    rename_needs(experiments, new)


def rename_needs(experiments: Iterable[Planned], new: Mapping[str, str]) -> None:
    """Let experiments need others under their new IDs; those that share a tuple go on sharing one."""
    renamed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for planned in experiments:
        if planned.needs:
            needs = renamed.get(planned.needs)
            if needs is None:
                needs = renamed[planned.needs] = tuple(new.get(need, need) for need in planned.needs)
            planned.needs = needs
