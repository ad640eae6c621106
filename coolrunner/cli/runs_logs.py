"""``coolrunner runs logs``: the output of a run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from coolrunner.cli.runs_find import path_shown, run_of
from coolrunner.cli.runs_read import status_of
from coolrunner.errors import RunError, UsageError
from coolrunner.reporting.runs import escaped
from coolrunner.reporting.streams import is_terminal, size_of
from coolrunner.reporting.tailing import CHANGING, LineTail, ScreenTail, last_lines, read_settled
from coolrunner.reporting.text import one_line
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunStatus, is_alive

__all__ = ["configure", "execute"]

_CHUNK = 1 << 20
_LOOK = 0.2  # seconds between two looks at a file that grows


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add = parser.add_argument
    add("run", metavar="RUN", nargs="?", help="its number, name or path (default: the newest)")
    add("-f", "--follow", action="store_true", help="go on while the run does")
    add("-n", "--lines", "--tail", dest="lines", type=int, metavar="N", help="only the last N lines")


def execute(options: argparse.Namespace) -> int:
    """Print it; return the exit status."""
    if options.lines is not None and options.lines < 0:
        raise UsageError("-n: a whole number from 0 was expected")
    root, run = run_of(options.root, options.run)
    begin = 0 if options.lines is None else last_lines(run.log, options.lines)
    if options.follow:
        run = _follow(root, run, begin)
    else:
        _copy(run.log, begin)
    _say_end(run, following=options.follow)
    return 0


def _copy(path: Path, begin: int) -> None:
    output = sys.stdout.buffer
    try:
        with path.open("rb") as file:
            file.seek(begin)
            while piece := file.read(_CHUNK):
                output.write(piece)
    except FileNotFoundError:
        pass
    output.flush()


def _follow(root: Root, run: RunDirectory, place: int) -> RunDirectory:
    """Print what a run writes until it has ended; return it, which may have been put aside as failed."""
    output = sys.stdout.buffer
    tail = ScreenTail(*size_of(sys.stdout)) if is_terminal(sys.stdout) else LineTail()
    over, data = False, b""
    while True:
        try:
            # It says how it ended a moment before its last words are written.
            over, was_over = is_alive(run.read_state()) is False, over
        except RunError:
            run, was_over = _put_aside(root, run), False
            continue
        while True:
            data = read_settled(run.log, place, _CHUNK, data)
            output.write(tail.show(data))
            moved = tail.settle()
            place += moved
            is_all = len(data) < _CHUNK
            data = data[moved:]
            if is_all:
                break
        if was_over:
            output.write(tail.finish())
            output.flush()
            return run
        output.flush()
        time.sleep(_LOOK)


def _put_aside(root: Root, run: RunDirectory) -> RunDirectory:
    """Return where a run is that is not any more where it was.

    Raises
    ------
    RunError
        It was removed, or its status cannot be read.
    """
    if root.layout.fails is not None and not run.path.is_dir():
        moved = RunDirectory(root.path / root.layout.fails / run.name, root.layout)
        if moved.path != run.path and moved.path.is_dir():
            return moved
    run.read_state()
    return run


def _say_end(run: RunDirectory, *, following: bool) -> None:
    """Say what the output does not: that there is none, and how the run has failed."""
    state = run.read_state()
    if state.status is RunStatus.FAILED and run.traceback.is_file():
        lines = run.traceback.read_text(encoding="utf-8", errors="replace").split("\n")
        if not _ends_with(run.log, lines):
            sys.stderr.writelines(f"{escaped(line)}\n" for line in lines if line)
        return
    status = status_of(state)
    error = f": {escaped(one_line(state.error))}" if state.error else ""
    if (following and status not in (RunStatus.DONE.value, RunStatus.RUNNING.value)) or error:
        sys.stderr.write(f"{path_shown(Path(run.name))}: {status}{error}\n")
    elif not run.log.exists() or not run.log.stat().st_size:
        sys.stderr.write(f"{path_shown(Path(run.name))} has written nothing\n")


def _ends_with(log: Path, lines: list[str]) -> bool:
    """Whether a traceback stands at the end of the output already."""
    last = [line for line in lines if line][-1:]
    written = read_settled(log, last_lines(log, len(lines) + CHANGING), _CHUNK)
    return bool(last) and last[0] in written.decode("utf-8", "replace").split("\n")
