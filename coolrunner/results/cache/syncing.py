"""Bringing an index up to date: only what has changed is read."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from coolrunner.results.cache.reading import Stored
from coolrunner.results.cache.schema import connect
from coolrunner.results.cache.writing import Writer
from coolrunner.results.loaders import loader_of
from coolrunner.results.logs.sources import NOTHING, Report
from coolrunner.results.parts import GrowingLoader, Part, Stamp

__all__ = ["Index"]

#: A file that was changed this shortly before it was read may be changed once more without its times showing
#: it (some file systems count in seconds); it is read again. In nanoseconds.
FRESH = 2_000_000_000
_COMMIT = 1.0  # seconds


class _Known(NamedTuple):
    """What the index says of a part.

    Attributes
    ----------
    id
        Of the part.
    version
        That its loader had.
    stamps
        Of its files, packed.
    looked, newest
        When it was read, and the newest time of its files; both in nanoseconds since 1970.
    whole
        Whether its rows have their values: 1 or 0.
    state
        What its loader reads on with, as JSON.
    report
        What was met in it, as JSON; empty for nothing.
    """

    id: int
    version: int
    stamps: bytes
    looked: int
    newest: int
    whole: int
    state: str | None
    report: str


class Index:
    """An index, open.

    Parameters
    ----------
    path
        Its file; None for one that is forgotten with the process.
    base
        What the paths of its parts are relative to, so that it stays right where the data is moved with it.

    Raises
    ------
    sqlite3.Error
        It cannot be had.
    """

    def __init__(self, path: Path | None, base: Path) -> None:
        self._path = path
        self._db = connect(path)
        self._base = f"{base}/" if str(base) != "/" else "/"
        self._ids: list[int] = []
        #: The parts of the last `sync` that are there, in their order.
        self.present: list[Part] = []

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def sync(
        self,
        parts: Sequence[Part],
        progress: Callable[[int, int], object] = lambda *_: None,
        *,
        values: bool = True,
    ) -> Report:
        """Bring the rows of some parts up to date.

        Parameters
        ----------
        parts
            All that is there now of what a person named.
        progress
            Called with how many parts of how many are up to date, before each that has to be read.
        values
            Whether the values of the rows are wanted; without them only the places and digests are.

        Returns
        -------
        What was met in these parts, whenever they were read.

        Raises
        ------
        sqlite3.Error
            The index cannot be written.
        """
        # What is read from here on is of one moment, whatever others write.
        self._db.execute("BEGIN")
        known = self._known()
        stale = [part for part in parts if _is_stale(part, known.get(self._key(part)), values)]
        gone = self._gone(known, parts)
        if stale or gone:
            self._db.execute("COMMIT")
            self._update(stale, gone, progress, values)
            self._db.execute("BEGIN")
            known = self._known()
        report = Report()
        self._ids, self.present = [], []
        for part in parts:
            entry = known.get(self._key(part))
            if entry is not None:  # else it was removed by somebody just now
                told = json.loads(entry.report) if entry.report else {}
                if part.met and told.get("unmarked"):
                    report.skip(NOTHING, part.name)
                    continue
                self._ids.append(entry.id)
                self.present.append(part)
                _retell(report, told, part.name)
        return report

    def rows(self) -> Stored:
        """Return the rows of the parts that were brought up to date."""
        return Stored(self._db, self._ids, self._path)

    @property
    def parts(self) -> list[int]:
        """The ids of the parts that were brought up to date and are there, in their order."""
        return self._ids

    # --- what is known ---

    def _known(self) -> dict[tuple[str, str], _Known]:
        query = "SELECT id, version, stamps, looked, newest, whole, state, report, kind, path FROM parts"
        return {record[8:]: _Known._make(record[:8]) for record in self._db.execute(query)}

    def _key(self, part: Part) -> tuple[str, str]:
        path = part.path
        return part.kind, path.removeprefix(self._base) if path.startswith(self._base) else path

    def _gone(self, known: dict[tuple[str, str], _Known], parts: Sequence[Part]) -> list[int]:
        """Return the ids of parts whose files are not there any more."""
        others = known.keys() - {self._key(part) for part in parts}
        return [known[key].id for key in others if not os.path.lexists(os.path.join(self._base, key[1]))]  # noqa: PTH118

    # --- reading what has changed ---

    def _update(
        self,
        stale: Sequence[Part],
        gone: Sequence[int],
        progress: Callable[[int, int], object],
        values: bool,
    ) -> None:
        waiting = iter(enumerate(stale))
        done = False
        while not done:
            done = True
            with self._writing():
                writer = Writer(self._db)
                for id in gone:
                    writer.remove(id)
                    self._db.execute("DELETE FROM parts WHERE id = ?", (id,))
                gone = ()
                known = self._known()  # somebody else may have read it while this one waited
                until = time.monotonic() + _COMMIT
                for number, part in waiting:
                    progress(number, len(stale))
                    self._read(writer, part, known.get(self._key(part)), values)
                    if time.monotonic() > until:
                        done = False
                        break

    def _read(self, writer: Writer, part: Part, known: _Known | None, values: bool) -> None:
        if not _is_stale(part, known, values):
            return
        loader: Any = loader_of(part.kind)
        looked = time.time_ns()
        report = Report()
        id = known.id if known is not None else self._new(part)
        rows: Any
        if _grows(part.kind):
            state = known.state if known is not None and known.version == loader.version else None
            if known is not None and known.whole < values:
                state = None
            elif known is not None and known.whole and state:
                values = True  # what is behind the rows that are known is to be as these
            rows = loader.read_on(part, report, json.loads(state) if state else None, values=values)
            writer.remove(id, behind=rows.kept)
        else:
            values = True
            rows = loader.read(part, report)
            writer.remove(id)
        writer.add(id, rows)
        state = getattr(rows, "state", None)
        self._db.execute(
            "UPDATE parts SET version = ?, stamps = ?, looked = ?, newest = ?, whole = ?, state = ?,"
            " report = ?, count = ?, last = ? WHERE id = ?",
            (
                loader.version,
                _packed(part.stamps),
                looked,
                max((max(stamp.modified, stamp.changed) for stamp in part.stamps), default=0),
                int(values),
                json.dumps(state) if state else None,
                _told(report, part.name, unmarked=not getattr(rows, "marked", True)),
                *writer.extent(id),
                id,
            ),
        )

    def _new(self, part: Part) -> int:
        added = self._db.execute("INSERT INTO parts(kind, path) VALUES (?, ?)", self._key(part))
        return added.lastrowid or 0

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _is_stale(part: Part, known: _Known | None, values: bool) -> bool:
    return (
        known is None
        or not part.stamps
        or known.whole < values
        or known.stamps != _packed(part.stamps)
        or known.newest > known.looked - FRESH
        or known.version != loader_of(part.kind).version
    )


def _packed(stamps: Sequence[Stamp]) -> bytes:
    return _packer(len(stamps)).pack(*itertools.chain.from_iterable(stamps))


@cache
def _packer(count: int) -> struct.Struct:
    return struct.Struct("<" + "QQqqq" * count)  # devices and inodes have 64 bits without a sign


@cache
def _grows(kind: str) -> bool:
    return isinstance(loader_of(kind), GrowingLoader)


# --- what is told of a part, without the name under which it was reached ---


def _told(report: Report, name: str, *, unmarked: bool = False) -> str:
    """Return what a report says, and whether a part has no mark of results; JSON, empty for nothing."""

    def bare(lines: Iterable[str]) -> list[str]:
        return [line.removeprefix(name) for line in lines]

    told = {
        "documents": report.documents,
        "files": report.files,
        "skipped": {kind: bare(paths) for kind, paths in report.skipped.items()},
        "broken": bare(report.broken),
        "foreign": bare(report.foreign),
        "unmarked": unmarked,
    }
    return json.dumps({key: value for key, value in told.items() if value}) if any(told.values()) else ""


def _retell(report: Report, told: dict[str, Any], name: str) -> None:
    report.documents += told.get("documents", 0)
    report.files += told.get("files", 0)
    for kind, paths in told.get("skipped", {}).items():
        for path in paths:
            report.skip(kind, name + path)
    report.broken += [name + line for line in told.get("broken", ())]
    report.foreign += [name + line for line in told.get("foreign", ())]
