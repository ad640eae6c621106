"""``Command``: the program that an experiment runs in place of a Module, read and filled.

A command is words. A string is split into them as a POSIX shell would split it, and only then are the
values filled in, so that a value is never more or less than a part of one word, whatever it holds. No shell
sees it, and where a command is a shell's own script no value may become a part of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coolrunner.definition.placeholders import (
    BRACES,
    GIVEN,
    CommandMistake,
    Placeholder,
    Word,
    as_argument,
    find_value,
    read_word,
)
from coolrunner.definition.problems import shown
from coolrunner.errors import nearest

__all__ = [
    "Command",
    "CommandMistake",
    "Commands",
    "Filled",
    "is_script",
    "parse_command",
]

_PARTS = ("run", "result", "directory", "environment")
_OPERATORS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>>", "2>&1", "&>"})
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "ash"})
_SCRIPT_OPTION = re.compile(r"-[A-Za-z]*c[A-Za-z]*\Z")


@dataclass(frozen=True, slots=True)
class Filled:
    """A command that can be run: its words, and, where they are said, its file, directory and variables."""

    words: list[str]
    result: str | None = None
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is written.

    Attributes
    ----------
    words
        The program and its arguments.
    result
        The file that it writes results to by itself; None for none.
    directory
        Where it runs; None for the directory of the study.
    environment
        Variables that are its own.
    """

    words: tuple[Word, ...]
    result: Word | None = None
    directory: Word | None = None
    environment: Mapping[str, Word] = field(default_factory=dict)

    def placeholders(self) -> Iterator[Placeholder]:
        """Yield everything that is to be filled in."""
        for word in (*self.words, self.result, self.directory, *self.environment.values()):
            if word is not None:
                yield from word.placeholders()

    def fill(self, values: Mapping[str, Any], given: Mapping[str, str]) -> Filled:
        """Return the command of one experiment.

        Parameters
        ----------
        values
            Its parameters.
        given
            What stands for the names of `GIVEN`, as far as there is something.

        Raises
        ------
        CommandMistake
            There is no such value, or it has no form as an argument.
        """

        def filled(word: Word | None) -> str | None:
            return None if word is None else word.fill(values, given)

        return Filled(
            [word.fill(values, given) for word in self.words],
            filled(self.result),
            filled(self.directory),
            {name: word.fill(values, given) for name, word in self.environment.items()},
        )


# --- reading ---------------------------------------------------------------------------------------


def parse_command(value: Any) -> Command:
    """Read the value of ``Command``: a string, a list of words, or a mapping of these and more.

    Raises
    ------
    CommandMistake
        It is none of them; or a brace, a quote or a shell's sign is out of place.
    """
    if not isinstance(value, dict):
        return Command(_words(value, ()))
    for key in value:
        if key not in _PARTS:
            close = nearest(str(key), _PARTS)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(_PARTS)}"
            if len(value) == 1 and value[key] is None:
                hint = f'YAML takes {{{key}}} for a mapping; write Command: "{{{key}}} ..."'
            raise CommandMistake(f"Command has no part {key!r}", hint, (key,))
    if value.get("run") is None:
        raise CommandMistake("Command has no run", "write run: and the program with its arguments")
    variables = value.get("environment")
    if not (variables is None or isinstance(variables, dict)):
        message = f"environment is {shown(variables)}; a mapping was expected"
        raise CommandMistake(message, "NAME: value", ("environment",))
    return Command(
        _words(value["run"], ("run",)),
        _optional(value, "result"),
        _optional(value, "directory"),
        {
            str(name): read_word(_text(item, ("environment", name)), ("environment", name))
            for name, item in (variables or {}).items()
        },
    )


def _optional(value: Mapping[str, Any], name: str) -> Word | None:
    given = value.get(name)
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip():
        raise CommandMistake(f"{name} is {shown(given)}; a path was expected", "", (name,))
    return read_word(given, (name,))


def _words(value: Any, part: tuple[Any, ...]) -> tuple[Word, ...]:
    if isinstance(value, str):
        words = tuple(read_word(text, part) for text in _split(value, part))
    elif isinstance(value, list):
        words = tuple(
            read_word(_text(item, (*part, place)), (*part, place)) for place, item in enumerate(value)
        )
    else:
        message = f"Command is {shown(value)}; a text or a list of words was expected"
        raise CommandMistake(message, "such as: Command: train.py --lr {lr}", part)
    if not words or words[0].literal == "":
        raise CommandMistake("Command names no program", "", part)
    _refuse_scripts(words)
    return words


def _split(text: str, part: tuple[Any, ...]) -> list[str]:
    import shlex  # here, as shutil below: a study of Modules needs none of them

    try:
        words = shlex.split(text)
    except ValueError as error:
        what = "a quote is not closed" if "quotation" in str(error) else "it ends with a lone backslash"
        raise CommandMistake(f"Command cannot be split into words: {what}", "", part) from None
    for word in words:
        if word in _OPERATORS:
            hint = (
                "no shell reads a Command; for one write [bash, -c, '...'], and for the sign itself "
                "write the Command as a list"
            )
            raise CommandMistake(f"{word!r} means something to a shell only", hint, part, word)
    return words


