"""What the stores of other tools have in common: rows put together, stamps of many files, times.

A row of theirs has the parameters first, then the results, then what is kept for the record under the names
that a log has for it (``ID STUDY HOST RUN STARTED TIME_ELAPSED``) and those of run directories (``STATUS``,
``ERROR``). A name belongs to the first that has it; those behind it get an underscore.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from hashlib import blake2b
from typing import Any

from coolrunner.results.parts import GONE, Role, Row, Stamp, stamp_of

__all__ = ["above", "beside", "folded", "iso", "read_bytes", "row_of", "stamps_in", "within"]


def row_of(
    parameters: Mapping[Any, Any],
    results: Mapping[Any, Any],
    facts: Mapping[str, Any],
    *,
    number: int = 1,
) -> Row:
    """Return a row.

    Parameters
    ----------
    parameters, results
        Plain data.
    facts
        What is kept for the record; what is None or an empty text is not known, and left out.
    number
        Of the row in its part.
    """
    value = dict(parameters)
    roles = [Role.PARAMETER] * len(value)
    known = {key: fact for key, fact in facts.items() if fact is not None and fact != ""}
    for role, more in ((Role.RESULT, results), (Role.INFO, known)):
        for key, item in more.items():
            value[beside(key, value)] = item
        roles += [role] * (len(value) - len(roles))
    return Row(value, tuple(roles), number)


def beside(key: Any, taken: Mapping[Any, Any]) -> Any:
    """Return a key, with as many underscores behind it as make it another than those taken."""
    while key in taken:
        key = f"{key}_"
    return key


def within(name: str, inner: str) -> str:
    """Return how what is in a directory is shown, by how the directory is."""
    return inner if name == "." else os.path.join(name, inner)  # noqa: PTH118 - as it was named


def above(name: str) -> str:
    """Return how the directory is shown in which something is."""
    return os.path.dirname(name) or "."  # noqa: PTH120 - as it was named


def iso(seconds: float | None) -> str:
    """Return a time in seconds since 1970 as a log has it, in UTC; an empty text for what is no time."""
    try:
        when = datetime.fromtimestamp(seconds, timezone.utc) if seconds is not None else None
    except (OverflowError, ValueError, OSError):
        return ""
    return when.isoformat(timespec="seconds") if when is not None else ""


def read_bytes(path: str, limit: int, start: int = 0) -> bytes:
    """Return the bytes of a small file, or of a large one as many as are wanted.

    Parameters
    ----------
    path
        The file; of stores that keep each number in a file of its own there are very many.
    limit
        Bytes to read at most.
    start
        Where to begin.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        if start:
            os.lseek(file, start, os.SEEK_SET)
        data = os.read(file, limit)
        while data and len(data) < limit and (more := os.read(file, limit - len(data))):
            data += more
        return data
    finally:
        os.close(file)


def folded(stamps: Iterable[Stamp]) -> Stamp:
    """Return one stamp of many files: another one as soon as any of theirs is another."""
    each = list(stamps)
    if not each:
        return GONE
    identity = blake2b(repr(each).encode(), digest_size=7).digest()
    return Stamp(
        0,
        int.from_bytes(identity, "big"),
        sum(max(stamp.size, 0) for stamp in each),
        max(stamp.modified for stamp in each),
        max(stamp.changed for stamp in each),
    )


def stamps_in(folder: str) -> list[Stamp]:
    """Return the stamps of a directory and of all in it, by name; links to directories are not followed."""
    stamps = [stamp_of(folder)]
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return stamps
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            stamps += stamps_in(entry.path)
        else:
            stamps.append(stamp_of(entry.path))
    return stamps
