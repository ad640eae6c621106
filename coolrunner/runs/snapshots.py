"""Snapshots: the state of the work, kept so that it can go on after an interruption.

Format, version 1: a directory ``snapshots/<step>`` (eight digits; a number behind it where one step was kept
twice) with the state, in the form that suits its type, and a ``meta.yaml`` of plain data: `version`, `step`,
`time` (seconds since 1970, UTC), `number` (the order in which they were taken), `calls` (how many were asked
for until then), `state` (the name of its file), `metric` and `score` (what the best is judged by, if
anything), and `steps` (the next step of each metric). It appears whole or not at all, and the others go only
after that; names that begin with a dot are no snapshots.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.errors import RunError, RunWriteError, UsageError, YamlError, nearest
from coolrunner.runs.values import as_number, as_step
from coolrunner.yamlio import dump, read_source, read_text

if TYPE_CHECKING:
    from coolrunner.runs.metrics import Metrics

__all__ = ["Kept", "Snapshot", "Snapshots"]

VERSION = 1
_META = "meta.yaml"
_MODES = ("all", "last", "best", "none")
_GOALS = ("max", "min")


class Snapshot(NamedTuple):
    """A state that was kept; `time` is in seconds since 1970, UTC."""

    step: int
    state: Any
    time: float


@dataclass(frozen=True)
class Kept:
    """A snapshot on the disk; its attributes are the keys of ``meta.yaml``, and where it is."""

    path: Path
    step: int
    time: float
    number: int
    calls: int
    state: str
    metric: str
    score: float
    steps: Mapping[str, int]


class Snapshots:
    """The snapshots of one run.

    Parameters
    ----------
    directory
        Where they are; made with the first.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Kept | None] = {}
        self._calls = 0
        self._clean = False
        self.keep("last")

    def keep(self, mode: str, *, every: int = 1, metric: str = "", goal: str = "max") -> None:
        """Say which snapshots stay, from now on.

        Parameters
        ----------
        mode
            ``all``; ``last``, the newest; ``best``, by a metric, and the newest, to go on from; or ``none``.
        every
            Take the first and every n-th of those that are asked for.
        metric
            What the best is judged by: its value that was logged last.
        goal
            Whether the highest is best (``max``) or the lowest (``min``).

        Raises
        ------
        UsageError
            There is no such mode or goal, or no metric for the best.
        """
        for what, given, known in (("mode", mode, _MODES), ("goal", goal, _GOALS)):
            if given not in known:
                close = nearest(str(given), known)
                hint = f"did you mean '{close}'?" if close else f"expected {', '.join(known)}"
                raise UsageError(f"snapshots know no {what} {given!r}: {hint}")
        if (mode == "best") != bool(metric):
            wants = (
                "need the metric that they are judged by"
                if not metric
                else f"judge by no metric ({metric!r})"
            )
            raise UsageError(f"snapshots with the mode '{mode}' {wants}: keep('best', metric='...')")
        if not isinstance(every, int) or every < 1:
            raise UsageError(f"every n-th snapshot is kept, with n from 1: not {every!r}")
        self._mode, self._every, self._metric, self._goal = mode, every, metric, goal

    def take(
        self, state: Any, step: int | None = None, *, metrics: Metrics | None = None, pickle: bool = False
    ) -> Path | None:
        """Keep a state, if one is due.

        Parameters
        ----------
        state
            Anything that a saver knows; a mapping of such things is usual.
        step
            The iteration; the one after the newest snapshot's where it is not given.
        metrics
            Those of the run: what the best is judged by, and whose steps go on from here.
        pickle
            Allow pickle for a type that has no other form.

        Returns
        -------
        Where it is; None where none is due.

        Raises
        ------
        RunError
            The best is judged by a metric that was not logged yet.
        TypeError
            Nothing is known that saves such an object.
        RunWriteError
            The disk did not take it; the ones before stay.
        """
        if self._mode == "none":
            return None
        self._calls += 1
        if self._calls > 1 and self._calls % self._every:
            return None
        kept = self.all()
        if step is None:
            step = kept[-1].step + 1 if kept else 0
        meta = {
            "version": VERSION,
            "step": as_step("the snapshot", step),
            "time": round(time.time(), 6),
            "number": kept[-1].number + 1 if kept else 1,
            "calls": self._calls,
        }
        score = {}
        if self._metric:
            if metrics is None:
                raise RunError(f"there are no metrics here, and the best is judged by {self._metric!r}")
            score = {"metric": self._metric, "score": metrics.latest(self._metric)}
        if metrics is not None:
            metrics.flush(quiet=True)
            score["steps"] = metrics.steps()
        others = kept if self._mode != "all" else []
        path = self._write(state, meta, score, durable=bool(others), pickle=pickle)
        self._prune()
        return path

    # --- what was kept ---

    def all(self) -> list[Kept]:
        """Return the snapshots that there are, in the order in which they were taken; none is loaded."""
        names = {entry.name for entry in self._entries() if not entry.name.startswith(".")}
        self._known = {
            name: self._known[name] if name in self._known else _read(self._directory / name)
            for name in names
        }
        return sorted(filter(None, self._known.values()), key=lambda kept: kept.number)

    def last(self, *, metrics: Metrics | None = None, pickle: bool = False) -> Snapshot | None:
        """Return the newest snapshot that can be loaded, or None where there are none.

        Parameters
        ----------
        metrics
            Those of the run; they go on where the snapshot was taken.
        pickle
            Allow a state that was pickled; that runs code which stands in the file.

        Raises
        ------
        RunError
            There are snapshots, and none can be loaded; says why.

        Warns
        -----
        RuntimeWarning
            A newer one is broken.
        """
        reason = ""
        for kept in reversed(self.all()):
            try:
                snapshot = self.load(kept, pickle=pickle)
            except Exception as error:
                problem = f"the snapshot {kept.path} cannot be loaded: {error}"
                if reason:
                    warnings.warn(reason, RuntimeWarning, stacklevel=2)
                reason = problem
                continue
            if reason:
                warnings.warn(f"{reason}; the one of step {kept.step} is taken", RuntimeWarning, stacklevel=2)
            self._calls = kept.calls
            if metrics is not None:
                metrics.go_on_from(kept.steps)
            return snapshot
        if reason:
            raise RunError(f"{reason}. Delete it to begin anew")
        return None

    def best(self, *, pickle: bool = False) -> Snapshot | None:
        """Return the best snapshot by the metric of `keep`; None where none was judged by it.

        Raises
        ------
        RunError
            It cannot be loaded.
        """
        kept = self._best(self.all())
        if kept is None:
            return None
        try:
            return self.load(kept, pickle=pickle)
        except RunError:
            raise
        except Exception as error:
            raise RunError(f"the snapshot {kept.path} cannot be loaded: {error}") from error

    def load(self, kept: Kept, *, pickle: bool = False) -> Snapshot:
        """Return one of those that `all` gave, with its state."""
        from coolrunner.runs.savers import load

        return Snapshot(kept.step, load(kept.path / kept.state, pickle=pickle), kept.time)

    def _best(self, kept: list[Kept]) -> Kept | None:
        judged = [one for one in kept if one.metric == self._metric and not math.isnan(one.score)]
        if not judged or not self._metric:
            return None
        # The first of equal ones: it took less work.
        return (max if self._goal == "max" else min)(judged, key=lambda one: one.score)

    # --- on the disk ---

    def _write(
        self, state: Any, meta: dict[str, Any], more: dict[str, Any], *, durable: bool, pickle: bool
    ) -> Path:
        from coolrunner.runs.savers import save

        hidden = self._directory / f".new-{os.getpid()}-{os.urandom(4).hex()}@{platform.node()}"
        try:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                self._clean_up()
                hidden.mkdir()
                name = save(state, hidden / "state", pickle=pickle).name
                text = dump({**meta, "state": name, **more})
                (hidden / _META).write_text(text, encoding="utf-8")
                if durable:  # others go for it: it has to outlive a power cut as well
                    _sync(hidden)
                path = self._appear(hidden, f"{meta['step']:08d}")
                if durable:
                    _sync_one(self._directory)
                return path
            except BaseException:
                shutil.rmtree(hidden, ignore_errors=True)
                raise
        except OSError as error:
            if isinstance(error, RunError):
                raise
            raise RunWriteError(
                f"the snapshot of step {meta['step']} cannot be written to {self._directory}: "
                f"{error.strerror or error}"
            ) from error

    def _appear(self, hidden: Path, name: str) -> Path:
        path, count = self._directory / name, 0
        while True:
            try:
                return hidden.rename(path)
            except OSError:
                if not path.exists():
                    raise
            count += 1
            path = self._directory / f"{name}-{count}"

    def _prune(self) -> None:
        kept = self.all()
        if self._mode == "all" or not kept:
            return
        stays = {kept[-1].path}
        if self._mode == "best" and (best := self._best(kept)) is not None:
            stays.add(best.path)
        for one in kept:
            if one.path not in stays:
                gone = self._directory / f".gone-{os.getpid()}-{os.urandom(4).hex()}@{platform.node()}"
                with contextlib.suppress(OSError):  # it goes the next time
                    one.path.rename(gone)
                    shutil.rmtree(gone)

    def _clean_up(self) -> None:
        """Remove what processes of this machine left that were killed in the midst of this."""
        if self._clean:
            return
        self._clean = True
        for entry in self._entries():
            start, _, host = entry.name.partition("@")
            kind, _, rest = start.partition("-")
            pid = rest.partition("-")[0]
            if (
                kind in (".new", ".gone")
                and host == platform.node()
                and pid.isdecimal()
                and not _lives(int(pid))
            ):
                shutil.rmtree(entry.path, ignore_errors=True)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self._directory) as entries:
                yield from entries
        except FileNotFoundError:
            return


