"""``Global.slurm`` and ``Global.ray``: what a cluster has to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coolrunner.definition.durations import parse_duration
from coolrunner.definition.problems import shown
from coolrunner.errors import nearest

__all__ = ["ClusterError", "RaySettings", "SlurmSettings", "read_ray", "read_slurm"]

#: Options of ``sbatch`` that stand right under ``Global.slurm``, with ``_`` for ``-``.
OPTIONS = (
    "account", "array_parallelism", "begin", "clusters", "comment", "constraint", "cpus_per_gpu", "deadline",
    "dependency", "exclude", "exclusive", "gpus_per_task", "gres", "hint", "job_name", "licenses",
    "mail_type", "mail_user", "mem_per_cpu", "mem_per_gpu", "nice", "nodelist", "partition", "qos",
    "reservation", "srun_args", "switches", "threads_per_core", "wckey",
)  # fmt: skip
# What each experiment says for itself.
_RESOURCES = {
    "cpus": "cpus", "cpus_per_task": "cpus", "gpus": "gpus", "gpus_per_node": "gpus", "mem": "memory",
    "memory": "memory", "nodes": "nodes", "ntasks": "tasks", "ntasks_per_node": "tasks", "tasks": "tasks",
    "timeout_min": "time",
}  # fmt: skip


class ClusterError(ValueError):
    """A setting is wrong; the message continues the name of its key.

    Attributes
    ----------
    path
        The keys below ``Global.slurm`` or ``Global.ray`` that lead to it.
    hint
        How to mend it; may be empty.
    is_key
        Whether it is the last key itself that is wrong.
    """

    def __init__(self, path: tuple[Any, ...], message: str, hint: str = "", *, is_key: bool = False) -> None:
        super().__init__(message)
        self.path, self.hint, self.is_key = path, hint, is_key


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """How jobs are handed to Slurm.

    Attributes
    ----------
    options
        Options of ``sbatch``, with ``_`` for ``-``.
    others
        More of them, as they are.
    setup
        Lines of shell that come before Python is started.
    python
        The command that starts Python, such as ``singularity exec image.sif python``; None for the
        interpreter of the runner.
    time
        The time limit of a job whose experiment names none, in seconds; None for that of the partition.
    warning
        Seconds before the end of its time at which an experiment is told to stop.
    experiments_per_job
        How many experiments one job runs, one after the other.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    python: str | None = None
    time: float | None = None
    warning: float = 90.0
    experiments_per_job: int = 1


@dataclass(frozen=True, slots=True)
class RaySettings:
    """How a Ray cluster is reached.

    Attributes
    ----------
    address
        Of the cluster, such as ``auto`` or ``ray://host:10001``; None starts one on this machine.
    options
        What else `ray.init` is given.
    """

    address: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def read_slurm(value: Any) -> SlurmSettings:
    """Read ``Global.slurm``.

    Raises
    ------
    ClusterError
        It is something else than expected.
    """
    given = _mapping(value, "write slurm: {partition: NAME}")
    options: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, item in given.items():
        if item is None:
            continue
        if key in _SLURM:
            name, read = _SLURM[key]
            own[name] = read(key, item)
        elif key in OPTIONS:
            options[key] = _plain(key, item)
        else:
            raise _unknown(key)
    return SlurmSettings(options=options, **own)


def read_ray(value: Any) -> RaySettings:
    """Read ``Global.ray``.

    Raises
    ------
    ClusterError
        It is something else than expected.
    """
    given = dict(_mapping(value, "write ray: {address: auto}"))
    address = given.pop("address", None)
    if address is not None and not (isinstance(address, str) and address.strip()):
        raise ClusterError(
            ("address",), f"is {shown(address)}; the address of a cluster was expected", "such as auto"
        )
    return RaySettings(address, given)


def _unknown(key: Any) -> ClusterError:
    name = str(key).replace("-", "_")
    known = [*_SLURM, *OPTIONS]
    if name in known:
        hint = f"write {name}"
    elif name in _RESOURCES:
        hint = f"each experiment says so for itself: Resources: {{{_RESOURCES[name]}: ...}}"
    else:
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "any other option of sbatch stands under options"
    return ClusterError((key,), f"has no setting {key!r}", hint, is_key=True)


def _mapping(value: Any, form: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ClusterError((), f"is {shown(value)}; a mapping was expected", form)
    return value


def _plain(key: str, value: Any) -> Any:
    if key == "srun_args":
        return list(_lines(key, value))
    if not isinstance(value, (str, int, float)) or value == "":
        raise ClusterError((key,), f"is {shown(value)}; a text or a number was expected")
    return value


def _lines(key: str, value: Any) -> tuple[str, ...]:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ClusterError((key,), f"is {shown(value)}; a list of texts was expected")
    return tuple(lines)


def _options(key: str, value: Any) -> dict[str, Any]:
    given = _mapping(value, "write options: {export: NONE}") if value else {}
    options = {}
    for name, item in given.items():
        if not isinstance(item, (str, int, float)):
            raise ClusterError((key, name), f"is {shown(item)}; a text, a number or true was expected")
        options[str(name).removeprefix("--").replace("_", "-")] = item
    return options


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ClusterError((key,), f"is {shown(value)}; a command was expected")
    return value


def _duration(key: str, value: Any) -> float:
    seconds = parse_duration(value)
    if seconds is None or seconds <= 0:
        raise ClusterError((key,), f"is {shown(value)}; a duration was expected, such as 4h or 30m")
    return seconds


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ClusterError((key,), f"is {shown(value)}; a whole number from 1 was expected")
    return value


_SLURM: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "setup": ("setup", _lines),
    "options": ("others", _options),
    "python": ("python", _text),
    "time": ("time", _duration),
    "warning": ("warning", _duration),
    "experiments_per_job": ("experiments_per_job", _count),
}
