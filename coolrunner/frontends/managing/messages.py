"""What a manager says, and what is said through it: to files of the experiment and its runs, and the console.

Beside the levels of `logging` there are three more: `DETAIL` for what the manager itself did, and `NOTE` and
`HEADLINE` for what is to stand out among informations; a headline marks the start and the end of a command.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["DETAIL", "HEADLINE", "NOTE", "Messages", "open_log", "show_values"]

DETAIL, NOTE, HEADLINE = 15, 22, 25
_NAMES = {
    logging.DEBUG: "DEBUG", DETAIL: "DETAIL", logging.INFO: "INFO", NOTE: "NOTE", HEADLINE: "HEADLINE",
    logging.WARNING: "WARNING", logging.ERROR: "ERROR", logging.CRITICAL: "CRITICAL",
}  # fmt: skip
_STANDING_OUT = {NOTE: ("-- ", ""), HEADLINE: ("======== ", " ========")}
_COLOURS = {NOTE: "1", HEADLINE: "1;36", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
_INFO_LEVELS = (logging.INFO, NOTE, HEADLINE)


class Place(Protocol):
    """Where a message belongs: a run, with a log of its own."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def log_handler(self) -> logging.Handler | None:
        """Takes the messages of this run."""


class Messages:
    """The loggers of an experiment.

    Parameters
    ----------
    name
        Of the experiment.
    place
        Asked for each message; gives the run that it belongs to, or None for the experiment itself.
    verbose
        What the console shows (standard error): 0 warnings and errors, 1 informations too, 2 everything.

    Attributes
    ----------
    logger
        An ordinary logger of the standard library; it stands apart from all others.
    """

    def __init__(self, name: str, place: Callable[[], Place | None], verbose: int = 1) -> None:
        self.logger = logging.Logger(name, logging.DEBUG)
        self.logger.addFilter(_Placed(place))
        self.logger.addHandler(_Console(verbose))
        self.logger.addHandler(_ToRun())
        self._files: list[logging.Handler] = []

    def open(self, info: Path, debug: Path) -> None:
        """Write to two files as well: what is worth knowing, and everything."""
        for path, level in ((info, DETAIL), (debug, logging.DEBUG)):
            handler = open_log(path, level)
            self._files.append(handler)
            self.logger.addHandler(handler)

    def info(self, message: object, *args: object, level: int = 0) -> None:
        """Say something; with a level of 1 or 2 it stands out."""
        self.logger.log(_INFO_LEVELS[max(0, min(level, 2))], message, *args)

    def detail(self, message: str, *args: object) -> None:
        """Say what the manager did; the console shows it only where it shows everything."""
        self.logger.log(DETAIL, message, *args)

    def close(self) -> None:
        """Let go of the files; what is said later is only shown."""
        for handler in self._files:
            self.logger.removeHandler(handler)
            handler.close()
        self._files.clear()


def open_log(path: Path, level: int = DETAIL) -> logging.Handler:
    """Return a handler that appends messages to a file, made with the first one."""
    # What UTF-8 cannot hold is a reason to escape it, not to lose the message.
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setLevel(level)
    handler.setFormatter(_Form("%Y-%m-%d %H:%M:%S"))
    return handler


class _Placed(logging.Filter):
    """Notes with each message which run it belongs to."""

    def __init__(self, place: Callable[[], Place | None]) -> None:
        super().__init__()
        self._place = place

    def filter(self, record: logging.LogRecord) -> bool:
        record.place = self._place()
        return True


class _Form(logging.Formatter):
    """``2026-11-21 06:23:29 INFO     [train] message``; what is to stand out does."""

    def __init__(self, times: str) -> None:
        super().__init__(datefmt=times)

    def format(self, record: logging.LogRecord) -> str:
        place: Place | None = getattr(record, "place", None)
        where = f"[{place.name}] " if place is not None else ""
        before, after = _STANDING_OUT.get(record.levelno, ("", ""))
        level = _NAMES.get(record.levelno, record.levelname)
        text = (
            f"{self.formatTime(record, self.datefmt)} {level:<8} {where}{before}{record.getMessage()}{after}"
        )
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _Console(logging.Handler):
    """Shows messages on standard error, whatever that is at the time."""

    def __init__(self, verbose: int) -> None:
        super().__init__({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))
        self.setFormatter(_Form("%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            stream = sys.stderr
            text = self.format(record)
            colour = _COLOURS.get(record.levelno)
            if colour and "NO_COLOR" not in os.environ and stream.isatty():
                text = f"\x1b[{colour}m{text}\x1b[0m"
            stream.write(f"{text}\n")
            stream.flush()
        except Exception:  # as any handler of the standard library: a message is not worth a training
            self.handleError(record)


class _ToRun(logging.Handler):
    """Hands messages to the log of the run that they belong to."""

    def emit(self, record: logging.LogRecord) -> None:
        place: Place | None = getattr(record, "place", None)
        handler = place.log_handler if place is not None else None
        if handler is not None and record.levelno >= handler.level:
            handler.handle(record)


# --- values, shown ---


_INDENT = "    "
_DEEPEST = 6


def show_values(values: Mapping[Any, Any], depth: int = 1) -> str:
    """Return the values of variables or of a configuration, a line each, without those of secret names."""
    from coolrunner.runs.secrets import is_secret_name

    lines: list[str] = []
    indent = _INDENT * depth
    for key, value in values.items():
        if is_secret_name(str(key)):
            lines.append(f"{indent}{key}: <left out>")
        elif isinstance(value, Mapping) and value and depth < _DEEPEST:
            lines.append(f"{indent}{key}:")
            lines.append(show_values(value, depth + 1))
        else:
            lines.append(f"{indent}{key}: {_shown(value)}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    if kind is not None and isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}, {kind}"
    import reprlib  # few messages show values

    short = reprlib.Repr()
    short.maxstring = short.maxother = 100
    try:
        return " ".join(short.repr(value).split())
    except Exception as error:
        return f"<{type(value).__name__}, which cannot be shown: {error}>"
