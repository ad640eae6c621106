"""Nested data taken apart into what JSON holds and what it does not, and put together again.

`coolrunner.runs.savers.coding` knows Python's own data; this adds the leaves of libraries. Some of them
fit into JSON (a number of numpy's, a date of pandas'), the others are put aside, and a node stands for
them: ``{"!array": name}``, ``{"!tensor": number}``, ``{"!file": name}``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coolrunner.errors import RunError
from coolrunner.runs.savers.base import Saver, library, names_of
from coolrunner.runs.savers.coding import decode, encode

if TYPE_CHECKING:
    import zipfile

    from coolrunner.runs.savers.registry import Savers

__all__ = ["TENSORS", "TREE", "VERSION", "Packed", "Unpacked"]

#: Of the format; a reader refuses a later one.
VERSION = 1
#: Where the nodes are in a file of several parts.
TREE = "tree.json"
#: Where PyTorch's tensors are.
TENSORS = "tensors.pt"

_STRANGE = re.compile(r"[^\w.+=@-]")
_PYTHONS = frozenset({bool, int, float, complex, str, bytes})


class Packed:
    """Nested data taken apart into what JSON holds and what it does not.

    Parameters
    ----------
    savers
        What knows the types that have files of their own.
    keys
        The types that a key may have in the text that is to be written.

    Attributes
    ----------
    arrays, tensors, files
        What `pack` has put aside: arrays and leaves with files of their own by name, tensors in order.
    """

    def __init__(self, savers: Savers, keys: frozenset[type] = frozenset({str})) -> None:
        self._savers = savers
        self._keys = keys
        self.arrays: dict[str, Any] = {}
        self.tensors: list[Any] = []
        self.files: dict[str, tuple[Saver, Any]] = {}
        # Of a thing that may stand in two places, by its identity: the thing, kept alive, and its node.
        self._nodes: dict[int, tuple[Any, Any]] = {}

    @property
    def is_plain(self) -> bool:
        """Whether there was nothing to put aside."""
        return not (self.arrays or self.tensors or self.files)

    def pack(self, value: Any, place: tuple[str, ...] = ()) -> Any:
        """Return what JSON holds of a value.

        Raises
        ------
        TypeError
            A part of it is of a type that nothing is known of.
        """
        return encode(value, self._leaf, keys=self._keys, place=place)

    def array(self, array: Any, place: tuple[str, ...]) -> Any:
        """Put an array aside, and return the node that stands for it.

        Raises
        ------
        TypeError
            It is of a type that an ``.npy`` cannot hold.
        """
        import numpy as np

        array = np.asarray(array)
        if array.dtype.hasobject:
            items = self.pack(array.ravel().tolist(), place)
            return {"!objects": {"shape": list(array.shape), "items": items}}
        if array.dtype.kind == "V" and array.dtype.type is not np.void:
            raise TypeError(f"numpy cannot write {array.dtype}; convert it first, e.g. to float32")
        name = self._name(place, self.arrays)
        self.arrays[name] = array
        return {"!array": name}

    def _leaf(self, value: Any, place: tuple[str, ...]) -> Any:
        if id(value) in self._nodes:
            return self._nodes[id(value)][1]
        saver = self._savers.added(value)
        if saver is not None:
            return self._file(value, saver, place)
        for name in names_of(type(value)):
            if name.startswith("builtins."):
                break
            if name in _FORMS:
                return getattr(self, _FORMS[name])(value, place)
            saver = self._savers.known(name, value)
            if saver is not None:
                return self._file(value, saver, place)
        return NotImplemented

    def _numbers(self, value: Any, place: tuple[str, ...]) -> Any:
        import numpy as np

        if isinstance(value, np.ma.MaskedArray):
            parts = {"data": value.data, "mask": np.ma.getmaskarray(value), "fill_value": value.fill_value}
            return {"!masked": {part: self.pack(item, (*place, part)) for part, item in parts.items()}}
        return self._noted(value, self.array(value, place))

    def _noted(self, value: Any, node: Any) -> Any:
        self._nodes[id(value)] = value, node
        return node

    def _scalar(self, value: Any, place: tuple[str, ...]) -> Any:
        # A float32 becomes a float, as in every log; what Python has no type for stays numpy's.
        if value.dtype.kind in "biufcSU" and type(item := value.item()) in _PYTHONS:
            return self.pack(item, place)
        return {"!scalar": self.array(value, place)}

    def _tensor(self, value: Any, place: tuple[str, ...]) -> Any:
        from coolrunner.runs.savers.tensors import is_for_torch

        if not is_for_torch(value):
            return NotImplemented  # a type of somebody's own, which could not be read back as data
        self.tensors.append(value)
        return self._noted(value, {"!tensor": len(self.tensors) - 1})

    def _evaluated(self, value: Any, place: tuple[str, ...]) -> Any:
        from coolrunner.runs.savers.tensors import evaluated

        return self.array(evaluated(value), place)

    def _state(self, value: Any, place: tuple[str, ...]) -> Any:
        return self.pack(value.state_dict(), place)

    def _pandas(self, value: Any, place: tuple[str, ...]) -> Any:
        from coolrunner.runs.savers.frames import frame_node

        return frame_node(value, self, place)

    def _file(self, value: Any, saver: Saver, place: tuple[str, ...]) -> Any:
        name = self._name(place, self.files, saver.suffix)
        self.files[name] = (saver, value)
        return self._noted(value, {"!file": name})

    @staticmethod
    def _name(place: tuple[str, ...], taken: Collection[str], suffix: str = "") -> str:
        """Return a name that says where a thing stands and that none other has."""
        parts = [_STRANGE.sub("_", part)[:60].strip(".") or "_" for part in place]
        name = first = "/".join(parts)[-200:].strip("/") or "data"
        count = 1
        while name + suffix in taken:
            count += 1
            name = f"{first}-{count}"
        return name + suffix


# How a type of this name is put into a tree: by which method of `Packed`.
_FORMS = {
    "numpy.ndarray": "_numbers",
    "numpy.generic": "_scalar",
    "torch.Tensor": "_tensor",
    "torch.Module": "_state",
    "torch.Optimizer": "_state",
    "torch.LRScheduler": "_state",
    "torch.GradScaler": "_state",
    "tensorflow.Tensor": "_evaluated",
    "tensorflow.Variable": "_evaluated",
    "keras.Variable": "_evaluated",
    "pandas.DataFrame": "_pandas",
    "pandas.Series": "_pandas",
    "pandas.Index": "_pandas",
    "pandas.Timestamp": "_pandas",
    "pandas.Timedelta": "_pandas",
    "pandas.NaTType": "_pandas",
    "pandas.NAType": "_pandas",
}


class Unpacked:
    """Nested data that is read from its file.

    Parameters
    ----------
    path
        The file.
    savers
        What reads the leaves with files of their own.
    pickle
        Whether what can run code may be read.
    archive
        What was put aside, where there is such a thing.

    Attributes
    ----------
    path
        As given.
    """

    def __init__(
        self, path: Path, savers: Savers, pickle: bool = False, archive: zipfile.ZipFile | None = None
    ) -> None:
        self.path = path
        self._archive = archive
        self._savers = savers
        self._pickle = pickle
        self._read: dict[str, Any] = {}
        self._tensors: list[Any] | None = None

    def unpack(self, node: Any) -> Any:
        """Return the value of a node."""
        return decode(node, self._leaf)

    def _part(self, name: str) -> IO[bytes]:
        if self._archive is None:
            raise ValueError(f"it names the part {name}, and has none")
        return self._archive.open(name)

    def _leaf(self, tag: str, content: Any) -> Any:
        if tag == "!array":
            return self.array(content)
        if tag == "!scalar":
            return self.unpack(content)[()]
        if tag == "!objects":
            return self._objects(content)
        if tag == "!masked":
            return library("numpy.ma", self.path).MaskedArray(**self.unpack(content))
        if tag == "!tensor":
            return self._tensor(content)
        if tag == "!file":
            return self._file(content)
        if tag.startswith("!pandas."):
            from coolrunner.runs.savers.frames import frame_of

            return frame_of(tag, content, self)
        return NotImplemented

    def array(self, name: str) -> Any:
        """Return an array that was put aside under a name."""
        np = library("numpy", self.path)
        if name not in self._read:
            with self._part(name + ".npy") as file:
                self._read[name] = np.lib.format.read_array(file, allow_pickle=False)
        return self._read[name]

    def _objects(self, content: Any) -> Any:
        np = library("numpy", self.path)
        items = self.unpack(content["items"])
        array = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):
            array[i] = item
        return array.reshape(content["shape"])

    def _tensor(self, number: int) -> Any:
        if self._tensors is None:
            from coolrunner.runs.savers.tensors import read_tensors

            with self._part(TENSORS) as file:
                self._tensors = read_tensors(io.BytesIO(file.read()), self.path, self._pickle)
        return self._tensors[number]

    def _file(self, name: str) -> Any:
        if name not in self._read:
            import tempfile

            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory, Path(name).name)
                with self._part(name) as part:
                    path.write_bytes(part.read())
                value = self._savers.load(path, pickle=self._pickle)
                if isinstance(value, Path) and value == path:
                    raise RunError(
                        f"nothing is known that reads {name!r} in {self.path}; "
                        "add the saver that wrote it (add_saver)"
                    )
                self._read[name] = value
        return self._read[name]
