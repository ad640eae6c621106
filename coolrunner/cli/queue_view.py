"""``coolrunner queue``: how it stands with a queue, read without touching it."""

from __future__ import annotations

import contextlib
import gc
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from coolrunner.cli.queue_find import journal_in
from coolrunner.errors import IllegalMove
from coolrunner.proof import Life, Process, life, silence
from coolrunner.queue.base import Status
from coolrunner.queue.claims import STALE, claim_life, stale_for
from coolrunner.queue.entries import Entry, Runner
from coolrunner.queue.journal import Journal
from coolrunner.queue.ledger import Ledger

__all__ = ["RunnerView", "View", "asked_for", "history", "uncollected", "where"]

_SIGNATURES = 100
_LENT = ("jobs", "cpus", "gpus", "memory")


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Read a queue without looking for garbage: in its million objects, there is none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


class RunnerView:
    """A runner, and how it is with it.

    Attributes
    ----------
    runner
        As the journal has it.
    life
        What can be proved of its process.
    silent
        Seconds since its last heartbeat; None where there is none.
    """

    def __init__(self, runner: Runner, directory: Path, now: float) -> None:
        self.runner = runner
        try:
            self.silent = silence(directory / "beats" / runner.id)
        except OSError:
            self.silent = None
        try:
            self.life = life(Process.from_data(runner.process), silent=self.silent)
        except ValueError:  # a later version says it otherwise
            self.life = Life.UNKNOWN
        self.age = max(now - runner.began, 0.0)

    @property
    def state(self) -> str:
        """How it is with it: ``alive``, ``dead``, ``gone``, or ``stale?`` where it is silent for too long."""
        if self.runner.gone:
            return "gone"
        if self.life is not Life.UNKNOWN:
            return str(self.life.value)
        silent = self.age if self.silent is None else self.silent
        return "stale?" if silent > STALE else "alive"

    @property
    def works(self) -> bool:
        """Whether it may take experiments."""
        return self.state == "alive"

    @property
    def where(self) -> str:
        """Its host and process."""
        return where(self.runner)

    @property
    def lends(self) -> dict[str, float]:
        """What it has for experiments: ``jobs``, ``cpus``, ``gpus``, ``memory``, as far as it says so."""
        said = self.runner.lends
        return {key: said[key] for key in _LENT if isinstance(said.get(key), (int, float))}

    def used(self, entries: Sequence[Entry]) -> dict[str, float]:
        """Return what these experiments, which it runs, have of that.

        One that asks for no CPUs has its part of them, as many as the number of jobs leaves.
        """
        lends, asked = self.lends, [asked_for(entry.facts.lane) for entry in entries]
        part = max(lends.get("cpus", 0) // max(lends.get("jobs", 1), 1), 1)
        used = {key: sum(one.get(key, 0) for one in asked) for key in ("gpus", "memory")}
        cpus = sum(one.get("cpus", part) for one in asked)
        used.update(jobs=len(asked), cpus=min(cpus, lends.get("cpus", cpus)))
        return {key: used[key] for key in lends}


def asked_for(lane: str) -> dict[str, float]:
    """Return what a lane asks for, by ``cpus``, ``gpus`` and ``memory`` (bytes)."""
    parts = (part.partition("=") for part in lane.split())
    return {key: int(value) if value.isdecimal() else float(value) for key, _, value in parts}


def where(runner: Runner) -> str:
    """Return how a runner's process is called: ``host:pid``."""
    return f"{runner.process.get('host', '?')}:{runner.process.get('pid', '?')}"


class View:
    """A queue as it stands, told by its journal; takes no lock.

    That it is not `coolrunner.queue.file.read_ledger` saves what a command needs to look at nothing but
    this: the import of all that writes, and half of the time for a long journal.

    Parameters
    ----------
    path
        The queue file.

    Attributes
    ----------
    ledger
        The state.
    now
        When it was read, in seconds since the epoch.

    Raises
    ------
    QueueError
        The journal cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.directory = journal_in(path).parent
        self.ledger = Ledger()
        self._journal = Journal(journal_in(path), writable=False)
        self._signatures: deque[list[int]] = deque(maxlen=_SIGNATURES)
        self._runners: list[RunnerView] | None = None
        self._standings: dict[str, str] = {}
        self.read_on()

    def read_on(self) -> None:
        """Read what has happened since the last time."""
        ledger = self.ledger
        with uncollected():
            for record in self._journal.read():
                try:
                    ledger.apply(record)
                except (IllegalMove, KeyError, ValueError, TypeError):
                    continue  # a runner says so
                if record["t"] == "publish":
                    self._signatures.append(ledger.signature)
        self.now = time.time()

    def was_published(self, signature: list[int]) -> bool:
        """Whether a runner wrote the file that looks like this, which may have been a moment ago."""
        return signature in self._signatures

    def waiting(self) -> list[Entry]:
        """Return the waiting experiments in the order in which they stand."""
        waiting = [entry for entry in self.ledger.entries.values() if entry.status is Status.WAITING]
        waiting.sort(key=attrgetter("order", "id"))
        return waiting

    def runners(self) -> list[RunnerView]:
        """Return the runners that have not left, those that left without their experiments among them."""
        if self._runners is None:
            claims = {entry.claim.runner for entry in self.ledger.running() if entry.claim}
            every = self.ledger.runners.values()
            kept = [runner for runner in every if not runner.gone or runner.id in claims]
            views = [RunnerView(runner, self.directory, self.now) for runner in kept]
            self._runners = [view for view in views if view.life is not Life.DEAD or view.runner.id in claims]
        return self._runners

    def has_runner(self) -> bool:
        """Whether somebody takes experiments."""
        return any(view.works for view in self.runners())

    def where(self, entry: Entry) -> str:
        """Return host and process of the runner of a running experiment."""
        runner = self.ledger.runners.get(entry.claim.runner) if entry.claim else None
        return where(runner) if runner else "a runner that is not known"

    def age(self, entry: Entry) -> float:
        """Return for how many seconds an experiment has been running."""
        return max(self.now - entry.claim.at, 0.0) if entry.claim else 0.0

    def standing(self, entry: Entry) -> str:
        """Return how it stands with an experiment.

        As in `Ledger.standing`; of the running ones, ``lost`` are those that went down with their runner,
        and ``stale?`` those whose runner has been silent for long.
        """
        if entry.status is not Status.RUNNING:
            return self.ledger.standing(entry)
        known = self._standings.get(entry.id)
        if known is None:
            if claim_life(self.ledger, entry, self.directory) is Life.DEAD:
                known = "lost"
            elif stale_for(self.ledger, entry, self.directory) is not None:
                known = "stale?"
            else:
                known = "running"
            self._standings[entry.id] = known
        return known

    def counts(self) -> Counter[str]:
        """Return how many experiments there are of each standing."""
        ledger = self.ledger
        counts = Counter({status.value: count for status, count in ledger.counts.items() if count})
        for entry in ledger.entries.values():
            if entry.status is Status.WAITING and (entry.facts.hold or entry.facts.needs):
                counts["waiting"] -= 1
                counts[ledger.standing(entry)] += 1
        for entry in ledger.running():
            counts["running"] -= 1
            counts[self.standing(entry)] += 1
        return +counts


def history(path: Path, identity: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a journal that are about an experiment, in their order."""
    import json

    needle = json.dumps(identity, ensure_ascii=False).encode("utf-8", "surrogatepass")
    with journal_in(path).open("rb") as file:
        for line in file:
            if needle in line and line.endswith(b"\n"):
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record
