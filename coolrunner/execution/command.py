"""An experiment whose ``Command`` is a program, in any language: started, waited for, and what it says read.

It is a Module like others: what it writes is captured, and a time limit or an interrupt ends it with all that
it has started. The program finds in its environment

``COOLRUNNER_RUN``
    its run directory, if it has one;
``COOLRUNNER_PARAMS``
    a JSON file of all its parameters;
``COOLRUNNER_RESULT``
    where to write its results, as JSON or YAML: a mapping of names and values.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from coolrunner.definition.commands import CommandMistake, Filled, is_script, parse_command
from coolrunner.errors import CommandError, ReadOnlyError, YamlError
from coolrunner.execution.tail import Tail, to_descriptor, to_stream
from coolrunner.experiment import Experiment
from coolrunner.yamlio import read_source, read_text, to_plain

__all__ = ["PARAMS", "RESULT", "main"]

#: The variables that name the file for results, and that of the parameters.
RESULT = "COOLRUNNER_RESULT"
PARAMS = "COOLRUNNER_PARAMS"

# In a run directory, beside what the runner writes there.
_PLACE = "command"
# Seconds that a program has to end after an interrupt, where nobody else keeps the time.
_GRACE = 10.0
# Seconds for what is still on its way from a program that is gone.
_LAST_WORDS = 2.0
_PR_SET_PDEATHSIG = 1


def main(exp: Experiment, identity: str = "", *, alone: bool = True) -> None:
    """Run the program of an experiment, and take its results.

    Parameters
    ----------
    exp
        The experiment; its ``Command`` says what to run.
    identity
        Its ``ID``.
    alone
        Whether this process, and the group that it leads, is there for this experiment only: then whoever
        ends that ends the program, too. Else the program gets a group of its own, which is ended here.

    Raises
    ------
    CommandError
        The program cannot be started, or leaves with a status that is not 0; or it has written what are no
        results.
    KeyboardInterrupt
        It was interrupted, and left with a status that is not 0.
    ReadOnlyError
        A result has the name of a parameter, and another value.
    """
    inputs = {key: exp[key] for key in exp.inputs}
    run = exp.run
    with _place_of(None if run.ghost else run.dir) as place:
        result = place / "result.json"
        result.unlink(missing_ok=True)
        given = {"ID": identity, "RESULT": str(result), "PARAMS": str(place / "params.json")}
        if not run.ghost:
            given["RUN"] = str(run.dir)
        try:
            filled = parse_command(inputs["Command"]).fill(inputs, given)
        except CommandMistake as mistake:
            raise CommandError(f"Command: {mistake}") from None
        _write_parameters(Path(given["PARAMS"]), inputs, given)
        own = Path(filled.directory or "", filled.result) if filled.result else None
        before = _state(own)
        failure = _run(filled, {RESULT: given["RESULT"], PARAMS: given["PARAMS"]}, alone=alone)
        try:
            _take_results(result, exp, named=False)
            if own is not None:
                stale = before is not None and _state(own) == before
                _take_results(own, exp, named=failure is None, stale=stale)
        except (CommandError, ReadOnlyError):
            if failure is None:
                raise
        if failure is not None:
            raise failure


@contextlib.contextmanager
def _place_of(run: Path | None) -> Iterator[Path]:
    """Give a directory for the files that are passed: in the run's, or one that goes away again."""
    if run is not None:
        (run / _PLACE).mkdir(exist_ok=True)
        yield run / _PLACE
        return
    place = Path(tempfile.mkdtemp(prefix="coolrunner-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write_parameters(path: Path, inputs: Mapping[str, Any], given: Mapping[str, str]) -> None:
    own = {key: given[key] for key in ("ID", "RUN") if key in given}
    plain = to_plain({**inputs, **own}, lambda value, where: repr(value))
    path.write_text(json.dumps(plain, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")


# --- the process -----------------------------------------------------------------------------------


def _run(filled: Filled, passed: Mapping[str, str], *, alone: bool) -> CommandError | None:
    """Run the program to its end; return how it went wrong, None where it did not.

    Raises
    ------
    CommandError
        It cannot be started, or its time is up.
    KeyboardInterrupt
        It was interrupted.
    """
    process = _start(filled, passed, alone=alone)
    assert process.stderr is not None
    errors = Tail(process.stderr, to_descriptor(2) if alone else to_stream(sys.stderr))
    tails = [errors] if process.stdout is None else [errors, Tail(process.stdout, to_stream(sys.stdout))]
    stopped: BaseException | None = None
    try:
        process.wait()
    except BaseException as stop:  # an interrupt, or the end of its time
        stopped = stop
        _stop(process, alone=alone)
    finally:
        if not alone:
            _signal_group(process, _KILL)  # what it has left behind
    for tail in tails:
        tail.finish(_LAST_WORDS)
    name = Path(filled.words[0]).name
    if process.returncode == 0 and (stopped is None or isinstance(stopped, KeyboardInterrupt)):
        return None
    said = errors.text.rstrip()
    details = f"\n{said}" if said else ""
    if isinstance(stopped, KeyboardInterrupt):
        raise KeyboardInterrupt(f"{name} was interrupted{details}")
    if stopped is not None:
        raise CommandError(f"{name} was ended: {stopped}{details}", "timeout")
    how, kind = _end_of(process.returncode)
    last = said.rpartition("\n")[2].strip()
    return CommandError(f"{name} {how}{f': {last}' if last else ''}{details}", kind)


def _start(filled: Filled, passed: Mapping[str, str], *, alone: bool) -> subprocess.Popen[bytes]:
    words = [sys.executable, *filled.words] if is_script(filled.words[0]) else filled.words
    # A Python program shows at once what it prints, as a Module does.
    environment = {"PYTHONUNBUFFERED": "1", **os.environ, **passed, **filled.environment}
    try:
        with warnings.catch_warnings():
            # Python warns of what is to be done in a copy of a process with threads; this is one call.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=None if alone else subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=filled.directory,
                env=environment,
                start_new_session=not alone,
                preexec_fn=None if alone else _bound_to_us(),
            )
    except OSError as error:
        raise CommandError(_not_started(filled, error)) from None


def _not_started(filled: Filled, error: OSError) -> str:
    program, directory = filled.words[0], filled.directory
    if directory is not None and not Path(directory).is_dir():
        return f"Command: its directory {directory} is not there"
    if isinstance(error, FileNotFoundError):
        return f"Command: there is no program {program!r}, or what its first line names is not there"
    hint = "; does its first line say what runs it, such as #!/bin/sh?" if error.errno == 8 else ""
    return f"Command: {program} cannot be started: {error.strerror}{hint}"


def _bound_to_us() -> Callable[[], None] | None:
    """Return what a new process does so that it ends with this one, where that can be had."""
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return lambda: prctl(_PR_SET_PDEATHSIG, int(_KILL), 0, 0, 0)


def _stop(process: subprocess.Popen[bytes], *, alone: bool) -> None:
    """Wait for the end of a program that is to end; kill it where it does not, and nobody else would."""
    if alone:  # the interrupt has reached the whole group, and a kill would reach us as well
        while process.poll() is None:
            with contextlib.suppress(BaseException):
                process.wait()
        return
    _signal_group(process, signal.SIGINT)
    timer = threading.Timer(_GRACE, _signal_group, (process, _KILL))
    timer.daemon = True
    timer.start()
    while process.poll() is None:
        try:
            process.wait()
        except BaseException:  # told once more
            _signal_group(process, _KILL)
    timer.cancel()


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        elif process.poll() is None:
            process.kill()


def _end_of(status: int) -> tuple[str, str]:
    """Return how a program ended, in words, and the kind of failure that is."""
    if status >= 0:
        return f"left with status {status}", "exit"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}", "signal"


# --- results ---------------------------------------------------------------------------------------


def _state(file: Path | None) -> tuple[int, int, int] | None:
    """Return what tells whether a file was written since; None where there is none."""
    if file is None or not file.is_file():
        return None
    state = file.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def _take_results(file: Path, exp: Experiment, *, named: bool, stale: bool = False) -> None:
    """Add what stands in a file to the results.

    Parameters
    ----------
    named
        Whether the experiment says that this file will be there.
    stale
        Whether it is as it was before the program ran: then it holds another experiment's results.
    """
    if stale or not file.is_file():
        if named:
            raise CommandError(f"Command: it has not written its results, {file}")
        return
    changed = ""
    for key, value in _read_results(file).items():
        name = str(key)
        if name not in exp.inputs:
            exp[name] = value
        elif to_plain(exp.inputs[name], lambda part, path: repr(part)) != value:
            changed = changed or name
    if changed:  # after all the others, which are no less true for it
        exp[changed] = None


def _read_results(file: Path) -> Mapping[Any, Any]:
    try:
        source = read_source(file)
        found = _json(source.text)
        if found is None:
            found = read_text(source.text, str(file))
    except YamlError as error:
        raise CommandError(f"what it has written is neither JSON nor YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise CommandError(f'{file}:1: results were expected: names and values, such as {{"ACC": 0.9}}')
    return found


def _json(text: str) -> Any:
    """Return what a JSON text holds; None where it is none (it may be YAML), or null."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(text)
    return None
