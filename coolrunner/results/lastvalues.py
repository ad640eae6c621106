"""The last value of each metric of a run, from the end of its ``metrics.csv`` alone."""

from __future__ import annotations

import contextlib
import csv
import os
import re
from collections.abc import Callable

from coolrunner.runs.rows import HEADER

__all__ = ["LOOKED_AT", "last_values"]

#: Bytes at the end of the file that are looked at: a metric without a value in them is not found.
LOOKED_AT = 64 << 10
_TAIL = 2048  # characters


def last_values(
    path: str | os.PathLike[str], tell: Callable[[str], object] = lambda _: None
) -> dict[str, float]:
    """Return the last value of each metric.

    Parameters
    ----------
    path
        A ``metrics.csv``, see `coolrunner.runs.rows` for its format. Where it is missing there are none.
    tell
        Is told what is wrong with it, once: lines that are no rows are passed over.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of ten thousand runs
            size = os.fstat(file.fileno()).st_size
            if size > LOOKED_AT:
                # The byte before tells whether the first line is a whole one.
                file.seek(size - LOOKED_AT - 1)
            data = file.read(LOOKED_AT + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        tell(f"cannot be read: {error.strerror}")
        return {}
    start = data.find(b"\n") + 1 if size > LOOKED_AT else 0
    text = data[start : data.rfind(b"\n") + 1].decode("utf-8", "replace").replace("\r\n", "\n")
    if start == 0 and not text.startswith(HEADER):
        if data:
            tell(f"its first line is not {HEADER.rstrip()!r}")
    else:
        text = text.removeprefix(HEADER)
    if '"' not in text:
        with contextlib.suppress(ValueError):  # some line is no row
            return {name: _value(rest.split(",")) for name, rest in _last_lines(text).items()}
    return _slowly(text.splitlines(), tell)


def _last_lines(text: str) -> dict[str, str]:
    """Return what follows on each name in its last line."""
    cut = text.rfind("\n", 0, max(len(text) - _TAIL, 0)) + 1
    last = [line.split(",", 1) for line in text[cut:].removesuffix("\n").split("\n") if line]
    # Most metrics stand in the last few lines: only the lines of others are taken of those before.
    known = "|".join({re.escape(name) for name, _ in last})
    others = re.findall(f"\n(?!(?:{known}),)(.+)", f"\n{text[:cut]}") if cut else []
    return dict([line.split(",", 1) for line in others] + last)


def _slowly(lines: list[str], tell: Callable[[str], object]) -> dict[str, float]:
    found: dict[str, float] = {}
    passed = 0
    for line in lines:
        try:
            name, *rest = next(csv.reader([line.replace("\0", "")]))
            found[name] = _value(rest)
        except (ValueError, StopIteration, csv.Error):
            passed += 1
    if passed:
        tell(f"{passed:,} of its lines are no rows of name, step, value and time; they are passed over")
    return found


def _value(fields: list[str]) -> float:
    """Return the value of a row, which has a step before it and a time behind it."""
    step, value, time = fields
    int(step), float(time)
    return float(value)
