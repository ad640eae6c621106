"""What runs in the process of one experiment, freshly forked by the helper."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import sys
import threading
from dataclasses import astuple
from typing import Any

from coolrunner.execution import pinning
from coolrunner.execution.base import Past
from coolrunner.execution.wire import FrameReader, outcome_fields, pack, plain_loads, send
from coolrunner.execution.worker import run_job
from coolrunner.experiment import Experiment, Slot, freeze

__all__ = ["run_experiment"]

# Libraries that start threads or services of their own accord, or do not survive a fork.
_NEVER_WARM = ("jax", "jaxlib", "tensorflow", "ray", "pyspark", "mpi4py", "cupy", "grpc")


def run_experiment(sock: socket.socket, payload: bytes) -> None:
    """Run an experiment, send what came of it, and leave; does not return.

    Parameters
    ----------
    sock
        To the runner.
    payload
        The pickled `Job`, and the directory of its control group if it has one.
    """
    pid = os.getpid()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(Exception):  # a stderr without a descriptor
        faulthandler.enable()
    job, group = pickle.loads(payload)
    _settle(job.slot, group)
    sys.argv = list(job.argv)
    _reseed()
    before = dict(os.environ)
    outcome = run_job(job, _RemotePast(sock), _Interruptible())
    if os.getpid() != pid:  # a copy that the Module forked, and that came back from it as well
        _leave()
    environment = {
        name: os.environ.get(name)
        for name in before.keys() | os.environ.keys()
        if before.get(name) != os.environ.get(name)
    }
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed or broken by the Module: not its result's fault
            stream.flush()
    pins = {path: astuple(pin) for path, pin in pinning.take_made().items()}
    with contextlib.suppress(OSError):  # closed by the Module, which the runner sees
        sock.sendall(
            pack(("pins", pins))
            + pack(("libraries", _libraries(), environment))
            + pack(("outcome", outcome_fields(outcome)))
        )
        sock.close()
    _leave()


def _settle(slot: Slot | None, group: str | None) -> None:
    """Keep to what was given, before a library looks at what there is."""
    if group is not None:
        with contextlib.suppress(OSError), open(f"{group}/cgroup.procs", "r+") as file:  # noqa: PTH123
            file.write("0")
    if slot is None:
        return
    if slot.cpus and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # taken from the machine, or from us, since
            os.sched_setaffinity(0, slot.cpus)
    os.environ.update(slot.environment)


class _Interruptible:
    """Lets SIGINT, which the helper holds back, raise KeyboardInterrupt; afterwards it is ignored."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _RemotePast(Past):
    """``E`` in a child: asks the runner for what it is asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._frames = FrameReader()

    def _ask(self, *question: Any) -> Any:
        send(self._sock, question)
        while data := self._sock.recv(1 << 16):
            for frame in self._frames.feed(data):
                answer, error, out_of_range = plain_loads(frame)
                if error:
                    raise (IndexError if out_of_range else LookupError)(error)
                return answer
        raise LookupError("the runner is gone")

    def get(self, key: int | str) -> Experiment:
        """Return an experiment with its results."""
        inputs, results = self._ask("past", key)
        return Experiment(freeze(inputs), freeze(results))

    def __len__(self) -> int:
        return int(self._ask("count"))


def _leave() -> None:
    """End the process as the interpreter would, but for taking itself apart, which takes 10 ms.

    CPython's multiprocessing ends its forked processes in this way too.
    """
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    with contextlib.suppress(Exception):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


def _reseed() -> None:
    # What a warm library drew its seed from before the fork would be the same in every experiment.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _libraries() -> list[str]:
    """Return the installed libraries that this process has imported, in the order of import."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        installed = "site-packages" in file or "dist-packages" in file
        if installed and name.partition(".")[0] not in ("coolrunner", "yaml", "_yaml"):
            found.append(name)
    return [] if any(name.partition(".")[0] in _NEVER_WARM for name in found) else found
