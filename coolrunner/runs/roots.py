"""The roots of runs that there are: the one that a path is in, and all under a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from coolrunner.runs.layout import MANAGED_RUN, NESTED, layout_of, subdirectories
from coolrunner.runs.names import absolute
from coolrunner.runs.root import Root

__all__ = ["root_around", "roots_under"]

_LEVELS = 3
# The launcher makes directories in directories here, as many as its variants have levels.
_LAUNCHED, _ALL_LEVELS = {("data", "local"), ("data", "slurm")}, 100
_NEVER = {"__pycache__", "node_modules", "site-packages"}


def root_around(path: str | os.PathLike[str]) -> Root | None:
    """Return the root that a path is, or is in; of runs within a run, that of the outer one."""
    path = absolute(path)
    for place in (path, *path.parents):
        layout = layout_of(place)
        if layout is not None and layout not in (NESTED, MANAGED_RUN):
            return Root(place, layout)
    return None


def roots_under(directory: str | os.PathLike[str]) -> list[Root]:
    """Return the roots of runs in a directory, of all layouts, in the order of their paths.

    Parameters
    ----------
    directory
        Itself, and three levels below, are looked at; for what the launcher made, all levels.
    """
    return list(_roots(absolute(directory), _LEVELS))


def _roots(path: Path, levels: int) -> Iterator[Root]:
    layout = layout_of(path)
    if layout is not None:
        yield Root(path, layout)
        return
    if path.parts[-2:] in _LAUNCHED:
        levels = _ALL_LEVELS
    if not levels:
        return
    for entry in sorted(subdirectories(path), key=lambda entry: entry.name):
        hidden = entry.name.startswith(".") or entry.name in _NEVER or entry.is_symlink()
        if not hidden and not (path / entry.name / "pyvenv.cfg").is_file():
            yield from _roots(path / entry.name, levels - 1)
