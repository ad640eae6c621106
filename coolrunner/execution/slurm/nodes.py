"""What the nodes of a Slurm cluster have, by ``sinfo``."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from coolrunner.errors import BackendError, nearest
from coolrunner.execution.slots import size
from coolrunner.execution.slurm.states import run

if TYPE_CHECKING:
    from coolrunner.definition.clusters import SlurmSettings
    from coolrunner.definition.resources import Resources

__all__ = ["Nodes", "Partitions", "Trouble", "clock", "find_troubles"]

_GPUS = re.compile(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)")


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of a partition that are alike.

    Attributes
    ----------
    partition
        Its name.
    cpus, memory, gpus
        What each has; the memory in bytes.
    count
        How many there are.
    limit
        Seconds that a job may take; None for any time.
    """

    partition: str
    cpus: int
    memory: int
    gpus: int
    count: int
    limit: float | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why Slurm cannot be used.

    Attributes
    ----------
    path
        The keys below ``Global`` that are to blame.
    message, hint
        What is wrong, and how to mend it.
    """

    path: tuple[str, ...]
    message: str
    hint: str = ""


def find_troubles(settings: SlurmSettings) -> list[Trouble]:
    """Return why Slurm cannot be used from here; nothing is submitted."""
    if importlib.util.find_spec("submitit") is None:
        return [Trouble(("executor",), "slurm needs submitit", "pip install 'coolrunner[slurm]'")]
    for command in ("sbatch", "squeue", "scancel", "sinfo"):
        if shutil.which(command) is None:
            message = f"slurm needs the command {command}, which this machine has not"
            return [Trouble(("executor",), message, "start the study on a login node of the cluster")]
    partitions = Partitions(str(settings.options.get("partition", "")))
    try:
        missing = partitions.missing
    except BackendError as error:
        return [Trouble(("executor",), str(error))]
    troubles = []
    for name in missing:
        names = partitions.all_names
        close = nearest(name, names)
        hint = f"did you mean {close}?" if close else f"there are {', '.join(names)}"
        troubles.append(Trouble(("slurm", "partition"), f"Slurm has no partition {name!r}", hint))
    return troubles


class Partitions:
    """The partitions that jobs go to, looked at when that is asked for.

    Parameters
    ----------
    names
        Their names, separated by commas; empty for the one that Slurm chooses.
    """

    def __init__(self, names: str) -> None:
        self._names = [name.strip() for name in names.split(",") if name.strip()]

    @cached_property
    def _table(self) -> tuple[list[Nodes], str]:
        """All nodes, and the name of the partition that is chosen where none is named."""
        try:
            done = run("sinfo", "--noheader", "--exact", "--format=%P|%c|%m|%G|%D|%l")
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendError(f"sinfo cannot be run: {error}") from None
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise BackendError(f"Slurm does not answer: {said[-1] if said else 'sinfo failed'}")
        nodes, usual = [], ""
        for line in done.stdout.splitlines():
            name, cpus, memory, gres, count, limit = line.strip().split("|")
            if name.endswith("*"):
                name = usual = name[:-1]
            gpus = sum(int(number) for number in _GPUS.findall(gres))
            nodes.append(Nodes(name, int(cpus), int(memory) << 20, gpus, int(count), clock(limit)))
        return nodes, usual

    @property
    def all_names(self) -> list[str]:
        """The names of all partitions."""
        return list(dict.fromkeys(nodes.partition for nodes in self._table[0]))

    @property
    def missing(self) -> list[str]:
        """Those of the names that no partition has.

        Raises
        ------
        BackendError
            Slurm does not answer.
        """
        there = self.all_names
        return [name for name in self._names if name not in there]

    @property
    def nodes(self) -> list[Nodes]:
        """The nodes that jobs may go to."""
        table, usual = self._table
        names = self._names or ([usual] if usual else [])
        return [nodes for nodes in table if nodes.partition in names or not names]

    def impossible(self, resources: Resources) -> str:
        """Say why no node can ever give these, such as ``asks for 8 GPUs; ...``; empty where one can.

        Raises
        ------
        BackendError
            Slurm does not answer.
        """
        if not resources.text:
            return ""
        nodes = self.nodes
        where = f"of partition {nodes[0].partition}" if nodes else "of the partition"
        if 0 < resources.gpus < 1:
            return "asks for a share of a GPU, which Slurm gives only whole (write gpus: 1)"
        each = -(-(resources.tasks or resources.nodes or 1) // (resources.nodes or 1))
        cpus, memory = (resources.cpus or 1) * each, resources.memory or 0
        if (most := max((n.cpus for n in nodes), default=0)) < cpus and resources.cpus:
            return f"asks for {_count(cpus, 'CPU')} on a node; the largest {where} has {most}"
        if (most := max((n.gpus for n in nodes), default=0)) < resources.gpus:
            return f"asks for {_count(resources.gpus, 'GPU')}; the largest node {where} has {most or 'none'}"
        if (most := max((n.memory for n in nodes), default=0)) < memory:
            return f"asks for {size(memory)} of memory; the largest node {where} has {size(most)}"
        wanted = resources.nodes or 1
        fitting = [n for n in nodes if n.cpus >= cpus and n.gpus >= resources.gpus and n.memory >= memory]
        if sum(n.count for n in fitting) < wanted:
            there = sum(n.count for n in fitting)
            return f"asks for {wanted} nodes; {there} {where} have what it needs"
        limits = [n.limit for n in fitting]
        if resources.time and None not in limits and resources.time > max(filter(None, limits), default=0):
            longest = max(filter(None, limits), default=0)
            return f"asks for {resources.time:g} s; a job {where} may take {longest:g} s"
        return ""


def clock(text: str) -> float | None:
    """Return the seconds of a time as Slurm writes it (``1-02:03:04``, ``30:00``); None for no limit."""
    days, _, rest = text.strip().rpartition("-")
    seconds = 0
    try:
        for part in rest.split(":"):
            seconds = seconds * 60 + int(part)
        return seconds + 86400.0 * int(days or 0)
    except ValueError:  # infinite, UNLIMITED, n/a
        return None


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}{'' if number == 1 else 's'}"
