"""The rows of ``metrics.csv``: the format, appending to it, reading it.

Format, version 1: CSV in UTF-8 with the header ``name,step,value,time``, a value a line, in the order
logged. `name` is quoted where CSV wants that and has no line breaks; `step` is a whole number; `value` is
the shortest text that gives the same 64-bit float (also ``nan``, ``inf`` and ``-inf``); `time` is in
seconds since 1970, UTC. A row counts once its line break is there: what a killed writer left without one is
passed over by readers and cut off by the next writer.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas

__all__ = ["HEADER", "Row", "append", "metrics_frame", "next_steps", "open_rows", "quoted", "read_metrics"]

HEADER = "name,step,value,time\n"
_CHUNK = 1 << 16


class Row(NamedTuple):
    """One value of one metric; `time` is in seconds since 1970, UTC."""

    name: str
    step: int
    value: float
    time: float


def quoted(name: str) -> str:
    """Return a name as a field of a CSV line (RFC 4180), without line breaks in it."""
    if any(c in name for c in ',"') or name != name.strip():
        return '"' + name.replace('"', '""') + '"'
    return name


# --- writing ---


def open_rows(path: Path) -> int:
    """Open a file of rows for appending, and make it where it is missing."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666)


def append(file: int, data: bytes, rows: list[Any]) -> None:
    """Append whole rows to an open file, under its lock.

    Parameters
    ----------
    file
        From `open_rows`.
    data
        Lines, each with its break.
    rows
        What each line was made from. Those whose lines are in the file are taken out; where an exception
        ends this (the disk is full, or Ctrl-C just came), the others are not in it.

    Raises
    ------
    OSError
        The disk did not take them all.
    """
    with _locked(file):
        size = _mend(file)
        header = b"" if size else HEADER.encode()
        data, written = header + data, 0
        try:
            while written < len(data):
                written += os.write(file, memoryview(data)[written:])
            rows.clear()
        except OSError:
            whole = data.rfind(b"\n", 0, written) + 1
            _cut(file, size + whole)
            del rows[: data.count(b"\n", len(header), whole)]
            raise
        except BaseException:
            if rows:
                _cut(file, size)
            raise


def _cut(file: int, size: int) -> None:
    with contextlib.suppress(OSError):  # a reader passes over half a row
        os.ftruncate(file, size)


def _mend(file: int) -> int:
    """Cut off a row that has no line break; return the size of what is whole."""
    end = os.lseek(file, 0, os.SEEK_END)
    if not end or _read(file, end - 1, 1) == b"\n":
        return end
    start = end
    while start:
        chunk_start = max(start - _CHUNK, 0)
        chunk = _read(file, chunk_start, start - chunk_start)
        found = chunk.rfind(b"\n")
        start = chunk_start
        if found >= 0:
            start = chunk_start + found + 1
            break
    os.ftruncate(file, start)
    return start


def _read(file: int, offset: int, length: int) -> bytes:
    os.lseek(file, offset, os.SEEK_SET)
    return os.read(file, length)


@contextlib.contextmanager
def _locked(file: int) -> Iterator[None]:
    """Hold the file's lock against other processes, where the file system and the system have locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


# --- reading ---


def read_metrics(path: str | Path) -> Iterator[Row]:
    """Yield the rows of a ``metrics.csv``, in the order logged.

    Parameters
    ----------
    path
        The file. Where it is missing there are no rows: nothing was logged.

    Warns
    -----
    RuntimeWarning
        Lines in it are no rows; they are passed over, and the first is named.
    """
    broken: list[int] = []
    for number, line in _lines(path):
        row = _row(line)
        if row is not None:
            yield row
        elif number > 1 or line != HEADER.rstrip():
            broken.append(number)
    if broken:
        more = f", and {len(broken) - 1:,} more" if len(broken) > 1 else ""
        warnings.warn(
            f"{path}:{broken[0]}: not a row of name, step, value and time; passed over{more}",
            RuntimeWarning,
            stacklevel=2,
        )


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    with contextlib.suppress(FileNotFoundError), Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line.rstrip(b"\r\n").decode("utf-8", "replace")


def _row(line: str) -> Row | None:
    fields = line.split(",")
    if '"' in line:
        import csv  # few names need it

        fields = next(csv.reader([line.replace("\0", "")]))
    try:
        name, step, value, time = fields
        return Row(name, int(step), float(value), float(time))
    except ValueError:
        return None


def next_steps(path: str | Path) -> dict[str, int]:
    """Return, for each metric in a file, the step after its last row."""
    steps: dict[str, int] = {}
    for _, line in _lines(path):
        if line.count(",") == 3 and '"' not in line:
            name, step, _rest = line.split(",", 2)  # a quarter of the time
            with contextlib.suppress(ValueError):
                steps[name] = int(step) + 1
        elif (row := _row(line)) is not None:
            steps[row.name] = row.step + 1
    return steps


def metrics_frame(path: str | Path) -> pandas.DataFrame:
    """Return a ``metrics.csv`` as a frame with the columns `name`, `step`, `value` and `time`.

    Parameters
    ----------
    path
        The file. Where it is missing, the frame has no rows.

    Returns
    -------
    A row a value, in the order logged; `time` in seconds since 1970, UTC.
    """
    import pandas

    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        data = b""
    whole = data[: data.rfind(b"\n") + 1]
    kinds = {"name": "str", "step": "int64", "value": "float64", "time": "float64"}
    read: Any = pandas.read_csv
    frame: pandas.DataFrame
    # What later versions do anyway.
    exactly = {"float_precision": "round_trip"} if pandas.__version__ < "3" else {}
    try:
        frame = read(
            BytesIO(whole or HEADER.encode()),
            dtype=kinds,
            keep_default_na=False,  # a metric may be called "NA"
            na_values={"value": ["nan"]},
            encoding="utf-8",
            **exactly,
        )
        if list(frame.columns) == list(kinds):
            return frame
    except ValueError:  # a line in it is no row
        pass
    rows: Any = list(read_metrics(path))
    frame = pandas.DataFrame(rows, columns=list(kinds)).astype(kinds)
    return frame
