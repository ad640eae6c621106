"""Where an index is kept: beside the data; where nothing may be written, in the user's cache directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from coolrunner.errors import UsageError
from coolrunner.results.cache.schema import is_index
from coolrunner.results.logs.sources import STDIN
from coolrunner.results.parts import Part

__all__ = ["CACHE", "DIRECTORY", "Cache", "base_of", "index_for", "place_of", "prepare"]

#: Whether an index is kept: where it pays, never, always, or in a file.
Cache = Literal["auto", "never", "always"] | Path
#: Says the same for all that does not say it.
CACHE = "COOLRUNNER_CACHE"

#: Reading less than this is quicker than anybody notices, and leaves no file behind.
_WORTH_BYTES = 4_000_000
_WORTH_PARTS = 500

#: The directory beside the data; readers of results pass over hidden names.
DIRECTORY = ".coolrunner"
_FILE = "index.sqlite"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by Coolrunner; it can be deleted at any time.\n"


def index_for(names: Sequence[str], parts: Sequence[Part], cache: Cache | str) -> tuple[Path | None, Path]:
    """Return the file of the index for some paths, None for none, and what the paths in it are relative to.

    Parameters
    ----------
    names
        The paths, as a person gave them.
    parts
        What was found in them.
    cache
        As for `find_rows`.

    Raises
    ------
    UsageError
        The file that is given as an index is something else.
    """
    base = base_of([name for name in names if name != STDIN])
    asked = os.environ.get(CACHE, "auto") if cache == "auto" else cache
    if asked == "never" or STDIN in names:
        return None, base
    if asked not in ("auto", "always"):
        return _named(asked), Path("/")
    path, base = place_of(base)
    size = sum(stamp.size for part in parts for stamp in part.stamps)
    worth = asked == "always" or size > _WORTH_BYTES or len(parts) > _WORTH_PARTS
    return (path if worth or path.exists() else None), base


def _named(asked: str | Path) -> Path:
    """Return the index that a person named; what is something else is not to be written over."""
    path = Path(asked)
    if isinstance(asked, str) and "/" not in asked and not path.suffix:
        raise UsageError(f"cache {asked!r}: auto, never, always, or a file such as ./{asked}.sqlite")
    try:
        ours = is_index(path)
    except OSError as error:
        raise UsageError(f"cache {path}: {error.strerror}") from None
    if not ours:
        raise UsageError(f"cache {path}: this file is no index of Coolrunner, and is left as it is")
    return path


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
