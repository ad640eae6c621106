"""``coolrunner runs show``: all there is to say of one run; changes nothing."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.runs_find import path_shown, run_of
from coolrunner.cli.runs_read import elapsed_of, for_json, parameters_of, results_of, status_of, warn
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import RunError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState

if TYPE_CHECKING:
    from coolrunner.runs.sources import Manifest

__all__ = ["configure", "execute"]

# Of the status: said otherwise, or of use to programs alone.
_HIDDEN = {
    "status",
    "id",
    "kind",
    "name",
    "elapsed",
    "process",
    "provenance",
    "sources",
    "resumable",
    "attempt",
}


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="its number, name or path (default: the newest)"
    )
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Show it; return the exit status."""
    root, run = run_of(options.root, options.run)
    state = run.read_state()
    marks = sorted(root.marks_by_run().get(run.name, ())) if root.layout.marked else []
    origin, sources = _origin(run, state), _sources(run, state)
    files = _files(run)
    last = _last_metrics(run)
    inside = Root.inside(run).runs() if run.nested.is_dir() else []
    if options.json:
        data = {
            "path": str(run.path),
            **state.as_data(),
            "status": status_of(state),
            "elapsed": elapsed_of(state),
            "marks": marks,
            "parameters": parameters_of(run),
            "results": results_of(run),
            "metrics": {name: {"step": step, "value": value} for name, (step, value) in last.items()},
            "files": [name for name, _ in files],
            "runs": [str(nested.path) for nested in inside],
            "provenance": origin,
            "sources": dict(sources.files) if sources is not None else {},
        }
        print_json(for_json(data))
        return 0
    from coolrunner.reporting.runs import print_sheet
    from coolrunner.reporting.text import number, size
    from coolrunner.yamlio import dump

    print_sheet(
        path_shown(run.path),
        {**dict(_standing(state)), **({"marks": ", ".join(marks)} if marks else {}), **_in_words(origin)},
        {
            "parameters": _lines(dump(parameters_of(run))),
            "results": _lines(dump(results_of(run))),
            "metrics, the last of each": {
                name: f"{number(value)} at step {step}" for name, (step, value) in last.items()
            },
            "files": {name: size(count) for name, count in files},
            "runs within it": {path_shown(nested.path): "" for nested in inside},
            "sources": dict.fromkeys(sources.files, "") if sources is not None else {},
            "not kept": _left_out(origin, sources),
        },
        f"its output: coolrunner runs logs {_called(options, root, run)}",
        file=sys.stdout,
    )
    return 0


def _lines(text: str) -> list[str]:
    return text.splitlines() if text.strip() != "{}" else []


def _called(options: argparse.Namespace, root: Root, run: RunDirectory) -> str:
    """Return how this run is named in the next command."""
    if root.layout.numbered and (options.run is None or options.run.isdecimal()):
        given = ["--root", options.root] if options.root else []
        return shlex.join([str(run.number), *given])
    return shlex.quote(path_shown(run.path))


def _standing(state: RunState) -> Iterator[tuple[str, str]]:
    """Yield what to say of how it stands."""
    from coolrunner.reporting.text import duration

    yield "status", status_of(state)
    elapsed = elapsed_of(state)
    if elapsed is not None:
        yield "time", duration(elapsed)
    if state.attempt > 1:
        yield "attempt", str(state.attempt)
    for key, value in state.as_data().items():
        if key not in _HIDDEN:
            yield key, str(value)


# --- where it came from; what is pruned or damaged hides nothing else ---


def _origin(run: RunDirectory, state: RunState) -> dict[str, Any]:
    if not state.provenance:
        return {}
    from coolrunner.runs.provenance import read_provenance
    from coolrunner.runs.store import Store

    try:
        return dict(read_provenance(Store(run.store), state.provenance))
    except RunError as error:
        warn(error)
        return {}


def _sources(run: RunDirectory, state: RunState) -> Manifest | None:
    if not state.sources:
        return None
    from coolrunner.runs.sources import read_manifest
    from coolrunner.runs.store import Store

    try:
        return read_manifest(Store(run.store), state.sources)
    except RunError as error:
        warn(error)
        return None


def _in_words(origin: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    argv, git, python = origin.get("argv"), origin.get("git"), origin.get("python")
    if isinstance(argv, list):
        found["command"] = shlex.join(map(str, argv))
    if origin.get("cwd"):
        found["started in"] = str(origin["cwd"])
    if isinstance(python, Mapping):
        found["Python"] = str(python.get("version"))
    if isinstance(git, Mapping) and git.get("commit"):
        branch = f" on {git['branch']}" if git.get("branch") else ""
        found["code"] = f"{str(git['commit'])[:12]}{branch}{', with changes' if git.get('dirty') else ''}"
    return found


def _left_out(origin: Mapping[str, Any], sources: Manifest | None) -> dict[str, str]:
    """Return what was not kept, and why."""
    git = origin.get("git")
    of_git = git.get("left_out") if isinstance(git, Mapping) else None
    found = {**(of_git if isinstance(of_git, Mapping) else {}), **(sources.left_out if sources else {})}
    secret = {f"the value of {name}": "it is secret" for name in origin.get("left_out") or ()}
    return {**secret, **{str(name): str(reason) for name, reason in found.items()}}


def _last_metrics(run: RunDirectory) -> dict[str, tuple[int, float]]:
    if not run.metrics.exists():
        return {}
    from coolrunner.runs.rows import read_metrics

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        last = {row.name: (row.step, row.value) for row in read_metrics(run.metrics)}
    for warning in told:
        warn(warning.message)
    return last


def _files(run: RunDirectory) -> list[tuple[str, int]]:
    """Return what a run holds, by its path in the run, with the size in bytes; links are not followed."""
    found: list[tuple[str, int]] = []
    left = [(run.path, "")]
    while left:
        place, before = left.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.is_symlink() or entry.path == str(run.nested):
                    continue
                name = f"{before}{entry.name}"
                if entry.is_dir():
                    left.append((Path(entry.path), f"{name}/"))
                else:
                    found.append((name, entry.stat().st_size))
    return sorted(found)
