"""Logs of failures, read to be tried again.

A record of a failure is the experiment as it was to run, then what came of it. The runner writes an
experiment's inputs in their own order, ``REP`` behind all that a person wrote, and ``RND_IDX`` behind
that where it was drawn; one that was set by hand stands where it was set. What a Module wrote comes
after, under any name that is no input's. So ``REP`` parts the two: a key above it is an input, one below
it is none, but for ``RND_IDX``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coolrunner.definition.names import GIVEN_NAMES
from coolrunner.errors import LogError, UsageError, UserError
from coolrunner.results.logs.reading import Entry, read_logs
from coolrunner.results.logs.sources import DEFINITION, LogFile, Report, check_paths
from coolrunner.results.logs.yamllog import failed_log, locked

__all__ = ["Failure", "is_failed_log", "is_queue_file", "move_failures", "read_failures"]

_LAST_INPUT = "REP"
_NO_INPUTS = frozenset(GIVEN_NAMES) - {_LAST_INPUT}
_QUEUE = "# Coolrunner queue"
_ERROR = re.compile(rb"^ERROR[ \t]*:", re.MULTILINE)
_ENDING = re.compile(r"(?:\.retried-[0-9]+)?(?:\.failed)?\Z")


@dataclass(frozen=True, slots=True)
class Failure:
    """An experiment that failed.

    Attributes
    ----------
    id
        Its ``ID``; empty where its record has none.
    inputs
        What it was to run with, in its own order; ``REP`` and ``RND_IDX`` are among it.
    """

    id: str
    inputs: dict[str, Any]


def read_failures(path: Path | str, warn: Callable[[str], object] | None = None) -> list[Failure]:
    """Return the experiments of a log of failures.

    One that failed several times counts once: as, and where, it did last.

    Parameters
    ----------
    path
        The log.
    warn
        Is told, as ``file:line: why``, of a document that cannot be used, which is then left out.

    Raises
    ------
    UsageError
        The file is missing, or no log of failures; it says what else it is.
    LogError
        Documents in it cannot be used, and there is no `warn`.
    """
    path = Path(path)
    check_paths([str(path)])
    report = Report()
    if is_queue_file(path):
        raise _refusal(path, report)
    failures: dict[str | int, Failure] = {}
    doubtful: list[str] = []
    for entry in read_logs([LogFile(str(path), path)], report):
        if not _failed(entry):
            doubtful.append(f"{entry.place}: no failure: this experiment has no ERROR")
            continue
        identity = str(entry.value.get("ID") or "")
        key = identity or entry.number
        failures.pop(key, None)
        failures[key] = Failure(identity, _inputs(entry.value))
    if not failures:
        raise _refusal(path, report)
    doubtful += report.broken
    if doubtful and warn is None:
        raise LogError("\n".join(doubtful))
    if warn is not None:
        for message in doubtful:
            warn(message)
    return list(failures.values())


def move_failures(path: Path | str, target_log_dir: Path | str | None = None) -> Path:
    """Give a log of failures another name, so that it is not tried twice; return that name.

    ``log.failed.yaml`` becomes ``log.retried-1.failed.yaml``, or the first number that is free: by its
    ending it is still a log of failures to whoever looks through the directory. Failures that come
    later begin a new log under the old name. To miss none that is written meanwhile, move first, then
    read the file of the new name.

    Parameters
    ----------
    path
        The log.
    target_log_dir
        The directory to move it to, on the same file system; by default the one where it is.

    Raises
    ------
    UsageError
        The file is missing, or no log of failures; it says what else it is.
    LogError
        It cannot be moved.
    """
    path = Path(path)
    check_paths([str(path)])
    folder = path.parent if target_log_dir is None else Path(target_log_dir)
    try:
        while True:
            file = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
            try:
                with locked(file):
                    # Who had the lock before may have moved it.
                    if os.path.samestat(os.fstat(file), path.stat()):
                        return _move(path, folder)
            finally:
                os.close(file)
    except FileNotFoundError:
        raise UsageError(f"{path} is gone: somebody else has just moved it") from None
    except OSError as error:
        raise LogError(f"the log {path} cannot be moved: {error.strerror}") from None


def is_failed_log(path: Path | str) -> bool:
    """Whether a file is a log with failures in it; False for what is missing or cannot be read."""
    path = Path(path)
    try:
        if not path.is_file() or not _ERROR.search(path.read_bytes()):
            return False
    except OSError:
        return False
    return not is_queue_file(path) and any(map(_failed, read_logs([LogFile(str(path), path)], Report())))


def is_queue_file(path: Path | str) -> bool:
    """Whether a file is a queue, by the comments that it begins with; False for what is missing.

    A person may have written lines above the runner's own.
    """
    with contextlib.suppress(OSError), Path(path).open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if line.startswith(_QUEUE):
                return True
            if line.strip() and not line.lstrip().startswith("#"):
                return False
    return False


def _failed(entry: Entry) -> bool:
    # A Module may measure an ERROR; the runner's is a text.
    return isinstance(entry.value.get("ERROR"), str)


def _inputs(record: dict[Any, Any]) -> dict[str, Any]:
    """Return the inputs of a record: with no ``REP``, which a person may have removed, all keys but ours."""
    keys = list(record)
    if _LAST_INPUT in record:
        place = keys.index(_LAST_INPUT) + 1
        keys = keys[:place] + [key for key in keys[place:] if key == "RND_IDX"]
    return {key: record[key] for key in keys if key not in _NO_INPUTS}


def _refusal(path: Path, report: Report) -> UserError:
    """Return the error that says what a file is that holds no failures, and what to do with it."""
    log = failed_log(str(path))
    if is_queue_file(path):
        return UsageError(f"{path} is a queue, no log of failures; run.py --queue {path} takes from it")
    if DEFINITION in report.skipped:
        return UsageError(f"{path} is a definition, no log of failures; run.py --exp {path} runs it")
    if report.foreign or report.broken:
        return LogError(
            "\n".join([f"{path} holds no failures that could be read", *report.foreign, *report.broken])
        )
    if report.documents and Path(log).exists():
        return UsageError(f"{path} is a log of what did not fail; the failures are in {log}")
    if report.documents:
        hint = "those of log.yaml are in log.failed.yaml; run.py --exp runs a definition"
        return UsageError(f"{path} is no log of failures: nothing in it has an ERROR ({hint})")
    return UsageError(f"{path} is empty: it holds no failures")


def _move(path: Path, folder: Path) -> Path:
    if not is_failed_log(path):
        report = Report()
        next(read_logs([LogFile(str(path), path)], report), None)  # tells a definition from a log
        raise _refusal(path, report)
    stem = _ENDING.sub("", path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        target = folder / f"{stem}.retried-{number}.failed{path.suffix}"
        try:
            target.touch(exist_ok=False)  # reserved: a rename asks nobody before it overwrites
        except FileExistsError:
            continue
        try:
            return path.replace(target)
        except BaseException:
            target.unlink()
            raise
    raise AssertionError("numbers do not end")
