"""Replacing a shared file so that no save is lost that lands in between.

A file that others write is never overwritten: it changes places with the new one, in one step where the
system can (renameat2(2) with RENAME_EXCHANGE). What it was is then looked at, and watched for a while, for an
editor that had opened it may still write to it.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coolrunner.proof import Life, Process, life, process_here, this_process
from coolrunner.queue.steps import step

__all__ = ["Shelf", "Signature", "publish", "swap_back"]

#: Whether to try the exchange in one step; False takes the other way, as on a file system without it.
exchange_allowed = True

_AT_FDCWD = -100  # the values of linux/fcntl.h and linux/fs.h
_NOREPLACE = 1
_EXCHANGE = 2
_SYSCALLS = {"x86_64": 316, "aarch64": 276}  # renameat2, for a libc that does not know it
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}

_without_exchange: set[int] = set()  # the file systems that have refused, by their st_dev
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one saved state of a file from another. Renaming the file does not change it.

    Two states look the same only where the second was written in place, in the same tick of the kernel's
    clock (some milliseconds; none since Linux 6.13), at the same length.
    """

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, file: Path | int | os.stat_result) -> Signature | None:
        """Return that of a file by its path, its descriptor or its state; None where it is missing.

        Raises
        ------
        OSError
            The file cannot be looked at.
        """
        try:
            if isinstance(file, int):
                file = os.fstat(file)
            state = file.stat() if isinstance(file, Path) else file
        except FileNotFoundError:
            return None
        return cls(state.st_ino, state.st_size, state.st_mtime_ns)


def publish(
    path: Path,
    data: bytes,
    shelf: Path,
    *,
    expected: Signature | None,
    announce: Callable[[Signature], None],
    durable: bool = False,
) -> Path | None:
    """Replace a shared file; what it was goes to the shelf.

    Where the file is not as expected, or someone made a new one in between, theirs stays and nothing is
    published. Whether it was, is seen afterwards: then `path` has the announced signature.

    Parameters
    ----------
    path
        The file. For a symbolic link, what it leads to is replaced.
    data
        Its new content.
    shelf
        A directory of the same file system, which is made where it is missing. Where a link leads to
        another file system, a hidden file beside the target takes its place.
    expected
        What the file looked like when it was last read; None for one that was missing.
    announce
        Is told the signature of the new file before anyone can see it. Rarely it is told another one
        after that, which then holds.
    durable
        Whether the content shall be on the disk before the file is replaced.

    Returns
    -------
    Path or None
        The displaced file: a save that landed in between where it does not have the signature `expected`.
        None where nothing was displaced.

    Raises
    ------
    OSError
        The file is as it was, and nothing is left behind.
    """
    target = _target(path)
    if Signature.of(target) != expected:
        return None
    shelf.mkdir(parents=True, exist_ok=True)
    try:
        return _publish(target, data, _spare(shelf), expected is None, announce, durable)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    return _publish(target, data, _spare(target.parent, target), expected is None, announce, durable)


def _publish(
    target: Path, data: bytes, new: Path, first: bool, announce: Callable[[Signature], None], durable: bool
) -> Path | None:
    signature, displaced = None, None
    unfinished = new.with_name(new.name.replace("displaced-", "unfinished-"))
    try:
        _write(unfinished, data, target, durable)
        signature = Signature.of(unfinished)
        if signature is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(unfinished))
        announce(signature)
        # From here on the name stands for what is worth a look, also where this process is killed.
        unfinished.rename(new)
        step("announced")
        if not first:
            displaced = _replace(new, target)
        else:
            with suppress(FileExistsError):
                _place(new, target)
        step("exchanged")
        return displaced
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
            if signature == Signature.of(new):  # else it is what was displaced, by this name
                new.unlink()


