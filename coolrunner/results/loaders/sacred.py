"""What Sacred's `FileStorageObserver` wrote: a directory a run, with its config, metrics and outcome.

Format, as of Sacred 0.7 and 0.8: ``config.json``; ``run.json`` with the status, the times (UTC, without a
zone), the host and the result; ``metrics.json`` with the steps, values and times of each metric;
``info.json`` with what the script put into ``_run.info``. A row has

- the config, but for what Python put there itself (``__doc__``, ``__annotations__``);
- ``result``, the last value of each metric under its name, and ``info``;
- for the record ``ID`` (the name of the directory), ``STUDY`` (of the experiment), ``HOST RUN STARTED
  TIME_ELAPSED STATUS``, ``NUMBER`` where the ID is one, ``COMMAND``, ``COMMENT`` and ``ERROR``.

Sacred writes values through jsonpickle. Its tuples, sets and the numbers and short arrays of numpy are read
as lists and numbers; any other object stays the mapping as which it was written. Nothing is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from coolrunner.results.loaders.foreign import above, beside, row_of, within
from coolrunner.results.loaders.jsontext import BadJsonError, parse_json, read_json
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Folder, Part, Row, stamp_of
from coolrunner.runs.rows import Row as Value

__all__ = ["SacredLoader"]

_RUN, _CONFIG, _METRICS, _INFO = "run.json", "config.json", "metrics.json", "info.json"
_FILES = (_CONFIG, _RUN, _METRICS, _INFO)
#: Bytes that a file may have; metrics hold every step.
_LIMIT, _METRICS_LIMIT = 16 << 20, 64 << 20
_OF_PYTHON = ("__doc__", "__annotations__")
_STATUS = {
    "COMPLETED": "done",
    "RUNNING": "running",
    "FAILED": "failed",
    "INTERRUPTED": "interrupted",
    "DIED": "lost",
    "TIMEOUT": "failed",
    "QUEUED": "pending",
}


class SacredLoader:
    """Runs that Sacred stored in files: each is a part of one row."""

    kind = "sacred"
    version = 1

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the runs of a store by their numbers, then those of other names; or the one run that it is.

        A directory is a store where one of its runs has a number for a name, as Sacred gives them, or where
        Sacred's ``_sources`` stand beside them.
        """
        if _RUN in folder.entries and _CONFIG in folder.entries:
            return [_part(str(folder.path), folder.name)]
        looked = [name for name in folder.entries if _number(name) is not None]
        if not looked and "_sources" in folder.entries:
            looked = list(folder.entries)
        if not any(_is_run(f"{folder.path}/{name}") for name in looked[:3]):
            return None
        names = [name for name, entry in folder.entries.items() if name[0] not in "._" and entry.is_dir()]
        names.sort(key=lambda name: (_number(name) is None, _number(name) or 0, name))
        runs = [(f"{folder.path}/{name}", within(folder.name, name)) for name in names]
        return [_part(path, shown) for path, shown in runs if _is_run(path)]

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the run that a file is the config, outcome, metrics or info of."""
        place = path.absolute().parent
        if path.name not in _FILES or not _is_run(str(place)):
            return None
        return _part(str(place), above(name))

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the row of a run.

        Without its config there is none. What else is broken is told, and left out.
        """
        config = _read(part, _CONFIG, report)
        if config is None:
            return
        facts = _read(part, _RUN, report) or {}
        metrics = _read(part, _METRICS, report) or {}
        info = _read(part, _INFO, report) or {}
        results = {"result": facts["result"]} if facts.get("result") is not None else {}
        for name, series in metrics.items():
            values = series.get("values") if isinstance(series, dict) else None
            if isinstance(values, list) and values:
                results[beside(name, results)] = values[-1]
        if info:
            results[beside("info", results)] = info
        parameters = {key: value for key, value in config.items() if key not in _OF_PYTHON}
        yield row_of(parameters, results, _record(part, facts))

    def metrics(self, part: Part, report: Report) -> Iterator[Value]:
        """Yield every value of the metrics of a run, a metric after the other."""
        for name, series in (_read(part, _METRICS, report) or {}).items():
            if not isinstance(series, dict):
                continue
            columns = [series.get(key) for key in ("steps", "values", "timestamps")]
            steps, values, times = (column if isinstance(column, list) else [] for column in columns)
            for place, value in enumerate(values):
                if isinstance(value, (int, float)):
                    step = steps[place] if place < len(steps) else place
                    when = _time(times[place]) if place < len(times) else None
                    at = when.timestamp() if when is not None else float("nan")
                    yield Value(name, step if isinstance(step, int) else place, float(value), at)


