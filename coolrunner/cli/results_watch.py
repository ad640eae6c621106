"""``coolrunner results watch``: the listing, drawn anew as results come in."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from coolrunner.cli.results_choice import Choice, add_choice, choose
from coolrunner.errors import UserError

if TYPE_CHECKING:
    from coolrunner.reporting.region import Region
    from coolrunner.results.rows import Rows

__all__ = ["configure", "execute"]

_INTERVAL = 2.0  # seconds
_SHORTEST = 0.2
_SHARE = 5  # of the time that a reading takes, as many times is waited before the next
_BESIDE = 5  # lines beside the rows: the head, remarks, and the last line
_WIDEST = 500  # characters of a line where there is no terminal

#: What tells a row from all others, and how it stands.
_Key = tuple[str, int, Any]


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_choice(parser)
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=_INTERVAL,
        metavar="SECONDS",
        help="how long to wait before looking again (default: %(default)g)",
    )
    parser.epilog = "Ctrl-C ends it. Where there is no terminal, each new result is a line."


def _seconds(text: str) -> float:
    seconds = float(text)
    if not _SHORTEST <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"seconds were expected, from {_SHORTEST:g}, and not {text}")
    return seconds


def execute(options: argparse.Namespace) -> int:
    """Watch until Ctrl-C; return the exit status."""
    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdout.isatty():
            _draw(options)
        else:
            _tell(options)
    return 0


def _rounds(options: argparse.Namespace) -> Iterator[None]:
    """Yield again and again, after a while that grows with what a round takes."""
    while True:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        time.sleep(max(options.interval, took * _SHARE))


# --- on a terminal ---


class _Captured(io.StringIO):
    """What would be written to the terminal, by those who ask how wide that is."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


def _draw(options: argparse.Namespace) -> None:
    from rich.text import Text

    from coolrunner.reporting.region import Region
    from coolrunner.reporting.runs import escaped

    region = Region(sys.stdout)
    choice = choose(options, _room(region))  # what is wrong with the call is an error
    lines: list[str] = []
    shown: list[Text] = []
    try:
        for _ in _rounds(options):
            told = io.StringIO()
            try:
                if lines:
                    with contextlib.redirect_stderr(told):
                        choice.rows.close()
                        choice = choose(options, _room(region))
                lines = _listing(choice)
                remark = told.getvalue().strip().splitlines()
            except UserError as error:
                remark = str(error).splitlines()
            foot = f"{datetime.now():%H:%M:%S}  {_counted(choice)}; Ctrl-C ends"
            below = [*map(escaped, remark[:2]), foot]
            shown = [Text.from_ansi(line) for line in lines[: max(region.size()[1] - len(below) - 1, 1)]]
            region.draw(b"", [*shown, *(Text(line, style="dim") for line in below)])
    finally:
        region.draw(b"", shown)  # without the last line, on which ^C stands
        sys.stdout.write("\n")


def _room(region: Region) -> int:
    return max(region.size()[1] - _BESIDE, 3)


def _listing(choice: Choice) -> list[str]:
    """Return the lines of the table."""
    from coolrunner.cli.results_table import print_groups, print_rows

    if not len(choice.rows):
        return ["no results yet" if not choice.found else f"none of {choice.found:,} results so far"]
    captured = _Captured()
    with contextlib.redirect_stdout(captured):
        if choice.summary is not None:
            print_groups(choice, by_keys=True)
        else:
            print_rows(choice)
    return captured.getvalue().splitlines()


def _counted(choice: Choice) -> str:
    from coolrunner.results.logs.sources import counted

    return counted(choice.found, "result")


# --- elsewhere ---


def _tell(options: argparse.Namespace) -> None:
    known: set[_Key] | None = None
    for _ in _rounds(options):
        try:
            # What could not be read is told once.
            with contextlib.redirect_stderr(sys.stderr if known is None else io.StringIO()):
                choice = choose(options)
        except UserError:
            if known is None:  # the call is wrong
                raise
            continue
        keys = _keys(choice.rows)
        if known is None:
            sys.stderr.write(f"{_counted(choice)} so far; each new one is a line\n")
        else:
            new = [number for number, key in enumerate(keys) if key not in known]
            for number in reversed(new):  # the newest stands first in a listing
                _write(choice.rows, number)
        known = set(keys)
        choice.rows.close()


def _keys(rows: Rows) -> list[_Key]:
    from coolrunner.results.joining import STATUS

    column = rows.column(STATUS)
    return [(place.path, place.number, status) for place, status in zip(rows.places(), column, strict=True)]


def _write(rows: Rows, number: int) -> None:
    from coolrunner.cli.results_export import handles_of
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.streams import write_text
    from coolrunner.reporting.text import pairs
    from coolrunner.results.showing.details import Details

    row = Details(rows, number, handles_of(rows)[number], lambda _: None)
    given = {str(key): value for key, value in row.parameters.items() if key != "Name"}
    came = {str(key): value for key, value in row.results.items()}
    error = row.info.get("ERROR")
    parts = [
        row.handle,
        row.name,
        row.status,
        pairs(came, _WIDEST) if came else "",
        str(error) if error is not None else "",
        f"({pairs(given, _WIDEST)})" if given else "",
    ]
    write_text(sys.stdout, escaped("  ".join(part for part in parts if part)) + "\n")
