"""The metrics of many runs as one long frame: every value that was logged, none sampled away."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.errors import UsageError, nearest
from coolrunner.results.asking import narrowed
from coolrunner.results.frames.columns import column
from coolrunner.results.frames.parts import pandas_module
from coolrunner.results.joining import joined
from coolrunner.results.loaders import KINDS, loader_of
from coolrunner.results.loaders.run_rows import layout_by_name
from coolrunner.results.logs.sources import Report, counted
from coolrunner.results.parts import MISSING, Part
from coolrunner.results.rows import Cache, Rows, find_rows
from coolrunner.runs.layout import RESULTS
from coolrunner.runs.rows import HEADER, Row, metrics_frame

if TYPE_CHECKING:
    import pandas

__all__ = ["load_metrics", "metrics_of"]

_COLUMNS = ("run", "name", "step", "value", "time")
_OF_METRICS = f"/{RESULTS.metrics}: "
_BATCH = 64 << 20  # bytes that are parsed at once
_SHOWN = 5  # of what could not be read
_LEVELS = 4  # directories above a log, in which its runs are looked for


def load_metrics(
    *paths: str | os.PathLike[str],
    names: str | Sequence[str] = (),
    keys: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    exclude: Sequence[str] = (),
    kinds: Sequence[str] = KINDS,
    cache: Cache | str = "auto",
) -> pandas.DataFrame:
    """Load the metrics of many runs as one long frame.

    Parameters
    ----------
    paths
        Files and directories of run directories, Sacred, MLflow or TensorBoard; of logs, the run directories
        that their experiments name under ``RUN``. The working directory by default.
    names
        Of the metrics that are wanted; all by default.
    keys
        Parameters, or whatever else rows hold, that stand beside each value: ``["lr", "optimizer.name"]``.
    where
        Conditions on the runs that all hold, such as ``"ACC > 0.9 and optimizer.name == 'adam'"``.
    exclude, kinds, cache
        As for `coolrunner.results.rows.find_rows`.

    Returns
    -------
    A row for each value, the runs one after the other, each in the order in which it was logged, with
    the columns ``run`` (the directory or file, as it stands under ``RUN`` in what `coolrunner.load` gives),
    ``name``, ``step`` (int64), ``value`` (float64), ``time`` (seconds since 1970, UTC) and the keys. A key
    that is called like one of these gets an underscore.

    Raises
    ------
    UsageError
        A path is missing, no run has logged a metric of a name or has a key, or pandas is not installed.
    QueryError
        A condition is not written correctly, or fails on a run.

    Warns
    -----
    UserWarning
        A run could not be read; it names which and why.
    RuntimeWarning
        Lines of a file are no values; it names the first.
    """
    with find_rows(paths or (".",), exclude=exclude, kinds=kinds, cache=cache) as rows:
        # What is wrong with metrics is told when all of them are read.
        problems = [problem for problem in rows.report.broken if _OF_METRICS not in problem]
        report = Report(broken=[*problems, *rows.report.foreign])
        frame = metrics_of(narrowed(joined(rows), where=where), names, keys, report)
    if report.broken:
        shown = "".join(f"\n  {problem}" for problem in report.broken[:_SHOWN])
        more = f"\n  and {len(report.broken) - _SHOWN:,} more" if len(report.broken) > _SHOWN else ""
        places = counted(len(report.broken), "place")
        warnings.warn(f"{places} could not be read:{shown}{more}", stacklevel=2)
    return frame


def metrics_of(
    rows: Rows, names: str | Sequence[str] = (), keys: str | Sequence[str] = (), report: Report | None = None
) -> pandas.DataFrame:
    """Return the metrics of the runs that some rows are of, as `load_metrics` does.

    Parameters
    ----------
    rows
        The rows; those that are of no run are passed over.
    names, keys
        As for `load_metrics`.
    report
        Is told of what cannot be read.

    Raises
    ------
    UsageError
        No run has logged a metric of a name or has a key, or pandas is not installed.
    """
    pd = pandas_module()
    wanted = frozenset([names] if isinstance(names, str) else names)
    sources = list(_sources(rows))
    met: dict[str, None] = {}
    pieces, places = [], []
    for piece, place in _pieces(pd, sources, report or Report()):
        if wanted:
            met.update(dict.fromkeys(piece["name"].unique()))
            mask = piece["name"].isin(wanted)
            piece, place = piece[mask], place[mask.to_numpy()]
        if len(piece):
            pieces.append(piece)
            places.append(place)
    missing = sorted(wanted - met.keys()) if met else []
    if missing:
        close = nearest(missing[0], met)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(list(met)[:10])}"
        raise UsageError(f"no run has logged the metric {missing[0]!r}; {hint}")
    return _together(pd, rows, sources, pieces, places, [keys] if isinstance(keys, str) else keys)


def _together(
    pd: Any, rows: Rows, sources: Sequence[_Source], pieces: list[Any], places: list[Any], keys: Sequence[str]
) -> pandas.DataFrame:
    """Put the frames of runs one below the other, with their names before them and the keys behind."""
    np = importlib.import_module("numpy")
    long = pd.concat(pieces, ignore_index=True) if pieces else _empty(pd)
    place = np.concatenate(places) if places else np.zeros(0, dtype="intp")
    order = np.argsort(place, kind="stable")
    if (order[1:] < order[:-1]).any():
        long, place = long.take(order).reset_index(drop=True), place[order]
    columns = {"run": _spread(pd.Series([source.run for source in sources], dtype=object), place)}
    columns |= {name: long[name] for name in _COLUMNS[1:]}
    columns["name"] = columns["name"].astype(object)
    of_runs = rows.take([source.row for source in sources]).columns(keys) if keys else []
    for key, values in zip(keys, of_runs, strict=True):
        if values and all(value is MISSING for value in values):
            close = nearest(key, [each.name for each in rows.keys])
            raise UsageError(f"no run has the key {key!r}" + (f"; did you mean {close!r}?" if close else ""))
        name = key
        while name in columns:
            name = f"{name}_"
        columns[name] = _spread(column(pd, name, values), place)
    frame: pandas.DataFrame = pd.DataFrame(columns)
    frame.columns = pd.Index(list(columns), dtype=object)
    return frame


def _spread(of_runs: Any, place: Any) -> Any:
    """Return a value a run as a value a row."""
    return of_runs.take(place).reset_index(drop=True)


def _empty(pd: Any) -> Any:
    kinds = {"name": object, "step": "int64", "value": "float64", "time": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


# --- which runs ---


class _Source(NamedTuple):
    """A run that may have metrics: what it is called, its row, and where it is."""

    run: str
    row: int
    kind: str
    path: str
    name: str


def _sources(rows: Rows) -> Iterator[_Source]:
    """Yield the runs of some rows, each once: one that was logged may be there as a directory as well."""
    met: set[str] = set()
    for number, (place, told) in enumerate(zip(rows.places(), rows.column(("RUN",)), strict=True)):
        run = told if isinstance(told, str) else place.path
        kind, path = place.kind, place.path
        if kind == "log":
            found = _directory(told, path) if isinstance(told, str) else None
            if found is None:
                continue
            kind, path = "run", found
        elif kind != "run" and _reader(kind) is None:
            continue
        if path not in met:
            met.add(path)
            yield _Source(run, number, kind, path, place.name)


def _directory(run: str, log: str) -> str | None:
    """Return where a run is that a log names, relative to where its runner was started."""
    starts = [*Path(log).parents][:_LEVELS]
    for start in (*starts, Path.cwd()):
        path = os.path.abspath(start / run)  # noqa: PTH100 - links stay as they are
        if os.path.isdir(path):  # noqa: PTH112
            return path
    return None


def _reader(kind: str) -> Callable[[Part, Report], Iterable[Row]] | None:
    """Return what reads the metrics of a part; None where such parts have none."""
    return getattr(loader_of(kind), "metrics", None)


# --- reading ---


def _pieces(pd: Any, sources: Sequence[_Source], report: Report) -> Iterator[tuple[Any, Any]]:
    """Yield frames of the metrics of some runs, and for each row the place of its run among them."""
    np = importlib.import_module("numpy")
    waiting: list[tuple[int, str, bytes]] = []
    size = 0
    for number, source in enumerate(sources):
        reader = _reader(source.kind)
        if reader is not None:
            values = list(reader(Part(source.kind, source.path, source.name, ()), report))
            if values:
                yield _typed(pd, values), np.full(len(values), number)
            continue
        path = f"{source.path}/{layout_by_name(source.path).metrics}"
        data = _read(path, source.name, report)
        waiting.append((number, path, data))
        size += len(data)
        if size > _BATCH:
            yield from _parsed(pd, waiting)
            waiting, size = [], 0
    yield from _parsed(pd, waiting)


def _read(path: str, name: str, report: Report) -> bytes:
    """Return the whole lines of a file."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:  # nothing was logged
        return b""
    except OSError as error:
        report.broken.append(f"{name}: its metrics cannot be read: {error.strerror}")
        return b""
    return data[: data.rfind(b"\n") + 1]


