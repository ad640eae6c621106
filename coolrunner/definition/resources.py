"""What an experiment needs of its machine: ``Resources: {cpus: 2, gpus: 0.5, memory: 8G}``.

``nodes``, ``tasks`` and ``time`` are for clusters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coolrunner.definition.durations import parse_duration
from coolrunner.definition.problems import shown
from coolrunner.errors import nearest

__all__ = ["Resources", "ResourcesError", "parse_resources"]

# As Slurm, Docker and `ulimit` have it: all of them count memory in powers of 1024.
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\Z", re.IGNORECASE)
_LEAST_MEMORY = 2**20  # no process does with less; a smaller number was meant in another unit
_FORM = "such as {cpus: 2, gpus: 1, memory: 8G}"


class ResourcesError(ValueError):
    """What is asked for makes no sense; the message says what was expected.

    Attributes
    ----------
    key
        The key in ``Resources`` that is wrong; empty where it is the whole.
    known
        Whether there is such a key, so that its value is wrong.
    hint
        How to mend it; may be empty.
    """

    def __init__(self, message: str, hint: str = "", key: Any = "", *, known: bool = True) -> None:
        super().__init__(message)
        self.hint = hint
        self.key = key
        self.known = known


@dataclass(frozen=True, slots=True)
class Resources:
    """What an experiment needs.

    Attributes
    ----------
    cpus
        How many CPUs; None where nothing is asked.
    gpus
        How many GPUs: a whole number, or a share of one GPU (below 1).
    memory
        Bytes of main memory; None where nothing is asked.
    nodes
        How many machines of a cluster at once; `gpus` and `memory` are of each of them. None for one.
    tasks
        How many processes, `cpus` for each, over all nodes; None for one on each node.
    time
        Seconds after which a cluster ends its job; None where nothing is said.
    """

    cpus: int | None = None
    gpus: float = 0
    memory: int | None = None
    nodes: int | None = None
    tasks: int | None = None
    time: float | None = None

    @property
    def text(self) -> str:
        """One text for all that ask for the same, such as ``cpus=2 gpus=0.5``; empty for nothing."""
        gpus = f"gpus={self.gpus!r}" if self.gpus else ""
        parts = (
            _part("cpus", self.cpus),
            gpus,
            _part("memory", self.memory),
            _part("nodes", self.nodes),
            _part("tasks", self.tasks),
            _part("time", self.time),
        )
        return " ".join(part for part in parts if part)

    @classmethod
    def from_text(cls, text: str) -> Resources:
        """Return the resources that a `text` stands for."""
        given = dict(part.split("=", 1) for part in text.split())
        gpus = float(given.pop("gpus", 0))
        time = given.pop("time", None)
        whole = int(gpus) if gpus.is_integer() else gpus
        counts = {name: int(value) for name, value in given.items()}
        return cls(gpus=whole, time=float(time) if time else None, **counts)

    def beyond_one_machine(self) -> str:
        """Say what of it takes a cluster, such as ``asks for 2 nodes``; empty where nothing does."""
        if (self.nodes or 1) > 1:
            return f"asks for {self.nodes} nodes"
        return f"asks for {self.tasks} tasks" if (self.tasks or 1) > 1 else ""


def _part(name: str, value: float | None) -> str:
    return "" if value is None else f"{name}={value}"


def parse_resources(value: Any) -> Resources:
    """Read the value of ``Resources``; None and an empty mapping ask for nothing.

    Raises
    ------
    ResourcesError
        It is something else (a ValueError, whose message is for the person who wrote it).
    """
    if value is None:
        return Resources()
    if not isinstance(value, Mapping):
        raise ResourcesError(f"Resources is {shown(value)}; a mapping was expected, {_FORM}")
    given: dict[str, Any] = {}
    for key, item in value.items():
        if key not in _READERS:
            close = nearest(str(key), _READERS)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(_READERS)}"
            raise ResourcesError(f"Resources has no key {shown(key)}", hint, key, known=False)
        if item is not None:
            given[key] = _READERS[key](item)
    nodes, tasks = given.get("nodes", 1), given.get("tasks", given.get("nodes", 1))
    if tasks % nodes:
        expected = f"a multiple of nodes ({nodes}) was expected, as many on each"
        raise _wrong("tasks", tasks, expected, f"write {math.ceil(tasks / nodes) * nodes}")
    return Resources(**given)


def _wrong(key: str, value: Any, expected: str, hint: str = "") -> ResourcesError:
    return ResourcesError(f"Resources.{key} is {shown(value)}; {expected}", hint, key)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _gpus(value: Any) -> float:
    number = _number(value)
    if number is None or number < 0:
        raise _wrong("gpus", value, "a number of GPUs was expected, or a share of one such as 0.5")
    if 0 < number < 1:
        return number
    if number != int(number):
        hint = f"write {math.ceil(number)}, or a share of one such as 0.5"
        raise _wrong("gpus", value, "a share is of one GPU, so above 1 a whole number was expected", hint)
    return int(number)


def _memory(value: Any) -> int:
    expected = "a size was expected, such as 8G or 512M (G is 1024 to the power of 3 bytes)"
    if isinstance(value, str):
        match = _MEMORY.match(value.strip())
        if match is None:
            raise _wrong("memory", value, expected)
        size = int(float(match[1]) * _UNITS[match[2].upper()])
    else:
        number = _number(value)
        if number is None or number < 0 or number != int(number):
            hint = f"write {value}G" if number is not None and number > 0 else ""
            raise _wrong("memory", value, expected, hint)
        size = int(number)
    if size < _LEAST_MEMORY:
        hint = f"write {value}G" if not isinstance(value, str) else ""
        raise _wrong("memory", value, "a number without a unit is in bytes, and these are too few", hint)
    return size


def _count(key: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _number(value)
        if number is None or number < 1 or number != int(number):
            raise _wrong(key, value, "a whole number from 1 was expected")
        return int(number)

    return read


def _time(value: Any) -> float:
    seconds = parse_duration(value)
    if seconds is None or seconds <= 0:
        raise _wrong("time", value, "a duration was expected, such as 4h or 30m")
    return seconds


_READERS: dict[str, Callable[[Any], Any]] = {
    "cpus": _count("cpus"),
    "gpus": _gpus,
    "memory": _memory,
    "nodes": _count("nodes"),
    "tasks": _count("tasks"),
    "time": _time,
}
