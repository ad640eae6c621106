"""The processes of a launcher: started by its warden, and heard of without asking again and again."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from coolrunner.errors import BackendError
from coolrunner.execution.wire import FrameReader, pack, plain_loads, send

__all__ = ["FOR_THE_LAUNCHER", "Processes"]

#: What reaches every process of a service or a job, and what the launcher alone answers.
FOR_THE_LAUNCHER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_WARDEN = """
import sys
sys.path[:] = {path!r}
from coolrunner.frontends.launching.warden import main
main({control})
"""
_READ = 1 << 16


class Processes:
    """Scripts in processes of their own, each of which leads a group.

    Use it as a context manager: at its end, whatever still runs is killed.

    Parameters
    ----------
    output
        Called with a key, the stream (1 or 2) and bytes that a script has written.

    Raises
    ------
    BackendError
        The warden cannot be started.
    """

    def __init__(self, output: Callable[[int, int, bytes], None]) -> None:
        self._output = output
        self._frames = FrameReader()
        self._pipes: dict[int, tuple[int, int]] = {}
        self._reports: list[tuple[Any, ...]] = []
        self._selector = selectors.DefaultSelector()
        # A signal that comes in ends a wait.
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._wakeup_before: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        self._sock, theirs = socket.socketpair()
        code = _WARDEN.format(path=sys.path, control=theirs.fileno())
        # What stops the launcher must not end the warden, which begins with what is held back here.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_LAUNCHER)
        try:
            self._warden = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            raise BackendError(f"no process can be started: {error.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            theirs.close()
        self._selector.register(self._sock, selectors.EVENT_READ)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._sock.close()
        self._warden.wait()
        for pipe in list(self._pipes):
            self._close_pipe(pipe)
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def start(
        self, key: int, command: Sequence[str], environment: Mapping[str, str], cpus: Sequence[int] = ()
    ) -> None:
        """Start a script in the working directory, bound to these CPUs; none leaves it unbound."""
        ends = []
        # One pipe for both streams keeps the order; who reads them apart gets them apart.
        together = _lead_to_one_place()
        for stream in (1,) if together else (1, 2):
            read, write = os.pipe()
            os.set_blocking(read, False)
            self._pipes[read] = key, stream
            self._selector.register(read, selectors.EVENT_READ)
            ends.append(write)
        message = ("start", key, list(command), dict(environment), list(cpus), os.getcwd())  # noqa: PTH109
        frame = pack(message)
        with contextlib.suppress(OSError):  # a warden that is gone is heard of
            sent = socket.send_fds(self._sock, [frame], [ends[0], ends[-1]])
            self._sock.sendall(frame[sent:])
        for end in ends:
            os.close(end)

    def signal(self, key: int, number: int) -> None:
        """Send a signal to a script and to what it has started."""
        with contextlib.suppress(OSError):
            send(self._sock, ("signal", key, int(number)))

    def wait(self, timeout: float | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield what the warden has told, after waiting until something happens, up to `timeout` seconds.

        Comes back with nothing, too, when a script has written something or a signal has come in.

        Raises
        ------
        BackendError
            The warden is gone, and what it has started with it.
        """
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._wake:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
            elif key.fileobj is self._sock:
                self._hear()
            elif key.fd in self._pipes:
                self._read(key.fd)
        while self._reports:
            report = self._reports.pop(0)
            if report[0] != "started":
                self._drain(report[1])
            yield report

    def _hear(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except OSError:
            data = b""
        if not data:
            raise BackendError("the process that starts the scripts is gone, and they with it")
        self._reports += [plain_loads(frame) for frame in self._frames.feed(data)]

    def _read(self, pipe: int) -> bool:
        """Pass on what a script has written; return whether there was something."""
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            return False
        if data:
            self._output(*self._pipes[pipe], data)
        else:
            self._close_pipe(pipe)
        return bool(data)

    def _drain(self, key: int) -> None:
        """Read what a script that is gone has left; others may hold its pipes open."""
        for pipe in [pipe for pipe, (owner, _) in self._pipes.items() if owner == key]:
            while self._read(pipe):
                pass
            if pipe in self._pipes:
                self._close_pipe(pipe)

    def _close_pipe(self, pipe: int) -> None:
        del self._pipes[pipe]
        self._selector.unregister(pipe)
        os.close(pipe)


def _lead_to_one_place() -> bool:
    """Whether standard output and error lead to the same terminal, pipe or file."""
    try:
        return os.path.sameopenfile(1, 2)
    except OSError:  # one is closed
        return False
