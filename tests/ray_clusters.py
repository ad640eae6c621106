"""A Ray cluster of two nodes on this machine, for the tests that need one; it speaks to loopback alone.

It is kept by a process of its own, which ends it as soon as whoever started it is gone.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import TracebackType

import pytest

from coolrunner.definition.clusters import RaySettings
from coolrunner.execution.ray.cluster import RayCluster

__all__ = ["RayNodes", "needs_ray", "shared_nodes", "shared_settings"]

ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A dead node is seen to be dead after some seconds, not after half a minute; one that a busy machine
    # lets wait is not taken for dead.
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
}
#: Marks a test that needs Ray.
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or not hasattr(os, "fork"),
    reason="Ray is not installed here: pip install 'coolrunner[ray]'",
)


class RayNodes:
    """A cluster of its own.

    Parameters
    ----------
    cpus
        How many CPUs each of the nodes says it has; the first is the head.

    Attributes
    ----------
    address
        Where it is.
    """

    def __init__(self, *cpus: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *map(str, cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ENVIRONMENT},
            cwd=Path(__file__).parent,
            start_new_session=True,
        )
        self.address = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                return line[2:].strip()
        raise AssertionError(f"no Ray cluster came up (status {self._process.wait()})")

    def ask(self, command: str) -> str:
        """Have it ``add`` a node of 2 CPUs, or ``kill`` the last one."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.communicate(timeout=60)

    def __enter__(self) -> RayNodes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@cache
def shared_nodes() -> RayNodes:
    """Return a cluster for all tests that leave it as it was: two nodes of two CPUs."""
    os.environ.update(ENVIRONMENT)  # Ray reads it when it is imported, and experiments do not mind it
    nodes = RayNodes(2, 2)
    atexit.register(nodes.close)
    return nodes


@cache
def shared_settings() -> RaySettings:
    """Return how `shared_nodes` are reached, by a process that stays connected to them: that is quicker."""
    settings = RaySettings(shared_nodes().address)
    atexit.register(RayCluster(settings).leave)
    return settings


def _keep(cpus: list[int]) -> None:
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80_000_000}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": cpus[0], "include_dashboard": False, **small}
    )
    others = [cluster.add_node(num_cpus=count, **small) for count in cpus[1:]]
    try:
        sys.stdout.write(f"> {cluster.address}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            if line.strip() == "add":
                others.append(cluster.add_node(num_cpus=2, **small))
            elif line.strip() == "kill":
                cluster.remove_node(others.pop(), allow_graceful=False)
            sys.stdout.write("> done\n")
            sys.stdout.flush()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    _keep([int(count) for count in sys.argv[1:]])
