"""One experiment of a study once more: the definition that does what its run did, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.definition.documents import read_default, read_definition
from coolrunner.definition.expressions import compile_expression
from coolrunner.definition.problems import Problems
from coolrunner.errors import QueueError, RunError
from coolrunner.runs.directory import RunDirectory
from coolrunner.yamlio import dump

__all__ = ["definition_of", "settings_in", "settings_of"]

# Of ``Global``: what one experiment depends on.
_KEPT = ("imports", "executor", "grace", "gpus", "warm")
# Given by the runner, or no part of what one experiment is.
_DROPPED = ("ID", "REP", "After", "Hold", "Repeat")
_PARSE, _SOLVE = "parse ", "solve "


def settings_of(definition: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return what ``Global`` of a definition says that one of its experiments depends on.

    Parameters
    ----------
    definition
        The file; one that is no definition (any more) says nothing.
    overrides
        Those of the study's command line.
    """
    found = read_definition(definition, overrides, Problems()) if definition.is_file() else None
    return _kept(found.settings if found is not None else None)


def settings_in(journal: Path) -> dict[str, Any]:
    """Return the same for the study of a queue; a journal that cannot be read says nothing."""
    from coolrunner.queue.journal import Journal
    from coolrunner.yamlio.source import Source

    if not journal.exists():
        return {}
    try:
        with contextlib.closing(Journal(journal, writable=False)) as opened:
            study = next((record for record in opened.read() if record.get("t") == "study"), {})
    except QueueError:
        return {}
    source = Source(str(study.get("path", "")), str(study.get("defaults", "")))
    overrides = [str(text) for text in study.get("overrides", ())]
    return _kept(read_default(source, overrides, Problems()).settings)


def _kept(settings: Any) -> dict[str, Any]:
    return {key: settings[key] for key in _KEPT if key in settings} if isinstance(settings, dict) else {}


def definition_of(
    run: RunDirectory, settings: Mapping[str, Any], results: Mapping[str, Any]
) -> tuple[str, int | None]:
    """Return a definition of one experiment, and the number by which it is picked from its copies.

    It is given what the run was given: its ``RND_IDX``, its ``REP`` (as the last of so many copies), and,
    for what it had from the results of other experiments, the values that it had.

    Parameters
    ----------
    run
        Of the experiment.
    settings
        ``Global`` of the definition.
    results
        What came of the run, with ``SOLVED``.

    Raises
    ------
    RunError
        It cannot be said in a definition, or its parameters cannot be read.
    """
    given = run.read_params()
    solved = results.get("SOLVED")
    values = {key: value for key, value in given.items() if key not in _DROPPED}
    again = _again(values, "", solved if isinstance(solved, dict) else {}, run)
    copy, repeat = given.get("REP"), given.get("Repeat")
    number = copy if isinstance(copy, int) else 0
    copies = max(repeat if isinstance(repeat, int) else 1, number + 1)
    if copies > 1:
        again["Repeat"] = copies
    text = f"# {run.name}, again\n{dump({'Global': dict(settings)})}---\n{dump(again)}"
    return text, number if copies > 1 else None


def _again(value: Any, path: str, solved: Mapping[str, Any], run: RunDirectory) -> Any:
    """Return a value as a definition gives it once more."""
    if isinstance(value, dict):
        dot = f"{path}." if path else ""
        return {key: _again(item, f"{dot}{key}", solved, run) for key, item in value.items()}
    if isinstance(value, list):
        return [_again(item, f"{path}[{place}]", solved, run) for place, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    if value.startswith(_PARSE):
        raise RunError(f"{run.name}: {path} is the text {value!r}, which a definition would evaluate")
    if not value.startswith(_SOLVE) or not _uses_others(value.removeprefix(_SOLVE)):
        return value
    if path not in solved:
        raise RunError(
            f"{run.name}: {path} comes from the results of another experiment ({value}), and is not known"
        )
    return solved[path]


def _uses_others(text: str) -> bool:
    try:
        return "E" in compile_expression(text).names
    except SyntaxError:
        return False
