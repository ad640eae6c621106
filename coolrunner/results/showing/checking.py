"""What does not fit together in rows: keys of several types, keys that may be one, experiments told twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from coolrunner.results.annotations import MARKS, NOTE, TAGS
from coolrunner.results.cache.encoding import kind_of
from coolrunner.results.joining import NUMBER, RUN, STATUS
from coolrunner.results.parts import MISSING, Part
from coolrunner.results.rows import KeyInfo, KeyPath, Place, Rows
from coolrunner.runs.status import RunStatus

__all__ = ["Alike", "Example", "Mixed", "Twice", "alike_keys", "lost_runs", "mixed_keys", "twice"]

_COMPUTED = frozenset((STATUS, RUN, NUMBER, MARKS, TAGS, NOTE))
_SEPARATORS = re.compile(r"[\s_./-]+")
_WORDS = re.compile(r"[A-Za-z]+|[0-9]+")
_SHORTEST = 4  # letters of a name of which one may be a slip
_MOST = 500  # pairs of keys, or experiments, that are looked at closely
_NUMBERS = frozenset(("int", "float"))


@dataclass(slots=True)
class Example:
    """How often something is so, and where for the first time."""

    count: int
    value: Any
    place: Place


@dataclass(slots=True)
class Mixed:
    """A key under which values of several types stand, by what these are called."""

    name: str
    kinds: dict[str, Example] = field(default_factory=dict)


@dataclass(slots=True)
class Alike:
    """Keys whose names are nearly the same, and which no row has together."""

    names: tuple[str, str]
    examples: tuple[Example, Example]


@dataclass(slots=True)
class Twice:
    """An experiment that stands in logs more than once; `same` where it is the same each time."""

    id: str
    places: list[Place]
    same: bool


def mixed_keys(rows: Rows) -> list[Mixed]:
    """Return the keys whose values are of several types; whole numbers and others are of one."""
    inner = {key.path[:length] for key in rows.keys for length in range(1, len(key.path))}
    asked = []
    for key in rows.keys:
        kinds = {"number" if kind in _NUMBERS else kind for kind in key.kinds} - {"none"}
        kinds |= {"map"} if key.path in inner else set()
        if len(kinds) > 1 and key.path not in _COMPUTED:
            asked.append(key)
    found = []
    for key, values in zip(asked, rows.columns([key.path for key in asked]), strict=True):
        mixed = Mixed(key.name)
        for number, value in enumerate(values):
            if value is MISSING or value is None:
                continue
            kind = kind_of(type(value))
            example = mixed.kinds.get(kind)
            if example is None:
                mixed.kinds[kind] = Example(1, value, rows.place(number))
            else:
                example.count += 1
        if len(mixed.kinds) > 1:
            found.append(mixed)
    return found


# --- keys that may be one ---


def alike_keys(rows: Rows) -> list[Alike]:
    """Return the pairs of keys that may be one, by their names, and that never stand in one row."""
    keys = [key for key in rows.keys if key.path not in _COMPUTED]
    pairs = list(dict.fromkeys(_pairs(keys)))[:_MOST]
    paths: dict[KeyPath, list[bool]] = {}
    wanted = list(dict.fromkeys(path for pair in pairs for path in pair))
    for path, values in zip(wanted, rows.columns(wanted), strict=True):
        paths[path] = [value is not MISSING for value in values]
    names = {key.path: key.name for key in keys}
    found = []
    for one, other in pairs:
        if not any(map(_both, paths[one], paths[other])):
            examples = _example(rows, one, paths[one]), _example(rows, other, paths[other])
            found.append(Alike((names[one], names[other]), examples))
    return found


def _both(one: bool, other: bool) -> bool:
    return one and other


def _example(rows: Rows, path: KeyPath, has: Sequence[bool]) -> Example:
    number = has.index(True)
    return Example(sum(has), rows.take([number]).column(path)[0], rows.place(number))


def _pairs(keys: Sequence[KeyInfo]) -> Iterator[tuple[KeyPath, KeyPath]]:
    """Yield the pairs of keys of one role whose names differ by no more than a slip."""
    groups: dict[tuple[Any, str], list[KeyInfo]] = {}
    for key in keys:
        for form in _forms(key.name):
            groups.setdefault((key.role, form), []).append(key)
    for group in groups.values():
        for one, other in combinations(group, 2):
            if one.path != other.path and _is_slip(one.name, other.name):
                yield one.path, other.path


def _forms(name: str) -> Iterator[str]:
    """Yield forms of a name, of which names that may be one have at least one in common."""
    plain = _SEPARATORS.sub("", name).lower()
    yield plain
    if len(plain) >= _SHORTEST:
        yield f"-{plain}"
        yield from {f"-{plain[:place]}{plain[place + 1 :]}" for place in range(len(plain))}


def _is_slip(one: str, other: str) -> bool:
    """Whether names that have a form in common may be meant for one."""
    if _SEPARATORS.sub("", one).lower() == _SEPARATORS.sub("", other).lower():
        return True
    words, others = _WORDS.findall(one.lower()), _WORDS.findall(other.lower())
    if len(words) != len(others):
        return False
    differing = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    # Counted names, and such as x and y, are meant to differ.
    return len(differing) == 1 and all(word.isalpha() and len(word) >= _SHORTEST for word in differing[0])


# --- experiments and runs ---


def twice(rows: Rows) -> list[Twice]:
    """Return the experiments that stand in logs more than once."""
    found: dict[str, list[int]] = {}
    for number, (part, identity) in enumerate(zip(rows.parts(), rows.column(("ID",)), strict=True)):
        if part.kind == "log" and isinstance(identity, str):
            found.setdefault(identity, []).append(number)
    repeated = {identity: numbers for identity, numbers in found.items() if len(numbers) > 1}
    return [
        Twice(identity, list(rows.take(numbers).places()), place < _MOST and _are_same(rows.take(numbers)))
        for place, (identity, numbers) in enumerate(repeated.items())
    ]


def _are_same(rows: Rows) -> bool:
    plain = [{key: value[key] for key in value if (key,) not in _COMPUTED} for value in rows.values()]
    return all(repr(value) == repr(plain[0]) for value in plain)


def lost_runs(rows: Rows) -> list[Part]:
    """Return the runs that say that they run, while their process is gone."""
    column = rows.column(STATUS)
    if RunStatus.LOST.value not in column:
        return []
    return [part for part, status in zip(rows.parts(), column, strict=True) if status == RunStatus.LOST.value]
