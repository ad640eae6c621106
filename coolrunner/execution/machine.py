"""What of this machine a runner may use: as many CPUs, GPUs and bytes as it was lent itself."""

from __future__ import annotations

import math
import os
import socket
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coolrunner.execution.cgroups import find_groups
from coolrunner.execution.gpus import GpuSet, find_gpus

__all__ = ["Machine", "this_machine"]


@dataclass
class Machine:
    """What a runner may use.

    Attributes
    ----------
    cpus
        Indices, in order.
    memory
        In bytes; None where that is not known.
    memory_of
        What has that much: the path of a control group, or nothing for the whole machine.
    find_gpus
        Looks for the GPUs, which takes a moment and is done once they are asked for.
    """

    cpus: tuple[int, ...]
    memory: int | None
    memory_of: str
    find_gpus: Callable[[], GpuSet]

    @cached_property
    def gpus(self) -> GpuSet:
        """The GPUs."""
        return self.find_gpus()


def this_machine(
    gpus: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Machine:
    """Look at the machine, and at what this process was lent of it.

    Parameters
    ----------
    gpus
        The only ones to use, by index or UUID; None for all.
    environ
        The environment of the process.
    root
        Where the file system begins.
    """
    memory, memory_of = _memory(root)
    environment = os.environ if environ is None else environ
    return Machine(_cpus(root), memory, memory_of, lambda: find_gpus(gpus, environment, root))


def _cpus(root: Path) -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):  # which no control group's cpuset goes beyond
        cpus = sorted(os.sched_getaffinity(0))
    else:
        cpus = list(range(os.cpu_count() or 1))
    quota, group = _quota(root)
    if quota is None or math.ceil(quota) >= len(cpus):
        return tuple(cpus)
    # Runners of one group choose the same CPUs, whose locks they see; those of other groups and in other
    # containers, which see nothing of each other, do not all begin with the first.
    start = zlib.crc32(f"{socket.gethostname()}:{group}".encode()) % len(cpus)
    chosen = (cpus[start:] + cpus[:start])[: max(math.ceil(quota), 1)]
    return tuple(sorted(chosen))


def _quota(root: Path) -> tuple[float | None, str]:
    """Return how many CPUs' time the process may use, and the group that says so; None for any."""
    groups = find_groups("cpu", root)
    least: tuple[float | None, str] = (None, "")
    for path in groups.paths if groups else ():
        if groups is not None and groups.version == 2:
            quota, period = _words(path / "cpu.max", 2)
        else:
            (quota,), (period,) = _words(path / "cpu.cfs_quota_us"), _words(path / "cpu.cfs_period_us")
        if not (quota.isdigit() and period.isdigit() and int(period)):
            continue  # "max", or -1, or nothing
        share = int(quota) / int(period)
        if least[0] is None or share < least[0]:
            least = (share, str(path))
    return least


def _memory(root: Path) -> tuple[int | None, str]:
    """Return the bytes that the process may use, and the group that says so."""
    least = _total_memory(root)
    group = ""
    groups = find_groups("memory", root)
    for path in groups.paths if groups else ():
        name = "memory.max" if groups is not None and groups.version == 2 else "memory.limit_in_bytes"
        (limit,) = _words(path / name)
        if limit.isdigit() and (least is None or int(limit) < least):
            least, group = int(limit), str(path)
    return least, group


def _total_memory(root: Path) -> int | None:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _words(path: Path, count: int = 1) -> list[str]:
    """Return the words of a file, as many as are asked for; empty ones where it has fewer."""
    try:
        words = path.read_text().split()
    except OSError:
        words = []
    return (words + [""] * count)[:count]
