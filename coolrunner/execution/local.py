"""Experiments in fresh processes on this machine, forked by a helper."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from coolrunner.errors import BackendError
from coolrunner.execution import pinning
from coolrunner.execution.base import Ended, Job, Output, Past, Report, Warned
from coolrunner.execution.running import Running
from coolrunner.execution.wire import FrameReader, make_outcome, pack, plain_loads, send

__all__ = ["LocalBackend"]

#: Seconds that the helper may take to import libraries.
WARM_LIMIT = 120.0

# Seconds; a selector cannot count beyond a few weeks.
_LONGEST_WAIT = 86400.0

_HELPER = """
import sys
sys.path[:] = {path!r}
from coolrunner.execution.helper import main
main({control}, {directory!r}, {capture})
"""


class LocalBackend:
    """Runs each job in a process of its own.

    Parameters
    ----------
    board
        Where the versions of the user's files are kept.
    directory
        First on the import path of the experiments.
    capture
        Whether what experiments write is reported as `Output`; else they write straight to the
        runner's own standard output and error.
    warm
        Whether installed libraries are imported once, in the helper, where that is safe.
    grace
        Seconds that an experiment has before it is killed: when its time is up, and after its Module
        has returned.
    """

    slots = 1

    def __init__(
        self,
        board: pinning.PinBoard,
        directory: str,
        *,
        capture: bool = False,
        warm: bool = True,
        grace: float = 10.0,
    ) -> None:
        self._board = board
        self._directory = directory
        self._capture = capture
        self._grace = grace
        self._warm = warm and sys.platform == "linux"
        self._warmed: set[str] = set()
        self._to_warm: list[str] = []
        self._environment: dict[str, str | None] = {}
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, Running] = {}
        self._reports: deque[Report] = deque()
        self._helper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._control_frames = FrameReader()
        # A signal that comes in ends a wait.
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._wakeup_before = -1
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._wakeup_before = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    # --- the backend's verbs ---

    def start(self, job: Job, past: Past) -> None:
        """Start a job in a fresh process."""
        for message in self._board.changes():
            self._reports.append(Warned(job.id, message))
        if self._to_warm and self._control is not None and not self._running:
            self._warm_up(self._control)
        control = self._control or self._start_helper()
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno()]
        output, written = os.pipe() if self._capture else (None, None)
        if written is not None:
            descriptors.append(written)
        running = self._running[job.id] = Running(job, past, ours, output, self._grace)
        try:
            frame = pack(("start", job.id, pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)))
            sent = socket.send_fds(control, [frame], descriptors)
            control.sendall(frame[sent:])
        except OSError:
            pass  # the helper is gone, which the next wait sees
        finally:
            theirs.close()
            if written is not None:
                os.close(written)
        self._selector.register(ours, selectors.EVENT_READ, running)
        if output is not None:
            os.set_blocking(output, False)
            self._selector.register(output, selectors.EVENT_READ, running)

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """Yield what has happened."""
        if not self._reports:
            self._wait(timeout)
        for running in self._running.values():
            number = running.due_signal()
            if number is not None:
                self._signal(running, number)
        while self._reports:
            yield self._reports.popleft()

    def interrupt(self) -> None:
        """Send SIGINT to every experiment's group of processes."""
        for running in self._running.values():
            running.interrupted = True
            self._signal(running, signal.SIGINT)

    def kill(self) -> None:
        """Send SIGKILL to every experiment's group of processes."""
        for running in self._running.values():
            self._signal(running, signal.SIGKILL)

    def close(self) -> None:
        """End everything; the helper kills what still runs when its socket closes."""
        self._stop_helper()
        for running in list(self._running.values()):
            self._forget(running)
        if self._in_main_thread:
            signal.set_wakeup_fd(self._wakeup_before)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    # --- the helper ---

    def _start_helper(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        code = _HELPER.format(
            path=sys.path, control=theirs.fileno(), directory=self._directory, capture=self._capture
        )
        try:
            self._helper = subprocess.Popen(
                [sys.executable, *_interpreter_options(), "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise BackendError(f"no process can be started: {error.strerror}") from None
        finally:
            theirs.close()
        self._control = ours
        self._control_frames = FrameReader()
        self._selector.register(ours, selectors.EVENT_READ, None)
        if self._board.pins:
            with contextlib.suppress(OSError):  # gone already, which the next wait sees
                send(ours, ("pins", dict(self._board.pins)))
        return ours

    def _stop_helper(self, *, kill: bool = False) -> None:
        if self._control is not None:
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
        if self._helper is not None:
            if kill:
                self._helper.kill()
            try:
                self._helper.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._helper.kill()
                self._helper.wait()
            self._helper = None

    def _warm_up(self, control: socket.socket) -> None:
        """Have the helper import the libraries that experiments turned out to use.

        It happens before the next start, so that a study of one experiment does not pay for it.
        """
        names, self._to_warm = self._to_warm, []
        answer = None
        try:
            send(control, ("warm", names, self._environment))
            with selectors.DefaultSelector() as selector:
                selector.register(control, selectors.EVENT_READ)
                selector.register(self._wake, selectors.EVENT_READ)
                came = {key.fileobj for key, _ in selector.select(WARM_LIMIT)}
            if control in came:
                for frame in self._control_frames.feed(control.recv(1 << 16)):
                    answer = plain_loads(frame)
            elif came:
                self._to_warm = names  # a signal, which must not wait: at the next start, then
        except OSError:
            pass  # it has died of an import
        if answer != ("warm", True):
            # It hangs, or has threads now that a fork would not survive: begin with a cold one.
            self._warm = self._warm and bool(self._to_warm)
            self._stop_helper(kill=True)

    def _signal(self, running: Running, number: int) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):
                send(self._control, ("signal", running.job.id, int(number)))

    # --- waiting ---

    def _wait(self, timeout: float | None) -> None:
        now = time.monotonic()
        waits = [limit - now for running in self._running.values() if (limit := running.limit) is not None]
        if timeout is not None:
            waits.append(timeout)
        for key, _ in self._selector.select(min(max(min(waits), 0.0), _LONGEST_WAIT) if waits else None):
            running: Running | None = key.data
            if key.fileobj is self._wake:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
            elif key.fileobj is self._control:
                self._read_control(self._control)
            elif running is None or running.job.id not in self._running:
                continue
            elif key.fileobj is running.sock:
                self._read_job(running)
            else:
                self._read_output(running)

    def _read_job(self, running: Running, wait: float = 0.0) -> bool:
        """Read what a job has sent; return whether more may come."""
        try:
            messages = running.receive(wait)
        except BlockingIOError:
            return False
        if messages is None:
            if running.sock is not None:
                self._selector.unregister(running.sock)
                running.sock.close()
                running.sock = None
            return False
        for verb, *arguments in messages:
            self._hear(running, verb, *arguments)
        return True

    def _hear(self, running: Running, verb: str, *arguments: Any) -> None:
        if verb == "outcome":
            running.take_outcome(make_outcome(*arguments))
        elif verb == "pins":
            made = {path: pinning.Pin(*pin) for path, pin in arguments[0].items()}
            if made:
                for message in self._board.add(made):
                    self._reports.append(Warned(running.job.id, message))
                if self._control is not None:
                    with contextlib.suppress(OSError):
                        send(self._control, ("pins", made))
        elif verb == "libraries":
            libraries, changes = arguments
            new = [name for name in libraries if name not in self._warmed]
            self._to_warm += new if self._warm else []
            self._warmed.update(new)
            self._environment.update(changes if new else {})
        elif verb in ("past", "count"):
            running.answer(verb, *arguments)

    def _read_output(self, running: Running) -> None:
        data = running.read_output()
        if data:
            self._reports.append(Output(running.job.id, data))
        elif data is None and running.output is not None:
            self._selector.unregister(running.output)
            os.close(running.output)
            running.output = None

    def _read_control(self, control: socket.socket) -> None:
        try:
            data = control.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._helper_is_gone()
            return
        for frame in self._control_frames.feed(data):
            verb, identity, number = plain_loads(frame)
            running = self._running.get(identity)
            if running is None:
                continue
            if verb == "forked":
                running.pid = number
            elif verb == "exited":
                running.exit = number
                # What is still to be read was sent before; a process that has left the group may hold
                # the socket open.
                while running.outcome is None and self._read_job(running):
                    pass
                self._end(running)

    def _helper_is_gone(self) -> None:
        self._stop_helper()
        self._warm = False  # if a library was to blame, it is not tried again
        for running in list(self._running.values()):
            running.kill_group()
            # At the end of its socket nothing of it runs any more, and it may be started again.
            until = time.monotonic() + self._grace
            while running.outcome is None and (left := until - time.monotonic()) > 0:
                if not self._read_job(running, left):
                    break
            if running.outcome is None:
                running.lost()
            self._end(running)

    def _end(self, running: Running) -> None:
        self._reports.extend(Output(running.job.id, data) for data in running.last_output())
        self._forget(running)
        self._reports.append(Ended(running.job.id, running.verdict()))

    def _forget(self, running: Running) -> None:
        for handle in (running.sock, running.output):
            if handle is not None:
                self._selector.unregister(handle)
        running.close()
        del self._running[running.job.id]


def _interpreter_options() -> list[str]:
    """Return the options that make the helper's interpreter like this one."""
    options = [f"-W{option}" for option in sys.warnoptions]
    options += [f"-X{key}" if value is True else f"-X{key}={value}" for key, value in sys._xoptions.items()]
    options += ["-O"] * sys.flags.optimize
    if sys.flags.dont_write_bytecode:
        options.append("-B")
    return options
