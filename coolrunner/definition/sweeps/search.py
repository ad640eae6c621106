"""``Sweep: {search: ...}`` as it is written: what to vary, what to reach, how, and how often.

What it says is read here; `coolrunner.studies.searching.search` acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.definition.documents import Definition
from coolrunner.definition.problems import Problems, dotted, shown
from coolrunner.definition.sweeps.distributions import (
    Choice,
    Distribution,
    DistributionError,
    LogNormal,
    Normal,
    looks_like_one,
    parse_distribution,
)
from coolrunner.errors import nearest

__all__ = ["PRUNERS", "SAMPLERS", "SEARCH_KEYS", "Goal", "Method", "Search", "read_search"]

Steps = tuple[Any, ...]

#: The keys of a ``Sweep`` that searches.
SEARCH_KEYS = ("search", "maximize", "minimize", "n", "sampler", "pruner", "metric", "seed", "jobs", "strict")
#: Ways to choose the next trial.
SAMPLERS = ("tpe", "random", "grid", "cmaes", "nsga2", "nsga3", "gp", "qmc")
#: Ways to give trials up early.
PRUNERS = ("none", "median", "percentile", "halving", "hyperband", "threshold", "patient")
_SEVERAL_GOALS = ("tpe", "random", "grid", "nsga2", "nsga3", "gp", "qmc")


@dataclass(frozen=True, slots=True)
class Goal:
    """A result to make as large or as small as possible."""

    key: str
    maximize: bool

    def __str__(self) -> str:
        """Return it in words."""
        return f"{'maximize' if self.maximize else 'minimize'} {self.key}"


@dataclass(frozen=True, slots=True)
class Method:
    """A sampler or a pruner by its name here, with options by their names in Optuna."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Search:
    """A search over the values of some keys, for the best results.

    Attributes
    ----------
    document
        The number of its document, 1 the first after the default config.
    space
        What each key may be, by its path.
    goals
        At least one.
    n
        How many trials there are in all.
    sampler, pruner
        How the next trial is chosen, and when one is given up.
    metric
        What the pruner looks at: a metric that the Module logs.
    seed
        What the sampler begins with; None for any.
    jobs
        How many trials are under way at once; None for as many as the study runs.
    """

    document: int
    space: Mapping[Steps, Distribution]
    goals: tuple[Goal, ...]
    n: int
    sampler: Method = Method("tpe")
    pruner: Method = Method("none")
    metric: str = ""
    seed: int | None = None
    jobs: int | None = None

    @property
    def prunes(self) -> bool:
        """Whether trials may be given up early."""
        return self.pruner.name != "none"

    def describe(self) -> str:
        """Return goals, number and methods in a line."""
        parts = [*map(str, self.goals), f"{self.n:,} trial{'' if self.n == 1 else 's'}", self.sampler.name]
        if self.prunes:
            parts.append(f"pruner {self.pruner.name}")
        return ", ".join(parts)

    def lines(self) -> list[tuple[str, str]]:
        """Return each key with its range, for people."""
        return [(dotted(path), distribution.describe()) for path, distribution in self.space.items()]


class _Wrong(Exception):
    """A part is not what was expected."""

    def __init__(
        self, path: Steps, message: str, hint: str = "", *, key: bool = False, skip: int = 0
    ) -> None:
        self.path, self.message, self.hint, self.key, self.skip = path, message, hint, key, skip


