"""``+Key=value`` and ``++Key=value``: what they change, and that a value means what it would in the file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from coolrunner.cli.run import is_override
from coolrunner.definition.overrides import parse_override
from coolrunner.definition.problems import Problems
from coolrunner.yamlio import dump, load
from tests.definitions import experiment, experiments, problems, read
from tests.yaml_data import WORDS, outcome, plain, same


def value_of(text: str) -> Any:
    """Return the value of one override."""
    found = Problems()
    override = parse_override(text, found)
    found.raise_if_any()
    assert override is not None
    return override.value


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("+x=1e-3", 0.001),
        ("+x=[1,2]", [1, 2]),
        ("+x=", None),
        ("+x=null", None),
        ("+x=''", ""),
        ("+x=yes", True),
        ("+x='yes'", "yes"),
        ("+x=a=b", "a=b"),
        ("+x={a: 1, b: [c]}", {"a": 1, "b": ["c"]}),
        ("+x=-5", -5),
        ("+x=a #b", "a"),
        ("+x=#b", None),
        ("+x=---", "---"),
        ("+x=...", "..."),
        ("+x=a:b", "a:b"),
        ("+x=[1,\n2]", [1, 2]),
        ("+x=|\n a\n b", "a\nb"),
        ("+x=\n- 1\n- 2", [1, 2]),
        ("+x={a: &a 1, b: *a}", {"a": 1, "b": 1}),
    ],
)
def test_a_value_is_yaml(override: str, value: Any) -> None:
    """CR-08."""
    assert same(value_of(override), value)


@given(plain)
@example(["- a", "x: y", "#", "'", "\n", "---"])
def test_a_value_means_what_it_means_in_a_file(value: Any) -> None:
    """CR-08: whatever it is."""
    flow = yaml.safe_dump(value, default_flow_style=True, width=2**30, allow_unicode=True)
    text = flow.removesuffix("\n").removesuffix("\n...")
    assert same(value_of(f"+x={text}"), load(f"x: {text}")["x"])
    written = dump({"x": value}).partition(":")[2].removesuffix("\n")
    if "\n" not in written:
        assert same(value_of(f"+x={written}"), value)


@given(
    st.one_of(
        st.sampled_from(WORDS),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x85\u2028\u2029"), max_size=8),
    )
)
def test_a_text_means_what_it_means_in_a_file_or_is_refused_in_both(text: str) -> None:
    """CR-08."""
    in_file = outcome(lambda text: load(text)["_"], f"_: {text}")
    found = Problems()
    override = parse_override(f"+x={text}", found)
    assert bool(found) == (in_file is None) == (override is None)
    assert override is None or in_file is None or same(override.value, in_file[0])


def test_one_plus_sets_a_default() -> None:
    """CR-08: experiments that have the key keep theirs."""
    assert experiments("lr: 1\n---\nName: a\n---\nName: b\nlr: 2\n", "+lr=3", "+new=4") == [
        {"Name": "a", "lr": 3, "new": 4},
        {"Name": "b", "lr": 2, "new": 4},
    ]


def test_two_plus_override_it_in_every_experiment_as_well() -> None:
    """CR-08."""
    assert experiments("lr: 1\n---\nName: a\n---\nName: b\nlr: 2\n", "++lr=3") == [
        {"Name": "a", "lr": 3},
        {"Name": "b", "lr": 3},
    ]


def test_dots_reach_into_mappings_and_make_them_where_they_are_missing() -> None:
    """CR-08."""
    text = "opt: {lr: 1, more: {a: 1}}\n---\nName: a\n"
    assert experiment(text, "+opt.lr=2", "+opt.more.b=3", "+new.x.y=4") == {
        "Name": "a",
        "opt": {"lr": 2, "more": {"a": 1, "b": 3}},
        "new": {"x": {"y": 4}},
    }


def test_two_plus_and_dots_change_one_value_of_each_experiments_mapping() -> None:
    """CR-08: whether the experiment has a mapping of its own or the default's."""
    text = "opt: {lr: 1, m: 0}\n---\nName: a\n---\nName: b\nopt: {lr: 2, w: 5}\n---\nName: c\nopt: {w: 6}\n"
    assert [values["opt"] for values in experiments(text, "++opt.lr=3")] == [
        {"lr": 3, "m": 0},
        {"lr": 3, "w": 5},
        {"w": 6, "lr": 3},
    ]


