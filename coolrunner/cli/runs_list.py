"""``coolrunner runs ls``: a list of runs; changes nothing."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.cli.runs_find import path_shown, roots_of, started
from coolrunner.cli.runs_read import elapsed_of, for_json, parameters_of, results_of, status_of
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import RunError, UnknownMarkError, UsageError, nearest
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.finding import directories, in_order
from coolrunner.runs.layout import EXMAN
from coolrunner.runs.links import links_under
from coolrunner.runs.names import safe_part
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus

__all__ = ["configure", "execute"]

_LIMIT = 50
_UNREADABLE = "unreadable"
_STATUSES = [*(status.value for status in RunStatus), _UNREADABLE]
# What says how an experiment is run, and not what it is.
_BOOKKEEPING = {"Name", "ID", "Module", "Run", "Repeat", "RND_IDX", "YamlLog"}
# What `ExParser` adds, and restores from no run.
_OF_THE_PARSER = {"config_file", "git_dirty", "tmp"}
# The module of an exception in front of its name, for which a line of a list has no room.
_EXCEPTION = re.compile(r"\A(?:\w+\.)+(?=\w+(?::|\Z))")
#: The columns that the list has anyway.
_OURS = ("root", "id", "status", "name", "started", "time", "marks")


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add = parser.add_argument
    add("--status", metavar="WHICH", help=f"only these: {', '.join(_STATUSES)} (some, with commas)")
    add("--mark", metavar="MARK", help="only those with this mark, or with one nested in it")
    add("--all", action="store_true", help="also those tried out, and those taken out of the index")
    add("--limit", type=int, metavar="N", help=f"the newest N, 0 for all (default: {_LIMIT}; all in JSON)")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """List them; return the exit status."""
    wanted = _wanted(options.status)
    limit = options.limit if options.limit is not None else 0 if options.json else _LIMIT
    if limit < 0:
        raise UsageError("--limit: a whole number from 0 was expected")
    roots = roots_of(options.root)
    by_root = _places(options, roots)
    found = [listed for root, places in by_root for listed in _newest(root, places, wanted, limit)]
    if len(roots) > 1:
        found.sort(key=lambda listed: started(listed.run))
        found = found[-limit:] if limit else found
    if options.json:
        print_json([_as_data(listed, several=len(roots) > 1) for listed in found])
        return 0
    if not found:
        sys.stdout.write("there are no such runs\n" if _is_narrowed(options) else "there are no runs yet\n")
        return 0
    _print(found, several_roots=len(roots) > 1)
    count = sum(len(places) for _, places in by_root)
    if wanted is None and len(found) < count:
        sys.stdout.write(f"\n{len(found)} of {count} are shown (--limit 0 shows all)\n")
    elif wanted is not None and len(found) == limit:
        sys.stdout.write(f"\nthe newest {limit} are shown (--limit 0 shows all)\n")
    return 0


def _is_narrowed(options: argparse.Namespace) -> bool:
    return bool(options.status or options.mark)


def _wanted(text: str | None) -> set[str] | None:
    if text is None:
        return None
    wanted = {word.strip() for word in text.split(",")}
    for word in wanted:
        if word not in _STATUSES:
            close = nearest(word, _STATUSES)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(_STATUSES)}"
            raise UsageError(f"--status: no run is {word!r}; {hint}")
    return wanted


#: Where a run is in its root, and the name of its directory.
_Place = tuple[str, str]


def _places(options: argparse.Namespace, roots: Sequence[Root]) -> list[tuple[Root, list[_Place]]]:
    """Return the runs to choose from, in order; no file is read."""
    if not options.mark:
        return [(root, _all(root) if options.all else _usual(root)) for root in roots]
    found, unknown = [], []
    for root in roots:
        try:
            found.append((root, [(root.layout.runs, run.name) for run in root.marked(options.mark)]))
        except UnknownMarkError as error:
            unknown.append(error)
    if found:
        return found
    if len(unknown) == 1:
        raise unknown[0]
    close = nearest(options.mark, sorted({mark for root in roots for mark in root.marks()}))
    hint = f"; did you mean {close}?" if close else ""
    raise UnknownMarkError(f"no run has the mark {options.mark!r}{hint}")


def _all(root: Root) -> list[_Place]:
    """Return all runs of a root in order, which for 10,000 takes no more than their names."""
    layout = root.layout
    found = []
    for place in layout.places:
        for entry in directories(root.path / place):
            order = layout.order(entry.name)
            if order is not None:
                found.append((order, place, entry.name))
    found.sort()
    if layout.numbered:
        return [(place, name) for _, place, name in found]
    runs = in_order([RunDirectory(root.path / place / name, layout) for _, place, name in found])
    places = {name: place for _, place, name in found}
    return [(places[run.name], run.name) for run in runs]


def _usual(root: Root) -> list[_Place]:
    """Return those that stand in the index, and those that have failed."""
    layout = root.layout
    if layout.index is None:
        return _all(root)
    indexed = {link.run for link in links_under(root.path / layout.index)}
    return [
        (place, name)
        for place, name in _all(root)
        if place == layout.fails or (place == layout.runs and name in indexed)
    ]


# --- what is read of those that are shown, and of no others ---


@dataclass(slots=True)
class _Listed:
    """A run of the list; `error` says what cannot be read."""

    root: Root
    run: RunDirectory
    marks: list[str] = field(default_factory=list)
    state: RunState | None = None
    error: str = ""

    def __post_init__(self) -> None:
        try:
            self.state = self.run.read_state()
        except RunError as error:
            self.error = str(error)

    @property
    def status(self) -> str:
        return status_of(self.state) if self.state is not None else _UNREADABLE

    @property
    def number(self) -> int | None:
        return self.state.id if self.state is not None and self.state.id else self.run.parsed.number


def _newest(root: Root, places: Sequence[_Place], wanted: set[str] | None, limit: int) -> list[_Listed]:
    """Return the newest of the runs with a status, in order."""
    marks = root.marks_by_run() if root.layout.marked else {}
    chosen: list[_Listed] = []
    for place, name in reversed(places):
        if limit and len(chosen) == limit:
            break
        run = RunDirectory(root.path / place / name, root.layout)
        if wanted is not None and not _may_be(run, wanted):
            continue
        listed = _Listed(root, run, sorted(marks.get(run.name, ())))
        if wanted is None or listed.status in wanted:
            chosen.append(listed)
    return chosen[::-1]


def _may_be(run: RunDirectory, wanted: set[str]) -> bool:
    """Return False where a run has none of these statuses for sure: none of the words is in its file."""
    if _UNREADABLE in wanted:
        return True
    try:
        text = run.status.read_bytes()
    except OSError:
        return True
    # One that is lost does not know that itself.
    words = wanted | {RunStatus.RUNNING.value} if RunStatus.LOST.value in wanted else wanted
    return any(word.encode() in text for word in words)


def _contents(listed: _Listed) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and results."""
    try:
        return parameters_of(listed.run), results_of(listed.run)
    except RunError as error:
        listed.error = listed.error or str(error)
        return {}, {}


