"""Which saver is for what: by the type of an object, and by how the name of a file ends."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, UserError
from coolrunner.runs.savers.base import Saver, names_of, type_name

__all__ = ["SAVERS", "Savers"]

#: Writes an object to a path.
Save = Callable[[Any, Path], object]
#: Reads one back.
Load = Callable[[Path], Any]

_SUFFIX = re.compile(r"(?:\.[\w+-]+)+")

# By how a file ends: the module and the class of what reads it.
_READERS = {
    ".npy": ("tree", "ArraySaver"),
    ".npz": ("tree", "TreeSaver"),
    ".json": ("plain", "PlainSaver"),
    ".yaml": ("plain", "PlainSaver"),
    ".yml": ("plain", "PlainSaver"),
    ".bin": ("plain", "BytesSaver"),
    ".csv": ("frames", "FrameSaver"),
    ".parquet": ("frames", "FrameSaver"),
    ".pt": ("tensors", "TorchSaver"),
    ".pth": ("tensors", "TorchSaver"),
    ".keras": ("tensors", "KerasSaver"),
    ".plotly.json": ("pictures", "PlotSaver"),
    ".pkl": ("plain", "PickleSaver"),
    ".pickle": ("plain", "PickleSaver"),
    **dict.fromkeys(
        (".png", ".tiff", ".tif", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".ppm"),
        ("pictures", "PictureSaver"),
    ),
    **dict.fromkeys(
        (".txt", ".md", ".rst", ".tex", ".log", ".html", ".xml", ".svg", ".tsv", ".jsonl"),
        ("plain", "TextSaver"),
    ),
    **dict.fromkeys((".toml", ".ini", ".cfg", ".py", ".sh", ".sql"), ("plain", "TextSaver")),
}
# Types with a file of their own, also within a tree.
_KINDS = {
    "PIL.Image": ("pictures", "PictureSaver"),
    "matplotlib.Figure": ("pictures", "FigureSaver"),
    "plotly.BaseFigure": ("pictures", "PlotSaver"),
    "keras.Model": ("tensors", "KerasSaver"),
}
# Types that are written in a form of their own where nothing stands around them.
_ALONE = {
    "numpy.ndarray": ("tree", "ArraySaver"),
    "tensorflow.Tensor": ("tree", "ArraySaver"),
    "tensorflow.Variable": ("tree", "ArraySaver"),
    "pandas.DataFrame": ("frames", "FrameSaver"),
    "pandas.Series": ("frames", "FrameSaver"),
}
# Those that save what is within a thing with the savers for that.
_NEED_OTHERS = frozenset({"PlainSaver", "TreeSaver", "ArraySaver", "FrameSaver"})


class Savers:
    """Knows the savers that there are, and those that a user has added.

    Nothing is imported to find one: the types of a library are known by their names, and its objects
    exist only where it is loaded.
    """

    def __init__(self) -> None:
        self._added: list[tuple[type | str, Saver]] = []

    # --- what a user adds ---

    def add(self, kind: type | str, save: Save, load: Load | None = None, suffix: str = "") -> Saver:
        """Add a saver for a type of one's own, or for a type that is to be saved in another way.

        Parameters
        ----------
        kind
            A class, or its name (``"torch_geometric.Data"``: the package and the class, or all of the
            path in between as well) for one that is not to be imported here. It holds for derived
            classes too. The saver that was added last wins.
        save
            Called with an object and the path to write to, which ends with `suffix`.
        load
            Called with the path. Without it, loading gives the path.
        suffix
            What its files end with; by default the name of the class in lower case, ``.data``.

        Raises
        ------
        UserError
            The suffix is none.
        """
        name = kind if isinstance(kind, str) else kind.__qualname__
        suffix = suffix.lower() or "." + name.rpartition(".")[2].lower()
        if not _SUFFIX.fullmatch(suffix):
            raise UserError(f"{suffix!r} is no suffix; it begins with a dot, as in '.bin'")
        saver = _Added(save, load, suffix)
        self._added.append((kind, saver))
        return saver

    def added(self, obj: Any) -> Saver | None:
        """Return the saver that a user has added for an object, or None."""
        for kind, saver in reversed(self._added):
            if kind in names_of(type(obj)) if isinstance(kind, str) else isinstance(obj, kind):
                return saver
        return None

    @property
    def count(self) -> int:
        """How many savers have been added."""
        return len(self._added)

    # --- by type ---

    def of(self, obj: Any, *, pickle: bool = False) -> Saver:
        """Return what saves an object.

        Parameters
        ----------
        obj
            Any.
        pickle
            Whether to pickle it where it has no other form.

        Raises
        ------
        TypeError
            Nothing is known that saves it; the message says how to go on.
        """
        try:
            return self._of(obj)
        except (TypeError, RecursionError) as error:
            if pickle:
                return self._made("plain", "PickleSaver")
            reason = "it is nested too deeply, or in itself" if isinstance(error, RecursionError) else error
            words = f"a value of type {type_name(obj)}"
            # Of the value itself, and not of what is in it, there is no more to say.
            because = "" if str(reason).endswith(words) else f" {reason};"
            raise TypeError(
                f"{words} cannot be saved:{because} add a saver for it (add_saver), or allow pickle=True"
            ) from error

    def _of(self, obj: Any) -> Saver:
        added = self.added(obj)
        if added is not None:
            return added
        if isinstance(obj, str):
            return self._made("plain", "TextSaver")
        if isinstance(obj, (bytes, bytearray, memoryview)):
            return self._made("plain", "BytesSaver")
        if isinstance(obj, os.PathLike):
            from coolrunner.runs.savers.plain import CopySaver

            return CopySaver(Path(os.fspath(obj)))
        from coolrunner.runs.savers.packing import Packed

        for name in names_of(type(obj)):
            known = self.known(name, obj)
            if known is not None:
                return known
            if name in _ALONE:
                saver = self._made(*_ALONE[name])
                node = Packed(self).pack(obj)
                # Objects and masks are more than an .npy can hold.
                return (
                    saver if saver.suffix != ".npy" or "!array" in node else self._made("tree", "TreeSaver")
                )
        packed = Packed(self)
        packed.pack(obj)
        if packed.is_plain:
            return self._made("plain", "PlainSaver")
        if packed.tensors:
            from coolrunner.runs.savers.tensors import is_for_torch, state_of

            if is_for_torch(state_of(obj)):
                return self._made("tensors", "TorchSaver")
        return self._made("tree", "TreeSaver")

    def known(self, name: str, obj: Any) -> Saver | None:
        """Return the saver for objects of a type of this name that have a file of their own, or None."""
        if name not in _KINDS:
            return None
        if name == "PIL.Image":
            from coolrunner.runs.savers.pictures import PictureSaver

            return PictureSaver(obj.mode)
        return self._made(*_KINDS[name])

    def _made(self, module: str, name: str) -> Saver:
        made = getattr(importlib.import_module(f"coolrunner.runs.savers.{module}"), name)
        saver: Saver = made(self) if name in _NEED_OTHERS else made()
        return saver

    # --- by name ---

    def suffix_of(self, name: str) -> str:
        """Return how a name ends, as far as something is known that reads such files; else nothing."""
        lowered = name.lower()
        known = [saver.suffix for _, saver in self._added] + list(_READERS)
        found = [suffix for suffix in known if lowered.endswith(suffix) and len(lowered) > len(suffix)]
        longest = max(map(len, found), default=0)
        return lowered[-longest:] if longest else ""

    def reader(self, path: Path) -> Saver | None:
        """Return what reads a file, or None where nothing is known of it."""
        suffix = self.suffix_of(path.name)
        for _, saver in reversed(self._added):
            if saver.suffix == suffix:
                return saver
        return self._made(*_READERS[suffix]) if suffix else None

    # --- both ---

    def save(self, obj: Any, path: Path, *, pickle: bool = False) -> Path:
        """Write an object to a file, in place; a suffix is added where the path has none that fits.

        Returns
        -------
        Where it is.

        Raises
        ------
        TypeError
            Nothing is known that saves it.
        OSError
            The disk does not take it.
        """
        saver = self.of(obj, pickle=pickle)
        if not saver.suffix_in(path.name):
            path = path.with_name(path.name + saver.suffix)
        saver.save(obj, path)
        return path

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Return what a file holds.

        Parameters
        ----------
        path
            What its name ends with says how to read it; where that says nothing, or where it is a
            directory, the path is what is returned.
        pickle
            Whether to read what can run code: pickles, and what PyTorch and Keras keep of Python objects.

        Raises
        ------
        RunError
            It is not there, is broken, needs a library that is not there, or `pickle`.
        """
        if not path.exists():
            raise RunError(f"there is no file {path}")
        saver = None if path.is_dir() else self.reader(path)
        if saver is None:
            return path
        if isinstance(saver, _Added):
            return saver.load(path)
        try:
            return saver.load(path, pickle=pickle)
        except RunError:
            raise
        except Exception as error:
            # Whatever is in there, the one who asked for it has to hear which file it is.
            raise RunError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


class _Added(Saver):
    """A saver of two functions."""

    def __init__(self, save: Save, load: Load | None, suffix: str) -> None:
        self.suffixes = (suffix,)
        self._save = save
        self._load = load

    def save(self, obj: Any, path: Path) -> None:
        self._save(obj, path)

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        return path if self._load is None else self._load(path)


#: Those that everything uses which is not given others.
SAVERS = Savers()
