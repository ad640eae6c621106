"""Which results are meant: paths and directories to the parts in and under them, of whatever kind.

A directory is listed once and offered to the loaders; the first that claims it says what is in it. Others
are searched further, names in order. Hidden names are passed over, and so are the directories of virtual
environments and of caches, and those that hold a file ``.noresults`` and were not named themselves; every
real directory and file is taken once, so loops of links end. A YAML file that is only met there has to say
itself that it is a log (`coolrunner.results.parts.Part.met`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from coolrunner.results.loaders import KINDS, loader_of, loaders
from coolrunner.results.logs.sources import PASSED, STDIN, Exclusion, Report, check_paths
from coolrunner.results.parts import Folder, Loader, Part

__all__ = ["find_parts"]

_NEVER = {"__pycache__", "node_modules", "site-packages"}
_LOGS = (".yaml", ".yml")
_PASSED = ".noresults"


def find_parts(
    paths: Sequence[str],
    report: Report,
    exclude: Exclusion | None = None,
    kinds: Sequence[str] = KINDS,
) -> Iterator[Part]:
    """Yield the parts that results are read from: the paths in their order, what is in a directory by name.

    Parameters
    ----------
    paths
        Files, directories, and ``-`` for a log on the standard input.
    report
        Takes note of what is skipped or cannot be read.
    exclude
        What is not wanted.
    kinds
        Of the loaders that are asked.

    Raises
    ------
    UsageError
        A path is missing.
    """
    check_paths(paths)
    named = {os.path.abspath(name) for name in paths}  # noqa: PTH100 - links stay as they are
    walk = _Walk(report, exclude, loaders(kinds), kinds, named)
    for name in dict.fromkeys(paths):
        if name == STDIN:
            yield Part("log", STDIN, "standard input", ())
        else:
            yield from walk.named(name)


class _Walk:
    """One search; what it has met is not met again."""

    def __init__(
        self,
        report: Report,
        exclude: Exclusion | None,
        asked: Sequence[Loader],
        kinds: Sequence[str],
        named: Collection[str],
    ) -> None:
        self._report = report
        self._exclude = exclude
        self._loaders = asked
        self._named = named
        self._logs = loader_of("log") if "log" in kinds else None
        self._met: set[tuple[int, int] | tuple[str, str]] = set()

    def named(self, name: str) -> Iterator[Part]:
        """Yield what is in and under a path that a person named."""
        path = os.path.abspath(name)  # noqa: PTH100 - links stay as they are
        if self._is_excluded(name):
            return
        if Path(path).is_dir():
            yield from self._directory(path, name, named=True)
            return
        for loader in self._loaders:
            part = loader.open(Path(path), name, self._report)
            if part is not None:
                yield from self._new([part])
                return

    def _directory(self, path: str, name: str, *, named: bool = False) -> Iterator[Part]:
        waiting = [(path, name)]
        while waiting:
            path, name = waiting.pop()
            if path.endswith(_LOGS) and not Path(path).is_dir():
                part = self._logs.open(Path(path), name, self._report) if self._logs else None
                if part is not None:
                    met = path not in self._named
                    yield from self._new([Part(part.kind, part.path, part.name, part.stamps, met)])
                continue
            entries = self._listed(path, name)
            if entries is None:
                continue
            if _PASSED in entries and not named and path not in self._named:
                self._report.skip(PASSED, name)
                continue
            folder = Folder(Path(path), name, named, entries)
            named = False
            claimed = self._claimed(folder)
            if claimed is not None:
                yield from self._new(claimed)
                continue
            for entry in reversed(entries.values()):
                inner = entry.name if name == "." else os.path.join(name, entry.name)  # noqa: PTH118
                if self._is_searched(entry) and not self._is_excluded(inner):
                    waiting.append((entry.path, inner))

    def _listed(self, path: str, name: str) -> dict[str, os.DirEntry[str]] | None:
        try:
            status = os.stat(path)  # noqa: PTH116 - of thousands
            identity = (status.st_dev, status.st_ino)
            if identity in self._met:
                return None
            self._met.add(identity)
            with os.scandir(path) as entries:
                return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
        except OSError as error:
            self._report.broken.append(f"{name}: cannot be searched: {error.strerror}")
            return None

    def _claimed(self, folder: Folder) -> list[Part] | None:
        for loader in self._loaders:
            parts = loader.claim(folder, self._report)
            if parts is not None:
                return [part for part in parts if not self._is_within_excluded(part.name, folder.name)]
        return None

    def _is_searched(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        if name.startswith("."):
            return False
        try:
            if entry.is_dir():
                return name not in _NEVER and not os.path.exists(f"{entry.path}/pyvenv.cfg")  # noqa: PTH110
        except OSError:
            return False
        return name.endswith(_LOGS) and self._logs is not None

    def _new(self, parts: Sequence[Part]) -> Iterator[Part]:
        for part in parts:
            identity = (part.kind, part.path)
            file = part.stamps[0][:2] if part.kind == "log" and part.stamps else None
            if identity not in self._met and file not in self._met:
                self._met.add(identity)
                if file is not None and file[1]:
                    self._met.add(file)
                yield part

    def _is_within_excluded(self, name: str, folder: str) -> bool:
        """Whether a part is not wanted, or what it lies in, as far as that is within a directory."""
        while self._exclude and name and name != folder and name != os.sep:
            if self._is_excluded(name):
                return True
            name = os.path.dirname(name)  # noqa: PTH120 - of thousands
        return False

    def _is_excluded(self, name: str) -> bool:
        return self._exclude(name) if self._exclude else False
