"""Who a process is, and the proof that it is dead.

A claim in the queue is freed by itself, and a run is taken for lost, only where its process is provably
dead: silence is no proof, for a machine that hangs or lost its network may come back and finish.
"""

from __future__ import annotations

import enum
import functools
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

__all__ = ["Heartbeat", "Life", "Process", "life", "process_here", "silence", "this_process"]

_PROC = "/proc"
_SILENT = 15.0  # seconds: three heartbeats


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from every other one that is, was or will be.

    Attributes
    ----------
    host
        The name of its host.
    machine
        What tells hosts of one name apart: ``/etc/machine-id``; empty where there is none.
    boot
        The kernel's name for the time since the host was started; empty where it gives none.
    namespace
        In which its number counts, as ``pid:[4026531836]``; empty where there is only one.
    pid
        Its number.
    start
        When it was started, as the kernel tells: on Linux in clock ticks since the boot. Empty where
        that is not known.
    """

    host: str
    machine: str
    boot: str
    namespace: str
    pid: int
    start: str

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Process:
        """Return the process that `to_data` gave; what else stands in `data` does not matter.

        Raises
        ------
        ValueError
            Something is missing or is of another type.
        """
        pid = data.get("pid")
        if type(pid) is not int or pid < 1:
            raise ValueError(f"a process has a number above 0 as pid, not {pid!r}")
        texts: dict[str, str] = {}
        for name in (field.name for field in fields(cls) if field.name != "pid"):
            if not isinstance(data.get(name), str):
                raise ValueError(f"a process has a text as {name}, not {data.get(name)!r}")
            texts[name] = data[name]
        return cls(pid=pid, **texts)


class Life(enum.Enum):
    """What can be proved of a process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


def this_process() -> Process:
    """Return who this process is; asked for again, it costs nothing."""
    return _this(os.getpid())


def process_here(pid: int) -> Process | None:
    """Return who a process of this namespace is; None where there is none of this number.

    One that has ended and waits for its parent to notice is still there.
    """
    seen = _look(pid)
    return None if seen is None else replace(this_process(), pid=pid, start=seen[1])


def life(process: Process, *, silent: float | None = None) -> Life:
    """Return what can be proved of a process from here.

    Parameters
    ----------
    process
        Of this host or another one.
    silent
        Seconds since its last heartbeat; None where that is not known. It counts only where the host
        seems to have been started anew: a clone of a machine has its name and its ``/etc/machine-id``, and
        the heartbeat tells that the other one lives.
    """
    here = this_process()
    if (process.host, process.machine) != (here.host, here.machine) or not (process.boot and here.boot):
        return Life.UNKNOWN
    if process.boot != here.boot:
        return Life.DEAD if process.machine and (silent is None or silent > _SILENT) else Life.UNKNOWN
    if process.namespace != here.namespace:
        return Life.UNKNOWN
    seen = _look(process.pid)
    if seen is None:
        return Life.DEAD
    ended, start = seen
    reused = bool(start and process.start) and start != process.start
    return Life.DEAD if ended or reused else Life.ALIVE


@functools.cache
def _this(pid: int) -> Process:
    machine, boot = _host()
    start = namespace = ""
    if Path(_PROC).is_dir():
        with suppress(OSError):  # by this name it is found also in the /proc of another namespace
            start = _stat("self")[1]
            namespace = str(Path(f"{_PROC}/self/ns/pid").readlink())
    else:
        start = _look_by_ps(pid)[1]
    return Process(
        host=os.uname().nodename,
        machine=machine,
        boot=boot,
        namespace=namespace,
        pid=pid,
        start=start,
    )


@functools.cache
def _host() -> tuple[str, str]:
    """Return what tells this machine apart, and this boot of it; as true in a forked process."""
    machine = _first_line("/etc/machine-id")
    boot = _first_line(f"{_PROC}/sys/kernel/random/boot_id") or _boot_by_sysctl()
    return "" if machine == "uninitialized" else machine, boot


# A number is used again in time, also by a grandchild of the process that had it.
os.register_at_fork(after_in_child=_this.cache_clear)


def _look(pid: int) -> tuple[bool, str] | None:
    """Return whether a process of this namespace has ended, and its start; None where it is not there."""
    with suppress(OSError):
        if str(Path(f"{_PROC}/self").readlink()) == str(os.getpid()):
            return _stat(str(pid))
    # Not seen is not yet gone: /proc may hide what is another user's, or be that of another namespace.
    if not _exists(pid):
        return None
    return (False, "") if Path(_PROC).is_dir() else _look_by_ps(pid)


def _stat(name: str) -> tuple[bool, str]:
    """Return whether a process has ended, and its start, from ``/proc/<pid>/stat`` (proc_pid_stat(5))."""
    text = Path(f"{_PROC}/{name}/stat").read_bytes()
    rest = text[text.rindex(b")") + 1 :].split()  # the name before it may have spaces and brackets
    state, threads, start = rest[0], rest[17], rest[19]
    # Where only the first thread has ended, the process says Z as well, and goes on.
    return state in b"ZXx" and int(threads) <= 1, start.decode()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _look_by_ps(pid: int) -> tuple[bool, str]:
    """Return what `_look` does, for a process that exists, where there is no ``/proc``."""
    state, _, start = _output("ps", "-o", "state=", "-o", "lstart=", "-p", str(pid)).partition(" ")
    return state.startswith("Z"), start.strip()


def _boot_by_sysctl() -> str:
    """Return the name of this boot on macOS or FreeBSD. Its time would not do: it moves with the clock."""
    return _output("sysctl", "-n", "kern.bootsessionuuid") or _output("sysctl", "-n", "kern.boot_id")


def _output(*argv: str) -> str:
    """Return what a command of the system writes; nothing where it fails."""
    import subprocess

    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}  # the same text for whoever asks
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip() if done.returncode == 0 else ""
    return ""


def _first_line(path: str) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text(encoding="ascii").partition("\n")[0].strip()
    return ""


class Heartbeat:
    """A thread that shows that this process lives: it touches a file until `stop` removes it.

    It begins at once, and never fails: where the file cannot be touched, because its directory vanished
    or became read-only, it tries again at the next beat.

    Parameters
    ----------
    path
        The file; its directory is made where only that is missing.
    every
        Seconds between two beats.
    """

    def __init__(self, path: Path, every: float = 5.0) -> None:
        self._path = path
        self._every = every
        self._pid = os.getpid()
        self._stopped = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop and remove the file; again, or in a fork, which has no such thread, it does nothing."""
        if os.getpid() != self._pid:
            return
        self._stopped.set()
        self._thread.join(timeout=1.0)  # a file server that does not answer must not hold the end up

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._beat()
        # The thread does it, so that no beat comes after it and makes the file anew.
        with suppress(OSError):
            self._path.unlink()

    def _beat(self) -> None:
        with suppress(OSError):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    self._path.parent.mkdir()
                self._path.touch()


def silence(path: Path) -> float | None:
    """Return the seconds since the last beat of the heartbeat in `path`; None where there is no such file.

    Raises
    ------
    OSError
        It cannot be looked at.
    """
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None
