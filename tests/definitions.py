"""Definitions written on the spot, for the tests of what they mean and of what is wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.definition.plan import Plan, read_plan
from coolrunner.errors import DefinitionError, Problem

#: A Module with a `main` that is there wherever Python is.
MODULE = "timeit"
#: What the runner adds to every experiment of these tests.
ADDED = ("Module", "YamlLog", "REP", "RND_IDX")


def read(
    text: str | bytes,
    *overrides: str,
    module: str | None = MODULE,
    pick: Sequence[str] = (),
    code: bool = True,
    draws: Mapping[tuple[int, int], int] | None = None,
) -> Plan:
    """Return the plan of a definition; `module` is the Module of experiments that name none."""
    if module is not None and (isinstance(text, bytes) or "Module:" not in text):
        overrides = (f"+Module={module}", *overrides)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "study.yaml")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_plan(path, overrides, pick=pick, code=code, draws=draws)


def experiments(text: str, *overrides: str) -> list[dict[str, Any]]:
    """Return the experiments of a definition as they were written, without what the runner adds."""
    found = [dict(planned.experiment.inputs) for planned in read(text, *overrides).experiments]
    return [{key: value for key, value in values.items() if key not in ADDED} for values in found]


def experiment(text: str, *overrides: str) -> dict[str, Any]:
    """Return the last experiment of a definition, without what the runner adds."""
    return experiments(text, *overrides)[-1]


def problems(text: str | bytes, *overrides: str, **options: Any) -> list[Problem]:
    """Return all that is found wrong with a definition."""
    try:
        read(text, *overrides, **options)
    except DefinitionError as error:
        return list(error.problems)
    raise AssertionError("nothing was found wrong with it")


def problem(text: str | bytes, *overrides: str, **options: Any) -> Problem:
    """Return the one thing that is found wrong with a definition."""
    found = problems(text, *overrides, **options)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def place(found: Problem) -> tuple[int, int]:
    """Return line and column of a problem."""
    assert found.position is not None
    return found.position.line, found.position.column


def pointed_at(found: Problem) -> str:
    """Return the rest of the line from where the caret of a problem stands."""
    assert found.position is not None
    return found.line[found.position.column - 1 :]
