"""Experiments as jobs of a Slurm cluster, which go on without their runner.

A job is written down in files that the whole cluster sees (`detached_files`) and handed to Slurm, together
with others as an array. What came of it is read from its file, as soon as that is there; Slurm is asked only
for jobs that leave none. A job that an earlier runner has handed over is not handed over again: it is waited
for, or what came of it is taken.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from coolrunner.definition.clusters import SlurmSettings
from coolrunner.definition.resources import Resources
from coolrunner.errors import BackendError, RunError
from coolrunner.execution.attempt import STATUS, facts_of
from coolrunner.execution.base import Ended, Ending, Job, Outcome, Output, Past, Report, Warned
from coolrunner.execution.detached import Parcel, Wish, record
from coolrunner.execution.detached_files import JobFiles, JobsDirectory, make_order, order_data, same_as
from coolrunner.execution.pinning import PinBoard
from coolrunner.execution.running import pass_on
from coolrunner.execution.slurm.job import Handed
from coolrunner.execution.slurm.nodes import Partitions
from coolrunner.execution.slurm.sender import Sender
from coolrunner.execution.slurm.states import Life, Seen, cancel, look
from coolrunner.execution.slurm.submitting import last_words
from coolrunner.execution.slurm.verdict import judge
from coolrunner.experiment import Slot
from coolrunner.runs.attempts import settle, where_shown
from coolrunner.yamlio import dump

__all__ = ["MOST", "SlurmBackend"]

#: How many jobs are handed over at once at the most, where nothing is said.
MOST = 100
# Seconds: between two looks at files, after something has happened and after long silence; between two
# questions to Slurm, and where an answer is needed; before a job is asked for that was only just handed over.
_SOON, _LATE, _ASK, _ASK_SOON, _NEW = 0.05, 1.0, 5.0, 0.5, 2.0
# Seconds that a file may take to show on another machine.
_SLOW_FILES = 3.0
# Seconds after which a job that was to be killed, and has not ended, is left to Slurm to kill.
_DEAF = 5.0


class SlurmBackend:
    """Hands jobs to Slurm.

    Parameters
    ----------
    board
        Where the versions of the user's files are kept.
    directory
        First on the import path of the experiments, which all nodes see under the same path.
    place
        The directory of the jobs' files, which all nodes see as well.
    settings
        ``Global.slurm``.
    jobs
        How many jobs of Slurm there are at once at the most.
    study
        What jobs are called in ``squeue``.
    capture
        Whether what experiments write is reported as `Output`; else it is passed on to standard output.
    grace
        Seconds that an experiment has before it is killed.
    """

    def __init__(
        self,
        board: PinBoard,
        directory: str,
        place: Path,
        *,
        settings: SlurmSettings | None = None,
        jobs: int = MOST,
        study: str = "coolrunner",
        capture: bool = False,
        grace: float = 10.0,
    ) -> None:
        self._board = board
        self._directory = directory
        self._jobs = JobsDirectory(place.absolute())
        self._settings = settings = settings or SlurmSettings()
        self._study = study
        self._capture = capture
        self._grace = grace
        self._slots = jobs * settings.experiments_per_job
        self._free: list[int] = list(range(self._slots))
        self._partitions = Partitions(str(settings.options.get("partition", "")))
        self._session = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(4).hex()}"
        self._running: dict[str, Handed] = {}
        self._sender = Sender(self._jobs, settings, self._session, study)
        self._reports: deque[Report] = deque()
        self._asked = self._stirred = time.monotonic()
        self._tailed = 0.0
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._wakeup_before: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        self._jobs.make()

    # --- slots ---

    @property
    def slots(self) -> int:
        """How many jobs are handed over at the most."""
        return self._slots

    @property
    def retry_after(self) -> float | None:
        """None: only the end of a job makes room."""
        return None

    @property
    def outlives(self) -> bool:
        """True: jobs go on without their runner."""
        return True

    def reserve(self, resources: Resources) -> Slot | None:
        """Return a slot; what it stands for is found by Slurm."""
        if not self._free:
            return None
        return Slot(self._free.pop(0), memory=resources.memory)

    def release(self, slot: Slot) -> None:
        """Take back a slot."""
        if 0 <= slot.number < self._slots and slot.number not in self._free:
            self._free.append(slot.number)
            self._free.sort()

    def impossible(self, resources: Resources) -> str:
        """Say why no node can ever give these."""
        with contextlib.suppress(BackendError):  # it does not answer, and may later
            return self._partitions.impossible(resources)
        return ""

    # --- starting ---

    def start(self, job: Job, past: Past) -> None:
        """Take a job on: one that an earlier runner has handed over, or a new one, which is sent soon."""
        self._warn(job.id, *self._board.changes())
        files = self._jobs.job(job.id)
        about = files.about()
        if about is not None and self._attach(job, files, about):
            return
        token = os.urandom(8).hex()
        parcel = Parcel(job, record(job.inputs, past), self._directory, self._grace, token)
        about = {
            "engine": "slurm",
            "study": self._study,
            "token": token,
            "session": self._session,
            "same": same_as(job.inputs),
            "values": dump(dict(job.inputs)),
            "run": order_data(job.run),
        }
        files.send(parcel, about)
        running = self._running[job.id] = Handed(job, files, token)
        self._sender.add(running)

    def _attach(self, job: Job, files: JobFiles, about: dict[str, Any]) -> bool:
        """Take up a job that an earlier runner has handed over; False where there is none to take up."""
        slurm = str(about.get("slurm", ""))
        if about.get("engine") != "slurm" or about.get("same") != same_as(job.inputs):
            if slurm:
                cancel([slurm])
            return False
        if not (files.ended.exists() or files.has_begun()) and not slurm and files.take_back():
            return False  # its runner died before, or while, it was handed over
        about = files.about() or about  # whoever has begun with it has written down where that is
        slurm = str(about.get("slurm", ""))
        self._sender.used |= {str(about.get("session", "")), str(about.get("batch", ""))}
        order = make_order(about.get("run"))
        job = Job(job.id, job.inputs, job.argv, job.imports, job.timeout, job.slot, order)
        self._running[job.id] = Handed(
            job, files, str(about.get("token")), str(about.get("batch", "")), slurm, time.monotonic()
        )
        if not files.ended.exists():
            name = job.inputs.get("Name", job.id)
            self._warn(job.id, f"{name} is with Slurm already (job {slurm or '?'}); it is waited for")
        return True

    def _send(self) -> None:
        """Hand over what was taken on."""
        for running, error in self._sender.send():
            self._end(running, Outcome(Ending.FAILED, error=error, kind="exception"))
        self._warn("", *self._sender.take_warnings())

    # --- hearing of them ---

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what has happened.

        What a job has left is removed once the one who listens has come back for more: then it is
        written down elsewhere.
        """
        self._send()
        if not self._reports:
            self._wait(timeout)
        while self._reports:
            report = self._reports.popleft()
            yield report
            if isinstance(report, Ended) and report.id not in self._running:
                self._jobs.job(report.id).remove()

    def _wait(self, timeout: float | None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self._look()
            now = time.monotonic()
            if self._reports or (until is not None and now >= until):
                return
            pause = min(max((now - self._stirred) / 20, _SOON), _LATE)
            if until is not None:
                pause = min(pause, until - now)
            if select.select([self._wake], (), (), pause)[0]:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
                return

    def _look(self) -> None:
        """See what the jobs have left."""
        for identity in self._jobs.ended() & self._running.keys():
            running = self._running[identity]
            if running.returned is None:
                self._read(running)
        now = time.monotonic()
        if now - self._tailed > 0.25:
            self._tailed = now
            for running in self._running.values():
                self._pass_on(running)
        deaf = [running for running in self._running.values() if running.kill_at and now >= running.kill_at]
        if deaf:
            self._kill_by_slurm(deaf)
        waited_for = any(running.returned or running.ended for running in self._running.values())
        if now - self._asked >= (_ASK_SOON if waited_for else _ASK):
            self._ask(now)
        self._send()

    def _read(self, running: Handed) -> None:
        try:
            returned = running.files.returned()
        except ValueError as error:
            self._end(running, Outcome(Ending.FAILED, error=str(error), kind="exit"))
            return
        if returned is None:
            return
        if returned.facts.get("token") != running.token:  # of another handing over, which does not count
            with contextlib.suppress(OSError):
                running.files.ended.unlink()
            return
        self._warn(running.job.id, *self._board.add(returned.pins))
        self._stirred = time.monotonic()
        if returned.facts.get("stopped") and running.wish is Wish.GO_ON:
            running.returned = returned  # why it was stopped, Slurm has to say
            return
        outcome = returned.outcome
        if returned.facts.get("run"):
            outcome.run = where_shown(Path(str(returned.facts["run"])))
        self._end(running, outcome, settled=True)

    def _ask(self, now: float) -> None:
        """Ask Slurm for jobs of which nothing is known."""
        asked = [r for r in self._running.values() if r.slurm and now - r.since > _NEW]
        self._asked = now
        seen = look(dict.fromkeys(running.slurm for running in asked)) if asked else {}
        if seen is None:  # it does not answer, which says nothing of the jobs
            return
        for running in asked:
            if running.job.id in self._running:
                self._hear_slurm(running, seen[running.slurm], now)

    def _hear_slurm(self, running: Handed, seen: Seen, now: float) -> None:
        if seen.life in (Life.WAITING, Life.RUNNING):
            running.ended = None
            if running.returned is not None and seen.life is Life.WAITING:
                running.returned = None  # it was put back into the queue, and its next start counts
            self._warn(running.job.id, *running.stuck(seen.reason))
            return
        running.ended = running.ended or now
        if running.returned is None and now - running.ended < _SLOW_FILES:
            return
        if seen.life is Life.FORGOTTEN and running.was_alive(now):
            return
        if running.returned is None:
            self._read(running)
            if running.job.id not in self._running:
                return
        self._sender.used.discard(running.batch)  # what Slurm wrote there may say more
        words = last_words(Path(running.batch), running.slurm) if running.batch else ""
        outcome = judge(
            running.returned,
            seen,
            begun=running.files.has_begun(),
            wanted=running.wish is not Wish.GO_ON,
            failure=running.files.failure(),
            words=words,
            shared=self._settings.experiments_per_job > 1,
        )
        if running.returned is not None and running.returned.facts.get("run"):
            outcome.run = where_shown(Path(str(running.returned.facts["run"])))
        self._end(running, outcome)

    def _pass_on(self, running: Handed) -> None:
        """Report what an experiment has written since."""
        data = running.new_output()
        if data and self._capture:
            self._reports.append(Output(running.job.id, data))
        elif data:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            pass_on(data, 1)

    def _end(self, running: Handed, outcome: Outcome, *, settled: bool = False) -> None:
        job = running.job
        self._stirred = time.monotonic()
        self._pass_on(running)
        del self._running[job.id]
        self._sender.discard(running)
        if not settled and job.run is not None and running.files.has_begun():
            try:
                settle(job.run, STATUS[outcome.ending], **facts_of(outcome))
            except RunError as error:
                outcome.warnings.append(str(error))
        if job.run is not None and not outcome.run:
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
        """Kill experiments; what does not heed it is killed by Slurm a little later."""
        self._stop(ids, Wish.KILL)

    def _stop(self, ids: Collection[str] | None, wish: Wish) -> None:
        chosen = [r for r in list(self._running.values()) if ids is None or r.job.id in ids]
        taken, told = [], []
        for running in chosen:
            if running.wish is wish:
                continue
            running.wish = wish
            if running.files.take_back():
                taken.append(running)
                continue
            running.files.want(wish)
            if wish is Wish.KILL:
                running.kill_at = time.monotonic() + _DEAF
            told.append(running.slurm)
        cancel(list(dict.fromkeys(filter(None, told))), "--signal=USR2")
        for running in taken:
            error = "it was stopped before it began"
            self._end(running, Outcome(Ending.INTERRUPTED, error=error, kind="interrupted"))
        self._cancel_unneeded(taken)

    def _cancel_unneeded(self, taken: Iterable[Handed]) -> None:
        """Cancel the jobs of which no experiment is left."""
        needed = {running.slurm for running in self._running.values()}
        cancel(list({running.slurm for running in taken if running.slurm} - needed))

    def _kill_by_slurm(self, deaf: Sequence[Handed]) -> None:
        jobs = list({running.slurm for running in deaf if running.slurm})
        cancel(jobs, "--signal=KILL")
        cancel(jobs)
        for running in deaf:
            running.kill_at = time.monotonic() + _DEAF

    def close(self) -> None:
        """Let go of everything; what was handed to Slurm goes on, and a later runner takes it up."""
        for running in self._sender.close():
            del self._running[running.job.id]
        self._jobs.forget(self._sender.used)
        self._running.clear()
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            self._wakeup_before = None
        self._wake.close()
        self._woken.close()
