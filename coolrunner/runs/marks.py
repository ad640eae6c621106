"""Marks: names that a person gives to runs, to find them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coolrunner.errors import RunError, UnknownMarkError, nearest
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.finding import Key, Runs
from coolrunner.runs.links import Link, add_link, links_under, mark_parts, remove_links

__all__ = ["MarkedRuns"]


class MarkedRuns(Runs):
    """The runs under a root, and their marks: links to them under ``marked/<mark>/``."""

    def mark(self, keys: Iterable[Key], mark: str) -> list[Key]:
        """Mark runs; return the keys that name none.

        Parameters
        ----------
        keys
            As for `find`; runs that are only tried out, or failed, are not marked.
        mark
            ``/`` nests.

        Raises
        ------
        BadNameError
            It can be no mark.
        RunError
            A key names more than one run, or this layout has no marks.
        RunWriteError
            The disk did not take it.
        """
        parts = mark_parts(mark)
        place = self._marked()
        runs, missing = self.select(keys, tmp=False, fails=False)
        for run in runs:
            add_link(self.path, (place, *parts), run)
        return missing

    def unmark(self, keys: Iterable[Key] | None, mark: str) -> list[Key]:
        """Take a mark, and those nested in it, from runs, or from all; return the keys that name none.

        Raises
        ------
        BadNameError
            It can be no mark.
        UnknownMarkError
            No run has it.
        RunError
            A key names more than one run.
        RunWriteError
            The disk did not take it.
        """
        parts = mark_parts(mark)
        base = self.path / self._marked()
        if not base.joinpath(*parts).is_dir():
            raise self._unknown(mark)
        runs, missing = self.select(keys) if keys is not None else ([], [])
        remove_links(base, parts, {run.name for run in runs} if keys is not None else None)
        return missing

    def marks(self) -> list[str]:
        """Return all marks, nested ones with ``/``, in order."""
        return sorted({"/".join(link.parts) for link in self._all_marks() if link.parts})

    def marks_by_run(self) -> dict[str, list[str]]:
        """Return the marks of each run that has some, by the name of its directory."""
        found: dict[str, list[str]] = {}
        for link in self._all_marks():
            if link.parts:
                found.setdefault(link.run, []).append("/".join(link.parts))
        return found

    def marked(self, mark: str) -> list[RunDirectory]:
        """Return the runs with a mark, or with one nested in it, in order.

        Raises
        ------
        BadNameError
            It can be no mark.
        UnknownMarkError
            There is no such mark.
        """
        base = (self.path / self._marked()).joinpath(*mark_parts(mark))
        if not base.is_dir():
            raise self._unknown(mark)
        names = {link.run for link in links_under(base)}
        return [run for run in self.runs() if run.name in names]

    def _marked(self) -> str:
        if self.layout.marked is None:
            raise RunError(f"runs within a run, as in {self.path}, have no marks")
        return self.layout.marked

    def _all_marks(self) -> Iterator[Link]:
        return links_under(self.path / self.layout.marked) if self.layout.marked else iter(())

    def _unknown(self, mark: str) -> UnknownMarkError:
        close = nearest(mark, self.marks())
        hint = f"; did you mean {close}?" if close else ""
        return UnknownMarkError(f"no run in {self.path} has the mark {mark!r}{hint}")
