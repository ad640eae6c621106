"""The control groups of this process: where the kernel keeps the limits of what it may use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Groups", "find_groups", "read_counter"]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that limit this process in one respect.

    Attributes
    ----------
    version
        Of the interface that their files follow: 1 or 2.
    paths
        Their directories, at least one: its own group first, then those around it. In a container the
        outermost ones are out of sight.
    """

    version: int
    paths: tuple[Path, ...]


def find_groups(controller: str, root: Path = Path("/")) -> Groups | None:
    """Return the groups of this process under a controller; None where it has none.

    Parameters
    ----------
    controller
        ``cpu`` or ``memory``.
    root
        Where the file system begins.

    Notes
    -----
    A controller belongs to one hierarchy at a time: to one of version 1 where such a one is mounted with
    it, else to the unified one. The files are described in cgroups(7) and proc(5).
    """
    try:
        return _find(controller, root)
    except ValueError:  # a /proc that is not Linux's own, and not quite like it
        return None


def _find(controller: str, root: Path) -> Groups | None:
    members: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        members.update(dict.fromkeys(names.split(","), path))
    unified: Groups | None = None
    for line in _lines(root / "proc/self/mountinfo"):
        fields, _, rest = line.partition(" - ")
        *_, inside, point = fields.split(" ")[:5]
        kind, _, options = rest.split(" ", 2)
        if kind == "cgroup" and controller in options.split(",") and controller in members:
            return _groups(1, root / point.lstrip("/"), inside, members[controller])
        if kind == "cgroup2" and "" in members:
            unified = _groups(2, root / point.lstrip("/"), inside, members[""])
    return unified


def _groups(version: int, mount: Path, inside: str, path: str) -> Groups | None:
    """Return the groups from one up to where its hierarchy is mounted.

    Parameters
    ----------
    version
        Of the hierarchy.
    mount, inside
        Where it is mounted, and which of its groups is seen there.
    path
        The group's own path in the hierarchy.
    """
    if path.startswith(inside.rstrip("/") + "/"):
        path = path[len(inside.rstrip("/")) :]
    own = mount / path.lstrip("/")
    # A container may be told of a path that exists outside of it alone.
    around = [own, *own.parents]
    paths = tuple(place for place in around if place.is_relative_to(mount) and place.is_dir())
    return Groups(version, paths) if paths else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def read_counter(path: Path, name: str) -> int | None:
    """Return a number from a file of lines of a name and a number; None where it is not there."""
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None
