"""A root of runs: it makes them, finds them, marks them and removes them."""

from __future__ import annotations

import contextlib
import os
import time as clock
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from coolrunner.errors import BadRootError, RunError, RunWriteError
from coolrunner.runs import numbers
from coolrunner.runs.directory import RunDirectory, store_of, write_new
from coolrunner.runs.finding import Key, directories
from coolrunner.runs.layout import nested_layout
from coolrunner.runs.links import add_link, remove_link, remove_links
from coolrunner.runs.marks import MarkedRuns
from coolrunner.runs.names import parts_of
from coolrunner.runs.status import RunState, RunStatus, is_alive

__all__ = ["Key", "Root", "Ticket"]

_NEW, _GONE = ".new-", ".gone-"  # runs that are being made, and that are being removed
# How many runs of one name this process has found in one second, so as not to try all of them again.
_copies: dict[Path, int] = {}
_LEFT_OVER = timedelta(hours=1)  # whoever makes a run takes a millisecond


class Ticket(NamedTuple):
    """A number for a run that is still to be made.

    Attributes
    ----------
    number
        Its number.
    directory_name
        The name that its directory will have.
    relative
        Where that will be in the root, such as ``runs/000042-2026-11-21-06-23-29``.
    where
        The same as an absolute path.
    time
        When it was made; local, without a zone.
    title
        What the person called it.
    tmp
        Whether it is only tried out.
    """

    number: int
    directory_name: str
    relative: str
    where: Path
    time: datetime
    title: str
    tmp: bool

    @classmethod
    def of(cls, run: RunDirectory) -> Ticket:
        """Return the ticket that a run was made for."""
        time = run.time or datetime.now()
        return cls(run.number, run.name, run.relative, run.path, time, run.title, run.is_tmp)