def _number(name: str) -> int | None:
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None


def _is_run(path: str) -> bool:
    return stamp_of(f"{path}/{_RUN}").size >= 0 and stamp_of(f"{path}/{_CONFIG}").size >= 0


def _part(path: str, name: str) -> Part:
    return Part(SacredLoader.kind, path, name, tuple(stamp_of(f"{path}/{file}") for file in _FILES))


def _read(part: Part, file: str, report: Report) -> dict[str, Any] | None:
    """Return what a file of a run holds; None, and a word about it, where that is no mapping."""
    try:
        value = read_json(f"{part.path}/{file}", _METRICS_LIMIT if file == _METRICS else _LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        report.broken.append(f"{part.name}/{file}: cannot be read: {error.strerror}")
        return None
    except BadJsonError as error:
        report.broken.append(error.at(f"{part.name}/{file}"))
        return None
    if not isinstance(value, dict):
        report.broken.append(f"{part.name}/{file}: an object was expected")
        return None
    return {key: _unpickled(item) for key, item in value.items()} if file != _METRICS else value


def _record(part: Part, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept for the record of a run."""
    name = Path(part.path).name
    status = _text(facts.get("status"))
    started = _time(facts.get("start_time"))
    ended = _time(facts.get("stop_time")) or _time(facts.get("heartbeat"))
    trace = facts.get("fail_trace")
    last = _text(trace[-1]).strip() if isinstance(trace, list) and trace else ""
    return {
        "ID": name,
        "STUDY": _text(_inside(facts, "experiment", "name")),
        "HOST": _text(_inside(facts, "host", "hostname")),
        "RUN": part.path,
        "STARTED": started.isoformat(timespec="seconds") if started else "",
        "TIME_ELAPSED": (ended - started).total_seconds() if started and ended else None,
        "STATUS": _STATUS.get(status, status.lower()),
        "NUMBER": _number(name),
        "COMMAND": _text(facts.get("command")),
        "COMMENT": _text(_inside(facts, "meta", "comment")),
        "ERROR": last.splitlines()[-1] if last else "",
    }


def _inside(facts: dict[str, Any], key: str, inner: str) -> Any:
    value = facts.get(key)
    return value.get(inner) if isinstance(value, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _time(text: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text.removesuffix("Z"))
    except (ValueError, AttributeError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


def _unpickled(value: Any) -> Any:
    """Return a value without the marks of jsonpickle, where it is plain data beneath them."""
    if type(value) is list:
        return [_unpickled(item) for item in value]
    if type(value) is not dict:
        return value
    for mark in ("py/tuple", "py/set"):
        if len(value) == 1 and type(value.get(mark)) is list:
            return [_unpickled(item) for item in value[mark]]
    kind = _text(value.get("py/object"))
    if kind.startswith("numpy."):
        plain = value.get("value", value.get("values"))
        if isinstance(plain, (int, float, list)):
            return plain
        if kind == "numpy.ndarray":  # a long one, packed
            return f"{kind} {value.get('dtype')} {value.get('shape')}"
    return {_key(key): _unpickled(item) for key, item in value.items()}


def _key(key: str) -> Any:
    """Return a key that was no text: jsonpickle writes the number 1 as ``json://1``."""
    if key.startswith("json://"):
        try:
            plain = parse_json(key[len("json://") :])
        except BadJsonError:
            return key
        return plain if isinstance(plain, (int, float, str)) or plain is None else key
    return key
