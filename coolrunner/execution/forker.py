"""The helpers of a backend: the processes that fork those of experiments, and when they import what.

One helper forks, cold at first. What experiments turn out to import is imported ahead of the next ones:
by that helper, while nothing runs that would have to wait for it, else by a second one beside it, which
takes over once it is ready.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coolrunner.errors import BackendError
from coolrunner.execution.pinning import Pin, PinBoard
from coolrunner.execution.wire import FrameReader, pack, plain_loads, send

if TYPE_CHECKING:
    from coolrunner.execution.here import ForkedProcess

__all__ = ["WARM_LIMIT", "Forker", "Forkers"]

#: Seconds that a helper may take to import libraries.
WARM_LIMIT = 120.0

# How often a second helper is started: where each experiment imports something else, none gains by it.
_MOST_SECONDS = 5

_HELPER = """
import sys
sys.path[:] = {path!r}
from coolrunner.execution.helper import main
main({control}, {directory!r})
"""


class Forker:
    """One helper.

    Parameters
    ----------
    directory
        First on the import path of the experiments.
    environment
        The variables of the helper, and so of what it forks.
    here
        Whether it is made of this very process, and knows what was defined in it.

    Attributes
    ----------
    sock
        The socket to it.
    jobs
        What it has started, and what has not ended.
    imported
        How many of the libraries that are to be warm it has been told to import.
    warm_by
        When it must be done with them, by `time.monotonic`.

    Raises
    ------
    BackendError
        It cannot be started.
    """

    def __init__(self, directory: str, environment: Mapping[str, str] | None, *, here: bool = False) -> None:
        self.jobs: set[str] = set()
        self.imported = 0
        self.warm_by = 0.0
        self._frames = FrameReader()
        self.sock, theirs = socket.socketpair()
        code = _HELPER.format(path=sys.path, control=theirs.fileno(), directory=directory)
        self._process: subprocess.Popen[bytes] | ForkedProcess
        try:
            if here:
                from coolrunner.execution.here import ForkedProcess

                self._process = ForkedProcess(theirs.fileno(), self.sock.fileno(), directory, environment)
                return
            self._process = subprocess.Popen(
                [sys.executable, *_interpreter_options(), "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            self.sock.close()
            raise BackendError(f"no process can be started: {error.strerror}") from None
        finally:
            theirs.close()

    # What cannot be sent is not missed: a helper that is gone is seen as soon as it is listened to.

    def start(
        self, identity: str, job: bytes, threads: Mapping[str, str], descriptors: Sequence[int]
    ) -> None:
        """Have it start a job, which gets these file descriptors: a socket, then those to write to."""
        self.jobs.add(identity)
        frame = pack(("start", identity, job, dict(threads), len(descriptors)))
        with contextlib.suppress(OSError):
            sent = socket.send_fds(self.sock, [frame], descriptors)
            self.sock.sendall(frame[sent:])

    def signal(self, identity: str, number: int) -> None:
        """Have it send a signal to the processes of a job."""
        self._send("signal", identity, int(number))

    def give(self, pins: Mapping[str, Pin]) -> None:
        """Tell it of the versions of the user's files."""
        self._send("pins", dict(pins))

    def warm(self, libraries: Iterable[str], environment: Mapping[str, str | None]) -> None:
        """Have it import the libraries that it has not yet; it answers whether it may still fork."""
        missing = list(libraries)[self.imported :]
        self.imported += len(missing)
        self.warm_by = time.monotonic() + WARM_LIMIT
        self._send("warm", missing, dict(environment))

    def _send(self, *message: Any) -> None:
        with contextlib.suppress(OSError):
            send(self.sock, message)

    def receive(self) -> list[Any] | None:
        """Return the messages that have come; None where it is gone."""
        try:
            data = self.sock.recv(1 << 16)
        except OSError:
            return None
        return [plain_loads(frame) for frame in self._frames.feed(data)] if data else None

    def let_go(self, *, kill: bool = False) -> None:
        """Have it end, and with it everything that it has started."""
        self.sock.close()
        if kill:
            self._process.kill()

    def is_over(self) -> bool:
        """Whether it has ended, after it was let go."""
        return self._process.poll() is not None

    def wait(self) -> None:
        """Wait for its end."""
        try:
            self._process.wait(timeout=5)
        except (subprocess.TimeoutExpired, TimeoutError):
            self._process.kill()
            self._process.wait(timeout=5)


