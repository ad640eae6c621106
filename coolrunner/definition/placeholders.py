"""The words of a ``Command``: texts with ``{placeholders}``, and the form in which a program gets a value.

A placeholder names a key of its experiment, ``{lr}``, or a nested one, ``{optimizer.lr}``, ``{sizes[0]}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coolrunner.definition.problems import shown
from coolrunner.definition.templates import SOLVE_MARK
from coolrunner.errors import CoolrunnerError, NotPlainError
from coolrunner.yamlio import to_plain

__all__ = [
    "BRACES",
    "GIVEN",
    "CommandMistake",
    "Placeholder",
    "Word",
    "as_argument",
    "find_value",
    "read_word",
]

#: What a command may name beside the keys of its experiment: the run directory and the ``ID``, the file
#: for its results, and the file that holds all parameters.
GIVEN = ("RUN", "ID", "RESULT", "PARAMS")

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[-?\d+\])*\Z")
_STEP = re.compile(r"[^.\[\]]+|\[-?\d+\]")
#: How a brace itself is written.
BRACES = "{{ and }} stand for the braces themselves"


class CommandMistake(CoolrunnerError):
    """A ``Command`` is not written correctly, or a value has no form as an argument.

    Parameters
    ----------
    message
        What is wrong.
    hint
        How to mend it.
    part
        Where in the key's value: keys and places in lists.
    text
        What the caret is to point at in that text; empty for its beginning.
    """

    def __init__(self, message: str, hint: str = "", part: tuple[Any, ...] = (), text: str = "") -> None:
        super().__init__(message)
        self.hint, self.part, self.text = hint, part, text

    def skip(self, value: Any) -> int:
        """Return how far into the text at its part of the command's value it is."""
        for step in self.part:
            value = value[step]
        return max(value.find(self.text), 0) if self.text and isinstance(value, str) else 0


class Placeholder(NamedTuple):
    """``{optimizer.lr}``: its name, and where in the command's value it stands."""

    name: str
    part: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A text with values to be filled in.

    Attributes
    ----------
    pieces
        Texts and placeholders, in turn.
    """

    pieces: tuple[str | Placeholder, ...]

    @property
    def literal(self) -> str | None:
        """The text of a word without placeholders; None for one with some."""
        return None if any(self.placeholders()) else "".join(map(str, self.pieces))

    def placeholders(self) -> Iterator[Placeholder]:
        """Yield what is to be filled in."""
        return (piece for piece in self.pieces if isinstance(piece, Placeholder))

    def fill(self, values: Mapping[str, Any], given: Mapping[str, str]) -> str:
        """Return the text with values in it.

        Raises
        ------
        CommandMistake
            There is no such value, or it has no form as an argument.
        """
        return "".join(
            piece if isinstance(piece, str) else _argument_of(piece, values, given) for piece in self.pieces
        )


def read_word(text: str, part: tuple[Any, ...]) -> Word:
    """Read a word.

    Parameters
    ----------
    text
        As it is written.
    part
        Where that stands in the command's value.

    Raises
    ------
    CommandMistake
        A brace is out of place, or there is no name in it.
    """
    pieces: list[str | Placeholder] = []
    end = 0
    for match in _PIECE.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        found = match[0]
        if found in ("{{", "}}"):
            pieces.append(found[0])
        elif match[1] is None:
            raise CommandMistake(f"a single {found!r}", BRACES, part, found)
        elif not _PATH.match(match[1]):
            hint = f"write the name of a key, such as {{lr}} or {{optimizer.lr}}; {BRACES}"
            raise CommandMistake(f"{found} names no key", hint, part, found)
        else:
            pieces.append(Placeholder(match[1], part))
    pieces.append(text[end:])
    return Word(tuple(piece for piece in pieces if piece != ""))


def as_argument(value: Any) -> str:
    """Return a value as programs of any language read it: ``0.001``, ``true``, ``null``, ``[1, 2]``.

    Raises
    ------
    CommandMistake
        It is an object that has no such form, or a text that no program can be given.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise CommandMistake(f"{shown(value)} holds a null character, which ends an argument")
        return str(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return (int if isinstance(value, int) else float).__repr__(value)
    import json  # here: few values need it

    try:
        plain = to_plain(value)
    except NotPlainError as error:
        raise CommandMistake(f"{error}, and has no form as an argument") from None
    if isinstance(plain, (list, dict)):
        return json.dumps(plain, ensure_ascii=False, default=str)
    if isinstance(plain, (str, bool, int, float)):  # what numpy has of its own for them, a path
        return as_argument(plain)
    if isinstance(plain, bytes):
        raise CommandMistake("bytes have no form as an argument")
    return str(plain)  # a date


def _argument_of(piece: Placeholder, values: Mapping[str, Any], given: Mapping[str, str]) -> str:
    name = piece.name
    if name not in values and name in given:
        return given[name]
    try:
        value = values[name] if name in values else find_value(name, values)
    except LookupError:
        raise CommandMistake(f"there is no value for {{{name}}}") from None
    try:
        return as_argument(value)
    except CommandMistake as mistake:
        raise CommandMistake(f"{{{name}}}: {mistake}") from None


def find_value(name: str, values: Mapping[str, Any]) -> Any:
    """Return a nested value.

    Raises
    ------
    LookupError
        It is not there; its arguments are the keys that are, and the rest of the name from there on.
    CommandMistake
        It is a part of a value that is not known yet.
    """
    value: Any = values
    for match in _STEP.finditer(name):
        step, rest = match[0], name[match.start() :]
        if isinstance(value, str) and value.startswith(SOLVE_MARK):
            raise CommandMistake(f"{{{name}}} is a part of a 'solve' value")
        if step.startswith("["):
            place = int(step[1:-1])
            if not isinstance(value, list) or not -len(value) <= place < len(value):
                raise LookupError([], rest)
            value = value[place]
        elif not isinstance(value, Mapping):
            raise LookupError([], rest)
        elif step in value:
            value = value[step]
        else:
            number = int(step) if step.isdigit() else None
            if number not in value:
                raise LookupError([str(key) for key in value], rest)
            value = value[number]
    return value