def _text(item: Any, part: tuple[Any, ...]) -> str:
    if isinstance(item, dict) and len(item) == 1 and next(iter(item.values())) is None:
        name = next(iter(item))
        hint = f'put quotes around it: "{{{name}}}"'
        raise CommandMistake(f"YAML takes {{{name}}} for a mapping", hint, part)
    if isinstance(item, (dict, list)) or item is None:
        raise CommandMistake(f"this is {shown(item)}; a word was expected", "", part)
    return as_argument(item)


def _refuse_scripts(words: tuple[Word, ...]) -> None:
    """Refuse a value in the text that a shell is given to run: there it could be anything."""
    literals = [word.literal for word in words]
    shells = [i for i, text in enumerate(literals) if text and text.rpartition("/")[2] in _SHELLS]
    for shell in shells:
        for place in range(shell + 1, len(words) - 1):
            option = literals[place]
            if option is None or not option.startswith("-"):
                break
            if _SCRIPT_OPTION.match(option):
                for placeholder in words[place + 1].placeholders():
                    name = placeholder.name
                    hint = (
                        "give it to the script as an argument: "
                        f"""[{literals[shell]}, {option}, 'train --x "$1"', _, "{{{name}}}"], """
                        "or as a variable, with the environment of the Command"
                    )
                    message = f"the value of {{{name}}} would become a part of a shell's script"
                    raise CommandMistake(message, hint, placeholder.part, f"{{{name}}}")
                break


# --- looking at one before it runs -----------------------------------------------------------------


class Commands:
    """Looks at the commands of a study, at each text once.

    Parameters
    ----------
    has_run
        Whether experiments have run directories.
    is_here
        Whether they run on this machine, so that their programs have to be there.
    """

    def __init__(self, *, has_run: bool = True, is_here: bool = True) -> None:
        self._has_run = has_run
        self._is_here = is_here
        self._known: dict[str, tuple[Command | None, CommandMistake | None]] = {}

    def mistake(self, value: Any) -> CommandMistake | None:
        """Return what is wrong with a command whatever its experiment; None for nothing."""
        return self._read(value)[1]

    def missing(self, value: Any, values: Mapping[str, Any]) -> Iterator[CommandMistake]:
        """Yield the placeholders for which an experiment has no value.

        Parameters
        ----------
        value
            The command.
        values
            The resolved parameters; ``solve`` values are texts, and what is in them is not known yet.
        """
        command = self._read(value)[0]
        for placeholder in command.placeholders() if command is not None else ():
            name = placeholder.name
            if name in values or (name in GIVEN and (self._has_run or name != "RUN")):
                continue
            text = f"{{{name}}}"
            if name == "RUN":
                message, hint = (
                    f"there is no run directory to stand for {text}",
                    "Global.root is null: remove it",
                )
                yield CommandMistake(message, hint, placeholder.part, text)
                continue
            try:
                find_value(name, values)
            except LookupError as missing:
                hint = _meant(name, *missing.args)
                yield CommandMistake(f"there is no value for {text}", hint, placeholder.part, text)
            except CommandMistake:
                continue

    def _read(self, value: Any) -> tuple[Command | None, CommandMistake | None]:
        key = repr(value)
        if key not in self._known:
            try:
                command = parse_command(value)
                self._known[key] = command, self._without_program(command)
            except CommandMistake as mistake:
                self._known[key] = None, mistake
        return self._known[key]

    def _without_program(self, command: Command) -> CommandMistake | None:
        message = _no_program(command) if self._is_here else ""
        return CommandMistake(message, _HOW_FOUND) if message else None


_HOW_FOUND = "it is looked for in PATH, or, with a / in it, from where the command was started"


def _meant(name: str, keys: list[str], rest: str) -> str:
    """Return a hint at what was meant by a name, of which `rest` is not among these keys."""
    close = nearest(rest, [*keys, *(GIVEN if rest == name else ())])
    return f"did you mean {{{name[: len(name) - len(rest)]}{close}}}?" if close else BRACES


def _no_program(command: Command) -> str:
    """Say that this machine has no such program; empty where it has, or where that is not known yet."""
    import shutil

    program = command.words[0].literal
    if program is None or shutil.which(program) or is_script(program):
        return ""
    if "/" not in program:
        return f"there is no program {program!r} on this machine"
    if command.directory is not None and not Path(program).is_absolute():
        return ""
    return (
        f"{program} may not be run: chmod +x {program}"
        if Path(program).is_file()
        else f"there is no {program}"
    )


def is_script(program: str) -> bool:
    """Whether this is a file of Python code that is no program by itself: our Python runs it."""
    import shutil

    return program.endswith(".py") and Path(program).is_file() and not shutil.which(program)
