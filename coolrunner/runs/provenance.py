"""Where a run came from: its command line, machine, Python, packages and code.

Collected once for a study, or for a program that makes runs, and kept once by content: runs that came from
the same share it.

Format, version 1: a JSON object with these keys; what is not known is null.

==============  =======================================================================================
``version``     of the format
``coolrunner``  the version of this package
``argv``        the command line, with a placeholder for each value that is left out
``left_out``    the names of these
``cwd``         the working directory
``project``     the directory of the code
``python``      ``version``, ``implementation``, ``executable``
``packages``    name to version
``host``        ``name``, ``system``, ``release``, ``machine``
``cpu``         ``name``, ``count``, ``usable``: how many this process may use
``memory``      of the machine, in bytes
``gpus``        a list of ``name``, ``driver``, ``uuid``
``git``         see `coolrunner.runs.repository.Repository`
==============  =======================================================================================

In the store its packages and patches are contents of their own, with the digest in their place.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import RunError
from coolrunner.runs.machine import installed_packages, machine_facts
from coolrunner.runs.repository import LIMIT, read_repository
from coolrunner.runs.secrets import hide_arguments, placeholder
from coolrunner.runs.store import Store, read_json

if TYPE_CHECKING:
    from coolrunner.runs.directory import RunDirectory

__all__ = ["Provenance", "collect", "keep", "read_provenance", "rerun_command"]

VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """Where runs come from.

    Attributes
    ----------
    facts
        Plain data, with the keys above.
    diffs
        The patches that the facts name by their digest.
    """

    facts: Mapping[str, Any]
    diffs: Sequence[bytes] = field(default=())


def collect(
    directory: str | Path,
    argv: Sequence[str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    limit: int = LIMIT,
    apart: Iterable[str | Path] = (),
) -> Provenance:
    """Collect where the runs of this process come from; takes about as long as ``git status``.

    Parameters
    ----------
    directory
        That of the project.
    argv
        The command line; that of this process by default.
    environment
        The variables of this process.
    limit
        Bytes up to which a changed file, or a new one, is in the patch; the others are listed by name.
    apart
        Directories whose files are no part of the code, such as roots of runs.

    Returns
    -------
    Its facts, with the keys above.
    """
    from coolrunner import __version__

    repository = read_repository(directory, limit=limit, apart=apart, environment=environment)
    arguments, left_out = hide_arguments(sys.orig_argv if argv is None else argv)
    facts = {
        "version": VERSION,
        "coolrunner": __version__,
        "argv": arguments,
        "left_out": left_out,
        "cwd": _working_directory(),
        "project": os.path.abspath(directory),  # noqa: PTH100
        "python": {
            "version": ".".join(map(str, sys.version_info[:3])),
            "implementation": sys.implementation.name,
            "executable": sys.executable,
        },
        "packages": installed_packages(sys.path),
        **machine_facts(),
        "git": repository.facts(),
    }
    return Provenance(facts, tuple(repository.diffs()))


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return None


# --- in the store ---


def keep(store: Store, provenance: Provenance) -> str:
    """Keep a provenance; return its digest, which is what a run remembers.

    Raises
    ------
    RunWriteError
        The disk does not take it.
    """
    for diff in provenance.diffs:
        store.put(diff)
    packages = store.put(_as_json(provenance.facts["packages"]))
    return store.put(_as_json({**provenance.facts, "packages": packages}))


def _as_json(data: Any) -> bytes:
    import json

    return json.dumps(data, indent=1).encode()


def read_provenance(store: Store, digest: str) -> dict[str, Any]:
    """Return the facts that were kept under a digest, as `collect` gave them.

    Raises
    ------
    RunError
        They are not there or damaged, or of a later version.
    """
    facts = read_json(store, digest, "the provenance of a run", VERSION)
    packages = facts.get("packages")
    if isinstance(packages, str):
        facts["packages"] = read_json(store, packages, "the packages of a run")
    return facts


# --- again ---


def rerun_command(
    run: RunDirectory,
    provenance: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    project: str | Path | None = None,
) -> tuple[list[str], Path]:
    """Return the command line that started a run, and the directory to start it in.

    Parameters
    ----------
    run
        For the errors alone.
    provenance
        Its facts, from `read_provenance`.
    secrets
        The values that were left out, by their names.
    project
        A directory in place of the project's, such as one with its stored sources: paths into the one
        become paths into the other.

    Raises
    ------
    RunError
        It is not known, values were left out that are not given, or a notebook has started it.
    """
    argv, directory = provenance.get("argv"), provenance.get("cwd")
    if not (isinstance(argv, list) and argv and all(isinstance(part, str) for part in argv)):
        raise RunError(f"{run.name}: it is not known which command line started it")
    if not isinstance(directory, str):
        raise RunError(f"{run.name}: it is not known in which directory it was started")
    if any("ipykernel" in part for part in argv):
        raise RunError(f"{run.name}: it was started in a notebook, which has no command line to start again")
    command = _with_secrets(run, argv, provenance.get("left_out"), secrets or {})
    python = provenance.get("python")
    executable = python.get("executable") if isinstance(python, dict) else None
    # The first word may have been found along a search path that is no longer the same.
    if isinstance(executable, str) and _is_python(command[0]):
        command[0] = executable if Path(executable).exists() else sys.executable
    old = provenance.get("project")
    if project is None or not isinstance(old, str):
        return command, Path(directory)
    new = os.path.abspath(project)  # noqa: PTH100
    # The interpreter stays, also where it is in an environment within the project.
    return [command[0], *(_moved(part, old, new) for part in command[1:])], Path(_moved(directory, old, new))


def _with_secrets(run: RunDirectory, argv: list[str], names: Any, secrets: Mapping[str, str]) -> list[str]:
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    missing = [name for name in names if name not in secrets]
    if missing:
        raise RunError(
            f"{run.name}: values were left out of what is kept of its command line, and are needed again: "
            f"{', '.join(missing)}"
        )
    command = list(argv)
    for name in names:
        command = [part.replace(placeholder(name), secrets[name]) for part in command]
    return command


def _moved(path: str, old: str, new: str) -> str:
    inside = path == old or path.startswith(old.rstrip(os.sep) + os.sep)
    moved = new + path[len(old) :]
    return moved if inside and os.path.exists(moved) else path  # noqa: PTH110


def _is_python(word: str) -> bool:
    return re.fullmatch(r"(?:.*[/\\])?(?:python|pypy)[\d.]*[a-z]?(?:\.exe)?", word, re.IGNORECASE) is not None
