"""What a file is that a person has named where another kind belongs, and how it is meant to be used."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coolrunner.cli.queue_find import journal_in
from coolrunner.errors import UserError

__all__ = ["instead_of_definition", "instead_of_queue"]


def instead_of_queue(path: Path, program: str = "coolrunner run") -> str:
    """Say what a file is that is no queue, and what may have been meant; empty where nobody knows."""
    from coolrunner.results.logs.failures import is_failed_log
    from coolrunner.results.logs.reading import read_logs
    from coolrunner.results.logs.sources import DEFINITION, LogFile, Report
    from coolrunner.results.logs.yamllog import failed_log

    if is_failed_log(path):
        return f"{path} is a log of failures; to try again what is in it: {_run(program, '--queue', path)}"
    report = Report()
    first = next(read_logs([LogFile(str(path), path)], report), None)
    if DEFINITION in report.skipped:
        queue = _queue_of(path)
        run = f"{path} is a definition; it is run with {_run(program, '--exp', path)}"
        return f"{run}, and its queue is {queue or 'in memory (--queue-file FILE keeps it in a file)'}"
    if first is None or not ("ID" in first.value or "STUDY" in first.value):
        return ""
    words = f"{path} is a log of results"
    failed = Path(failed_log(str(path)))
    if failed.exists():
        return f"{words}; to try again what failed: {_run(program, '--queue', failed)}"
    study = first.value.get("STUDY") or "FILE"
    return f"{words}; to run what is missing in it: {_run(program, '--exp', study, '--resume')}"


def instead_of_definition(path: Path, program: str) -> str:
    """Say what a file is that is no definition, and how it is run; empty where it may be one."""
    from coolrunner.results.logs.failures import is_queue_file

    if journal_in(path).exists() or is_queue_file(path):
        return f"{path} is a queue; to go on with it: {_run(program, '--queue', path)}"
    other = instead_of_queue(path, program)
    return "" if other.startswith(f"{path} is a definition") else other


def _queue_of(path: Path) -> Path | None:
    """Return the queue file that a definition names."""
    from coolrunner.yamlio import read_documents, read_source

    try:
        document = next(iter(read_documents(read_source(str(path)))), None)
    except UserError:
        return None
    default: Any = document.value if document else None
    settings = default.get("Global") if isinstance(default, Mapping) else None
    queue = settings.get("queue") if isinstance(settings, Mapping) else None
    return Path(queue) if isinstance(queue, str) and queue else None


def _run(program: str, *arguments: object) -> str:
    return f"{program} {shlex.join(map(str, arguments))}"
