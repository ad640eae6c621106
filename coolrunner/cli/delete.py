"""``coolrunner delete``: takes runs out of the index, or removes them."""

from __future__ import annotations

import argparse

from coolrunner.cli.mark import add_runs, parse, warn_of_missing
from coolrunner.cli.runs_find import keys_by_root

__all__ = ["HELP", "configure", "execute", "parse"]

HELP = "take runs out of the index, with --all their directories as well"


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    add_runs(parser)
    parser.add_argument("--all", action="store_true", help="remove the directories as well")
    parser.add_argument("--force", action="store_true", help="also those that are still under way")


def execute(options: argparse.Namespace) -> int:
    """Remove them; return the exit status."""
    for root, keys in keys_by_root(options.root, options.runs):
        warn_of_missing(root, root.delete(keys, everything=options.all, force=options.force))
    return 0