def read_search(
    definition: Definition, number: int, sweep: Mapping[Any, Any], problems: Problems
) -> Search | None:
    """Read a ``Sweep`` that has the key ``search``; what is wrong is noted in `problems`.

    Parameters
    ----------
    definition, number
        Where it stands: the document's number, 1 the first after the default config.
    sweep
        The whole mapping.

    Returns
    -------
    The search, or None where something is wrong.
    """
    found: dict[str, Any] = {}

    def attempt(name: str, read: Callable[[], Any]) -> None:
        try:
            found[name] = read()
        except _Wrong as wrong:
            problems.add(
                definition.problem(
                    number,
                    ("Sweep", *wrong.path),
                    wrong.message,
                    wrong.hint,
                    key=wrong.key,
                    skip=wrong.skip,
                )
            )

    for key in sweep:
        attempt("keys", lambda key=key: _check_key(key))  # type: ignore[misc]
    attempt("space", lambda: dict(_axis(*leaf) for leaf in _leaves(_ranges(sweep))))
    attempt("goals", lambda: _goals(sweep))
    attempt("sampler", lambda: _method(sweep, "sampler", SAMPLERS, "tpe"))
    attempt("pruner", lambda: _method(sweep, "pruner", PRUNERS, "none"))
    attempt("seed", lambda: _whole(sweep, "seed", 0))
    attempt("jobs", lambda: _whole(sweep, "jobs", 1))
    attempt("metric", lambda: _text(sweep, "metric"))
    whole = {"space", "goals", "sampler", "pruner", "seed", "jobs", "metric"} <= found.keys()
    if whole:
        attempt("n", lambda: _count(sweep, found["sampler"], found["space"]))
        attempt("fit", lambda: _check_fit(found))
    if "fit" not in found or "n" not in found:
        return None
    goals = found["goals"]
    return Search(
        number,
        found["space"],
        goals,
        found["n"],
        found["sampler"],
        found["pruner"],
        found["metric"] or goals[0].key,
        found["seed"],
        found["jobs"],
    )


def _check_key(key: Any) -> None:
    if key in SEARCH_KEYS:
        return
    if key in ("grid", "zip", "random", "union", "exclude"):
        message = f"{key} and search do not stand together"
        raise _Wrong((key,), message, "write a document of its own for each, or a choice(...)", key=True)
    if looks_like_one(key) or str(key).endswith(")"):
        raise _Wrong((key,), f"{key} is no key of a Sweep", "put quotes around the distribution", key=True)
    close = nearest(str(key), SEARCH_KEYS)
    hint = f"did you mean {close}?" if close else f"known are {', '.join(SEARCH_KEYS)}"
    raise _Wrong((key,), f"a Sweep that searches has no key {key!r}", hint, key=True)


def _ranges(sweep: Mapping[Any, Any]) -> Mapping[Any, Any]:
    ranges = sweep["search"]
    example = "write search: {lr: loguniform(1e-5, 1e-1), layers: int(1, 6)}"
    if not isinstance(ranges, dict):
        raise _Wrong(
            ("search",), f"search is {shown(ranges)}; keys with distributions were expected", example
        )
    if not ranges:
        raise _Wrong(("search",), "search is empty: there is nothing to vary", example)
    return ranges


def _leaves(
    ranges: Mapping[Any, Any], where: Steps = ("search",), path: Steps = ()
) -> Iterator[tuple[Steps, Steps, Any]]:
    """Yield path, place and range of each key; mappings come of ``+Sweep.search.a.b=...``, or of a person."""
    for key, value in ranges.items():
        place = (*where, key)
        if not isinstance(key, str) or not all(name.strip() == name and name for name in key.split(".")):
            raise _Wrong(place, f"{shown(key)} is no key: names joined with dots were expected", key=True)
        if isinstance(value, dict) and value:
            yield from _leaves(value, place, (*path, *key.split(".")))
        else:
            yield (*path, *key.split(".")), place, value


def _axis(path: Steps, where: Steps, value: Any) -> tuple[Steps, Distribution]:
    key = dotted(path)
    if isinstance(value, list):
        if not value:
            raise _Wrong(where, f"{key} has nothing to choose from", "write choice([a, b])")
        return path, Choice(tuple(value))
    if not isinstance(value, str):
        hint = "a value that stays the same stands outside of the Sweep"
        raise _Wrong(where, f"{key} is {shown(value)}; a distribution or a list was expected", hint)
    try:
        distribution = parse_distribution(value)
    except DistributionError as error:
        raise _Wrong(where, f"{key}: {error.message}", error.hint, skip=error.place) from None
    if isinstance(distribution, (Normal, LogNormal)):
        instead = "uniform" if isinstance(distribution, Normal) else "loguniform"
        message = f"{key}: {value.partition('(')[0].strip()} has no bounds, which a search needs"
        raise _Wrong(where, message, f"write {instead}(low, high)")
    return path, distribution


