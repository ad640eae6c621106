"""``solve``: values made right before an experiment runs (CR-12)."""

from __future__ import annotations

import collections
import importlib
import math
import os.path
import sys
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.expressions import Imports
from coolrunner.errors import SolveError
from coolrunner.execution.base import Past
from coolrunner.execution.solving import solve
from coolrunner.experiment import Experiment, freeze


class Nothing(Past):
    """No experiment before this one."""

    def get(self, key: int | str) -> Experiment:
        raise LookupError(f"nothing at {key!r}")

    def __len__(self) -> int:
        return 0


def solved(inputs: dict[str, Any], **imports: str) -> dict[str, Any]:
    """Return the solved inputs."""
    return solve(freeze(inputs), Imports(imports), Nothing())[0]


def error_of(inputs: dict[str, Any], **imports: str) -> str:
    """Return what is said of inputs that cannot be solved."""
    with pytest.raises(SolveError) as caught:
        solved(inputs, **imports)
    return str(caught.value)


def test_a_dotted_path_gives_the_object() -> None:
    """CR-12."""
    values = solved({"a": "solve collections.OrderedDict", "b": "solve os.path.join", "c": "solve math"})
    assert values == {"a": collections.OrderedDict, "b": os.path.join, "c": math}


def test_a_dotted_path_imports_the_packages_it_goes_through() -> None:
    """CR-12: torch.optim.Adam, where import torch alone would not do."""
    for name in [name for name in sys.modules if name.startswith("xml.")]:
        del sys.modules[name]
    assert solved({"a": "solve xml.etree.ElementTree.Element"})["a"].__name__ == "Element"


def test_an_expression_sees_the_solved_values_in_any_order() -> None:
    """CR-12."""
    values = solved({"a": "solve b * 2", "b": "solve len(c)", "c": [1, 2, 3], "d": "solve a + b"})
    assert (values["a"], values["b"], values["d"]) == (6, 3, 9)


def test_plain_values_stay_as_they_are_and_objects_are_given_as_they_come() -> None:
    """CR-12."""
    values = solved({"text": "solved", "n": 1, "make": "solve lambda x: x + n", "nested": {"list": [1]}})
    assert (values["text"], values["n"], values["nested"]) == ("solved", 1, {"list": [1]})
    assert values["make"](2) == 3


def test_nested_values_are_solved_and_the_nearest_level_wins() -> None:
    """CR-12."""
    values = solved(
        {
            "x": 1,
            "y": 10,
            "inner": {"x": 2, "sum": "solve x + y", "list": ["solve x", {"x": 3, "deep": "solve x * y"}]},
            "outer": "solve inner.sum + inner['list'][1].deep",
        }
    )
    assert values["inner"] == {"x": 2, "sum": 12, "list": [2, {"x": 3, "deep": 30}]}
    assert values["outer"] == 42
    with pytest.raises(AttributeError):
        values["inner"].x = 5


def test_keys_win_over_imports_and_imports_over_builtins() -> None:
    """CR-12."""
    assert solved({"math": 5, "a": "solve math + 1"})["a"] == 6
    assert solved({"a": "solve max"})["a"] is max
    assert solved({"a": "solve max"}, max="math")["a"] is math
    assert solved({"a": "solve m.pi"}, m="math")["a"] == math.pi


def test_a_key_is_not_made_of_itself() -> None:
    """CR-12: the module of that name is meant."""
    assert solved({"json": "solve json.dumps"})["json"].__module__ == "json"
    assert solved({"json": {"dumps": "solve json.dumps"}})["json"]["dumps"].__module__ == "json"


def test_comprehensions_and_lambdas_have_names_of_their_own() -> None:
    """CR-12."""
    assert solved({"n": 3, "a": "solve [n * k for k in range(n)]"})["a"] == [0, 3, 6]
    assert solved({"n": 3, "a": "solve (lambda n: n + 1)(5)"})["a"] == 6


def test_a_project_s_own_modules_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CR-12."""
    (tmp_path / "solving_own").mkdir()
    (tmp_path / "solving_own" / "nets.py").write_text("class Net:\n    width = 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert solved({"net": "solve solving_own.nets.Net", "w": "solve net.width"})["w"] == 8


def test_a_string_that_was_solved_is_not_looked_at_again() -> None:
    """CR-12."""
    assert solved({"a": "solve 'solve b'", "b": 1})["a"] == "solve b"


def test_plain_values_that_were_solved_are_told_by_their_keys() -> None:
    """CR-12: what SOLVED holds in the log; objects are known by the text that made them."""
    inputs = freeze(
        {"a": "solve 1 + 1", "b": {"c": ["solve (1, 2)", "x"]}, "d": "solve math.sin", "e": "plain"}
    )
    _, plain = solve(inputs, Imports(), Nothing())
    assert plain == {"a": 2, "b.c[0]": [1, 2]}


def test_strange_objects_are_no_trouble() -> None:
    class Odd(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError

    sys.modules["strange_for_solve"] = type(sys)("strange_for_solve")
    sys.modules["strange_for_solve"].odd = Odd()  # type: ignore[attr-defined]
    assert type(solved({"a": "solve strange_for_solve.odd"})["a"]) is Odd


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": "solve b", "b": "solve a"}, "a: these values need each other: a -> b -> a"),
        ({"n": {"a": "solve n2.b"}, "n2": {"b": "solve n.a"}}, "need each other"),
        ({"lr": "solve 1 / 0"}, "lr: solve 1 / 0: ZeroDivisionError: division by zero"),
        ({"n": {"l": [0, "solve 1 / 0"]}}, "n.l[1]: solve 1 / 0: ZeroDivisionError"),
        ({"a": "solve 1 +"}, "a: solve 1 +: not a dotted path or an expression"),
        ({"a": "solve witdh", "width": 1}, "a: 'witdh' is neither a key of this experiment nor a module"),
        ({"a": "solve witdh", "width": 1}, "did you mean width?"),
        ({"a": "solve collections.OrderedDic"}, "a: solve collections.OrderedDic: AttributeError"),
        ({"a": "solve xml.etre.ElementTree"}, "there is no 'etre' in xml; did you mean etree?"),
        ({"a": "solve E[-1].ACC"}, "a: solve E[-1].ACC: LookupError: nothing at -1"),
        ({"a": "solve b.c", "b": {"d": 1}}, "a: solve b.c: AttributeError: there is no key 'c'"),
        ({"a": "solve b", "b": "solve 1 / 0"}, "b: solve 1 / 0: ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_cannot_be_solved_names_its_key(inputs: dict[str, Any], message: str) -> None:
    """CR-12."""
    assert message in error_of(inputs)


def test_a_module_that_breaks_on_import_is_not_taken_for_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CR-12."""
    (tmp_path / "solving_broken.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    message = error_of({"a": "solve solving_broken.thing"})
    assert message == (
        "a: solve solving_broken.thing: ModuleNotFoundError: No module named 'no_such_library_at_all'"
    )
