"""What a person calls one row by: the short id that tables show, and whatever else names only one.

==============================  ========================================================================
a row of a log                  its ``ID``, else ``file:line``
a run                           its number, else the name of its directory
a run of Hydra                  ``2021-01-26/17-07-39/0``, else the end of its path
a run of MLflow                 the beginning of its ID
anything else in directories    the end of its path
a line of a table               ``file:number``
==============================  ========================================================================

Where several rows have the same, it is made longer until only one has it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import count
from pathlib import PurePath
from typing import Any

from coolrunner.errors import UsageError, nearest
from coolrunner.results.rows import Place, Rows

__all__ = ["Handles", "find", "handles", "handles_among"]

_SHORT = 8  # of the 32 digits of an MLflow ID
_CANDIDATES = 5
_COMPARED = 2000
_OF_HYDRA = re.compile(r"\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d(?:/[^/]+)?\Z")
_AT = re.compile(r"(?P<file>.+):(?P<line>\d+)\Z", re.DOTALL)
_FILES = frozenset({"log", "csv", "jsonl"})


def handles(rows: Rows) -> list[str]:
    """Return the short id of each row, no two the same."""
    return Handles(rows).shown


def handles_among(rows: Rows, every: Rows) -> list[str]:
    """Return what some rows are called in a table of every row.

    Parameters
    ----------
    rows
        A few rows.
    every
        The rows that they were chosen from.
    """
    names = rows.column(("ID",))
    if all(part.kind == "log" for part in rows.parts()) and all(type(n) is str and n for n in names):
        # A row of a log is called by its ID, if it is the only one of a log that has it.
        there = every.having(("ID",), set(names))
        if there is not None and not any(name.isdecimal() for name in names):
            several = Counter(value for part, value in there if part.kind == "log")
            if all(several[name] == 1 for name in names):
                return names
    named = dict(zip(every.ids(), handles(every), strict=True))
    return [named[id] for id in rows.ids()]


def find(rows: Rows, text: str) -> int:
    """Return the position of the row that a person names; see `Handles.find`."""
    return Handles(rows).find(text)


class Handles:
    """What the rows of a table are called.

    Parameters
    ----------
    rows
        The rows.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @cached_property
    def shown(self) -> list[str]:
        """The short id of each row."""
        if {part.kind for part in self._rows.all_parts()} == {"log"}:
            ids = [identity for identity in self._ids if isinstance(identity, str) and identity]
            if len(set(ids)) == len(self._rows):  # of a million rows this is much less work
                return ids
        # Most are rows of logs with an ID of their own; only what is left is made longer, step by step.
        facts = list(zip(self._places, self._ids, self._numbers, strict=True))
        names = [
            identity if place.kind == "log" and isinstance(identity, str) else ""
            for place, identity, _ in facts
        ]
        twice = Counter(names)
        open_rows = {
            number: _calls(*facts[number]) for number, name in enumerate(names) if not name or twice[name] > 1
        }
        taken = {name for name, many in twice.items() if many == 1 and name}
        while open_rows:
            for number in list(open_rows):
                longer = next(open_rows[number], None)
                if longer is None:  # two rows of one place cannot be; but nothing may hang on it
                    names[number] = f"{names[number]}#{number + 1}"
                    del open_rows[number]
                else:
                    names[number] = longer
            counts = Counter(names[number] for number in open_rows)
            met = {name for name in counts if counts[name] > 1 or name in taken}
            taken.update(counts)
            open_rows = {number: calls for number, calls in open_rows.items() if names[number] in met}
        return names

    def called(self, number: int) -> str:
        """Return what one row is called: as tables show it, so `find` finds it."""
        return self.shown[number]

    def find(self, text: str) -> int:
        """Return the position of the row that a person names.

        Parameters
        ----------
        text
            What tables call it, which comes before all else; an ``ID`` or a beginning that only it has, the
            number of a run, the name of its directory or a beginning of that, a path to it or into it or a
            beginning of that, ``file:line`` of any line of a document, a file with one row, or a ``Name`` if
            only one row has it.

        Raises
        ------
        UsageError
            There is none, or several are meant; it names the nearest, or the candidates.
        """
        text = text.strip()
        if not text:
            raise UsageError("an ID was expected, and an empty text was given")
        found = self._meant(text)
        if len(found) == 1:
            return found[0]
        raise UsageError(self._several(text, found) if found else self._none(text))

    def _meant(self, text: str) -> list[int]:
        """Return the positions of the rows that a text names, in the first way in which it names any."""
        ways = (self._by_id, self._by_number, self._by_place, self._by_path, self._by_name, self._by_start)
        for way in (self._by_shown, *ways):
            found = list(dict.fromkeys(way(text)))
            if found:
                # A number says nothing of the experiment: which run is meant is not to be guessed.
                return found if len(found) == 1 or way == self._by_number else self._preferred(found)
        return []

    # --- the ways, in their order ---

    def _by_shown(self, text: str) -> Iterable[int]:
        try:
            return [self.shown.index(text)]
        except ValueError:
            return ()

    def _by_id(self, text: str) -> Iterable[int]:
        return (number for number, known in enumerate(self._ids) if known == text)

    def _by_number(self, text: str) -> Iterable[int]:
        if not text.isdecimal():
            return ()
        wanted = int(text)
        found = [number for number, known in enumerate(self._numbers) if known == wanted]
        if not found:  # of a log whose run directories are elsewhere
            named = re.compile(rf"0*{wanted}-")
            found = [number for number, run in enumerate(self._runs) if named.match(run.rpartition("/")[2])]
        return found

    def _by_place(self, text: str) -> Iterable[int]:
        """Find the document that a line is in, or the row of a table that a number names."""
        match = _AT.match(text)
        if match is None:
            return ()
        is_meant = _is_named(match["file"])
        line = int(match["line"])
        best: dict[str, tuple[int, int]] = {}
        for number, place in enumerate(self._places):
            # A document begins with its marker.
            start = place.line - (place.kind == "log") if place.line else place.number
            if place.kind in _FILES and is_meant(place.path) and start <= line:
                known = best.get(place.path)
                if known is None or start > known[0]:
                    best[place.path] = start, number
        return (number for start, number in best.values())

    def _by_path(self, text: str) -> Iterable[int]:
        is_meant = _is_named(text)
        found = [
            number
            for number, (run, place) in enumerate(zip(self._runs, self._places, strict=True))
            if is_meant(place.path) or (run and is_meant(run))
        ]
        if found or not os.path.lexists(text):
            return found
        # Something in the directory of a run; of runs within runs the inner one.
        whole = os.path.abspath(text)  # noqa: PTH100 - links stay as they are
        around = {
            str(parent) for path in (whole, os.path.realpath(whole)) for parent in PurePath(path).parents
        }
        found = [number for number, run in enumerate(self._runs) if run in around]
        longest = max((len(self._runs[number]) for number in found), default=0)
        return [number for number in found if len(self._runs[number]) == longest]

    def _by_start(self, text: str) -> Iterable[int]:
        begins = _begins(text)
        return (
            number
            for number, (known, run) in enumerate(zip(self._ids, self._runs, strict=True))
            if (isinstance(known, str) and known.startswith(text)) or (run and begins(run))
        )

    def _by_name(self, text: str) -> Iterable[int]:
        return (number for number, known in enumerate(self._names) if known == text)

    def _preferred(self, found: Sequence[int]) -> list[int]:
        """Return those of some rows that a log has accepted, if they are not all alike in that.

        The attempts of an experiment that failed have its ID too.
        """
        logged = [number for number in found if self._places[number].kind == "log"]
        return logged or list(found)

    # --- what is said where it is not one ---

    def _several(self, text: str, found: Sequence[int]) -> str:
        names = [self._introduced(number) for number in found[:_CANDIDATES]]
        more = [f"and {len(found) - len(names):,} more"] if len(names) < len(found) else []
        return "\n  ".join([f"{text} may be any of {len(found):,} rows:", *names, *more])

    def _introduced(self, number: int) -> str:
        name = self._names[number]
        place = self._places[number]
        title = f"  {name}" if isinstance(name, str) and name else ""
        where = str(place) if place.line or place.kind not in _FILES else f"{place.name}:{place.number}"
        shown = self.called(number)
        return f"{shown}{title}" + (f"  ({where})" if where != shown else "")

    def _none(self, text: str) -> str:
        if not len(self._rows):
            return f"there is no result {text}: there are none at all"
        if os.path.exists(text):  # noqa: PTH110 - whatever a person has typed
            what = "a directory" if os.path.isdir(text) else "a file"  # noqa: PTH112
            return f"{text} is {what}, and no one result; what is in it: coolrunner results {text}"
        shown = self.shown[-_COMPARED:]
        names = dict.fromkeys(shown)
        names.update(dict.fromkeys(name for name in self._names[-_COMPARED:] if isinstance(name, str)))
        close = nearest(text, list(names))
        many = f"{len(self._rows):,} results" if len(self._rows) > 1 else "1 result"
        hint = f"did you mean {close}?" if close else f"there are {many}, such as {shown[-1]}"
        return f"there is no result {text}; {hint}"

    # --- what is known of the rows, when it is asked for ---

    @cached_property
    def _places(self) -> list[Place]:
        return list(self._rows.places())

    @cached_property
    def _ids(self) -> list[Any]:
        return [str(value) if type(value) is int else value for value in self._rows.column(("ID",))]

    @cached_property
    def _names(self) -> list[Any]:
        names = self._rows.columns([("Name",), ("NAME",)])
        return [name if isinstance(name, str) else other for name, other in zip(*names, strict=True)]

    @cached_property
    def _numbers(self) -> list[Any]:
        # What is no row of a run may have a parameter of this name.
        column = self._rows.column(("NUMBER",))
        return [value if type(value) is int else None for value in column]

    @cached_property
    def _runs(self) -> list[str]:
        """The directory of each row that has one, an empty text for the others."""
        runs = self._rows.column(("RUN",))
        return [
            place.path if place.kind not in _FILES else run if isinstance(run, str) else ""
            for place, run in zip(self._places, runs, strict=True)
        ]