def test_keys_that_are_numbers_in_the_file_are_numbers_in_an_override() -> None:
    """CR-08."""
    assert experiment("weights: {1: a, 2: b}\n---\nName: a\n", "+weights.1=c")["weights"] == {1: "c", 2: "b"}


def test_overrides_are_made_in_the_order_given_and_the_last_wins() -> None:
    """CR-08."""
    text = "lr: 1\n---\nName: a\n---\nName: b\nopt: {x: 0}\n"
    assert experiment(text, "+lr=2", "+lr=3")["lr"] == 3
    assert experiment(text, "+lr={a: 1}", "+lr.b=2")["lr"] == {"a": 1, "b": 2}
    first, second = experiments(text, "++opt={x: 1}", "+opt.y=2")
    assert (first["opt"], second["opt"]) == ({"x": 1, "y": 2}, {"x": 1})


def test_an_override_of_what_an_alias_shares_changes_one_place() -> None:
    """CR-08."""
    text = "a: &a {x: 1}\nb: *a\n---\nName: c\n"
    assert experiment(text, "+a.x=2") == {"Name": "c", "a": {"x": 2}, "b": {"x": 1}}


def test_global_is_set_like_anything_else() -> None:
    """CR-08."""
    plan = read(
        "{}\n---\nName: a\n",
        "+Global.repeat=2",
        "+Global.imports=[random, json as js]",
        "++Global.merge=deep",
    )
    assert (plan.settings.repeat, plan.settings.merge, list(plan.settings.imports)[1:]) == (
        2,
        "deep",
        ["random", "js"],
    )
    assert len(plan.experiments) == 2


def test_an_override_may_be_an_expression() -> None:
    """CR-08, CR-09: it is evaluated where it stands, among the defaults."""
    found = experiments("a: 1\n---\nn: 2\n---\nn: 3\nx: 5\n", "+x=parse 2*3", "+y=[parse n * 2, parse a]")
    assert [(values["x"], values["y"]) for values in found] == [(6, [4, 1]), (5, [6, 1])]


def test_an_override_may_name_a_module_or_repeat() -> None:
    """CR-02, CR-08, CR-11."""
    plan = read("{}\n---\nName: a\n", "+Repeat=3", "+YamlLog=here.yaml", "+RND_IDX=7")
    assert [planned.experiment["REP"] for planned in plan.experiments] == [0, 1, 2]
    assert plan.experiments[0].experiment["YamlLog"] == "here.yaml"
    assert plan.experiments[0].experiment["RND_IDX"] == 7


@pytest.mark.parametrize("argument", ["+a=1", "++a.b=1", "+a", "+Global.queue=q", "+_x=1"])
def test_an_override_begins_with_a_plus_and_a_name(argument: str) -> None:
    """CR-08."""
    assert is_override(argument)


@pytest.mark.parametrize("argument", ["+5", "+5=1", "+", "++", "+=1", "a=1", "--a=1", "+++a=1", "+ a=1"])
def test_anything_else_belongs_to_the_module(argument: str) -> None:
    """CR-06."""
    assert not is_override(argument)


def test_several_wrong_overrides_are_told_together() -> None:
    """CR-08."""
    assert len(problems("lr: 1\n---\nName: a\n", "+x", "+y=[", "+a..b=1", "+lr.x=1", "+Global.x=1")) == 5


def test_a_sweep_on_the_command_line_may_hold_distributions_in_braces() -> None:
    text = "{}\n---\nName: s\n"
    found = experiments(text, "+Sweep={random: {a: uniform(0, 1)}, n: 3}")
    assert len(found) == 3
    assert all(0 <= values["a"] <= 1 for values in found)
