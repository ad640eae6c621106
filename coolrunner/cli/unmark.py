"""``coolrunner unmark``: takes marks from runs."""

from __future__ import annotations

import argparse

from coolrunner.cli.mark import add_runs, parse, warn_of_missing
from coolrunner.cli.runs_find import keys_by_root
from coolrunner.errors import UsageError

__all__ = ["HELP", "configure", "execute", "parse"]

HELP = "take a mark from runs: unmark KEY RUN..."


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.add_argument("mark", metavar="KEY", help="the mark, and those nested in it")
    add_runs(parser, "*")
    parser.add_argument("--all", action="store_true", help="from all runs that have it")


def execute(options: argparse.Namespace) -> int:
    """Take it from them; return the exit status."""
    if bool(options.runs) == options.all:
        raise UsageError("name the runs, or say --all for all that have the mark")
    for root, keys in keys_by_root(options.root, options.runs):
        warn_of_missing(root, root.unmark(None if options.all else keys, options.mark))
    return 0