class Root(MarkedRuns):
    """A root of runs, which also makes and removes them; itself it is made when it is needed.

    Parameters and attributes are those of `coolrunner.runs.finding.Runs`.
    """

    @classmethod
    def inside(cls, run: RunDirectory) -> Root:
        """Return the root of the runs within a run."""
        return cls(run.path, nested_layout(run.layout))

    @property
    def store(self) -> Path:
        """The directory of what the runs share, by content."""
        return store_of(self.path)

    def make(self) -> None:
        """Make its directories, where they are missing.

        Raises
        ------
        BadRootError
            Something else is in its place, or it cannot be made.
        """
        layout = self.layout
        places = [layout.runs]
        if layout.eager:
            places += [p for p in (layout.index, layout.marked, layout.tmp, layout.fails) if p is not None]
        try:
            for place in places:
                (self.path / place).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadRootError(f"{self.path} cannot be a root of runs: {error.strerror}") from None

    # --- making runs ---

    def allocate(
        self, name: str = "", *, time: datetime | None = None, tmp: bool = False, number: int | None = None
    ) -> Ticket:
        """Take a number for a run, in constant time; it is never given again.

        Parameters
        ----------
        name
            What the person calls it; made safe.
        time
            When it begins; now where it is not given. Local, without a zone.
        tmp
            Whether it is only tried out, where the layout knows such runs.
        number
            One that is to be had, where somebody else counts.

        Raises
        ------
        BadRootError
            The root cannot be made.
        RunWriteError
            The number cannot be written down.
        """
        try:
            number = numbers.next_number(self.path, self._highest, number)
        except FileNotFoundError:
            self.make()
            number = numbers.next_number(self.path, self._highest, number)
        time = time or datetime.now()
        layout = self.layout
        tmp = tmp and layout.tmp is not None
        directory_name = layout.directory_name(number, time, name)
        place = layout.tmp if tmp else layout.runs
        relative = f"{place}/{directory_name}" if place else directory_name
        return Ticket(number, directory_name, relative, self.path / relative, time, name, tmp)

    def create(
        self,
        params: str,
        state: RunState,
        ticket: Ticket | None = None,
        *,
        name: str = "",
        tmp: bool = False,
        files: Mapping[str, bytes] | None = None,
    ) -> RunDirectory:
        """Make the directory of a run, which appears with all that is in it.

        Parameters
        ----------
        params
            Its parameters, as YAML.
        state
            How it stands; its number, and what it does not say of name, kind and start, are filled in.
        ticket
            What `allocate` gave; else it is asked with `name` and `tmp`.
        name, tmp
            As for `allocate`.
        files
            What else is in it from the beginning, by paths with ``/``.

        Raises
        ------
        BadNameError
            A path of `files` leads elsewhere.
        BadRootError
            The root cannot be made.
        RunError
            There is a run of this number already.
        RunWriteError
            The disk did not take it; nothing of it is left.
        """
        data = params.encode()
        inside = {parts_of(path, "the path of a file"): content for path, content in (files or {}).items()}
        ticket = ticket or self.allocate(name, tmp=tmp)
        layout = self.layout
        state = replace(
            state,
            id=ticket.number,
            name=state.name or ticket.title,
            kind=state.kind or layout.kind,
            started=state.started or ticket.time.astimezone().isoformat(timespec="seconds"),
        )
        hidden = ticket.where.parent / f"{_NEW}{os.urandom(6).hex()}"
        try:
            _make_directory(hidden)
            try:
                for directory in layout.directories:
                    (hidden / directory).mkdir()
                write_new(hidden / layout.params, data)
                write_new(hidden / layout.status, state.text().encode())
                for parts, content in inside.items():
                    hidden.joinpath(*parts[:-1]).mkdir(parents=True, exist_ok=True)
                    write_new(hidden.joinpath(*parts), content)
                where = self._appear(hidden, ticket)
            except BaseException:
                _remove_tree(hidden, ignore_errors=True)
                raise
        except OSError as error:
            raise RunWriteError(f"{ticket.where} cannot be made: {error.strerror}") from None
        run = RunDirectory(where, layout)
        run.number = ticket.number
        if layout.index is not None and not ticket.tmp:
            add_link(self.path, (layout.index,), run)
        return run

    def _appear(self, hidden: Path, ticket: Ticket) -> Path:
        count = _copies.get(ticket.where, 0)
        while True:
            where = ticket.where
            if count:  # two of one name began in one second
                where = where.with_name(f"{ticket.directory_name} ({count})")
            try:
                return hidden.rename(where)
            except OSError:
                if not os.path.lexists(where):
                    raise
                if self.layout.numbered:
                    raise RunError(f"there is a run {where} already") from None
            count = _copies[ticket.where] = count + 1

    def last_number(self) -> int:
        """Return the last number that was given; one below the first where none was."""
        return numbers.last_number(self.path, self._highest)

    def _highest(self) -> int:
        """Return the highest number among the runs that there are."""
        highest = self.layout.first - 1
        for place in self.layout.places:
            for entry in directories(self.path / place):
                if self.layout.order(entry.name) is not None:
                    with contextlib.suppress(RunError):  # its number stands in a file that is broken
                        highest = max(highest, RunDirectory(Path(entry.path), self.layout).number)
        return highest

    # --- what goes ---

    def delete(self, keys: Iterable[Key], *, everything: bool, force: bool = False) -> list[Key]:
        """Take runs out of the index and from all marks, and remove them; return the keys that name none.

        Parameters
        ----------
        keys
            As for `find`.
        everything
            Whether the directories go as well. Without it they stay, and their marks go with the index.
        force
            Whether the directory of a run goes even while its process is there.

        Raises
        ------
        RunError
            A key names more than one run, or a run is still under way; then nothing is removed.
        RunWriteError
            The disk did not let it go.
        """
        runs, missing = self.select(keys)
        if everything and not force:
            for run in runs:
                _refuse_alive(run)
        if runs:
            numbers.keep_number(self.path, self._highest)
        self._unlink({run.name for run in runs})
        if everything:
            for run in runs:
                self._remove(run)
        return missing

    def fail(self, run: RunDirectory) -> RunDirectory:
        """Put a run aside as failed, where the layout does so; return where it is then.

        Raises
        ------
        RunWriteError
            The disk did not take it.
        """
        if self.layout.fails is None:
            return run
        self._unlink({run.name})
        where = self.path / self.layout.fails / run.name
        try:
            where.parent.mkdir(exist_ok=True)
            run.path.rename(where)
        except OSError as error:
            raise RunWriteError(f"{run.path} cannot be moved to {where.parent}: {error.strerror}") from None
        return RunDirectory(where, self.layout)

    def prune(
        self,
        *,
        tmp: bool = True,
        failed: bool = True,
        older_than: timedelta | None = None,
        dry: bool = True,
    ) -> list[RunDirectory]:
        """Remove what nobody needs any more, and return it; a dry call only tells what that would be.

        A run that is still under way stays, and so does one with a mark. What was left behind by
        processes that were killed while they made or removed a run goes too, in a call that is not dry.

        Parameters
        ----------
        tmp
            Whether runs that were only tried out go.
        failed
            Whether runs that failed go.
        older_than
            How long ago a run has to have begun.
        dry
            Whether nothing is removed.

        Raises
        ------
        RunWriteError
            The disk did not let it go.
        """
        kept = set(self.marks_by_run())
        latest = datetime.now() - older_than if older_than is not None else None
        chosen = [
            run
            for run in self.runs(tmp=tmp, fails=failed)
            if run.name not in kept and self._is_prunable(run, failed, latest)
        ]
        if not dry:
            self.delete(chosen, everything=True)
            self.sweep()
        return chosen

    def _is_prunable(self, run: RunDirectory, failed: bool, latest: datetime | None) -> bool:
        try:
            state = run.read_state()
            if latest is not None and (run.time is None or run.time > latest):
                return False
        except RunError:  # somebody has to look at it
            return False
        has_failed = run.is_failed or state.status is RunStatus.FAILED
        return is_alive(state) is False and (run.is_tmp or (failed and has_failed))

    def _unlink(self, names: set[str]) -> None:
        if self.layout.index is not None:
            remove_link(self.path / self.layout.index, names)
        if self.layout.marked is not None:
            remove_links(self.path / self.layout.marked, (), names)

    def _remove(self, run: RunDirectory) -> None:
        # Nobody finds half of it meanwhile.
        hidden = run.path.with_name(f"{_GONE}{os.urandom(6).hex()}")
        try:
            with contextlib.suppress(FileNotFoundError):  # another process has removed it
                run.path.rename(hidden)
                _remove_tree(hidden)
        except OSError as error:
            raise RunWriteError(f"{run.path} cannot be removed: {error.strerror}") from None

    def sweep(self) -> None:
        """Remove what was left behind by processes that were killed while they made or removed a run."""
        before = clock.time() - _LEFT_OVER.total_seconds()
        for place in self.layout.places:
            for entry in directories(self.path / place):
                if entry.name.startswith((_NEW, _GONE)) and entry.stat().st_mtime < before:
                    _remove_tree(entry.path, ignore_errors=True)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()


def _remove_tree(path: str | Path, *, ignore_errors: bool = False) -> None:
    import shutil  # slow to import, and most processes remove nothing

    shutil.rmtree(path, ignore_errors=ignore_errors)


def _refuse_alive(run: RunDirectory) -> None:
    try:
        state = run.read_state()
    except RunError:  # it is broken
        return
    if is_alive(state):
        raise RunError(f"{run.name} is still under way, as process {state.pid}")
