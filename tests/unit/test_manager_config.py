"""Configurations of a manager and what they give to functions (EXG-06, EXG-07)."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import UsageError, UserError
from coolrunner.frontends.managing.manager import Manager, create_experiment

VICTOR = {
    "name": "Victor",
    "status": 1,
    "details": {"age": 22, "towns": {0: "Brussels", 1: "Paris"}},
}


@pytest.fixture
def manager() -> Any:
    """A manager that keeps nothing, with the configuration of the reference."""
    with create_experiment("test", ghost=True, verbose=0) as manager:
        manager.add_config(VICTOR)
        yield manager


# --- what is injected ---


def test_exg_07_a_captured_function_gets_what_it_is_not_given(manager: Manager) -> None:
    @manager.capture()
    def function1(time, name, details):  # type: ignore[no-untyped-def]
        return time, name, details

    @manager.capture()
    def function2(name, status, details):  # type: ignore[no-untyped-def]
        return name, status, details

    assert function1(5) == (5, "Victor", VICTOR["details"])
    assert function1(time=5, name="Ann") == (5, "Ann", VICTOR["details"])
    assert function2() == ("Victor", 1, VICTOR["details"])


def test_exg_07_dotted_prefixes_are_given_under_their_last_part(manager: Manager) -> None:
    @manager.capture(prefixes=["name", "details.towns", "details.age", "details"])
    def function3(name, towns, age, details):  # type: ignore[no-untyped-def]
        return name, towns, age, details

    assert function3() == ("Victor", {0: "Brussels", 1: "Paris"}, 22, VICTOR["details"])


def test_exg_07_a_missing_prefix_gives_nothing(manager: Manager) -> None:
    # The whole configuration was injected once, under the last part of such a prefix.
    @manager.capture(prefixes=["details.wait", "nothing.age"])
    def function(wait="default", age=0, **others: Any) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        return wait, age, others

    assert function() == ("default", 0, {})


def test_exg_07_only_what_the_prefixes_name_is_given(manager: Manager) -> None:
    @manager.capture(prefixes="details.age")
    def function(age, name="nobody", **others: Any) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        return age, name, others

    assert function() == (22, "nobody", {})


def test_exg_07_keyword_arguments_take_all_other_keys(manager: Manager) -> None:
    @manager.capture
    def function(name, **others: Any) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        return name, others

    assert function() == ("Victor", {"status": 1, "details": VICTOR["details"]})
    assert function(status=2, more=3)[1] == {"status": 2, "more": 3, "details": VICTOR["details"]}


def test_exg_07_an_explicit_argument_wins_then_the_configuration_then_the_default(manager: Manager) -> None:
    @manager.capture
    def function(name="default", colour="default"):  # type: ignore[no-untyped-def]
        return name, colour

    assert function() == ("Victor", "default")
    assert function("given") == ("given", "default")
    assert function(None) == (None, "default")


def test_a_key_that_is_a_number_is_reached_by_its_digits(manager: Manager) -> None:
    @manager.capture(prefixes=["details.towns.0"])
    def function(**towns: Any) -> dict[str, Any]:
        return towns

    assert function() == {"0": "Brussels"}


def test_positional_only_and_keyword_only_parameters_are_given_too(manager: Manager) -> None:
    @manager.capture
    def function(time, name, colour="red", /, *rest: int, status, **others: Any):  # type: ignore[no-untyped-def]
        return time, name, colour, rest, status, sorted(others)

    assert function(1) == (1, "Victor", "red", (), 1, ["details"])
    assert function(1, "Ann", "blue", 4, status=7) == (1, "Ann", "blue", (4,), 7, ["details"])


def test_methods_classes_and_coroutines_are_captured(manager: Manager) -> None:
    @manager.capture
    class Person:
        def __init__(self, name: str, status: int = 0) -> None:
            self.name, self.status = name, status

        @manager.capture
        def greet(self, name: str) -> str:
            return f"{self.name} greets {name}"

        @manager.capture
        @classmethod
        def of(cls, name: str) -> Any:
            return cls(name)

        @manager.capture
        @staticmethod
        def age(details: dict[str, Any]) -> Any:
            return details["age"]

    assert isinstance(Person("Ann"), Person)
    assert Person().name == "Victor" and Person("Ann").greet() == "Ann greets Victor"
    assert Person.of().status == 1 and Person.age() == 22

    @manager.capture
    async def greeting(name: str) -> str:
        return name

    assert inspect.iscoroutinefunction(greeting)
    assert asyncio.run(greeting()) == "Victor"


def test_a_captured_function_keeps_its_name_and_its_signature(manager: Manager) -> None:
    @manager.capture
    def function(time: int, name: str) -> None:
        """Say something."""

    assert (function.__name__, function.__doc__) == ("function", "Say something.")
    assert str(inspect.signature(function)) == "(time: 'int', name: 'str') -> 'None'"


def test_what_is_given_may_be_changed_without_changing_the_configuration(manager: Manager) -> None:
    @manager.capture
    def function(details: dict[str, Any]) -> None:
        details["towns"].clear()

    function()
    assert manager.config["details"] == VICTOR["details"]


def test_a_missing_argument_is_named_with_the_nearest_key(manager: Manager) -> None:
    @manager.capture(prefixes=["name", "details.towns"])
    def function2(names, towns):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(TypeError, match=r"function2\(\) .*'names' \(did you mean 'name'\?\)"):
        function2()
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        function2(1, wrong=2)


def test_two_prefixes_with_one_last_part_are_refused(manager: Manager) -> None:
    with pytest.raises(UsageError, match=r"'a\.lr' and 'b\.lr' would both be given as 'lr'"):
        manager.capture(prefixes=["a.lr", "b.lr"])


# --- where the values come from ---


def test_exg_06_configurations_are_merged_key_by_key_at_every_depth(manager: Manager) -> None:
    manager.add_config({"details": {"age": 23}, "new": [1, {"a": 1}]})
    assert manager.config["details"] == {"age": 23, "towns": {0: "Brussels", 1: "Paris"}}
    assert list(manager.config) == ["name", "status", "details", "new"]
    manager.add_config({"details": None})
    assert manager.config["details"] is None


def test_exg_06_what_a_run_adds_wins_in_that_run_alone(manager: Manager) -> None:
    seen = []

    @manager.command
    def inner(name, details):  # type: ignore[no-untyped-def]
        seen.append((name, details["age"], details["towns"][0]))

    @manager.command
    def outer(name):  # type: ignore[no-untyped-def]
        manager.add_config({"name": "local", "details": {"age": 1}})
        manager.add_config({"name": "general"}, -1)
        seen.append((manager.config["name"], manager.config["details"]["age"], name))
        manager.run("inner")

    manager.run("outer", update_dict={"name": "Pierre"})
    assert seen == [("local", 1, "Pierre"), ("general", 22, "Brussels")]
    assert manager.config["name"] == "general"


def test_exg_06_json_and_yaml_files_are_read(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"lr": 1e-3, "net": {"width": 4}}))
    (tmp_path / "b.yaml").write_text("net: {depth: 2}\nlr: 1e-4\n")
    manager.add_config(str(tmp_path / "a.json"))
    manager.add_config(tmp_path / "b.yaml")
    assert manager.config["lr"] == 1e-4
    assert manager.config["net"] == {"width": 4, "depth": 2}


def test_a_configuration_is_looked_for_in_the_project_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "c.json").write_text('{"lr": 3}')
    monkeypatch.chdir(tmp_path)
    with create_experiment("test", project_dir=project, ghost=True, verbose=0) as manager:
        manager.add_config("c.json")
        assert manager.config == {"lr": 3}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"a": 1,\n "b": }', r"a\.json:2:7: this is not JSON"),
        ("a.json", '{"a": 1, "a": 2}', "'a' is given twice"),
        ("a.json", "[1]", "keys with values, not"),
        ("a.yaml", "a: 1\nb: [\n", r"a\.yaml:3"),
        ("a.yaml", "a: 1\na: 2\n", r"a\.yaml:2:1: .*given twice"),
        ("b.yaml", None, "b.yaml"),
        ("b.json", None, r"b\.json cannot be read: No such file"),
    ],
)
def test_a_broken_file_is_named_with_its_place(
    manager: Manager, tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        manager.add_config(tmp_path / name)


def test_what_is_no_configuration_is_refused(manager: Manager) -> None:
    with pytest.raises(UsageError, match="a dict, the path of a JSON or YAML file, or a function, not 3"):
        manager.add_config(3)


def test_exg_06_a_function_describes_a_configuration_by_its_local_variables(manager: Manager) -> None:
    layers = 3

    @manager.add_config
    def settings(status):  # type: ignore[no-untyped-def]
        import math

        _helper = 2
        lr = 0.1 * _helper * status  # noqa: F841
        net = {"width": math.floor(4.5), "layers": layers}  # noqa: F841

    assert manager.config["lr"] == 0.2 and manager.config["net"] == {"width": 4, "layers": 3}
    assert manager.config["status"] == 1
    assert not {"math", "_helper", "layers"} & set(manager.config)
    assert callable(settings)


def test_a_function_may_also_return_the_configuration(manager: Manager) -> None:
    @manager.add_config
    def settings() -> dict[str, int]:
        unused = 1
        return {"depth": 2 * unused}

    assert manager.config["depth"] == 2 and "unused" not in manager.config
    with pytest.raises(UsageError, match=r"<lambda>\(\) must return a dict or nothing"):
        manager.add_config(lambda: 3)
