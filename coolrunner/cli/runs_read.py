"""``coolrunner runs``: what is read of a run for people and for other programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.status import RunState, RunStatus, is_alive

__all__ = ["elapsed_of", "for_json", "parameters_of", "results_of", "status_of", "warn"]


def status_of(state: RunState) -> str:
    """Return how a run stands; one that says it runs, and whose process is gone, is lost."""
    gone = state.status is RunStatus.RUNNING and is_alive(state) is False
    return RunStatus.LOST.value if gone else state.status.value


def elapsed_of(state: RunState) -> float | None:
    """Return how many seconds a run took, or for how many it has run; None where that is not known."""
    if state.elapsed is not None or state.status is not RunStatus.RUNNING or is_alive(state) is False:
        return state.elapsed
    try:
        began = datetime.fromisoformat(state.started)
    except ValueError:
        return None
    return max((datetime.now().astimezone() - began.astimezone()).total_seconds(), 0.0)


def parameters_of(run: RunDirectory) -> dict[str, Any]:
    """Return what a run was given, without what an argparse script adds of the run itself.

    Raises
    ------
    RunError
        It cannot be read; names file and line.
    """
    given = run.read_params()
    if str(given.get("root", "")).endswith(f"/{run.name}"):
        return {key: value for key, value in given.items() if key not in ("root", "time", "id")}
    return given


def results_of(run: RunDirectory) -> dict[str, Any]:
    """Return what a Module has added, without ``SOLVED``; empty where there is nothing.

    Raises
    ------
    RunError
        It cannot be read; names file and line.
    """
    from coolrunner.execution.attempt import read_results

    return {key: value for key, value in read_results(run).items() if key != "SOLVED"}


def for_json(value: Any) -> Any:
    """Return plain data as JSON can hold it: dates, and numbers that are none, as texts."""
    if isinstance(value, Mapping):
        return {str(key): for_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [for_json(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def warn(message: object) -> None:
    """Tell of trouble with a part of what is read."""
    from coolrunner.reporting.runs import escaped

    sys.stderr.write(f"warning: {escaped(str(message))}\n")
