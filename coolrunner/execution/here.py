"""A helper that is forked from this very process: it knows what was defined here, and stands in no file.

A function of a notebook, or of the script that runs, cannot be imported by a process that begins anew. So
the helper (`coolrunner.execution.helper`) is made of this one, and experiments of it, as they are forked from
any other helper. What was defined later they do not know.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Mapping

__all__ = ["ForkedProcess"]


class ForkedProcess:
    """A helper, forked; it can be waited for and ended as a `subprocess.Popen` can.

    Parameters
    ----------
    control
        The file descriptor of its end of the socket.
    ours
        That of the other end, which it must not keep open.
    directory
        First on the import path of the experiments.
    environment
        Its variables; None for those of this process.

    Raises
    ------
    OSError
        No process can be made.
    """

    def __init__(
        self, control: int, ours: int, directory: str, environment: Mapping[str, str] | None
    ) -> None:
        with warnings.catch_warnings():
            # Python warns of a fork with threads, and rightly so; a notebook has some.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _become_helper(control, ours, directory, environment)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return its wait status, or None while it runs."""
        if self._status is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if not pid:
                    return None
                self._status = status
                return status
            self._status = 0  # somebody else has waited for it
        return self._status

    def wait(self, timeout: float) -> int:
        """Wait for its end.

        Raises
        ------
        TimeoutError
            It has not ended by then.
        """
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.001)
        return status

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def _become_helper(control: int, ours: int, directory: str, environment: Mapping[str, str] | None) -> None:
    """Leave behind what belongs to the process that this one was, and serve; does not return."""
    status = 1
    try:
        # What that process does at its end (a notebook's history, its connections) is not for its copies.
        atexit._clear()
        os.close(ours)
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        with open(os.devnull, "rb") as null:  # noqa: PTH123
            os.dup2(null.fileno(), 0)
        # Its streams may be a notebook's, which lead to a connection of that process.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        if environment is not None:
            os.environ.clear()
            os.environ.update(environment)
        from coolrunner.execution.helper import main

        main(control, directory)
        status = 0
    finally:
        os._exit(status)
