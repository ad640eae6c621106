"""What runs on a node of Slurm: the experiments that one job was handed.

``srun`` starts one such process for each task. That of rank 0 keeps the run directory and writes down what
came of the experiment; the others take part in it, and write down what went wrong with them.

The signals: USR2 says that the runner wants something (it stands in a file), or that the job's time is
nearly over, or that others take its place. SIGTERM says that the job ends now.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from types import FrameType

from coolrunner.execution.attempt import STATUS
from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.detached import Parcel, Returned, Site, Wish
from coolrunner.execution.detached_files import BEAT, JobFiles, JobsDirectory
from coolrunner.execution.slots import THREADS
from coolrunner.experiment import Slot
from coolrunner.runs.attempts import Order, settle
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunStatus, move, now

__all__ = ["main"]

_GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
# Seconds: how long another rank waits for the first one to begin; how long to wait to be ended by Slurm;
# how long a signal to all processes of a job may take from one to the next.
_BEGINNING, _ENDING, _SPREADING = 60.0, 120.0, 0.5
# Slurm sends the signal before the end of the time up to a minute earlier than it was asked to.
_EARLY = 60.0


def main(jobs: str, batch: str, session: str, delay: float) -> None:
    """Run the experiments of this job of a batch.

    Parameters
    ----------
    jobs
        The directory of all jobs.
    batch
        That of the batch: for each job of it a file of experiments' IDs, one a line.
    session
        Whose versions of the project's files are used.
    delay
        Seconds before the end of the job's time at which Slurm sends USR2.
    """
    signals = _Signals()
    task = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
    identities = (Path(batch) / task).read_text().splitlines()
    worker = _Worker(JobsDirectory(Path(jobs)), batch, session, delay, signals, several=len(identities) > 1)
    status = 0
    try:
        for identity in identities:
            if signals.terminated or worker.warned:
                break  # the others go to another job
            status = max(status, worker.work(identity))
    finally:
        worker.close()
    raise SystemExit(status)


class _Signals:
    """Notes what Slurm says to this process.

    Attributes
    ----------
    told
        USR2 has come since this was last set to False.
    terminated
        SIGTERM has come.
    """

    def __init__(self) -> None:
        self.told = self.terminated = False
        signal.signal(signal.SIGUSR2, self._note)
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self.terminated = True
        else:
            self.told = True

    def wait_for_end(self, seconds: float) -> None:
        """Wait until SIGTERM has come, or some time has passed."""
        until = time.monotonic() + seconds
        while not self.terminated and time.monotonic() < until:
            time.sleep(0.02)


class _Worker:
    """Runs one experiment after the other.

    Parameters
    ----------
    jobs, batch, session, delay
        As for `main`.
    signals
        What Slurm says.
    several
        Whether there are more experiments than one.

    Attributes
    ----------
    warned
        The job's time is nearly over, or others take its place.
    """

    def __init__(
        self,
        jobs: JobsDirectory,
        batch: str,
        session: str,
        delay: float,
        signals: _Signals,
        *,
        several: bool,
    ) -> None:
        self._jobs = jobs
        self._batch = batch
        self._session = session
        self._delay = delay
        self._signals = signals
        self._several = several
        self.warned = False
        self._rank = int(os.environ.get("SLURM_PROCID", "0"))
        self._site: Site | None = None

    def close(self) -> None:
        """End whatever still runs."""
        if self._site is not None:
            self._site.close()

    def work(self, identity: str) -> int:
        """Run an experiment; return the exit status of this process, which ends the other ranks'."""
        files = self._jobs.job(identity)
        parcel = self._begin(files)
        if parcel is None:
            return 0
        return self._run(files, parcel)

    def _begin(self, files: JobFiles) -> Parcel | None:
        if self._rank == 0:
            restarted = int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0
            parcel = files.begin(again=restarted)
            about = files.about()
            if about is not None and not about.get("slurm"):  # its runner has not come to write it down yet
                files.write_about({**about, "slurm": _own_id(), "batch": self._batch})
            if parcel is None or parcel.job.run is None or not restarted:
                return parcel
            return replace(parcel, job=replace(parcel.job, run=_order_again(parcel.job.run)))
        until = time.monotonic() + _BEGINNING
        while not files.has_begun():
            if files.ended.exists() or not files.path.exists() or time.monotonic() > until:
                return None
            time.sleep(0.05)
        parcel = files.begin(again=True)
        return parcel and replace(parcel, job=replace(parcel.job, run=None))

    def _run(self, files: JobFiles, parcel: Parcel) -> int:
        order = parcel.job.run
        before = _snapshots(order)
        if self._site is None:
            self._site = Site(
                parcel.directory,
                grace=parcel.grace,
                warm=self._several,
                ignores=(signal.SIGUSR2,),
                here=not self._several,
            )
        self._site.give(self._jobs.pins(self._session))
        asked = False

        def wish() -> Wish:
            nonlocal asked
            if self._rank == 0:
                files.beat()
            told, self._signals.told = self._signals.told, False
            if told or not asked:  # to look at a file each time would be much on a file server
                asked = True
                wanted = files.wish()
                if wanted is not Wish.GO_ON:
                    return wanted
                self.warned = self.warned or told
            return Wish.INTERRUPT if self.warned or self._signals.terminated else Wish.GO_ON

        with files.output.open("ab", buffering=0) as file:
            output = _writer(file) if self._rank == 0 else None
            returned = self._site.carry_out(parcel, _slot(parcel), output, wish, BEAT)
        outcome = returned.outcome
        if outcome.kind == "signal" and "SIGTERM" in outcome.error:
            self._signals.wait_for_end(_SPREADING)
        is_over = self.warned or self._signals.terminated
        if is_over and outcome.ending is not Ending.FINISHED and files.wish() is Wish.GO_ON:
            if self._rank:
                return 0
            if outcome.ending is Ending.FAILED and outcome.kind != "timeout":
                outcome.ending, outcome.kind = Ending.INTERRUPTED, "interrupted"
                _settle(order, outcome)
            if self.warned and self._is_continued(order, before):
                return 0
            self._explain(returned, order)
        returned.facts.update(token=parcel.token, run=str(order.ticket.where) if order else "")
        self._jobs.keep_pins(self._session, returned.pins)
        if self._rank == 0:
            files.end(returned)
            return 0
        if outcome.ending is Ending.FINISHED:
            return 0
        files.note_failure(self._rank, returned)
        return 1

    def _is_continued(self, order: Order | None, before: set[str]) -> bool:
        """Put the job back into Slurm's queue, where its experiment has got on; wait for the end of this."""
        if order is None or not _snapshots(order) - before:
            return False
        try:
            done = subprocess.run(
                ["scontrol", "requeue", _own_id()],
                capture_output=True,
                timeout=60,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            return False
        self._signals.wait_for_end(_ENDING)
        return True

    def _explain(self, returned: Returned, order: Order | None) -> None:
        """Say why an experiment was stopped, as far as that shows here."""
        left = _time_left() if self.warned else None
        if left is None or left > self._delay + _EARLY + 30:
            returned.facts["stopped"] = "preempted" if self.warned else "terminated"
            return
        outcome = returned.outcome
        outcome.ending, outcome.kind = Ending.FAILED, "timeout"
        outcome.error = "Timeout: the time limit of its Slurm job was reached"
        _settle(order, outcome)
        if order is not None and _is_resumable(order):
            returned.facts["stopped"] = "limit"


def _writer(file: RawIOBase) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        with contextlib.suppress(OSError):  # it stands in the run directory as well
            file.write(data)

    return write


# --- what a job was given ---------------------------------------------------------------------------------


def _slot(parcel: Parcel) -> Slot:
    """Return what Slurm has given to this task."""
    given, environ = parcel.job.slot or Slot(), os.environ
    cpus = environ.get("SLURM_CPUS_PER_TASK", "")
    variables = {name: cpus for name in THREADS if cpus and name not in environ}
    rank, size = int(environ.get("SLURM_PROCID", "0")), int(environ.get("SLURM_NTASKS") or 1)
    local = int(environ.get("SLURM_LOCALID", "0"))
    if size > 1:
        variables.update(_rendezvous(rank, local, size))
    variables["COOLRUNNER_SLOT"] = str(given.number)
    variables.update(given.environment)
    gpus = given.gpus
    if not gpus and environ.get("SLURM_JOB_GPUS"):
        names = next((environ[name] for name in _GPUS if environ.get(name)), "")
        gpus = tuple(name for name in names.split(",") if name)
    return replace(given, gpus=gpus, environment=variables, rank=rank, local_rank=local, world_size=size)


def _rendezvous(rank: int, local: int, size: int) -> Mapping[str, str]:
    """Return the variables by which processes that train together find each other, as torchrun has them."""
    job = int(os.environ.get("SLURM_JOB_ID", "0"))
    said = {"RANK": rank, "LOCAL_RANK": local, "WORLD_SIZE": size, "MASTER_PORT": 20000 + job % 20000}
    variables = {name: str(value) for name, value in said.items()}
    variables["MASTER_ADDR"] = _first_host(os.environ.get("SLURM_JOB_NODELIST", ""))
    return {name: os.environ.get(name, value) for name, value in variables.items()}


def _own_id() -> str:
    """Return the ID of this job, as Slurm's commands take it: that of a part of an array has two numbers."""
    environ = os.environ
    if "SLURM_ARRAY_TASK_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ.get("SLURM_JOB_ID", "")


def _first_host(nodes: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.split()[0] if done.stdout.split() else os.uname().nodename
    return os.uname().nodename


def _time_left() -> float | None:
    """Return the seconds that this job has left; None where there is no end, or Slurm does not answer."""
    argv = ["squeue", "--noheader", "--format=%L", f"--jobs={_own_id()}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    days, _, clock = done.stdout.strip().rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
    except ValueError:  # UNLIMITED, INVALID
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + part
    return seconds + 86400.0 * int(days or 0)


# --- run directories --------------------------------------------------------------------------------------


def _order_again(order: Order) -> Order:
    """Return the run directory for another start of a job, whose processes before are gone."""
    directory = order.directory
    if not directory.path.is_dir():
        return order
    state = directory.read_state()
    if state.status is RunStatus.RUNNING:
        state = move(state, RunStatus.LOST, ended=now())
        directory.write_state(state)
    if state.resumable and state.status is not RunStatus.DONE:
        return replace(order, again=True)
    ticket = Root(order.root).allocate(order.ticket.title)
    return replace(order, ticket=ticket, again=False)


def _snapshots(order: Order | None) -> set[str]:
    """Return what tells the snapshots of a run apart from later ones."""
    return set(_names(order)) if order is not None else set()


def _names(order: Order) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in os.scandir(order.directory.snapshots):
            if not entry.name.startswith("."):
                yield f"{entry.name} {entry.stat().st_mtime_ns}"


def _is_resumable(order: Order) -> bool:
    return order.directory.path.is_dir() and order.directory.read_state().resumable


def _settle(order: Order | None, outcome: Outcome) -> None:
    if order is not None:
        settle(order, STATUS[outcome.ending], failure=outcome.kind, error=outcome.error)
