"""The Slurm of the tests: one for all of them, brought up by the first that needs it."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os

import pytest

from tests.tools.slurm_cluster import SlurmCluster, why_not

__all__ = ["needs_slurm", "shared_slurm"]

_WHY = why_not() or ("" if importlib.util.find_spec("submitit") else "submitit is not installed")

#: Skips, and says why, where there can be no Slurm.
needs_slurm = pytest.mark.skipif(bool(_WHY), reason=_WHY)


@functools.cache
def shared_slurm() -> SlurmCluster:
    """Return the cluster, to which Slurm's commands of this process speak from now on."""
    cluster = SlurmCluster().start()
    atexit.register(cluster.stop)
    os.environ.update(cluster.environment)
    return cluster