def _parsed(pd: Any, files: Sequence[tuple[int, str, bytes]]) -> Iterator[tuple[Any, Any]]:
    """Yield the frames of some files: one of them all, where each holds nothing but rows."""
    np = importlib.import_module("numpy")
    header = HEADER.encode()
    plain = [each for each in files if each[2].startswith(header) and b"\r" not in each[2]]
    counts = [data.count(b"\n") - 1 for _, _, data in plain]
    frame = _quickly(pd, b"".join(data[len(header) :] for _, _, data in plain))
    # A blank line, or a quote that is never closed, makes fewer rows than lines.
    if frame is not None and len(frame) == sum(counts):
        yield frame, np.repeat(np.array([number for number, _, _ in plain], dtype="intp"), counts)
        done = {number for number, _, _ in plain}
        files = [each for each in files if each[0] not in done]
    for number, path, data in files:
        if data:
            frame = metrics_frame(path)
            yield frame, np.full(len(frame), number)


def _quickly(pd: Any, lines: bytes) -> Any:
    """Return rows as a frame; None where some are none."""
    kinds = {"name": "category", "step": "int64", "value": "float64", "time": "float64"}
    exactly = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}
    if not lines:
        return _empty(pd)
    try:
        frame = pd.read_csv(
            BytesIO(lines),
            names=list(kinds),
            header=None,
            index_col=False,
            dtype=kinds,
            keep_default_na=False,
            na_values={"value": ["nan"]},
            encoding="utf-8",
            **exactly,
        )
    except ValueError:
        return None
    # Each name is one object, however many rows have it.
    names = frame["name"].array
    frame["name"] = pd.Series(names.categories.astype(object).take(names.codes), dtype=object)
    return frame


def _typed(pd: Any, values: Sequence[Row]) -> Any:
    kinds = {"name": object, "step": "int64", "value": "float64", "time": "float64"}
    return pd.DataFrame(values, columns=list(kinds)).astype(kinds)