def swap_back(path: Path, displaced: Path, shelf: Path) -> Path | None:
    """Put back what `publish` displaced, for it must not be hidden; `path` and `shelf` are as given there.

    Where someone made a new file in between, theirs stays, and `displaced` is where it was.

    Returns
    -------
    Path or None
        What is displaced now, perhaps under the very name of `displaced`: the text that was published,
        or, as its signature then tells, yet another save. None where `path` was missing.

    Raises
    ------
    OSError
        Both files are where they were.
    """
    target = _target(path)
    now = _replace(displaced, target)
    if now is None:
        with suppress(FileExistsError):
            _place(displaced, target)
    return now


def _replace(new: Path, target: Path) -> Path | None:
    """Put `new` in the place of `target`, and return where that lies now; None where it was missing.

    Where someone made a new file in between, theirs stays, and so does `new`.
    """
    try:
        device = target.stat().st_dev
        if exchange_allowed and device not in _without_exchange:
            try:
                _renameat2(new, target, _EXCHANGE)
                return new
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    _without_exchange.add(device)
                elif error.errno != errno.EPERM:  # what a sandbox says that does not know the call
                    raise
        displaced = _spare(new.parent, target if new.name.startswith(".") else None)
        target.rename(displaced)
    except FileNotFoundError:
        if not new.exists():
            raise
        return None
    try:
        _place(new, target)
    except FileExistsError:
        pass
    except BaseException:
        with suppress(OSError):
            _place(displaced, target)
        raise
    return displaced


def _place(new: Path, target: Path) -> None:
    """Rename a file, but never over another one: that is a FileExistsError."""
    try:
        os.link(new, target)
    except FileExistsError:
        # NFS says so also where the answer to the first try got lost.
        if Signature.of(new) != Signature.of(target):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            _renameat2(new, target, _NOREPLACE)
        except OSError as refused:
            if refused.errno not in {*_UNSUPPORTED, errno.EPERM}:
                raise
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            new.rename(target)
        return
    with suppress(OSError):
        new.unlink()


def _renameat2(old: Path, new: Path, flags: int) -> None:
    """Rename with flags, see renameat2(2)."""
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes  # here, for a plain run does not need it

    libc = ctypes.CDLL(None, use_errno=True)
    here = ctypes.c_int(_AT_FDCWD)
    paths = (here, os.fsencode(old), here, os.fsencode(new), ctypes.c_uint(flags))
    number = _SYSCALLS.get(os.uname().machine) if sys.maxsize > 2**32 else None
    if hasattr(libc, "renameat2"):
        status = libc.renameat2(*paths)
    elif number is not None:
        status = libc.syscall(ctypes.c_long(number), *paths)
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if status:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(old), None, str(new))


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _write(new: Path, data: bytes, model: Path, durable: bool) -> None:
    """Write a new file with the permissions of `model`, and its owner as far as the system allows it."""
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        with suppress(FileNotFoundError):
            old = model.stat()
            with suppress(PermissionError):
                os.fchown(descriptor, old.st_uid if os.geteuid() == 0 else -1, old.st_gid)
            os.fchmod(descriptor, old.st_mode & 0o7777)
        file.write(data)
        file.flush()
        if durable:
            os.fsync(descriptor)


def _mark(process: Process) -> tuple[str, str, str]:
    """Return what a file name says of a process: its place, its number and its start."""
    place = "\0".join((process.host, process.machine, process.boot, process.namespace))
    return f"{zlib.crc32(place.encode()):08x}", str(process.pid), f"{zlib.crc32(process.start.encode()):08x}"


def _spare(directory: Path, beside: Path | None = None) -> Path:
    """Return a new file name, hidden where it is for a file that lies there itself."""
    prefix = f".{beside.name}." if beside else ""
    parts = (*_mark(this_process()), str(next(_counter)), os.urandom(3).hex())
    return directory / f"{prefix}displaced-{'-'.join(parts)}"


