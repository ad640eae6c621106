"""The scalars of a run: logged in memory, and with the operating system within a second."""

from __future__ import annotations

import contextlib
import os
import threading
import time as clock
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import RunError, RunWriteError, nearest
from coolrunner.runs.flushing import flush_soon, watch
from coolrunner.runs.names import parts_of
from coolrunner.runs.rows import Row, append, next_steps, open_rows, quoted
from coolrunner.runs.values import INT64, as_number, as_step

if TYPE_CHECKING:
    from coolrunner.runs.sinks import Sink

__all__ = ["Metrics"]

# So many rows are written at once by whoever logs the last of them: 2 ms of work.
_FULL = 2048
# So many are kept where the disk does not take them: about 150 MB.
_KEPT = 1_000_000


class _Series:
    """What is known of one metric: its name as it is written, the next step, the last value."""

    __slots__ = ("latest", "name", "next", "text")

    def __init__(self, name: str) -> None:
        parts_of(name, "the name of a metric")
        self.name = name
        self.text = quoted(name)
        self.next: int | None = None
        self.latest: float | None = None


class Metrics:
    """The scalars of one run.

    Values are kept in memory and written a batch at once: by a thread after half a second, by whoever logs
    when there are many, and at the end. A kill costs the last second, never what was written. Threads and
    forked processes may log to the same metrics, other processes to the same file.

    Parameters
    ----------
    path
        The file, see `coolrunner.runs.rows` for its format; it is made with the first row. None keeps
        nothing.
    sinks
        Who else is given each row.
    """

    def __init__(self, path: Path | None, sinks: Iterable[Sink] = ()) -> None:
        self.path = path
        self._sinks = list(sinks)
        self._series: dict[str, _Series] = {}
        self._past: dict[str, int] | None = None
        self._rows: list[tuple[_Series, int, float, float]] = []
        # Rows on their way to the file; not empty between two flushes only where the disk is in trouble.
        self._leaving: list[tuple[_Series, int, float, float]] = []
        self._file: int | None = None
        self._busy = False
        self._renew_locks()
        self._limit = _FULL  # of rows in memory; 0 where there is an error to be raised
        self._lost = 0
        self._trouble: OSError | None = None
        self._told = False
        watch(self)

    # --- logging ---

    def log(self, name: str, value: Any, step: int | None = None, time: float | None = None) -> int:
        """Add a value to a metric.

        Parameters
        ----------
        name
            Of the metric; ``/`` makes groups.
        value
            A number, or an array of one; NaN and infinities are kept.
        step
            The one after the last of this metric where it is not given; the first is 0.
        time
            When, in seconds since 1970; now where it is not given.

        Returns
        -------
        The step.

        Raises
        ------
        BadNameError, TypeError
            It is no name, no number or no step.
        RunWriteError
            The disk did not take earlier values. Said once; they are kept, as is this one, and tried again.
        """
        series = self._series.get(name)
        if series is None:
            series = self._series.setdefault(name, _Series(name))
        if type(value) is not float:
            value = as_number(name, value)
        if step is not None and (type(step) is not int or not -INT64 <= step < INT64):
            step = as_step(name, step)
        with self._lock:
            if step is None:
                step = series.next
                if step is None:
                    step = self._past_steps().get(name, 0)
            series.next = step + 1
            series.latest = value
            rows = self._rows
            rows.append((series, step, value, clock.time() if time is None else time))
            waiting = len(rows)
        if not 1 < waiting < self._limit:
            self._attend(waiting)
        return step

    def _attend(self, waiting: int) -> None:
        if self.path is None and not self._sinks:
            self._rows.clear()
            return
        if waiting == 1:
            flush_soon(self)
        if waiting >= self._limit:
            self.flush()

    def _past_steps(self) -> dict[str, int]:
        if self._past is None:
            self._past = next_steps(self.path) if self.path is not None else {}
        return self._past

    # --- what was logged ---

    def latest(self, name: str) -> float:
        """Return the value of a metric that was logged last, by this process.

        Raises
        ------
        RunError
            Nothing was logged under that name; the error has the nearest one.
        """
        series = self._series.get(name)
        if series is not None and series.latest is not None:
            return series.latest
        close = nearest(name, (key for key, known in self._series.items() if known.latest is not None))
        hint = f"; did you mean '{close}'?" if close else ""
        raise RunError(f"no value of the metric {name!r} was logged yet{hint}")

    def steps(self) -> dict[str, int]:
        """Return the next step of each metric."""
        with self._lock:
            logged = {name: series.next for name, series in self._series.items() if series.next is not None}
            return {**self._past_steps(), **logged}

    def go_on_from(self, steps: Mapping[str, int]) -> None:
        """Let each metric go on with the step that `steps` gave once; what was not yet there begins at 0."""
        with self._lock:
            self._past = dict(steps)
            for series in self._series.values():
                series.next = None

    # --- writing ---

    def add_sink(self, sink: Sink) -> None:
        """Give each row to one more, beginning with those that are not written yet."""
        self._sinks.append(sink)

    def flush(self, *, quiet: bool = False) -> None:
        """Bring to the operating system what was logged.

        Parameters
        ----------
        quiet
            Keep an error for the next call of this or of `log`, instead of raising it.

        Raises
        ------
        RunWriteError
            The disk did not take it. Said once; what was logged is kept and tried again.
        """
        with self._writing:
            if self._busy:  # a signal handler, in the midst of this
                return
            self._busy = True
            try:
                self._write()
                self._trouble, self._told, self._limit = None, False, _FULL
            except OSError as error:
                self._keep(error)
                flush_soon(self)
            finally:
                self._busy = False
            if self._trouble is not None and not self._told and not quiet:
                self._told = True
                self._limit = len(self._rows) + _FULL
                raise self._error(self._trouble) from self._trouble

    def _write(self) -> None:
        while self._rows or self._leaving:
            # Ctrl-C may come between any two of these lines, and costs no row.
            if not self._leaving:
                with self._lock:
                    self._leaving, self._rows = self._rows, []
            rows = list(self._leaving) if self._sinks else []
            try:
                self._append(self._leaving)
            finally:
                self._give(rows[: len(rows) - len(self._leaving)])

    def _append(self, rows: list[tuple[_Series, int, float, float]]) -> None:
        """Write rows, and take those out that are written."""
        if self.path is None:
            rows.clear()
            return
        lines = [f"{series.text},{step},{value!r},{at:.6f}\n" for series, step, value, at in rows]
        append(self._opened(self.path), "".join(lines).encode(), rows)

    def _opened(self, path: Path) -> int:
        if self._file is None:
            try:
                self._file = open_rows(path)
            except FileNotFoundError:
                path.parent.mkdir(exist_ok=True)
                self._file = open_rows(path)
        return self._file

    def _give(self, rows: list[tuple[_Series, int, float, float]]) -> None:
        if not rows:
            return
        given = [Row(series.name, step, value, at) for series, step, value, at in rows]
        for sink in list(self._sinks):
            try:
                sink.scalars(given)
            except Exception as error:
                self._sinks.remove(sink)
                warnings.warn(
                    f"{sink} gets no more scalars: {type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _keep(self, error: OSError) -> None:
        self._trouble = error
        with self._lock:
            excess = len(self._leaving) + len(self._rows) - _KEPT
            if excess > 0:
                self._lost += min(excess, len(self._leaving))
                del self._leaving[:excess]
            self._limit = len(self._rows) + _FULL if self._told else 0

    def _error(self, cause: OSError) -> RunWriteError:
        waiting = len(self._leaving) + len(self._rows)
        error = RunWriteError(
            f"{self.path} cannot be written: {cause.strerror or cause}; {waiting:,} values wait in memory, "
            "and it is tried again"
        )
        error.errno = cause.errno
        return error

    # --- the end ---

    def close(self) -> None:
        """Write what was logged, and let go of the file; it is opened again where more is logged.

        Raises
        ------
        RunWriteError
            The disk did not take it, and that was not said before.

        Warns
        -----
        RuntimeWarning
            It was said before; now these values are lost.
        """
        told = self._told
        try:
            self.flush()
        except RunWriteError:
            self._let_go()
            raise
        lost = self._let_go()
        if lost and told:
            warnings.warn(f"{self.path}: {lost:,} values could not be written", RuntimeWarning, stacklevel=2)

    def _let_go(self) -> int:
        """Close the file and the sinks; return how many values were not written."""
        with self._writing:
            lost = self._lost + len(self._leaving) + len(self._rows)
            self._lost, self._leaving, self._rows = 0, [], []
            self._trouble, self._told, self._limit = None, False, _FULL
            self._release()
            for sink in self._sinks:
                with contextlib.suppress(Exception):  # it has had its scalars
                    sink.close()
        return lost

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # the directory is on a disk that has gone
                os.close(file)

    # --- around a fork ---

    def _renew_locks(self) -> None:
        # A signal handler may log while the code that it interrupted does: one thread may enter twice.
        self._lock = threading.RLock()
        self._writing = threading.RLock()
        self._busy = False

    def before_fork(self) -> None:
        """Let nobody be in the midst of anything."""
        self._writing.acquire()
        self._lock.acquire()

    def after_fork(self, *, child: bool) -> None:
        """Go on; what waits is the parent's to write, and its file has the parent's lock."""
        if not child:
            self._lock.release()
            self._writing.release()
            return
        self._renew_locks()
        self._rows, self._leaving, self._lost = [], [], 0
        self._trouble, self._told, self._limit = None, False, _FULL
        self._release()