def _goals(sweep: Mapping[Any, Any]) -> tuple[Goal, ...]:
    goals: list[Goal] = []
    for word in sweep:
        if word not in ("maximize", "minimize"):
            continue
        value = sweep[word]
        for place, name in enumerate(value if isinstance(value, list) else [value]):
            path: Steps = (word, place) if isinstance(value, list) else (word,)
            if not isinstance(name, str) or not name.strip():
                message = f"{word} is {shown(name)}; the name of a result was expected"
                raise _Wrong(path, message, f"write {word}: ACCURACY")
            if name in [goal.key for goal in goals]:
                raise _Wrong(path, f"{name} is named twice", "leave one out")
            goals.append(Goal(name, word == "maximize"))
    if not goals:
        message = "nothing says what is searched for: maximize or minimize was expected"
        raise _Wrong(
            ("search",), message, "add maximize: ACCURACY, or whatever result the Module adds", key=True
        )
    return tuple(goals)


def _method(sweep: Mapping[Any, Any], word: str, known: Sequence[str], usual: str) -> Method:
    value = sweep.get(word, usual)
    options: Mapping[str, Any] = {}
    path: Steps = (word,)
    if isinstance(value, dict):
        if "name" not in value:
            raise _Wrong(path, f"{word} has no name", f"write {word}: {{name: {usual}, ...}}", key=True)
        options = {str(key): item for key, item in value.items() if key != "name"}
        value, path = value["name"], (word, "name")
    if value is None:
        value = "none" if "none" in known else usual
    name = str(value).lower().replace("-", "").removesuffix("sampler").removesuffix("pruner")
    name = {"cma": "cmaes", "nop": "none", "successivehalving": "halving", "false": "none"}.get(name, name)
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else f"known are {', '.join(known)}"
        raise _Wrong(path, f"there is no {word} {value}", hint)
    return Method(name, options)


def _whole(sweep: Mapping[Any, Any], word: str, least: int) -> int | None:
    value = sweep.get(word)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _Wrong((word,), f"{word} is {shown(value)}; a whole number from {least} was expected")
    return value


def _text(sweep: Mapping[Any, Any], word: str) -> str:
    value = sweep.get(word, "")
    if not isinstance(value, str):
        raise _Wrong((word,), f"{word} is {shown(value)}; the name of a metric was expected")
    return value


def _count(sweep: Mapping[Any, Any], sampler: Method, space: Mapping[Steps, Distribution]) -> int:
    n = _whole(sweep, "n", 1)
    if sampler.name != "grid":
        if n is None:
            raise _Wrong(
                ("search",), "n says how many trials there are, and is missing", "add n: 50", key=True
            )
        return n
    product = 1
    for path, distribution in space.items():
        if distribution.count is None:
            key = ".".join(path)
            message = f"{key}: a grid needs values that can be counted, {distribution} has none"
            raise _Wrong(
                ("search", key), message, "write quniform(low, high, step), int(low, high) or a list"
            )
        product *= distribution.count
    if n is not None and n > product:
        raise _Wrong(("n",), f"n is {n}, but the grid has only {product} combinations", "leave n out for all")
    return n or product


def _check_fit(found: Mapping[str, Any]) -> None:
    goals, sampler, pruner = found["goals"], found["sampler"], found["pruner"]
    if len(goals) > 1 and sampler.name not in _SEVERAL_GOALS:
        message = f"{sampler.name} searches for one goal, here are {len(goals)}"
        raise _Wrong(("sampler",), message, "write sampler: nsga2, or tpe")
    if len(goals) > 1 and pruner.name != "none":
        message = f"trials with several goals cannot be pruned, here are {len(goals)}"
        raise _Wrong(("pruner",), message, "remove the pruner, or all goals but one")
