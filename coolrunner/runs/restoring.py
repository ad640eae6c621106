"""A run's code and parameters, written back into a directory of their own.

::

    DIR/README.txt            what it is, and how to run it again
    DIR/params.yaml           its parameters
    DIR/changes.diff          how the code differed from the commit, for git apply
    DIR/changes/<path>.diff   the same of a submodule
    DIR/sources/...           the files that it imported, as they were
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coolrunner.errors import BadNameError, RunError, RunWriteError
from coolrunner.runs.directory import RunDirectory, write_whole
from coolrunner.runs.names import parts_of
from coolrunner.runs.provenance import read_provenance
from coolrunner.runs.sources import Manifest, read_manifest
from coolrunner.runs.status import RunState
from coolrunner.runs.store import Store

__all__ = ["restore", "write_sources"]


def restore(run: RunDirectory, store: Store, target: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write back what a run was made of.

    Parameters
    ----------
    run
        Its directory.
    store
        What its root keeps for many runs.
    target
        A directory that is not there yet, or is empty.
    overwrite
        Whether files that are there may be replaced; others are left as they are.

    Returns
    -------
    The files that were written.

    Raises
    ------
    RunError
        The directory is not empty, or what is needed is missing or damaged; then nothing is written.
    RunWriteError
        The disk does not take it.
    """
    state = run.read_state()
    facts = read_provenance(store, state.provenance) if state.provenance else {}
    manifest = read_manifest(store, state.sources) if state.sources else Manifest({}, {})
    contents: dict[str, bytes] = {
        "README.txt": _readme(run.name, state, facts, manifest).encode("utf-8", "replace")
    }
    try:
        contents["params.yaml"] = run.params.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RunError(f"{run.params} cannot be read: {error.strerror}") from None
    contents.update({name: store.get(digest) for name, digest in _patches(facts)})
    contents.update({f"sources/{name}": store.get(digest) for name, digest in manifest.files.items()})
    return _write(Path(target), contents, overwrite)


def write_sources(store: Store, digest: str, target: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write the sources of a manifest into a directory; as `restore` otherwise."""
    manifest = read_manifest(store, digest)
    contents = {name: store.get(content) for name, content in manifest.files.items()}
    return _write(Path(target), contents, overwrite)


def _patches(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the digest of each patch."""

    def walk(git: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
        if isinstance(git.get("diff"), str):
            yield (f"changes/{path}.diff" if path else "changes.diff"), git["diff"]
        submodules = _mapping(git, "submodules")
        for name in submodules:
            yield from walk(_mapping(submodules, name), f"{path}/{name}" if path else name)

    return walk(_mapping(facts, "git"), "")


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a mapping within a mapping; an empty one for whatever else is there."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _write(target: Path, contents: Mapping[str, bytes], overwrite: bool) -> list[Path]:
    paths = {_path_in(target, name): data for name, data in contents.items()}
    try:
        if not overwrite and target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RunError(f"{target} is not an empty directory: name another one")
        for path, data in paths.items():
            _make_directories(target, path.parent)
            write_whole(path, data)
    except RunWriteError:
        raise
    except OSError as error:
        raise RunWriteError(f"{error.filename or target} cannot be written: {error.strerror}") from None
    return list(paths)


def _path_in(target: Path, name: str) -> Path:
    try:
        return target.joinpath(*parts_of(name, "the path of a file to restore"))
    except BadNameError as error:
        raise RunError(f"nothing was restored: {error}") from None


def _make_directories(target: Path, directory: Path) -> None:
    """Make a directory below `target`, through no link that leads out of it."""
    if not directory.resolve().is_relative_to(target.resolve()):
        raise RunError(f"{directory} leads out of {target}: nothing is restored there")
    directory.mkdir(parents=True, exist_ok=True)


# --- in words ---


def _readme(name: str, state: RunState, facts: Mapping[str, Any], manifest: Manifest) -> str:
    lines = [f"What was kept of the run {name}.", ""]
    if state.study:
        lines += [
            f"It was an experiment of the study {state.study} (ID {state.experiment or 'unknown'}).",
            "",
        ]
    lines += ["  params.yaml    its parameters"]
    if manifest.files:
        lines += ["  sources/       the files of the project that it used, as they were"]
    for file, _ in _patches(facts):
        lines += [f"  {file:<14} how the code differed from the commit"]
    lines += ["", *_how(state, facts, bool(manifest.files)), *_missing(facts, manifest)]
    return "\n".join(lines).rstrip() + "\n"


def _how(state: RunState, facts: Mapping[str, Any], sources: bool) -> Iterator[str]:
    argv, left_out = facts.get("argv"), facts.get("left_out")
    if isinstance(argv, list):
        python = _mapping(facts, "python")
        host = state.host or _mapping(facts, "host").get("name")
        yield f"It was started{f' on {host}' if host else ''} with Python {python.get('version')}, by"
        yield ""
        yield f"    cd {shlex.quote(str(facts.get('cwd')))}"
        yield f"    {shlex.join(map(str, argv))}"
        yield ""
        if left_out and isinstance(left_out, list):
            yield f"Values that are secret were left out: {', '.join(map(str, left_out))}."
            yield ""
    git = _mapping(facts, "git")
    if git.get("commit"):
        branch = f" of the branch {git['branch']}" if git.get("branch") else ""
        yield f"To have the code as it was, in a clone of the repository (commit{branch}):"
        yield ""
        yield f"    git checkout {git['commit']}"
        if git.get("diff"):
            yield "    git apply /path/to/changes.diff"
        yield ""
    if sources:
        yield "Without the repository: the same command, in the directory sources and with its files."
        yield ""


def _missing(facts: Mapping[str, Any], manifest: Manifest) -> Iterator[str]:
    git = _mapping(facts, "git")
    missing = {**_mapping(git, "left_out"), **manifest.left_out}
    if missing:
        yield "Not kept:"
        yield ""
        yield from (f"    {name!r}: {reason}" for name, reason in missing.items())
        yield ""
    if git.get("problem"):
        yield f"Not known of the code: {git['problem']}."
