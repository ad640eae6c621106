"""Objects to files and back: which form suits which type.

=======================================================  =============================================
text                                                     ``.txt``, or ``.md``, ``.html``, ``.csv``, ...
numbers, None, lists, mappings, dates, sets, ...         ``.json``, or ``.yaml``; types come back
bytes                                                    ``.bin``, or ``.pdf``, ``.gz``, ...
a path                                                   a copy of the file or the directory
numpy arrays                                             ``.npy``
pandas frames and series                                 ``.npz``, or ``.csv``, ``.parquet``
PyTorch tensors, modules, optimizers, state dicts        ``.pt``, or ``.pth``; of a module its state
TensorFlow tensors and variables                         ``.npy``; come back as arrays
Keras models                                             ``.keras``
matplotlib figures                                       ``.png``, or ``.pdf``, ``.svg``, ...
plotly figures                                           ``.plotly.json``, or ``.html``
PIL images                                               ``.png`` or ``.tiff``, or ``.jpg``, ...
lists and mappings that hold any of these                ``.npz``
=======================================================  =============================================

The first one is used where a name does not say. Anything else needs a saver of one's own (`add_saver`),
or pickle, where that is asked for by name. Loading goes by how the name of the file ends, and runs no
code that comes with the file unless it is told that it may.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coolrunner.runs.savers.base import Saver
from coolrunner.runs.savers.registry import SAVERS, Load, Save, Savers

__all__ = ["SAVERS", "Saver", "Savers", "add_saver", "load", "save", "saver_of"]


def add_saver(kind: type | str, save: Save, load: Load | None = None, suffix: str = "") -> Saver:
    """Add a saver for a type; see `Savers.add`.

    >>> add_saver(Graph, lambda graph, path: graph.write(path), Graph.read, ".graphml")  # doctest: +SKIP
    """
    return SAVERS.add(kind, save, load, suffix)


def saver_of(obj: Any, *, pickle: bool = False) -> Saver:
    """Return what saves an object, or raise a TypeError that says how to go on; see `Savers.of`."""
    return SAVERS.of(obj, pickle=pickle)


def save(obj: Any, path: Path, *, pickle: bool = False) -> Path:
    """Write an object to a file, in place, and return where that is; see `Savers.save`."""
    return SAVERS.save(obj, path, pickle=pickle)


def load(path: Path, *, pickle: bool = False) -> Any:
    """Return what a file holds; see `Savers.load`."""
    return SAVERS.load(path, pickle=pickle)
