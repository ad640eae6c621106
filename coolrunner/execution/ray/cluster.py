"""A Ray cluster, as a runner sees it: how it is reached, and what its nodes have."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import BackendError, UsageError
from coolrunner.execution.slots import size

if TYPE_CHECKING:
    from coolrunner.definition.clusters import RaySettings
    from coolrunner.definition.resources import Resources

__all__ = ["NAMESPACE", "RayCluster", "amounts", "find_it", "task_options"]

#: Where the actors of all runners stand in a cluster.
NAMESPACE = "coolrunner"
# Seconds for which it is remembered what the nodes have.
_FRESH = 5.0
# Seconds in which a cluster has to answer.
_KNOCK = 10.0
# What Ray's head node alone has.
_HEAD = "node:__internal_head__"


class RayCluster:
    """A cluster that this process is connected to.

    Parameters
    ----------
    settings
        ``Global.ray``.

    Attributes
    ----------
    ray
        The library.
    address
        Of the cluster; what it is told by.
    is_ours
        Whether it was started by this process, and ends with it.
    copies
        Whether the project is copied to the nodes, for not all of them see its directory.

    Raises
    ------
    UsageError
        Ray is not installed.
    BackendError
        The cluster cannot be reached, or not be started.
    """

    def __init__(self, settings: RaySettings) -> None:
        find_it(settings)
        # Read when Ray is imported; a study says nothing about itself to anybody.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.ray: Any = importlib.import_module("ray")
            self._entered = not self.ray.is_initialized()
            if self._entered:
                self._enter(settings)
        context = self.ray.get_runtime_context()
        self.address = str(getattr(context, "gcs_address", "") or settings.address or "")
        self.is_ours = (
            self._entered
            and self.ray._private.worker._global_node is not None
            and (self.ray._private.worker._global_node.is_head())
        )
        self._nodes: list[Mapping[str, Any]] = []
        self._looked = float("-inf")
        environment = settings.options.get("runtime_env") or {}
        self.copies = isinstance(environment, Mapping) and bool(environment.get("working_dir"))

    def _enter(self, settings: RaySettings) -> None:
        options: dict[str, Any] = {
            "namespace": NAMESPACE,
            "log_to_driver": False,
            "logging_level": "ERROR",
            "include_dashboard": False,
            **settings.options,
        }
        if settings.address:
            options["address"] = settings.address
        with _signals_kept(), _path_kept():
            try:
                self.ray.init(**options)
            except (self.ray.exceptions.RayError, RuntimeError, ValueError, TypeError, OSError) as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                where = f" at {settings.address}" if settings.address else ""
                raise BackendError(f"no Ray cluster can be had{where} (Global.ray): {first}") from None
        if not options["log_to_driver"]:
            _silence()

    def at_head(self) -> dict[str, float]:
        """Return the resources by which something is kept on Ray's head node, which no cluster survives."""
        has_head = any(_HEAD in node["Resources"] for node in self.ray.nodes() if node["Alive"])
        return {_HEAD: 0.0001} if has_head else {}

    def leave(self) -> None:
        """Let go of the cluster; one that is this process's own ends."""
        if self._entered:
            with _signals_kept():
                self.ray.shutdown()

    @property
    def outlives(self) -> bool:
        """Whether it goes on without this process."""
        return not self.is_ours

    # --- what the nodes have ---

    def nodes(self) -> list[Mapping[str, Any]]:
        """Return the resources of each living node."""
        if time.monotonic() - self._looked > _FRESH:
            self._looked = time.monotonic()
            self._nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return self._nodes

    def total(self, name: str) -> float:
        """Return how much there is of a resource, in Ray's name for it."""
        return sum(float(node.get(name, 0)) for node in self.nodes())

    def impossible(self, resources: Resources) -> str:
        """Say why no node can ever give these; empty where one can."""
        several = resources.beyond_one_machine()
        if several:
            return f"{several}; with Ray an experiment has one process (its Module may start Ray's tasks)"
        asked = amounts(resources)
        nodes = self.nodes()
        if any(all(node.get(name, 0) >= amount for name, amount in asked.items()) for node in nodes):
            return ""
        for name, amount in asked.items():
            most = max((float(node.get(name, 0)) for node in nodes), default=0.0)
            if most < amount:
                return f"asks for {_words(name, amount)}; no node of the Ray cluster has more than " + (
                    size(int(most)) if name == "memory" else f"{most:g}"
                )
        return "asks for more than any one node of the Ray cluster has"


def amounts(resources: Resources) -> dict[str, float]:
    """Return what an experiment needs by Ray's names; one CPU where nothing is said, as Ray has it."""
    return {"CPU": resources.cpus or 1, "GPU": resources.gpus, "memory": resources.memory or 0}


def _words(name: str, amount: float) -> str:
    if name == "memory":
        return f"{size(int(amount))} of memory"
    return f"{amount:g} {name}" + ("" if amount == 1 else "s")


def task_options(resources: Resources, name: str) -> dict[str, Any]:
    """Return what a task of Ray is told that is to have these, and that is called so in Ray's views."""
    asked = amounts(resources)
    options: dict[str, Any] = {"num_cpus": asked["CPU"], "num_gpus": asked["GPU"], "name": name}
    if asked["memory"]:
        options["memory"] = asked["memory"]
    return options


def find_it(settings: RaySettings) -> None:
    """See that Ray is there, and that somebody answers at its address: Ray itself tries for minutes.

    Raises
    ------
    UsageError
        Ray is not installed.
    BackendError
        Nobody answers.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("Global.executor is ray, which is not installed: pip install 'coolrunner[ray]'")
    address = settings.address or os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():  # such as auto
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        said = "Global.ray.address" if settings.address else "RAY_ADDRESS"
        raise BackendError(f"no Ray cluster answers at {address} ({said}): {why}") from None


def _silence() -> None:
    """Keep Ray from writing the words of its nodes to our standard output, between ours.

    There is no setting for it. What they say of experiments that were lost is told by their outcomes.
    """
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _say_nothing


def _say_nothing(*_: object, **__: object) -> None:
    pass


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what signals mean, which Ray would change."""
    numbers = (signal.SIGINT, signal.SIGTERM) if _is_main() else ()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _path_kept() -> Iterator[None]:
    """Let Python find this package in the processes of Ray, which take over the import path as it is now."""
    ours = str(Path(__file__).parents[2])
    is_added = ours not in sys.path
    if is_added:
        sys.path.append(ours)
    try:
        yield
    finally:
        if is_added:
            sys.path.remove(ours)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
