"""Which files are meant: paths, directories and ``-`` to the log files in and under them.

Directories are searched for ``.yaml`` and ``.yml`` files, names in order. Names with a leading dot are
passed over, every real directory and file is read once (so symlink loops end), and what is plainly
something else is skipped and counted: logs of failures and the insides of run directories here, by
their names; definitions and queue files in `coolrunner.results.logs.reading`, by their contents.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from coolrunner.errors import UsageError, nearest

__all__ = [
    "ANNOTATIONS",
    "DEFINITION",
    "FAILED",
    "NOTHING",
    "PASSED",
    "QUEUE",
    "RUN",
    "STDIN",
    "Exclusion",
    "LogFile",
    "Report",
    "check_paths",
    "counted",
    "find_logs",
    "is_other",
]

STDIN = "-"
DEFINITION, QUEUE, FAILED, RUN = "definition", "queue file", "log of failures", "run directory"
ANNOTATIONS = "file of annotations"
NOTHING, PASSED = "file without results", "directory with a file .noresults"
_PLURALS = {
    FAILED: "logs of failures",
    RUN: "run directories",
    ANNOTATIONS: "files of annotations",
    NOTHING: "files without results",
    PASSED: "directories with a file .noresults",
}
_ANNOTATIONS = "annotations.yaml"
_ENDINGS = (".yaml", ".yml")
_SHOWN = 20  # places named unless all are asked for


#: A file that is yet to be looked at, what its directory says of it, and the device of that.
_Waiting = tuple[str, "os.DirEntry[str] | None", int]


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file that may be a log.

    Attributes
    ----------
    name
        How it is shown: the path by which it was reached.
    path
        Where it is; None for the standard input.
    """

    name: str
    path: Path | None


@dataclass(slots=True)
class Report:
    """What was met while logs were found and read.

    Attributes
    ----------
    documents, files
        How many experiments were read, and how many files they came from.
    skipped
        The files that are plainly something else, by what they are.
    broken
        Documents and files that were left out because they cannot be read, as ``file:line: why``.
    foreign
        Files that are no logs at all, as ``file: why``.
    """

    documents: int = 0
    files: int = 0
    skipped: dict[str, dict[str, None]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The exit status that this comes to: 1 if anything could not be read."""
        return 1 if self.broken or self.foreign else 0

    def skip(self, kind: str, path: str) -> None:
        """Count a file or directory that is something else; one that is met twice counts once."""
        self.skipped.setdefault(kind, {})[path] = None

    def take_in(self, other: Report) -> None:
        """Take note of all that another report says."""
        self.documents += other.documents
        self.files += other.files
        for kind, paths in other.skipped.items():
            for path in paths:
                self.skip(kind, path)
        self.broken += other.broken
        self.foreign += other.foreign

    def lines(self, *, everything: bool = False) -> list[str]:
        """Return what a person should know of what was not read, a line each.

        Parameters
        ----------
        everything
            Whether to name all places, and not only the first ones.
        """
        lines = []
        if self.skipped:
            parts = []
            for kind, paths in sorted(self.skipped.items()):
                count = len(paths)
                names = f" ({', '.join(paths)})" if everything or count <= 3 else ""
                parts.append(counted(count, kind) + names)
            lines.append(f"skipped {', '.join(parts)}")
        for places, title in (
            (
                self.broken,
                f"broken: {counted(len(self.broken), 'place')}; what is before and behind them is kept",
            ),
            (self.foreign, f"foreign: {counted(len(self.foreign), 'file')} that hold no logs"),
        ):
            if not places:
                continue
            lines.append(title)
            shown = places if everything else places[:_SHOWN]
            lines += [f"  {place}" for place in shown]
            if len(shown) < len(places):
                lines.append(f"  and {len(places) - len(shown)} more (-v names all)")
        return lines


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 file``, ``2,000 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {_PLURALS.get(noun, noun + 's')}"


class Exclusion:
    """The files and directories that a person does not want.

    Parameters
    ----------
    patterns
        Names, globs or paths: ``old``, ``*.bak.yaml``, ``data/old``. One without a slash is compared
        with the last part of each path, one with a slash also with its last parts.

    Attributes
    ----------
    unused
        The patterns that no path has matched yet.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = [(text, Path(text).as_posix(), Path(text).absolute()) for text in patterns]
        self.unused = dict.fromkeys(patterns)

    def __bool__(self) -> bool:
        """Whether there are any patterns."""
        return bool(self._patterns)

    def __call__(self, path: Path | str) -> bool:
        """Tell whether `path` is not wanted."""
        if not self._patterns:
            return False
        path = Path(path)
        hit = False
        for text, pattern, absolute in self._patterns:
            if (
                fnmatchcase(path.name, pattern)
                or path.absolute() == absolute
                or ("/" in pattern and fnmatchcase(f"/{path.as_posix()}", f"*/{pattern}"))
            ):
                self.unused.pop(text, None)
                hit = True
        return hit


def check_paths(paths: Sequence[str]) -> None:
    """Make sure that every path that was named is there.

    Raises
    ------
    UsageError
        Some are missing; it names each, with the nearest name beside it.
    """
    missing = []
    for text in paths:
        path = Path(text)
        if text == STDIN or _is_there(path):
            continue
        try:
            close = nearest(path.name, [other.name for other in path.parent.iterdir()])
        except OSError:
            close = ""
        hint = f"; did you mean {path.parent / close}?" if close else ""
        missing.append(f"{path}: there is no such file or directory{hint}")
    if missing:
        raise UsageError("\n".join(missing))


def find_logs(
    paths: Sequence[str],
    report: Report,
    exclude: Exclusion | None = None,
    visit: Callable[[Path], object] = lambda _: None,
) -> Iterator[LogFile]:
    """Yield the files that may be logs: the paths in their order, what is in a directory by name.

    Parameters
    ----------
    paths
        Files (of any name), directories, and ``-`` for the standard input.
    report
        Takes note of what is skipped or cannot be read.
    exclude
        What is not wanted.
    visit
        Called with each directory that is searched.

    Raises
    ------
    UsageError
        A path is missing.
    """
    check_paths(paths)
    exclude = exclude or Exclusion()
    met: set[tuple[int, int]] = set()
    for start in dict.fromkeys(paths):
        if start == STDIN:
            yield LogFile("standard input", None)
            continue
        # As text: to make a Path of each of 100,000 files and to ask it costs more than to read them.
        waiting: list[_Waiting] = [(str(Path(start)), None, 0)]
        while waiting:
            path, entry, device = waiting.pop()
            if exclude(path):
                continue
            kind, device = _kind(path, entry, device, report, met)
            if kind == stat.S_IFDIR:
                waiting += [(inner, entry, device) for inner, entry in _search(path, report, visit)]
            elif kind and not is_other(path, path, report, among_logs=entry and not entry.is_symlink()):
                yield LogFile(path, Path(path))


def is_other(path: str, name: str, report: Report, *, among_logs: bool | None = False) -> bool:
    """Tell whether a file is plainly no log, by its name or its place, and take note of it.

    Parameters
    ----------
    path
        The file.
    name
        How it is shown.
    report
        Takes note.
    among_logs
        Whether it is known to be in no run directory: it stands where logs are searched for. An index of
        runs is made of links to the insides of run directories.
    """
    if path.lower().endswith((".failed.yaml", ".failed.yml")):
        report.skip(FAILED, name)
        return True
    if path.endswith(_ANNOTATIONS) and _says(path, b"# Coolrunner annotations"):
        report.skip(ANNOTATIONS, name)
        return True
    if not among_logs:
        folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path)  # noqa: PTH114, PTH120
        if _is_run(folder):
            report.skip(RUN, str(Path(folder).resolve()))
            return True
    return False


