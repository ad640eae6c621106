"""The helper: a small process that forks a fresh one for each experiment.

A runner grows (its history, its console, its threads); forking from it would be slow and unsafe, and
starting a new interpreter for each experiment costs tens of milliseconds. So a runner starts one
helper that stays small and single-threaded, and the helper forks.

The helper leads a session of its own: a Ctrl-C in the terminal reaches the runner alone, which decides
what to pass on. It ends, and all experiments with it, as soon as its runner's end of the socket is
closed, whatever closed it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import os
import pickle
import select
import selectors
import signal
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import coolrunner.runs.metrics  # noqa: F401 - what most Modules use: each child finds it here
from coolrunner.execution import pinning
from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.child import run_experiment
from coolrunner.execution.threads import ThreadPools
from coolrunner.execution.wire import FrameReader, outcome_fields, send

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
# What a service manager sends to every process, and the runner alone answers.
_FOR_THE_RUNNER = (signal.SIGTERM, signal.SIGHUP)


def main(control: int, directory: str) -> None:
    """Serve a runner until it closes its socket; in a forked child, run its experiment and leave.

    Parameters
    ----------
    control
        The file descriptor of the socket to the runner.
    directory
        Where the command was started: first on the import path, and what relative paths mean.
    """
    # The runner says when it is over. A SIGINT held back breaks into the user's code alone, later on.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *_FOR_THE_RUNNER})
    sys.path[:] = [directory, *(entry for entry in sys.path if entry not in (directory, ""))]
    pinning.install(directory)
    # A look for what is not there goes through the whole import path, so that every child finds its
    # directories listed already. Python lists one anew when it changes.
    importlib.util.find_spec("coolrunner_is_not_here")
    job = _Helper(socket.socket(fileno=control)).serve()
    if job is not None:
        run_experiment(*job)


class _Helper:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._frames = FrameReader()
        self._fds: list[int] = []
        self._children: dict[int, str] = {}
        self._pools = ThreadPools()
        self._pid = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        try:
            self._libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
        except OSError:
            self._libc = None

    def serve(self) -> tuple[socket.socket, bytes] | None:
        """Fork, reap and pass signals on; return the job in a child, None at the end of the helper."""
        gc.collect()
        gc.freeze()  # what is here now is never looked through again, in no child either
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._wake:
                        with contextlib.suppress(BlockingIOError):
                            self._wake.recv(4096)
                        self._reap()
                        continue
                    data, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 8)
                    self._fds += fds
                    if not data:
                        raise ConnectionError
                    for frame in self._frames.feed(data):
                        job = self._obey(*pickle.loads(frame))
                        if job is not None:
                            return job
        except ConnectionError:  # the runner is gone, with the end of its socket
            self._end_all()
            return None

    def _obey(self, verb: str, *arguments: Any) -> tuple[socket.socket, bytes] | None:
        if verb == "start":
            return self._start(*arguments)
        if verb == "signal":
            self._signal(*arguments)
        elif verb == "pins":
            pinning.give(*arguments)
        elif verb == "warm":
            is_warm = _warm(*arguments)
            self._pools.find()
            send(self._control, ("warm", is_warm))
        return None

    def _start(
        self, identity: str, payload: bytes, threads: Mapping[str, str], count: int
    ) -> tuple[socket.socket, bytes] | None:
        (job, *output), self._fds = self._fds[:count], self._fds[count:]
        if self._is_alone():  # nobody would write down what comes of it
            raise ConnectionError
        self._pools.limit(threads)  # here, where a fork puts away again the threads that it may start
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or no process left: this experiment fails, not the study
            self._report_no_process(identity, job, error)
            for fd in output:
                os.close(fd)
            return None
        if pid:
            for fd in (job, *output):
                os.close(fd)
            # Set on both sides, so that a signal right now reaches the group.
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)
            self._children[pid] = identity
            send(self._control, ("forked", identity, pid))
            return None
        self._become_child(output)
        return socket.socket(fileno=job), payload

    def _is_alone(self) -> bool:
        """Whether the runner is gone, though not all that it has said is read yet."""
        poll = select.poll()
        poll.register(self._control, 0)  # the end of a connection is told unasked
        return bool(poll.poll(0))

    def _report_no_process(self, identity: str, job: int, error: OSError) -> None:
        message = f"no process could be started: {error.strerror}"
        with socket.socket(fileno=job) as sock:
            send(sock, ("outcome", outcome_fields(Outcome(Ending.FAILED, error=message, kind="exit"))))
        send(self._control, ("exited", identity, 0))

    def _become_child(self, output: Sequence[int]) -> None:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_RUNNER)
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != self._pid:  # it died before the line above
                os._exit(1)
        self._selector.close()
        for sock in (self._control, self._wake, self._woken):
            sock.close()
        if output:
            os.dup2(output[0], 1)
            os.dup2(output[-1], 2)
        for fd in output:
            os.close(fd)

    def _signal(self, identity: str, number: int) -> None:
        for pid, child in self._children.items():
            if child == identity:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, number)

    def _reap(self) -> None:
        for pid in list(self._children):
            # Left unreaped while its group is ended, so that its number cannot be another's by then.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            send(self._control, ("exited", self._children.pop(pid), status))

    def _end_all(self) -> None:
        signal.set_wakeup_fd(-1)  # the sockets close now, and the children's ends are yet to be heard of
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _warm(names: Sequence[str], environment: Mapping[str, str | None]) -> bool:
    """Import libraries ahead of the next forks; return whether this helper may still fork.

    Parameters
    ----------
    names
        The libraries, in the order of import.
    environment
        What an experiment that imported them changed in its environment. Where the libraries alone do
        not make the same change, the Module made it, perhaps for them to see: they must not come first.
    """
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if any(os.environ.get(name) != value for name, value in environment.items()):
        return False
    gc.collect()
    gc.freeze()
    if _threads() == 1:
        return True
    # OpenBLAS and the like put their threads away before a fork and start them again on demand. A
    # thread that a fork does not put away might hold a lock, which the child would wait for for ever.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of a fork with threads, which is what this asks for
        pid = os.fork()
        if pid == 0:
            os._exit(0)
    os.waitpid(pid, 0)
    return _threads() == 1


def _threads() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return 2  # not known here: not safe
