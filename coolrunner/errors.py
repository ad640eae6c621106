"""The exceptions that Coolrunner raises, and how a mistake is shown to the person who made it.

::

    CoolrunnerError
    ├── UserError               something that the caller can mend; shown without a traceback
    │   ├── UsageError          the command line or the call is wrong (exit status 2)
    │   ├── DefinitionError     a definition is wrong: one or more `Problem`s (exit status 2)
    │   ├── YamlError           a text is not YAML, or not the YAML that is needed: one `Problem`
    │   ├── QueryError          a filter, sort or message expression is wrong or does not fit
    │   ├── LogError            a YamlLog cannot be written or read
    │   ├── QueueError          a queue cannot be read, written or worked on
    │   └── RunError            a run or its directory cannot be made, found, read or written
    │       ├── BadNameError    a name, a mark or a part of a path is refused (also a ValueError)
    │       ├── BadRootError    what was named is no root of runs (also a ValueError)
    │       ├── UnknownMarkError    no run carries that mark (also a KeyError)
    │       └── RunWriteError   the disk did not take what a run wrote (also an OSError)
    ├── ReadOnlyError           a Module changed one of its inputs (also an AttributeError)
    ├── SolveError              a ``solve`` value could not be resolved
    ├── CommandError            the program of an experiment went wrong
    ├── NotPlainError           a value has no plain form (YAML cannot hold it)
    ├── IllegalMove             a status was to change in a way that makes no sense
    ├── BackendError            the machinery that runs experiments broke down
    └── ListenerError           a listener (console, Slack) cannot start
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "BackendError",
    "BadNameError",
    "BadRootError",
    "CommandError",
    "CoolrunnerError",
    "DefinitionError",
    "IllegalMove",
    "ListenerError",
    "LogError",
    "NotPlainError",
    "Position",
    "Problem",
    "QueryError",
    "QueueError",
    "ReadOnlyError",
    "RunError",
    "RunWriteError",
    "SolveError",
    "UnknownMarkError",
    "UsageError",
    "UserError",
    "YamlError",
    "nearest",
]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: file name, line and column, both counted from 1, as editors count."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return ``file:line:column``, with as much of it as is known."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what is wrong, where, the line it stands in, and how to mend it.

    Parameters
    ----------
    message
        What is wrong and what was expected, in one sentence.
    position
        Where, if that is known.
    line
        The text of the line at `position`, without its end; shown with a caret below.
    hint
        How to mend it, or the nearest name; may be empty.
    """

    message: str
    position: Position | None = None
    line: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Return the problem as it is shown: place and message, the line with a caret, the hint."""
        place = f"{self.position}: " if self.position else ""
        parts = [f"{place}{self.message}"]
        if self.line.strip() and self.position:
            # Tabs would move the caret, and a line of 10,000 columns would bury the message.
            text = self.line.replace("\t", " ").rstrip()
            caret = max(self.position.column - 1, 0)
            start = caret - 60 if caret > 100 else 0
            shown = ("…" if start else "") + text[start : start + 140]
            parts.append(f"    {shown}")
            parts.append("    " + " " * (caret - start + (1 if start else 0)) + "^")
        parts += [f"    {line}" for line in self.hint.splitlines()]
        return "\n".join(parts)


class CoolrunnerError(Exception):
    """The root of all that Coolrunner raises on purpose."""


class UserError(CoolrunnerError):
    """A mistake that the caller can mend."""


class UsageError(UserError):
    """The command line, or a call from Python, is wrong."""


@dataclass(eq=False)
class DefinitionError(UserError):
    """A definition cannot be used; it holds everything that could be found wrong with it.

    Attributes
    ----------
    problems
        At least one `Problem`, in the order of the file.
    """

    problems: Sequence[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        """Return all the problems, a paragraph each."""
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(eq=False)
class YamlError(UserError):
    """A text is not YAML, or holds what Coolrunner does not take (a key given twice)."""

    problem: Problem

    def __str__(self) -> str:
        """Return the problem as it is shown."""
        return str(self.problem)


class QueryError(UserError):
    """A filter, sort or message expression is wrong, or failed on an experiment."""


class LogError(UserError):
    """A YamlLog cannot be written or read."""


class QueueError(UserError):
    """A queue cannot be read, written or worked on."""


class RunError(UserError):
    """A run, or its directory, cannot be made, found, read or written."""


class BadNameError(RunError, ValueError):
    """A name, a mark or a part of a path cannot be one: it is empty, leads elsewhere, or is too long."""


class BadRootError(RunError, ValueError):
    """What was named is no root of runs, or cannot be one."""


class UnknownMarkError(RunError, KeyError):
    """No run carries that mark."""

    __str__ = Exception.__str__  # a KeyError shows its message as code


class RunWriteError(RunError, OSError):
    """The disk did not take what a run wrote; what was written before stays readable."""


class ReadOnlyError(CoolrunnerError, AttributeError, TypeError):
    """A Module changed one of its inputs; the message names the key."""


class SolveError(CoolrunnerError):
    """A ``solve`` value could not be resolved in the process that runs the experiment."""


class CommandError(CoolrunnerError):
    """The program of an experiment could not be started, or went wrong.

    Parameters
    ----------
    message
        What happened; below its first line the last that the program said.
    kind
        As that of `coolrunner.execution.base.Outcome`.
    """

    def __init__(self, message: str, kind: str = "exception") -> None:
        super().__init__(message)
        self.kind = kind


class NotPlainError(CoolrunnerError, TypeError):
    """A value cannot be written as plain YAML data."""


class IllegalMove(CoolrunnerError):
    """A status was to change in a way that the life of an experiment does not know."""


class BackendError(CoolrunnerError):
    """The machinery that runs experiments broke down."""


class ListenerError(CoolrunnerError):
    """A listener to events cannot start; the study does not begin (exit status 2)."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that `name` was most likely meant to be, or an empty string.

    Parameters
    ----------
    name
        What a person wrote.
    candidates
        The names that would have been right.
    """
    import difflib  # only where something is misspelt

    pool = list(candidates)
    lowered = {candidate.lower(): candidate for candidate in pool}
    if name.lower() in lowered:
        return lowered[name.lower()]
    close = difflib.get_close_matches(name, pool, n=1, cutoff=0.6)
    return close[0] if close else ""
