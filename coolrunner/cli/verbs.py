"""Commands with verbs of their own (``coolrunner queue ls``): a verb is found, and its arguments are read."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["add_json", "described", "parse_verb", "print_json"]

#: For each verb the module that does it, and what it does.
Verbs = Mapping[str, tuple[str, str]]


def described(intro: str, verbs: Verbs) -> str:
    """Return the description of a command for its help."""
    return f"{intro}\n\n" + "\n".join(f"  {verb:<8} {what}" for verb, (_, what) in verbs.items())


def parse_verb(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    verbs: Verbs,
    elsewhere: Mapping[str, str],
    add_common: Callable[[argparse.ArgumentParser], None],
) -> argparse.Namespace:
    """Read the arguments of one verb.

    Parameters
    ----------
    parser
        The parser of the command.
    arguments
        What stands behind the command.
    verbs
        What can be done.
    elsewhere
        What the verbs are called in other programs.
    add_common
        Adds the options that all verbs have.

    Returns
    -------
    The options; `verb` is the verb, and `execute` does it.

    Raises
    ------
    UsageError
        There is no such verb.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        parser.print_help()
        raise SystemExit(0)
    verb = arguments[0]
    if verb not in verbs:
        raise _unknown(parser.prog, verb, arguments[1:], verbs, elsewhere)
    module_name, what = verbs[verb]
    module = importlib.import_module(f"coolrunner.cli.{module_name}")
    verb_parser = argparse.ArgumentParser(
        prog=f"{parser.prog} {verb}",
        description=f"{what[0].upper()}{what[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_common(verb_parser)
    module.configure(verb_parser, verb)
    verb_parser.add_argument("-v", "--verbose", action="store_true", help="errors with their traceback")
    options = verb_parser.parse_intermixed_args(list(arguments[1:]))
    options.verb, options.execute = verb, module.execute
    return options


def _unknown(
    command: str, verb: str, others: Sequence[str], verbs: Verbs, elsewhere: Mapping[str, str]
) -> Exception:
    from coolrunner.errors import UsageError, nearest

    if others and others[0] in verbs:
        return UsageError(f"the verb comes first: {command} {others[0]} {verb}")
    swapped = (known for known in verbs if sorted(known) == sorted(verb))
    close = elsewhere.get(verb) or next(swapped, "") or nearest(verb, verbs)
    hint = f"did you mean {close}?" if close else f"there are {', '.join(verbs)}"
    return UsageError(f"{command} has no verb {verb!r}; {hint}")


def add_json(parser: argparse.ArgumentParser, help: str = "print one JSON document") -> None:
    """Add the option by which other programs ask."""
    parser.add_argument("--json", action="store_true", help=help)


def print_json(data: Any) -> None:
    """Write one JSON document; on a terminal with indentation."""
    import json  # only where it is asked for

    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(data, allow_nan=False, indent=indent) + "\n")
