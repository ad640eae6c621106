"""Names that the runner knows, and what to say of those that nearly are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coolrunner.definition.documents import Definition
from coolrunner.definition.problems import Problems, shown
from coolrunner.errors import Problem
from coolrunner.experiment import own_names

__all__ = ["GIVEN_NAMES", "LATER_KEYS", "RUNNER_KEYS", "check_names", "meant_key", "one_letter_away"]

#: Parameters of an experiment that are the runner's.
RUNNER_KEYS = (
    "Name",
    "Module",
    "Run",
    "Command",
    "Repeat",
    "YamlLog",
    "Timeout",
    "After",
    "Hold",
    "Priority",
    "Resources",
    "Retries",
    "Sweep",
)
#: Kept for the runner, which cannot do them yet: a Module would silently not get what they promise.
LATER_KEYS: tuple[str, ...] = ()
#: What the runner writes itself.
GIVEN_NAMES = (
    *("REP", "ID", "STUDY", "HOST", "RUN", "STARTED", "TIME_ELAPSED", "SOLVED"),
    *("FAILURE", "ERROR", "TRACEBACK"),
)

_SHORT = 5
# Names that a Module may well have for itself (name, module, run, priority) are left alone.
_LOWER_CASE = {
    key.lower(): key for key in ("Repeat", "YamlLog", "Timeout", "After", "Resources", "Retries", "Global")
}


def one_letter_away(name: str, known: str) -> bool:
    """Whether one letter added, left out, changed, or swapped with its neighbour makes them equal."""
    if name == known or abs(len(name) - len(known)) > 1:
        return False
    start = 0
    while start < min(len(name), len(known)) and name[start] == known[start]:
        start += 1
    rest, known_rest = name[start:], known[start:]
    return (
        rest[1:] == known_rest
        or rest == known_rest[1:]
        or rest[1:] == known_rest[1:]
        or (rest[1::-1] == known_rest[:2] and rest[2:] == known_rest[2:])
    )


def check_names(definition: Definition, problems: Problems) -> None:
    """Look at the top-level keys of every document."""
    checked: set[Any] = set()
    for number, mapping in enumerate((definition.default, *definition.experiments)):
        if number and "Global" in mapping:
            problems.add(
                definition.problem(number, ("Global",), "Global belongs in the first document", key=True)
            )
        for key in mapping:
            # A key that is fine once is fine in 100,000 documents.
            if key in checked:
                continue
            if _check_key(definition, number, key, problems):
                checked.add(key)
        _check_types(definition, number, mapping, problems)


def _check_key(definition: Definition, number: int, key: Any, problems: Problems) -> bool:
    def found(message: str, hint: str = "") -> Problem:
        return definition.problem(number, (key,), message, hint, key=True)

    def problem(message: str, hint: str = "") -> None:
        problems.add(found(message, hint))

    if not isinstance(key, str):
        quoted = "put quotes around it if it is meant as one"
        truth = " (YAML reads yes, no, on and off as true and false)" if isinstance(key, bool) else ""
        problem(f"the key {shown(key)} is not a name", quoted + truth)
    elif key == "Sweep" and number and definition.elsewhere is not None:
        problem("a document in a queue is one experiment, so that it has no Sweep", "remove it")
    elif key in RUNNER_KEYS or key == "RND_IDX":
        return True
    elif key in GIVEN_NAMES:
        problem(f"{key} is written by the runner and cannot be set", "remove it, or choose another name")
    elif key in LATER_KEYS:
        problem(f"{key} is kept for the runner, which does not support it yet", "remove it")
    elif key == "Global":
        return True
    elif meant := meant_key(key):
        nearly = found(f"{key} is no parameter of the runner; did you mean {meant}?")
        if len(meant) >= _SHORT:
            problems.add(nearly)
            return False
        problems.warn(nearly)  # Rum and Fun are words as well
        return True
    else:
        if key in _LOWER_CASE:
            message = f"{key} goes to the Module; the runner's own is {_LOWER_CASE[key]}"
            problems.warn(found(message))
        if key in own_names():
            reached = f"exp.{key} is something else in a Module; this key is reached as exp[{key!r}]"
            problems.warn(found(reached))
        return True
    return False


def meant_key(key: str) -> str:
    """Return the key of the runner that a misspelt one was meant to be; an empty string for none."""
    if not key[:1].isupper() or key.isupper():
        return ""
    return next((name for name in (*RUNNER_KEYS, "Global") if one_letter_away(key, name)), "")


def _check_types(definition: Definition, number: int, mapping: Mapping[Any, Any], problems: Problems) -> None:
    if "Repeat" in mapping:
        repeat = mapping["Repeat"]
        hint = ""
        if isinstance(repeat, str) and repeat.startswith("parse "):
            hint = "experiments are repeated before they are parsed, so Repeat cannot be an expression"
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 0:
            message = f"Repeat is {shown(repeat)}; a whole number of copies was expected"
            problems.add(definition.problem(number, ("Repeat",), message, hint))
