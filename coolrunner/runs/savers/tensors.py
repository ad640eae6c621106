"""Savers for what PyTorch, TensorFlow and Keras make."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from coolrunner.errors import RunError
from coolrunner.runs.savers.base import Saver, is_a, library, short_name, type_name

__all__ = [
    "KerasSaver",
    "TorchSaver",
    "evaluated",
    "is_for_torch",
    "read_tensors",
    "state_of",
    "write_tensors",
]

_STATEFUL = ("torch.Module", "torch.Optimizer", "torch.LRScheduler", "torch.GradScaler")
# What PyTorch reads back without running code; exactly these types.
_SAFE = frozenset({type(None), bool, int, float, complex, str, bytes})
_SAFE_HOLDERS = frozenset({list, tuple, set, dict, OrderedDict})
_SAFE_NAMES = frozenset({"torch.Tensor", "torch.Parameter", "torch.Buffer", "torch.Size"})


def state_of(obj: Any) -> Any:
    """Return the state of a module, an optimizer, a scheduler or a scaler; anything else as it is."""
    return obj.state_dict() if is_a(obj, *_STATEFUL) else obj


def is_for_torch(obj: Any) -> bool:
    """Whether `torch.load` can read an object back without running code."""
    seen: set[int] = set()
    waiting = [obj]
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _SAFE:
            continue
        if kind not in _SAFE_HOLDERS:
            if short_name(kind) in _SAFE_NAMES:
                continue
            return False
        if id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, dict):
                waiting.extend(value.keys())
                waiting.extend(value.values())
            else:
                waiting.extend(value)
    return True


class TorchSaver(Saver):
    """Tensors, and plain data that holds them, as `torch.save` writes them.

    Of a module, an optimizer or a scheduler its state is saved, which is what it is given again by its
    `load_state_dict`. Tensors are read onto the CPU, so that a run on a GPU can be looked at without one.
    """

    suffixes = (".pt", ".pth")

    def save(self, obj: Any, path: Path) -> None:
        """Write tensors."""
        with path.open("wb") as file:
            write_tensors(state_of(obj), file)

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read tensors; other objects, whose reading can run code, only where that is allowed."""
        with path.open("rb") as file:
            return read_tensors(file, path, pickle)


def write_tensors(obj: Any, file: IO[bytes]) -> None:
    """Write with PyTorch to an open file."""
    import torch

    if is_a(obj, "torch.Tensor") and obj.layout is torch.strided:
        storage = obj.untyped_storage().nbytes()
        if storage > obj.numel() * obj.element_size():
            obj = obj.detach().clone()  # a view of a large tensor would be written with all of that
    torch.save(obj, file)


def read_tensors(file: IO[bytes], path: Path, pickle: bool) -> Any:
    """Read with PyTorch from an open file.

    Parameters
    ----------
    file
        Where to read.
    path
        What to name in errors.
    pickle
        Whether what can run code may be read.

    Raises
    ------
    RunError
        PyTorch is not there, or there is more than tensors and plain data in the file.
    """
    import pickle as pickles

    torch = library("torch", path)
    try:
        return torch.load(file, map_location="cpu", weights_only=not pickle)
    except pickles.UnpicklingError as error:
        if pickle:
            raise
        raise _unsafe(path, "tensors and plain data") from error


def _unsafe(path: Path, safe: str) -> RunError:
    return RunError(
        f"{path} holds more than {safe}, and reading it can run any code; "
        "if you trust who wrote it, say so: load(..., pickle=True)"
    )


def evaluated(obj: Any) -> Any:
    """Return the numpy array of a TensorFlow tensor or variable.

    Raises
    ------
    TypeError
        It has no value: it belongs to a graph, or is ragged or sparse.
    """
    try:
        return obj.numpy()
    except (AttributeError, NotImplementedError) as error:
        raise TypeError(f"a {type_name(obj)} without a value of its own cannot be saved: {error}") from error


class KerasSaver(Saver):
    """Keras models, architecture and weights, in the format of Keras."""

    suffixes = (".keras",)

    def save(self, obj: Any, path: Path) -> None:
        """Write a model."""
        obj.save(path)

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read a model; one with Python code in it (a lambda) only where that is allowed."""
        keras = library("keras", path)
        try:
            return keras.saving.load_model(path, safe_mode=not pickle)
        except ValueError as error:
            if pickle or "safe_mode" not in str(error):
                raise
            raise _unsafe(path, "what Keras itself provides") from error
