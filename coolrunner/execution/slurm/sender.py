"""Hands over together what was taken on since the last time: as arrays, and several experiments to a job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coolrunner.execution.slurm.submitting import SubmitError, parameters, submit, worker_command

if TYPE_CHECKING:
    from coolrunner.definition.clusters import SlurmSettings
    from coolrunner.execution.detached_files import JobsDirectory
    from coolrunner.execution.slurm.job import Handed

__all__ = ["Sender"]

# Seconds between two tries, where Slurm takes no more jobs for now.
_RETRY = 15.0


class Sender:
    """What waits to be handed to Slurm.

    Parameters
    ----------
    jobs
        Where jobs are written down.
    settings
        ``Global.slurm``.
    session
        Whose versions of the project's files the jobs use.
    name
        What they are called in ``squeue``.

    Attributes
    ----------
    used
        The session and the batches of which nothing is to be left in the end.
    """

    def __init__(self, jobs: JobsDirectory, settings: SlurmSettings, session: str, name: str) -> None:
        self._jobs = jobs
        self._settings = settings
        self._session = session
        self._name = name
        self.used = {session}
        self._unsent: list[Handed] = []
        self._warnings: list[str] = []
        self._retry_at = 0.0

    def add(self, job: Handed) -> None:
        """Take a job that is to be handed over."""
        self._unsent.append(job)

    def discard(self, job: Handed) -> None:
        """Give up a job that was not handed over yet; any other is left as it is."""
        if job in self._unsent:
            self._unsent.remove(job)

    def take_warnings(self) -> list[str]:
        """Return what a person should know, once."""
        warnings, self._warnings = self._warnings, []
        return warnings

    def send(self) -> list[tuple[Handed, str]]:
        """Hand over what waits; return the jobs that Slurm refuses, and why."""
        if not self._unsent or time.monotonic() < self._retry_at:
            return []
        groups: dict[str, list[Handed]] = {}
        for job in self._unsent:
            groups.setdefault(job.resources.text, []).append(job)
        self._unsent = []
        refused = []
        for group in groups.values():
            try:
                self._send_alike(group)
            except SubmitError as error:
                if error.passing:
                    self._unsent.extend(group)
                    self._retry_at = time.monotonic() + _RETRY
                    self._warnings.append(f"{error}; it is tried again")
                else:
                    refused += [(job, str(error)) for job in group]
        return refused

    def _send_alike(self, group: Sequence[Handed]) -> None:
        """Hand over jobs that need the same."""
        settings = self._settings
        size = settings.experiments_per_job
        tasks = [group[start : start + size] for start in range(0, len(group), size)]
        batch = self._jobs.new_batch()
        self.used.add(str(batch))
        command = worker_command(settings.python, self._jobs.path, batch, self._session, settings.warning)
        told = parameters(settings, group[0].resources, self._name)
        ids = submit(batch, [[job.job.id for job in task] for task in tasks], told, command)
        for task, slurm in zip(tasks, ids, strict=True):
            for job in task:
                job.batch, job.slurm, job.since = str(batch), slurm, time.monotonic()
                about = job.files.about() or {}
                job.files.write_about({**about, "batch": str(batch), "slurm": slurm})

    def close(self) -> list[Handed]:
        """Give up what was not handed over; return it."""
        for job in self._unsent:
            job.files.remove()
        given_up, self._unsent = self._unsent, []
        return given_up
