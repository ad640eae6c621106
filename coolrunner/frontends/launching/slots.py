"""The slots of a launcher: the shares of an affinity code, as slots of this machine that runners know of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coolrunner.definition.resources import Resources
from coolrunner.errors import UsageError
from coolrunner.execution.gpus import GpuSet, find_gpus
from coolrunner.execution.machine import Machine
from coolrunner.execution.slots import THREADS, Slot, SlotPool
from coolrunner.frontends.launching.affinity import (
    LAUNCHED_WITH,
    affinity_from_code,
    gpus_of,
    shares_of,
    with_slot,
)

if TYPE_CHECKING:
    from coolrunner.frontends.launching.variants import AttrDict

__all__ = ["LaunchSlot", "make_slots", "one_slot"]

#: The variable that tells a process which slot it has: of a launcher, or of a runner around it.
_NUMBER = "COOLRUNNER_SLOT"


@dataclass
class LaunchSlot:
    """A share of the machine for one run at a time.

    Attributes
    ----------
    code
        The affinity code of this share, which the script is called with.
    cpus
        The CPUs to be bound to; none for a run that is left as it is.
    environment
        The variables that go with it.
    pool
        Reserves it in the sight of other runners; None where somebody has done that.
    needs
        What is reserved.
    """

    code: str
    cpus: tuple[int, ...]
    environment: Mapping[str, str]
    pool: SlotPool | None = None
    needs: Resources = Resources()  # noqa: RUF009 - frozen
    _taken: Slot | None = None

    def reserve(self) -> bool:
        """Reserve it for a run; False where another run, also one of another runner, has some of it."""
        if self.pool is None:
            return True
        self._taken = self.pool.reserve(self.needs)
        return self._taken is not None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which another runner may have given back what was refused."""
        return None if self.pool is None else self.pool.retry_after

    def release(self) -> None:
        """Give it back."""
        if self.pool is not None and self._taken is not None:
            self.pool.release(self._taken)
            self._taken = None


def one_slot(code: str) -> LaunchSlot:
    """Return the slot of a process that may use all that it sees."""
    return LaunchSlot(code, (), {})


def make_slots(code: str) -> tuple[list[LaunchSlot], list[str]]:
    """Return the slots that an affinity code describes, and what a person should know of them.

    Raises
    ------
    UsageError
        It is no such code, or this machine has not as many GPUs.
    """
    shares = shares_of(code)
    if not shares.slots:
        raise UsageError(f"the affinity code {code!r} leaves no room for a single run")
    gpus = _gpus(shares.gpu, code) if shares.gpu else GpuSet()
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    slots, absent = [], set()
    for number in range(shares.slots):
        own = with_slot(number, code)
        affinity = affinity_from_code(own)
        asked = _cpus(affinity) if shares.saf else set()
        absent |= asked - usable
        mine = replace(gpus, gpus=tuple(gpus.gpus[index] for index in gpus_of(affinity)))
        slots.append(_slot(number, own, tuple(sorted(asked & usable)), mine, shares.cxg))
    if not absent or not usable:
        return slots, []
    warning = (
        f"this process may not use the CPUs {_listed(absent)} that the affinity code {code!r} names; "
        "runs are bound to the others of theirs, or to none"
    )
    return slots, [warning]


def _gpus(count: int, code: str) -> GpuSet:
    """Return as many of the GPUs that this process may use.

    Raises
    ------
    UsageError
        There are fewer.
    """
    known = find_gpus(None, os.environ)
    if not known and not known.limits:  # nothing is known of this machine's: the code is taken at its word
        known = find_gpus([str(index) for index in range(count)], os.environ)
    if len(known) < count:
        why = f" ({known.limits})" if known.limits else ""
        raise UsageError(
            f"the affinity code {code!r} asks for {count} GPUs; this machine has {len(known) or 'none'}{why}"
        )
    return replace(known, gpus=known.gpus[:count])


def _cpus(affinity: AttrDict | list[AttrDict]) -> set[int]:
    parts = affinity if isinstance(affinity, list) else [affinity]
    return {cpu for part in parts for cpu in part["all_cpus"]}


def _slot(number: int, code: str, cpus: tuple[int, ...], gpus: GpuSet, sharing: int) -> LaunchSlot:
    threads = {name: str(len(cpus)) for name in THREADS if cpus and name not in os.environ}
    names = [gpu.name for gpu in gpus.gpus]
    environment = {
        **threads,
        **gpus.environment(names),
        _NUMBER: str(number),
        LAUNCHED_WITH: code,
    }
    if _NUMBER in os.environ:  # within a slot of a runner, which has reserved all of it
        return LaunchSlot(code, cpus, environment)
    machine = Machine(cpus, None, "", lambda: gpus)
    needs = Resources(cpus=len(cpus) or None, gpus=len(gpus) if sharing == 1 else 1 / sharing * bool(gpus))
    return LaunchSlot(code, cpus, environment, SlotPool(machine, pins=bool(cpus)), needs)


def _listed(numbers: Iterable[int]) -> str:
    """Return numbers as a list such as ``2-3, 8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