class Forkers:
    """The helpers of one backend.

    Parameters
    ----------
    directory, environment
        As for a `Forker`.
    board
        Where the versions of the user's files are kept.
    warm
        Whether libraries are imported ahead.
    here
        Whether they are made of this very process.
    selector
        Where their sockets are listened to, under themselves as data.
    wake
        A socket from which something can be read as soon as a signal has come in.
    """

    def __init__(
        self,
        directory: str,
        *,
        environment: Mapping[str, str] | None,
        board: PinBoard,
        warm: bool,
        here: bool = False,
        selector: selectors.BaseSelector,
        wake: socket.socket,
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._board = board
        self._warm = warm and not here
        self._here = here
        self._selector = selector
        self._wake = wake
        self._libraries: dict[str, None] = {}
        self._changes: dict[str, str | None] = {}
        self._current: Forker | None = None
        self._second: Forker | None = None
        self._seconds = 0
        self._retired: list[Forker] = []
        self._ending: list[Forker] = []

    def learn(self, libraries: Sequence[str], changes: Mapping[str, str | None]) -> None:
        """Take note of what an experiment has imported, and changed in its environment."""
        new = dict.fromkeys(name for name in libraries if name not in self._libraries)
        self._libraries.update(new)
        self._changes.update(changes if new else {})

    def give(self, pins: Mapping[str, Pin]) -> None:
        """Tell all that still start jobs of the versions of the user's files."""
        for forker in (self._current, self._second):
            if forker is not None:
                forker.give(pins)

    def ready(self, *, idle: bool) -> Forker:
        """Return the helper that starts the next job.

        Parameters
        ----------
        idle
            Whether nothing runs now. A study of one experiment does not pay for warm libraries: they are
            imported before the second one is started.

        Raises
        ------
        BackendError
            No process can be started.
        """
        if self._current is not None and self._warm:
            if idle and (self._second is not None or self._cold(self._current)):
                self._warm_up(self._current)
            elif not idle and self._second is None and self._cold(self._current):
                self._start_second()
        if self._current is None:
            self._current = self._launch()
        return self._current

    def _cold(self, forker: Forker) -> bool:
        return forker.imported < len(self._libraries)

    def _launch(self) -> Forker:
        self._ending = [forker for forker in self._ending if not forker.is_over()]
        forker = Forker(self._directory, self._environment, here=self._here)
        self._selector.register(forker.sock, selectors.EVENT_READ, forker)
        if self._board.pins:
            forker.give(self._board.pins)
        return forker

    def _start_second(self) -> None:
        if self._seconds < _MOST_SECONDS:
            self._seconds += 1
            with contextlib.suppress(BackendError):
                self._second = self._launch()
                self._second.warm(self._libraries, self._changes)

    def _warm_up(self, current: Forker) -> None:
        """Wait until the helper has the libraries, or a signal has come in, which must not wait."""
        forker = self._second or current
        if forker is current:
            current.warm(self._libraries, self._changes)
        with selectors.DefaultSelector() as selector:
            selector.register(forker.sock, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            came = {key.fileobj for key, _ in selector.select(max(forker.warm_by - time.monotonic(), 0.0))}
        if forker.sock in came or not came:
            answers = forker.receive() if came else None
            self._judge(forker, answers == [("warm", True)])
        elif forker is current:  # a signal; at the next start, then
            self._drop(current, kill=True)

    def _judge(self, forker: Forker, is_warm: bool) -> None:
        """Go on with a helper that has imported the libraries, or without one."""
        if not is_warm:
            # It hangs, or has died, or has threads now that a fork would not survive.
            self._warm = False
            self._drop(forker, kill=True)
        elif forker is self._second:
            self._second, before, self._current = None, self._current, forker
            if before is not None:
                self._retired.append(before)
                self._dismiss_retired()

    def receive(self, forker: Forker) -> list[Any] | None:
        """Return what a helper tells of its jobs; None where it is gone, and they with it."""
        if forker in self._ending:
            return []
        messages = forker.receive()
        if messages is None:
            self._warm = False  # if a library was to blame, it is not tried again
            self._drop(forker)
            return None
        told = []
        for message in messages:
            if message[0] == "warm":
                self._judge(forker, message[1])
            else:
                told.append(message)
        return told

    def ended(self, forker: Forker, identity: str) -> None:
        """Take note of the end of a job."""
        forker.jobs.discard(identity)
        self._dismiss_retired()

    def _dismiss_retired(self) -> None:
        for forker in [forker for forker in self._retired if not forker.jobs]:
            self._drop(forker)

    @property
    def limit(self) -> float | None:
        """By when the second helper has to be ready, by `time.monotonic`; None without one."""
        return None if self._second is None else self._second.warm_by

    def check(self) -> None:
        """Give up a second helper whose time is over."""
        if self._second is not None and time.monotonic() >= self._second.warm_by:
            self._judge(self._second, False)

    def _drop(self, forker: Forker, *, kill: bool = False) -> None:
        self._selector.unregister(forker.sock)
        forker.let_go(kill=kill)
        self._ending.append(forker)
        if forker is self._current:
            self._current = None
        elif forker is self._second:
            self._second = None
        elif forker in self._retired:
            self._retired.remove(forker)

    def close(self) -> None:
        """End all, and everything that they have started."""
        for forker in (self._current, self._second, *self._retired):
            if forker is not None:
                self._drop(forker, kill=forker is self._second)
        while self._ending:
            self._ending.pop().wait()


def _interpreter_options() -> list[str]:
    """Return the options that make a helper's interpreter like this one."""
    options = [f"-W{option}" for option in sys.warnoptions]
    options += [f"-X{key}" if value is True else f"-X{key}={value}" for key, value in sys._xoptions.items()]
    options += ["-O"] * sys.flags.optimize
    if sys.flags.dont_write_bytecode:
        options.append("-B")
    return options