def _is_named(text: str) -> Callable[[str], bool]:
    """Return what tells whether a path is the one that a text names: whole, or by its last parts."""
    whole = os.path.abspath(text)  # noqa: PTH100 - links stay as they are
    real = os.path.realpath(text)
    end = "/" + os.path.normpath(text).lstrip("/")
    return lambda path: path in (whole, real) or path.endswith(end) or path == end[1:]


def _begins(text: str) -> Callable[[str], bool]:
    """Return what tells whether a text is the beginning of the name of a directory, behind a path or not."""
    before, slash, name = text.rpartition("/")
    if not slash:
        return lambda path: path.rpartition("/")[2].startswith(text)
    is_meant = _is_named(before or "/")

    def begins(path: str) -> bool:
        around, _, last = path.rpartition("/")
        return last.startswith(name) and is_meant(around)

    return begins


# --- from short to long ---


def _calls(place: Place, identity: Any, number: Any) -> Iterator[str]:
    """Yield what a row may be called, from short to long; the last one is its alone."""
    if place.kind in _FILES:
        if place.kind == "log" and isinstance(identity, str) and identity:
            yield identity
        yield from (f"{end}:{place.line or place.number}" for end in _ends(place.path))
        return
    if place.kind == "run":
        if number is not None:
            yield str(number)
    elif place.kind == "hydra":
        match = _OF_HYDRA.search(place.path)
        if match is not None:
            yield match[0]
    elif isinstance(identity, str) and identity:
        if place.kind == "mlflow" and len(identity) > _SHORT:
            yield identity[:_SHORT]
        yield identity
    yield from (end for end in _ends(place.path) if not end.isdecimal())


def _ends(path: str) -> Iterator[str]:
    """Yield the last part of a path, the last two parts, and so on."""
    parts = path.split("/")
    for length in count(1):
        if length >= len(parts):
            yield path
            return
        yield "/".join(parts[-length:])
