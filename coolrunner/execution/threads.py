"""The threads of numerical libraries: those that were loaded before a fork are told of the child's share."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ThreadPools"]

# Part of the name of a library's file, the variable that it looks at as it is loaded, and its functions.
_LIBRARIES = (
    ("openblas", "OPENBLAS_NUM_THREADS", "openblas_get_num_threads", "openblas_set_num_threads"),
    ("mkl_rt", "MKL_NUM_THREADS", "MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("blis", "OMP_NUM_THREADS", "bli_thread_get_num_threads", "bli_thread_set_num_threads"),
    ("gomp", "OMP_NUM_THREADS", "omp_get_max_threads", "omp_set_num_threads"),
    ("iomp", "OMP_NUM_THREADS", "omp_get_max_threads", "omp_set_num_threads"),
    ("libomp", "OMP_NUM_THREADS", "omp_get_max_threads", "omp_set_num_threads"),
)
# As numpy and scipy build OpenBLAS for their wheels.
_PREFIXES, _SUFFIXES = ("", "scipy_"), ("", "64_", "_64")


@dataclass
class _Pool:
    variable: str
    set: Callable[[int], Any]
    first: int
    now: int


class ThreadPools:
    """The pools of the libraries that this process has loaded."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}

    def find(self) -> None:
        """Look for pools of libraries that were loaded since."""
        with contextlib.suppress(OSError):
            lines = Path("/proc/self/maps").read_text().splitlines()
            for path in dict.fromkeys(line.partition("/")[1] + line.partition("/")[2] for line in lines):
                if path not in self._pools and (pool := _pool(path)) is not None:
                    self._pools[path] = pool

    def limit(self, environment: Mapping[str, str]) -> None:
        """Let them have as many threads as they would had they been loaded with these variables.

        One that its variable says nothing of has as many as at first.
        """
        for pool in self._pools.values():
            count = int(environment.get(pool.variable, pool.first))
            if count != pool.now:
                pool.set(count)
                pool.now = count


def _pool(path: str) -> _Pool | None:
    file = os.path.basename(path)  # noqa: PTH119 - a text, of hundreds
    for part, variable, getter, setter in _LIBRARIES:
        if part not in file:
            continue
        try:
            library = ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            return None
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, prefix + getter + suffix, None)
                change = getattr(library, prefix + setter + suffix, None)
                if get is not None and change is not None:
                    count = int(get())
                    return _Pool(variable, change, count, count)
    return None
