"""What each slot of an affinity code gets of a machine: which CPUs, and which GPUs.

The division is the published one of rlpyt and exptools. Cores are counted from 0, those of a socket side by
side, and the second hardware thread of core c is CPU c + ``hto``. GPUs belong to sockets in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from coolrunner.errors import UsageError
from coolrunner.frontends.launching.variants import AttrDict

__all__ = ["AffinityError", "Shares"]

Cpus = tuple[int, ...]


class AffinityError(UsageError, ValueError):
    """An affinity code cannot be read, or divides a machine in a way that does not come out even."""


@dataclass(frozen=True)
class Shares:
    """A machine divided among runs; the names are those of `encode_affinity`.

    Attributes
    ----------
    cpu, gpu
        Cores and GPUs that are used at all.
    cxg, gpr
        Runs that share a GPU, and GPUs of a run.
    cpr, cpw
        Cores of a run (without GPUs), and of each of its workers.
    hto
        What is added to the number of a core for that of its second hardware thread; 0 for none, None for
        as many as there are cores.
    skt
        Sockets.
    res
        Cores of each run (for asynchronous ones: of each of its GPUs) that its workers leave alone.
    ass, sgr, oss
        For asynchronous runs: that they are; how many more GPUs each has for sampling; whether it samples on
        those that it optimizes on.
    alt
        Whether each core is given to two workers, which alternate.
    saf
        Whether processes are to be bound to their CPUs.
    """

    cpu: int = 0
    gpu: int = 0
    cxg: int = 1
    gpr: int = 1
    cpr: int = 1
    cpw: int = 1
    hto: int | None = None
    skt: int = 1
    res: int | None = None
    ass: int = 0
    sgr: int = 0
    oss: int = 0
    alt: int = 0
    saf: int = 1

    def __post_init__(self) -> None:
        for name in ("cxg", "gpr", "cpr", "cpw", "skt"):
            if getattr(self, name) < 1:
                raise AffinityError(f"'{name}' must be 1 or more, not {getattr(self, name)}")
        if self.is_asynchronous:
            self._need_gpus(self.gpus_per_run)
        elif self.gpu:
            if self.gpr > 1 and self.cxg > 1:
                raise AffinityError(f"'{self.cxg}cxg' and '{self.gpr}gpr' exclude each other: runs that "
                                    "share a GPU, and runs with several")  # fmt: skip
            _even(self.cpu, self.gpu * self.cxg, "CPU cores", "runs and GPUs to give them to")
            self._need_gpus(self.gpr)
        else:
            _even(self.cpu, self.cpr, "CPU cores", "cores a run ('cpr')", least=True)
        if not self.is_asynchronous and (self.offset - self.cpu) % self.skt:
            raise AffinityError(
                f"{self.skt} sockets ('skt') do not fit {self.cpu} of {self.offset} cores ('hto')"
            )

    def _need_gpus(self, count: int) -> None:
        if count > self.gpu:
            raise AffinityError(f"a run is to have {count} GPUs, and there are {self.gpu}")

    # --- numbers ---

    @property
    def is_asynchronous(self) -> bool:
        """Whether runs sample and optimize in processes of their own, on GPUs."""
        return bool(self.ass and self.gpu)

    @property
    def slots(self) -> int:
        """How many runs go on at once."""
        if self.is_asynchronous:
            return self.gpu // self.gpus_per_run
        return self.gpu * self.cxg // self.gpr if self.gpu else self.cpu // self.cpr

    @property
    def gpus_per_run(self) -> int:
        """How many GPUs each run has to itself, where it has any."""
        return self.gpr + (self.sgr if self.is_asynchronous and not self.oss else 0)

    @property
    def offset(self) -> int:
        """What `hto` means."""
        return self.cpu if self.hto is None else self.hto

    @property
    def cores_of_socket(self) -> int:
        """How many cores a socket has, used or not."""
        return max(self.cpu, self.offset) // self.skt

    # --- shares ---

    def of(self, slot: int) -> AttrDict | list[AttrDict]:
        """Return the share of a slot, as `affinity_from_code` describes it.

        Raises
        ------
        AffinityError
            There is no such slot, or its workers do not come out even.
        """
        if not 0 <= slot < self.slots:
            there = f"the slots are 0 to {self.slots - 1}" if self.slots else "there is none at all"
            raise AffinityError(f"there is no slot {slot}: {there}")
        if self.is_asynchronous:
            return self._asynchronous(slot)
        if not self.gpu:
            return self._share(self._cores(slot, self.cpu // self.cpr, self.cpr), None)
        if self.gpr > 1:
            return [self._on_gpu(part) for part in range(slot * self.gpr, (slot + 1) * self.gpr)]
        # Neighbouring slots are on different GPUs, so that few runs do not share one while others are idle.
        return self._on_gpu(slot % self.gpu * self.cxg + slot // self.gpu)

    def _on_gpu(self, part: int) -> AttrDict:
        parts = self.gpu * self.cxg
        return self._share(self._cores(part, parts, self.cpu // parts), part // self.cxg)

    def _cores(self, part: int, parts: int, count: int) -> Cpus:
        """Return the cores of one of so many equal parts, on as few sockets as can be."""
        if parts >= self.skt:
            socket, place = divmod(part, parts // self.skt)
            first = socket * self.cores_of_socket + place * count
            return tuple(range(first, first + count))
        sockets = self.skt // parts
        firsts = [socket * self.cores_of_socket for socket in range(part * sockets, (part + 1) * sockets)]
        return tuple(core for first in firsts for core in range(first, first + count // sockets))

    def _share(self, cores: Cpus, gpu: int | None) -> AttrDict:
        of_workers = cores[self.res or 0 :]
        _even(len(of_workers), self.cpw, "CPU cores of a run", "cores a worker ('cpw')")
        return self._described(cores, of_workers, gpu)

    def _described(self, cores: Cpus, of_workers: Cpus, gpu: int | None) -> AttrDict:
        return AttrDict(
            all_cpus=self._threads(cores),
            master_cpus=self._threads(cores),
            workers_cpus=self._workers(of_workers),
            cuda_idx=gpu,
            alternating=bool(self.alt),
            set_affinity=bool(self.saf),
        )

    def _threads(self, cores: Cpus) -> Cpus:
        """Return the CPUs of cores: their first hardware threads, then their second ones."""
        return cores + self._second(cores)

    def _second(self, cores: Cpus) -> Cpus:
        return tuple(core + self.offset for core in cores) if self.offset > 0 else ()

    def _workers(self, cores: Cpus) -> tuple[Cpus, ...]:
        groups = [cores[i : i + self.cpw] for i in range(0, len(cores) // self.cpw * self.cpw, self.cpw)]
        if self.alt:  # the second half works while the first half waits
            return (*groups, *(self._second(group) or group for group in groups))
        return tuple(map(self._threads, groups))

    # --- asynchronous runs ---

    def _asynchronous(self, slot: int) -> AttrDict:
        reserved = 1 if self.res is None else self.res
        samplers = self.gpr if self.oss else self.sgr
        cores = self.cpu // self.slots
        optimizing, sampling, first_of_run = self._gpus_of(slot, samplers)
        optimizers, all_cpus = [], Cpus()
        for place, gpu in enumerate(optimizing):
            socket, in_socket = divmod(gpu, self.gpu // self.skt)
            first = self._first_core(socket, first_of_run) + reserved * (
                in_socket if first_of_run is None else place
            )
            cpus = self._threads(tuple(range(first, first + reserved)))
            optimizers.append(AttrDict(cpus=cpus, cuda_idx=gpu, set_affinity=bool(self.saf)))
            all_cpus += cpus
        left = (cores - reserved * self.gpr) // self.cpw * self.cpw
        sampler = self._samplers(slot, sampling, left, reserved, first_of_run)
        for each in sampler if isinstance(sampler, list) else [sampler]:
            all_cpus += each.master_cpus
        return AttrDict(all_cpus=all_cpus, optimizer=optimizers, sampler=sampler, set_affinity=bool(self.saf))

    def _first_core(self, socket: int, first_of_run: int | None) -> int:
        return socket * self.cores_of_socket + (first_of_run or 0)

    def _sockets_of(self, slot: int) -> range:
        each = max(self.skt // self.slots, 1)
        return range(slot * each, (slot + 1) * each)

    def _gpus_of(self, slot: int, samplers: int) -> tuple[list[int], list[int], int | None]:
        """Return the GPUs to optimize and to sample on, and the run's first core in its only socket."""
        per_socket, mine = self.gpu // self.skt, self.gpus_per_run
        if mine <= per_socket:
            _even(self.slots, self.skt, "runs at once", "sockets ('skt')", least=True)
            socket, place = divmod(slot, self.slots // self.skt)
            first = socket * per_socket + place * mine
            optimizing = list(range(first, first + self.gpr))
            sampling = optimizing if self.oss else list(range(first + self.gpr, first + mine))
            return optimizing, sampling, place * (self.cpu // self.slots)
        sockets = self._sockets_of(slot)
        for count, what in ((self.gpr, "gpr"), (samplers, "sgr")):
            _even(count, len(sockets), f"GPUs of a run ('{what}')", "sockets that it spans ('skt')")
        optimizing, sampling = [], []
        for socket in sockets:
            first = socket * per_socket
            middle = first + self.gpr // len(sockets)
            optimizing += range(first, middle)
            sampling += () if self.oss else range(middle, middle + samplers // len(sockets))
        return optimizing, optimizing if self.oss else sampling, None

    def _samplers(
        self, slot: int, gpus: Sequence[int], left: int, reserved: int, first_of_run: int | None
    ) -> AttrDict | list[AttrDict]:
        if not gpus:  # on CPUs
            cores: Iterable[int] = ()
            if first_of_run is not None:
                first = self._first_core(slot // (self.slots // self.skt), first_of_run) + self.gpr * reserved
                cores = range(first, first + left)
            else:
                sockets = self._sockets_of(slot)
                behind = self.gpr // (self.gpu // self.skt) * reserved
                firsts = [self._first_core(socket, None) + behind for socket in sockets]
                cores = (core for first in firsts for core in range(first, first + left // len(sockets)))
            own = tuple(cores)
            return self._described(own, own, None)
        of_each = left // max(1, self.gpr if self.oss else self.sgr)
        spanned = 1 if first_of_run is not None else len(self._sockets_of(slot))
        before = self.gpr // spanned
        shares = []
        for place, gpu in enumerate(gpus):
            socket, in_socket = divmod(gpu, self.gpu // self.skt)
            nth = place if first_of_run is not None else in_socket - (0 if self.oss else before)
            first = self._first_core(socket, first_of_run) + before * reserved + nth * of_each
            own = tuple(range(first, first + of_each))
            shares.append(self._described(own, own, gpu))
        return shares


def _even(count: int, by: int, what: str, among: str, *, least: bool = False) -> None:
    """Refuse what does not come out even, or (`least`) leaves no run at all.

    Raises
    ------
    AffinityError
        That is so.
    """
    if by < 1 or count % by or (least and not count):
        raise AffinityError(f"{count} {what} cannot be divided by {by} {among}")
