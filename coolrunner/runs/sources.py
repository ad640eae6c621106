"""The code that a run was made of: the files imported from the project, and others that were chosen.

Contents are kept once in the store. What a run remembers is the digest of its manifest; runs that used the
same files share that too.

Format of a manifest, version 1: a JSON object with ``files`` (the path in the project, with slashes, to the
digest of the content) and ``left_out`` (the path, to the reason).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any

from coolrunner.errors import BadNameError, RunError
from coolrunner.runs.names import parts_of
from coolrunner.runs.project import project_files, relative_name, rooted
from coolrunner.runs.secrets import SECRET_CONTENT, SECRET_NAME, is_secret_file, looks_secret
from coolrunner.runs.store import Store, digest_of, read_json

__all__ = ["LARGEST", "Manifest", "keep_sources", "project_files", "read_manifest"]

VERSION = 1
#: Bytes of the biggest file that is taken for a source.
LARGEST = 10_000_000

_UNREADABLE = "it cannot be read"
_BIG = f"bigger than {LARGEST:,} bytes"
_NO_NAME = "its name cannot be restored"
_OUTSIDE = "it is not in the project"


@dataclass(frozen=True)
class Manifest:
    """The sources of a run.

    Attributes
    ----------
    files
        The path of each in the project, with slashes, and the digest of its content.
    left_out
        What was not kept, and why.
    """

    files: Mapping[str, str]
    left_out: Mapping[str, str]


def keep_sources(
    store: Store, project: str | Path, files: Iterable[str | Path] | Mapping[Any, bytes | None]
) -> str:
    """Keep files of a project; return the digest of their manifest, which is what a run remembers.

    Parameters
    ----------
    store
        Where to.
    project
        The directory that their names are relative to.
    files
        Paths; or contents by path, for those that may have changed since they were imported (None for one
        that is to be read).

    Returns
    -------
    The digest. Files that speak of secrets or hold one, that are big, or cannot be read are listed in the
    manifest with the reason, and not kept.

    Raises
    ------
    RunWriteError
        The disk does not take it.
    """
    root = os.path.abspath(project)  # noqa: PTH100
    pairs = files.items() if isinstance(files, Mapping) else zip(files, repeat(None))
    contents = {os.fspath(path): data for path, data in pairs}
    # Nearly always these are the files of the run before: then nothing is read and nothing is written.
    known = {_name_in(root, path): _look_at(root, path, data) for path, data in contents.items()}
    digest, _ = _written(tuple(known.items()))
    if store.has(digest):  # it is written after all that it names
        return digest
    kept = {_name_in(root, path): _put(store, root, path, data) for path, data in contents.items()}
    return store.put(_written(tuple(kept.items()))[1])


#: What is kept of a file: the digest of its content, or why there is none.
_Entry = tuple[str, str]

# What was found out in this process. A file is known by what `os.stat` says of it; a content that was handed
# over by itself, which costs nothing where it is the very same object again.
_of_file: dict[tuple[Any, ...], _Entry] = {}
_of_content: dict[bytes, _Entry] = {}
_MANY = 10_000
#: A file that was changed so short a while ago (in nanoseconds) may change again and look the same.
_FRESH = 2 * 10**9


def _look_at(root: str, path: str, data: bytes | None) -> _Entry:
    problem = _problem_of_name(root, path)
    if problem:
        return "", problem
    if data is not None:
        entry = _of_content.get(data)
        if entry is None:
            _forget_some(_of_content)
            entry = _of_content[data] = _entry(data)
        return entry
    try:
        status = os.stat(path)  # noqa: PTH116 - for each file of each run
        key = (path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        entry = _of_file.get(key)
        if entry is None:
            entry = _entry(_read(path))
            if time.time_ns() - status.st_mtime_ns > _FRESH:
                _forget_some(_of_file)
                _of_file[key] = entry
    except OSError:
        return "", _UNREADABLE
    return entry


def _put(store: Store, root: str, path: str, data: bytes | None) -> _Entry:
    """Keep a content, as it is now."""
    problem = _problem_of_name(root, path)
    if problem:
        return "", problem
    if data is None:
        try:
            data = _read(path)
        except OSError:
            return "", _UNREADABLE
    entry = _entry(data)
    if not entry[1]:
        store.put(data)
    return entry


def _entry(data: bytes) -> _Entry:
    if len(data) > LARGEST:
        return "", _BIG
    if looks_secret(data):
        return "", SECRET_CONTENT
    return digest_of(data), ""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(LARGEST + 1)


def _forget_some(cache: dict[Any, _Entry]) -> None:
    if len(cache) >= _MANY:
        cache.clear()


@lru_cache(maxsize=_MANY)
def _name_in(root: str, path: str) -> str:
    inside = rooted(path, root)
    return path if inside is None else relative_name(inside, root)


@lru_cache(maxsize=_MANY)
def _problem_of_name(root: str, path: str) -> str:
    if rooted(path, root) is None:
        return _OUTSIDE
    name = _name_in(root, path)
    try:
        parts_of(name, "a file")
    except BadNameError:
        return _NO_NAME
    return SECRET_NAME if is_secret_file(name) else ""


@lru_cache(maxsize=16)
def _written(entries: Sequence[tuple[str, _Entry]]) -> tuple[str, bytes]:
    """Return a manifest's digest, and its text."""
    ordered = sorted(entries)
    kept = [(name, digest) for name, (digest, problem) in ordered if not problem]
    left_out = [(name, problem) for name, (_, problem) in ordered if problem]
    text = f'{{\n "version": {VERSION},\n "files": {_object(kept)},\n "left_out": {_object(left_out)}\n}}'
    return digest_of(text.encode()), text.encode()


def _object(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a JSON object of texts.

    It is written where a Module runs, whose project may have a json.py of its own: the part of Python's
    own that is needed has another name.
    """
    from _json import encode_basestring_ascii as _quoted

    inside = ",\n".join(f"  {_quoted(name)}: {_quoted(value)}" for name, value in pairs)
    return f"{{\n{inside}\n }}" if pairs else "{}"


# --- what is read ---


def read_manifest(store: Store, digest: str) -> Manifest:
    """Return the sources that were kept under a digest.

    Raises
    ------
    RunError
        The manifest is not there or damaged, of a later version, or names a file outside of the project.
    """
    data = read_json(store, digest, "the sources of a run", VERSION)
    files, left_out = _texts(data.get("files")), _texts(data.get("left_out"))
    if files is None or left_out is None:
        raise RunError(f"{store.path}: {digest} does not hold the sources of a run")
    for name in files:
        try:
            parts_of(name, "the path of a source")
        except BadNameError as error:
            raise RunError(f"{store.path}: {digest}: {error}") from None
    return Manifest(files, left_out)


def _texts(data: Any) -> dict[str, str] | None:
    is_so = isinstance(data, dict) and all(isinstance(value, str) for value in data.values())
    return data if is_so else None
