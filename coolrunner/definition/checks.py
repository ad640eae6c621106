"""The runner's own keys of every experiment, looked at when all expressions have been evaluated."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coolrunner.definition.commands import Commands
from coolrunner.definition.documents import Definition
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.modules import check_module, parse_module
from coolrunner.definition.names import one_letter_away
from coolrunner.definition.needs import is_name
from coolrunner.definition.problems import Problems, dotted, shown
from coolrunner.definition.resources import ResourcesError, parse_resources
from coolrunner.definition.templates import SOLVE_MARK, holds_broken
from coolrunner.errors import Problem

__all__ = ["Checked", "Modules", "check_experiment", "check_experiments"]


class Checked(NamedTuple):
    """What is looked at of an experiment: its document, its configuration, and whether it will run."""

    document: int
    values: Mapping[str, Any]
    runs: bool


class _Rule(NamedTuple):
    """What the value of a key has to be."""

    keeps: Callable[[Any], bool]
    expected: str
    hint: str = ""


class _Wrong(NamedTuple):
    key: str
    message: str
    hint: str = ""
    part: tuple[Any, ...] = ()  # where in the key's value
    at_key: bool = False
    skip: int = 0  # how far into the text there


_RULES = {
    "Name": _Rule(
        lambda value: not isinstance(value, (bool, list, dict)),
        "a text was expected",
        "put quotes around it if it is meant as a text",
    ),
    "YamlLog": _Rule(
        lambda value: isinstance(value, str) and bool(value.strip()), "the path of a file was expected"
    ),
    "Timeout": _Rule(
        lambda value: value is None or bool(parse_duration(value)),
        "a duration was expected",
        "in seconds, or such as 90s, 30m, 2h, 1d",
    ),
    "RND_IDX": _Rule(
        lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number was expected"
    ),
    "Run": _Rule(
        lambda value: value is None or (isinstance(value, str) and value.startswith(SOLVE_MARK)),
        "'solve package.module.function' was expected",
    ),
    "Hold": _Rule(lambda value: isinstance(value, bool), "true or false was expected"),
    "Priority": _Rule(
        lambda value: _is_number(value) and math.isfinite(value),
        "a number was expected",
        "experiments of a higher number are taken first; without it, it is 0",
    ),
    "Retries": _Rule(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "a whole number from 0 was expected",
    ),
}
# RND_IDX is another one in every experiment, so it is looked at by itself.
_LOOKED_AT = ("Module", "Command", "After", "Resources", *(key for key in _RULES if key != "RND_IDX"))
_SOLVED_TOO_LATE = "the runner needs it before the experiment starts, so it cannot be a 'solve' value"
_ADD_MODULE = "add Module: package.module, whose main(exp) is called, or Command: and a program"

#: What is wrong with each Module and a hint, or None.
Modules = dict[str, "tuple[str, str] | None"]


class _Study(NamedTuple):
    """What experiments are looked at against."""

    folder: Path
    queue: str | None
    commands: Commands
    modules: Modules
    logs: dict[str, bool]  # whether each YamlLog is the queue

    def is_queue(self, log: Any) -> bool:
        if not self.queue or not isinstance(log, str):
            return False
        if log not in self.logs:
            self.logs[log] = os.path.realpath(log) == self.queue
        return self.logs[log]


def check_experiments(
    definition: Definition, experiments: Sequence[Checked], problems: Problems, queue: str | None = None
) -> None:
    """Note what is wrong with the runner's keys, and whether there is nothing to run.

    `queue` is the study's queue file, if it has one: no log can be in it.
    """
    study = _study(definition, queue)
    seen: set[tuple[Any, ...]] = set()
    running = [checked for checked in experiments if checked.runs]
    none_has_one = bool(running) and not any(
        checked.values.keys() & {"Module", "Run", "Command"} for checked in running
    )
    if none_has_one:
        hint = _nearly("Module", running[0].values) or f"{_ADD_MODULE}, to the default config"
        problems.add(definition.problem(0, (), "no experiment has a Module", hint))
    for checked in experiments:
        values = checked.values
        _check_placeholders(definition, checked, study, problems)
        token = _token_of(definition, checked)
        if token in seen and type(values.get("RND_IDX")) is int:
            continue
        seen.add(token)
        for wrong in _wrong_values(checked, study):
            if wrong.key in values or not none_has_one:
                problems.add(_problem(definition, checked, wrong))
    if experiments and not running and not problems:
        hint = _nearly("Name", experiments[0].values) or "add Name: to those that are to run"
        message = "no experiment will run: each is named skip or has no Name"
        problems.warn(definition.problem(experiments[0].document, (), message, hint))


def check_experiment(
    definition: Definition,
    checked: Checked,
    problems: Problems,
    queue: str | None = None,
    modules: Modules | None = None,
) -> None:
    """Note what is wrong with the runner's keys of one experiment; `modules` remembers its Module."""
    study = _study(definition, queue)._replace(modules={} if modules is None else modules)
    _check_placeholders(definition, checked, study, problems)
    for wrong in _wrong_values(checked, study):
        problems.add(_problem(definition, checked, wrong))


def _study(definition: Definition, queue: str | None) -> _Study:
    said = definition.settings if isinstance(definition.settings, dict) else {}
    # What is written into a queue has no settings: where it will run is not known here.
    is_here = definition.elsewhere is None and said.get("executor", "local") in ("local", "inline")
    commands = Commands(has_run=said.get("root", "results") is not None, is_here=is_here)
    return _Study(Path(definition.source.name).parent, queue and os.path.realpath(queue), commands, {}, {})


