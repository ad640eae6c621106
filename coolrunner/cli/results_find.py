"""``coolrunner results``: which results are meant, for the listing and all verbs."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coolrunner.reporting.runs import escaped

if TYPE_CHECKING:
    from coolrunner.results.logs.sources import Report
    from coolrunner.results.rows import Rows

__all__ = ["add_source", "progress_line", "read_rows", "say_unread"]

_PATIENCE = 1.0  # seconds after which it is said what takes so long
_INTERVAL = 0.1


def add_source(parser: argparse.ArgumentParser, *, positional: bool = True) -> None:
    """Add the arguments that say which results are meant.

    Parameters
    ----------
    parser
        Of the listing or of a verb.
    positional
        Whether the paths are its operands; otherwise they are behind ``--in``.
    """
    add = parser.add_argument
    what = "files and directories; - is a log on the standard input (default: the working directory)"
    if positional:
        add("path", nargs="*", metavar="PATH", help=what)
    else:
        add("--in", dest="path", action="append", default=[], metavar="PATH", help=what)
    add(
        "--exclude",
        action="append",
        default=[],
        metavar="WHAT",
        help="pass over directories or files: a name, a glob such as '*-old.yaml', or a path (repeatable)",
    )
    add(
        "--kind",
        metavar="KINDS",
        help="read only these, with commas: run, hydra, sacred, mlflow, tensorboard, csv, jsonl, log",
    )
    add(
        "--no-cache",
        action="store_true",
        help="read everything anew; otherwise what was read is kept beside it, in .coolrunner",
    )


def read_rows(options: argparse.Namespace) -> Rows:
    """Return all results that are meant; each experiment once, with its marks, tags and note.

    Raises
    ------
    UsageError
        A path is missing, or there is no such kind.
    """
    from coolrunner.results.annotations import annotated
    from coolrunner.results.joining import joined
    from coolrunner.results.loaders import KINDS
    from coolrunner.results.rows import find_rows

    with progress_line() as progress:
        rows = find_rows(
            options.path or ["."],
            exclude=options.exclude,
            cache="never" if options.no_cache else "auto",
            kinds=_kinds(options.kind) if options.kind else KINDS,
            progress=progress,
        )
    return annotated(joined(rows))


def _kinds(text: str) -> list[str]:
    from coolrunner.errors import UsageError, nearest
    from coolrunner.results.loaders import KINDS

    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for word in wanted:
        if word not in KINDS:
            close = nearest(word, KINDS)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(KINDS)}"
            raise UsageError(f"--kind: there is no kind {word!r}; {hint}")
    return wanted


def say_unread(report: Report, *, verbose: bool = False) -> None:
    """Tell on the standard error what could not be read; one line, or all places if `verbose`."""
    if verbose:
        sys.stderr.write("".join(f"{escaped(line)}\n" for line in report.lines(everything=True)))
        return
    from coolrunner.results.logs.sources import counted

    count = len(report.broken) + len(report.foreign)
    if count:
        sys.stderr.write(
            f"{counted(count, 'place')} could not be read; 'coolrunner results check' shows where\n"
        )


@contextmanager
def progress_line() -> Iterator[Callable[[int, int], None]]:
    """Give what shows on a terminal how far a long reading has come, in a line that goes away again."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    line = _Line()
    line.start()
    try:
        yield line.note
    finally:
        line.end()


class _Line:
    """A line on the standard error that is written over, also while one large file is read."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._progress = 0, 0

    def note(self, done: int, total: int) -> None:
        self._progress = done, total

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _show(self) -> None:
        wait, shown = _PATIENCE, ""
        while not self._ended.wait(wait):
            wait = _INTERVAL
            done, total = self._progress
            text = f"reading {done + 1:,} of {total:,} ..." if total else "looking for results ..."
            if text != shown:
                sys.stderr.write(f"\r{text:<{len(shown)}}")
                sys.stderr.flush()
                shown = text
        if shown:
            sys.stderr.write(f"\r{'':<{len(shown)}}\r")
            sys.stderr.flush()
