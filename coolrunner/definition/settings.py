"""``Global``: what a definition tells the runner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

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
        Always None: a queue file is not supported yet.
    root
        Always None: run directories are not supported yet.
    merge
        ``replace`` or ``deep``: what a nested mapping in an experiment does to the default's.
    imports
        What expressions may use by name.
    executor
        ``local`` (fresh processes) or ``inline`` (this process).
    grace
        Seconds that an experiment has to stop before it is killed.
    fail_fast
        Whether the first failure ends the study.
    max_failures
        How many failures end the study; None for any number.
    warm
        Whether third-party libraries are imported ahead for fresh processes, where that is safe.
    slack
        Where to report to on Slack; None for not.
    """

    repeat: int = 1
    queue: None = None
    root: None = None
    merge: str = "replace"
    imports: Imports = field(default_factory=Imports)
    executor: str = "local"
    grace: float = 10.0
    fail_fast: bool = False
    max_failures: int | None = None
    warm: bool = True
    slack: SlackSettings | None = None


_LATER = {
    "jobs": "experiments run one at a time",
    "gpus": "slots are not supported yet",
}


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
        if key in _LATER:
            message = f"Global.{key} is not supported yet: {_LATER[key]}"
            problems.add(definition.problem(0, ("Global", key), message, "remove it", key=True))
        elif key not in known:
            hint = _did_you_mean(key, known) or f"known are {', '.join(known)}"
            message = f"Global has no setting {key!r}"
            problems.add(definition.problem(0, ("Global", key), message, hint, key=True))
        elif value is not None:  # null says "the default" for every setting
            try:
                settings = replace(settings, **{str(key): _READERS[key](value)})
            except _Wrong as wrong:
                refused.add(key)
                problems.add(_problem(definition, ("Global", key), value, wrong))
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


def _no_queue(value: Any) -> None:
    expected = "a queue file is not supported yet: the queue is kept in memory"
    raise _Wrong(expected, "remove it, or set it to null")


def _no_root(value: Any) -> None:
    raise _Wrong("run directories are not supported yet", "remove it, or set it to null")


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


def _check_message(settings: Settings) -> None:
    """See that the message for Slack mentions nothing but what it will be given."""
    if settings.slack is None or settings.slack.message is None:
        return
    for name in compile_expression(settings.slack.message).names:
        if name != "exp" and name not in settings.imports and name not in BUILTINS:
            message = f"mentions {name}, which is not known there"
            raise _Wrong("", f"for a key of the experiment write exp.{name}", ("message",), says=message)


_SLACK = ("channel", "message")
_READERS: dict[str, Callable[[Any], Any]] = {
    "repeat": _whole(0),
    "queue": _no_queue,
    "root": _no_root,
    "merge": _choice("replace", "deep"),
    "imports": _imports,
    "executor": _choice("local", "inline"),
    "grace": _duration,
    "fail_fast": _flag,
    "max_failures": _whole(1),
    "warm": _flag,
    "slack": _slack,
}
