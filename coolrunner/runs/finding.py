"""The runs under a root, found by all that may name one."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from coolrunner.errors import BadRootError, RunError, nearest
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import RESULTS, Layout
from coolrunner.runs.links import links_under
from coolrunner.runs.names import absolute, safe_part

__all__ = ["Key", "Runs", "directories", "in_order"]

#: What names a run: its number, the name of its directory or the beginning of it, a path, or the run.
Key = int | str | os.PathLike[str] | RunDirectory


class Runs:
    """The runs under a root; nothing is changed.

    Parameters
    ----------
    path
        Where the root is.
    layout
        What things are called in it.

    Attributes
    ----------
    path
        As given, absolute.
    layout
        As given.
    """

    def __init__(self, path: str | os.PathLike[str], layout: Layout = RESULTS) -> None:
        self.path = absolute(path)
        self.layout = layout

    def runs(self, *, tmp: bool = False, fails: bool = False) -> list[RunDirectory]:
        """Return the runs in order; no file is read but for `in_order`.

        Parameters
        ----------
        tmp, fails
            Whether those that were only tried out, and those that were put aside as failed, are among them.
        """
        layout = self.layout
        places = [layout.runs]
        places += [layout.tmp] if tmp and layout.tmp is not None else []
        places += [layout.fails] if fails and layout.fails is not None else []
        found = []
        for place in places:
            base = self.path / place
            for entry in directories(base):
                order = layout.order(entry.name)
                if order is not None:
                    found.append((order, base / entry.name))
        found.sort()
        return in_order([RunDirectory(path, layout) for _, path in found])

    def indexed(self) -> list[RunDirectory]:
        """Return the runs that stand in the index, in order; all of them where there is no index."""
        if self.layout.index is None:
            return self.runs()
        names = {link.run for link in links_under(self.path / self.layout.index)}
        return [run for run in self.runs() if run.name in names]

    def find(self, key: Key) -> RunDirectory:
        """Return one run.

        Parameters
        ----------
        key
            Its number, the name of its directory or a beginning that only it has, the name that the
            person gave it if only it has that, or a path to it, into it, or of a link to it.

        Raises
        ------
        RunError
            There is none, or more than one.
        """
        found, missing = self.select([key])
        if missing:
            raise RunError(self._not_found(key))
        return found[0]

    def select(
        self, keys: Iterable[Key], *, tmp: bool = True, fails: bool = True
    ) -> tuple[list[RunDirectory], list[Key]]:
        """Return the runs that keys name, each once, and the keys that name none.

        Parameters
        ----------
        keys
            As for `find`.
        tmp, fails
            As for `runs`.

        Raises
        ------
        RunError
            A key names more than one.
        """
        register = _Register(self.path, self.runs(tmp=tmp, fails=fails))
        found: dict[str, RunDirectory] = {}
        missing: list[Key] = []
        for key in keys:
            run = register.find(key)
            if run is None:
                missing.append(key)
            else:
                found[run.name] = run
        return list(found.values()), missing

    def _not_found(self, key: Key) -> str:
        runs = self.runs(tmp=True, fails=True)
        if not runs:
            return f"there is no run {key} in {self.path}: there are none at all"
        close = nearest(str(key), [run.name for run in runs] + [run.title for run in runs if run.title])
        hint = f"did you mean {close}?" if close else f"the last one is {runs[-1].name}"
        return f"there is no run {key} in {self.path}; {hint}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path} ({self.layout.kind})>"


class _Register:
    """Finds runs by all that may name one."""

    def __init__(self, root: Path, runs: Sequence[RunDirectory]) -> None:
        self._root = root
        self._runs = runs
        self._by_name = {run.name: run for run in runs}

    def find(self, key: Key) -> RunDirectory | None:
        if isinstance(key, RunDirectory):
            return self._by_name.get(key.name) if key.root == self._root else None
        if isinstance(key, int):
            return self._only(key, self._by_number.get(key, []))
        text = os.fspath(key)
        if text in self._by_name:
            return self._by_name[text]
        if text.isdecimal() and isinstance(key, str):
            return self._only(key, self._by_number.get(int(text), []))
        if not text:
            return None
        safe = safe_part(text)
        titled = self._only(key, [run for run in self._runs if run.title == safe])
        if titled is not None:
            return titled
        if not isinstance(key, str) or os.sep in text or "/" in text:
            return self._at(Path(text))
        return self._only(key, [run for run in self._runs if run.name.startswith(text)])

    @cached_property
    def _by_number(self) -> dict[int, list[RunDirectory]]:
        found: dict[int, list[RunDirectory]] = {}
        for run in self._runs:
            with contextlib.suppress(RunError):  # its number stands in a file that is broken
                found.setdefault(run.number, []).append(run)
        return found

    def _only(self, key: Key, runs: list[RunDirectory]) -> RunDirectory | None:
        if len(runs) > 1:
            names = ", ".join(run.name for run in runs[:3]) + (", …" if len(runs) > 3 else "")
            raise RunError(f"{key} may be any of {len(runs)} runs in {self._root}: {names}")
        return runs[0] if runs else None

    def _at(self, path: Path) -> RunDirectory | None:
        for base in (self._root, Path.cwd()):
            whole = absolute(base / path)
            if self._root not in whole.parents:
                continue
            for part in whole.relative_to(self._root).parts:
                run = self._by_name.get(part) or self._by_name.get(part.removesuffix(".yaml"))
                if run is not None:
                    return run
        return None


def in_order(runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    """Return runs, sorted by their names, in the order in which they began.

    Where names have no numbers, and some runs are of one second, the numbers in their files decide.
    """
    if not runs or runs[0].layout.numbered:
        return list(runs)
    found: list[RunDirectory] = []
    for _, group in itertools.groupby(runs, key=lambda run: run.parsed.time):
        of_one_second = list(group)
        found += sorted(of_one_second, key=_number_or_0) if len(of_one_second) > 1 else of_one_second
    return found


def _number_or_0(run: RunDirectory) -> int:
    try:
        return run.number
    except RunError:
        return 0


def directories(path: Path) -> list[os.DirEntry[str]]:
    """Return the directories in one, hidden ones too; none where there is no such directory."""
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRootError(f"{path} cannot be read: {error.strerror}") from None
