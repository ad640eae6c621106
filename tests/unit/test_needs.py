"""Which experiments wait for which others: by ``After``, and by what ``solve`` asks of ``E``."""

from __future__ import annotations

import pytest

from coolrunner.definition.plan import Plan
from tests.definitions import place, pointed_at, problem, problems, read


def needs(plan: Plan) -> list[list[int]]:
    """Return, for each experiment, the places of those that it waits for."""
    places = {planned.id: planned.index for planned in plan.experiments}
    return [[places[identity] for identity in planned.needs] for planned in plan.experiments]


def needs_of(text: str, *overrides: str) -> list[list[int]]:
    return needs(read(text, *overrides))


def study(*documents: str, default: str = "{}") -> str:
    return "---\n".join(f"{document}\n" for document in (default, *documents))


# --- After -----------------------------------------------------------------------------------------


def test_an_experiment_waits_for_all_of_a_name_also_for_those_further_down() -> None:
    text = study("Name: a", "Name: b\nAfter: a", "Name: a", "Name: c\nAfter: [b, a]")
    assert needs_of(text) == [[], [0, 2], [], [1, 0, 2]]


def test_an_experiment_waits_for_all_copies_and_each_copy_waits() -> None:
    text = study("Name: a\nRepeat: 2", "Name: b\nRepeat: 2\nAfter: a")
    assert needs_of(text) == [[], [], [0, 1], [0, 1]]


def test_each_repetition_of_the_list_waits_for_its_own() -> None:
    text = study("Name: a", "Name: b\nAfter: a", default="Global: {repeat: 2}")
    plan = read(text)
    assert needs(plan) == [[], [0], [], [2]]
    assert [planned.first for planned in plan.experiments] == [0, 0, 2, 2]


def test_after_in_the_default_config_does_not_make_an_experiment_wait_for_its_own_name() -> None:
    text = study("Name: a\nRepeat: 2", "Name: b", "Name: c\nAfter: null", default="After: a")
    assert needs_of(text) == [[], [], [0, 1], []]


def test_a_number_as_a_name_is_waited_for() -> None:
    assert needs_of(study("Name: 3", "Name: b\nAfter: 3")) == [[], [0]]


def test_after_may_be_made_by_an_expression() -> None:
    text = study("Name: a1", "Name: a2", "Name: b\nAfter: \"parse [f'a{i}' for i in (1, 2)]\"")
    assert needs_of(text) == [[], [], [0, 1]]


def test_a_name_that_nobody_has_is_pointed_at_with_the_nearest() -> None:
    found = problem(study("Name: pretrain", "Name: b\nAfter: [pretrain, pretrian]"))
    assert found.message == "After: no experiment is named 'pretrian'"
    assert found.hint == "did you mean 'pretrain'?"
    assert place(found) == (6, 19)
    assert pointed_at(found) == "pretrian]"


def test_skipped_experiments_cannot_be_waited_for() -> None:
    found = problem(study("Name: skip", "Name: b\nAfter: skip"))
    assert found.message == "After: skip marks experiments that never run, so none can be waited for"


def test_a_circle_is_shown_with_its_names() -> None:
    found = problem(study("Name: a\nAfter: c", "Name: b\nAfter: a", "Name: c\nAfter: [b]"))
    assert found.message.endswith("so that none could start: a → c → b → a")
    assert place(found) == (4, 8)


def test_a_circle_through_e_is_found() -> None:
    found = problem(study("Name: a\nAfter: b", "Name: b\nx: solve E['a'].ACC"))
    assert found.message.endswith(": a → b → a")
    assert pointed_at(found) == "b"


def test_copies_that_wait_for_each_other_are_a_circle_that_is_told_once() -> None:
    text = study("Name: a\nRepeat: 3\nAfter: a", default="Global: {repeat: 2}")
    assert problem(text).message.endswith(": a → a")


def test_a_long_circle_is_cut() -> None:
    found = problem(study(*(f"Name: n{i}\nAfter: n{(i + 1) % 99}" for i in range(99))))
    assert found.message.endswith(": n0 → n1 → n2 → n3 → n4 → ... → n95 → n96 → n97 → n98 → n0")


def test_two_circles_are_both_told() -> None:
    found = problems(
        study("Name: a\nAfter: b", "Name: b\nAfter: a", "Name: c\nAfter: d", "Name: d\nAfter: c")
    )
    assert [str(each.message).rpartition(": ")[2] for each in found] == ["a → b → a", "c → d → c"]


def test_a_chain_of_many_is_no_circle_and_breaks_no_limit_of_python() -> None:
    count = 3000
    text = study("Name: n0", *(f"Name: n{i}\nAfter: n{i - 1}" for i in range(1, count)))
    assert needs_of(text)[1:] == [[i] for i in range(count - 1)]


def test_those_that_wait_for_the_same_names_share_what_they_need() -> None:
    """Otherwise the cost would be the product of both numbers."""
    plan = read(study("Name: a\nRepeat: 300", "Name: b\nRepeat: 300\nAfter: a"))
    assert len({id(planned.needs) for planned in plan.experiments[300:]}) == 1


