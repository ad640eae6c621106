"""Affinity codes: a machine, and what each run gets of it, as one word such as ``4cpu_4gpu_8hto``.

Format: ``_`` between parts, each a whole number and three letters. A code without a slot describes the
division; ``<n>slt_`` in front names one share of it, for the script that runs there. The letters are those of
`coolrunner.frontends.launching.affinity_shares.Shares`, as rlpyt and exptools have published them.
"""

from __future__ import annotations

import os
import re
from dataclasses import fields
from typing import Any

from coolrunner.errors import nearest
from coolrunner.frontends.launching.affinity_shares import AffinityError, Shares
from coolrunner.frontends.launching.variants import AttrDict

__all__ = [
    "CLUSTER",
    "LAUNCHED_WITH",
    "AffinityError",
    "affinity_from_code",
    "encode_affinity",
    "gpus_of",
    "make_affinity",
    "quick_affinity_code",
    "shares_of",
    "with_slot",
]

#: The code of a job on a cluster, which may use all that it sees.
CLUSTER = "cluster"
#: The variable that tells a script the code that its GPUs were made visible for.
LAUNCHED_WITH = "COOLRUNNER_AFFINITY"

_SLOT = "slt"
_PART = re.compile(r"(\d+)([a-z]{3})\Z", re.ASCII)
_NAMES = [field.name for field in fields(Shares)]


def encode_affinity(
    n_cpu_core: int | None = None,
    n_gpu: int = 0,
    contexts_per_gpu: int = 1,
    gpu_per_run: int = 1,
    cpu_per_run: int = 1,
    cpu_per_worker: int = 1,
    cpu_reserved: int = 0,
    hyperthread_offset: int | None = None,
    n_socket: int | None = None,
    run_slot: int | None = None,
    async_sample: bool = False,
    sample_gpu_per_run: int = 0,
    optim_sample_share_gpu: bool = False,
    alternating: bool = False,
    set_affinity: bool = True,
) -> str:
    """Return the code of a machine and its division among runs.

    Parameters
    ----------
    n_cpu_core
        Cores to use in all; every core that this process may use where nothing is said.
    n_gpu
        GPUs to use in all.
    contexts_per_gpu
        Runs that share a GPU.
    gpu_per_run
        GPUs of each run.
    cpu_per_run
        Cores of each run; counts only without GPUs, which else divide the cores among them.
    cpu_per_worker
        Cores of each worker of a run.
    cpu_reserved
        Cores of a run that its workers leave alone.
    hyperthread_offset
        What is added to the number of a core for that of its second hardware thread, 0 for none; looked up
        where nothing is said.
    n_socket
        Sockets of the machine; looked up where nothing is said.
    run_slot
        The slot, for a code that one run gets.
    async_sample, sample_gpu_per_run, optim_sample_share_gpu
        Whether runs sample apart from optimizing; on how many more GPUs, or on the same.
    alternating
        Whether two workers share each core in turns.
    set_affinity
        Whether processes are to be bound to CPUs.

    Raises
    ------
    AffinityError
        There is no such slot.
    """
    from coolrunner.frontends.launching import affinity_machine as machine

    cores = machine.usable_cores() if n_cpu_core is None else n_cpu_core
    offset = machine.hyperthread_offset() if hyperthread_offset is None else hyperthread_offset
    sockets = machine.sockets() if n_socket is None else n_socket
    parts = [
        (cores, "cpu", True),
        (n_gpu, "gpu", True),
        (contexts_per_gpu, "cxg", contexts_per_gpu > 1),
        (gpu_per_run, "gpr", gpu_per_run > 1),
        (cpu_per_run, "cpr", n_gpu == 0),
        (cpu_per_worker, "cpw", cpu_per_worker > 1),
        (offset, "hto", offset != cores),
        (sockets, "skt", sockets > 1),
        (cpu_reserved, "res", cpu_reserved > 0),
        (1, "ass", async_sample),
        (sample_gpu_per_run, "sgr", sample_gpu_per_run > 0),
        (1, "oss", optim_sample_share_gpu),
        (1, "alt", alternating),
        (0, "saf", not set_affinity),
    ]
    code = "_".join(f"{number}{name}" for number, name, told in parts if told)
    if run_slot is None:
        return code
    shares_of(code).of(run_slot)
    return with_slot(run_slot, code)


