"""``Global``: what a definition tells the runner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from coolrunner.definition.clusters import ClusterError, RaySettings, SlurmSettings, read_ray, read_slurm
from coolrunner.definition.documents import Definition
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.expressions import BUILTINS, Imports, compile_expression
from coolrunner.definition.problems import Problems, dotted, shown
from coolrunner.errors import Problem, nearest

__all__ = ["Settings", "SlackSettings", "read_settings"]


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Where to report to, and an expression over ``exp`` for the message of each experiment."""

    channel: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The runner's settings; each has a default.

    Attributes
    ----------
    repeat
        How often the whole list is run.
    queue
        The file of the queue, relative to the working directory; None keeps the queue in memory.
    root
        Under which run directories are made, relative to the working directory; None makes none.
    merge
        ``replace`` or ``deep``: what a nested mapping in an experiment does to the default's.
    imports
        What expressions may use by name.
    executor
        ``local`` (fresh processes), ``inline`` (this process), ``slurm`` or ``ray`` (a cluster).
    jobs
        How many experiments run at once on this machine: a number, ``auto`` for what the machine has
        room for, or None for one. On a cluster: how many jobs it is given at once at the most.
    gpus
        The GPUs that experiments may use, as indices or UUIDs; empty for none, None for those that are
        found.
    grace
        Seconds that an experiment has to stop before it is killed.
    fail_fast
        Whether the first failure ends the study.
    max_failures
        How many failures end the study; None for any number.
    breaker
        Whether the study pauses when its first five experiments fail within seconds each.
    warm
        Whether third-party libraries are imported ahead for fresh processes, where that is safe.
    slack
        Where to report to on Slack; None for not.
    slurm, ray
        What these clusters have to be told.
    """

    repeat: int = 1
    queue: str | None = None
    root: str | None = "results"
    merge: str = "replace"
    imports: Imports = field(default_factory=Imports)
    executor: str = "local"
    jobs: int | str | None = None
    gpus: tuple[str, ...] | None = None
    grace: float = 10.0
    fail_fast: bool = False
    max_failures: int | None = None
    breaker: bool = True
    warm: bool = True
    slack: SlackSettings | None = None
    slurm: SlurmSettings = field(default_factory=SlurmSettings)
    ray: RaySettings = field(default_factory=RaySettings)


class _Wrong(Exception):
    """A setting is not what was expected.

    Parameters
    ----------
    expected
        What was.
    hint
        How to mend it.
    part
        The path of the part of the setting's value that is wrong.
    says
        What is said in place of what the value is and what was expected.
    """

    def __init__(self, expected: str, hint: str = "", part: tuple[Any, ...] = (), *, says: str = "") -> None:
        self.expected, self.hint, self.part, self.says = expected, hint, part, says


def read_settings(definition: Definition, problems: Problems) -> Settings:
    """Read ``Global``; what is wrong is noted in `problems` and keeps its default."""
    settings = Settings()
    given = definition.settings
    if given is None:
        return settings
    if not isinstance(given, dict):
        problems.add(definition.problem(0, ("Global",), f"Global is {shown(given)}; a mapping was expected"))
        return settings
    known = [setting.name for setting in fields(Settings)]
    refused = set()
    for key, value in given.items():
        if key not in known:
            hint = _did_you_mean(key, known) or f"known are {', '.join(known)}"
            message = f"Global has no setting {key!r}"
            problems.add(definition.problem(0, ("Global", key), message, hint, key=True))
        elif value is not None or key in _OFF_BY_NULL:  # elsewhere null says "the default"
            try:
                settings = replace(settings, **{str(key): _READERS[key](value)})
            except _Wrong as wrong:
                refused.add(key)
                problems.add(_problem(definition, ("Global", key), value, wrong))
    if settings.queue is not None and _same_file(settings.queue, definition.source.name):
        message = "Global.queue is this definition itself; a file of its own was expected"
        problems.add(definition.problem(0, ("Global", "queue"), message, "write queue: queue.yaml"))
    if "imports" not in refused:
        try:
            _check_message(settings)
        except _Wrong as wrong:
            problems.add(_problem(definition, ("Global", "slack"), given["slack"], wrong))
    return settings


def _problem(definition: Definition, path: tuple[Any, ...], value: Any, wrong: _Wrong) -> Problem:
    for step in wrong.part:
        value = value.get(step) if isinstance(value, dict) else value[step]
    path = (*path, *wrong.part)
    message = f"{dotted(path)} {wrong.says or f'is {shown(value)}; {wrong.expected}'}"
    return definition.problem(0, path, message, wrong.hint)


def _did_you_mean(name: Any, known: Sequence[str]) -> str:
    close = nearest(str(name), known)
    return f"did you mean {close}?" if close else ""


def _whole(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _Wrong(f"a whole number from {least} was expected")
        return value

    return read


def _choice(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise _Wrong(f"{' or '.join(choices)} was expected", _did_you_mean(value, choices))
        return str(value)

    return read


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false was expected")
    return value


def _duration(value: Any) -> float:
    seconds = parse_duration(value)
    if seconds is None:
        raise _Wrong("a duration was expected, in seconds or such as 30s or 2m")
    return seconds


def _queue(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("the path of a file was expected", "write queue: queue.yaml")
    if Path(value).is_dir():
        raise _Wrong("", "name a file in it", says=f"is {shown(value)}, a directory; a file was expected")
    return value


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _jobs(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Wrong("a whole number from 1, or auto, was expected")
    return value


def _gpus(value: Any) -> tuple[str, ...]:
    form = "write gpus: [0, 1], or [] for none"
    if not isinstance(value, list):
        raise _Wrong("a list of GPUs was expected", form)
    found: list[str] = []
    for place, item in enumerate(value):
        index = isinstance(item, int) and not isinstance(item, bool) and item >= 0
        if not index and not (isinstance(item, str) and item.strip()):
            raise _Wrong("the index or the UUID of a GPU was expected", form, (place,))
        if str(item).strip() in found:
            raise _Wrong("", "leave it out", (place,), says=f"is {shown(item)}, which is named twice")
        found.append(str(item).strip())
    return tuple(found)


def _root(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _Wrong("the path of a directory was expected", "write root: results, or root: null for none")
    if Path(value).is_file():
        raise _Wrong("", "name a directory", says=f"is {shown(value)}, a file; a directory was expected")
    return value


def _imports(value: Any) -> Imports:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise _Wrong("a list of modules was expected, such as [random, numpy as np]")
    for place, text in enumerate(texts):
        part = (place,) if isinstance(value, list) else ()
        if not isinstance(text, str):
            raise _Wrong("the name of a module was expected, such as random or numpy as np", part=part)
        try:
            Imports.parse([text])
        except ValueError as error:
            raise _Wrong(str(error), part=part) from None
    return Imports.parse(texts)


def _slack(value: Any) -> SlackSettings | None:
    if value is False:
        return None
    form = "write slack: {channel: '#name', message: <expression over exp>}"
    if not isinstance(value, dict):
        raise _Wrong("a mapping was expected", form)
    for key in value:
        if key not in _SLACK:
            raise _Wrong("", _did_you_mean(key, _SLACK) or form, says=f"has no setting {key!r}")
    channel, message = value.get("channel"), value.get("message")
    if channel is None:
        raise _Wrong("", "add channel: '#name' or the channel's identifier", says="names no channel")
    if not isinstance(channel, str) or not channel.strip():
        raise _Wrong("the name of a channel was expected", "put quotes around it: '#name'", ("channel",))
    if message is None:
        return SlackSettings(channel)
    example = "write one such as f'{exp.Name}: {exp.ACCURACY}'"
    if not isinstance(message, str):
        raise _Wrong("an expression over exp was expected", example, ("message",))
    text = message.removeprefix("parse ")
    try:
        compile_expression(text)
    except SyntaxError as error:
        raise _Wrong(f"an expression over exp was expected: {error.msg}", example, ("message",)) from None
    return SlackSettings(channel, text)


def _cluster(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_cluster(value: Any) -> Any:
        try:
            return read(value)
        except ClusterError as error:
            path = error.path[:-1] if error.is_key else error.path
            raise _Wrong("", error.hint, path, says=str(error)) from None

    return read_cluster


def _check_message(settings: Settings) -> None:
    """See that the message for Slack mentions nothing but what it will be given."""
    if settings.slack is None or settings.slack.message is None:
        return
    for name in compile_expression(settings.slack.message).names:
        if name != "exp" and name not in settings.imports and name not in BUILTINS:
            message = f"mentions {name}, which is not known there"
            raise _Wrong("", f"for a key of the experiment write exp.{name}", ("message",), says=message)


_SLACK = ("channel", "message")
_OFF_BY_NULL = ("root",)
_READERS: dict[str, Callable[[Any], Any]] = {
    "repeat": _whole(0),
    "queue": _queue,
    "jobs": _jobs,
    "gpus": _gpus,
    "breaker": _flag,
    "root": _root,
    "merge": _choice("replace", "deep"),
    "imports": _imports,
    "executor": _choice("local", "inline", "slurm", "ray"),
    "grace": _duration,
    "fail_fast": _flag,
    "max_failures": _whole(1),
    "warm": _flag,
    "slack": _slack,
    "slurm": _cluster(read_slurm),
    "ray": _cluster(read_ray),
}
