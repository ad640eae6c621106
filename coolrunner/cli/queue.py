"""``coolrunner queue``: look at a queue and change it, also while runners work on it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from coolrunner.cli.verbs import add_json, described, parse_verb

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "VERBS", "configure", "execute", "parse"]

HELP = "look at a queue and change it, also while runners work on it"

#: What can be done, in the order of the help: the module of each, and what it does.
VERBS = {
    "ls": ("queue_look", "list the experiments, those that wait in order"),
    "show": ("queue_look", "show documents as they stand in the queue, and what became of them"),
    "status": ("queue_status", "show runners, their slots, what runs, what is left, what is wrong"),
    "explain": ("queue_status", "say why experiments are not running"),
    "add": ("queue_add", "add experiments: documents from files, or Key=value"),
    "edit": ("queue_edit", "edit the queue, or one experiment, in your editor"),
    "rm": ("queue_change", "remove experiments that wait"),
    "move": ("queue_change", "put experiments at another place"),
    "hold": ("queue_change", "keep experiments from being started"),
    "release": ("queue_change", "let held experiments be started again"),
    "prio": ("queue_change", "give experiments a priority, the highest is taken first"),
    "retry": ("queue_change", "let experiments that failed or were interrupted wait again"),
    "cancel": ("queue_change", "stop experiments that run"),
    "free": ("queue_change", "take experiments from a runner that has been silent"),
    "pause": ("queue_change", "start nothing more for now"),
    "resume": ("queue_change", "go on after a pause"),
}

#: What the verbs are called elsewhere.
_ELSEWHERE = {
    **dict.fromkeys(("list", "l"), "ls"),
    **dict.fromkeys(("remove", "delete", "del"), "rm"),
    **dict.fromkeys(("stop", "kill", "abort"), "cancel"),
    **dict.fromkeys(("mv", "top"), "move"),
    **dict.fromkeys(("priority", "nice"), "prio"),
    **dict.fromkeys(("put", "append", "submit"), "add"),
    **dict.fromkeys(("cat", "info"), "show"),
    "why": "explain",
    "unhold": "release",
    "rerun": "retry",
}

DESCRIPTION = described("Look at a queue and change it, also while runners work on it.", VERBS)

EPILOG = """\
'coolrunner queue VERB --help' says more. The queue file is the first argument behind the verb;
it may be left out where just one queue is in this directory. Experiments are called by their
ID, by its beginning, or by their Name, which means all that have it.

exit status: 0 all is well, 2 the call is wrong or the queue cannot be used"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of the command."""
    parser.usage = "coolrunner queue VERB [FILE] ... [--json]"


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments of one verb.

    Raises
    ------
    UsageError
        There is no such verb.
    """
    return parse_verb(parser, arguments, VERBS, _ELSEWHERE, _add_common)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", metavar="FILE", help="the queue file, where it is not the first argument")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    return int(options.execute(options))
