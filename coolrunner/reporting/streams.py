"""How text gets onto a stream: colours where there are any, ASCII where there is nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

__all__ = [
    "Paint",
    "encodable",
    "is_terminal",
    "painter",
    "size_of",
    "width_for",
    "write_bytes",
    "write_text",
]

#: Gives a text in a style (`red`, `dim`, ...), or as it is where there are no colours.
Paint = Callable[[str, str], str]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_ASCII = str.maketrans(
    {"✓": "+", "✗": "x", "…": "...", "±": "+-", "·": "-", "━": "#", "─": "-", "▸": ">", "≈": "~"}
)


def is_terminal(file: TextIO) -> bool:
    """Return whether a person looks at `file`; a closed or missing stream is no terminal."""
    try:
        return file.isatty()
    except (AttributeError, ValueError):
        return False


def painter(file: TextIO) -> Paint:
    """Return what puts a text into colours, or leaves it alone where `file` takes none."""
    if not is_terminal(file) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return lambda text, style: text
    return lambda text, style: f"\x1b[{_CODES[style]}m{text}\x1b[0m" if text else text


def size_of(file: TextIO) -> tuple[int, int]:
    """Return how many columns and lines the terminal has, or what is usual where it does not say."""
    try:
        columns, lines = os.get_terminal_size(file.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    return columns or 80, lines or 24


def width_for(file: TextIO) -> int | None:
    """Return how many columns a line may take, or None where `file` is no terminal."""
    return size_of(file)[0] if is_terminal(file) else None


def write_text(file: TextIO, text: str) -> None:
    """Write and flush; what the encoding of `file` does not have is written in ASCII."""
    try:
        file.write(text)
    except UnicodeEncodeError:
        file.write(encodable(text, file.encoding))
    file.flush()


def encodable(text: str, encoding: str | None) -> str:
    """Return a text whose every character `encoding` has."""
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def write_bytes(file: TextIO, data: bytes) -> None:
    """Write bytes as they are, in order with what was written as text, and flush."""
    buffer = getattr(file, "buffer", None)
    if buffer is None:  # a text stream in memory
        file.write(data.decode("utf-8", "replace"))
    else:
        file.flush()
        buffer.write(data)
    file.flush()
