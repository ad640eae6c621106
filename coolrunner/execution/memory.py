"""Main memory: limits where the kernel lets us set them, and whether it has killed for want of it."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

from coolrunner.execution.cgroups import find_groups, read_counter
from coolrunner.execution.slots import size

__all__ = ["Memory", "Watched"]


class Watched:
    """The memory of one experiment.

    Parameters
    ----------
    kills
        Where the kernel counts the processes that it kills for want of memory, and the name of the count.
    limit, group
        The bytes that the experiment may use, and the control group that holds it to them, if one does.
    """

    def __init__(
        self, kills: tuple[Path, str] | None, limit: int | None = None, group: Path | None = None
    ) -> None:
        self.group = group
        self._limit = limit
        self._kills = kills
        self._before = self._count()

    def _count(self) -> int:
        return (read_counter(*self._kills) or 0) if self._kills is not None else 0

    def shortage(self) -> str:
        """Say how memory ran out, as far as the kernel has killed for it meanwhile; empty where not."""
        if self.group is not None and read_counter(self.group / "memory.events", "oom_kill"):
            return f"out of memory (its limit was {size(self._limit or 0)})"
        return "out of memory" if self._count() > self._before else ""

    def close(self) -> None:
        """Take the limit away again; nothing of the experiment may run any more."""
        if self.group is not None:
            with contextlib.suppress(OSError):  # something that has left its processes' group still runs
                self.group.rmdir()


class Memory:
    """Watches over the memory of experiments, and limits it where control groups of version 2 allow that.

    They do where the group of this process was delegated to its user (as by ``systemd-run --user --scope
    -p Delegate=yes``) and holds nothing but this process and its descendants: the kernel keeps processes
    out of a group whose own parts are limited, so these move to a part of their own.

    Parameters
    ----------
    root
        Where the file system begins.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._groups = find_groups("memory", root)
        self._kills = self._find_count()
        self._base: Path | None = None
        self._leaf: Path | None = None
        self._looked = False
        self._numbers = itertools.count()

    def _find_count(self) -> tuple[Path, str] | None:
        places = [self._root / "proc/vmstat"]  # of the whole machine: where there is no better one
        if self._groups is not None:
            file = "memory.events" if self._groups.version == 2 else "memory.oom_control"
            places.insert(0, self._groups.paths[0] / file)
        for place in places:
            if read_counter(place, "oom_kill") is not None:
                return place, "oom_kill"
        return None

    def watch(self, limit: int | None) -> Watched:
        """Begin to watch over an experiment that may use so many bytes; None for any number."""
        return Watched(self._kills, limit, self._make_group(limit) if limit else None)

    def close(self) -> None:
        """Leave the control groups as they were found."""
        base, leaf = self._base, self._leaf
        self._base = self._leaf = None
        if base is None:
            return
        for group in base.glob(f"{_PREFIX}{os.getpid()}-*"):
            with contextlib.suppress(OSError):
                group.rmdir()
        if leaf is not None:
            _move_back(leaf, base)

    def _make_group(self, limit: int) -> Path | None:
        if not self._looked:
            self._looked = True
            self._base = self._find_base()
        if self._base is None:
            return None
        group = self._base / f"{_PREFIX}{os.getpid()}-{next(self._numbers)}"
        try:
            group.mkdir()
            _write(group / "memory.max", str(limit))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            return None
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with contextlib.suppress(OSError):  # of a kernel without swap, or before 4.19
                _write(group / name, value)
        return group

    def _find_base(self) -> Path | None:
        """Return the group in which groups with limits can be made; None where there is none."""
        if self._groups is None or self._groups.version != 2:
            return None
        own = self._groups.paths[0]
        if not os.access(own, os.W_OK):
            return None
        if "memory" in _words(own / "cgroup.subtree_control"):
            return own
        return own if "memory" in _words(own / "cgroup.controllers") and self._move_out(own) else None

    def _move_out(self, own: Path) -> bool:
        """Move this process and its descendants to a part of their group, so that it can have others."""
        leaf = own / f"{_PREFIX}{os.getpid()}"
        try:
            members = _words(own / "cgroup.procs")
            if not all(self._is_ours(int(member)) for member in members):
                return False
            leaf.mkdir()
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    _write(leaf / "cgroup.procs", member)
            _write(own / "cgroup.subtree_control", "+memory")
        except OSError:
            _move_back(leaf, own)
            return False
        self._leaf = leaf
        return True

    def _is_ours(self, pid: int) -> bool:
        """Whether a process is this one or comes of it."""
        while pid > 1 and pid != os.getpid():
            try:
                status = (self._root / f"proc/{pid}/stat").read_text()
            except OSError:
                return True  # it has ended
            pid = int(status.rpartition(")")[2].split()[1])
        return pid == os.getpid()


_PREFIX = "coolrunner-"


def _move_back(leaf: Path, own: Path) -> None:
    with contextlib.suppress(OSError):
        _write(own / "cgroup.subtree_control", "-memory")
    with contextlib.suppress(OSError):
        for member in _words(leaf / "cgroup.procs"):
            with contextlib.suppress(ProcessLookupError):
                _write(own / "cgroup.procs", member)
        leaf.rmdir()


def _write(path: Path, text: str) -> None:
    with path.open("r+") as file:  # never makes a file
        file.write(text)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
