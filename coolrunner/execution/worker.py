"""Runs one experiment in the process that it is called in: solve, import, call, collect."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from coolrunner.definition.expressions import Imports
from coolrunner.definition.modules import parse_module
from coolrunner.definition.names import GIVEN_NAMES, RUNNER_KEYS
from coolrunner.errors import CommandError, SolveError
from coolrunner.execution.attempt import Attempt
from coolrunner.execution.base import Ending, Job, Outcome, Past
from coolrunner.execution.solving import solve
from coolrunner.experiment import Experiment, Slot
from coolrunner.yamlio.plain import to_plain

__all__ = ["TimedOut", "run_job"]

_OURS = str(Path(__file__).parent)
_COMMAND = str(Path(__file__).with_name("command.py"))
_EXPERIMENT = Experiment.__init__.__code__.co_filename


class TimedOut(BaseException):
    """Raised in a Module whose time is up (a BaseException: ``except Exception`` lets it pass)."""


def run_job(
    job: Job,
    past: Past,
    interruptible: AbstractContextManager[object] | None = None,
    *,
    capture: bool = False,
) -> Outcome:
    """Run an experiment and return what came of it; whatever the Module raises is in the outcome.

    Parameters
    ----------
    job
        The experiment.
    past
        ``E`` for its ``solve`` values.
    interruptible
        Entered while signals may break in, and left before the results are looked through: what a
        Module has returned is not lost to an interrupt that comes a moment later.
    capture
        Whether what it writes is written to its run directory here; else whoever started this process
        does that.
    """
    outcome = Outcome(Ending.FINISHED, started=time.time())
    begin = time.perf_counter()
    experiment: Experiment | None = None
    attempt: Attempt | None = None
    try:
        with ExitStack() as around, interruptible or nullcontext():
            attempt = Attempt(job.run)
            if capture:
                attempt.capture(around)
            inputs, outcome.solved = solve(job.inputs, Imports(dict(job.imports)), past)
            function = _function(inputs, job.id, alone=not capture)
            experiment = Experiment(inputs, None, lambda: _slot(job.slot or Slot()), attempt.find)
            for key in (*RUNNER_KEYS, "REP", "RND_IDX"):
                experiment.get(key)  # the runner's own: no Module is expected to read them
            attempt.enter(around, outcome.warnings.append)
            begin = time.perf_counter()
            returned = function(experiment)
            if inspect.iscoroutine(returned):
                returned = asyncio.run(returned)
            if returned is not None:
                kind = type(returned).__name__
                outcome.warnings.append(
                    f"main returned a {kind}, which is not kept; write results as exp.NAME = ..."
                )
    except KeyboardInterrupt as stopped:
        _describe(outcome, stopped)
        outcome.ending, outcome.kind = Ending.INTERRUPTED, "interrupted"
    except SystemExit as leaving:
        if leaving.code not in (None, 0) or experiment is None:
            _fail(outcome, leaving, "exit")
    except TimedOut as late:
        _fail(outcome, late, "timeout")
    except MemoryError as error:
        _fail(outcome, error, "memory")
    except CommandError as error:
        _fail(outcome, error, error.kind)
    except BaseException as error:
        _fail(outcome, error, "exception")
    outcome.elapsed = time.perf_counter() - begin
    if experiment is not None:
        outcome.unread = [key for key in experiment.unread() if not key.startswith("_")]
        outcome.results = _plain_results(experiment.results, outcome.warnings)
    if attempt is not None:
        attempt.end(outcome)
    outcome.warnings = [_encodable(warning) for warning in outcome.warnings]
    return outcome


def _slot(given: Slot) -> Slot:
    """Return what an experiment was given; of what was not assigned, all that its process may use."""
    from coolrunner.execution.gpus import find_gpus  # here: few ask for it

    cpus = given.cpus or Experiment({}).slot.cpus
    gpus = given.gpus or tuple(gpu.name for gpu in find_gpus(None, os.environ).gpus)
    return replace(given, cpus=cpus, gpus=gpus)


def _function(inputs: Mapping[str, Any], identity: str, *, alone: bool) -> Callable[[Experiment], Any]:
    if inputs.get("Command") is not None:
        from coolrunner.execution.command import main  # here: most experiments are Modules

        return partial(main, identity=identity, alone=alone)
    run = inputs.get("Run")
    if run is not None:
        if not callable(run):
            raise SolveError(f"Run: it gives a {type(run).__name__}, which cannot be called")
        return run  # type: ignore[no-any-return]
    target = parse_module(inputs.get("Module"))
    if target is None:
        raise SolveError(f"Module: {inputs.get('Module')!r} is not package.module or package.module:function")
    module = importlib.import_module(target.module)
    try:
        function = getattr(module, target.function)
    except AttributeError:
        raise SolveError(
            f"Module: {target.module} has no function {target.function!r} ({getattr(module, '__file__', '')})"
        ) from None
    if not callable(function):
        kind = type(function).__name__
        raise SolveError(f"Module: {target.module}:{target.function} is a {kind}, which cannot be called")
    return function  # type: ignore[no-any-return]


def _plain_results(results: Mapping[str, Any], warnings: list[str]) -> dict[str, Any]:
    def represent(value: Any, path: str) -> str:
        kind = type(value).__name__
        warnings.append(f"{path} is of type {kind}, which has no plain form; its repr is logged")
        try:
            return _encodable(repr(value))
        except Exception as error:
            return f"<{kind}, whose repr raises {type(error).__name__}>"

    plain: dict[str, Any] = {}
    for key, value in results.items():
        name = _encodable(key)
        while name in GIVEN_NAMES or name in plain:
            name += "_"
        if name != key:
            warnings.append(f"{key} is written by the runner; the Module's own is logged as {name}")
        try:
            (plain[name],) = to_plain({key: value}, represent).values()
        except Exception as error:  # a strange mapping or array: never at the cost of the result
            warnings.append(f"{key} cannot be read ({type(error).__name__}: {error}); its repr is logged")
            plain[name] = represent(value, key)
    return plain


def _encodable(text: str) -> str:
    """Return text without lone surrogates, which no log and no terminal can take."""
    return text.encode("utf-8", "backslashreplace").decode()


def _fail(outcome: Outcome, error: BaseException, kind: str) -> None:
    outcome.ending = Ending.FAILED
    outcome.kind = kind
    _describe(outcome, error)


def _describe(outcome: Outcome, error: BaseException) -> None:
    """Write down an exception: the line that names it, and the traceback of the user's own frames."""
    trace = error.__traceback__
    # The user's own frames begin where ours, and the import system's, end.
    while trace is not None and trace.tb_next is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (file.startswith((_OURS, "<frozen importlib")) or file == importlib.__file__):
            break
        trace = trace.tb_next
    says_all = isinstance(error, (SolveError, CommandError))
    if says_all or (trace is not None and trace.tb_frame.f_code.co_filename == _COMMAND):
        trace = error.__cause__.__traceback__ if error.__cause__ else None
    try:
        # Indented lines show code, and those after the message are its notes.
        lines = traceback.format_exception_only(type(error), error)
        named = next((line for line in lines if not line.startswith(" ")), lines[-1])
        text = str(error) if says_all else named
        outcome.error = _encodable(text.strip().partition("\n")[0]).removeprefix("coolrunner.errors.")
        told = traceback.TracebackException(type(error), error, trace)
        while len(told.stack) > 1 and told.stack[-1].filename == _EXPERIMENT:
            told.stack.pop()  # the user's line that met a read-only input, not ours that refused it
        shown = "".join(told.format())
        outcome.traceback = (
            _encodable(shown).removeprefix("coolrunner.errors.").replace("\ncoolrunner.errors.", "\n")
        )
    except Exception:
        outcome.error = f"{type(error).__name__} (whose message cannot be shown)"
        outcome.traceback = "".join(traceback.format_tb(trace))
