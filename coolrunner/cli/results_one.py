"""``coolrunner results``: which rows a person names, for the verbs about one or a few of them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.cli.results_find import add_source, read_rows
from coolrunner.cli.runs_read import warn
from coolrunner.results.handles import Handles
from coolrunner.results.showing.details import Details

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows

__all__ = ["NAMES", "add_ids", "details_of", "rows_with"]

#: How a person names a row, for the help.
NAMES = "its ID or the beginning of that, the number or path of its run, FILE:LINE, or its Name"


def add_ids(parser: argparse.ArgumentParser, nargs: str, help: str) -> None:
    """Add the arguments that name rows, and where these are looked for."""
    parser.add_argument("id", metavar="ID", nargs=nargs, help=help)
    add_source(parser, positional=False)


def rows_with(options: argparse.Namespace, ids: Sequence[str]) -> Rows:
    """Return the rows among which some are named; where a path is named, what is there is among them."""
    if not options.path:
        here = os.path.realpath(".")
        elsewhere = [path for path in map(_path_in, ids) if path]
        outside = [path for path in elsewhere if not f"{os.path.realpath(path)}/".startswith(f"{here}/")]
        options.path = [".", *outside] if len(outside) < len(ids) else outside
    return read_rows(options)


def _path_in(text: str) -> str:
    """Return the path that is named by a path, or by ``FILE:LINE``; empty where there is none."""
    file, _, line = text.rpartition(":")
    for path in (text, file if line.isdecimal() else ""):
        if path and os.sep in path and Path(path).exists():
            return path
    return ""


def details_of(rows: Rows, names: Handles, number: int) -> Details:
    """Return a row with all that belongs to it; what cannot be read is told on the standard error."""
    return Details(rows, number, names.called(number), warn)
