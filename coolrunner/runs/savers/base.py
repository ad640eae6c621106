"""What a saver is, and how the type of an object is told without importing the library it comes from."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError

__all__ = ["Saver", "is_a", "library", "names_of", "short_name", "type_name"]


class Saver(ABC):
    """Writes objects of some types to a file, and reads them back.

    Attributes
    ----------
    suffixes
        What its files may end with, in lower case and with the dot; the first where a name does not say.
    """

    suffixes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """What its files end with where a name does not say."""
        return self.suffixes[0]

    def suffix_in(self, name: str) -> str:
        """Return the end of a name that says what form it is to have, as it stands there; or nothing."""
        found = [suffix for suffix in self.suffixes if name.lower().endswith(suffix)]
        length = max(map(len, found), default=0)
        return name[-length:] if 0 < length < len(name) else ""

    @abstractmethod
    def save(self, obj: Any, path: Path) -> None:
        """Write an object to a path that ends with one of `suffixes`.

        Raises
        ------
        OSError
            The disk does not take it.
        TypeError
            It cannot be written in this form.
        """

    @abstractmethod
    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Return what a file holds; what can run code is read only where `pickle` allows it."""


def names_of(kind: type) -> tuple[str, ...]:
    """Return the names by which a type is known: its own, then those of all that it is derived from.

    Each has two: the full name (``torch.nn.modules.module.Module``), and the package with the last part
    (``torch.Module``), which stays where a library moves its modules about.
    """
    return _names_of(kind)


@lru_cache(maxsize=512)
def _names_of(kind: Any) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for base in kind.__mro__:
        names[f"{base.__module__}.{base.__qualname__}"] = None
        names[short_name(base)] = None
    return tuple(names)


def short_name(kind: type) -> str:
    """Return the package and the last part of the name of a type: ``torch.Module``."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__.rpartition('.')[2]}"


def is_a(obj: Any, *names: str) -> bool:
    """Whether an object is of a type of one of these names, or of one derived from it."""
    known = names_of(type(obj))
    return any(name in known for name in names)


def type_name(obj: Any) -> str:
    """Return the name of an object's type as an error shows it."""
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def library(module: str, path: Path, package: str = "") -> Any:
    """Return a library that a file is read with.

    Parameters
    ----------
    module
        What to import.
    path
        The file.
    package
        What to install for it, where that has another name.

    Raises
    ------
    RunError
        It is not installed here.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise RunError(
            f"{path} is read with {name}, which cannot be imported here ({error}); "
            f"get it with: pip install {package or name}"
        ) from None
