"""MLflow's file store, ``mlruns``: an experiment a directory, in it a directory a run.

Format, as MLflow 1 to 3 write it: ``meta.yaml`` of the experiment and of each run; in a run a file a
parameter under ``params``, a file a tag under ``tags``, and under ``metrics`` a file a metric with a line a
value, ``<milliseconds since 1970> <value> <step>``; a slash in a name makes directories. A row has

- the parameters. MLflow keeps them as texts, so they are read by the rules of
  `coolrunner.results.loaders.cells`; ``None`` is None;
- of each metric the value of the last step, as MLflow shows it. Of a long file only the last 64 KiB are
  looked at;
- for the record ``ID``, ``STUDY`` (the experiment), ``NAME`` (which MLflow makes up where a person gives
  none), ``RUN STARTED TIME_ELAPSED STATUS`` and ``TAGS``.

What was deleted is left out, as in MLflow. Its other store, a database, is not read.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from coolrunner.errors import YamlError
from coolrunner.results.loaders.cells import typed
from coolrunner.results.loaders.foreign import above, folded, iso, read_bytes, row_of, stamps_in, within
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Folder, Part, Row, stamp_of
from coolrunner.runs.rows import Row as Value
from coolrunner.yamlio import read_text

__all__ = ["MlflowLoader"]

_META, _PARAMS, _METRICS, _TAGS = "meta.yaml", "params", "metrics", "tags"
#: What stands in the directory of an experiment beside its runs.
_NO_RUNS = frozenset(("artifacts", "datasets", "models", "tags", "traces"))
_LIMIT = 1 << 20  # bytes of a parameter, a tag or a meta.yaml
_TAIL = 64 << 10  # bytes of a metric whose last value is wanted
_DEPTH = 20  # slashes in a name
_START = re.compile(rb"^start_time: '?([0-9]+)", re.MULTILINE)
_EXPERIMENT = re.compile(rb"^experiment_id:", re.MULTILINE)
_RUN = re.compile(rb"^run_(?:id|uuid):", re.MULTILINE)
_STATUS = {1: "running", 2: "pending", 3: "done", 4: "failed", 5: "interrupted"}


class MlflowLoader:
    """Runs of MLflow's file store: each is a part of one row."""

    kind = "mlflow"
    version = 1

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the runs of an experiment in the order in which they began; or the one run that it is."""
        if _META not in folder.entries:
            return None
        path = str(folder.path)
        meta = _begin(path)
        if _RUN.search(meta) and {_PARAMS, _METRICS} & folder.entries.keys():
            return [_part(path, folder.name)]
        names = [
            name
            for name, entry in folder.entries.items()
            if name[0] != "." and name not in _NO_RUNS and entry.is_dir()
        ]
        is_experiment = _EXPERIMENT.search(meta) and b"artifact_location:" in meta
        if not is_experiment and not any(_began(_begin(f"{path}/{name}")) >= 0 for name in names[:3]):
            return None
        # What is wrong with it is told here, once, and not by each run.
        _meta(path, folder.name, report)
        begun = [(_began(_begin(f"{path}/{name}")), name) for name in names]
        return [
            _part(f"{path}/{name}", within(folder.name, name)) for when, name in sorted(begun) if when >= 0
        ]

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the run that a ``meta.yaml`` is of."""
        place = path.absolute().parent
        if path.name != _META or _began(_begin(str(place))) < 0:
            return None
        return _part(str(place), above(name))

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the row of a run; none of one that was deleted, or whose ``meta.yaml`` is broken."""
        meta = _meta(part.path, part.name, report)
        if meta is None or meta.get("lifecycle_stage") == "deleted":
            return
        experiment = _meta(str(Path(part.path).parent), above(part.name), Report()) or {}
        parameters = {
            name: None if text == "None" else typed(text) for name, text in _texts(part, _PARAMS, report)
        }
        results = {}
        for name, file in _files(f"{part.path}/{_METRICS}"):
            last = _last(file, part, name, report)
            if last is not None:
                results[name] = last
        tags = dict(_texts(part, _TAGS, report))
        started, ended = _seconds(meta.get("start_time")), _seconds(meta.get("end_time"))
        status = meta.get("status")
        facts = {
            "ID": str(meta.get("run_id") or meta.get("run_uuid") or Path(part.path).name),
            "STUDY": str(experiment.get("name") or ""),
            "NAME": str(meta.get("run_name") or tags.get("mlflow.runName") or ""),
            "RUN": part.path,
            "STARTED": iso(started),
            "TIME_ELAPSED": round(ended - started, 3) if started and ended else None,
            "STATUS": _STATUS.get(status, "") if isinstance(status, int) else "",
            "TAGS": tags or None,
        }
        yield row_of(parameters, results, facts)

    def metrics(self, part: Part, report: Report) -> Iterator[Value]:
        """Yield every value of the metrics of a run, a metric after the other, in the order logged."""
        for name, file in _files(f"{part.path}/{_METRICS}"):
            try:
                with Path(file).open("rb") as lines:
                    for number, line in enumerate(iter(lambda: lines.readline(_LIMIT), b""), 1):
                        value = _value(name, line)
                        if value is not None:
                            yield value
                        elif line.strip() and line.endswith(b"\n"):
                            report.broken.append(_bad_line(part, name, number))
            except OSError:
                continue


def _part(path: str, name: str) -> Part:
    stamps = (
        stamp_of(f"{path}/{_META}"),
        stamp_of(f"{path}/../{_META}"),
        *(folded(stamps_in(f"{path}/{place}")) for place in (_PARAMS, _METRICS, _TAGS)),
    )
    return Part(MlflowLoader.kind, path, name, stamps)


def _begin(folder: str) -> bytes:
    """Return the beginning of the ``meta.yaml`` in a directory."""
    try:
        return read_bytes(f"{folder}/{_META}", 16 << 10)
    except OSError:
        return b""


def _began(meta: bytes) -> int:
    """Return when a run began, in milliseconds; 0 where that is not known, and -1 for what is no run."""
    found = _START.search(meta)
    if found is not None and len(found[1]) < 19:
        return int(found[1])
    return 0 if _RUN.search(meta) else -1


def _meta(folder: str, name: str, report: Report) -> dict[Any, Any] | None:
    shown = f"{name}/{_META}"
    try:
        text = _read(f"{folder}/{_META}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        report.broken.append(f"{shown}: {_why(error)}")
        return None
    try:
        value = read_text(text, shown)
    except YamlError as error:
        place = error.problem.position or shown
        report.broken.append(f"{place}: {error.problem.message}")
        return None
    if not isinstance(value, dict):
        report.broken.append(f"{shown}: {'a mapping was expected' if text.strip() else 'empty'}")
        return None
    return value


def _read(path: str) -> str:
    data = read_bytes(path, _LIMIT + 1)
    if len(data) > _LIMIT:
        raise ValueError(f"larger than {_LIMIT >> 20} MiB, and not read")
    if b"\0" in data:
        raise ValueError("a NUL byte, as no text has")
    return data.decode("utf-8")


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte 0x{error.object[error.start]:02x} cannot be read"
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _files(folder: str, before: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of what is kept in files of a directory, by name."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield before + entry.name, entry.path
        elif depth < _DEPTH:
            yield from _files(entry.path, f"{before}{entry.name}/", depth + 1)


def _texts(part: Part, place: str, report: Report) -> Iterator[tuple[str, str]]:
    for name, file in _files(f"{part.path}/{place}"):
        try:
            yield name, _read(file)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            report.broken.append(f"{part.name}/{place}/{name}: {_why(error)}")


# --- metrics ---


def _last(file: str, part: Part, name: str, report: Report) -> float | None:
    """Return the value of the last step, of the last time it was logged, the largest of these."""
    try:
        size = stamp_of(file).size
        data = read_bytes(file, _TAIL, max(size - _TAIL, 0))
    except OSError:
        return None
    whole = data if size <= _TAIL else data[data.find(b"\n") + 1 :]
    best: tuple[int, float, float] | None = None
    for number, line in enumerate(whole.splitlines(keepends=True), 1):
        value = _value(name, line)
        if value is None:
            if line.strip() and line.endswith(b"\n"):
                report.broken.append(_bad_line(part, name, number if size <= _TAIL else 0))
            continue
        key = value.step, value.time, -math.inf if math.isnan(value.value) else value.value
        if best is None or key >= best:
            best, latest = key, value.value
    if best is None and whole.strip(b"\r\n "):
        report.broken.append(f"{part.name}/{_METRICS}/{name}: no value in it")
    return latest if best is not None else None


def _value(name: str, line: bytes) -> Value | None:
    """Return what a line of a metric's file is; None for none, such as one that is cut off."""
    fields = line.split()
    if not line.endswith(b"\n") or len(fields) not in (2, 3, 5):
        return None
    try:
        step = int(fields[2]) if len(fields) > 2 else 0
        return Value(name, step, float(fields[1]), int(fields[0]) / 1000)
    except (ValueError, OverflowError):
        return None


def _bad_line(part: Part, name: str, number: int) -> str:
    place = f"{part.name}/{_METRICS}/{name}" + (f":{number}" if number else "")
    return f"{place}: a time, a value and a step were expected"


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) and milliseconds > 0 else None
