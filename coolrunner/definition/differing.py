"""The keys in which the experiments of a study differ: what tells one from the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["differing_keys", "pick_keys"]

Path = tuple[Any, ...]
# Shown anyway, never the same, or about how an experiment is run and not about what it is.
_LEFT_OUT = frozenset(
    {"Name", "RND_IDX"}
    | {"After", "Hold", "Priority", "Repeat", "Resources", "Retries", "Timeout", "YamlLog"}
)
_MISSING = object()


def differing_keys(configurations: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Return the paths of the keys that not all configurations share with one value.

    A nested mapping that differs counts by the keys in it. The cost is one look at every key.
    """
    if not configurations:
        return []
    found: dict[Path, None] = {}
    _compare(configurations[0], configurations[1:], (), found)
    return list(found)


def _compare(first: Any, others: Sequence[Any], path: Path, found: dict[Path, None]) -> None:
    nested: dict[Any, list[Any]] = {}
    left_out = frozenset() if path else _LEFT_OUT
    paths: dict[Any, Path] = {}  # of the keys that differ, each made once
    for other in others:
        for key, value in other.items():
            if key in paths or key in left_out:
                continue
            here = first.get(key, _MISSING)
            if value is here:
                continue
            if isinstance(value, dict) and isinstance(here, dict):
                nested.setdefault(key, []).append(value)
            elif here is _MISSING or value != here or type(value) is not type(here):
                paths[key] = (*path, key)
        if len(other) < len(first) or not first.keys() <= other.keys():
            paths.update({key: (*path, key) for key in first if key not in other and key not in left_out})
    found.update(dict.fromkeys(paths.values()))
    for key, values in nested.items():
        if key not in paths:
            _compare(first[key], values, (*path, key), found)


def pick_keys(configuration: Mapping[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Return the values at `paths`, by dotted key; those that a configuration lacks are left out."""
    picked = {}
    for path in paths:
        value: Any = configuration
        for step in path:
            if not isinstance(value, Mapping) or step not in value:
                break
            value = value[step]
        else:
            picked[".".join(map(str, path))] = value
    return picked
