"""Configurations of a manager: where values come from, and how those of a run lie over the general ones."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from coolrunner.errors import Position, Problem, UsageError

__all__ = ["Config", "fresh", "laid_over", "picked", "read_config", "values_of"]


class Config:
    """A configuration that may lie over another one, whose values it then hides, key by key at every depth.

    Parameters
    ----------
    below
        The one that this one lies over: that of the experiment, for the one of a run.
    """

    def __init__(self, below: Config | None = None) -> None:
        self.below = below
        self._own: dict[Any, Any] = {}
        self._changes = 0
        self._seen = (-1, -1)
        self._whole: dict[Any, Any] = {}

    @property
    def own(self) -> Mapping[Any, Any]:
        """What was added to this one alone."""
        return self._own

    def add(self, values: Mapping[Any, Any]) -> None:
        """Lay values over those that it has."""
        self._own = laid_over(self._own, values)
        self._changes += 1

    def whole(self) -> Mapping[Any, Any]:
        """Return it together with the one below; not to be changed by whoever gets it, see `fresh`."""
        if self.below is None:
            return self._own
        seen = (self._changes, self.below._changes)
        if seen != self._seen:
            self._whole, self._seen = laid_over(self.below.whole(), self._own), seen
        return self._whole


def laid_over(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return two mappings as one that shares no mapping or list with them: `above` wins, at every depth."""
    result: dict[Any, Any] = {}
    for key, value in below.items():
        if key not in above:
            result[key] = fresh(value)
        elif isinstance(value, Mapping) and isinstance(above[key], Mapping):
            result[key] = laid_over(value, above[key])
        else:
            result[key] = fresh(above[key])
    for key, value in above.items():
        if key not in below:
            result[key] = fresh(value)
    return result


def fresh(value: Any) -> Any:
    """Return a value with mappings and lists of its own, so that whoever changes them changes no config."""
    if isinstance(value, Mapping):
        return {key: fresh(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fresh(item) for item in value]
    return value


# --- taking values out ---


def picked(config: Mapping[Any, Any], prefixes: Iterable[str]) -> dict[str, Any]:
    """Return the values that dotted paths lead to, by the last part of each.

    A path that leads nowhere gives nothing.

    >>> picked({"details": {"age": 22}, "name": "Victor"}, ["details.age", "details.weight"])
    {'age': 22}
    """
    found: dict[str, Any] = {}
    for prefix in prefixes:
        parts = prefix.split(".")
        place: Any = config
        for part in parts:
            key = _key(place, part)
            if key is None:
                break
            place = place[key[0]]
        else:
            found[parts[-1]] = place
    return found


def _key(place: Any, part: str) -> tuple[Any] | None:
    """Return the key that a part of a path means; keys that are numbers are meant by their digits."""
    if not isinstance(place, Mapping):
        return None
    if part in place:
        return (part,)
    return next(((key,) for key in place if not isinstance(key, str) and str(key) == part), None)


# --- where values come from ---


def read_config(source: Any, project: Path | None = None) -> dict[Any, Any]:
    """Return the values of a configuration.

    Parameters
    ----------
    source
        A mapping, or the path of a JSON file (``.json``) or a YAML file (all others).
    project
        Where the path is looked for if there is no such file in the working directory.

    Raises
    ------
    YamlError, UsageError
        The file cannot be read or holds no mapping (names file, line and column), or it is none of these.
    """
    if isinstance(source, Mapping):
        return laid_over({}, source)
    if not isinstance(source, (str, os.PathLike)):
        raise UsageError(
            f"a configuration must be a dict, the path of a JSON or YAML file, or a function, not {source!r}"
        )
    path = Path(source)
    if project is not None and not path.is_absolute() and not path.exists():
        path = project / path
    values = _read_json(path) if path.suffix.lower() == ".json" else _read_yaml(path)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}:1: a configuration was expected: keys with values, not {values!r:.60}")
    return values


def _read_yaml(path: Path) -> Any:
    from coolrunner.yamlio import load, read_source

    source = read_source(path)
    return load(source.text, source.name)


def _read_json(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        line = error.doc.splitlines()[error.lineno - 1] if error.doc else ""
        problem = Problem(
            f"this is not JSON: {error.msg}", Position(str(path), error.lineno, error.colno), line
        )
        raise UsageError(str(problem)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}:1: not UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except _Repeated as error:
        raise UsageError(f"{path}: the key {error.args[0]!r} is given twice in one mapping") from None


class _Repeated(Exception):
    """A key stands twice in a mapping of a JSON file."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found


def values_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[Any, Any]:
    """Return what a function that describes a configuration says.

    That is the mapping that it returns, or else its local variables, as users of Sacred know it: all but
    modules and those whose names begin with an underscore.

    Parameters
    ----------
    function
        Written in Python; it is called once.
    args, kwargs
        What it is called with.

    Raises
    ------
    UsageError
        It returns something else.
    """
    code = getattr(function, "__code__", None)
    outer = code.co_freevars if code is not None else ()
    last: dict[str, Any] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            last.clear()
            last.update((key, value) for key, value in frame.f_locals.items() if key not in outer)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        returned = function(*args, **kwargs)
    finally:
        sys.setprofile(before)
    if isinstance(returned, Mapping):
        return laid_over({}, returned)
    if returned is not None:
        name = getattr(function, "__name__", "the function")
        raise UsageError(f"{name}() must return a dict or nothing for a configuration, not {returned!r:.60}")
    return {key: fresh(value) for key, value in last.items() if _is_setting(key, value)}


def _is_setting(key: str, value: Any) -> bool:
    return not key.startswith("_") and not isinstance(value, ModuleType)
