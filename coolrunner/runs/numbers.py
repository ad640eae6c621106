"""The numbers of runs: unique among processes and hosts, never given twice, found in constant time.

``.numbers`` in a root holds the last number that was given, as text, and is changed under a lock. Where
it is missing or cannot be read, and once after each start of a machine (a power cut may have cost its
last change), the runs themselves are looked at.

`flock` is the lock: on a local disk it goes with the process that holds it, and on NFS Linux makes a lock
of it that the server keeps. Where a file system has no locks, a file that only one can make stands in.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from coolrunner.errors import RunWriteError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FILE", "keep_number", "last_number", "next_number"]

#: The name of the file in a root.
FILE = ".numbers"

_FLAGS = os.O_RDWR | os.O_CREAT
for _flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"):  # each system has some of them
    _FLAGS |= getattr(os, _flag, 0)
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
# Windows says the latter of a file that is about to go.
_TAKEN = (FileExistsError, PermissionError) if os.name == "nt" else FileExistsError
# Seconds after which whoever made a lock file must have been killed: it is needed for a millisecond.
_STALE = 10.0


def next_number(root: Path, highest: Callable[[], int], wanted: int | None = None) -> int:
    """Return a number that no run under a root has had, and that none will be given again.

    Parameters
    ----------
    root
        A directory that exists.
    highest
        Looks for the highest number among the runs; asked only where the file does not tell.
    wanted
        A number that is to be had whether it was given before or not; later ones are above it.

    Raises
    ------
    FileNotFoundError
        There is no such root.
    RunWriteError
        The number cannot be written down.
    """
    with _counter(root) as descriptor:
        last = _read(descriptor, highest)
        number = last + 1 if wanted is None else wanted
        if number > last:
            _write(descriptor, number, root)
        return number


def last_number(root: Path, highest: Callable[[], int]) -> int:
    """Return the last number that was given under a root; nothing is written."""
    try:
        descriptor = os.open(root / FILE, os.O_RDONLY)
    except OSError:
        return highest()
    try:
        return _read(descriptor, highest)
    finally:
        os.close(descriptor)


def keep_number(root: Path, highest: Callable[[], int]) -> None:
    """Write down the last number that was given, before the runs that tell of it go.

    Raises
    ------
    RunWriteError
        It cannot be written down.
    """
    with _counter(root) as descriptor:
        _write(descriptor, _read(descriptor, highest), root)


def _read(descriptor: int, highest: Callable[[], int]) -> int:
    text = os.read(descriptor, 32)
    known = int(text) if text.endswith(b"\n") and text[:-1].isdigit() else None
    if known is not None and os.fstat(descriptor).st_mtime > _last_start():
        return known
    found = highest()
    return found if known is None else max(found, known)


def _last_start() -> float:
    """Return when this machine was started, in seconds since the epoch; 0 where it does not say."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() - time.clock_gettime(clock) if clock is not None else 0.0


def _write(descriptor: int, number: int, root: Path) -> None:
    data = b"%d\n" % number
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, data)
        if os.fstat(descriptor).st_size != len(data):
            os.ftruncate(descriptor, len(data))
    except OSError as error:
        raise _cannot(root, error) from None


@contextlib.contextmanager
def _counter(root: Path) -> Iterator[int]:
    """Open the file under its lock."""
    try:
        descriptor = os.open(root / FILE, _FLAGS, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _cannot(root, error) from None
    try:
        if _lock(descriptor, root):
            try:
                yield descriptor
            finally:
                # Explicitly: a process forked from this one has the descriptor as well.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        else:
            with _lock_file(root / f"{FILE}.lock"):
                yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, root: Path) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in _WITHOUT_LOCKS:
            return False
        raise _cannot(root, error) from None
    return True


@contextlib.contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except _TAKEN:
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()
            time.sleep(0.002)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _cannot(root: Path, error: OSError) -> RunWriteError:
    return RunWriteError(f"the number of a run cannot be written to {root / FILE}: {error.strerror}")
