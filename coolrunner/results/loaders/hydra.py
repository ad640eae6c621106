"""Runs of Hydra: each directory with a ``.hydra/config.yaml``, whatever the pattern of its path.

A run is a part with one row. Its parameters are the config, with the references in it resolved (see
`coolrunner.results.loaders.interpolations`). Its results are the mappings in ``results.json``,
``results.yaml`` and ``metrics.json`` in its directory, where the first file that has a key wins. Beside them:

==============  =======================================================================================
``STUDY``       the name of the job, by default that of the script
``RUN``         the directory, absolute
``STARTED``     date and time in the last five names of its path; of a sweep, when that began
``NUMBER``      of the job in its sweep, from 0
``MODE``        ``multirun`` for a job of a sweep, ``run`` otherwise
``OVERRIDES``   those of the command line
``OUTPUT_DIR``  where the run was written, if it has been moved since
==============  =======================================================================================

What is not known is left out. A name that the config has is a parameter's; the other one gets an underscore.
``multirun.yaml`` is no result, and the directory that holds it is a sweep: its jobs come in the order of
their numbers.

The files are those that Hydra 1.0 to 1.3 writes:
https://hydra.cc/docs/tutorials/basic/running_your_app/working_directory/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from coolrunner.errors import YamlError
from coolrunner.results.loaders.foreign import row_of
from coolrunner.results.loaders.interpolations import resolved
from coolrunner.results.loaders.jsontext import BadJsonError, read_json
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import GONE, Folder, Part, Row, stamp_of
from coolrunner.yamlio import read_text

__all__ = ["RESULTS", "HydraLoader", "in_numbers", "time_in"]

_PLACE = ".hydra"
_CONFIG = f"{_PLACE}/config.yaml"
_FACTS = f"{_PLACE}/hydra.yaml"
_SWEEP = "multirun.yaml"
#: The files of a run that hold its results.
RESULTS = ("results.json", "results.yaml", "metrics.json")
_FILES = (_CONFIG, _FACTS, *RESULTS)
#: Bytes up to which a file of a run is read.
_LIMIT = 16 << 20
#: Directories between a sweep and a job of it, where the pattern of the job has slashes.
_DEPTH = 8
#: A directory with one of these is that of a project; with `hydra.run.dir=.` each run writes over the last.
_PROJECT = (".git", "outputs", "multirun")


class HydraLoader:
    """Runs of Hydra, single ones and those of sweeps."""

    kind = "hydra"
    version = 1

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the run that a directory is, or the jobs of the sweep that it is, in order."""
        entries = folder.entries
        if folder.path.name == _PLACE and "config.yaml" in entries:
            return _parts(str(folder.path.parent), folder.name)
        if _PLACE in entries:
            parts = _parts(str(folder.path), folder.name)
            if parts and any(name in entries for name in _PROJECT):
                report.skip("last run of Hydra in the directory of a project", folder.name)
                return None
            return parts or None
        if _is_sweep(folder):
            return _sweep(str(folder.path), folder.name, report)
        return None

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the run whose config a file is."""
        if path.name != "config.yaml" or path.parent.name != _PLACE:
            return None
        return next(iter(_parts(str(path.parent.parent), name)), None)

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the row of a run."""
        config = _read_yaml(part, _CONFIG, report, references=True)
        if config is None:
            return
        if type(config) is not dict:
            report.broken.append(f"{part.name}/{_CONFIG}: no config: it is empty, or holds no mapping")
            return
        yield row_of(config, _results(part, report), _facts(part, report))


# --- finding -----------------------------------------------------------------------------------------


def _parts(path: str, name: str) -> list[Part]:
    """Return the run that a directory is, as a list; an empty one where it is none."""
    stamps = tuple(stamp_of(f"{path}/{file}") for file in _FILES)
    return [] if stamps[0] == GONE else [Part(HydraLoader.kind, path, name, stamps)]


def _is_sweep(folder: Folder) -> bool:
    if _SWEEP in folder.entries:
        return True
    # It may be lost, or not copied; a look into one directory is enough.
    first = next((name for name in folder.entries if name.isdecimal()), None)
    return first is not None and stamp_of(folder.path / first / _CONFIG) != GONE


