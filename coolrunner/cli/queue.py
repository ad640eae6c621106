"""``coolrunner queue``: look at a queue and change it, also while runners work on it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "VERBS", "configure", "execute", "parse"]

HELP = "look at a queue and change it, also while runners work on it"

#: What can be done, in the order of the help: the module of each, and what it does.
VERBS = {
    "ls": ("queue_look", "list the experiments, those that wait in order"),
    "show": ("queue_look", "show documents as they stand in the queue, and what became of them"),
    "status": ("queue_status", "show runners, what runs, how long the rest may take, what is wrong"),
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

DESCRIPTION = "Look at a queue and change it, also while runners work on it.\n\n" + "\n".join(
    f"  {verb:<8} {what}" for verb, (_, what) in VERBS.items()
)

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
    if not arguments or arguments[0] in ("-h", "--help"):
        parser.print_help()
        raise SystemExit(0)
    verb = arguments[0]
    if verb not in VERBS:
        raise _unknown(verb, arguments[1:])
    module_name, what = VERBS[verb]
    module = importlib.import_module(f"coolrunner.cli.{module_name}")
    verb_parser = argparse.ArgumentParser(
        prog=f"{parser.prog} {verb}",
        description=f"{what[0].upper()}{what[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = verb_parser.add_argument
    add("--queue", metavar="FILE", help="the queue file, where it is not the first argument")
    add("--json", action="store_true", help="print one JSON document")
    module.configure(verb_parser, verb)
    add("-v", "--verbose", action="store_true", help="errors with their traceback")
    options = verb_parser.parse_intermixed_args(list(arguments[1:]))
    options.verb, options.execute = verb, module.execute
    return options


def _unknown(verb: str, others: Sequence[str]) -> Exception:
    from coolrunner.errors import UsageError, nearest

    if others and others[0] in VERBS:
        return UsageError(f"the verb comes first: coolrunner queue {others[0]} {verb}")
    close = nearest(verb, VERBS)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(VERBS)}"
    return UsageError(f"coolrunner queue has no verb {verb!r}; {hint}")


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    if sys.stdout.isatty() and options.json:
        options.indent = 2
    else:
        options.indent = None
    return int(options.execute(options))