def _says(path: str, beginning: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def _kind(
    path: str, entry: os.DirEntry[str] | None, device: int, report: Report, met: set[tuple[int, int]]
) -> tuple[int, int]:
    """Return the kind of file that is to be read or searched, and its device.

    The kind is 0 for what is not to be, or was already.

    Parameters
    ----------
    path
        The file.
    entry
        What its directory says of it; None for one that a person named.
    device
        The device of the directory.
    report
        Takes note of what cannot be read.
    met
        What was already; takes note.
    """
    is_log = entry is None or path.lower().endswith(_ENDINGS)
    try:
        if entry is not None and entry.is_file(follow_symlinks=False):
            # It needs no look at the file itself.
            kind, identity = stat.S_IFREG if is_log else 0, (device, entry.inode())
        elif not is_log and entry is not None and not entry.is_dir():
            return 0, 0
        else:
            status = entry.stat() if entry else Path(path).stat()
            kind, identity = stat.S_IFMT(status.st_mode), (status.st_dev, status.st_ino)
    except OSError as error:
        lost = isinstance(error, FileNotFoundError) and Path(path).is_symlink()
        reason = (
            f"this link leads to {Path(path).readlink()}, which does not exist" if lost else error.strerror
        )
        if is_log:
            report.broken.append(f"{path}: cannot be read: {reason}")
        return 0, 0
    if kind not in (stat.S_IFDIR, stat.S_IFREG):
        return (0 if entry else kind), 0  # a pipe is read only where it is asked for
    if identity in met:
        return 0, 0
    met.add(identity)
    return kind, identity[0]


def _search(path: str, report: Report, visit: Callable[[Path], object]) -> list[tuple[str, os.DirEntry[str]]]:
    """Return what is in a directory, last first, without hidden names; nothing of a run directory."""
    if _is_run(path):
        report.skip(RUN, str(Path(path).resolve()))
        return []
    visit(Path(path))
    try:
        with os.scandir(path) as entries:
            inside = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    except OSError as error:
        report.broken.append(f"{path}: cannot be searched: {error.strerror}")
        return []
    before = "" if path == "." else os.path.join(path, "")  # noqa: PTH118 - with a slash behind it
    return [(f"{before}{name}", inside[name]) for name in sorted(inside, reverse=True)]


def _is_run(folder: str) -> bool:
    before = os.path.join(folder, "")  # noqa: PTH118 - with a slash behind it
    return _is_there(f"{before}params.yaml") and _is_there(f"{before}status.yaml")


def _is_there(path: Path | str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading it will tell what is wrong
    return True
