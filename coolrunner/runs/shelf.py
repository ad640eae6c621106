"""A directory of what was saved under names, in versions."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coolrunner.errors import BadNameError
from coolrunner.runs.names import LONGEST, shown
from coolrunner.runs.savers import Savers

__all__ = ["Artifact", "Shelf", "hidden_name", "remove"]

_VERSION = re.compile(r" \(([1-9][0-9]*)\)\Z")
# What may follow the name of a file that nothing is known to read.
_STRANGE_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z]\w*\Z")


def hidden_name(why: str, suffix: str = "") -> str:
    """Return a name that nothing has and that no reader looks at."""
    return f".{why}-{os.urandom(4).hex()}{suffix}"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One version of what was saved under a name.

    Attributes
    ----------
    path
        Where it is.
    name
        Without version and suffix.
    version
        0 for the first.
    suffix
        In lower case.
    is_directory
        Whether it is a copy of a directory; or one that is there only for the names that nest in it.
    """

    path: Path
    name: str
    version: int
    suffix: str
    is_directory: bool = False


_Listed = dict[str, list[Artifact]]
# What is in a directory, as of when it was last modified: a run that saves ten thousand things would look
# at each of them ten thousand times.
_listed: dict[tuple[Path, int, int], tuple[int, _Listed]] = {}
_MOST = 64


class Shelf:
    """A directory with what is saved in it.

    Parameters
    ----------
    directory
        The directory; it need not be there.
    savers
        What knows how names end.

    Attributes
    ----------
    directory
        As given.
    """

    def __init__(self, directory: Path, savers: Savers) -> None:
        self.directory = directory
        self._savers = savers
        self._key = (directory, id(savers), savers.count)
        # Looked at before anything of ours changes it.
        self._listed = self._look()

    def put(self, hidden: Path, stem: str, suffix: str, only_suffix: bool, overwrite: bool) -> Path:
        """Give a file or a directory its name; `only_suffix`: others of this name do not count."""
        is_directory = hidden.is_dir()

        def counts(one: Artifact) -> bool:
            return one.is_directory == is_directory and (one.suffix == suffix.lower() or not only_suffix)

        least = 0
        while True:
            newest = _newest(filter(counts, reversed(self._listed.get(stem, []))))
            old = newest if overwrite else None
            version = old.version if old else max(least, newest.version + 1 if newest else 0)
            path = self.directory / f"{stem}{f' ({version})' if version else ''}{suffix}"
            if len(os.fsencode(path.name)) > LONGEST:
                raise BadNameError(f"with its suffix and version the name is too long: {shown(path.name)}")
            if old is not None:
                _replace(hidden, path, old.path)
            elif not _place(hidden, path):
                # Somebody else was quicker, or what is listed is out of date.
                self._look_again()
                least = version + 1
                continue
            self._add(Artifact(path, stem, version, suffix.lower(), is_directory), old)
            return path

    def find(self, name: str, version: int | None) -> Artifact | None:
        """Return the newest of what has a name, or one version of it."""
        for _ in range(2):
            found = [one for one in self._named(name) if version is None or one.version == version]
            # A directory may be there only for the names that nest in it.
            best = _newest(one for one in found if not one.is_directory) or _newest(found)
            if best is not None and best.path.exists():
                return best
            self._look_again()
        return None

    def names(self) -> list[str]:
        """Return the names that something has."""
        return list(self._listed)

    def files(self) -> Iterator[Artifact]:
        """Yield all but the directories."""
        self._look_again()  # a file that was written by hand a moment ago has not moved the clock yet
        for versions in self._listed.values():
            yield from (one for one in versions if not one.is_directory)

    def _named(self, name: str) -> list[Artifact]:
        listed = self._listed
        stem, version, suffix = self._split(name)
        exact = [
            one
            for one in listed.get(stem, [])
            if (not suffix or one.suffix == suffix) and (not version or one.version == version)
        ]
        literal = listed.get(name, []) if stem != name else []
        return sorted(exact + literal, key=_version, reverse=True)

    def _split(self, name: str) -> tuple[str, int, str]:
        """Return the name, the version and the suffix of what a file is called."""
        suffix = self._savers.suffix_of(name)
        if not suffix and (found := _STRANGE_SUFFIX.search(name)):
            suffix = found[0]
        stem = name[: len(name) - len(suffix)]
        version = _VERSION.search(stem)
        if version is None or not version.start():
            return stem, 0, suffix.lower()
        return stem[: version.start()], int(version[1]), suffix.lower()

    def _look(self) -> _Listed:
        try:
            modified = self.directory.stat().st_mtime_ns
            known = _listed.get(self._key)
            if known is not None and known[0] == modified:
                return known[1]
            with os.scandir(self.directory) as entries:
                found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
        except OSError:  # not there yet, or no directory
            return {}
        listed: _Listed = {}
        for name, is_directory in found:
            stem, version, suffix = self._split(name)
            one = Artifact(self.directory / name, stem, version, suffix, is_directory)
            listed.setdefault(stem, []).append(one)
        for versions in listed.values():
            versions.sort(key=_version)
        if len(_listed) >= _MOST:
            _listed.clear()
        _listed[self._key] = modified, listed
        return listed

    def _add(self, new: Artifact, old: Artifact | None) -> None:
        versions = self._listed.setdefault(new.name, [])
        if old is not None and old in versions:
            versions.remove(old)
        versions.append(new)  # the highest, or what takes the place of the highest
        with contextlib.suppress(OSError):
            _listed[self._key] = self.directory.stat().st_mtime_ns, self._listed

    def _look_again(self) -> None:
        _listed.pop(self._key, None)
        self._listed = self._look()


def _version(artifact: Artifact) -> int:
    return artifact.version


def _newest(artifacts: Iterable[Artifact]) -> Artifact | None:
    """Return the newest of what is given in order, the last version first; there may be forms of one."""
    best: list[Artifact] = []
    for one in artifacts:
        if best and one.version != best[0].version:
            break
        best.append(one)
    return max(best, key=_modified) if len(best) > 1 else next(iter(best), None)


def _modified(artifact: Artifact) -> int:
    try:
        return artifact.path.stat().st_mtime_ns
    except OSError:
        return 0


# --- on the disk ---


def _place(hidden: Path, path: Path) -> bool:
    """Give a file or a directory a name that nothing has; return whether that was so."""
    if hidden.is_dir():
        if path.exists():
            return False
        try:
            hidden.rename(path)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                return False
            raise
        return True
    try:
        os.link(hidden, path)  # unlike a rename it never replaces
        hidden.unlink()
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        hidden.replace(path)
    return True


def _replace(hidden: Path, path: Path, old: Path) -> None:
    """Put a file or a directory into the place of another, whose suffix may be a different one."""
    if not hidden.is_dir():
        hidden.replace(path)
        if old != path:
            old.unlink(missing_ok=True)
        return
    aside = old.with_name(hidden_name("old"))
    old.rename(aside)
    try:
        hidden.rename(path)
    except OSError:
        aside.rename(old)
        raise
    remove(aside)


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is there."""
    try:
        path.unlink()
    except FileNotFoundError:
        pass
    except OSError:
        import shutil  # few things are directories

        shutil.rmtree(path, ignore_errors=True)
