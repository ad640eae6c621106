"""The logger of a run: scalars, text, histograms, pictures, embeddings and tables, from anywhere.

``from coolrunner import logger`` is that of the run which is under way where it is called.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from coolrunner.runs.values import as_step

if TYPE_CHECKING:
    from coolrunner.runs.records import Record
    from coolrunner.runs.session import Run
    from coolrunner.runs.sinks import FileSink, Sink

__all__ = ["Logger", "logger"]

# What stands in front of all names, for each prefix that was entered; each task and thread has its own.
_prefixes: ContextVar[tuple[str, ...]] = ContextVar("coolrunner_prefixes", default=("",))


class Logger:
    """Logs to one run. Scalars go to ``metrics.csv``, all else is a file each; and TensorBoard, if asked.

    A name that is logged without a step gets the one after its last, beginning with 0. From the first
    `set_step` or `dump_data` on, it gets the logger's own step instead, which they set and advance, and which
    follows a step that is given.

    Parameters
    ----------
    run
        Which.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._step: int | None = None
        self._last = -1
        self._next: dict[tuple[type[Record], str], count[int]] = {}
        self._sinks: list[Sink] = []

    # --- names and steps ---

    @contextmanager
    def prefix(self, text: str) -> Iterator[None]:
        """Put a text in front of all names meanwhile; ``O/`` and in it ``I/`` make ``O/I/``.

        Only the task or thread that enters it has it.
        """
        outside = _prefixes.get()
        self.push_prefix(text)
        try:
            yield
        finally:
            _prefixes.set(outside)

    def push_prefix(self, text: str) -> None:
        """Put a text in front of all names, until `pop_prefix`."""
        stack = _prefixes.get()
        _prefixes.set((*stack, stack[-1] + text))

    def pop_prefix(self) -> None:
        """Take back the last prefix."""
        stack = _prefixes.get()
        if len(stack) == 1:
            raise ValueError("there is no prefix to take back")
        _prefixes.set(stack[:-1])

    @property
    def step(self) -> int | None:
        """The logger's own step; None as long as each name counts its own."""
        return self._step

    def set_step(self, step: int) -> None:
        """Log what has no step at this one, until the next `set_step` or `dump_data`."""
        self._step = as_step("the logger", step)

    def dump_data(self) -> None:
        """End an iteration: what was logged is written, and the next step begins.

        Raises
        ------
        RunWriteError
            The disk did not take it.
        """
        self._step = (self._last if self._step is None else self._step) + 1
        self._run.metrics.flush()

    # --- scalars ---

    def log_scalar(self, name: str, value: Any, step: int | None = None) -> None:
        """Add a value to a metric.

        Parameters
        ----------
        name
            Of the metric; ``/`` makes groups.
        value
            A number, or an array of one; NaN and infinities are kept.
        step
            The iteration; see `Logger` for what it is where it is not given.

        Raises
        ------
        BadNameError, TypeError
            It is no name, no number or no step.
        RunWriteError
            The disk did not take earlier values; said once, and tried again.
        """
        prefix = _prefixes.get()[-1]
        if prefix:
            name = prefix + name
        if self._step is not None:
            step = self._own_step(step)
        self._last = self._run.metrics.log(name, value, step)

    def log_scalars(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Add a value to each of several metrics, by name; see `log_scalar`."""
        if not isinstance(values, Mapping):
            raise TypeError(f"log_scalars takes values by name, and not {type(values).__name__}")
        for name, value in values.items():
            self.log_scalar(name, value, step)

    def log_scalar_batch(self, name: str, values: Any, step: int | None = None) -> None:
        """Log what is to be said of many numbers, as ``name/Average``, ``Std``, ``Max``, ``Min`` and ``Len``.

        Parameters
        ----------
        name, step
            As for `log_scalar`.
        values
            A list, or an array of any shape. NaN counts for nothing: ``Len`` is how many are not. Where
            there is none, the others are NaN.

        Raises
        ------
        BadNameError, TypeError, RunWriteError
            As for `log_scalar`.
        """
        from coolrunner.runs.records import statistics

        found = statistics(name, values)
        self.log_scalar(f"{name}/Average", found.average, step)
        self.log_scalar(f"{name}/Std", found.std, step)
        self.log_scalar(f"{name}/Max", found.max, step)
        self.log_scalar(f"{name}/Min", found.min, step)
        self.log_scalar(f"{name}/Len", found.len, step)

    # --- all else: a file each, below `files` ---

    def log_text(self, text: str, step: int | None = None, *, name: str = "text") -> None:
        """Append a text, of one line or many, to ``text/<name>.txt``.

        Raises
        ------
        BadNameError, TypeError
            It is no name, no text or no step.
        RunWriteError
            The disk did not take it.
        """
        from coolrunner.runs.records import Text

        if isinstance(step, str):
            raise TypeError("the text comes first: log_text(text, step, name='...')")
        if not isinstance(text, str):
            raise TypeError(f"log_text takes a text, not {type(text).__name__}")
        self._record(Text, name, step, text)

    def log(self, text: str, step: int | None = None) -> None:
        """Log a text, and show it."""
        self.log_text(text, step)
        sys.stdout.write(f"{_prefixes.get()[-1]}{text}\n")

    def log_histogram(
        self, name: str, values: Any, step: int | None = None, *, bins: int | Sequence[float] = 64
    ) -> None:
        """Log how numbers are distributed, as ``histograms/<name>-<step>.json``.

        Parameters
        ----------
        name, step
            As for `log_scalar`; steps are counted apart.
        values
            A list, or an array of any shape; NaN and infinities are counted apart.
        bins
            How many there are, all of one width, or their edges.

        Raises
        ------
        BadNameError, TypeError
            It is no name, or these are no numbers.
        RunError
            numpy is not installed.
        RunWriteError
            The disk did not take it.
        """
        from coolrunner.runs.records import Histogram

        self._record(Histogram, name, step, values, bins)

    def log_image(self, name: str, image: Any, step: int | None = None) -> None:
        """Log a picture, as ``images/<name>-<step>.png``.

        Parameters
        ----------
        name, step
            As for `log_histogram`.
        image
            An array of shape (height, width), (height, width, channels) or (channels, height, width), of
            bytes or of floats from 0 to 1; a PIL image; a matplotlib figure.

        Raises
        ------
        BadNameError, TypeError, ValueError
            It is no name, or no picture.
        RunError
            Pillow is not installed.
        RunWriteError
            The disk did not take it.
        """
        from coolrunner.runs.pictures import Picture

        self._record(Picture, name, step, image)

    def log_gif(self, name: str, frames: Any, step: int | None = None, *, duration: float = 0.1) -> None:
        """Log pictures that move, as ``gifs/<name>-<step>.gif``.

        Parameters
        ----------
        name, step
            As for `log_histogram`.
        frames
            A list of what `log_image` takes, or an array with the frames in front.
        duration
            Seconds that each is shown.

        Raises
        ------
        BadNameError, TypeError, ValueError, RunError, RunWriteError
            As for `log_image`.
        """
        from coolrunner.runs.pictures import Animation

        self._record(Animation, name, step, frames, duration)

    log_video = log_gif

    def log_embedding(
        self, name: str, vectors: Any, step: int | None = None, *, labels: Any = None, images: Any = None
    ) -> None:
        """Log points in many dimensions, as ``embeddings/<name>-<step>.npy``, with their labels in ``.tsv``.

        Parameters
        ----------
        name, step
            As for `log_histogram`.
        vectors
            An array of shape (points, dimensions).
        labels
            One for each point: texts or numbers, or a table with a column for each kind of label.
        images
            One for each point, each as `log_image` takes it; TensorBoard shows them.

        Raises
        ------
        BadNameError, TypeError, ValueError, RunError, RunWriteError
            As for `log_image`.
        """
        from coolrunner.runs.records import Embedding

        self._record(Embedding, name, step, vectors, labels, images)

    def log_table(
        self, name: str, table: Any, step: int | None = None, *, columns: Sequence[object] | None = None
    ) -> None:
        """Log a table, as ``tables/<name>-<step>.csv``.

        Parameters
        ----------
        name, step
            As for `log_histogram`.
        table
            A pandas frame, a mapping of columns, or a list of rows (mappings or sequences).
        columns
            The names of the columns, where the rows do not have them, or which ones there are to be.

        Raises
        ------
        BadNameError, TypeError, ValueError, RunWriteError
            It is no name or no table, or the disk did not take it.
        """
        from coolrunner.runs.records import Table

        self._record(Table, name, step, table, columns)

    # --- where it goes ---

    def tensorboard(self) -> Path:
        """Write event files for TensorBoard as well, from now on; return the directory they are in.

        Raises
        ------
        RunError
            TensorBoard is not installed; says how to install it.
        """
        path = self._run.directory.tensorboard
        if not self._sinks and not self._run.ghost:
            from coolrunner.runs.tensorboard import TensorBoardSink

            sink = TensorBoardSink(path)
            self._run.metrics.add_sink(sink)
            self._sinks.append(sink)
        return path

    @cached_property
    def _files(self) -> FileSink:
        from coolrunner.runs.sinks import FileSink

        return FileSink(self._run.directory)

    def _record(self, kind: type[Any], name: str, step: int | None, *what: Any) -> None:
        from coolrunner.runs.names import parts_of

        name = _prefixes.get()[-1] + name
        parts_of(name, "the name of what is logged")
        if self._step is not None:
            step = self._own_step(step)
        if step is None:
            counted = self._next.get((kind, name))
            if counted is None:
                first = 0 if self._run.ghost else self._files.next_step(kind, name)
                counted = self._next.setdefault((kind, name), count(first))
            step = next(counted)  # no two threads get the same
        else:
            step = as_step(name, step)
            self._next[kind, name] = count(step + 1)
        make = getattr(kind, "of", kind)
        record: Record = make(name, step, time.time(), *what)
        if not self._run.ghost:
            self._files.record(record)
            for sink in self._sinks:
                sink.record(record)
        self._last = step

    def _own_step(self, step: int | None) -> int | None:
        if step is not None:
            self._step = as_step("the logger", step)
        return self._step

    def close(self) -> None:
        """Let go of what is open; the run's metrics write what is left, and are closed by the run."""
        for sink in self._sinks:
            sink.close()

    # --- the same under the names of rlpyt ---

    record_tabular = log_scalar
    record_tabular_misc_stat = log_scalar_batch
    tabular_prefix = prefix
    dump_tabular = dump = dump_data
    set_iteration = set_step

    def save_itr_params(self, itr: int, params: Any) -> Path | None:
        """Keep a snapshot; `Run.snapshots` knows which stay."""
        return self._run.snapshot(params, itr)


class _CurrentLogger:
    """The logger of whichever run is under way where something is asked of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by tools that look at any object; there may be no run
            raise AttributeError(name)
        from coolrunner.runs.current import current_run

        return getattr(current_run().logger, name)

    def __dir__(self) -> list[str]:
        return dir(Logger)

    def __repr__(self) -> str:
        return "<the logger of the current run>"


#: The logger of the run that is under way where it is used.
logger = cast(Logger, _CurrentLogger())
