"""The experiment that a Module gets: a dict-like thing whose inputs are read-only."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import ReadOnlyError
from coolrunner.experiment import Experiment, ReadOnlyDict, ReadOnlyList, freeze, own_names


@pytest.fixture
def exp() -> Experiment:
    """An experiment as the runner makes one."""
    return Experiment({"Name": "vgg", "lr": 0.1, "opt": freeze({"name": "sgd", "betas": [0.9, 0.99]})})


# --- reading -----------------------------------------------------------------------------------------


def test_keys_are_read_by_index_by_attribute_and_with_get(exp: Experiment) -> None:
    """CR-13."""
    assert exp["lr"] == exp.lr == exp.get("lr") == exp.get("lr", 5) == 0.1
    assert exp["opt"]["betas"][0] == exp.opt.betas[0] == 0.9
    assert exp.get("nope") is None
    assert exp.get("nope", 5) == 5
    assert getattr(exp, "nope", 5) == 5
    assert not hasattr(exp, "nope")


def test_it_behaves_as_a_mapping_of_inputs_and_then_results(exp: Experiment) -> None:
    """CR-13: in, len, iteration, keys, values, items, dict, **."""
    exp.ACC = 0.9
    assert "lr" in exp and "ACC" in exp and "nope" not in exp
    assert len(exp) == 4
    assert list(exp) == exp.keys() == ["Name", "lr", "opt", "ACC"]
    assert exp.values() == [exp[key] for key in exp]
    assert exp.items() == list(zip(exp.keys(), exp.values(), strict=True))
    assert (
        dict(exp)
        == {**exp}
        == {"Name": "vgg", "lr": 0.1, "opt": {"name": "sgd", "betas": [0.9, 0.99]}, "ACC": 0.9}
    )
    assert (dict(exp.inputs), dict(exp.results)) == ({k: exp[k] for k in ("Name", "lr", "opt")}, {"ACC": 0.9})


def test_a_missing_key_is_told_with_the_nearest(exp: Experiment) -> None:
    """CR-13."""
    with pytest.raises(KeyError, match="there is no key 'Nmae'; did you mean 'Name'"):
        exp["Nmae"]
    with pytest.raises(AttributeError, match="there is no key 'lrr'; did you mean 'lr'"):
        _ = exp.lrr
    with pytest.raises(AttributeError, match="there is no key 'nam'; did you mean 'name'"):
        _ = exp.opt.nam
    with pytest.raises(KeyError):
        exp[5]


@pytest.mark.parametrize("name", sorted(own_names()))
def test_methods_win_over_keys_of_their_name_by_attribute_and_the_keys_are_reached_by_index(
    name: str,
) -> None:
    """CR-13."""
    exp = Experiment({name: 5})
    assert exp[name] == 5
    assert name in ("run", "slot") or getattr(exp, name) != 5


def test_it_shows_itself_and_its_keys(exp: Experiment) -> None:
    """CR-13: for a debugger."""
    exp.ACC = 1
    assert (
        repr(exp)
        == "Experiment({'Name': 'vgg', 'lr': 0.1, 'opt': {'name': 'sgd', 'betas': [0.9, 0.99]}, 'ACC': 1})"
    )
    assert {"lr", "ACC", "keys"} <= set(dir(exp))
    assert "name" in dir(exp.opt)


# --- what was never read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "unread"),
    [
        (lambda exp: None, ["Name", "lr", "opt"]),
        (lambda exp: exp.lr, ["Name", "opt"]),
        (lambda exp: exp["opt"].name, ["Name", "lr"]),
        (lambda exp: exp.get("lr"), ["Name", "opt"]),
        (lambda exp: "lr" in exp, ["Name", "opt"]),
        (lambda exp: exp.get("nope"), ["Name", "lr", "opt"]),
        (lambda exp: hasattr(exp, "nope"), ["Name", "lr", "opt"]),
        (lambda exp: exp.inputs["lr"], ["Name", "lr", "opt"]),
        (lambda exp: repr(exp), ["Name", "lr", "opt"]),
        (lambda exp: len(exp), ["Name", "lr", "opt"]),
        (lambda exp: dir(exp), ["Name", "lr", "opt"]),
        (lambda exp: dict(exp), []),
        (lambda exp: exp.items(), []),
        (lambda exp: [*exp], []),
    ],
)
def test_parameters_that_were_never_read_are_known(
    read: Callable[[Experiment], Any], unread: list[str]
) -> None:
    """CR-13: they are often typos; a look in vain reads none of them."""
    exp = Experiment({"Name": "vgg", "lr": 0.1, "opt": freeze({"name": "sgd"})})
    read(exp)
    assert exp.unread() == unread


# --- results -----------------------------------------------------------------------------------------


def test_results_are_added_by_attribute_by_index_and_several_at_once(exp: Experiment) -> None:
    """CR-13: in the order written."""
    exp.ACC = 0.9
    exp["LOSS"] = 0.1
    exp.update({"A": 1}, B=2)
    exp.update([("C", 3)])
    assert exp.setdefault("D", 4) == 4
    assert exp.setdefault("D", 5) == 4
    assert exp.setdefault("lr", 5) == 0.1
    exp.ACC = 0.95
    assert dict(exp.results) == {"ACC": 0.95, "LOSS": 0.1, "A": 1, "B": 2, "C": 3, "D": 4}
    assert next(iter(exp.results)) == "ACC"
    del exp.ACC, exp["LOSS"]
    assert list(exp.results) == ["A", "B", "C", "D"]
    with pytest.raises(AttributeError, match="there is no key 'ACC'"):
        del exp.ACC


@pytest.mark.parametrize(
    "change",
    [
        lambda exp: setattr(exp, "lr", 1),
        lambda exp: exp.__setitem__("lr", 1),
        lambda exp: exp.update(lr=1),
        lambda exp: exp.__delitem__("lr"),
        lambda exp: delattr(exp, "lr"),
    ],
)
def test_changing_an_input_is_an_error_that_names_it(
    exp: Experiment, change: Callable[[Experiment], Any]
) -> None:
    """CR-13."""
    with pytest.raises(ReadOnlyError, match="'lr' is an input of this experiment") as caught:
        change(exp)
    assert isinstance(caught.value, (AttributeError, TypeError))
    assert exp.lr == 0.1


def test_the_error_suggests_another_name(exp: Experiment) -> None:
    """CR-13."""
    with pytest.raises(ReadOnlyError, match="such as 'LR'"):
        exp.lr = 1
    with pytest.raises(ReadOnlyError, match="such as 'REP_RESULT'"):
        Experiment({"REP": 1}).REP = 2


def test_a_result_has_a_string_for_a_name_that_is_no_method(exp: Experiment) -> None:
    """CR-13."""
    with pytest.raises(TypeError, match="the name of a result is a string, not 5"):
        exp[5] = 1  # type: ignore[index]
    with pytest.raises(ReadOnlyError, match=r"write exp\['keys'\] = \.\.\."):
        exp.keys = 5  # type: ignore[method-assign,assignment]
    exp["keys"] = 5
    assert exp.results["keys"] == 5


# --- nested values -----------------------------------------------------------------------------------

CHANGES: list[Callable[[Any], Any]] = [
    lambda exp: setattr(exp.opt, "name", 1),
    lambda exp: delattr(exp.opt, "name"),
    lambda exp: exp.opt.__setitem__("name", 1),
    lambda exp: exp.opt.__delitem__("name"),
    lambda exp: exp.opt.__ior__({"a": 1}),
    lambda exp: exp.opt.update(a=1),
    lambda exp: exp.opt.pop("name"),
    lambda exp: exp.opt.popitem(),
    lambda exp: exp.opt.clear(),
    lambda exp: exp.opt.setdefault("a", 1),
    lambda exp: exp.opt.betas.append(1),
    lambda exp: exp.opt.betas.extend([1]),
    lambda exp: exp.opt.betas.insert(0, 1),
    lambda exp: exp.opt.betas.pop(),
    lambda exp: exp.opt.betas.remove(0.9),
    lambda exp: exp.opt.betas.clear(),
    lambda exp: exp.opt.betas.sort(),
    lambda exp: exp.opt.betas.reverse(),
    lambda exp: exp.opt.betas.__setitem__(0, 1),
    lambda exp: exp.opt.betas.__setitem__(slice(0, 1), [1]),
    lambda exp: exp.opt.betas.__delitem__(0),
    lambda exp: exp.opt.betas.__iadd__([1]),
    lambda exp: exp.opt.betas.__imul__(2),
]


@pytest.mark.parametrize("change", CHANGES)
def test_nested_mappings_and_lists_cannot_be_changed(exp: Experiment, change: Callable[[Any], Any]) -> None:
    """CR-13."""
    with pytest.raises(ReadOnlyError, match="copy it first"):
        change(exp)
    assert exp.opt == {"name": "sgd", "betas": [0.9, 0.99]}


def test_the_error_of_a_changed_nested_input_names_the_key(exp: Experiment) -> None:
    """CR-13."""
    with pytest.raises(ReadOnlyError, match="'name' cannot be changed"):
        exp.opt.name = "adam"
    with pytest.raises(ReadOnlyError, match="'momentum' cannot be changed"):
        exp.opt["momentum"] = 0.9


COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda value: value.copy(),
    lambda value: value[:] if isinstance(value, list) else dict(value),
]


@pytest.mark.parametrize("copied", COPIES)
def test_copies_are_plain_and_may_be_changed(exp: Experiment, copied: Callable[[Any], Any]) -> None:
    """CR-13."""
    mapping, items = copied(exp.opt), copied(exp.opt.betas)
    assert (type(mapping), type(items)) == (dict, list)
    mapping["name"], items[0] = "adam", 5
    assert exp.opt.name == "sgd" and exp.opt.betas[0] == 0.9
    assert type(copy.deepcopy(exp.opt)["betas"]) is list


def test_nested_values_are_dicts_and_lists_to_every_library(exp: Experiment) -> None:
    """CR-13."""
    assert isinstance(exp.opt, dict) and isinstance(exp.opt.betas, list)
    assert json.dumps(dict(exp)) == '{"Name": "vgg", "lr": 0.1, "opt": {"name": "sgd", "betas": [0.9, 0.99]}}'
    assert exp.opt | {"a": 1} == {"name": "sgd", "betas": [0.9, 0.99], "a": 1}
    assert exp.opt.betas * 2 == [0.9, 0.99, 0.9, 0.99]
    assert (lambda name, betas: name)(**exp.opt) == "sgd"


@given(
    st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_what_is_frozen_is_equal_and_is_frozen_once(value: Any) -> None:
    """CR-13."""
    frozen = freeze(value)
    assert frozen == value
    assert freeze(frozen) is frozen
    assert type(frozen) not in (dict, list)


def test_an_experiment_can_be_pickled_and_copied(exp: Experiment) -> None:
    """CR-13: it goes to another process and comes back, read-only still."""
    exp.ACC = 1
    for other in (pickle.loads(pickle.dumps(exp)), copy.copy(exp), copy.deepcopy(exp)):
        assert other == exp
        other.ACC = 2
        assert exp.ACC == 1
    other = pickle.loads(pickle.dumps(exp))
    assert (type(other.opt), type(other.opt.betas)) == (ReadOnlyDict, ReadOnlyList)
    assert exp != 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(exp)
