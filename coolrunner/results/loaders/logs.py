"""YamlLogs as rows: an experiment is a row, and a log that was appended to is read on from its end.

What stands above ``REP`` are parameters, but for the runner's own settings, and what comes behind it are
results, but for what the runner keeps for the record (``ID``, ``HOST``, ...). An input of that name which a
result has overwritten stands where it was given, and is a result. Where there is no ``REP``, as in logs of
other tools, names in capitals are results, and all others parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from coolrunner.definition.names import GIVEN_NAMES, RUNNER_KEYS
from coolrunner.results.logs.collect import digest_of
from coolrunner.results.logs.reading import LogReading
from coolrunner.results.logs.sources import STDIN, LogFile, Report, is_other
from coolrunner.results.parts import Folder, Part, Role, Row, stamp_of

__all__ = ["LogLoader", "LogRows", "roles_of"]


_RECORD = frozenset({"RND_IDX", *GIVEN_NAMES})
_SETTINGS = frozenset({*RUNNER_KEYS, "RND_IDX"} - {"Name"})
_known: dict[tuple[Any, ...], tuple[Role, ...]] = {}
_MEMO_LIMIT = 10_000


class LogRows:
    """The rows of one log, which come by iterating over it, once.

    Attributes
    ----------
    kept
        Rows whose `number` is not greater stand as they were known; of all others nothing that was known
        counts any more. 0: the log is read from its beginning.
    state
        After the iteration: what the next reading goes on with, good for JSON; None for nothing.
    marked
        After the iteration: whether it says itself that it is a log, see `LogReading`.
    """

    def __init__(self, reading: LogReading, values: bool = True) -> None:
        self._reading = reading
        self._values = values
        self.kept = reading.kept
        self.state: dict[str, Any] | None = None
        self.marked = True

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows behind those that are kept."""
        for entry in self._reading:
            raw = entry.raw
            # Its digest is had without its data.
            value = entry.value if self._values else {}
            yield Row(
                value,
                roles_of(value),
                entry.number,
                raw.start,
                raw.stop,
                raw.line,
                digest_of(entry.canonical),
                raw.comment,
            )
        state = self._reading.state
        self.state = None if state is None else dict(state)
        self.marked = self._reading.marked


class LogLoader:
    """Reads YamlLogs, and logs written by hand or by other tools."""

    kind = "log"
    version = 2

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return None: logs are files, and lie anywhere."""
        return None

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the part that a file is; None where its name or its place says that it is no log.

        Any file that is a log may be opened so; by what it holds it is known when it is read.
        """
        if is_other(str(path), name, report):
            return None
        return Part(self.kind, str(path), name, (stamp_of(path),))

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the rows of a log."""
        yield from self.read_on(part, report)

    def read_on(
        self, part: Part, report: Report, state: dict[str, Any] | None = None, *, values: bool = True
    ) -> LogRows:
        """Return the rows of a log that come behind those that another reading has given.

        Parameters
        ----------
        part
            The log.
        report
            Takes note of what was met in all of it, as if it were read from its beginning.
        state
            Of the reading before; without it, and wherever it does not fit, all rows come.
        values
            Whether the data of the rows is wanted; without it they only say where they stand.
        """
        known: Any = state
        file = LogFile(part.name, None if part.path == STDIN else Path(part.path))
        return LogRows(LogReading(file, report, known, remember=True), values)


def roles_of(value: dict[Any, Any]) -> tuple[Role, ...]:
    """Return the role of each key of an experiment."""
    keys = tuple(value)
    try:
        return _known[keys]
    except KeyError:
        pass
    split = keys.index("REP") if "REP" in value else -1
    roles = tuple(_role(key, place, split) for place, key in enumerate(keys))
    if len(_known) >= _MEMO_LIMIT:
        _known.clear()
    _known[keys] = roles
    return roles


def _role(key: Any, place: int, split: int) -> Role:
    if type(key) is not str:
        return Role.PARAMETER if place < split or split < 0 else Role.RESULT
    if key in _RECORD or (key in _SETTINGS and (split < 0 or place < split)):
        return Role.INFO
    if split < 0:
        return Role.RESULT if key.isupper() else Role.PARAMETER
    return Role.PARAMETER if place < split else Role.RESULT