def _is_left(name: str, state: os.stat_result, patience: float) -> bool:
    """Return whether the process that named a file is dead, or where that cannot be told, the file old."""
    here = _mark(this_process())
    mark = tuple(name.split("-")[:3])
    if mark == here:
        return False
    if len(mark) == 3 and mark[0] == here[0] and mark[1].isdecimal():
        owner = process_here(int(mark[1]))
        if owner is None or life(owner) is Life.DEAD:
            return True
        if owner.start:
            return _mark(owner) != mark
    # The time of the last renaming, where the file system notes it.
    return time.time() - max(state.st_ctime, state.st_mtime) > patience


@dataclass(slots=True)
class _Watched:
    signature: Signature
    since: float  # monotonic seconds of the displacement, or of the last change


class Shelf:
    """The displaced files of this runner, watched as long as an editor may still write to them.

    Several runners share the directory; each watches and deletes only its own files.

    Parameters
    ----------
    directory
        Where `publish` puts them; it may be missing.
    keep
        Seconds for which one is watched after it was displaced, and after each change.
    limit
        How many are watched at most.
    """

    def __init__(self, directory: Path, keep: float = 30.0, limit: int = 200) -> None:
        self._directory = directory
        self._keep = keep
        self._limit = limit
        self._files: dict[Path, _Watched] = {}

    def add(self, displaced: Path, text_signature: Signature, left_alone: float = 0.0) -> None:
        """Watch a file that looked like `text_signature` for so many seconds, before it was last read."""
        self._files.pop(displaced, None)
        self._files[displaced] = _Watched(text_signature, time.monotonic() - left_alone)

    def changed(self) -> list[Path]:
        """Return the files that have changed since they were last looked at, in the order of the changes.

        The caller reads them now: they count as looked at.

        Raises
        ------
        OSError
            One cannot be looked at.
        """
        found: list[tuple[int, Path]] = []
        for path, watched in list(self._files.items()):
            signature = Signature.of(path)
            if signature is None:
                del self._files[path]
            elif signature != watched.signature:
                self.add(path, signature)
                found.append((signature.mtime_ns, path))
        return [path for _, path in sorted(found)]

    def tidy(self, limit: int = 200) -> None:
        """Delete those that were watched long enough, and the oldest where there are more than `limit`.

        One that has changed and was not reported yet stays, and so does one that cannot be deleted.
        """
        now = time.monotonic()
        over = len(self._files) - min(limit, self._limit)
        for place, (path, watched) in enumerate(list(self._files.items())):
            if place >= over and now - watched.since < self._keep:
                continue
            with suppress(OSError):
                if Signature.of(path) in (watched.signature, None):
                    path.unlink(missing_ok=True)
                    del self._files[path]

    def leftovers(self, beside: Path | None = None) -> list[Path]:
        """Return the files of runners that are dead, the oldest text first.

        The caller looks at each, for it may be a save that nobody has seen, and deletes it or adds it. Of
        this host a runner is proved dead; any other one had ten times `keep` to delete the file itself.
        With `beside`, a shared file, what lies beside it is looked at as well.

        Raises
        ------
        OSError
            The directory cannot be read.
        """
        places = [(self._directory, "")]
        if beside is not None:
            places.append((_target(beside).parent, f".{_target(beside).name}."))
        found: list[tuple[int, Path]] = []
        for directory, prefix in places:
            with suppress(FileNotFoundError):
                for path in directory.iterdir():
                    kind, _, mark = path.name.removeprefix(prefix).partition("-")
                    known = path in self._files or not path.name.startswith(prefix)
                    if known or kind not in ("displaced", "unfinished"):
                        continue
                    with suppress(FileNotFoundError):
                        state = path.lstat()
                        is_left = _is_left(mark, state, 10 * self._keep)
                        if is_left and kind == "unfinished":
                            path.unlink()
                        elif is_left:
                            found.append((state.st_mtime_ns, path))
        return [path for _, path in sorted(found)]
