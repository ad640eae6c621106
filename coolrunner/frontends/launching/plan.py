"""What a launcher is to run: settings and repetitions as single runs, each with its directory, in order.

``data/local/<title>/<yyyymmdd>/<log_dir>/`` holds ``variant_config.json`` and, for each repetition, the
directory of a run ``run_<id>/``. Beside the settings, ``experiments_tree.txt`` lists them and
``num_launched.txt`` says how far the launcher has come; both have a line with a time for each new event.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, UsageError, nearest
from coolrunner.frontends.launching.variants import FILE, variant_text
from coolrunner.frontends.managing.runs import parameters
from coolrunner.runs.directory import RunDirectory, write_whole
from coolrunner.runs.layout import LAUNCHED
from coolrunner.runs.names import parts_of
from coolrunner.runs.status import RunStatus, is_alive

__all__ = ["LOCAL", "Launch", "Plan", "make_plan"]

#: Where runs are that were launched on this machine: below ``data/``.
LOCAL = "local"


@dataclass(frozen=True)
class Launch:
    """One run.

    Attributes
    ----------
    script
        The file to run; absolute.
    where
        The directory of all runs with its variant; absolute.
    log_dir
        The same as the person named it.
    run_id
        Its number there, which is that of the repetition.
    args
        What the script is called with, after the three arguments that all have.
    variant, params
        Its variant as JSON, and as the YAML of its parameters.
    """

    script: Path
    where: Path
    log_dir: str
    run_id: int
    args: tuple[str, ...]
    variant: str
    params: str

    @property
    def directory(self) -> RunDirectory:
        """Its directory, made or still to be made."""
        return RunDirectory(self.where / LAUNCHED.directory_name(self.run_id, datetime.now()), LAUNCHED)

    @property
    def name(self) -> str:
        """What a person knows it as."""
        return f"{self.log_dir}/{self.directory.name}"

    def call(self, code: str) -> list[str]:
        """Return the script and its arguments, on a slot of this affinity code."""
        return [str(self.script), code, str(self.where), str(self.run_id), *self.args]

    def write_variant(self) -> None:
        """Write the variant where the script looks for it.

        Raises
        ------
        RunWriteError
            The disk does not take it.
        """
        self.where.mkdir(parents=True, exist_ok=True)
        write_whole(self.where / FILE, self.variant.encode())


@dataclass(frozen=True)
class Plan:
    """All that is to run.

    Attributes
    ----------
    base
        The directory of the study on this day.
    launches
        The runs, in order: all variants once, then all once more.
    done
        How many more there would be, which are done already.
    listed
        Whether the tree and the count are written.
    """

    base: Path
    launches: Sequence[Launch]
    done: int
    listed: bool = True

    def announce(self) -> None:
        """Write the tree of the study."""
        names = dict.fromkeys(launch.log_dir for launch in self.launches)
        self.base.mkdir(parents=True, exist_ok=True)
        self._add(
            "experiments_tree.txt",
            f"Experiment manager process ID: {os.getpid()}.",
            f"Number of settings (experiments) to run: {len(names)}  ({len(self.launches)}).",
            *names,
        )

    def count(self, launched: int) -> None:
        """Write how many runs were launched by now."""
        total = len(self.launches)
        self._add("num_launched.txt", f"Experiments launched so far: {launched} out of {total}.")

    def _add(self, name: str, *lines: str) -> None:
        if not self.listed:
            return
        time = datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")
        with (self.base / name).open("a", encoding="utf-8") as file:
            file.write("".join(f"{time} | {line}\n" for line in lines))


def make_plan(
    script: str | os.PathLike[str],
    title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    common_args: Sequence[Any] | None,
    runs_args: Sequence[Sequence[Any]] | None,
    *,
    place: str = LOCAL,
    resume: bool = False,
) -> Plan:
    """Look at the arguments of a launcher, and say what is to run; nothing is made yet.

    Parameters
    ----------
    place
        Where below ``data/``.

    The others are those of `coolrunner.run_experiments`.

    Raises
    ------
    UsageError
        There is no such script, or the arguments do not fit together.
    NotPlainError
        A variant has a value without a plain form.
    RunError
        There is such a run already, and it is not to go on, or is still under way.
    """
    path = _script(script)
    runs_args = [()] * len(variants) if runs_args is None else runs_args
    for name, given in (("log_dirs", log_dirs), ("runs_args", runs_args)):
        if isinstance(given, str) or len(given) != len(variants):
            raise UsageError(
                f"{name} must have one entry for each of the {len(variants)} variants, not {given!r}"
            )
    if type(runs_per_setting) is not int or runs_per_setting < 1:
        raise UsageError(f"runs_per_setting must be a number above 0, not {runs_per_setting!r}")
    names = [Path(*parts_of(os.fspath(name), "log_dirs")).as_posix() for name in log_dirs]
    if len(set(names)) < len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"log_dirs must differ: {twin!r} stands there twice")
    parts = parts_of(title, "experiment_title")
    base = Path.cwd().joinpath("data", place, *parts, datetime.now().strftime("%Y%m%d"))
    texts = [(variant_text(variant), parameters(variant)) for variant in variants]
    launches = [
        Launch(path, base / name, name, run_id, tuple(map(str, [*(common_args or ()), *args])), *text)
        for run_id in range(runs_per_setting)
        for name, args, text in zip(names, runs_args, texts, strict=True)
    ]
    left = [launch for launch in launches if not _is_done(launch, resume)]
    return Plan(base, left, len(launches) - len(left))


def _script(script: str | os.PathLike[str]) -> Path:
    path = Path(os.path.abspath(script))  # noqa: PTH100  (no link is to be followed)
    if path.is_file():
        return path
    beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    raise UsageError(f"there is no script {os.fspath(script)!r} in {Path.cwd()}"
                     + (f"; did you mean {close!r}?" if close else ""))  # fmt: skip


def _is_done(launch: Launch, resume: bool) -> bool:
    """Whether a run is not to run again.

    Raises
    ------
    RunError
        It is there already, and is not to go on, or goes on now.
    """
    directory = launch.directory
    if not directory.path.exists():
        return False
    if not resume:
        raise RunError(
            f"there is a run {directory.path} already. resume=True runs what is not done yet; for all anew, "
            "choose another experiment_title or remove the old runs"
        )
    state = directory.read_state()
    if is_alive(state):
        raise RunError(f"the run {directory.path} is still under way, as process {state.pid} on {state.host}")
    return state.status is RunStatus.DONE
