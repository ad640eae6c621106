"""What a run saves under a name, in versions, and loads again.

A name is a path below the run's directory for files, without a suffix or with one that says which form is
wanted. What is saved under a name that is taken already gets a version, ``curve (1).npy``: as in a
directory of downloads, and unlike ``curve-1``, which people give out themselves, for epochs. The name
without a version is the newest one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, RunWriteError, nearest
from coolrunner.runs.names import parts_of, shown
from coolrunner.runs.savers import SAVERS, Saver, Savers
from coolrunner.runs.shelf import Artifact, Shelf, hidden_name, remove

__all__ = ["Artifact", "artifacts", "load_artifact", "load_dir", "save_artifact"]

_WHAT = "the name of what is saved"


def save_artifact(
    directory: Path,
    obj: Any,
    name: str,
    *,
    overwrite: bool = False,
    pickle: bool = False,
    savers: Savers = SAVERS,
) -> Path:
    """Save an object under a name, whole or not at all.

    Parameters
    ----------
    directory
        Where; made if need be.
    obj
        Anything that a saver knows.
    name
        ``/`` makes directories. The suffix of the form is added, unless the name ends with one that fits.
    overwrite
        Replace the newest version, at once, instead of adding one. (A copied directory is away for a
        moment.)
    pickle
        Pickle what has no other form, and whatever is saved under a name with ``.pkl``.
    savers
        Those to use.

    Returns
    -------
    Where it is.

    Raises
    ------
    BadNameError
        The name leads elsewhere, or is too long.
    TypeError
        Nothing is known that saves such an object.
    RunWriteError
        The disk did not take it; nothing half written is left.
    """
    *inside, last = parts_of(name, _WHAT)
    saver = _saver_for(obj, last, pickle, savers)
    given = saver.suffix_in(last)
    suffix = given or saver.suffix
    shelf = Shelf(directory.joinpath(*inside), savers)
    hidden = shelf.directory / hidden_name("new", suffix)
    try:
        shelf.directory.mkdir(parents=True, exist_ok=True)
        saver.save(obj, hidden)
        return shelf.put(hidden, last.removesuffix(given), suffix, bool(given), overwrite)
    except (RunError, TypeError):
        raise
    except Exception as error:
        cause = _of_the_disk(error)
        if cause is None:
            raise
        reason = cause.strerror or str(cause)
        problem = RunWriteError(f"{shown(name)} could not be saved in {directory}: {reason}")
        problem.errno = cause.errno
        raise problem from error
    finally:
        remove(hidden)


def load_artifact(
    directory: Path, name: str, *, version: int | None = None, pickle: bool = False, savers: Savers = SAVERS
) -> Any:
    """Return what was saved under a name.

    Parameters
    ----------
    directory
        Where.
    name
        As it was saved, with or without suffix and version.
    version
        The newest where it is not given; 0 is the first.
    pickle
        Whether to read what can run code.
    savers
        Those to use.

    Raises
    ------
    BadNameError
        It is no name.
    RunError
        Nothing has it, or it cannot be read.
    """
    *inside, last = parts_of(name, _WHAT)
    shelf = Shelf(directory.joinpath(*inside), savers)
    found = shelf.find(last, version)
    if found is None:
        close = nearest(last, shelf.names())
        hint = f"; did you mean {'/'.join([*inside, close])!r}?" if close else ""
        which = "" if version is None else f"version {version} of "
        raise RunError(f"there is no {which}{shown(name)} in {directory}{hint}")
    return savers.load(found.path, pickle=pickle)


def artifacts(directory: Path, *, savers: Savers = SAVERS) -> list[Artifact]:
    """Return all that is saved in a directory and below it, by name and version."""
    found = []
    for place, below, _ in os.walk(directory):
        below[:] = sorted(part for part in below if not part.startswith("."))
        inside = Path(place).relative_to(directory).as_posix()
        for one in Shelf(Path(place), savers).files():
            name = one.name if inside == "." else f"{inside}/{one.name}"
            found.append(Artifact(one.path, name, one.version, one.suffix))
    return sorted(found, key=lambda one: (one.name, one.version, one.suffix))


def load_dir(directory: Path, *, pickle: bool = False, savers: Savers = SAVERS) -> dict[str, Any]:
    """Return all that is saved in a directory and below it, the newest version of each, by name.

    A name under which there are several forms of one version keeps its suffix: ``a.csv`` and ``a.png``.

    Raises
    ------
    RunError
        Something cannot be read; it is named.
    """
    newest: dict[str, list[Artifact]] = {}
    for one in artifacts(directory, savers=savers):
        kept = newest.setdefault(one.name, [])
        if kept and kept[0].version < one.version:
            kept.clear()
        kept.append(one)
    return {
        name + (one.suffix if len(kept) > 1 else ""): savers.load(one.path, pickle=pickle)
        for name, kept in newest.items()
        for one in kept
    }


def _saver_for(obj: Any, name: str, pickle: bool, savers: Savers) -> Saver:
    """Return what saves an object under a name, which may ask for a pickle."""
    from coolrunner.runs.savers.plain import PickleSaver

    pickles = PickleSaver()
    asks = pickles.suffix_in(name) and not isinstance(obj, (bytes, os.PathLike)) and savers.added(obj) is None
    if asks and not pickle:
        raise TypeError(f"{shown(name)} is the name of a pickle, which is written only with pickle=True")
    return pickles if asks else savers.of(obj, pickle=pickle)


def _of_the_disk(error: BaseException | None) -> OSError | None:
    """Return the error of the operating system that a library's error came of, or None."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        error = error.__cause__ or error.__context__
    return None
