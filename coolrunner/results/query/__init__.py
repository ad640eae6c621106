"""The little language of questions: ``ACC > 0.9 and model in ['vgg', 'wrn']``.

A question is about one experiment. It is written like Python, and is not Python: only what stands here
exists, so that a text from anywhere can do no harm. Loosest first::

    any     = all ("or" all)*
    all     = term ("and" term)*
    term    = "not" term | sum (compare sum)*          0.5 < ACC <= 0.9
            | sum ("~" | "!~") 'pattern'               Name ~ '^res.*50', some part fits, or none
    compare = "==" "!=" "<" "<=" ">" ">=" "in" "not in", and "is" "is not" before None
    sum     = values joined with + - * / // % **, brackets and signs as usual
    value   = key ("." key | "[" 'key' or index "]")*  ACC, optimizer.lr, layers[-1]
            | "exp"                                    all the keys: 'ACC' in exp, exp['odd key']
            | number | 'text' | True False None        as in YAML too: true false null nan inf
            | "[" sum, ... "]"                         (a, b) and {a, b} are lists as well
            | function "(" sum, ... ")"                abs float int len max min round str sum,
            | value "." function "(" sum, ... ")"      and of texts: endswith lower startswith upper
            | "has" "(" key ")"                        whether it is there and not null
            | "now" "(" ")" | "date" "(" sum ")"       date('2026-11-21T14:30'), date(STARTED)
            | ("ago" | "duration") "(" 'duration' ")"  '90s' '30m' '3h' '2d' '1w' '1h30m'; in seconds

*Missing.* A key that an experiment lacks, or that is null, is missing. Every comparison with it is
false, and so is the key alone, so that ``not``, ``and`` and ``or`` keep their sense; arithmetic and
functions of it are missing again. Only ``ACC == None``, ``ACC != None`` and ``has(ACC)`` ask whether it
is missing; ``'ACC' in exp`` is true of a null as well.

*Keys.* ``optimizer.lr`` is the nested key, and where there is none the flat key ``optimizer.lr``;
``exp['a.b']`` is the flat key alone.

*Types.* Comparing the order of a text and a number is an error, and so is looking for a pattern in what
is no text. Where one side is a date or a time, a text at the other is read as one, in ISO 8601. One
without a zone is in the zone of this machine; a date is its first moment. ``now()`` is the same throughout a
question.

*Patterns* are regular expressions without references back and looking around
(`coolrunner.results.query.patterns`), looked for anywhere in the text; ``^`` and ``$`` are its ends. A
backslash in their quotes is their own. They cannot hang.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.results.query.keys import KeyPath, item, key_path, lookup, name_of, spellings
from coolrunner.results.query.meaning import InColumns, InExperiments, Run, compile_tree, keys_of
from coolrunner.results.query.order import order_key, ordered
from coolrunner.results.query.syntax import parse
from coolrunner.results.query.times import now
from coolrunner.results.query.tree import Node

__all__ = [
    "KeyPath",
    "Query",
    "item",
    "key_path",
    "lookup",
    "name_of",
    "order_key",
    "ordered",
    "parse_query",
    "spellings",
]


@dataclass(frozen=True, slots=True)
class Query:
    """A question that was understood.

    Attributes
    ----------
    text
        As it was written.
    paths
        The keys that it looks at, step by step, in the order in which they stand; the first part of those
        that lead into lists. An experiment with no other keys has the same answer.
    whole
        Whether it looks at the experiment as a whole, such as ``len(exp)``, so that all keys are needed.
    evaluate
        Gives the answer for an experiment, a nested dict; None where it is missing.
    """

    text: str
    paths: tuple[KeyPath, ...]
    whole: bool
    evaluate: Run
    _tree: Node = field(repr=False, compare=False)

    def over(self, columns: Sequence[KeyPath]) -> Callable[[Sequence[Any]], Any]:
        """Return a function that answers the question for a row of a table.

        Parameters
        ----------
        columns
            The paths of the columns; all of `paths` are among them. In a row, `MISSING` or None stands
            where an experiment has no value.

        Raises
        ------
        ValueError
            The question looks at experiments as a whole, or at a key that is not among the columns.
        """
        if lacking := set(self.paths).difference(columns):
            raise ValueError(f"no column {', '.join(sorted(map(name_of, lacking)))}")
        return compile_tree(self._tree, InColumns(columns))


def parse_query(text: str, label: str = "expression", at: datetime.datetime | None = None) -> Query:
    """Compile a question.

    Parameters
    ----------
    text
        The question.
    label
        What it is called in errors, such as ``--filter``.
    at
        What ``now()`` is, with a zone; the present without it. Questions that belong together get the same.

    Raises
    ------
    QueryError
        It is not in the grammar; a caret shows the place.
    """
    text = text.strip()
    tree = parse(text, label, at or now())
    paths, whole = keys_of(tree)
    return Query(text, tuple(paths), whole, compile_tree(tree, InExperiments()), tree)
