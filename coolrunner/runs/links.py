"""The relative links of an index and of marks, by which a root says which runs belong where.

``index/<run>.yaml`` and ``marked/<mark>/<run>.yaml`` lead to the parameters of a run. What counts is the
name of a link, so that nothing outside of the root is ever read, and a file system without links keeps
small copies in their place.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from coolrunner.errors import BadNameError, RunWriteError
from coolrunner.runs.directory import RunDirectory, write_whole
from coolrunner.runs.names import parts_of, shown

__all__ = ["Link", "add_link", "links_under", "mark_parts", "remove_link", "remove_links"]

_SUFFIX = ".yaml"
_WITHOUT_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_TRIES = 100
_PRIVILEGE_MISSING = 1314  # of Windows, where links take a privilege


class Link(NamedTuple):
    """A link to a run.

    Attributes
    ----------
    run
        The name of the run's directory.
    parts
        The directories between the place that was looked into and the link.
    path
        Where the link is.
    """

    run: str
    parts: tuple[str, ...]
    path: str


def mark_parts(mark: str) -> tuple[str, ...]:
    """Return the parts of a mark.

    Raises
    ------
    BadNameError
        It is none: it leads elsewhere, or a part begins with a dot, which would hide it.
    """
    parts = parts_of(mark, "a mark")
    if any(part.startswith(".") for part in parts):
        raise BadNameError(f"no part of a mark may begin with a dot: {shown(mark)}")
    return parts


def add_link(root: Path, parts: tuple[str, ...], run: RunDirectory) -> Path:
    """Put a link to a run into a directory, which is made where it is missing; return where it is.

    Raises
    ------
    RunWriteError
        The disk did not take it.
    """
    path = root.joinpath(*parts, run.name + _SUFFIX)
    target = f"{'../' * len(parts)}{run.relative}/{run.layout.params}"
    try:
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                return _linked(path, target)
            # No such directory yet; or not any more, where its last mark was just taken away.
            with contextlib.suppress(FileNotFoundError, FileExistsError):  # gone again while it is looked at
                path.parent.mkdir(parents=True, exist_ok=True)
        return _linked(path, target)
    except (OSError, NotImplementedError) as error:
        if not _is_without_links(error):
            raise RunWriteError(f"{path} cannot be made: {error}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, run.params.read_bytes())
    return path


def _linked(path: Path, target: str) -> Path:
    with contextlib.suppress(FileExistsError):
        path.symlink_to(target)
    return path


def _is_without_links(error: OSError | NotImplementedError) -> bool:
    if isinstance(error, NotImplementedError):
        return True
    return error.errno in _WITHOUT_LINKS or getattr(error, "winerror", None) == _PRIVILEGE_MISSING


def links_under(folder: Path | str, parts: tuple[str, ...] = ()) -> Iterator[Link]:
    """Yield the links in a directory and in those below it; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if entry.name.startswith("."):
            continue
        if not entry.is_symlink() and entry.is_dir():
            yield from links_under(entry.path, (*parts, entry.name))
        # Older programs made links to the directories of runs.
        elif entry.name.endswith(_SUFFIX) or entry.is_symlink():
            yield Link(entry.name.removesuffix(_SUFFIX), parts, entry.path)


def remove_link(folder: Path, names: Iterable[str]) -> None:
    """Remove the links to runs of these names from one directory.

    Raises
    ------
    RunWriteError
        One cannot be removed.
    """
    for name in names:
        _remove(folder / f"{name}{_SUFFIX}")


def remove_links(folder: Path, parts: tuple[str, ...], names: Collection[str] | None) -> None:
    """Remove links from a directory and those below it, and the directories that are empty then.

    Parameters
    ----------
    folder
        The one that stays.
    parts
        The directories within it below which links are removed.
    names
        The runs whose links go; None for all.

    Raises
    ------
    RunWriteError
        One cannot be removed.
    """
    places = set()
    for link in links_under(folder.joinpath(*parts), parts):
        if names is None or link.run in names:
            _remove(Path(link.path))
            places.add(link.parts)
    if names is None:
        places.add(parts)
    for place in places:
        for count in range(len(place), 0, -1):
            try:
                folder.joinpath(*place[:count]).rmdir()
            except OSError:  # there is something in it
                break


def _remove(path: Path) -> None:
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    except OSError as error:
        raise RunWriteError(f"{path} cannot be removed: {error.strerror}") from None