def _read(path: Path) -> Kept | None:
    """Return what is known of a snapshot; None, with a warning, where it is not one that is whole."""
    meta = path / _META
    if not meta.exists():  # somebody else's
        return None
    try:
        source = read_source(meta)
        data = read_text(source.text, source.name)
        version = data["version"]
        if version != VERSION:
            raise RunError(f"{meta} has the version {version}, and only {VERSION} is known here")
        state = data["state"]
        if Path(state).name != state or not (path / state).exists():
            raise RunError(f"{path} does not hold its state, {state!r}")
        return Kept(
            path=path,
            step=as_step("the snapshot", data["step"]),
            time=as_number("time", data["time"]),
            number=as_step("number", data["number"]),
            calls=as_step("calls", data["calls"]),
            state=state,
            metric=str(data.get("metric", "")),
            score=as_number("score", data.get("score", math.nan)),
            steps={str(name): as_step(name, step) for name, step in (data.get("steps") or {}).items()},
        )
    except (YamlError, RunError, OSError, LookupError, TypeError, AttributeError) as error:
        warnings.warn(f"the snapshot {path} is passed over: {error}", RuntimeWarning, stacklevel=2)
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sync(directory: Path) -> None:
    for path in [*directory.rglob("*"), directory]:
        _sync_one(path)


def _sync_one(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no directory
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
