"""One version of the user's code for a whole study.

An experiment in a fresh process imports its Module afresh. If a file of the project is edited between
two experiments of one study, the later one must not silently run another version. So the code of each
project file is kept as it was when the study first imported it (a `Pin`), and every later process of
the study gets that. A change on the disk is announced and waits for the next study.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import marshal
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

__all__ = ["Pin", "PinBoard", "give", "imported", "install", "take_made"]


@dataclass(frozen=True, slots=True)
class Pin:
    """The code of a file, and what the file was when it was read.

    Attributes
    ----------
    code
        The marshalled code object.
    modified
        Modification time in nanoseconds.
    size
        Bytes.
    text
        What the code was made of.
    """

    code: bytes
    modified: int
    size: int
    text: bytes = b""


#: Pins that this process was given; those that it has made, which its runner has not seen yet; and the
#: texts of what it has imported, given or made.
_given: dict[str, Pin] = {}
_made: dict[str, Pin] = {}
_used: dict[str, bytes] = {}


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a project file from its pin, or makes the pin."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the code of the module."""
        path = self.get_filename(fullname)
        pin = _given.get(path)
        if pin is None:
            stat = os.stat(path)  # noqa: PTH116 - before reading: a later change is then seen as one
            code = super().get_code(fullname)
            if code is not None:
                text = _used[path] = self.get_data(path)
                _made[path] = Pin(marshal.dumps(code), stat.st_mtime_ns, stat.st_size, text)
            return code
        _used[path] = pin.text
        code = marshal.loads(pin.code)
        return code if isinstance(code, CodeType) else None


class _GoneFinder(importlib.abc.MetaPathFinder):
    """Finds pinned files that are gone from the disk, and packages of nothing but such."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that nobody else has found."""
        name = fullname.rpartition(".")[2]
        for entry in sys.path if path is None else path:
            base = os.path.join(entry, name)  # noqa: PTH118 - as the import system writes paths
            for file, places in ((f"{base}{os.sep}__init__.py", [base]), (f"{base}.py", None)):
                if file in _given:
                    return importlib.util.spec_from_file_location(
                        fullname, file, loader=_Loader(fullname, file), submodule_search_locations=places
                    )
            if any(pinned.startswith(base + os.sep) for pinned in _given):
                spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
                spec.submodule_search_locations = [base]
                return spec
        return None


def install(root: str) -> Callable[[], None]:
    """Pin what is imported from below `root` from now on, except for installed packages.

    Returns
    -------
    A function that ends it.
    """
    root = os.path.realpath(root)
    # An environment within the project; a project that lies below the interpreter's prefix is still one.
    prefixes = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.exec_prefix)}
    installed = [prefix for prefix in prefixes if prefix != root and _is_below(prefix, root)]
    details = (
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (_Loader, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
    )

    def hook(path: str) -> Any:
        real = os.path.realpath(path or ".")
        foreign = "site-packages" in real or any(_is_below(real, prefix) for prefix in installed)
        if foreign or not _is_below(real, root) or not os.path.isdir(real):  # noqa: PTH112
            raise ImportError(path)
        return importlib.machinery.FileFinder(path or ".", *details)

    finder = _GoneFinder()

    def uninstall() -> None:
        sys.meta_path.remove(finder)
        sys.path_hooks.remove(hook)
        sys.path_importer_cache.clear()
        for kept in (_given, _made, _used):
            kept.clear()

    sys.meta_path.append(finder)
    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.clear()
    return uninstall


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def give(pins: Mapping[str, Pin]) -> None:
    """Take pins that other processes of the study have made."""
    _given.update(pins)


def take_made() -> dict[str, Pin]:
    """Return the pins that this process has made since it was last asked."""
    made = dict(_made)
    _made.clear()
    _given.update(made)
    return made


def imported() -> dict[str, bytes]:
    """Return the project files that this process has imported, by absolute path, with their texts."""
    return dict(_used)


class PinBoard:
    """All pins of a study, in its runner.

    Parameters
    ----------
    began
        When the study began, in nanoseconds since the epoch.
    """

    def __init__(self, began: int) -> None:
        self._began = began
        self._pins: dict[str, Pin] = {}
        self._announced: set[tuple[str, int]] = set()

    @property
    def pins(self) -> Mapping[str, Pin]:
        """The pins by absolute path."""
        return self._pins

    def add(self, made: Mapping[str, Pin]) -> list[str]:
        """Add pins; return what to tell a person of them."""
        messages = []
        for path, pin in made.items():
            if path in self._pins:
                continue
            self._pins[path] = pin
            if pin.modified > self._began:
                messages.append(
                    f"{_short(path)} was changed after this study began and is used from now on "
                    "in its new version"
                )
        return messages

    def changes(self) -> list[str]:
        """Return what to tell a person of files that have changed on the disk since."""
        messages = []
        for path, pin in self._pins.items():
            try:
                stat = os.stat(path)  # noqa: PTH116 - a few microseconds before every experiment
                now = (stat.st_mtime_ns, stat.st_size)
            except OSError:
                now = (-1, -1)
            if now == (pin.modified, pin.size) or (path, now[0]) in self._announced:
                continue
            self._announced.add((path, now[0]))
            what = "has changed on the disk" if now[0] >= 0 else "is gone from the disk"
            messages.append(
                f"{_short(path)} {what}; this study goes on with the version that it began with "
                "(a new start uses the new one)"
            )
        return messages


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
