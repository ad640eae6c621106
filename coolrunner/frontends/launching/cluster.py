"""The launcher on a cluster: a batch job for each run, handed to the cluster's own scheduler.

What is submitted is a script for the scheduler, beside the variant. It starts the module `job` on
the node that the job gets, which makes the directory of the run and watches over the user's script.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coolrunner.errors import UsageError
from coolrunner.frontends.launching.loop import say
from coolrunner.frontends.launching.plan import Launch, make_plan
from coolrunner.runs.names import safe_part

__all__ = ["ClusterHandler", "SlurmHandler", "SubmittedRun", "run_on_cluster"]

_JOB = "coolrunner.frontends.launching.job"


class ClusterHandler:
    """What a kind of cluster needs to be told; derive from it for one that is not here.

    Attributes
    ----------
    call_script_cmd
        The command that submits a script.
    cluster_manager_name
        The directory below ``data/`` for its runs.
    """

    call_script_cmd = "cluster"
    cluster_manager_name = "cluster"

    def command(self, python: Sequence[str]) -> list[str]:
        """Return what the user's script is called by, such as an interpreter in a container."""
        return list(python)

    def make_script(
        self, log_dir: str, script_name: str, run_id: int | str, call_command: Sequence[str]
    ) -> str:
        """Write the script that is submitted; return its path.

        Parameters
        ----------
        log_dir
            Where it is to be.
        script_name, run_id
            What its name begins with, and the number of the run.
        call_command
            What it is to run, in the working directory of the launcher.
        """
        raise NotImplementedError


class SlurmHandler(ClusterHandler):
    """What the runs of a study need of a Slurm cluster; the options are those of ``sbatch``.

    Parameters
    ----------
    mem, time
        Memory, and the longest time as ``hh:mm:ss`` or ``d-hh:mm:ss``.
    n_gpus, n_cpus
        GPUs and CPUs of each run; None for as many CPUs as the cluster gives by itself.
    partition
        Where to; the cluster's usual one where it is empty.
    cuda_module, other_modules
        What ``module load`` is to load.
    singularity_img
        An image of Singularity to run the script in, by the ``python`` that is there.
    exclude
        Nodes to leave out.
    cmd_prefix
        Lines of the shell to run first.
    """

    call_script_cmd = "sbatch"
    cluster_manager_name = "slurm"

    def __init__(
        self,
        mem: str = "12G",
        time: str = "24:00:00",
        n_gpus: int = 0,
        partition: str | None = None,
        cuda_module: str | None = None,
        singularity_img: str | None = None,
        exclude: str | None = None,
        cmd_prefix: str | None = None,
        other_modules: Sequence[str] | None = None,
        n_cpus: int | None = None,
    ) -> None:
        self.mem = mem
        self.time = time
        self.n_gpus = n_gpus
        self.partition = partition
        self.cuda_module = cuda_module
        self.singularity_img = singularity_img
        self.exclude = exclude
        self.cmd_prefix = cmd_prefix
        self.other_modules = other_modules
        self.n_cpus = n_cpus

    def command(self, python: Sequence[str]) -> list[str]:
        """Return the interpreter, or that of the container."""
        if not self.singularity_img:
            return list(python)
        see_gpus = ["--nv"] if self.n_gpus else []
        return ["singularity", "exec", *see_gpus, self.singularity_img, "python"]

    def make_script(
        self, log_dir: str, script_name: str, run_id: int | str, call_command: Sequence[str]
    ) -> str:
        """Write the script for ``sbatch``; what the job says is in ``run_<id>.stdout`` and ``.stderr``."""
        output = Path(log_dir.replace("%", "%%"), f"run_{run_id}")  # a "%" stands for something there
        options = {
            "job-name": safe_part(script_name),
            "nodes": "1",
            "mem": self.mem,
            "time": self.time,
            "output": f"{output}.stdout",
            "error": f"{output}.stderr",
            "partition": self.partition,
            "exclude": self.exclude,
            "cpus-per-task": self.n_cpus,
            "gres": f"gpu:{self.n_gpus}" if self.n_gpus else None,
        }
        modules = [self.cuda_module, *(self.other_modules or ())]
        if self.singularity_img:
            modules.append("singularity")
        lines = [
            "#!/usr/bin/env bash",
            *(f"#SBATCH --{name}={_quoted(value)}" for name, value in options.items() if value),
            *([self.cmd_prefix] if self.cmd_prefix else []),
            *(f"module load {shlex.quote(module)}" for module in modules if module),
            # In the place of the shell, so that it hears the signals that the scheduler sends to the job.
            f"exec {shlex.join(call_command)}",
        ]
        path = Path(log_dir, f"{safe_part(script_name)}_{run_id}.slurm")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)


