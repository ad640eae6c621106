"""``python main.py mark KEY ID...``: marks and deletes runs through the script that made them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from coolrunner.errors import CoolrunnerError
from coolrunner.runs.root import Root

__all__ = ["COMMANDS", "is_command", "run_command"]

#: The words that begin such a command line.
COMMANDS = ("mark", "unmark", "delete")


def is_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> bool:
    """Whether a command line is one of these commands and not one of the script's own.

    Parameters
    ----------
    parser
        The script's. Where it has positional arguments, only what is a whole command is taken from it, and
        nothing where one of them knows the word itself.
    words
        The command line.
    """
    if not words or words[0] not in COMMANDS:
        return False
    positionals = parser._get_positional_actions()
    if any(action.choices is not None and words[0] in action.choices for action in positionals):
        return False
    return not positionals or _is_whole(words)


def _is_whole(words: Sequence[str]) -> bool:
    command, rest = words[0], [word for word in words[1:] if word != "--all"]
    ids = rest if command == "delete" else rest[1:]
    return bool(ids) and all(word.isdecimal() for word in ids)


def run_command(root: Root, program: str, words: Sequence[str]) -> int:
    """Do what a command line says; return the exit status.

    Parameters
    ----------
    root
        Where the runs are.
    program
        What the script is called, for the usage.
    words
        The command line, whose first word is one of `COMMANDS`.
    """
    options = _parser(f"{program} {words[0]}", words[0]).parse_args(words[1:])
    try:
        if words[0] == "mark":
            missing = root.mark(options.runs, options.key)
        elif words[0] == "unmark":
            missing = root.unmark(options.runs, options.key)
        else:
            missing = root.delete(options.runs, everything=options.all)
    except CoolrunnerError as error:
        sys.stderr.write(f"{program} {words[0]}: error: {error}\n")
        return 2
    if missing:
        ids = ", ".join(str(key) for key in dict.fromkeys(missing))
        sys.stderr.write(f"warning: runs {{{ids}}} were not found\n")
    return 0


def _parser(program: str, command: str) -> argparse.ArgumentParser:
    about = {
        "mark": "Mark runs, to find them by Index(root).info(KEY) later on.",
        "unmark": "Take a mark from runs.",
        "delete": "Take runs out of the index and from all marks.",
    }
    parser = argparse.ArgumentParser(program, description=about[command])
    if command != "delete":
        parser.add_argument("key", metavar="KEY", help="the mark; '/' nests")
    else:
        parser.add_argument("--all", action="store_true", help="delete their directories too")
    parser.add_argument("runs", metavar="ID", nargs="+", type=int, help="numbers of runs")
    return parser
