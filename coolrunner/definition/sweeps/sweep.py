"""The combinations of a sweep, each made when it is asked for: a million of them take no memory.

A sweep is a tree of spaces. Leaves vary one key (`Axis`), several in step (`Axis` again), or draw
(`Draws`); a `Product` combines its parts, the last of which varies fastest, `Alternatives` stand one after
another, and `Kept` leaves some out.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

from coolrunner.definition.problems import dotted
from coolrunner.definition.sweeps.drawing import Distribution
from coolrunner.experiment import freeze
from coolrunner.yamlio import flow_text

__all__ = [
    "Alternatives",
    "Axis",
    "Draws",
    "Fixed",
    "Kept",
    "Line",
    "Point",
    "Product",
    "Space",
    "Steps",
    "key_text",
    "value_text",
]

Steps = tuple[Any, ...]
#: What one combination sets: value by path.
Point = dict[Steps, Any]


class Line(NamedTuple):
    """A line of what a sweep varies, for people.

    Attributes
    ----------
    kind
        The word under which it stands: ``grid``, ``zip``, ``random``, ``union``, ``exclude``.
    keys
        The key or keys; empty for a line about the one above it.
    values
        Their values or their range.
    depth
        How deep it is nested.
    """

    kind: str
    keys: str
    values: str
    depth: int = 0


class Space(ABC):
    """Combinations by number, from 0.

    Attributes
    ----------
    places
        Each key that some combination sets, by its path, and where in the ``Sweep`` it stands.
    """

    places: Mapping[Steps, Steps]

    @property
    def paths(self) -> tuple[Steps, ...]:
        """The paths of the keys that some combination sets."""
        return tuple(self.places)

    @property
    @abstractmethod
    def size(self) -> int:
        """How many combinations there are."""

    @property
    def varied(self) -> tuple[Steps, ...]:
        """The paths of the keys that can differ between combinations."""
        return self.paths if self.size > 1 else ()

    @abstractmethod
    def point(self, index: int) -> Point:
        """Return a combination."""

    @abstractmethod
    def place(self, index: int, path: Steps) -> Steps | None:
        """Return where in the ``Sweep`` a combination's value at a path is written; None if nowhere."""

    @abstractmethod
    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield what is varied."""


class Axis(Space):
    """Keys that vary in step, of which one alone is a key of a grid.

    Parameters
    ----------
    kind
        The word under which they stand.
    columns
        The values of each key, by its path; all of one length.
    places
        Where in the ``Sweep`` each key's list stands.
    """

    def __init__(
        self, kind: str, columns: Mapping[Steps, Sequence[Any]], places: Mapping[Steps, Steps]
    ) -> None:
        self.places = places
        self._kind = kind
        self._keys = tuple(columns)
        self._rows = list(zip(*columns.values(), strict=True))

    @property
    def size(self) -> int:
        """The length of each list."""
        return len(self._rows)

    def point(self, index: int) -> Point:
        """Return the values at a place of the lists."""
        return dict(zip(self._keys, self._rows[index], strict=True))

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return the place of the item in its list."""
        return (*self.places[path], index) if path in self.places else None

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield the keys with their first and last values."""
        texts = [" ".join(map(value_text, self._rows[place])) for place in _ends(len(self._rows))]
        rest = len(self._rows) - len(texts)
        if rest:
            texts.insert(-1, f"… {rest} more …")
        yield Line(self._kind, ", ".join(map(dotted, self.paths)), ", ".join(texts), depth)


class Fixed(Space):
    """The one combination of the keys that an alternative sets."""

    def __init__(self, values: Point, places: Mapping[Steps, Steps]) -> None:
        self.places = places
        self._values = values

    @property
    def size(self) -> int:
        """One."""
        return 1

    def point(self, index: int) -> Point:
        """Return the values."""
        return self._values

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return the place of the value."""
        return self.places.get(path)

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield nothing: an alternative says itself what it sets."""
        yield from ()


class Draws(Space):
    """Values that are drawn from distributions.

    Each depends on the seed, on its key and on the number of the draw, and on nothing else: more draws, other
    keys, another machine or another version of Python change none of them.

    Parameters
    ----------
    distributions
        By path.
    places
        Where in the ``Sweep`` each stands.
    """

    def __init__(
        self,
        distributions: Mapping[Steps, Distribution],
        places: Mapping[Steps, Steps],
        count: int,
        seed: int,
    ) -> None:
        self.places = places
        self._distributions = distributions
        self._count = count
        self._seed = seed
        self._streams = {path: _Stream(seed, dotted(path)) for path in distributions}

    @property
    def size(self) -> int:
        """The number of draws."""
        return self._count

    def point(self, index: int) -> Point:
        """Return a draw of each key."""
        return {
            path: freeze(distribution.draw(self._streams[path].at(index)))
            for path, distribution in self._distributions.items()
        }

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return the place of the distribution."""
        return self.places.get(path)

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield the range of each key, and how many draws there are."""
        for path, distribution in self._distributions.items():
            yield Line("random", dotted(path), distribution.describe(), depth)
        draws = f"{self._count:,} draw{'' if self._count == 1 else 's'}"
        yield Line("", "", f"{draws}, seed {self._seed}", depth)


class _Stream(random.Random):
    """Numbers from 0 up to 1 that are the same for ever.

    The k-th number (from 0) of the i-th draw (from 0) is the first 53 bits of the SHA-256 of the text
    ``seed/key/i/k`` in UTF-8, divided by 2 to the power of 53.
    """

    def __init__(self, seed: int, key: str) -> None:
        super().__init__(0)
        self._begin = f"{seed}/{key}/"
        self._draw = 0
        self._number = 0

    def at(self, draw: int) -> _Stream:
        """Return this stream at the beginning of a draw."""
        self._draw, self._number = draw, 0
        return self

    def random(self) -> float:
        text = f"{self._begin}{self._draw}/{self._number}"
        self._number += 1
        digest = hashlib.sha256(text.encode()).digest()
        return (int.from_bytes(digest[:7], "big") >> 3) / 2.0**53


class Product(Space):
    """Every combination of the combinations of its parts; the last part varies fastest."""

    def __init__(self, parts: Sequence[Space]) -> None:
        self._parts = parts
        self.places = {path: place for part in parts for path, place in part.places.items()}
        sizes = [part.size for part in parts]
        self._size = prod(sizes)
        self._steps = [(part, prod(sizes[place + 1 :]), sizes[place]) for place, part in enumerate(parts)]

    @property
    def size(self) -> int:
        """The product of the parts' sizes."""
        return self._size

    @property
    def varied(self) -> tuple[Steps, ...]:
        """What a part varies."""
        return tuple(path for part in self._parts for path in part.varied)

    def point(self, index: int) -> Point:
        """Return a combination of each part, put together."""
        found: Point = {}
        for part, step, size in self._steps:
            found.update(part.point(index // step % size))
        return found

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return what the part that sets the path says."""
        for part, step, size in self._steps:
            found = part.place(index // step % size, path)
            if found is not None:
                return found
        return None

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield those of each part."""
        for part in self._parts:
            yield from part.lines(depth)


class Alternatives(Space):
    """The combinations of one part, then those of the next."""

    def __init__(self, parts: Sequence[Space]) -> None:
        self._parts = parts
        self.places = {path: place for part in parts for path, place in part.places.items()}
        self._begins = [0, *accumulate(part.size for part in parts)]

    @property
    def size(self) -> int:
        """The sum of the parts' sizes."""
        return self._begins[-1]

    def point(self, index: int) -> Point:
        """Return a combination of the part that its number falls into."""
        part, inside = self._part(index)
        return part.point(inside)

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return what that part says."""
        part, inside = self._part(index)
        return part.place(inside, path)

    def _part(self, index: int) -> tuple[Space, int]:
        number = bisect_right(self._begins, index) - 1
        return self._parts[number], index - self._begins[number]

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield each alternative: what it sets, and below it what it varies."""
        for number, part in enumerate(self._parts):
            fixed = {path: part.point(0)[path] for path in part.paths if path not in part.varied}
            texts = [f"{dotted(path)}={value_text(value)}" for path, value in fixed.items()]
            yield Line("" if number else "union", "", " ".join(texts) or "…", depth)
            yield from part.lines(depth + 1)


class Kept(Space):
    """The combinations that an ``exclude`` leaves.

    Parameters
    ----------
    numbers
        Those of the combinations that are left.
    text
        The expression.
    """

    def __init__(self, space: Space, numbers: Sequence[int], text: str) -> None:
        self.places = space.places
        self._space = space
        self._numbers = numbers
        self._text = text

    @property
    def size(self) -> int:
        """How many are left."""
        return len(self._numbers)

    @property
    def varied(self) -> tuple[Steps, ...]:
        """What is varied, whatever is left."""
        return self._space.varied

    def point(self, index: int) -> Point:
        """Return one that is left."""
        return self._space.point(self._numbers[index])

    def place(self, index: int, path: Steps) -> Steps | None:
        """Return the place of a value in it."""
        return self._space.place(self._numbers[index], path)

    def lines(self, depth: int = 0) -> Iterator[Line]:
        """Yield what is varied, and what is left out."""
        yield from self._space.lines(depth)
        out = self._space.size - self.size
        yield Line("exclude", self._text, f"{out:,} of {self._space.size:,} left out", depth)


_SHOWN = 8


def _ends(count: int) -> list[int]:
    """Return the places of the values that are shown: all, or the first few and the last."""
    return list(range(count)) if count <= _SHOWN else [*range(_SHOWN - 3), count - 1]


_LENGTH = 32


def value_text(value: Any) -> str:
    """Return a value as it stands in the name of an experiment: on one line, short."""
    kind = type(value)
    if kind is float or kind is int:
        return f"{value:.6g}" if kind is float else str(value)
    text = " ".join(value.split()) if isinstance(value, str) else flow_text(value)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"


def key_text(paths: Sequence[Steps]) -> dict[Steps, str]:
    """Return for each path the last of its keys, or all of them where the last does not tell it apart."""
    lasts = [str(path[-1]) for path in paths]
    return {
        path: last if lasts.count(last) == 1 and last != "name" else dotted(path)
        for path, last in zip(paths, lasts, strict=True)
    }