def _as_data(listed: _Listed, *, several: bool) -> dict[str, Any]:
    """Return a run for other programs."""
    parameters, results = _contents(listed)
    state = listed.state
    return {
        "id": listed.number,
        "status": listed.status,
        "name": listed.run.title,
        "path": str(listed.run.path),
        **({"root": str(listed.root.path)} if several else {}),
        "started": state.started if state is not None else None,
        "elapsed": elapsed_of(state) if state is not None else None,
        "error": listed.error or (state.error if state is not None else ""),
        "marks": listed.marks,
        "parameters": for_json(parameters),
        "results": for_json(results),
    }


# --- for people ---


def _print(found: Sequence[_Listed], *, several_roots: bool) -> None:
    from coolrunner.definition.differing import pick_keys
    from coolrunner.reporting.runs import RunRow, print_runs

    contents = [_contents(listed) for listed in found]
    kept = [_shown(parameters, listed.run) for (parameters, _), listed in zip(contents, found, strict=True)]
    # What one door writes down of each run need not tell the others'.
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for listed, parameters in zip(found, kept, strict=True):
        by_kind.setdefault(listed.root.layout.kind, []).extend([parameters] if parameters else [])
    paths = {kind: _telling(alike) for kind, alike in by_kind.items()}
    rows = []
    for listed, parameters, (_, results) in zip(found, kept, contents, strict=True):
        state = listed.state
        rows.append(
            RunRow(
                listed.number,
                listed.status,
                listed.run.title,
                state.started if state is not None else "",
                elapsed_of(state) if state is not None else None,
                listed.marks,
                listed.error or (_EXCEPTION.sub("", state.error) if state is not None else ""),
                dict(_named_apart("results", _scalars(results))),
                dict(_named_apart("parameters", pick_keys(parameters, paths[listed.root.layout.kind]))),
                path_shown(listed.root.path) if several_roots else "",
            )
        )
    left_out = print_runs(rows, file=sys.stdout)
    if left_out:
        sys.stdout.write(f"\nno room for {', '.join(left_out)} (--json has all)\n")


def _shown(parameters: Mapping[str, Any], run: RunDirectory) -> dict[str, Any]:
    """Return the parameters that may tell runs apart."""
    name = parameters.get("name")
    left_out = {"ID"}
    if name is None or safe_part(name) == run.title:
        left_out.add("name")
    if run.layout.kind == EXMAN.kind:
        left_out |= _OF_THE_PARSER
    return {key: value for key, value in parameters.items() if key not in left_out}


def _telling(configurations: Sequence[Mapping[str, Any]]) -> Sequence[tuple[Any, ...]]:
    """Return the paths of the parameters that tell runs apart; of one run, all that may matter."""
    from coolrunner.definition.differing import differing_keys

    if len(configurations) > 1:
        return differing_keys(configurations)
    return [(key,) for one in configurations for key in one if key not in _BOOKKEEPING]


def _scalars(results: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in results.items() if not isinstance(value, (list, dict))}


def _named_apart(group: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield values under names that no other column has."""
    for key, value in values.items():
        yield (f"{group}.{key}" if key in _OURS else str(key)), value
