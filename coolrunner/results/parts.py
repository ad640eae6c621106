"""What a table is made of: rows, the parts that they are read from, and the loaders that read them.

A *row* is one experiment or run. A *part* is what is read again as a whole when it has changed: a log
file, the directory of a run. A *loader* knows one kind of parts: it finds them and reads their rows.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from coolrunner.results.logs.sources import Report

__all__ = [
    "GONE",
    "MISSING",
    "Folder",
    "GrowingLoader",
    "GrownRows",
    "Loader",
    "Missing",
    "Part",
    "Role",
    "Row",
    "Stamp",
    "stamp_of",
]


class Role(str, enum.Enum):
    """What a key of a row is: given, found out, or kept for the record (``ID``, ``HOST``, a status)."""

    PARAMETER = "parameter"
    RESULT = "result"
    INFO = "info"


class Missing:
    """The value of a key that a row does not have: `MISSING`, which is false."""

    _only: Missing | None = None

    def __new__(cls) -> Missing:
        """Return the only one."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "missing"

    def __reduce__(self) -> str:
        return "MISSING"


#: A row does not have the key.
MISSING = Missing()


class Row(NamedTuple):
    """One experiment or run, as its loader read it.

    Attributes
    ----------
    value
        Plain data, nested, in its own order.
    roles
        One for each key of `value`, in the same order.
    number
        Its place in its part, from 1.
    start, stop
        The bytes of its text in the file of its part; 0 and 0 where it is no piece of one file.
    line
        The line at which its text begins, from 1; 0 for none.
    digest
        16 bytes, as of `coolrunner.results.logs.collect.digest`; of logs alone.
    comment
        What stands behind ``--- #``; of logs alone.
    """

    value: dict[Any, Any]
    roles: tuple[Role, ...]
    number: int = 1
    start: int = 0
    stop: int = 0
    line: int = 0
    digest: bytes = b""
    comment: str = ""


class Stamp(NamedTuple):
    """By which a file is known to be the same as before; times are in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


#: The stamp of a file that is not there.
GONE = Stamp(0, 0, -1, 0, 0)


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return the stamp of a file; `GONE` where there is none, or none that may be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of a hundred thousand paths
    except OSError:
        return GONE
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Part:
    """What is read again as a whole when it has changed.

    Attributes
    ----------
    kind
        Of its loader.
    path
        Absolute; with the kind it identifies the part.
    name
        How it is shown: as it was reached from what a person named.
    stamps
        Of the files that it is read from.
    met
        Whether it was only met in a search: without any mark of results it is then passed over.
    """

    kind: str
    path: str
    name: str
    stamps: tuple[Stamp, ...]
    met: bool = False


@dataclass(slots=True)
class Folder:
    """A directory that is searched, listed once.

    Attributes
    ----------
    path
        Absolute.
    name
        How it is shown.
    named
        Whether a person named it, and did not only name one around it.
    entries
        What is in it, by name, in the order of the names.
    """

    path: Path
    name: str
    named: bool
    entries: dict[str, os.DirEntry[str]]


class Loader(Protocol):
    """Finds the parts of one kind, and reads their rows.

    What it reads is data: nothing is evaluated, unpickled or imported. What cannot be read is told to the
    report, as ``name:line: why``, and costs only itself.
    """

    #: What its parts are called.
    kind: str
    #: Raised when its rows come to mean something else: what is known of the kind is then read again.
    version: int

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the parts of a directory of this kind, in order; None for any other.

        A directory that is claimed is not searched further.
        """

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the part that a file is; None where it is none of this kind."""

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the rows of a part, in order; none where it has vanished meanwhile."""


class GrownRows(Protocol):
    """The rows of a part that has grown since another reading.

    Attributes
    ----------
    kept
        Rows whose number is not greater stand as they were known; of all others nothing counts any more.
    state
        After the iteration: what the next reading goes on with, good for JSON; None for nothing.
    marked
        After the iteration: whether anything in the part, read by now or before, says that it holds results.
    """

    kept: int
    state: dict[str, Any] | None
    marked: bool

    def __iter__(self) -> Iterator[Row]: ...


@runtime_checkable
class GrowingLoader(Protocol):
    """A loader whose parts are appended to, and then read on from where they ended."""

    def read_on(
        self, part: Part, report: Report, state: dict[str, Any] | None, *, values: bool = True
    ) -> GrownRows:
        """Return the rows behind those that are known; the report is told of the whole part.

        Without `values` the rows only say where they stand.
        """
