"""``coolrunner runs``, ``mark``, ``unmark``, ``delete``: which runs are meant."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from coolrunner.errors import BadRootError, RunError, UsageError, nearest
from coolrunner.reporting.runs import escaped
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED_RUN, NESTED, layout_of, layout_of_run
from coolrunner.runs.names import absolute
from coolrunner.runs.root import Root
from coolrunner.runs.roots import root_around, roots_under

__all__ = ["keys_by_root", "path_shown", "roots_of", "run_of", "started"]

# Of so many of the last names one is looked for that is nearly the one given.
_COMPARED = 2000


def roots_of(given: str | None) -> list[Root]:
    """Return the roots of runs that are meant.

    Parameters
    ----------
    given
        What ``--root`` says; without it the root around the working directory, or all below it.

    Raises
    ------
    BadRootError
        There is none.
    """
    place = Path.cwd() if given is None else Path(given)
    if place.is_dir():
        found = _roots_at(place)
        if found:
            return found
    if given is None:
        raise BadRootError("there are no runs in this directory or below it; --root DIR names another one")
    here = [path_shown(root.path) for root in roots_under(Path.cwd())]
    close = nearest(given, here)
    hint = f"; did you mean {close}?" if close else f"; here are {', '.join(here)}" if here else ""
    what = "holds no runs" if place.is_dir() else "is no directory"
    raise BadRootError(f"--root: {path_shown(place)} {what}{hint}")


def _roots_at(place: Path) -> list[Root]:
    layout = layout_of(place)
    if layout in (NESTED, MANAGED_RUN):  # a run, of which the runs in it are meant
        return [Root(place, layout)]
    around = root_around(place)
    return [around] if around is not None else roots_under(place)


def keys_by_root(given: str | None, keys: Sequence[str]) -> list[tuple[Root, list[str]]]:
    """Return the root that each run is in which a person names; where there are several, by its path.

    Raises
    ------
    BadRootError
        There is no root.
    UsageError
        There are several, and a key may be in any of them.
    """
    found: dict[Path, tuple[Root, list[str]]] = {}
    rest = []
    for key in keys:
        at = _run_at(key) if given is None else None
        if at is None:
            rest.append(key)
        else:
            found.setdefault(at[0].path, (at[0], []))[1].append(at[1].name)
    if rest or not keys:
        roots = roots_of(given)
        if len(roots) > 1:
            raise UsageError(f"which runs? there are {_named(roots)}; --root says which are meant")
        found.setdefault(roots[0].path, (roots[0], []))[1].extend(rest)
    return list(found.values())


def run_of(given: str | None, key: str | None) -> tuple[Root, RunDirectory]:
    """Return the run that a person names, and its root; the newest where they name none.

    Raises
    ------
    RunError
        There is none, or it may be one of several.
    """
    at = _run_at(key) if key is not None else None
    if at is not None:
        return at
    roots = roots_of(given)
    if key is None:
        return _newest(roots)
    found = [(root, run) for root in roots for run in _matching(root, key)]
    if not found:
        raise RunError(_not_found(roots, key))
    if len(found) > 1:
        names = _named([root for root, _ in found])
        raise RunError(f"there is a run {escaped(key)} in {names}; --root says which is meant")
    return found[0]


def started(run: RunDirectory) -> datetime:
    """Return when a run began, to sort by; what cannot be read is the oldest."""
    try:
        return run.time or datetime.min
    except RunError:
        return datetime.min


def path_shown(path: Path) -> str:
    """Return a path as a person would name it from here, and as a terminal may show it."""
    relative = os.path.relpath(path)
    return escaped(str(path) if relative.startswith("..") else relative)


def _run_at(key: str) -> tuple[Root, RunDirectory] | None:
    """Return the innermost run that a path is, leads to or is in; None for what is no such path."""
    if os.sep not in key and key not in (os.curdir, os.pardir):
        return None
    if not os.path.lexists(key):
        return None
    whole = absolute(key)
    # A link of an index or of a mark leads to the parameters of its run.
    for path in (whole, whole.resolve()):
        for place in (path, *path.parents):
            layout = layout_of_run(place)
            if layout is not None and place.is_dir():
                run = RunDirectory(place, layout)
                return Root(run.root, layout), run
    root = root_around(whole)
    return None if root is None else (root, root.find(whole))


def _newest(roots: Sequence[Root]) -> tuple[Root, RunDirectory]:
    found = [(root, runs[-1]) for root in roots if (runs := root.runs(tmp=True, fails=True))]
    if not found:
        raise RunError(f"there are no runs in {_named(roots)}")
    return found[0] if len(found) == 1 else max(found, key=lambda pair: started(pair[1]))


def _matching(root: Root, key: str) -> Iterable[RunDirectory]:
    if not (key.isdecimal() and root.layout.numbered):
        return root.select([key])[0]
    # Of 10,000 names only the numbers are looked at.
    runs = root.runs(tmp=True, fails=True)
    found = [run for run in runs if _number(root, run) == int(key)]
    return found if len(found) == 1 else root.select([key])[0]


def _number(root: Root, run: RunDirectory) -> int:
    """Return the number of a run, from its name alone where that has it; -1 where it cannot be read."""
    if root.layout.numbered:
        order = root.layout.order(run.name)
        return -1 if order is None else order[0]
    try:
        return run.number
    except RunError:
        return -1


def _not_found(roots: Sequence[Root], key: str) -> str:
    runs = [run for root in roots for run in root.runs(tmp=True, fails=True)]
    words = f"there is no run {escaped(key) or repr(key)} in {_named(roots)}"
    if not runs:
        return f"{words}: there are none at all"
    if key.isdecimal():
        return words if len(roots) > 1 else f"{words}; {_nearest_numbers(roots[0], runs, int(key))}"
    names = dict.fromkeys(name for run in runs for name in (run.name, run.title) if name)
    close = nearest(key, list(names)[-_COMPARED:])
    hint = f"did you mean {close}?" if close else f"the last one is {max(reversed(runs), key=started).name}"
    return f"{words}; {escaped(hint)}"


def _nearest_numbers(root: Root, runs: Sequence[RunDirectory], number: int) -> str:
    numbers = sorted(_number(root, run) for run in runs)
    below = [other for other in numbers if 0 <= other < number]
    above = [other for other in numbers if other > number]
    if not above:
        return f"the last one is {below[-1]}" if below else "their numbers cannot be read"
    return f"the nearest are {below[-1]} and {above[0]}" if below else f"the first one is {above[0]}"


def _named(roots: Iterable[Root]) -> str:
    names = [shlex.quote(path_shown(root.path)) for root in roots]
    shown = names if len(names) <= 5 else [*names[:4], f"{len(names) - 4} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
