"""A log as bytes: opened whatever it is, looked through for its marks, and known again."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, cast

__all__ = ["between", "has_end", "opened", "print_of"]

_ENDED = re.compile(rb"\n\.\.\.\r?\n")
_PIECE = 1 << 20  # bytes
_IN_MEMORY = 16 << 20  # bytes of the standard input that are not put into a file
_WHOLE = 128 << 20  # bytes of a log that are all looked at to know it again; of a longer one samples
_SAMPLES = 64


def opened(path: Path | None) -> tuple[BinaryIO, int | None]:
    """Open a file to be read and sought in; return it with its size, or None where that is not known.

    Parameters
    ----------
    path
        The file; None for the standard input.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if path is None:
        return _spooled(sys.stdin.buffer), None
    stream = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115 - of a hundred thousand paths
    status = os.fstat(stream.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size > _PIECE:
        return cast("BinaryIO", stream), status.st_size
    with stream:
        if stat.S_ISREG(status.st_mode) and status.st_size:
            data = stream.read(status.st_size)
            return io.BytesIO(data), len(data)
        return _spooled(cast("BinaryIO", stream)), None


def _spooled(stream: BinaryIO) -> BinaryIO:
    """Return what comes through a pipe as a file that can be sought in."""
    import shutil
    import tempfile

    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed after the reading
    shutil.copyfileobj(stream, spool, _PIECE)
    spool.seek(0)
    return cast("BinaryIO", spool)


def has_end(file: BinaryIO, start: int, stop: int | None) -> bool:
    """Whether a ``...`` line ends behind `start`, and before `stop` or the end of the file."""
    place = max(start - 6, 0)
    file.seek(place)
    tail = b""
    while chunk := file.read(_PIECE if stop is None else min(_PIECE, stop - place)):
        if _ENDED.search(tail + chunk):
            return True
        place += len(chunk)
        tail = chunk[-6:]
    return False


def between(file: BinaryIO, start: int, stop: int) -> bytes:
    """Return some bytes of a file."""
    file.seek(start)
    return file.read(stop - start)


def print_of(file: BinaryIO, end: int) -> str:
    """Return by what a file up to a place is known again."""
    found = blake2b(digest_size=16)
    if end <= _WHOLE:
        file.seek(0)
        place = 0
        while place < end and (piece := file.read(min(_PIECE, end - place))):
            found.update(piece)
            place += len(piece)
    else:
        for sample in range(_SAMPLES):
            place = (end - _PIECE) * sample // (_SAMPLES - 1)
            found.update(between(file, place, place + _PIECE))
    return found.hexdigest()
