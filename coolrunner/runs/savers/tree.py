"""Arrays, and nested data that holds arrays, tables, tensors or pictures, in one ``.npz`` file.

An ``.npz`` is a zip file with an ``.npy`` for each array, which ``numpy.load`` reads: the array at
``state["model"]["w"]`` is ``numpy.load("state.npz")["model/w"]``. Beside the arrays it has

- ``tree.json``: ``{"version": 1, "tree": ...}``, the data as `coolrunner.runs.savers.packing` writes it,
  with ``{"!array": "model/w"}`` where an array belongs;
- ``tensors.pt``, a list of the PyTorch tensors, for ``{"!tensor": 0}``;
- a file for each ``{"!file": "curve.png"}``, in the form that suits its type.

Version 1. An ``.npz`` of somebody else's has no ``tree.json``, and is a mapping of arrays.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coolrunner.runs.savers.base import Saver, library
from coolrunner.runs.savers.coding import json_text
from coolrunner.runs.savers.packing import TENSORS, TREE, VERSION, Packed, Unpacked

if TYPE_CHECKING:
    from coolrunner.runs.savers.registry import Savers

__all__ = ["ArraySaver", "TreeSaver"]


class TreeSaver(Saver):
    """Writes any mix of plain data and what the savers know to one file.

    Parameters
    ----------
    savers
        What knows the types that have files of their own.
    """

    suffixes: tuple[str, ...] = (".npz",)

    def __init__(self, savers: Savers) -> None:
        self._savers = savers

    def save(self, obj: Any, path: Path) -> None:
        """Write a tree."""
        packed = Packed(self._savers)
        text = json_text({"version": VERSION, "tree": packed.pack(obj)})
        # Not compressed: weights and noise do not get smaller, and a snapshot is not to take long.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(TREE, text)
            if packed.arrays:
                import numpy as np

                for name, array in packed.arrays.items():
                    with archive.open(name + ".npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, array, allow_pickle=False)
            if packed.tensors:
                from coolrunner.runs.savers.tensors import write_tensors

                with archive.open(TENSORS, "w", force_zip64=True) as file:
                    write_tensors(packed.tensors, file)
            for name, (saver, value) in packed.files.items():
                self._save_file(archive, name, saver, value, path)

    @staticmethod
    def _save_file(archive: zipfile.ZipFile, name: str, saver: Saver, value: Any, path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as directory:
            file = Path(directory, Path(name).name)
            saver.save(value, file)
            archive.write(file, name)

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read a tree, or an ``.npz`` of somebody else's."""
        with zipfile.ZipFile(path) as archive:
            unpacked = Unpacked(path, self._savers, pickle, archive)
            names = archive.namelist()
            if TREE not in names:
                return {name[:-4]: unpacked.array(name[:-4]) for name in names if name.endswith(".npy")}
            content = json.loads(archive.read(TREE))
            if content["version"] > VERSION:
                raise ValueError("it was written by a later version of Coolrunner")
            return unpacked.unpack(content["tree"])


class _Writer:
    """A file that numpy takes for none: it would write by itself, and not say what the disk said."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


class ArraySaver(TreeSaver):
    """A numpy array as ``.npy``; one of objects, or with a mask, as a tree."""

    suffixes = (".npy", ".npz")

    def save(self, obj: Any, path: Path) -> None:
        """Write an array."""
        if path.suffix.lower() != ".npy":
            return super().save(obj, path)
        import numpy as np

        packed = Packed(self._savers)
        packed.pack(obj)
        (array,) = packed.arrays.values()
        with path.open("wb") as file:
            np.lib.format.write_array(_Writer(file), array, allow_pickle=False)

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read an array; one of pickled objects only where that is allowed."""
        if path.suffix.lower() != ".npy":
            return super().load(path, pickle=pickle)
        np = library("numpy", path)
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=pickle)
