"""What the runners on one machine tell each other: which parts of it are in use.

Each part that a runner has given to an experiment is a locked file in a directory of the user's. The
system lets go of the locks of a process that has died, whatever it died of, so there is nothing to clean
up and nothing to wait for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import stat
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

__all__ = ["Lock", "Locks", "runtime_directory"]

# Whoever has the guard is done with it in less than a millisecond.
_TRIES, _PAUSE = 50, 0.001


def runtime_directory() -> Path:
    """Return the directory for locks, which is made where it is missing.

    It is in ``$XDG_RUNTIME_DIR`` or in what a login makes for that; else beside other temporary files. A
    directory of temporary files may be one of several machines, and is told apart by their last start.

    Raises
    ------
    OSError
        There is none that belongs to this user alone.
    """
    user = os.geteuid()
    for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"):
        with contextlib.suppress(OSError):
            if base and _is_private(Path(base)):
                return _made(Path(base) / "coolrunner")
    import tempfile  # here, for a login makes the other one

    return _made(_made(Path(tempfile.gettempdir()) / f"coolrunner-{user}") / _start_of_machine())


def _made(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(path):
        raise PermissionError(f"{path} is not a directory of this user alone")
    return path


def _is_private(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _start_of_machine() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node() or "machine"


class Lock:
    """A part of the machine that this process has, until it lets go of it or dies."""

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self._descriptor = descriptor
        self._path = path

    def release(self) -> None:
        """Let go."""
        if self._path is not None:
            with contextlib.suppress(OSError):  # else it is found to be nobody's
                self._path.unlink()
        # Explicitly: a process forked from this one has the descriptor as well.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


class Locks:
    """The locks in one directory.

    Parameters
    ----------
    directory
        Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mine = os.urandom(8).hex()

    @contextlib.contextmanager
    def guarded(self) -> Iterator[bool]:
        """Keep others from taking anything meanwhile; False where another has kept us from it.

        Raises
        ------
        OSError
            The directory is gone, or nothing can be written there.
        """
        descriptor = self._open("guard")
        try:
            for _ in range(_TRIES):
                if _try_lock(descriptor):
                    yield True
                    return
                time.sleep(_PAUSE)
            yield False
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def take(self, name: str) -> Lock | None:
        """Lock the whole of something; None where another runner has it."""
        descriptor = self._open(name)
        if _try_lock(descriptor):
            return Lock(descriptor)
        os.close(descriptor)
        return None

    def share(self, name: str, amount: Fraction) -> Lock:
        """Note that this runner has so much of something; to be asked for under the guard."""
        file = f"{name}@{amount.numerator}_{amount.denominator}@{self._mine}-{os.urandom(8).hex()}"
        descriptor = self._open(file)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return Lock(descriptor, self._directory / file)

    def shared_by_others(self, name: str) -> Fraction:
        """Return how much of something the other runners have; to be asked for under the guard."""
        used = Fraction(0)
        for path in self._directory.glob(f"{name}@*"):
            _, amount, holder = path.name.rsplit("@", 2)
            if holder.startswith(self._mine):
                continue
            with contextlib.suppress(FileNotFoundError):  # given back this very moment
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                if _try_lock(descriptor):
                    path.unlink()  # of a runner that has died
                else:
                    used += Fraction(amount.replace("_", "/"))
                os.close(descriptor)
        return used

    def _open(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._directory / name, flags, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
