"""Copies of the sources of a project, for the directory of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from coolrunner.errors import BadNameError
from coolrunner.runs.names import parts_of
from coolrunner.runs.project import project_files, relative_name
from coolrunner.runs.secrets import is_secret_file, looks_secret
from coolrunner.runs.sources import LARGEST

__all__ = ["copies_of"]


def copies_of(
    project: Path,
    *,
    apart: Iterable[Path],
    extensions: Collection[str] = ("py",),
    names: Collection[str] = (),
    skip: Collection[str] = (),
) -> tuple[dict[str, bytes], list[str]]:
    """Return the contents of a project's sources, by their paths in it, and what was left out.

    Parameters
    ----------
    project
        Its directory. The home directory and that of the whole machine are none: from there only what was
        imported is taken.
    apart
        Directories of experiments, which are no part of it.
    extensions
        Of the files that are taken: ``py``, ``.yaml``.
    names
        Files that are taken whatever their extension: ``Makefile``, or patterns such as ``*.md``.
    skip
        Regular expressions, looked for in the path of each file and directory in the project, with slashes.

    Returns
    -------
    The contents, and the paths of files that would belong to them, but speak of secrets, hold what looks like
    one, cannot be read, or are bigger than 10 MB.

    Raises
    ------
    UsageError
        A rule to skip is no regular expression.
    """
    patterns = [f".{extension.lstrip('.')}" for extension in extensions] + list(names)
    if project in (Path.home(), Path(project.anchor)):
        patterns = []
    root = str(project)
    found: dict[str, bytes] = {}
    left_out: list[str] = []
    for path in project_files(project, patterns=patterns, skip=skip, apart=apart):
        name = relative_name(str(path), root)
        data = _content(path, name)
        if data is None:
            left_out.append(name)
        else:
            found[name] = data
    return found, left_out


def _content(path: Path, name: str) -> bytes | None:
    try:
        parts_of(name, "the name of a source")
        if is_secret_file(name) or path.stat().st_size > LARGEST:
            return None
        data = path.read_bytes()
    except (BadNameError, OSError):
        return None
    return None if looks_secret(data) else data
