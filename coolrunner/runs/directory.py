"""The directory of one run: where all that it holds is, and how its small files are read and written."""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, RunWriteError, YamlError
from coolrunner.runs.layout import Layout, RunName, layout_of_run
from coolrunner.runs.names import absolute, parts_of
from coolrunner.runs.status import RunState, RunStatus
from coolrunner.yamlio import load, read_source, read_text

__all__ = ["RunDirectory", "overwrite", "store_of", "write_new", "write_whole"]

_PAGE = 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class RunDirectory:
    """The directory of a run, which owns all names of paths in it.

    Parameters
    ----------
    path
        Where it is, absolute.
    layout
        The layout of its root.

    Attributes
    ----------
    path, layout
        As given.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RunDirectory:
        """Return the run of a directory, of whichever layout.

        Raises
        ------
        RunError
            It is none of a run.
        """
        where = absolute(path)
        layout = layout_of_run(where)
        if layout is None or not where.is_dir():
            raise RunError(f"{where} is not the directory of a run")
        return cls(where, layout)

    # --- what its name tells ---

    @property
    def name(self) -> str:
        """The name of the directory, unique under its root."""
        return self.path.name

    @cached_property
    def parsed(self) -> RunName:
        """What that name tells."""
        return self.layout.parse_name(self.name) or RunName(None, None, self.name)

    @cached_property
    def number(self) -> int:
        """Its number, from the name, or from its status where the name has none."""
        number = self.parsed.number
        return self.read_state().id if number is None else number

    @property
    def title(self) -> str:
        """What the person called it; may be empty."""
        return self.parsed.name

    @cached_property
    def time(self) -> datetime | None:
        """When it was made, local and without a zone; from the name, or from its status."""
        if self.parsed.time is not None:
            return self.parsed.time
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(self.read_state().started).replace(tzinfo=None)
        return None

    @property
    def root(self) -> Path:
        """The root that it is in."""
        return self.path.parent.parent if self.layout.runs else self.path.parent

    @property
    def relative(self) -> str:
        """Where it is in its root, such as ``runs/000042-2026-11-21-06-23-29``."""
        return f"{self.path.parent.name}/{self.name}" if self.layout.runs else self.name

    @property
    def is_tmp(self) -> bool:
        """Whether it is one that is tried out, which stands in no index."""
        return self.layout.tmp is not None and self.path.parent.name == self.layout.tmp

    @property
    def is_failed(self) -> bool:
        """Whether it was put aside as failed."""
        return self.layout.fails is not None and self.path.parent.name == self.layout.fails

    # --- where things are ---

    @property
    def params(self) -> Path:
        """Its parameters."""
        return self.path / self.layout.params

    @property
    def status(self) -> Path:
        """How it stands."""
        return self.path / self.layout.status

    @property
    def log(self) -> Path:
        """Its output."""
        return self.path / self.layout.log

    @property
    def info(self) -> Path:
        """What was logged with the level info or above."""
        return self.path / self.layout.info

    @property
    def debug(self) -> Path:
        """What was logged, of all levels."""
        return self.path / self.layout.debug

    @property
    def traceback(self) -> Path:
        """The traceback of its failure."""
        return self.path / self.layout.traceback

    @property
    def metrics(self) -> Path:
        """Its scalars."""
        return self.path / self.layout.metrics

    @property
    def files(self) -> Path:
        """The directory of what it saved."""
        return self.path / self.layout.files

    @property
    def sources(self) -> Path:
        """The directory of copies of its sources, where they are not in the store."""
        return self.path / self.layout.sources

    @property
    def snapshots(self) -> Path:
        """The directory of its snapshots."""
        return self.path / self.layout.snapshots

    @property
    def tensorboard(self) -> Path:
        """The directory of event files."""
        return self.path / self.layout.tensorboard

    @property
    def nested(self) -> Path:
        """The directory of the runs within it."""
        return self.path / self.layout.nested

    @property
    def store(self) -> Path:
        """The directory of what many runs share, by content; it is in the outermost root."""
        return store_of(self.root)

    # --- what it holds ---

    def read_params(self) -> dict[str, Any]:
        """Return its parameters.

        Raises
        ------
        RunError
            They are missing or broken; names file and line.
        """
        try:
            source = read_source(self.params)
            # The quicker of the two reads one document alone.
            data = (load if "\n---" in source.text else read_text)(source.text, source.name)
        except YamlError as error:
            raise RunError(str(error)) from None
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise RunError(f"{self.params}:1: parameters were expected: lines such as 'lr: 0.1'")
        return data

    def read_state(self) -> RunState:
        """Return how it stands; what has no status was written by a program that knew none, and is done.

        Raises
        ------
        RunError
            The status is broken (names file and line), or there is no such run.
        """
        try:
            text = self.status.read_text(encoding="utf-8-sig")
            while text != (again := self.status.read_text(encoding="utf-8-sig")):
                text = again  # it was being written
        except FileNotFoundError:
            return self._state_without_status()
        except UnicodeDecodeError:
            raise RunError(f"{self.status}:1: not UTF-8") from None
        except OSError as error:
            raise RunError(f"{self.status} cannot be read: {error.strerror}") from None
        return RunState.read(text, str(self.status))

    def _state_without_status(self) -> RunState:
        if not self.path.is_dir():
            raise RunError(f"there is no run {self.path}")
        number, time, name = self.parsed
        return RunState(
            status=RunStatus.FAILED if self.is_failed else RunStatus.DONE,
            id=number or 0,
            name=name,
            kind=self.layout.kind,
            started=time.astimezone().isoformat(timespec="seconds") if time else "",
        )

    def write_state(self, state: RunState) -> None:
        """Write down how it stands.

        Raises
        ------
        RunWriteError
            The disk did not take it; the state before stays.
        """
        overwrite(self.status, state.text().encode())

    def write_whole(self, relative: str, data: bytes) -> Path:
        """Write a file that appears whole, or replaces another whole; return where it is.

        Parameters
        ----------
        relative
            Where in the run, with ``/``; directories are made.
        data
            What is to be in it.

        Raises
        ------
        BadNameError
            The path leads elsewhere.
        RunWriteError
            The disk did not take it; what was there before stays.
        """
        path = self.path.joinpath(*parts_of(relative, "the path of a file"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunWriteError(f"{path.parent} cannot be made: {error.strerror}") from None
        write_whole(path, data)
        return path

    def __repr__(self) -> str:
        return f"<RunDirectory {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunDirectory) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)


def store_of(root: Path) -> Path:
    """Return the directory of what the runs under a root share; within a run that is the outer one's."""
    while (layout := layout_of_run(root)) is not None and (root / layout.status).is_file():
        root = RunDirectory(root, layout).root
    return root / "store"


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file that appears whole, or replaces another whole.

    Raises
    ------
    RunWriteError
        The disk did not take it; what was there before stays, and nothing half written.
    """
    path = Path(path)
    hidden = path.with_name(f".new-{os.urandom(6).hex()}")
    try:
        try:
            write_new(hidden, data)
            hidden.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise
    except OSError as error:
        raise RunWriteError(f"{path} cannot be written: {error.strerror}") from None


def overwrite(path: Path, data: bytes) -> None:
    """Write a small file anew where it stands, whole: in one write, within one page of the system's.

    To replace it takes ten times as long, where a journalling file system waits for the new content, and
    leaves a file to be removed each time. A kill comes before or after the write, and a full disk does
    not matter, as the space is there. Who reads looks twice, should it be in the very moment.

    Raises
    ------
    RunWriteError
        The disk did not take it; what was there before stays.
    """
    if len(data) > _PAGE or not hasattr(os, "pwrite"):
        write_whole(path, data)
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        write_whole(path, data)
        return
    except OSError as error:
        raise RunWriteError(f"{path} cannot be written: {error.strerror}") from None
    try:
        before = os.pread(descriptor, _PAGE + 1, 0)
        if len(before) <= _PAGE:
            data = data.ljust(len(before), b"\n")
            written = os.pwrite(descriptor, data, 0)
            if written < len(data):  # a quota, or a limit on the size of files
                os.pwrite(descriptor, before[:written], 0)
                os.ftruncate(descriptor, len(before))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise RunWriteError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(before) > _PAGE:
        write_whole(path, data)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist, where nobody looks for it yet.

    Raises
    ------
    OSError
        The disk did not take it.
    """
    descriptor = os.open(path, _NEW, 0o666)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
