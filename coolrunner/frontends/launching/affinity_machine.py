"""What affinity codes ask of this machine: its cores, their second hardware threads, sockets and GPUs.

Linux tells under ``/sys/devices/system/cpu`` (kernel documentation, "CPU topology"). Elsewhere each CPU
counts as a core of the only socket.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["hyperthread_offset", "sockets", "usable_cores", "usable_cpus", "usable_gpus"]

_CPUS = Path("/sys/devices/system/cpu")


class _Cpu(NamedTuple):
    core: int  # the lowest number of the CPUs that are hardware threads of the same core
    threads: tuple[int, ...]
    socket: int


def usable_cpus() -> tuple[int, ...]:
    """Return the numbers of the CPUs that this process may use."""
    from coolrunner.execution.machine import this_machine

    return this_machine().cpus


def usable_cores() -> int:
    """Return how many cores these are."""
    cpus = _cpus()
    return len({cpus[cpu].core if cpu in cpus else cpu for cpu in usable_cpus()})


def usable_gpus() -> int:
    """Return how many GPUs this process may use; those that a driver or the environment tells of."""
    from coolrunner.execution.gpus import find_gpus

    return len(find_gpus(None, os.environ))


def sockets() -> int:
    """Return how many sockets the machine has."""
    return max(len({cpu.socket for cpu in _cpus().values()}), 1)


def hyperthread_offset() -> int:
    """Return what to add to the number of a core for that of its second hardware thread.

    0 where there is no such thread, or where the machine numbers them so that no one number does it.
    """
    cpus = _cpus()
    cores = {cpu.core: cpu.threads for cpu in cpus.values()}
    offsets = {threads[-1] - threads[0] for threads in cores.values()}
    both = all(len(threads) == 2 for threads in cores.values())
    return len(cores) if both and offsets == {len(cores)} else 0


@lru_cache(maxsize=1)
def _cpus(where: Path = _CPUS) -> dict[int, _Cpu]:
    found: dict[int, _Cpu] = {}
    for path in where.glob("cpu[0-9]*/topology"):
        try:
            threads = _numbers((path / "thread_siblings_list").read_text())
            socket = int((path / "physical_package_id").read_text())
            found[int(path.parent.name[3:])] = _Cpu(threads[0], threads, socket)
        except (OSError, ValueError, IndexError):
            continue
    return found


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in a list such as ``0-1,8``."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)
