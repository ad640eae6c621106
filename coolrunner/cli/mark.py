"""``coolrunner mark``: marks runs, to find them again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from coolrunner.cli.runs_find import keys_by_root
from coolrunner.runs.root import Root

__all__ = ["HELP", "add_runs", "configure", "execute", "parse", "warn_of_missing"]

HELP = "mark runs, to find them again: mark KEY RUN..."


def add_runs(parser: argparse.ArgumentParser, many: str = "+") -> None:
    """Describe how runs are named."""
    add = parser.add_argument
    add("runs", nargs=many, metavar="RUN", help="the number of a run, the beginning of its name, or a path")
    add("--root", metavar="DIR", help="where the runs are (default: the root around here, or below)")
    add("-v", "--verbose", action="store_true", help="errors with their traceback")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.add_argument("mark", metavar="KEY", help="the mark; / nests")
    add_runs(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments, whose options may stand anywhere."""
    return parser.parse_intermixed_args(arguments)


def execute(options: argparse.Namespace) -> int:
    """Mark them; return the exit status."""
    for root, keys in keys_by_root(options.root, options.runs):
        warn_of_missing(root, root.mark(keys, options.mark))
    return 0


def warn_of_missing(root: Root, missing: Iterable[object]) -> None:
    """Warn of what names no run; the others are dealt with."""
    from coolrunner.reporting.runs import escaped

    keys = list(dict.fromkeys(str(key) for key in missing))
    if not keys:
        return
    sys.stderr.write(escaped(f"warning: runs {{{', '.join(keys)}}} were not found") + "\n")
    for run in root.select(keys)[0]:  # there, but in no index
        what = "was only tried out" if run.is_tmp else "has failed"
        sys.stderr.write(escaped(f"{run.name} {what}, and cannot have a mark") + "\n")
