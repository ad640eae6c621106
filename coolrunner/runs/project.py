"""Which files of a project a run was made of: those that were imported, and those that were chosen."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from coolrunner.errors import UsageError

__all__ = ["project_files", "relative_name", "rooted"]

_COMPILED = (*EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES)
_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_INSTALLED = ("site-packages", "dist-packages")
# What a search for chosen files does not go into, besides hidden directories.
_NOT_SEARCHED = frozenset({"__pycache__", "node_modules", *_INSTALLED})


def project_files(
    project: str | Path,
    modules: Mapping[str, Any] | None = None,
    *,
    patterns: Collection[str] = (),
    skip: Collection[str] = (),
    apart: Iterable[str | Path] = (),
) -> list[Path]:
    """Return the files of a project that this process has imported, and those that were chosen.

    Parameters
    ----------
    project
        Its directory.
    modules
        What was imported; `sys.modules` by default. The script or notebook that runs is part of it.
    patterns
        Further files: an ending (``.cu``), or a glob. One with a slash is matched against the whole path in
        the project (``configs/**/*.yaml``), one without against the name, at any depth (``*.yaml``).
    skip
        Regular expressions, looked for in the path in the project, with slashes (``(^|/)old/``). What they
        find is left away, imported or chosen.
    apart
        Directories that are no part of the project, such as roots of runs.

    Returns
    -------
    Absolute paths, sorted. Installed packages, virtual environments and compiled files are no sources.

    Raises
    ------
    UsageError
        A rule to skip is no regular expression.
    """
    global _last
    root = os.path.abspath(project)  # noqa: PTH100 - links are not to be resolved here
    asked = (root, *map(tuple, (patterns, skip, apart)))
    if modules is None and not patterns and _last[0] == asked and sys.modules.keys() == _last[1]:
        return list(_last[2])
    rules = _Rules(root, patterns, skip, asked[-1])
    known = dict(sys.modules if modules is None else modules)
    found = set(filter(rules.admit, _imported(root, known)))
    if patterns:
        found.update(rules.chosen())
    paths = [Path(path) for path in sorted(found)]
    if modules is None and not patterns:
        _last = (asked, frozenset(known), paths)
    return list(paths)


# What was found last, and of which modules: there are thousands of them, and they seldom change.
_last: tuple[Any, frozenset[str], list[Path]] = (None, frozenset(), [])


def _imported(root: str, modules: Mapping[str, Any]) -> list[str]:
    """Return the files below a directory that modules came from."""
    found = []
    for name, module in modules.items():
        names = _names_of(module)
        for file in (names.get("__file__"), *(_notebooks(names) if name == "__main__" else ())):
            path = _source(file, root) if isinstance(file, str) else None
            if path:
                found.append(path)
    return found


def _names_of(module: Any) -> Mapping[str, Any]:
    try:
        # Asking some modules for an attribute imports half a library, which is not for us to do.
        names = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return names if isinstance(names, dict) else {}


def _notebooks(main: Mapping[str, Any]) -> Iterator[object]:
    """Yield the notebook that a kernel runs, where VS Code or Jupyter say which."""
    if "get_ipython" in main:
        for file in (main.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")):
            if isinstance(file, str) and file.endswith(".ipynb"):
                yield file


@lru_cache(maxsize=65536)
def _source(file: str, root: str) -> str | None:
    """Return where below `root` a source is; None where it is elsewhere, compiled or installed."""
    if file.endswith(_COMPILED):
        return None
    path = rooted(file, root)
    if path is None or path.startswith(_LIBRARY) or not os.path.isfile(path):  # noqa: PTH113
        return None
    return None if _is_installed(os.path.dirname(path), root) else path  # noqa: PTH120


def rooted(path: str | Path, root: str) -> str | None:
    """Return a path as one below `root`, by whichever name it was reached; None where it is elsewhere."""
    absolute = os.path.abspath(path)  # noqa: PTH100
    for start in (root, _real(root)):
        base = start.rstrip(os.sep) + os.sep
        if absolute.startswith(base):
            return root.rstrip(os.sep) + os.sep + absolute[len(base) :]
    return None


@lru_cache(maxsize=64)
def _real(path: str) -> str:
    return os.path.realpath(path)


@lru_cache(maxsize=4096)
def _is_installed(directory: str, root: str) -> bool:
    """Whether a directory below `root` is in a virtual environment, or of installed packages."""
    here = root.rstrip(os.sep)
    for part in filter(None, relative_name(directory, root).split("/")):
        here = f"{here}{os.sep}{part}"
        if part in _INSTALLED or _is_environment(here):
            return True
    return False


def _is_environment(directory: str) -> bool:
    return any(os.path.exists(f"{directory}{os.sep}{mark}") for mark in ("pyvenv.cfg", "conda-meta"))  # noqa: PTH110


class _Rules:
    """Which files of a project are taken."""

    def __init__(
        self, root: str, patterns: Iterable[str], skip: Iterable[str], apart: Iterable[str | Path]
    ) -> None:
        self._root = root
        self._patterns = [_parts(pattern) for pattern in patterns]
        self._skip = [_expression(rule) for rule in skip]
        self._apart = [place for path in apart if (place := rooted(path, root))]

    def admit(self, path: str, suffix: str = "") -> bool:
        """Whether no rule leaves a path away; a directory has a slash for a `suffix`."""
        if any(path == place or path.startswith(place + os.sep) for place in self._apart):
            return False
        if not self._skip:
            return True
        relative = relative_name(path, self._root) + suffix
        return not any(rule.search(relative) for rule in self._skip)

    def chosen(self) -> Iterator[str]:
        """Yield the files that a pattern names."""
        waiting = [self._root]
        while waiting:
            try:
                entries = list(os.scandir(waiting.pop()))
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if self._is_searched(entry):
                        waiting.append(entry.path)
                elif self._is_chosen(entry.path) and self.admit(entry.path) and os.path.isfile(entry.path):  # noqa: PTH113
                    yield entry.path

    def _is_searched(self, entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".") or entry.name in _NOT_SEARCHED
        return not hidden and self.admit(entry.path, "/") and not _is_environment(entry.path)

    def _is_chosen(self, path: str) -> bool:
        parts = relative_name(path, self._root).split("/")
        return any(_fits(parts, pattern) for pattern in self._patterns)


def relative_name(path: str, root: str) -> str:
    """Return the name of a path below `root`, with slashes."""
    return path[len(root.rstrip(os.sep)) + 1 :].replace(os.sep, "/")


def _expression(rule: str) -> re.Pattern[str]:
    try:
        return re.compile(rule)
    except re.error as error:
        raise UsageError(
            f"the rule {rule!r} that skips sources is no regular expression: {error}; "
            r"one that skips a directory is '(^|/)old/', one that skips an ending '\.json$'"
        ) from None


def _parts(pattern: str) -> tuple[str, ...]:
    """Return a glob by directories, from the project's on; ``**`` stands for any number of them."""
    if pattern.startswith(".") and not re.search(r"[*?\[/]", pattern):
        pattern = f"*{pattern}"
    parts = tuple(filter(None, pattern.split("/")))
    if "/" not in pattern:
        return ("**", *parts)
    return (*parts, "**") if pattern.endswith("/") else parts


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    first, *rest = pattern
    if first == "**":
        return any(_fits(parts[skipped:], rest) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], first) and _fits(parts[1:], rest)
