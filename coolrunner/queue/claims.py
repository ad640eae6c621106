"""Whose a running experiment is, and when it is nobody's any more.

A claim is written before its experiment starts. It names the runner and, once there is one, the worker:
host, boot, namespace, process and start time of each. Only proof frees a claim by itself: both are dead.
A runner that merely looks silent (on another machine, say) is shown, and a person frees its claims.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from coolrunner.proof import Heartbeat, Life, Process, life, process_here, silence, this_process
from coolrunner.queue.base import Ended, Status
from coolrunner.queue.entries import Entry, Runner
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.memory import end_record
from coolrunner.queue.steps import step

__all__ = ["STALE", "Claims", "claim_life", "live_runners", "stale_for"]

#: How often a runner looks whether others have died.
EVERY = 1.0
#: Seconds without a heartbeat after which a runner is shown as ``stale?``.
STALE = 60.0
# A worker that was not noted yet when its runner died goes with it, in this many seconds.
_PASSING = 0.5


class Claims:
    """The claims of one runner, and its eye on those of others.

    Parameters
    ----------
    directory
        The journal's.
    ledger
        The state.
    write
        Writes records, in a session.
    is_logged
        Whether the result of an experiment stands in its log.
    say
        Tells a person something, with its level.
    """

    def __init__(
        self,
        directory: Path,
        ledger: Ledger,
        write: Callable[..., None],
        is_logged: Callable[[Entry], bool],
        say: Callable[[str, str], None],
    ) -> None:
        self._directory = directory
        self._ledger = ledger
        self._write = write
        self._is_logged = is_logged
        self._say = say
        self._id = ""
        self._me: dict[str, Any] = {}
        self._beat: Heartbeat | None = None
        self._next = 0.0
        self._dying: dict[str, float] = {}

    def enter(self) -> None:
        """Say that this process takes experiments from now on; free what dead runners have left."""
        process = this_process()
        self._id = f"{process.pid}-{os.urandom(3).hex()}"
        self._me = {"t": "runner", "r": self._id, "process": process.to_data(), "at": time.time()}
        self._write(self._me)
        self._beat = Heartbeat(self._directory / "beats" / self._id)
        self.reconcile()

    def lend(self, lends: Mapping[str, Any]) -> None:
        """Say what of the machine this runner has for experiments; said again where that has changed."""
        if self._id and self._me.get("lends") != lends:
            self._me = {**self._me, "lends": dict(lends)}
            self._write(self._me)

    def leave(self) -> None:
        """Say that it takes no more."""
        if self._id:
            self._write({"t": "gone", "r": self._id})

    def tidy(self) -> None:
        """Delete the heartbeats of others that have ended and hold nothing any more."""
        held = {entry.claim.runner for entry in self._ledger.running() if entry.claim}
        with contextlib.suppress(OSError):
            for path in (self._directory / "beats").iterdir():
                runner = self._ledger.runners.get(path.name)
                if runner is None or path.name in held or path.name == self._id:
                    continue
                if runner.gone or _life(runner.process, _silence(runner, self._directory)) is Life.DEAD:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the heartbeat."""
        if self._beat is not None:
            self._beat.stop()
            self._beat = None

    def claim(self, entry: Entry) -> None:
        """Make an experiment this runner's."""
        step("before-claim")
        self._write({"t": "claim", "id": entry.id, "r": self._id, "at": round(time.time(), 3)})
        step("claim-written")

    def is_mine(self, entry: Entry) -> bool:
        """Whether this runner has the claim."""
        return entry.status is Status.RUNNING and entry.claim is not None and entry.claim.runner == self._id

    def began(self, entry: Entry, pid: int, run: str) -> None:
        """Note the process that an experiment runs in, and its run directory."""
        process = process_here(pid)
        if process is not None and self.is_mine(entry):
            worker = {"pid": process.pid, "start": process.start}
            record = {"t": "worker", "id": entry.id, "r": self._id, "process": worker}
            self._write({**record, "run": run} if run else record)

    def is_due(self) -> bool:
        """Whether it is time to look after others' claims again."""
        return time.monotonic() >= self._next and bool(self._ledger.counts[Status.RUNNING])

    def is_dying(self, entry: Entry) -> bool:
        """Whether the runner of an experiment is dead, so that its claim will be freed in a moment."""
        runner = self._ledger.runners.get(entry.claim.runner) if entry.claim else None
        if runner is None:
            return False
        return _life(runner.process, _silence(runner, self._directory)) is Life.DEAD

    def reconcile(self) -> None:
        """Give back what dead runners had taken, unless their results are in the log already."""
        self._next = time.monotonic() + EVERY
        for entry in self._ledger.running():
            if self.is_mine(entry):
                continue
            verdict = claim_life(self._ledger, entry, self._directory)
            if verdict is not Life.DEAD:
                self._dying.pop(entry.id, None)
            elif entry.claim is not None and entry.claim.worker is None and self._is_passing(entry):
                self._next = time.monotonic() + _PASSING / 2
            else:
                self._dying.pop(entry.id, None)
                self._free(entry)

    def _is_passing(self, entry: Entry) -> bool:
        since = self._dying.setdefault(entry.id, time.monotonic())
        return time.monotonic() - since < _PASSING

    def _free(self, entry: Entry) -> None:
        name = entry.facts.name
        if self._is_logged(entry):
            self._write(end_record(entry.id, Status.DONE, Ended()))
            self._say(f"{name} ({entry.id}) had finished when its runner died", "info")
        else:
            self._write({"t": "free", "id": entry.id, "why": "its runner died"})
            self._say(f"{name} ({entry.id}) was lost with its runner and waits again", "warning")


def claim_life(ledger: Ledger, entry: Entry, directory: Path) -> Life:
    """Return whether those who run an experiment live: dead only where both, runner and worker, are."""
    claim = entry.claim
    runner = ledger.runners.get(claim.runner) if claim else None
    if claim is None or runner is None:
        return Life.UNKNOWN
    # One that has left will not finish it, though its process may live on.
    state = Life.DEAD if runner.gone else _life(runner.process, _silence(runner, directory))
    if state is not Life.DEAD or claim.worker is None:
        return state
    return _life({**runner.process, **claim.worker}, _silence(runner, directory))


def stale_for(ledger: Ledger, entry: Entry, directory: Path) -> float | None:
    """Return the seconds for which the runner of an experiment has been silent, where that is too long."""
    runner = ledger.runners.get(entry.claim.runner) if entry.claim else None
    if runner is None or _life(runner.process, _silence(runner, directory)) is Life.ALIVE:
        return None
    silent = _silence(runner, directory)
    silent = time.time() - runner.began if silent is None else silent
    return silent if silent > STALE else None


def live_runners(ledger: Ledger) -> list[Runner]:
    """Return the runners that have not left and are not known to be dead."""
    return [
        runner
        for runner in ledger.runners.values()
        if not runner.gone and _life(runner.process) is not Life.DEAD
    ]


def _life(process: Mapping[str, Any], silent: float | None = None) -> Life:
    try:
        return life(Process.from_data(process), silent=silent)
    except ValueError:  # a later version says it otherwise
        return Life.UNKNOWN


def _silence(runner: Runner, directory: Path) -> float | None:
    with contextlib.suppress(OSError):
        return silence(directory / "beats" / runner.id)
    return None