def _quoted(value: object) -> str:
    """Return a value as ``sbatch`` reads it after ``#SBATCH``; it takes quotes out as a shell does."""
    text = str(value)
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


@dataclass(frozen=True)
class SubmittedRun:
    """A run that waits for its turn on a cluster.

    Attributes
    ----------
    dir
        The directory that it will have.
    log_dir, run_id
        The directory of its variant as it was given, and its number there.
    job
        What the scheduler calls it.
    """

    dir: Path
    log_dir: str
    run_id: int
    job: str


def run_on_cluster(
    script: str | os.PathLike[str],
    cluster_handler: ClusterHandler,
    experiment_title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    script_name: str | None = None,
    common_args: Sequence[Any] | None = None,
    runs_args: Sequence[Sequence[Any]] | None = None,
    debug_mode: int = 0,
    *,
    resume: bool = False,
) -> list[SubmittedRun]:
    """Submit a batch job for each run, and return at once.

    The arguments are those of `coolrunner.run_experiments`, but for these. The script is called with the
    affinity code ``cluster``, by which `coolrunner.affinity_from_code` gives all that its job may use.

    Parameters
    ----------
    cluster_handler
        What the jobs need, such as ``SlurmHandler(mem="16G", n_gpus=1)``.
    script_name
        What the jobs are called; `experiment_title` where nothing is said.
    debug_mode
        Must be 0: a job cannot be debugged from here.

    Returns
    -------
    The jobs, in the order in which they were submitted. The runs are in
    ``data/slurm/<title>/<yyyymmdd>/<log_dir>/run_<id>``, each from when its job has begun.

    Raises
    ------
    UsageError
        The arguments make no sense, there is no scheduler on this machine, or it refuses the job.
    RunError
        There are such runs already, or the disk does not take what there is to write.
    """
    handler = cluster_handler
    if debug_mode:
        raise UsageError(
            "a job on a cluster cannot be debugged from here: use run_experiments for debug_mode"
        )
    if shutil.which(handler.call_script_cmd) is None:
        raise UsageError(
            f"there is no {handler.call_script_cmd} on this machine: jobs are submitted where the cluster's "
            "commands are, such as on its login node"
        )
    plan = make_plan(
        script,
        experiment_title,
        runs_per_setting,
        variants,
        log_dirs,
        common_args,
        runs_args,
        place=handler.cluster_manager_name,
        resume=resume,
    )
    submitted: list[SubmittedRun] = []
    if plan.launches:
        plan.announce()
    for launch in plan.launches:
        launch.write_variant()
        job = _submit(handler, launch, script_name or experiment_title, len(submitted))
        submitted.append(SubmittedRun(launch.directory.path, launch.log_dir, launch.run_id, job))
        plan.count(len(submitted))
        say(f"[{len(submitted)}/{len(plan.launches)}] {launch.name} is job {job}")
    return submitted


def _submit(handler: ClusterHandler, launch: Launch, name: str, before: int) -> str:
    """Submit a run; return what the scheduler calls its job.

    Raises
    ------
    UsageError
        It is refused; says why.
    """
    told = [str(launch.where), launch.log_dir, str(launch.run_id), str(launch.script), *launch.args]
    call = [sys.executable, "-m", _JOB, *told, "--", *handler.command([sys.executable])]
    path = handler.make_script(str(launch.where), name, launch.run_id, call)
    done = subprocess.run(
        [handler.call_script_cmd, path], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    words = done.stdout.split()
    if done.returncode or not words:
        why = done.stderr.strip() or f"exit status {done.returncode}"
        already = f"; {before} jobs were submitted before" if before else ""
        raise UsageError(f"{handler.call_script_cmd} refuses {path}: {why}{already}")
    return words[-1]
