"""One experiment that was handed to Slurm, as its runner sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coolrunner.definition.resources import Resources, parse_resources
from coolrunner.execution.base import Job
from coolrunner.execution.detached import Returned, Wish
from coolrunner.execution.detached_files import JobFiles

__all__ = ["Handed"]

# Seconds for which a job that Slurm has forgotten must have been silent.
_SILENT = 60.0
# Why a job waits, where it waits for a person (JOB REASON CODES in squeue(1)).
_STUCK = {
    "badconstraints": "no node has what it asks for",
    "dependencyneversatisfied": "what it depends on has failed",
    "jobheldadmin": "an administrator has held it back",
    "jobhelduser": "it is held back; scontrol release lets it go on",
    "job_requeued_in_held_state": "Slurm has put it back and holds it; scontrol release lets it go on",
    "launch_failed_requeued_held": "it could not be launched and is held; scontrol release tries again",
    "partitiondown": "the partition is down",
    "partitionnodelimit": "it asks for more nodes than the partition allows",
    "partitiontimelimit": "it asks for more time than the partition allows",
}


@dataclass(slots=True, eq=False)
class Handed:
    """A job that was taken on.

    Attributes
    ----------
    job, files, token
        What it is, where it is written down, and which handing over of it counts.
    batch, slurm
        Where it was handed over, and its ID at Slurm; empty before.
    since
        When that was, by `time.monotonic`.
    wish
        What is wanted of it.
    kill_at
        When Slurm is to kill it.
    ended
        When it was first seen to have ended at Slurm.
    returned
        What it said when Slurm stopped it, as long as it is not known why that was.
    """

    job: Job
    files: JobFiles
    token: str
    batch: str = ""
    slurm: str = ""
    since: float = 0.0
    wish: Wish = Wish.GO_ON
    kill_at: float | None = None
    ended: float | None = None
    returned: Returned | None = None
    _beat: tuple[float, float] = (0.0, 0.0)
    _read: int = 0
    _said: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What its experiment is called."""
        return str(self.job.inputs.get("Name", self.job.id))

    @property
    def resources(self) -> Resources:
        """What it needs."""
        return parse_resources(self.job.inputs.get("Resources"))

    def new_output(self) -> bytes:
        """Return what its experiment has written since this was last asked."""
        try:
            with self.files.output.open("rb") as file:
                file.seek(self._read)
                data = file.read(1 << 20)
        except OSError:
            return b""
        self._read += len(data)
        return data

    def was_alive(self, now: float) -> bool:
        """Whether its heart has beaten lately, by the time at which a new beat was seen here."""
        try:
            beat = self.files.alive.stat().st_mtime
        except OSError:
            return False
        if self._beat[0] != beat:
            self._beat = (beat, now)
        return now - self._beat[1] < _SILENT

    def stuck(self, reason: str) -> Iterator[str]:
        """Yield why it waits for a person, once for each reason."""
        why = _STUCK.get(reason.lower())
        if why is not None and reason not in self._said:
            self._said.add(reason)
            yield f"{self.name} (job {self.slurm}) waits: {why}"
