"""Shares of a machine for the experiments of one runner: CPUs, GPUs and memory."""

from __future__ import annotations

import itertools
import os
import re
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from coolrunner.experiment import Slot

if TYPE_CHECKING:
    from fractions import Fraction

    from coolrunner.definition.resources import Resources
    from coolrunner.execution.gpus import Gpu
    from coolrunner.execution.locks import Lock, Locks
    from coolrunner.execution.machine import Machine

__all__ = ["THREADS", "Slot", "SlotPool", "choose_cpus", "size"]

#: What libraries look at to see how many threads they may start.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
#: Seconds after which it is seen whether another runner has given something back.
RETRY = 0.25


@dataclass
class _Share:
    """What belongs to a slot that is given out."""

    cpus: list[int] = field(default_factory=list)
    exclusive: bool = True
    gpus: list[Gpu] = field(default_factory=list)
    of_each_gpu: Fraction | int = 0
    memory: int | None = None
    locks: list[Lock] = field(default_factory=list)
    slot: Slot | None = None

    def unlock(self) -> None:
        while self.locks:
            self.locks.pop().release()


class SlotPool:
    """The slots of one runner.

    CPUs and whole GPUs are given to one experiment at a time, also where several runners of a user share
    the machine; shares of GPUs add up to one at most. Memory is counted.

    Parameters
    ----------
    machine
        What there is to give out; by default what this process may use.
    jobs
        How many experiments run at once; ``auto`` for as many as have room. With None or 1 an experiment
        that asks for nothing is left as it is, else it gets its part of the CPUs: as many as the number
        of jobs leaves, or one where that is ``auto``.
    assign_gpus
        Whether an experiment that asks for no GPU sees none.
    limit_gpus
        Whether it else sees those of `machine` alone; if neither, it sees what there is.
    pins
        Whether experiments are bound to CPUs at all.
    environ
        The environment that the experiments come from.
    """

    def __init__(
        self,
        machine: Machine | None = None,
        jobs: int | str | None = None,
        *,
        assign_gpus: bool = False,
        limit_gpus: bool = False,
        pins: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if machine is not None:
            self._machine = machine
        self._most = None if jobs == "auto" else int(jobs or 1)
        self._assign_gpus = assign_gpus
        self._limit_gpus = limit_gpus
        self._pins = pins
        self._environ = os.environ if environ is None else environ
        self._given: dict[int, _Share] = {}
        self._locks: Locks | None = None
        self._warnings: list[str] = []
        self._warned = False
        self._refused_at = float("-inf")

    # --- what a backend asks ---

    @property
    def most(self) -> int:
        """How many slots there are at the most."""
        return len(self._machine.cpus) if self._most is None else self._most

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to ask again, where another runner stood in the way; else None."""
        return RETRY if time.monotonic() - self._refused_at < 4 * RETRY else None

    @property
    def usual_threads(self) -> dict[str, str]:
        """The variables for threads of an experiment that asks for nothing."""
        count, _ = self._own_part()
        return self._thread_variables(count) if count else {}

    def take_warnings(self) -> list[str]:
        """Return what a person should know of the slots, once."""
        warnings, self._warnings = self._warnings, []
        return warnings

    def impossible(self, resources: Resources) -> str:
        """Say why these can never be reserved, such as ``asks for 8 GPUs; this runner has 2``."""
        if several := resources.beyond_one_machine():
            return f"{several}; this runner has one machine (Global.executor: slurm has more)"
        if not (resources.cpus or resources.gpus or resources.memory):
            return ""
        machine = self._machine
        if resources.cpus is not None and self._pins and resources.cpus > len(machine.cpus):
            return f"asks for {_count(resources.cpus, 'CPU')}; this runner has {len(machine.cpus)}"
        if resources.gpus and max(resources.gpus, 1) > len(machine.gpus):
            limits = f" ({machine.gpus.limits})" if machine.gpus.limits else ""
            asked = _count(resources.gpus, "GPU")
            return f"asks for {asked}; this runner has {len(machine.gpus) or 'none'}{limits}"
        if resources.memory and machine.memory and resources.memory > machine.memory:
            return f"asks for {size(resources.memory)} of memory; this runner has {size(machine.memory)}"
        return ""

    def reserve(self, resources: Resources) -> Slot | None:
        """Return a slot for one experiment that needs these; None while they are in use."""
        if self._most is not None and len(self._given) >= self._most:
            return None
        count, asked = (resources.cpus, True) if resources.cpus else self._own_part()
        count = count if self._pins else 0
        if not self._has_room(count, asked, resources):
            return None
        share = _Share()
        if (count or resources.gpus or resources.memory) and not self._take(share, count, asked, resources):
            share.unlock()
            self._refused_at = time.monotonic()
            return None
        number = next(number for number in itertools.count() if number not in self._given)
        self._given[number] = share
        share.slot = self._slot(number, share)
        return share.slot

    def release(self, slot: Slot) -> None:
        """Take a slot back; one that was taken back already is not looked at."""
        share = self._given.get(slot.number)
        if share is not None and share.slot is slot:
            del self._given[slot.number]
            share.unlock()

    def close(self) -> None:
        """Take all slots back."""
        for share in self._given.values():
            share.unlock()
        self._given.clear()

    # --- what is free ---

    @cached_property
    def _machine(self) -> Machine:
        # A study of one experiment at a time that asks for nothing never comes here.
        from coolrunner.execution.machine import this_machine

        return this_machine()

    def _own_part(self) -> tuple[int, bool]:
        """Return how many CPUs an experiment gets that asks for none, and that it did not ask."""
        if not self._pins or self._most == 1:
            return 0, False
        return (1 if self._most is None else max(len(self._machine.cpus) // self._most, 1)), False

    @property
    def _crowded(self) -> bool:
        """Whether there are more jobs than CPUs, which are shared then."""
        return self._most is not None and self._most > len(self._machine.cpus)

    def _has_room(self, count: int, asked: bool, resources: Resources) -> bool:
        """Whether the slots of this runner alone leave room."""
        if count and self._given and len(self._free_cpus()) < count:
            return False
        if resources.gpus and not self._choose_gpus(resources.gpus, self._own_gpus()):
            return False
        return self._fits(resources.memory, 0)

    def _free_cpus(self) -> list[int]:
        given = self._given.values()
        used = {cpu for share in given if share.exclusive or not self._crowded for cpu in share.cpus}
        return [cpu for cpu in self._machine.cpus if cpu not in used]

    def _own_gpus(self) -> defaultdict[str, Fraction | int]:
        used: defaultdict[str, Fraction | int] = defaultdict(int)
        for share in self._given.values():
            for gpu in share.gpus:
                used[gpu.key] += share.of_each_gpu
        return used

    def _choose_gpus(self, asked: float, used: Mapping[str, Fraction | int]) -> list[Gpu]:
        """Return free GPUs, or the one with the least room that has enough; none where there are none."""
        gpus = self._machine.gpus.gpus
        if asked >= 1:
            free = [gpu for gpu in gpus if not used[gpu.key]]
            return free[: int(asked)] if len(free) >= asked else []
        fitting = [gpu for gpu in gpus if used[gpu.key] + _exactly(asked) <= 1]
        return [max(fitting, key=lambda gpu: used[gpu.key])] if fitting else []

    def _fits(self, memory: int | None, used_by_others: Fraction | int) -> bool:
        if not memory or self._machine.memory is None:
            return True
        own = sum(share.memory or 0 for share in self._given.values())
        return own + used_by_others + memory <= self._machine.memory

    # --- taking it ---

    def _take(self, share: _Share, count: int, asked: bool, resources: Resources) -> bool:
        """Take what is asked for, in the sight of other runners; False where they leave too little."""
        try:
            # Here, as there are systems without such locks.
            from coolrunner.execution.locks import Locks, runtime_directory

            self._locks = self._locks or Locks(runtime_directory())
            with self._locks.guarded() as free:
                return free and self._take_each(share, count, asked, resources)
        except (OSError, ImportError) as error:
            self._locks = None
            share.unlock()
            if not self._warned:
                self._warned = True
                self._warnings.append(
                    f"other runners on this machine are not seen, and may use the same CPUs and GPUs: {error}"
                )
            return self._take_each(share, count, asked, resources)

    def _take_each(self, share: _Share, count: int, asked: bool, resources: Resources) -> bool:
        if resources.gpus:
            used = self._own_gpus()
            for gpu in self._machine.gpus.gpus:
                used[gpu.key] += self._used_by_others(_file(gpu.key))
            share.gpus = self._choose_gpus(resources.gpus, used)
            share.of_each_gpu = _exactly(min(resources.gpus, 1))
            for gpu in share.gpus:
                self._note(share, _file(gpu.key), share.of_each_gpu)
            if not share.gpus:
                return False
        if resources.memory:
            name = f"memory-{zlib.crc32(self._machine.memory_of.encode()):08x}"
            if not self._fits(resources.memory, self._used_by_others(name)):
                return False
            share.memory = resources.memory
            self._note(share, name, _exactly(resources.memory))
        return not count or self._take_cpus(share, count, asked)

    def _take_cpus(self, share: _Share, count: int, asked: bool) -> bool:
        if asked or not self._crowded:
            share.cpus = self._lock_cpus(share, count, partly=not asked and not self._given)
        if not share.cpus and not asked and (self._crowded or not self._given):
            # Nobody asked to have them alone, and one runner must not wait for ever for another's end.
            share.exclusive = False
            load = Counter(cpu for other in self._given.values() for cpu in other.cpus)
            share.cpus = sorted(sorted(self._free_cpus(), key=lambda cpu: load[cpu])[:count])
        return bool(share.cpus)

    def _lock_cpus(self, share: _Share, count: int, partly: bool) -> list[int]:
        """Lock CPUs that no other runner has: so many, or what there is of them; none where that fails."""
        free = self._free_cpus()
        locks: dict[int, Lock | None] = {}
        while True:
            count = min(count, len(free)) if partly else count
            chosen = choose_cpus(free, count)
            for cpu in chosen:
                if cpu not in locks:
                    lock = self._locks.take(f"cpu-{cpu}") if self._locks is not None else None
                    if lock is None and self._locks is not None:
                        free.remove(cpu)
                        break
                    locks[cpu] = lock
            else:
                for cpu, lock in locks.items():
                    if lock is not None and cpu in chosen:
                        share.locks.append(lock)
                    elif lock is not None:
                        lock.release()
                return chosen

    def _used_by_others(self, name: str) -> Fraction | int:
        return self._locks.shared_by_others(name) if self._locks is not None else 0

    def _note(self, share: _Share, name: str, amount: Fraction) -> None:
        if self._locks is not None:
            share.locks.append(self._locks.share(name, amount))

    # --- what an experiment is given ---

    def _slot(self, number: int, share: _Share) -> Slot:
        names = tuple(gpu.name for gpu in share.gpus)
        environment = self._thread_variables(len(share.cpus)) if share.cpus else {}
        if names or self._assign_gpus:
            environment.update(self._machine.gpus.environment(names))
        elif self._limit_gpus:
            gpus = self._machine.gpus
            environment.update(gpus.environment([gpu.name for gpu in gpus.gpus]))
        if environment or share.memory:
            environment["COOLRUNNER_SLOT"] = str(number)
        return Slot(number, tuple(share.cpus), names, share.memory, environment)

    def _thread_variables(self, count: int) -> dict[str, str]:
        """Return the variables for so many threads, or for fewer where a person has said so."""
        general = min(count, _positive(self._environ.get("OMP_NUM_THREADS")) or count)
        return {name: str(min(count, _positive(self._environ.get(name)) or general)) for name in THREADS}


def choose_cpus(free: Sequence[int], count: int) -> list[int]:
    """Return so many of these CPUs, side by side where that can be; none where they are too few.

    The smallest run of neighbours that is large enough gives its first ones, so that large runs stay
    whole; where none is large enough, the largest give all they have.
    """
    if len(free) < count:
        return []
    runs: list[list[int]] = []
    for cpu in free:
        if runs and runs[-1][-1] == cpu - 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    large = [run for run in runs if len(run) >= count]
    if large:
        return min(large, key=len)[:count]
    by_size = sorted(runs, key=len, reverse=True)
    return sorted(list(itertools.chain.from_iterable(by_size))[:count])


def size(count: int) -> str:
    """Return a number of bytes in words, such as ``8G`` or ``1.5G``."""
    for unit, power in (("T", 40), ("G", 30), ("M", 20)):
        if count >= 1 << power:
            return f"{count / (1 << power):.1f}".removesuffix(".0") + unit
    return f"{count} bytes"


def _exactly(number: float) -> Fraction:
    """Return a number as a person wrote it: ten shares of 0.1 are 1."""
    from fractions import Fraction

    return Fraction(str(number))


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}" + ("" if number == 1 else "s")


def _positive(text: str | None) -> int:
    """Return the number that a variable begins with (OpenMP takes one for each level); 0 for none."""
    match = re.match(r"\s*(\d+)\s*(?:,|\Z)", text or "")
    return int(match[1]) if match else 0


def _file(key: str) -> str:
    return "gpu-" + re.sub(r"[^A-Za-z0-9-]", "_", key)
