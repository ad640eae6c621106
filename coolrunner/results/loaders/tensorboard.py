"""Directories of event files, as TensorBoard shows them: a run is a directory that holds some.

A row has

- the parameters that the HParams plugin kept (``SummaryWriter.add_hparams``, ``hp.hparams``). It keeps all
  numbers as floats; those without a fraction are read as whole numbers;
- the last value of each tag, under the tag. They are 32-bit floats there: of those that mean one number the
  shortest is taken, 0.1 and not 0.10000000149011612;
- for the record ``RUN``, ``STARTED`` and ``TIME_ELAPSED`` (of the first and the last value), and ``STATUS``
  and ``GROUP`` where the plugin knows them.

What one run wrote into several directories is one row. Those below a run that are called ``train``,
``validation``, ``eval`` and the like belong to it, their tags behind their name (``train/loss``), and so does
the one directory that `add_hparams` made, which is called by the time. A directory below a run with any other
name is a run of its own, behind it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coolrunner.results.loaders.foreign import iso, row_of, within
from coolrunner.results.loaders.tfevents import DamagedError, Scalar, Session, events
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Folder, Part, Row, stamp_of
from coolrunner.runs.rows import Row as Value

__all__ = ["TensorBoardLoader"]

_MARK = ".tfevents."  # of what TensorBoard takes, all that is written: events.out.tfevents.<time>.<host>
_GROUPS = frozenset(("train", "training", "validation", "valid", "val", "eval", "evaluation", "test"))
_OF_HPARAMS = re.compile(r"[0-9]{10}\.[0-9]+\Z")
_DEPTH = 32  # directories below a run


@dataclass(slots=True)
class _Place:
    """A directory: its event files, and those in it."""

    path: str
    files: list[str] = field(default_factory=list)
    inside: dict[str, _Place] = field(default_factory=dict)

    def groups(self) -> list[tuple[str, _Place]]:
        """Return what belongs to the run that this is, each with what stands before its tags."""
        found = [
            (f"{name}/", place) for name, place in self.inside.items() if name in _GROUPS and place.files
        ]
        by_time = [place for name, place in self.inside.items() if _OF_HPARAMS.match(name) and place.files]
        return [*found, ("", by_time[0])] if self.files and len(by_time) == 1 else found


class TensorBoardLoader:
    """Runs that were logged for TensorBoard: each is a part of one row."""

    kind = "tensorboard"
    version = 1

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the run that a directory is, and the runs below it, by name."""
        groups = [folder.entries[name] for name in _GROUPS & folder.entries.keys()]
        if not any(_MARK in name for name in folder.entries) and not any(map(_has_events, groups)):
            return None
        place = _searched(str(folder.path))
        return list(_parts(place, folder.name)) if place.files or place.groups() else None

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return a single event file as a run."""
        if _MARK not in path.name or not path.is_file():
            return None
        absolute = path.absolute()
        return Part(self.kind, str(absolute), name, (stamp_of(absolute),))

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the row of a run; none of one that logged no scalars and no parameters.

        Of a file that is cut off or damaged, what stands before that counts.
        """
        session = Session()
        last: dict[str, Scalar] = {}
        first_time = last_time = 0.0
        for item in _items(part, report):
            if isinstance(item, Session):
                session.parameters |= item.parameters
                session.group = item.group or session.group
                session.status = item.status or session.status
                session.started, session.ended = item.started or session.started, item.ended or session.ended
                continue
            known = last.get(item.tag)
            if known is None or (item.step, item.time) >= (known.step, known.time):
                last[item.tag] = item
            first_time = min(first_time or item.time, item.time)
            last_time = max(last_time, item.time)
        if not last and not session.parameters:
            return
        started, ended = session.started or first_time, session.ended or last_time
        facts = {
            "RUN": part.path,
            "STARTED": iso(started) if started else "",
            "TIME_ELAPSED": round(ended - started, 3) if started and ended >= started else None,
            "STATUS": session.status,
            "GROUP": session.group,
        }
        parameters = {name: _whole(value) for name, value in sorted(session.parameters.items())}
        yield row_of(parameters, {tag: item.value for tag, item in last.items()}, facts)

    def metrics(self, part: Part, report: Report) -> Iterator[Value]:
        """Yield every scalar of a run, in the order logged."""
        for item in _items(part, report):
            if isinstance(item, Scalar):
                yield Value(*item)


def _has_events(entry: os.DirEntry[str]) -> bool:
    try:
        with os.scandir(entry.path) as found:
            return any(_MARK in inner.name for inner in found)
    except OSError:
        return False


def _searched(path: str, depth: int = 0) -> _Place:
    """Return the event files in and below a directory, by name; links to directories are not followed."""
    place = _Place(path)
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return place
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEPTH and not entry.name.startswith("."):
                inner = _searched(entry.path, depth + 1)
                if inner.files or inner.inside:
                    place.inside[entry.name] = inner
        elif _MARK in entry.name and entry.is_file():
            place.files.append(entry.path)
    return place


def _parts(place: _Place, name: str) -> Iterator[Part]:
    """Yield the runs of a directory, it itself first."""
    groups = place.groups()
    mine = [*place.files, *(file for _, group in groups for file in group.files)]
    if mine:
        yield Part(TensorBoardLoader.kind, place.path, name, tuple(stamp_of(file) for file in mine))
    taken = [id(group) for _, group in groups]
    for inner_name, inner in place.inside.items():
        if id(inner) not in taken:
            yield from _parts(inner, within(name, inner_name))
        else:
            for last_name, last in inner.inside.items():
                yield from _parts(last, within(within(name, inner_name), last_name))


def _items(part: Part, report: Report) -> Iterator[Scalar | Session]:
    """Yield what is in the event files of a run, one file after the other."""
    if os.path.isdir(part.path):  # noqa: PTH112 - part of what is quick
        place = _searched(part.path)
        files = [("", file) for file in place.files]
        files += [(before, file) for before, group in place.groups() for file in group.files]
    else:
        files = [("", part.path)]
    for before, file in files:
        shown = part.name + file[len(part.path) :]
        try:
            for item in events(file):
                yield item._replace(tag=before + item.tag) if before and isinstance(item, Scalar) else item
        except DamagedError as error:
            report.broken.append(f"{shown}: byte {error.offset:,}: {error}; what is before it is kept")
        except FileNotFoundError:
            continue
        except OSError as error:
            report.broken.append(f"{shown}: cannot be read: {error.strerror}")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value
