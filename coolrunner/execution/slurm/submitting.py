"""Hands jobs to Slurm, through submitit: it writes the batch script, calls ``sbatch``, reads its answer.

What submitit would start on the node, with a pickled function, is replaced by our own worker
(`coolrunner.execution.slurm.worker`): what a job has to do stands in its files, and so does what came of it.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import BackendError

if TYPE_CHECKING:
    from coolrunner.definition.clusters import SlurmSettings
    from coolrunner.definition.resources import Resources

__all__ = ["SubmitError", "parameters", "submit", "worker_command"]

# What sbatch says where the same may be accepted later: a limit on jobs, or a controller that is busy.
_PASSING = (
    "AssocMaxSubmitJobLimit",
    "QOSMaxSubmitJobPerUserLimit",
    "QOSMaxSubmit",
    "Job violates accounting/QOS policy",
    "Resource temporarily unavailable",
    "Slurm temporarily unable to accept job",
    "Socket timed out",
    "Unable to contact slurm controller",
    "Zero Bytes were transmitted",
)
# Options that submitit knows by name; the others are written as they are.
_ITS_OWN = (
    "account", "array_parallelism", "comment", "constraint", "cpus_per_gpu", "dependency", "exclude",
    "exclusive", "gpus_per_task", "gres", "job_name", "mail_type", "mail_user", "mem_per_cpu", "mem_per_gpu",
    "nodelist", "partition", "qos", "srun_args", "wckey",
)  # fmt: skip

_WORKER = """
import json, sys
arguments = json.loads(sys.argv[1])
path = [entry for entry in sys.path if entry]
sys.path[:] = path + [entry for entry in arguments.pop("path") if entry not in path]
from coolrunner.execution.slurm.worker import main
main(**arguments)
"""


class SubmitError(BackendError):
    """Slurm has refused a job.

    Attributes
    ----------
    passing
        Whether it may take the same job later.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.passing = any(text in message for text in _PASSING)


@dataclass(frozen=True, slots=True)
class _Command:
    """What stands for a job where submitit wants a function; it is not called."""

    task: int

    def __call__(self) -> None:
        raise AssertionError("the worker is started in its place")


def parameters(settings: SlurmSettings, resources: Resources, name: str) -> dict[str, Any]:
    """Return what submitit is told of a job.

    Parameters
    ----------
    settings
        ``Global.slurm``.
    resources
        What each experiment of the job needs.
    name
        What the job is called in ``squeue``.
    """
    several = settings.experiments_per_job
    time = resources.time or settings.time
    given: dict[str, Any] = {
        "job_name": name,
        "wckey": "",
        "time": None if time is None else max(1, math.ceil(time * several / 60)),
        "nodes": resources.nodes or 1,
        "ntasks_per_node": (resources.tasks or resources.nodes or 1) // (resources.nodes or 1),
        "cpus_per_task": resources.cpus,
        "gpus_per_node": int(resources.gpus) or None,
        "mem": None if resources.memory is None else f"{math.ceil(resources.memory / 2**20)}M",
        "signal_delay_s": math.ceil(settings.warning),
        "setup": list(settings.setup) or None,
    }
    srun = ["--kill-on-bad-exit=1", *settings.options.get("srun_args", ())]
    if resources.cpus:
        srun.append(f"--cpus-per-task={resources.cpus}")  # since Slurm 22.05 srun does not take over sbatch's
    given.update({key: value for key, value in settings.options.items() if key in _ITS_OWN})
    given["srun_args"] = srun
    others = {key.replace("_", "-"): value for key, value in settings.options.items() if key not in _ITS_OWN}
    given["additional_parameters"] = {"requeue": True, **others, **settings.others}
    if not given["wckey"]:
        del given["wckey"]
    return {key: value for key, value in given.items() if value is not None or key == "time"}


def worker_command(python: str | None, jobs: Path, batch: Path, session: str, warning: float) -> str:
    """Return the shell command that a job runs.

    Parameters
    ----------
    python
        The command that starts Python; None for this interpreter.
    jobs, batch, session, warning
        As for `coolrunner.execution.slurm.worker.main`.
    """
    arguments = {
        "path": [entry for entry in sys.path if entry],
        "jobs": str(jobs),
        "batch": str(batch),
        "session": session,
        "delay": warning,
    }
    start = python or shlex.quote(sys.executable)
    return f"{start} -u -c {shlex.quote(_WORKER)} {shlex.quote(json.dumps(arguments))}"


def submit(batch: Path, tasks: Sequence[Sequence[str]], told: Mapping[str, Any], command: str) -> list[str]:
    """Submit jobs, as an array where there are several; return the ID of each.

    Parameters
    ----------
    batch
        A directory for their scripts and for what Slurm's own processes write.
    tasks
        For each job the IDs of its experiments.
    told
        What `parameters` gave.
    command
        What each job runs.

    Raises
    ------
    SubmitError
        Slurm has refused them all.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    class Executor(submitit.SlurmExecutor):
        """Submits with a command of our own."""

        @property
        def _submitit_command_str(self) -> str:
            return command

    for number, identities in enumerate(tasks):
        (batch / str(number)).write_text("\n".join(identities) + "\n")
    try:
        executor = Executor(folder=batch)
        executor.update_parameters(**told)
        with executor.batch():
            jobs = [executor.submit(_Command(number)) for number in range(len(tasks))]
        return [str(job.job_id) for job in jobs]
    except (FailedJobError, FailedSubmissionError, RuntimeError, ValueError, OSError) as error:
        raise SubmitError(_what_sbatch_said(str(error))) from error


def _what_sbatch_said(text: str) -> str:
    lines = [line.partition("sbatch:")[2].strip() for line in text.splitlines() if "sbatch:" in line]
    said = "; ".join(dict.fromkeys(line.removeprefix("error:").strip() for line in lines))
    return f"sbatch refused it: {said or text.strip().splitlines()[-1]}"


def last_words(batch: Path, job: str) -> str:
    """Return the last line that Slurm or the shell wrote of a job which could not begin; may be empty."""
    for name in (f"{job}_0_log.err", f"{job}_0_log.out"):
        try:
            with (batch / name).open("rb") as file:
                file.seek(max(os.fstat(file.fileno()).st_size - 4096, 0))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            continue
        told = [line for line in lines if "srun: error" not in line and "srun: Terminating" not in line]
        if told or lines:
            return (told or lines)[-1].strip()
    return ""