def test_needs_stay_whole_where_only_some_experiments_are_picked() -> None:
    plan = read(study("Name: a", "Name: b\nAfter: a"), pick=["1"])
    assert needs(plan) == [[], [0]]


def test_an_expression_that_failed_is_not_told_again_by_those_that_wait() -> None:
    found = problem(study("Name: parse 1/0", "Name: b\nAfter: a"))
    assert "ZeroDivisionError" in found.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("true", "After is true; the name of an experiment, or a list of names, was expected"),
        ("[a, {b: 1}]", "After[1] is {'b': 1}; the name of an experiment"),
        ("[null]", "After[0] is null; the name of an experiment"),
        ("solve x", "After is 'solve x'; the name of an experiment"),
    ],
)
def test_after_holds_names(value: str, message: str) -> None:
    assert message in problem(study("Name: a", f"Name: b\nAfter: {value}")).message


# --- E in solve ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "needed"),
    [
        ("E['a'].ACC", [1]),
        ("E[-1].ACC + E[0].ACC", [2, 0]),
        ("E[ 'b' ]['ACC']", [2]),
        ("max(E['b'].ACC, 3) if E['a'].ACC else E[0].ACC", [2, 1, 0]),
        ("[E['b'].ACC for i in range(3)]", [2]),
        ("E[len(E) - 1].ACC", []),
        ("E[1:2]", []),
        ("[e.ACC for e in E]", []),
        ("torch.E['a']", []),
        ("'E[0]'", []),
        ("E[3].ACC if len(E) > 3 else 0", []),
        ("len(E) > 3 and E['x'].ACC", []),
    ],
)
def test_what_a_solve_value_asks_of_e_is_read_from_it(expression: str, needed: list[int]) -> None:
    text = study("Name: a", "Name: a", "Name: b", f'Name: c\nx: "solve {expression}"')
    assert sorted(needs_of(text)[3]) == sorted(needed)


def test_solve_is_found_in_mappings_and_lists() -> None:
    text = study("Name: a", "Name: b", "Name: c\nx: {y: [1, \"solve E['a'].ACC\"]}\nz: ['solve E[-1].ACC']")
    assert needs_of(text)[2] == [0, 1]


def test_solve_is_found_where_an_expression_made_it() -> None:
    text = study("Name: a", "Name: b\nx: parse \"solve E['a'].ACC\"")
    assert needs_of(text)[1] == [0]


def test_what_is_waited_for_twice_stands_once() -> None:
    text = study("Name: a", "Name: b\nAfter: a\nx: solve E['a'].ACC + E[0].ACC")
    assert needs_of(text) == [[], [0]]


def test_a_skipped_experiment_has_its_inputs_and_is_not_waited_for() -> None:
    assert needs_of(study("Name: skip\nlr: 1", "Name: b\nx: solve E[-1].lr")) == [[], []]


def test_a_key_of_that_name_is_not_the_history() -> None:
    assert needs_of(study("Name: b\nE: [1, 2]\nx: solve E[1]")) == [[]]
    assert needs_of(study("Name: b\nm: {E: [1, 2], x: 'solve E[1]'}")) == [[]]


def test_a_default_asks_for_each_experiment_by_itself() -> None:
    text = study("Name: a\nx: 1", "Name: b", "Name: c", default="x: solve E[-1].x")
    assert needs_of(text) == [[], [0], [1]]


def test_a_name_that_stands_further_down_is_told_with_its_line() -> None:
    found = problem(study("Name: a\nx: solve 1 + E['b'].ACC", "Name: b"))
    assert found.message == "in x of experiment 'a': no experiment before this one is named 'b'"
    assert found.hint == "'b' stands further down (line 6): move it above this experiment"
    assert pointed_at(found) == "E['b'].ACC"


def test_a_misspelt_name_is_told_with_the_nearest() -> None:
    found = problem(study("Name: pretrain", "Name: b\nx: [1, \"solve E['pretrian'].ACC\"]"))
    assert found.message.startswith("in x[1] of experiment 'b': no experiment before this one")
    assert found.hint == "did you mean 'pretrain'?"


def test_a_place_where_no_experiment_is_is_told() -> None:
    found = problem(study("Name: a", "Name: b\nx: solve E[-2].ACC"))
    assert found.message == "in x of experiment 'b': E[-2]: only 1 experiment comes before this one"
    first = problem(study("Name: a\nx: solve E[-1].ACC"))
    assert first.message.endswith("E[-1]: no experiments come before this one")


def test_after_waits_for_all_experiments_of_a_sweep_by_its_name() -> None:
    text = (
        "{}\n---\nName: s\nSweep: {grid: {a: [1, 2]}}\n---\nName: t\nAfter: s\n---\nName: u\nAfter: s a=2\n"
    )
    first, second, third, fourth = read(text).experiments
    assert third.needs == (first.id, second.id)
    assert fourth.needs == (second.id,)


def test_a_circle_through_a_sweep_is_an_error() -> None:
    text = "{}\n---\nName: s\nAfter: t\nSweep: {grid: {a: [1, 2]}}\n---\nName: t\nAfter: s\n"
    assert "wait for each other" in problems(text)[0].message
