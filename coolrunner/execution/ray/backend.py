"""Experiments as tasks of a Ray cluster, on whichever of its nodes has room.

An actor of the cluster owns the tasks (`keeper`), so that they go on where a runner is killed; a later
one takes them up. In a task an experiment is run in a fresh process, as everywhere (`hand`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from coolrunner.definition.clusters import RaySettings
from coolrunner.definition.resources import Resources, parse_resources
from coolrunner.errors import RunError
from coolrunner.execution.attempt import STATUS, facts_of
from coolrunner.execution.base import Ended, Ending, Job, Outcome, Output, Past, Report, Warned
from coolrunner.execution.detached import Parcel, Returned, Wish, record
from coolrunner.execution.detached_files import JobsDirectory, make_order, order_data, same_as
from coolrunner.execution.pinning import PinBoard
from coolrunner.execution.ray.cluster import NAMESPACE, RayCluster, amounts, task_options
from coolrunner.execution.ray.mail import Mail
from coolrunner.execution.ray.travel import bring_home, pack_earlier
from coolrunner.execution.running import pass_on
from coolrunner.execution.slots import THREADS
from coolrunner.experiment import Slot
from coolrunner.runs.attempts import settle, where_shown
from coolrunner.yamlio import dump

__all__ = ["RayBackend"]

# Seconds after which it is seen whether the cluster has grown; that an actor has to answer a question.
_GROWN, _ANSWER = 5.0, 30.0


@dataclass(slots=True, eq=False)
class _Running:
    """A job that Ray has.

    Attributes
    ----------
    job
        What it is.
    keeper
        The actor that owns its task.
    stopped
        Whether it was asked to stop.
    """

    job: Job
    keeper: Any
    stopped: bool = False


class RayBackend:
    """Gives jobs to Ray.

    Parameters
    ----------
    board
        Where the versions of the user's files are kept.
    directory
        First on the import path of the experiments.
    place
        The directory of files that say what was given to the cluster, so that a later runner can take it
        up; None where jobs are to end with this runner.
    settings
        ``Global.ray``.
    jobs
        How many jobs Ray has at once at the most; ``auto`` or None for as many as its nodes have room for.
    study
        What tasks are called in Ray's own views.
    capture
        Whether what experiments write is reported as `Output`; else it is passed on to standard output.
    warm
        Whether installed libraries are imported once in each process of Ray, where that is safe.
    grace
        Seconds that an experiment has before it is killed.

    Raises
    ------
    UsageError
        Ray is not installed.
    BackendError
        The cluster cannot be reached.
    """

    def __init__(
        self,
        board: PinBoard,
        directory: str,
        place: Path | None = None,
        *,
        settings: RaySettings | None = None,
        jobs: int | str | None = None,
        study: str = "coolrunner",
        capture: bool = False,
        warm: bool = True,
        grace: float = 10.0,
    ) -> None:
        self._board = board
        self._directory = directory
        self._cluster = RayCluster(settings or RaySettings())
        self._files: JobsDirectory | None = None
        if place is not None and self._cluster.outlives:
            self._files = JobsDirectory(place.absolute())
            self._files.make()
        self._jobs = jobs if isinstance(jobs, int) else None
        self._study = study
        self._capture = capture
        self._warm = warm
        self._grace = grace
        self._given: dict[int, Resources] = {}
        self._running: dict[str, _Running] = {}
        self._reports: deque[Report] = deque()
        self._refused_at = float("-inf")
        self._mail = Mail()
        self._name = ""
        self._keeper: Any = None
        self._heard = 0

    # --- slots ---

    @property
    def slots(self) -> int:
        """How many jobs Ray has at the most."""
        return self._jobs or max(int(self._cluster.total("CPU")), 1)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to see whether the cluster has grown."""
        return _GROWN if time.monotonic() - self._refused_at < 2 * _GROWN else None

    @property
    def outlives(self) -> bool:
        """Whether jobs go on without their runner."""
        return self._files is not None

    def reserve(self, resources: Resources) -> Slot | None:
        """Return a slot; which node it is on is found by Ray."""
        if len(self._given) >= self.slots:
            return None
        if self._jobs is None and not self._has_room(resources):
            self._refused_at = time.monotonic()
            return None
        number = next(number for number in itertools.count() if number not in self._given)
        self._given[number] = resources
        cpus = str(resources.cpus or 1)
        environment = {**dict.fromkeys(THREADS, cpus), "COOLRUNNER_SLOT": str(number)}
        return Slot(number, memory=resources.memory, environment=environment)

    def _has_room(self, resources: Resources) -> bool:
        """Whether all nodes together have what is asked for, beside what was given out."""
        asked = amounts(resources)
        given = [amounts(other) for other in self._given.values()]
        return all(
            not amount or amount + sum(other[name] for other in given) <= self._cluster.total(name)
            for name, amount in asked.items()
        )

    def release(self, slot: Slot) -> None:
        """Take back a slot."""
        self._given.pop(slot.number, None)

    def impossible(self, resources: Resources) -> str:
        """Say why no node can ever give these."""
        return self._cluster.impossible(resources)

    # --- starting ---

    def start(self, job: Job, past: Past) -> None:
        """Give a job to Ray, unless an earlier runner has done so."""
        self._warn(job.id, *self._board.changes())
        if self._files is not None and self._take_up(job, self._files):
            return
        resources = parse_resources(job.inputs.get("Resources"))
        if resources.time is not None:  # Ray knows of no such limit
            job = replace(job, timeout=min(resources.time, job.timeout or resources.time))
        parcel = Parcel(job, record(job.inputs, past), self._directory, self._grace)
        keeper = self._our_keeper()
        self._note(job)
        how: dict[str, Any] = {"warm": self._warm, "copied": self._cluster.copies}
        if self._cluster.copies:
            how["earlier"] = pack_earlier(job.run)
        options = task_options(resources, f"{self._study}: {job.inputs.get('Name', job.id)}")
        keeper.start.remote(job.id, parcel.pack(), options, **how)
        self._running[job.id] = _Running(job, keeper)

    def _our_keeper(self) -> Any:
        """Return the actor that owns the tasks of this runner."""
        if self._keeper is None:
            from coolrunner.execution.ray.keeper import Keeper

            ray = self._cluster.ray
            self._name = f"{self._study}-{os.urandom(6).hex()}"
            options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 100_000}
            options.update(name=self._name, namespace=NAMESPACE, resources=self._cluster.at_head())
            if self.outlives:
                options["lifetime"] = "detached"
            self._keeper = ray.remote(Keeper).options(**options).remote(self._name, stays=self.outlives)
            self._heard = 0
            self._listen()
        return self._keeper

    def _listen(self) -> None:
        if self._keeper is not None:
            self._mail.expect(self._keeper.listen.remote(self._heard), partial(self._hear, self._keeper))

    def _note(self, job: Job) -> None:
        """Write down where a job is, for a later runner."""
        if self._files is not None:
            about = {
                "engine": "ray",
                "study": self._study,
                "address": self._cluster.address,
                "keeper": self._name,
                "same": same_as(job.inputs),
                "values": dump(dict(job.inputs)),
                "run": order_data(job.run),
            }
            files = self._files.job(job.id)
            files.remove()
            files.path.mkdir(parents=True)
            files.write_about(about)

    def _take_up(self, job: Job, files: JobsDirectory) -> bool:
        """Take up a job that an earlier runner has started; False where there is none to take up."""
        about = files.job(job.id).about()
        if about is None or about.get("engine") != "ray":
            return False
        name = job.inputs.get("Name", job.id)
        if about.get("address") != self._cluster.address:
            self._warn(job.id, f"{name} was given to another Ray cluster, at {about.get('address')}, before")
            return False
        ray = self._cluster.ray
        try:
            keeper = ray.get_actor(str(about.get("keeper")), namespace=NAMESPACE)
            known = ray.get(keeper.has.remote(job.id), timeout=_ANSWER)
        except (ValueError, ray.exceptions.RayError):  # it is gone, and its tasks with it
            return False
        if not known:
            return False
        if about.get("same") != same_as(job.inputs):
            keeper.want.remote([job.id], Wish.KILL.name)
            return False
        running = self._running[job.id] = _Running(replace(job, run=make_order(about.get("run"))), keeper)
        self._follow(running)
        self._warn(job.id, f"{name} is with Ray already; it is waited for")
        return True

    def _follow(self, running: _Running) -> None:
        identity = running.job.id
        self._mail.expect(running.keeper.follow.remote(identity), partial(self._hear_earlier, identity))

    # --- hearing of them ---

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what has happened.

        What came of a job is forgotten by the cluster once the one who listens has come back for more:
        then it is written down elsewhere.
        """
        if not self._reports:
            for deliver in self._mail.wait(timeout):
                deliver()
        while self._reports:
            report = self._reports.popleft()
            yield report
            if isinstance(report, Ended) and self._files is not None and report.id not in self._running:
                self._files.job(report.id).remove()

    def _hear(self, keeper: Any, messages: Any) -> None:
        if keeper is not self._keeper:
            return
        if isinstance(messages, self._cluster.ray.exceptions.ActorUnavailableError):
            self._mail.then(self._listen)  # out of reach for a while, which says nothing of what it keeps
            return
        if isinstance(messages, BaseException):
            self._keeper = None
            for lost in [running for running in self._running.values() if running.keeper is keeper]:
                self._end(lost, self._gone(lost, messages))
            return
        for number, verb, identity, data in messages:
            if number <= self._heard:
                continue
            self._heard = number
            running = self._running.get(identity)
            if running is None or running.keeper is not keeper:
                continue
            if verb == "output":
                self._pass_on(identity, data)
            elif verb == "ended":
                self._take(running, data)
        self._mail.then(self._listen)

    def _hear_earlier(self, identity: str, packed: Any) -> None:
        running = self._running.get(identity)
        if running is None:
            return
        if isinstance(packed, self._cluster.ray.exceptions.ActorUnavailableError):
            self._mail.then(partial(self._follow, running))
            return
        if isinstance(packed, BaseException) or not packed:
            self._end(running, self._gone(running, packed or None))
            return
        self._take(running, packed)
        self._mail.then(partial(running.keeper.forget.remote, identity))

    def _gone(self, running: _Running, error: BaseException | None) -> Outcome:
        if running.stopped:
            return Outcome(Ending.INTERRUPTED, error="it was stopped", kind="interrupted")
        lines = str(error or "").strip().splitlines()
        why = f": {lines[-1].strip()}" if lines else ""
        return Outcome(Ending.LOST, error=f"the actor of Ray that kept it is gone{why}", kind="lost")

    def _take(self, running: _Running, packed: bytes) -> None:
        try:
            returned = Returned.unpack(packed)
        except ValueError as error:
            self._end(running, Outcome(Ending.FAILED, error=str(error), kind="exit"))
            return
        facts, outcome, order = returned.facts, returned.outcome, running.job.run
        self._warn(running.job.id, *self._board.add(returned.pins))
        if facts.get("output"):
            self._pass_on(running.job.id, facts["output"])
        if facts.get("luggage") and order is not None:
            trouble = bring_home(facts["luggage"], order)
            outcome.warnings.extend([trouble] if trouble else [])
        self._end(running, outcome, settled=not facts.get("broken"))

    def _pass_on(self, identity: str, data: bytes) -> None:
        if self._capture:
            self._reports.append(Output(identity, data))
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        pass_on(data, 1)

    def _end(self, running: _Running, outcome: Outcome, *, settled: bool = False) -> None:
        job = running.job
        del self._running[job.id]
        if job.run is not None:
            if not settled:
                try:
                    settle(job.run, STATUS[outcome.ending], **facts_of(outcome))
                except RunError as error:
                    outcome.warnings.append(str(error))
            outcome.run = where_shown(job.run.ticket.where)
        outcome.started = outcome.started or time.time()
        if job.slot is not None:
            self.release(job.slot)
        self._reports.append(Ended(job.id, outcome))

    def _warn(self, identity: str, *messages: str) -> None:
        self._reports.extend(Warned(identity, message) for message in messages)

    # --- stopping ---

    def interrupt(self, ids: Collection[str] | None = None) -> None:
        """Ask experiments to stop; those that have not begun are taken back."""
        self._stop(ids, Wish.INTERRUPT)

    def kill(self, ids: Collection[str] | None = None) -> None:
        """Kill experiments; where that is of no use, the processes of Ray that run them."""
        self._stop(ids, Wish.KILL)

    def _stop(self, ids: Collection[str] | None, wish: Wish) -> None:
        by_keeper: dict[Any, list[str]] = {}
        for running in self._running.values():
            if ids is None or running.job.id in ids:
                running.stopped = True
                by_keeper.setdefault(running.keeper, []).append(running.job.id)
        for keeper, chosen in by_keeper.items():
            keeper.want.remote(chosen, wish.name)

    def close(self) -> None:
        """Let go of the cluster; jobs that outlive their runner go on, else they are killed."""
        if self._mail.is_closed:
            return
        ray = self._cluster.ray
        if self._keeper is not None and not (self.outlives and self._running):
            with contextlib.suppress(ray.exceptions.RayError):
                if self._running:
                    ray.get(self._keeper.close.remote(), timeout=_ANSWER)
                ray.kill(self._keeper)
        self._keeper = None
        self._running.clear()
        self._mail.close()
        self._cluster.leave()
