"""What Slurm says of jobs: ``squeue``, and ``sacct`` for those that the controller has forgotten.

The words are those of JOB STATE CODES in squeue(1). A controller that does not answer has said nothing, and
a word that is not known here means a job that may live.
"""

from __future__ import annotations

import enum
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Life", "Seen", "cancel", "look", "run"]

# Seconds; a controller under load may take long, and one that is down takes until its own limit.
_PATIENCE = 60.0
# So many jobs are asked for at once: a command line is not endless.
_AT_ONCE = 500


class Life(enum.Enum):
    """Where a job stands in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    FORGOTTEN = "forgotten"


_WAITING = (
    "PENDING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
)
_ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "RECONFIG_FAIL",
    "REVOKED",
    "TIMEOUT",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What Slurm says of a job.

    Attributes
    ----------
    word
        Its state as Slurm writes it, such as ``PENDING``; empty where Slurm does not know the job.
    reason
        Why it is in that state, such as ``Priority`` or ``JobHeldUser``.
    """

    word: str = ""
    reason: str = ""

    @property
    def life(self) -> Life:
        """Where it stands."""
        if not self.word:
            return Life.FORGOTTEN
        if self.word in _ENDED:
            return Life.ENDED
        return Life.WAITING if self.word in _WAITING else Life.RUNNING


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm's.

    Raises
    ------
    OSError, subprocess.TimeoutExpired
        It cannot be run, or does not come back.
    """
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )


def look(jobs: Iterable[str]) -> dict[str, Seen] | None:
    """Return what Slurm says of jobs by their IDs (``12``, ``12_3``); None where it does not answer."""
    wanted = list(jobs)
    seen: dict[str, Seen] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        told = _squeue(part)
        if told is None:
            return None
        forgotten = [job for job in part if job not in told]
        if forgotten:
            told.update(_sacct(forgotten))
        seen.update((job, told.get(job, Seen())) for job in part)
    return seen


def cancel(jobs: Sequence[str], *options: str) -> bool:
    """Run ``scancel`` for jobs with options; whether it was done (a job that has ended is no trouble)."""
    if not jobs:
        return True
    try:
        done = run("scancel", *options, *jobs)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 or "already completing" in done.stderr or "Invalid job id" in done.stderr


def _squeue(jobs: Sequence[str]) -> dict[str, Seen] | None:
    whole = ",".join(dict.fromkeys(job.partition("_")[0] for job in jobs))
    try:
        done = run("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--jobs={whole}")
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode and "Invalid job id" not in done.stderr:
        return None
    return _parse(done.stdout)


def _sacct(jobs: Sequence[str]) -> dict[str, Seen]:
    """Return what the accounting knows, if there is one; it may lag behind."""
    if shutil.which("sacct") is None:
        return {}
    try:
        done = run("sacct", "-n", "-P", "-X", "--format=JobID,State", "--jobs=" + ",".join(jobs))
    except (OSError, subprocess.TimeoutExpired):
        return {}
    # Accounting that still shows a job as running, which the controller does not know, is late.
    return {job: seen for job, seen in _parse(done.stdout).items() if seen.life is Life.ENDED}


def _parse(text: str) -> dict[str, Seen]:
    seen = {}
    for line in text.splitlines():
        job, _, rest = line.strip().partition("|")
        state, _, reason = rest.partition("|")
        if job and state:
            seen[job] = Seen(state.split()[0].rstrip("+"), reason)  # "CANCELLED by 1000"
    return seen
