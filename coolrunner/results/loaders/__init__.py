"""The kinds of results that there are, each with the loader that finds and reads them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache

from coolrunner.results.parts import Loader

__all__ = ["KINDS", "loader_of", "loaders"]

#: For each kind its module and class here; in this order they are offered what is found.
_HOMES = {
    "run": "runs:RunLoader",
    "hydra": "hydra:HydraLoader",
    "sacred": "sacred:SacredLoader",
    "mlflow": "mlflow:MlflowLoader",
    "tensorboard": "tensorboard:TensorBoardLoader",
    "csv": "tabular:CsvLoader",
    "jsonl": "tabular:JsonLinesLoader",
    "log": "logs:LogLoader",
}
#: The names of all kinds.
KINDS = tuple(_HOMES)


@cache
def loader_of(kind: str) -> Loader:
    """Return the loader of a kind."""
    module, _, name = _HOMES[kind].partition(":")
    loader: Loader = getattr(importlib.import_module(f"{__name__}.{module}"), name)()
    return loader


def loaders(kinds: Sequence[str] = KINDS) -> list[Loader]:
    """Return the loaders of some kinds, in the order in which they are offered what is found."""
    return [loader_of(kind) for kind in _HOMES if kind in kinds]
