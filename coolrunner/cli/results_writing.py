"""``coolrunner results``: texts of any length, and with anything in them, on the standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from coolrunner.reporting.runs import escaped
from coolrunner.reporting.streams import write_text

__all__ = ["write_pieces"]

_AT_ONCE = 1 << 16  # characters


def write_pieces(pieces: Iterable[str]) -> None:
    """Write a text, piece by piece; a terminal gets nothing that it would obey."""
    shown = sys.stdout.isatty()
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        waiting.append("\n".join(map(escaped, piece.split("\n"))) if shown else piece)
        size += len(piece)
        if size >= _AT_ONCE:
            write_text(sys.stdout, "".join(waiting))
            waiting, size = [], 0
    write_text(sys.stdout, "".join(waiting))
