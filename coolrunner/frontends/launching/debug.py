"""Runs of a launcher in this very process, one after the other, for a debugger."""

from __future__ import annotations

import importlib.util
import random
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from pathlib import Path

from coolrunner.errors import UsageError
from coolrunner.frontends.launching.loop import say
from coolrunner.frontends.launching.plan import Launch, Plan
from coolrunner.frontends.launching.runs import LaunchedRun, Origin, begin
from coolrunner.frontends.launching.slots import LaunchSlot
from coolrunner.frontends.lifetime import Lifetime, exit_status
from coolrunner.frontends.managing.opening import Output

__all__ = ["run_here"]

_FUNCTIONS = ("main", "build_and_train")


def run_here(plan: Plan, slots: Sequence[LaunchSlot], *, shuffled: bool) -> list[LaunchedRun]:
    """Run all; what a script raises is raised here, after its run was ended.

    The function ``main`` of the script is called, or ``build_and_train``; a script with neither is run whole.

    Parameters
    ----------
    plan
        What is to run.
    slots
        Those of the affinity code: each run gets the code of one, and may use all that this process may.
    shuffled
        Whether the variants of each repetition come in another order each time.
    """
    results = []
    launches = list(plan.launches)
    if shuffled:
        by_repetition = [list(group) for _, group in groupby(launches, lambda launch: launch.run_id)]
        launches = [launch for group in by_repetition for launch in random.sample(group, len(group))]
    if launches:
        origin = Origin(launches[0].script, plan.base)
        plan.announce()
    for number, launch in enumerate(launches, start=1):
        say(f"[{number}/{len(launches)}] {launch.name} in this process")
        directory = begin(launch, origin)
        plan.count(number)
        call = launch.call(slots[(number - 1) % len(slots)].code)
        lifetime = Lifetime(directory)
        lifetime.begin()
        try:
            with closing(Output(directory.log)), _as_script(call):
                _call(launch, call[1:])
        except SystemExit as leaving:
            lifetime.end(leaving)
            if exit_status(leaving.code):
                raise
        except BaseException as error:
            lifetime.end(error)
            raise
        lifetime.end()
        results.append(LaunchedRun(directory.path, launch.log_dir, launch.run_id, "done", 0))
    return results


@contextmanager
def _as_script(call: Sequence[str]) -> Iterator[None]:
    """Let the process look to the script as if it had been started for it."""
    argv, path = sys.argv, list(sys.path)
    sys.argv = list(call)
    sys.path.insert(0, str(Path(call[0]).parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path


def _call(launch: Launch, arguments: Sequence[str]) -> None:
    script = launch.script
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        raise UsageError(f"{script} is not Python: debug_mode cannot run it in this process")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in _FUNCTIONS:
        function = getattr(module, name, None)
        if callable(function):
            function(*arguments)
            return
    runpy.run_path(str(script), run_name="__main__")
