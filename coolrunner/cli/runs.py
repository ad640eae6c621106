"""``coolrunner runs``: look at run directories, whichever way the runs were started."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from coolrunner.cli.verbs import described, parse_verb

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "VERBS", "configure", "execute", "parse"]

HELP = "look at runs: what they were given, how they stand, what they wrote"

#: What can be done, in the order of the help: the module of each, and what it does.
VERBS = {
    "ls": ("runs_list", "list runs, the newest last"),
    "show": ("runs_show", "show what a run was given, how it stands and what it holds"),
    "logs": ("runs_logs", "print the output of a run, also while it goes on (-f)"),
    "restore": ("runs_again", "write the code and the parameters of a run into a directory"),
    "rerun": ("runs_again", "run the same again, with the code of now or with the stored one"),
    "prune": ("runs_prune", "remove runs that were tried out, or failed"),
}
#: What the verbs are called elsewhere.
_ELSEWHERE = {
    **dict.fromkeys(("list", "l", "ps", "status"), "ls"),
    **dict.fromkeys(("log", "tail", "output"), "logs"),
    **dict.fromkeys(("cat", "info", "inspect", "describe"), "show"),
    **dict.fromkeys(("clean", "gc", "rm", "remove", "purge"), "prune"),
    **dict.fromkeys(("repeat", "again", "restart"), "rerun"),
    **dict.fromkeys(("checkout", "code"), "restore"),
}

DESCRIPTION = described("Look at runs, whichever way they were started.", VERBS)

EPILOG = """\
'coolrunner runs VERB --help' says more. Runs are called by their number, by the name of their
directory or its beginning, or by a path. They are looked for under the working directory, or
under --root. See also: coolrunner mark, unmark, delete

exit status: 0 all is well, 2 the call is wrong, or there is no such run"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.usage = "coolrunner runs VERB [RUN] ... [--root DIR] [--json]"


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of one verb.

    Raises
    ------
    UsageError
        There is no such verb.
    """
    return parse_verb(parser, arguments, VERBS, _ELSEWHERE, _add_common)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", metavar="DIR", help="where the runs are, such as results or exman")


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    return int(options.execute(options))
