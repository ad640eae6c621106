"""The parts of a question, as the grammar finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.results.query.keys import KeyPath

if TYPE_CHECKING:
    from coolrunner.results.query.patterns import Pattern

__all__ = [
    "Calculation",
    "Call",
    "Comparison",
    "Constant",
    "Experiment",
    "Fits",
    "Key",
    "List",
    "Logic",
    "Node",
    "Not",
    "Present",
    "Sign",
    "is_none",
]


class Node(NamedTuple):
    """A part of a question: what it is, and from where to where it stands in the text."""

    what: Any
    start: int
    end: int


class Constant(NamedTuple):
    """A value that is the same for every experiment; None for null."""

    value: Any


class Key(NamedTuple):
    """A key of the experiment, step by step."""

    path: KeyPath


class Experiment:
    """``exp`` by itself: the experiment as a whole."""


class Present(NamedTuple):
    """``'key' in exp``: whether the experiment has a key, be it null."""

    key: Any


class List(NamedTuple):
    """Values in brackets."""

    items: list[Node]


class Logic(NamedTuple):
    """``and`` or ``or``."""

    word: str
    parts: list[Node]


class Not(NamedTuple):
    """``not``."""

    value: Node


class Comparison(NamedTuple):
    """Comparisons in a row, each with the value at its left: ``0.5 < ACC <= 0.9``."""

    first: Node
    tests: list[tuple[str, Node]]


class Fits(NamedTuple):
    """Whether a text has a part that fits a pattern."""

    value: Node
    pattern: Pattern
    negated: bool


class Calculation(NamedTuple):
    """Arithmetic with two values."""

    sign: str
    left: Node
    right: Node


class Sign(NamedTuple):
    """A plus or a minus before a value."""

    sign: str
    value: Node


class Call(NamedTuple):
    """A function of values."""

    name: str
    arguments: list[Node]


def is_none(node: Node) -> bool:
    """Whether a part of a question is ``None``."""
    return isinstance(node.what, Constant) and node.what.value is None
