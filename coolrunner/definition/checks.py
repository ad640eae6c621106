"""The runner's own keys of every experiment, looked at when all expressions have been evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coolrunner.definition.documents import Definition
from coolrunner.definition.durations import parse_duration
from coolrunner.definition.modules import check_module, parse_module
from coolrunner.definition.names import one_letter_away
from coolrunner.definition.problems import Problems, shown
from coolrunner.definition.templates import SOLVE_MARK, holds_broken

__all__ = ["Checked", "check_experiments"]


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
}
_ADD_MODULE = "add Module: package.module, whose main(exp) is called"

Modules = dict[str, "tuple[str, str] | None"]


def check_experiments(definition: Definition, experiments: Sequence[Checked], problems: Problems) -> None:
    """Note what is wrong with the runner's keys, and whether there is nothing to run."""
    modules: Modules = {}
    folder = Path(definition.source.name).parent
    seen: set[tuple[Any, ...]] = set()
    running = [checked for checked in experiments if checked.runs]
    none_has_one = bool(running) and not any(checked.values.keys() & {"Module", "Run"} for checked in running)
    if none_has_one:
        hint = _nearly("Module", running[0].values) or f"{_ADD_MODULE}, to the default config"
        problems.add(definition.problem(0, (), "no experiment has a Module", hint))
    for checked in experiments:
        document, values, runs = checked
        token = (runs, *(_token(values.get(key)) for key in ("Module", *_RULES) if key != "RND_IDX"))
        if token in seen and type(values.get("RND_IDX")) is int:
            continue
        seen.add(token)
        for key, message, hint in _wrong_values(checked, modules, folder):
            number = definition.origin(document, (key,))
            if key in values:
                problems.add(definition.problem(number, (key,), message, hint))
            elif not none_has_one:
                problems.add(definition.problem(document, (), message, hint))
    if experiments and not running and not problems:
        hint = _nearly("Name", experiments[0].values) or "add Name: to those that are to run"
        message = "no experiment will run: each is named skip or has no Name"
        problems.warn(definition.problem(experiments[0].document, (), message, hint))


def _token(value: Any) -> tuple[type, str]:
    return type(value), "" if holds_broken(value) else str(value)


def _nearly(name: str, values: Mapping[str, Any]) -> str:
    """Return a hint at a key that was meant to be `name`, if there is one."""
    for key in values:
        if key.lower() == name.lower() or one_letter_away(key.lower(), name.lower()):
            return f"did you mean {name} in place of {key}?"
    return ""


def _wrong_values(checked: Checked, modules: Modules, folder: Path) -> Iterator[_Wrong]:
    """Yield what is wrong with the runner's keys; what could not be evaluated has been noted already."""
    for key, rule in _RULES.items():
        if key in checked.values:
            value = checked.values[key]
            if not holds_broken(value) and not rule.keeps(value):
                yield _Wrong(key, f"{key} is {shown(value)}; {rule.expected}", rule.hint)
    if checked.runs and checked.values.get("Run") is None:
        module = checked.values.get("Module")
        if module is None:
            yield _Wrong("Module", f"experiment {str(checked.values['Name'])!r} has no Module", _ADD_MODULE)
        elif not holds_broken(module):
            yield from _wrong_module(module, modules, folder)


def _wrong_module(module: Any, modules: Modules, folder: Path) -> Iterator[_Wrong]:
    target = parse_module(module)
    if target is None:
        message = f"Module is {shown(module)}; package.module or package.module:function was expected"
        yield _Wrong("Module", message, _module_hint(module))
        return
    if module not in modules:
        modules[module] = check_module(target)
    wrong = modules[module]
    if wrong is not None:
        message, hint = wrong
        beside = folder / f"{target.module.replace('.', '/')}.py"
        if "cannot be found" in message and beside.exists():
            hint = f"{beside} is there, but the import path begins where the command was started: cd {folder}"
        yield _Wrong("Module", message, hint)


def _module_hint(module: Any) -> str:
    if isinstance(module, str) and ("/" in module or "\\" in module):
        path = module.removesuffix(".py").strip("./\\").replace("/", ".").replace("\\", ".")
        return f"write it as Python imports it: {path}"
    return ""
