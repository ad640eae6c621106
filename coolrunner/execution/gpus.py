"""The GPUs that a runner may use, and the environment variables that show an experiment some of them.

A runner that was shown a part of the machine's GPUs itself hands out of that part alone, in the very
terms in which it was shown them: a scheduler's UUIDs stay UUIDs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.execution.cgroups import read_counter

if TYPE_CHECKING:
    import ctypes

__all__ = ["Gpu", "GpuSet", "find_gpus", "nvidia_uuids"]

CUDA, CUDA_ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
ROCR, HIP = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU.

    Attributes
    ----------
    name
        What the environment variable calls it.
    key
        What every runner on the machine calls it: its UUID where that is known.
    """

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class GpuSet:
    """The GPUs that a runner may hand out.

    Attributes
    ----------
    gpus
        Each of them.
    variable
        The environment variable that names those that a process sees.
    others
        Variables that must agree with it, with their values; ``*`` stands for the numbers from 0.
    limits
        What it is that leaves no more of them, for a person.
    """

    gpus: tuple[Gpu, ...] = ()
    variable: str = CUDA
    others: Mapping[str, str] | None = None
    limits: str = ""

    def __len__(self) -> int:
        return len(self.gpus)

    def environment(self, names: Sequence[str]) -> dict[str, str]:
        """Return the variables of a process that sees these GPUs, and no other."""
        nothing = "" if self.variable == CUDA else "-1"
        shown = {self.variable: ",".join(names) or nothing}
        for name, value in (self.others or {}).items():
            shown[name] = (",".join(map(str, range(len(names)))) or "-1") if value == "*" else value
        return shown


def find_gpus(asked: Sequence[str] | None, environ: Mapping[str, str], root: Path = Path("/")) -> GpuSet:
    """Look for GPUs, of NVIDIA first, then of AMD.

    Parameters
    ----------
    asked
        The ones to use, by index or UUID; taken at its word where nothing is known of the machine's.
        None for all.
    environ
        The environment of the process, whose own view of the GPUs is not left.
    root
        Where the file system begins.
    """
    uuids = nvidia_uuids()
    if uuids or CUDA in environ:
        return _cuda(asked, environ, uuids)
    amd = _amd_keys(root)
    if amd:
        return _rocm(asked, environ, amd)
    if uuids is not None:  # the driver is there and knows of none
        return GpuSet(limits="the driver reports none")
    return _cuda(asked, environ, None)


def _cuda(asked: Sequence[str] | None, environ: Mapping[str, str], uuids: list[str] | None) -> GpuSet:
    mask = environ.get(CUDA)
    others = {}
    if mask is None:
        if uuids is None:
            known = list(filter(None, map(_finder(None), asked or ())))
        elif any(uuid.startswith("MIG-") for uuid in uuids):  # a part of a GPU has no index
            known = [Gpu(uuid, uuid) for uuid in uuids]
        else:
            known = [Gpu(str(index), uuid) for index, uuid in enumerate(uuids)]
            others = {CUDA_ORDER: "PCI_BUS_ID"}  # the order of the driver; CUDA's own begins with the fastest
    else:
        known = _masked(mask, _finder(uuids))
    return GpuSet(_chosen(known, asked, _finder(uuids)), CUDA, others, _limits(asked, environ, CUDA))


def _rocm(asked: Sequence[str] | None, environ: Mapping[str, str], keys: list[str]) -> GpuSet:
    known = [Gpu(str(index), key) for index, key in enumerate(keys)]
    variable, others = ROCR, {}
    if ROCR in environ:
        known = _masked(environ[ROCR], _finder(keys))
    if HIP in environ:
        # Its numbers count what the other variable has left.
        left = {str(index): gpu for index, gpu in enumerate(known)}
        inner = _masked(environ[HIP], left.get)
        if ROCR in environ:
            known, others = inner, {HIP: "*"}
        else:
            known, variable = inner, HIP
    chosen = _chosen(known, asked, _finder(keys))
    return GpuSet(chosen, variable, others, _limits(asked, environ, ROCR, HIP))


def _chosen(
    known: list[Gpu], asked: Sequence[str] | None, find: Callable[[str], Gpu | None]
) -> tuple[Gpu, ...]:
    """Return those that were asked for, in that order; all of them where nothing was."""
    if asked is None:
        return tuple(known)
    by_key = {gpu.key: gpu for gpu in known}
    found = (find(name) for name in asked)
    return tuple(dict.fromkeys(by_key[gpu.key] for gpu in found if gpu is not None and gpu.key in by_key))