def _check_placeholders(definition: Definition, checked: Checked, study: _Study, problems: Problems) -> None:
    """Note what a command asks for and this experiment does not have."""
    command = checked.values.get("Command")
    if command is None or not checked.runs or holds_broken(command):
        return
    for mistake in study.commands.missing(command, checked.values):
        where = ("Command", definition.origin(checked.document, ("Command",)), mistake.part, mistake.text)
        if not problems.again(where):
            message = f"experiment {str(checked.values['Name'])!r}: {mistake}"
            wrong = _Wrong("Command", message, mistake.hint, mistake.part, skip=mistake.skip(command))
            problems.add(_problem(definition, checked, wrong), where)


def _problem(definition: Definition, checked: Checked, wrong: _Wrong) -> Problem:
    if wrong.key not in checked.values:
        return definition.problem(checked.document, (), wrong.message, wrong.hint)
    number = definition.origin(checked.document, (wrong.key,))
    path = (wrong.key, *wrong.part)
    return definition.problem(number, path, wrong.message, wrong.hint, key=wrong.at_key, skip=wrong.skip)


def _token_of(definition: Definition, checked: Checked) -> tuple[Any, ...]:
    """Return the same for experiments of which one needs to be looked at."""
    values = checked.values
    swept = checked.document > len(definition.experiments)
    # Names in a sweep differ in what is varied, which stands in the other keys.
    keys = [key for key in _LOOKED_AT if key in values and not (swept and key == "Name")]
    own = (type(values.get("Name")), definition.document_of(checked.document)) if swept else ()
    return (checked.runs, *own, *((key, *_token(values[key])) for key in keys))


def _token(value: Any) -> tuple[type, str]:
    return type(value), "" if holds_broken(value) else str(value)


def _nearly(name: str, values: Mapping[str, Any]) -> str:
    """Return a hint at a key that was meant to be `name`, if there is one."""
    for key in values:
        if key.lower() == name.lower() or one_letter_away(key.lower(), name.lower()):
            return f"did you mean {name} in place of {key}?"
    return ""


def _wrong_values(checked: Checked, study: _Study) -> Iterator[_Wrong]:
    """Yield what is wrong with the runner's keys; what could not be evaluated has been noted already."""
    for key, rule in _RULES.items():
        if key in checked.values:
            value = checked.values[key]
            if not holds_broken(value) and not rule.keeps(value):
                late = key != "Run" and isinstance(value, str) and value.startswith(SOLVE_MARK)
                hint = _SOLVED_TOO_LATE if late else rule.hint
                yield _Wrong(key, f"{key} is {shown(value)}; {rule.expected}", hint)
    for key, look in (("After", _wrong_after), ("Resources", _wrong_resources)):
        if key in checked.values and not holds_broken(checked.values[key]):
            yield from look(checked.values[key])
    log = checked.values.get("YamlLog")
    if study.is_queue(log):
        yield _Wrong(
            "YamlLog", f"YamlLog is {shown(log)}, which is the queue; a file of its own was expected"
        )
    command = checked.values.get("Command")
    if command is not None and not holds_broken(command):
        yield from _wrong_command(command, checked, study)
    if checked.runs and command is None and checked.values.get("Run") is None:
        module = checked.values.get("Module")
        if module is None:
            yield _Wrong("Module", f"experiment {str(checked.values['Name'])!r} has no Module", _ADD_MODULE)
        elif not holds_broken(module):
            yield from _wrong_module(module, study)


def _wrong_after(value: Any) -> Iterator[_Wrong]:
    for place, name in enumerate(value if isinstance(value, list) else [value]):
        if value is None or is_name(name):
            continue
        part = (place,) if isinstance(value, list) else ()
        expected = "the name of an experiment, or a list of names, was expected"
        hint = _SOLVED_TOO_LATE if isinstance(name, str) else ""
        yield _Wrong("After", f"{dotted(('After', *part))} is {shown(name)}; {expected}", hint, part)


def _wrong_resources(value: Any) -> Iterator[_Wrong]:
    try:
        parse_resources(value)
    except ResourcesError as error:
        part = () if error.key == "" else (error.key,)
        yield _Wrong("Resources", str(error), error.hint, part, not error.known)


def _wrong_command(command: Any, checked: Checked, study: _Study) -> Iterator[_Wrong]:
    other = next((key for key in ("Module", "Run") if checked.values.get(key) is not None), "")
    if other and checked.runs:
        hint = f"write {other}: null (or Command: null) in this experiment to leave one of them out"
        yield _Wrong("Command", f"Command and {other} are both given, and one of them can be run", hint)
    mistake = study.commands.mistake(command)
    if isinstance(command, str) and command.startswith(SOLVE_MARK):
        yield _Wrong("Command", "Command is a 'solve' value; a program was expected", _SOLVED_TOO_LATE)
    elif mistake is not None:
        yield _Wrong("Command", str(mistake), mistake.hint, mistake.part, skip=mistake.skip(command))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong_module(module: Any, study: _Study) -> Iterator[_Wrong]:
    target = parse_module(module)
    if target is None:
        message = f"Module is {shown(module)}; package.module or package.module:function was expected"
        yield _Wrong("Module", message, _module_hint(module))
        return
    if module not in study.modules:
        study.modules[module] = check_module(target)
    wrong = study.modules[module]
    if wrong is not None:
        message, hint = wrong
        beside = study.folder / f"{target.module.replace('.', '/')}.py"
        if "cannot be found" in message and beside.exists():
            path = "the import path begins where the command was started"
            hint = f"{beside} is there, but {path}: cd {study.folder}"
        yield _Wrong("Module", message, hint)


def _module_hint(module: Any) -> str:
    if isinstance(module, str) and ("/" in module or "\\" in module):
        path = module.removesuffix(".py").strip("./\\").replace("/", ".").replace("\\", ".")
        return f"write it as Python imports it: {path}"
    return ""
