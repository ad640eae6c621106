"""``run``: what runs the experiments, and what of this machine it has for them."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from coolrunner.errors import DefinitionError, QueueError

if TYPE_CHECKING:
    from coolrunner.definition.plan import Plan
    from coolrunner.execution.base import Backend
    from coolrunner.execution.gpus import GpuSet
    from coolrunner.execution.machine import Machine
    from coolrunner.execution.slots import SlotPool
    from coolrunner.studies.opening import Opened

__all__ = ["Lending", "check_fit"]


class Lending:
    """The share of this machine that a runner gives out; those who look at its queue are told of it.

    Parameters
    ----------
    options
        The call.
    opened
        The queue.
    inline
        Whether experiments run in this process.
    """

    def __init__(self, options: argparse.Namespace, opened: Opened, *, inline: bool) -> None:
        self._opened = opened
        self._settings = opened.brief.settings
        self._jobs = options.jobs or self._settings.jobs
        self._inline = inline
        self._cluster = not inline and self._settings.executor in ("slurm", "ray")
        self._resumes = options.resume or options.append or bool(options.queue)
        self._uses_gpus = _uses_gpus(opened)
        self._gpus: int | None = None  # how many there are, once they were looked for

    def backend(self, directory: str, *, capture: bool) -> Backend:
        """Return what runs the experiments."""
        from coolrunner.execution.pinning import PinBoard

        board, settings = PinBoard(time.time_ns()), self._settings
        if self._cluster:
            from coolrunner.studies.clusters import cluster_backend, left_running

            brief = self._opened.brief
            told = "" if self._resumes else left_running(settings, brief.name)
            if told:
                sys.stderr.write(f"warning: {told}\n")
            return cluster_backend(
                settings, board, directory, study=brief.name, jobs=self._jobs, capture=capture
            )
        if self._inline:
            from coolrunner.execution.inline import InlineBackend

            return InlineBackend(board, directory, grace=settings.grace, pool=self._pool)
        from coolrunner.execution.local import LocalBackend

        return LocalBackend(
            board, directory, capture=capture, warm=settings.warm, grace=settings.grace, pool=self._pool
        )

    def tell(self) -> None:
        """Note in the queue what there is, where that is a file.

        To look for GPUs may take seconds, so that is done where an experiment asks for one, and noted then.

        Raises
        ------
        QueueError
            The queue cannot be worked on.
        """
        from coolrunner.queue.memory import MemoryQueue

        queue = self._opened.queue
        if isinstance(queue, MemoryQueue):
            return
        if self._cluster:  # what there is, its own queue knows
            queue.lend({"jobs": self._jobs} if isinstance(self._jobs, int) else {})
            return
        machine = self._machine
        if self._uses_gpus:
            self._gpus = len(machine.gpus)
        cpus = None if self._inline else len(machine.cpus)  # in this process nothing is bound to any
        lends = {"jobs": self._pool.most, "cpus": cpus, "gpus": self._gpus, "memory": machine.memory}
        queue.lend(lends)

    @cached_property
    def _pool(self) -> SlotPool:
        from coolrunner.execution.slots import SlotPool
        from coolrunner.queue.memory import MemoryQueue

        # A queue in memory that asks for nothing needs no look at the machine.
        is_asked = self._settings.gpus is not None or not isinstance(self._opened.queue, MemoryQueue)
        return SlotPool(
            self._machine if is_asked else None,
            1 if self._inline else self._jobs,
            assign_gpus=self._uses_gpus,
            limit_gpus=self._settings.gpus is not None,
            pins=not self._inline,
        )

    @cached_property
    def _machine(self) -> Machine:
        from coolrunner.execution.machine import this_machine

        machine = this_machine(self._settings.gpus)
        find = machine.find_gpus

        def find_and_tell() -> GpuSet:
            found = find()
            if not self._uses_gpus:  # a person has added one that does
                self._gpus = len(found)
                with contextlib.suppress(QueueError):  # the study will hear of that
                    self.tell()
            return found

        machine.find_gpus = find_and_tell
        return machine


def check_fit(plan: Plan, options: argparse.Namespace) -> None:
    """See that this machine can have what the experiments of a definition ask for.

    Raises
    ------
    DefinitionError
        It never can.
    """
    if not options.inline and plan.settings.executor in ("slurm", "ray"):
        from coolrunner.studies.clusters import check_cluster

        check_cluster(plan)
        return
    asking = [p for p in plan.chosen if p.runs and p.experiment.inputs.get("Resources") is not None]
    if not asking:
        return
    from coolrunner.definition.resources import parse_resources
    from coolrunner.execution.machine import this_machine
    from coolrunner.execution.slots import SlotPool

    settings = plan.settings
    inline = options.inline or settings.executor == "inline"
    machine = None if settings.gpus is None else this_machine(settings.gpus)
    pool = SlotPool(machine, options.jobs or settings.jobs, pins=not inline)
    problems, seen = [], set()
    for planned in asking:
        if planned.document not in seen:
            seen.add(planned.document)
            why = pool.impossible(parse_resources(planned.experiment.inputs["Resources"]))
            if why:
                number = plan.definition.origin(planned.document, ("Resources",))
                problems.append(plan.definition.problem(number, ("Resources",), f"{planned.name} {why}"))
    pool.close()
    if problems:
        raise DefinitionError(problems)


def _uses_gpus(opened: Opened) -> bool:
    """Whether the study gives GPUs out: then an experiment that asks for none sees none."""
    lanes = {entry.facts.lane for entry in opened.queue.ledger.entries.values()}
    asked = (item.experiment.inputs.get("Resources") for item in opened.items)
    return any("gpus=" in lane for lane in lanes) or any(
        isinstance(resources, Mapping) and resources.get("gpus") for resources in asked
    )
