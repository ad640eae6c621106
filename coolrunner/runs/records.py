"""What is logged besides scalars: text, histograms, tables and embeddings; see `pictures` for the rest.

A record is made from whatever a person has (lists, arrays of any library, frames), and holds plain data, so
that those who keep it need not know where it came from.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coolrunner.errors import RunError

if TYPE_CHECKING:
    import numpy

__all__ = [
    "Embedding",
    "Histogram",
    "Record",
    "Statistics",
    "Table",
    "Text",
    "as_array",
    "need",
    "statistics",
]


@dataclass(frozen=True)
class Record:
    """One thing that was logged.

    Attributes
    ----------
    name
        What it was logged as, with the prefix; ``/`` makes groups.
    step
        The iteration that it belongs to.
    time
        When, in seconds since 1970, UTC.
    """

    name: str
    step: int
    time: float


@dataclass(frozen=True)
class Text(Record):
    """A text, of one line or many."""

    text: str


@dataclass(frozen=True)
class Histogram(Record):
    """How numbers are distributed.

    Attributes
    ----------
    edges
        Of the bins, one more than there are bins, ascending; empty where there is no finite number.
    counts
        How many are in each bin; the upper edge belongs to the last one alone.
    statistics
        Of all that are not NaN.
    total, squares
        The sum of the finite ones, and of their squares.
    nan, infinite
        How many are NaN, and how many infinite; neither is in a bin.
    """

    edges: list[float]
    counts: list[int]
    statistics: Statistics
    total: float
    squares: float
    nan: int
    infinite: int

    @classmethod
    def of(
        cls, name: str, step: int, time: float, values: Any, bins: int | Sequence[float] = 64
    ) -> Histogram:
        """Count numbers.

        Parameters
        ----------
        name, step, time
            See `Record`.
        values
            An array of any shape, or a list.
        bins
            How many there are, all of one width, or their edges.

        Raises
        ------
        TypeError
            These are no numbers.
        """
        np = need("numpy")
        array = _numbers(name, values)
        finite = array[np.isfinite(array)]
        counts, edges = np.histogram(finite, bins) if finite.size else (np.zeros(0), np.zeros(0))
        with np.errstate(all="ignore"):
            total, squares = float(finite.sum()), float(np.dot(finite, finite))
        nan = int(np.isnan(array).sum())
        return cls(
            name,
            step,
            time,
            [float(edge) for edge in edges],
            [int(count) for count in counts],
            statistics(name, array),
            total,
            squares,
            nan,
            int(array.size - finite.size - nan),
        )


@dataclass(frozen=True)
class Table(Record):
    """Rows under columns; the cells are as they were given."""

    columns: list[str]
    rows: list[list[Any]]

    @classmethod
    def of(
        cls, name: str, step: int, time: float, table: Any, columns: Sequence[object] | None = None
    ) -> Table:
        """Take a table from a frame, a mapping of columns, or a list of rows.

        Parameters
        ----------
        name, step, time
            See `Record`.
        table
            A pandas frame (its index becomes columns where it has a name), a mapping of columns to lists of
            one length, or a list of mappings or of sequences.
        columns
            The names of the columns, and for mappings which of them; by default all, or 0, 1, 2...

        Raises
        ------
        TypeError, ValueError
            It is no table, or its columns are not of one length.
        """
        if hasattr(table, "itertuples") and hasattr(table, "columns"):
            if any(level is not None for level in table.index.names):
                table = table.reset_index()
            found, rows = list(table.columns), [list(row) for row in table.itertuples(index=False, name=None)]
        elif isinstance(table, Mapping):
            found, lists = list(table), [list(column) for column in table.values()]
            if len({len(column) for column in lists}) > 1:
                lengths = ", ".join(f"{key} {len(column)}" for key, column in zip(found, lists, strict=True))
                raise ValueError(f"the columns of the table {name!r} are not of one length: {lengths}")
            rows = [list(row) for row in zip(*lists, strict=True)]
        else:
            found, rows = _rows(name, table)
        if columns is None:
            return cls(name, step, time, [str(column) for column in found], rows)
        if set(columns) <= set(found) and found != list(range(len(found))):
            order = [found.index(column) for column in columns]
            rows = [[row[place] for place in order] for row in rows]
        elif len(columns) != len(found) and rows:
            raise ValueError(
                f"the table {name!r} has {len(found)} columns, and {len(columns)} names for them"
            )
        return cls(name, step, time, [str(column) for column in columns], rows)


@dataclass(frozen=True)
class Embedding(Record):
    """Points in many dimensions.

    Attributes
    ----------
    vectors
        An array of shape (points, dimensions).
    header
        The names of the columns of `labels`; empty where they have one column without a name.
    labels
        What belongs to each point: a row each, or none at all.
    images
        Arrays of shape (points, height, width, channels), uint8; None where there are none.
    """

    vectors: numpy.ndarray[Any, Any]
    header: list[str]
    labels: list[list[str]]
    images: numpy.ndarray[Any, Any] | None

    @classmethod
    def of(
        cls, name: str, step: int, time: float, vectors: Any, labels: Any = None, images: Any = None
    ) -> Embedding:
        """Take points from an array.

        Parameters
        ----------
        name, step, time
            See `Record`.
        vectors
            An array of shape (points, dimensions).
        labels
            One for each point: a list of texts or numbers, or any table that `Table.of` takes.
        images
            One for each point, of one size, each as `log_image` takes it.

        Raises
        ------
        TypeError, ValueError
            It has another shape, or there are not as many labels or images as points.
        """
        array = as_array(vectors)
        if array.ndim != 2:
            raise ValueError(f"the embedding {name!r} has the shape (points, dimensions), not {array.shape}")
        header: list[str] = []
        rows: list[list[str]] = []
        if labels is not None:
            if not hasattr(labels, "columns") and not isinstance(labels, Mapping):
                listed = list(labels)
                one = (
                    not listed or isinstance(listed[0], str) or not isinstance(listed[0], (Sequence, Mapping))
                )
                labels = [[label] for label in listed] if one else listed
            table = Table.of(name, step, time, labels)
            header = table.columns if len(table.columns) > 1 else []
            rows = [[" ".join(str(cell).split()) for cell in row] for row in table.rows]
        thumbnails = None
        if images is not None:
            from coolrunner.runs.pictures import frames_of

            np = need("numpy")
            thumbnails = np.stack([np.asarray(image.convert("RGB")) for image in frames_of(name, images)])
        for what, given in (("labels", rows), ("images", thumbnails)):
            if given is not None and len(given) != len(array) and (what == "images" or labels is not None):
                raise ValueError(f"the embedding {name!r} has {len(array)} points and {len(given)} {what}")
        return cls(name, step, time, array, header, rows, thumbnails)


@dataclass(frozen=True)
class Statistics:
    """What is said of many numbers, those left out that are NaN; NaN where there is none."""

    average: float
    std: float
    max: float
    min: float
    len: int


def statistics(name: str, values: Any) -> Statistics:
    """Return mean, standard deviation (of the population), extremes and number; NaN counts for nothing.

    Parameters
    ----------
    name
        Of the metric, for the error.
    values
        An array of any shape, or a list of numbers.

    Raises
    ------
    TypeError
        These are no numbers.
    """
    if isinstance(values, (list, tuple)) and all(type(value) in (float, int) for value in values):
        numbers = [float(value) for value in values if value == value]
        if not numbers:
            return Statistics(math.nan, math.nan, math.nan, math.nan, 0)
        if all(map(math.isfinite, numbers)):
            mean = math.fsum(numbers) / len(numbers)
            std = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / len(numbers))
            return Statistics(mean, std, max(numbers), min(numbers), len(numbers))
    np = need("numpy")
    array = _numbers(name, values)
    array = array[~np.isnan(array)]
    if not array.size:
        return Statistics(math.nan, math.nan, math.nan, math.nan, 0)
    with np.errstate(all="ignore"):  # of infinities
        return Statistics(
            float(array.mean()), float(array.std()), float(array.max()), float(array.min()), array.size
        )


def as_array(value: Any) -> numpy.ndarray[Any, Any]:
    """Return an array or a list, of whichever library, as an array of numpy."""
    np = need("numpy")
    if isinstance(value, (list, tuple)):
        return np.asarray([as_array(item) if hasattr(item, "detach") else item for item in value])  # type: ignore[no-any-return]
    if callable(getattr(value, "detach", None)):  # torch
        value = value.detach().cpu()
        if "bfloat16" in str(value.dtype):  # numpy has none
            value = value.float()
        return value.numpy()  # type: ignore[no-any-return]
    return np.asarray(value)  # type: ignore[no-any-return]


def need(package: str, install: str = "") -> Any:
    """Import what only some records need.

    Raises
    ------
    RunError
        It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        name = install or package
        raise RunError(f"this needs {name}, which is not installed: pip install {name}") from None


def _numbers(name: str, values: Any) -> numpy.ndarray[Any, Any]:
    array = as_array(values)
    if array.dtype.kind not in "fiub" and array.size:
        raise TypeError(f"{name!r} takes numbers, not an array of {array.dtype}")
    return array.astype(float).ravel()


_NO_TABLE = "the table {!r} takes a frame, a mapping of columns, or a list of rows"


def _rows(name: str, table: Any) -> tuple[list[Any], list[list[Any]]]:
    if isinstance(table, str) or not isinstance(table, Iterable):
        raise TypeError(_NO_TABLE.format(name))
    listed = list(table)
    if listed and all(isinstance(row, Mapping) for row in listed):
        found = list(dict.fromkeys(key for row in listed for key in row))
        return found, [[row.get(key, "") for key in found] for row in listed]
    try:
        rows = [list(row) for row in listed]
    except TypeError:
        rows = [[]]
    if any(isinstance(row, str) for row in listed) or (rows and not all(rows)):
        raise TypeError(_NO_TABLE.format(name))
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"the rows of the table {name!r} are not of one length")
    return list(range(len(rows[0]))) if rows else [], rows
