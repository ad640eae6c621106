"""In what some rows differ: what they were given, what came of it, their code, packages and git."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.errors import RunError
from coolrunner.results.annotations import MARKS, NOTE, TAGS
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows
from coolrunner.results.showing.details import Details
from coolrunner.runs.patches import is_text, sections
from coolrunner.runs.store import Store
from coolrunner.yamlio import canonical

__all__ = ["Differences", "differences", "source_diffs"]

# Of what is kept for the record these are always others, or are shown elsewhere.
_ALWAYS = {("ID",), ("RUN",), ("NUMBER",), ("STARTED",), ("OUTPUT_DIR",), MARKS, TAGS, NOTE}
_TAKEN = ("TIME_ELAPSED",)
_NAMED = 3  # files of a patch
_LONGEST = 20_000  # lines of a file that is compared line by line

#: What some rows have under one name, in their order; `MISSING` where one has nothing.
Values = tuple[Any, ...]


@dataclass(slots=True)
class Differences:
    """In what rows differ; each mapping has the values of the rows, in their order, by name.

    Attributes
    ----------
    parameters, results, info
        By the names of keys. The time that they took is among the results.
    environment
        Python, machine and the like.
    git
        ``commit``, ``branch``, and what was not committed.
    packages
        The versions, by the names of packages.
    sources
        The digests of contents, by the names of files in the project.
    same
        How many there are of each in which they do not differ.
    unknown
        For which rows it is not known where they came from.
    """

    parameters: dict[str, Values] = field(default_factory=dict)
    results: dict[str, Values] = field(default_factory=dict)
    info: dict[str, Values] = field(default_factory=dict)
    environment: dict[str, Values] = field(default_factory=dict)
    git: dict[str, Values] = field(default_factory=dict)
    packages: dict[str, Values] = field(default_factory=dict)
    sources: dict[str, Values] = field(default_factory=dict)
    same: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def sections(self) -> Iterator[tuple[str, dict[str, Values]]]:
        """Yield all of it, by what it is called."""
        for name in ("parameters", "results", "info", "environment", "git", "packages", "sources"):
            yield name, getattr(self, name)

    def __bool__(self) -> bool:
        return any(values for _, values in self.sections())


def differences(rows: Rows, compared: Sequence[Details]) -> Differences:
    """Return in what rows differ.

    Parameters
    ----------
    rows
        These rows, in their order.
    compared
        The same, each with what belongs to it.
    """
    found = Differences()
    for key, values in zip(rows.keys, rows.columns([key.path for key in rows.keys]), strict=True):
        if key.path in _ALWAYS:
            continue
        role = Role.RESULT if key.path == _TAKEN else key.role
        section = {Role.PARAMETER: "parameters", Role.RESULT: "results", Role.INFO: "info"}[role]
        _add(found, section, key.name, values)
    known = [each for each in compared if each.provenance or each.sources is not None]
    found.unknown = [each.handle for each in compared if each not in known]
    # Only among those of which it is known: the others would differ from them in everything.
    if len(known) < 2:
        return found
    for section, read in (("environment", _environment), ("git", _git), ("packages", _packages)):
        _add_all(found, section, compared, [read(each) for each in compared])
    files = [dict(each.sources.files) if each.sources is not None else {} for each in compared]
    _add_all(found, "sources", compared, files)
    return found


def _add_all(
    found: Differences, section: str, compared: Sequence[Details], facts: Sequence[Mapping[str, Any]]
) -> None:
    names = dict.fromkeys(name for each in facts for name in each)
    for name in names:
        values = [each.get(name, MISSING) for each in facts]
        known = [
            value for row, value in zip(compared, values, strict=True) if row.handle not in found.unknown
        ]
        _add(found, section, name, values, known)


def _add(
    found: Differences, section: str, name: str, values: Sequence[Any], known: Sequence[Any] | None = None
) -> None:
    if len(set(map(_form, values if known is None else known))) > 1:
        getattr(found, section)[name] = tuple(values)
    else:
        found.same[section] = found.same.get(section, 0) + 1


def _form(value: Any) -> str:
    """Return a text that is the same for the same data; 1, 1.0 and true are three."""
    return "" if value is MISSING else canonical(value)


# --- where they came from ---


def _environment(row: Details) -> dict[str, Any]:
    origin = row.provenance

    def inner(key: str, name: str) -> Any:
        group = origin.get(key)
        return group.get(name) if isinstance(group, Mapping) else None

    gpus = origin.get("gpus")
    names = (
        [str(gpu.get("name")) for gpu in gpus if isinstance(gpu, Mapping)] if isinstance(gpus, list) else []
    )
    argv = origin.get("argv")
    facts = {
        "command": " ".join(map(str, argv)) if isinstance(argv, list) else None,
        "directory": origin.get("cwd"),
        "Python": inner("python", "version"),
        "interpreter": inner("python", "executable"),
        "coolrunner": origin.get("coolrunner"),
        "machine": inner("host", "name"),
        "system": " ".join(str(inner("host", name)) for name in ("system", "release") if inner("host", name)),
        "CPU": inner("cpu", "name"),
        "GPUs": ", ".join(names),
    }
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}


def _git(row: Details) -> dict[str, Any]:
    git = row.provenance.get("git")
    if not isinstance(git, Mapping):
        return {}
    submodules = git.get("submodules")
    facts = {"commit": git.get("commit"), "branch": git.get("branch")}
    if isinstance(git.get("diff"), str):
        facts["not committed"] = _changed_files(row, git["diff"])
    if isinstance(submodules, Mapping):
        for path, inner in submodules.items():
            if isinstance(inner, Mapping):
                facts[f"commit of {path}"] = inner.get("commit")
    return {name: fact for name, fact in facts.items() if fact is not None}


def _changed_files(row: Details, digest: str) -> str:
    """Return which files a patch changes, and what tells it from any other of the same files."""
    try:
        patch = Store(row.run.store).get(digest) if row.run is not None else b""
    except RunError as error:
        return str(error)
    names = list(dict.fromkeys(name.decode("utf-8", "replace") for name, _ in sections(patch)))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{digest[:7]}: {', '.join(names[:_NAMED])}{more}"


def _packages(row: Details) -> dict[str, Any]:
    packages = row.provenance.get("packages")
    return dict(packages) if isinstance(packages, Mapping) else {}


# --- the code itself ---


def source_diffs(found: Differences, compared: Sequence[Details]) -> Iterator[str]:
    """Yield the lines in which the sources of rows differ from those of the first, as a unified diff.

    Parameters
    ----------
    found
        From `differences`.
    compared
        What was compared.
    """
    known = [number for number, each in enumerate(compared) if each.handle not in found.unknown]
    for name, digests in found.sources.items():
        for number in known[1:]:
            if digests[number] != digests[known[0]]:
                yield from _file_diff(
                    name, compared[known[0]], compared[number], digests[known[0]], digests[number]
                )


def _file_diff(name: str, one: Details, other: Details, old: Any, new: Any) -> Iterator[str]:
    names = f"{one.handle}/{name}", f"{other.handle}/{name}"
    try:
        before, after = _content(one, old), _content(other, new)
    except RunError as error:
        yield f"{name}: {error}"
        return
    if not (is_text(before) and is_text(after)):
        yield f"Binary files {names[0]} and {names[1]} differ"
        return
    lines = [data.decode("utf-8", "replace").splitlines() for data in (before, after)]
    if max(map(len, lines)) > _LONGEST:
        yield f"{names[0]} and {names[1]} differ, and are too long to say where"
        return
    yield from difflib.unified_diff(lines[0], lines[1], names[0], names[1], lineterm="")


def _content(row: Details, digest: Any) -> bytes:
    return Store(row.run.store).get(digest) if digest is not MISSING and row.run is not None else b""