def _sweep(path: str, name: str, report: Report) -> list[Part]:
    """Return the jobs of a sweep."""
    jobs: dict[tuple[int, int], Part] = {}
    _add_jobs(jobs, path, name, report, 0)
    return list(jobs.values())


def _add_jobs(jobs: dict[tuple[int, int], Part], path: str, name: str, report: Report, depth: int) -> bool:
    """Add the jobs under a directory, each once, links or not; tell whether there were any."""
    try:
        with os.scandir(path) as listed:
            inner = [entry.name for entry in listed if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        report.broken.append(f"{name}: cannot be searched: {error.strerror}")
        return True
    prefix = "" if name in ("", ".") else f"{name}/"
    any_here = False
    for entry in sorted(inner, key=in_numbers):
        shown = f"{prefix}{entry}"
        found = _parts(f"{path}/{entry}", shown)
        for part in found:
            jobs.setdefault(part.stamps[0][:2], part)
        if found or (depth < _DEPTH and _add_jobs(jobs, f"{path}/{entry}", shown, report, depth + 1)):
            any_here = True
        elif entry.isdecimal():
            report.broken.append(f"{shown}: a job of a sweep without {_CONFIG}")
    return any_here


_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)")


def in_numbers(name: str) -> list[tuple[float, str]]:
    """Return a key that sorts names with numbers in them by these: ``lr=2`` before ``lr=10``."""
    pieces = _NUMBER.split(name)
    return [(float(piece), "") if place % 2 else (-1, piece) for place, piece in enumerate(pieces)]


# --- reading -----------------------------------------------------------------------------------------


def _text(part: Part, file: str, report: Report) -> str | None:
    """Return the text of a file of a run; None where there is none that can be read."""
    place = f"{part.name}/{file}"
    try:
        with Path(part.path, file).open("rb") as opened:
            data = opened.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        report.broken.append(f"{place}: cannot be read: {error.strerror}")
        return None
    if len(data) > _LIMIT:
        report.broken.append(f"{place}: larger than {_LIMIT >> 20} MiB, and not read")
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.broken.append(f"{place}:{line}: not UTF-8: byte 0x{data[error.start]:02x} cannot be read")
        return None


def _read_yaml(part: Part, file: str, report: Report, *, references: bool = False) -> Any:
    text = _text(part, file, report)
    if text is None:
        return None
    if "!!python/object/apply:pathlib" in text:
        text = _PATH.sub(_quoted_path, text)
    try:
        value = read_text(text, f"{part.name}/{file}")
    except YamlError as error:
        report.broken.append(f"{error.problem.position}: {error.problem.message}")
        return None
    if references and type(value) is dict and "${" in text:
        return resolved(value)
    # A config without a single key is one; a file without any text was not written to its end.
    return "" if value is None else value


# OmegaConf writes a path as the call that makes it; what is called has these parts, and a path is a text.
_PATH = re.compile(
    r"!!python/object/apply:pathlib[\w.]*\.(\w+)(?: \[\]|((?:\n(?P<inset> *)- .*)(?:\n(?P=inset)- .*)*))"
)


def _quoted_path(match: re.Match[str]) -> str:
    try:
        parts = read_text(f"parts:{match[2] or ' []'}")["parts"]
        kind = PureWindowsPath if "Windows" in match[1] else PurePosixPath
        text = str(kind(*map(str, parts)))
    except (YamlError, TypeError, KeyError):
        return match[0]
    return "'" + text.replace("'", "''") + "'"


def _results(part: Part, report: Report) -> dict[Any, Any]:
    """Return what the files of results hold."""
    results: dict[Any, Any] = {}
    for file, stamp in zip(RESULTS, part.stamps[2:], strict=True):
        if stamp == GONE:
            continue
        found = _read_json(part, file, report) if file.endswith(".json") else _read_yaml(part, file, report)
        if type(found) is dict:
            results = {**found, **results} if results else found
    return results


