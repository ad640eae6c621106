"""Where an index is kept: beside the data; where nothing may be written, in the user's cache directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

__all__ = ["DIRECTORY", "base_of", "place_of", "prepare"]

#: The directory beside the data; readers of results pass over hidden names.
DIRECTORY = ".coolrunner"
_FILE = "index.sqlite"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by Coolrunner; it can be deleted at any time.\n"


def base_of(paths: Sequence[str]) -> Path:
    """Return the directory that all paths have in common."""
    whole = [os.path.abspath(path) for path in paths] or [os.getcwd()]  # noqa: PTH100, PTH109 - links stay
    base = Path(os.path.commonpath(whole))
    return base if base.is_dir() else base.parent


def place_of(base: Path) -> tuple[Path, Path]:
    """Return the file of the index for a directory, and the directory that paths in it are relative to.

    That of a directory around it is used where there is one, so that a part of a study is not kept twice.
    """
    for directory in (base, *base.parents):
        path = directory / DIRECTORY / _FILE
        if path.exists() and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            return path, directory
    if base.parent != base and base != Path.home() and os.access(base, os.W_OK):
        return base / DIRECTORY / _FILE, base
    digest = blake2b(os.fsencode(base), digest_size=16).hexdigest()
    return _user_cache() / "coolrunner" / "index" / f"{digest}.sqlite", base


def prepare(path: Path) -> None:
    """Make the directory of an index, such that neither git nor a backup takes it along.

    Raises
    ------
    OSError
        It cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == DIRECTORY:
        for name, text in ((".gitignore", "*\n"), ("CACHEDIR.TAG", _TAG)):
            with contextlib.suppress(FileExistsError), (path.parent / name).open("x") as file:
                file.write(text)


def _user_cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