def _masked(mask: str, find: Callable[[str], Gpu | None]) -> list[Gpu]:
    """Return what a list of GPUs leaves visible: what stands before the first entry that is none."""
    left: dict[str, Gpu] = {}
    for entry in mask.split(","):
        gpu = find(entry.strip())
        if gpu is None or gpu.key in left:
            break
        left[gpu.key] = gpu
    return list(left.values())


def _finder(keys: Sequence[str] | None) -> Callable[[str], Gpu | None]:
    """Return what finds the GPU of an entry such as ``1``, ``GPU-8a3f`` or ``MIG-...``.

    A UUID may be cut short as long as it is one GPU's. Where the machine's own are not known, whatever
    looks like a GPU is one.
    """

    def find(entry: str) -> Gpu | None:
        if entry.isdecimal():
            if keys is None:
                return Gpu(entry, str(int(entry)))
            return Gpu(entry, keys[int(entry)]) if int(entry) < len(keys) else None
        if not entry.startswith(("GPU-", "MIG-")):
            return None
        matches = [key for key in keys or () if key.startswith(entry)]
        if len(matches) == 1:
            return Gpu(entry, matches[0])
        # A part of a GPU has names of an older kind as well, which the driver does not list.
        return Gpu(entry, entry) if keys is None or entry.startswith("MIG-") else None

    return find


def _limits(asked: Sequence[str] | None, environ: Mapping[str, str], *variables: str) -> str:
    words = [f"{name} is {environ[name]!r}" for name in variables if name in environ]
    if asked is not None:
        words.insert(0, f"Global.gpus is [{', '.join(asked)}]")
    return " and ".join(words)


# --- what the machine has ---


def nvidia_uuids(library: str = "libnvidia-ml.so.1") -> list[str] | None:
    """Return the UUIDs of NVIDIA's GPUs, in the order of the PCI bus; None without a driver.

    In place of a GPU that is divided (MIG) stand its parts.

    Notes
    -----
    The functions are those of the NVIDIA Management Library, in its API reference under device queries
    and multi-instance GPU management.
    """
    import ctypes  # here, and below: most runs look for no GPU

    try:
        nvml = ctypes.CDLL(library)
        if nvml.nvmlInit_v2():
            return None
    except (OSError, AttributeError):
        return None
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return None
        uuids: list[str] = []
        for index in range(count.value):
            device = ctypes.c_void_p()
            if not nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)):
                uuids += _nvidia_parts(nvml, device) or [_nvidia_uuid(nvml, device) or f"nvidia{index}"]
        return uuids
    except AttributeError:  # a library without one of these is older than any of use
        return None
    finally:
        nvml.nvmlShutdown()


def _nvidia_uuid(nvml: ctypes.CDLL, device: ctypes.c_void_p) -> str:
    import ctypes

    text = ctypes.create_string_buffer(96)
    failed = nvml.nvmlDeviceGetUUID(device, text, len(text))
    return "" if failed else text.value.decode()


def _nvidia_parts(nvml: ctypes.CDLL, device: ctypes.c_void_p) -> list[str]:
    import ctypes

    current, pending = ctypes.c_uint(), ctypes.c_uint()
    try:
        failed = nvml.nvmlDeviceGetMigMode(device, ctypes.byref(current), ctypes.byref(pending))
    except AttributeError:
        return []
    count = ctypes.c_uint()
    if failed or not current.value or nvml.nvmlDeviceGetMaxMigDeviceCount(device, ctypes.byref(count)):
        return []
    parts = []
    for index in range(count.value):
        part = ctypes.c_void_p()
        if not nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index, ctypes.byref(part)):
            parts.append(_nvidia_uuid(nvml, part))
    return [uuid for uuid in parts if uuid]


def _amd_keys(root: Path) -> list[str]:
    """Return what AMD's GPUs are called, in the order of the kernel's driver.

    The nodes are those of the kernel's ``amdkfd``: a CPU has no SIMD units, and a node that this process
    may not use cannot be read.
    """
    keys: list[str] = []
    nodes = root / "sys/class/kfd/kfd/topology/nodes"
    try:
        numbers = sorted(int(node.name) for node in nodes.iterdir())
    except (OSError, ValueError):
        return []
    for number in numbers:
        properties = nodes / str(number) / "properties"
        if read_counter(properties, "simd_count"):
            unique = read_counter(properties, "unique_id")
            keys.append(f"GPU-{unique:016x}" if unique else f"amd{len(keys)}")
    return keys