def _read_json(part: Part, file: str, report: Report) -> Any:
    try:
        return read_json(f"{part.path}/{file}", _LIMIT)
    except BadJsonError as error:
        report.broken.append(f"{part.name}/{file}:{error}")
    except FileNotFoundError:
        pass
    except OSError as error:
        report.broken.append(f"{part.name}/{file}: cannot be read: {error.strerror}")
    return None


# hydra.yaml has some two hundred lines, most of them about help and logging: only these are read.
_HYDRA = re.compile(r"^hydra:", re.MULTILINE)
_BLOCK = re.compile(r"^  (overrides|job|runtime):\n((?:(?:    .*)?\n)*)", re.MULTILINE)
_FIELD = re.compile(r"^    (name|num|output_dir): *(.*(?:\n      .*)*)", re.MULTILINE)
_TASK = re.compile(r"^    task:\n((?:    - .*\n(?:      .*\n)*)+)", re.MULTILINE)
_MODE = re.compile(r"^  mode: (\w+)$", re.MULTILINE)
#: An override that is a text in YAML, whatever it says.
_OVERRIDE = re.compile(r"    - ([A-Za-z_][\w./@-]*=[\w./,+-]*)\Z")


def _facts(part: Part, report: Report) -> dict[str, Any]:
    """Return what is known of a run beside its config and its results."""
    text = _text(part, _FACTS, report)
    if text is not None and _HYDRA.search(text) is None:
        report.broken.append(f"{part.name}/{_FACTS}: no config of Hydra: it has no line 'hydra:'")
    text = f"{text or ''}\n"
    blocks = {match[1]: match[2] for match in _BLOCK.finditer(text)}
    job = _fields(blocks.get("job", ""))
    number = job.get("num")
    mode = _MODE.search(text)
    facts: dict[str, Any] = {"STUDY": job.get("name"), "RUN": part.path}
    started = time_in(part.path)
    facts["STARTED"] = None if started is None else started.isoformat()
    facts["NUMBER"] = number if type(number) is int else None
    if mode is not None:
        facts["MODE"] = "multirun" if mode[1] == "MULTIRUN" else "run"
    elif job:
        facts["MODE"] = "multirun" if type(number) is int else "run"  # before Hydra 1.2
    if "overrides" in blocks:
        facts["OVERRIDES"] = _overrides(blocks["overrides"])
    written = _fields(blocks.get("runtime", "")).get("output_dir")
    facts["OUTPUT_DIR"] = None if written == part.path else written
    return {key: value for key, value in facts.items() if value != "???"}


def _fields(block: str) -> dict[str, Any]:
    return {match[1]: _scalar(match[2]) for match in _FIELD.finditer(block)}


def _scalar(text: str) -> Any:
    try:
        return read_text(f"value: {text}\n")["value"]
    except (YamlError, TypeError):
        return None


def _overrides(block: str) -> list[Any] | None:
    match = _TASK.search(block)
    if match is None:
        return []
    lines = match[1].removesuffix("\n").split("\n")
    plain = [found[1] for line in lines if (found := _OVERRIDE.match(line))]
    if len(plain) == len(lines):
        return plain
    try:
        overrides = read_text(f"task:\n{match[1]}")["task"]
    except (YamlError, TypeError):
        return None
    return overrides if type(overrides) is list else None


# 2021-01-26/17-07-39 by default; without the marks, or with others, and with a name in between.
_TIME = re.compile(
    r"(?<![0-9])([0-9]{4})([-_.]?)([0-9]{2})\2([0-9]{2})[^0-9]{1,60}?"
    r"([0-9]{2})([-_.:]?)([0-9]{2})\6([0-9]{2})(?![0-9])"
)


def time_in(path: str, steps: int = 5) -> datetime | None:
    """Return the date and time that a path tells, the last ones of several; None for none.

    Parameters
    ----------
    path
        Of a run or a sweep.
    steps
        How many of its names count: a project may lie in a directory with a date.
    """
    near = "/".join(path.replace(os.sep, "/").split("/")[-steps:])
    for match in reversed(list(_TIME.finditer(near))):
        year, _, month, day, hour, _, minute, second = match.groups()
        try:
            return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
        except ValueError:
            continue
    return None
