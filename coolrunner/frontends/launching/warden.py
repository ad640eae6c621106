"""The warden: a small process that starts the scripts of a launcher, and ends them where that is gone.

A launcher may have imported what does not survive a fork, and may be killed at any moment. So it starts one
warden, which stays small and has one thread. The warden leads a session of its own: a Ctrl-C in the terminal
reaches the launcher alone. It ends, and all scripts with it, as soon as the launcher's end of the socket is
closed, whatever closed it.

Frames are those of `coolrunner.execution.wire`. To the warden: ``("start", key, command, environment, cpus,
directory)`` with two descriptors for the output, and ``("signal", key, number)``. From it: ``("started", key,
pid)``, ``("failed", key, why)`` and ``("exited", key, status)``, a status as `subprocess.Popen` has it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from coolrunner.execution.wire import FrameReader, plain_loads, send
from coolrunner.frontends.launching.processes import FOR_THE_LAUNCHER

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(control: int) -> None:
    """Serve a launcher until it closes its socket; signals for the launcher are held back from the start.

    Parameters
    ----------
    control
        The file descriptor of the socket to it.
    """
    _Warden(socket.socket(fileno=control)).serve()


class _Warden:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._frames = FrameReader()
        self._fds: list[int] = []
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._pid = os.getpid()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._libc: Any = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._libc = ctypes.CDLL(None)

    def serve(self) -> None:
        """Start, reap and pass signals on, until the launcher is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        try:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._wake:
                        with contextlib.suppress(BlockingIOError):
                            self._wake.recv(4096)
                        self._reap()
                        continue
                    data, fds, _, _ = socket.recv_fds(self._control, 1 << 16, 64)
                    self._fds += fds
                    if not data:
                        return
                    for frame in self._frames.feed(data):
                        self._obey(*plain_loads(frame))
        except ConnectionError:
            return
        finally:
            for child in self._children.values():
                _kill(child.pid)

    def _obey(self, verb: str, key: int, *arguments: Any) -> None:
        if verb == "start":
            self._start(key, *arguments)
        else:
            child = self._children.get(key)
            if child is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, arguments[0])

    def _start(
        self,
        key: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        cpus: Sequence[int],
        where: str,
    ) -> None:
        (out, err), self._fds = self._fds[:2], self._fds[2:]

        def settle() -> None:
            # In the new process, which has one thread as this one has.
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_THE_LAUNCHER)
            if cpus and hasattr(os, "sched_setaffinity"):
                with contextlib.suppress(OSError):  # taken from the machine since
                    os.sched_setaffinity(0, cpus)
            if self._libc is not None:
                self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() != self._pid:  # the warden died before the line above
                    os._exit(1)

        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=where,
                preexec_fn=settle,
            )
        except (OSError, subprocess.SubprocessError) as error:
            told = (error.strerror if isinstance(error, OSError) else None) or str(error)
            send(self._control, ("failed", key, told))
        else:
            self._children[key] = child
            send(self._control, ("started", key, child.pid))
        finally:
            os.close(out)
            os.close(err)

    def _reap(self) -> None:
        for key, child in list(self._children.items()):
            # Left unreaped while its group is ended, so that its number cannot be another's by then.
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill(child.pid)
            send(self._control, ("exited", key, child.wait()))
            del self._children[key]


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