def quick_affinity_code(
    n_parallel: int | None = None, use_gpu: bool = True, contexts_per_gpu: int = 1
) -> str:
    """Return a code that divides this machine evenly; only GPUs that are there count.

    Parameters
    ----------
    n_parallel
        Runs at once. With GPUs it is at most as many GPUs, and all of them where nothing is said.
    use_gpu
        Whether GPUs are used, if there are any.
    contexts_per_gpu
        Runs that share a GPU.

    Raises
    ------
    AffinityError
        There is neither a GPU to use nor a number of runs.
    """
    from coolrunner.frontends.launching import affinity_machine as machine

    if not (use_gpu or n_parallel):
        raise AffinityError("quick_affinity_code needs use_gpu=True, or n_parallel: how many runs at once")
    cores = machine.usable_cores()
    gpus = machine.usable_gpus() if use_gpu else 0
    if gpus:
        gpus = min(n_parallel or gpus, gpus)
        runs = gpus * contexts_per_gpu
        return encode_affinity(cores // runs * runs, gpus, contexts_per_gpu)
    if not n_parallel:
        raise AffinityError("there is no GPU here: n_parallel must say how many runs go on at once")
    runs = min(n_parallel, cores)
    return encode_affinity(cores // runs * runs, 0, cpu_per_run=cores // runs)


def shares_of(code: str) -> Shares:
    """Return what a code without a slot says.

    Raises
    ------
    AffinityError
        A part of it is unknown, stands twice or does not fit the others.
    """
    numbers: dict[str, int] = {}
    for part in code.split("_"):
        match = _PART.match(part)
        if match is None:
            raise AffinityError(f"unrecognized part {part!r} of the affinity code {code!r}: a number and "
                                "three letters such as '4cpu' were expected")  # fmt: skip
        number, name = int(match[1]), match[2]
        if name not in _NAMES:
            raise AffinityError(_unknown(name, code))
        if name in numbers:
            raise AffinityError(f"'{name}' stands twice in the affinity code {code!r}")
        numbers[name] = number
    if "cpu" not in numbers:
        raise AffinityError(f"the affinity code {code!r} does not say how many cores there are, as '4cpu'")
    try:
        return Shares(**numbers)
    except AffinityError as error:
        raise AffinityError(f"the affinity code {code!r}: {error}") from None


def _unknown(name: str, code: str) -> str:
    message = f"unrecognized affinity code abbreviation {name!r} in {code!r}"
    if name == _SLOT:
        return f"{message}: the slot stands in front, and this code must have none"
    close = nearest(name, _NAMES)
    return message + (f"; did you mean {close!r}?" if close else f"; there are {', '.join(_NAMES)}")


def with_slot(slot: int, code: str) -> str:
    """Return the code of one slot of those that a code describes."""
    return f"{slot}{_SLOT}_{code}"


def affinity_from_code(run_slot_affinity_code: str) -> Any:
    """Return what a script may use that was started with a code.

    Parameters
    ----------
    run_slot_affinity_code
        With the slot in front; or ``cluster``, for all that this process may use.

    Returns
    -------
    An `AttrDict`: ``all_cpus`` and ``master_cpus`` (both hardware threads of each core), ``workers_cpus`` (a
    tuple for each worker), ``cuda_idx`` (None without GPUs), ``alternating``, ``set_affinity``. A list of
    these where a run has several GPUs. For asynchronous runs ``all_cpus``, ``optimizer`` (a list),
    ``sampler``, ``set_affinity``.

    In a script that `coolrunner.run_experiments` has started with this code, ``cuda_idx`` counts the GPUs
    that the script sees, which are its own: ``torch.cuda.set_device(cuda_idx)`` is right in either case.

    Raises
    ------
    AffinityError
        It is no such code, or there is no such slot.
    """
    code = run_slot_affinity_code
    if code == CLUSTER:
        return _whole()
    first, _, rest = code.partition("_")
    match = _PART.match(first)
    if match is None or match[2] != _SLOT:
        raise AffinityError(f"the affinity code {code!r} does not begin with a slot, such as 0{_SLOT}_; the "
                            "launcher puts it there")  # fmt: skip
    affinity = shares_of(rest).of(int(match[1]))
    if os.environ.get(LAUNCHED_WITH) == code:
        _recount(affinity)
    return affinity


def make_affinity(run_slot: int = 0, **kwargs: Any) -> Any:
    """Return the affinity of a slot; the other arguments are those of `encode_affinity`."""
    return affinity_from_code(encode_affinity(run_slot=run_slot, **kwargs))


def _parts(affinity: Any) -> list[AttrDict]:
    """Return all that has a ``cuda_idx`` in an affinity."""
    if isinstance(affinity, list):
        return affinity
    if "optimizer" in affinity:
        sampler = affinity["sampler"]
        return [*affinity["optimizer"], *(sampler if isinstance(sampler, list) else [sampler])]
    return [affinity]


def gpus_of(affinity: Any) -> list[int]:
    """Return the GPUs in an affinity, in order, each once."""
    found = {part["cuda_idx"] for part in _parts(affinity)}
    return sorted(found - {None})


def _recount(affinity: Any) -> None:
    """Count the GPUs of an affinity by their places among those that are visible."""
    place = {gpu: index for index, gpu in enumerate(gpus_of(affinity))}
    for part in _parts(affinity):
        part["cuda_idx"] = place.get(part["cuda_idx"])


def _whole() -> Any:
    """Return all that this process may use, as the affinity of a run."""
    from coolrunner.frontends.launching import affinity_machine as machine

    cpus = machine.usable_cpus()
    gpus: list[int | None] = [*range(machine.usable_gpus())] or [None]
    # Whatever has started the process has bound it already.
    shares = [
        AttrDict(
            all_cpus=cpus,
            master_cpus=cpus,
            workers_cpus=tuple((cpu,) for cpu in cpus),
            cuda_idx=gpu,
            alternating=False,
            set_affinity=False,
        )
        for gpu in gpus
    ]
    return shares if len(shares) > 1 else shares[0]
