"""What an earlier run has done already: which experiments are the same, and the numbers drawn for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from coolrunner.definition.plan import Plan
from coolrunner.studies.resuming import HOW, Known, Match, match
from tests import definitions

STUDY = """\
lr: 0.1
---
Name: a
---
Name: b
lr: 0.2
"""


def known_of(plan: Plan) -> list[Known]:
    """Return the experiments of a plan as a queue knows them."""
    return [Known(planned.id, dict(planned.experiment.inputs)) for planned in plan.experiments]


def match_text(text: str, known: Sequence[Known], *overrides: str) -> Match:
    def read(draws: Mapping[tuple[int, int], int] | None) -> Plan:
        return definitions.read(text, *overrides, draws=draws)

    return match(read, known)


def again(before: str, after: str | None = None) -> tuple[Plan, Match]:
    """Run a definition, then resume it as it is `after`."""
    plan = definitions.read(before)
    return plan, match_text(before if after is None else after, known_of(plan))


def missing(found: Match) -> list[str]:
    """Return the names of those that no known experiment equals."""
    return [planned.name for planned in found.plan.experiments if planned.id not in found.known]


def column(plan: Plan, key: str) -> list[Any]:
    return [planned.experiment.inputs.get(key) for planned in plan.experiments]


# --- what is the same ------------------------------------------------------------------------------


def test_the_same_definition_lacks_nothing() -> None:
    plan, found = again(STUDY)
    assert missing(found) == []
    equals = [found.known[planned.id].id for planned in found.plan.experiments]
    assert equals == [planned.id for planned in plan.experiments]


def test_without_an_earlier_run_all_of_it_is_missing() -> None:
    assert missing(match_text(STUDY, [])) == ["a", "b"]


def test_a_new_experiment_is_missing_wherever_it_stands() -> None:
    _, found = again(STUDY, STUDY.replace("---\nName: b", "---\nName: new\n---\nName: b"))
    assert missing(found) == ["new"]


def test_what_is_no_more_in_the_definition_is_nobody_s_equal() -> None:
    plan, found = again(STUDY, STUDY.replace("---\nName: a\n", ""))
    assert [one.id for one in found.known.values()] == [plan.experiments[1].id]


@pytest.mark.parametrize("value", ["0.3", "'0.2'", "[0.2]", "null", "true"])
def test_another_value_is_another_experiment(value: str) -> None:
    _, found = again(STUDY, STUDY.replace("lr: 0.2", f"lr: {value}"))
    assert missing(found) == ["b"]


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1", "true"), ("0", "false"), ("1", "'1'")])
def test_values_of_another_type_are_other_values(one: str, other: str) -> None:
    _, found = again(f"x: {one}\n---\nName: a\n", f"x: {other}\n---\nName: a\n")
    assert missing(found) == ["a"]


def test_another_default_is_another_value() -> None:
    _, found = again(STUDY, STUDY.replace("lr: 0.1", "lr: 0.5"))
    assert missing(found) == ["a"]


@pytest.mark.parametrize("changed", ["a: 1\nName: a\n", "Name: a\na: 1\nb: null\n"])
def test_a_key_more_or_less_is_another_experiment(changed: str) -> None:
    _, found = again("_x: 0\n---\nName: a\nb: null\n", f"_x: 0\n---\n{changed}")
    assert missing(found) == ["a"]


def test_the_order_of_keys_does_not_matter() -> None:
    _, found = again("_x: 0\n---\nName: a\nx: {p: 1, q: 2}\n", "_x: 0\n---\nx: {q: 2, p: 1}\nName: a\n")
    assert missing(found) == []


HOW_TO_RUN = {
    "After": "b",
    "Hold": "true",
    "Priority": "3",
    "Resources": "{cpus: 1}",
    "Retries": "2",
    "Timeout": "1h",
    "YamlLog": "elsewhere.yaml",
}


def test_all_keys_that_say_only_how_are_tried_here() -> None:
    assert set(HOW_TO_RUN) | {"Repeat"} == HOW


@pytest.mark.parametrize("key", HOW_TO_RUN)
def test_how_an_experiment_is_run_is_not_what_it_is(key: str) -> None:
    _, found = again(STUDY, STUDY.replace("Name: a\n", f"Name: a\n{key}: {HOW_TO_RUN[key]}\n"))
    assert missing(found) == []


def test_a_record_in_a_log_may_hold_results_as_well() -> None:
    plan = definitions.read(STUDY)
    known = [
        Known(planned.id, {**planned.experiment.inputs, "ACC": 0.9, "ID": planned.id}, alone=False)
        for planned in plan.experiments
    ]
    assert missing(match_text(STUDY, known)) == []
    assert missing(match_text(STUDY.replace("lr: 0.2", "lr: 0.3"), known)) == ["b"]


def test_an_expression_is_known_by_its_value_and_solve_by_its_text() -> None:
    study = "_x: 0\n---\nName: a\nx: parse 1 + 1\ny: solve math.sin\n"
    _, found = again(study, study.replace("parse 1 + 1", "2"))
    assert missing(found) == []
    _, found = again(study, study.replace("sin", "cos"))
    assert missing(found) == ["a"]


# --- repeats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after", "count"), [(2, 5, 3), (5, 2, 0), (3, 3, 0)])
def test_repeats_are_counted(before: int, after: int, count: int) -> None:
    study = "_x: 0\n---\nName: a\nRepeat: COUNT\n"
    _, found = again(study.replace("COUNT", str(before)), study.replace("COUNT", str(after)))
    assert len(missing(found)) == count


@pytest.mark.parametrize(("before", "after", "count"), [(1, 3, 4), (3, 1, 0)])
def test_repetitions_of_the_whole_list_are_counted(before: int, after: int, count: int) -> None:
    study = "Global: {repeat: COUNT}\n---\nName: a\n---\nName: b\n"
    _, found = again(study.replace("COUNT", str(before)), study.replace("COUNT", str(after)))
    assert len(missing(found)) == count


def test_each_known_one_stands_for_one() -> None:
    _, found = again("_x: 0\n---\nName: a\n", "_x: 0\n---\nName: a\n---\nName: a\n---\nName: a\n")
    assert len(missing(found)) == 2
    assert len(found.known) == 1


# --- numbers that were drawn -----------------------------------------------------------------------

DRAWN = """\
seed: parse RND_IDX % 1000
---
Name: a
Repeat: 2
---
Name: b
both: parse [E[0].RND_IDX, E[-1].seed]
---
Name: c
RND_IDX: 4242
"""


def test_the_numbers_of_the_earlier_run_are_used_again() -> None:
    plan, found = again(DRAWN)
    assert missing(found) == []
    for key in ("RND_IDX", "seed", "both"):
        assert column(found.plan, key) == column(plan, key)


def test_a_new_experiment_sees_the_numbers_of_the_earlier_run() -> None:
    plan, found = again(DRAWN, DRAWN + "---\nName: d\nx: parse E['a'].RND_IDX\n")
    assert missing(found) == ["d"]
    assert (
        found.plan.experiments[-1].experiment.inputs["x"] == plan.experiments[0].experiment.inputs["RND_IDX"]
    )
    numbers = column(found.plan, "RND_IDX")
    assert len(set(numbers)) == 4


def test_the_numbers_of_repetitions_are_kept_apart() -> None:
    study = "Global: {repeat: 3}\n---\nName: a\nx: parse RND_IDX + 1\n"
    plan, found = again(study)
    assert missing(found) == []
    assert column(found.plan, "x") == column(plan, "x")


def test_copies_of_one_document_keep_their_common_number() -> None:
    study = "_x: 0\n---\nName: a\nRepeat: 2\nx: parse RND_IDX\n---\nName: a\nRepeat: 2\nx: parse RND_IDX\n"
    plan, found = again(study)
    assert missing(found) == []
    numbers = column(found.plan, "RND_IDX")
    assert numbers == column(plan, "RND_IDX")
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]


def test_what_was_set_by_hand_is_part_of_what_an_experiment_is() -> None:
    _, found = again(DRAWN, DRAWN.replace("4242", "4243"))
    assert missing(found) == ["c"]


def test_random_values_do_not_make_another_experiment() -> None:
    """What differs from one reading to the next cannot tell two experiments apart."""
    study = "Global: {imports: [random]}\n---\nName: a\nx: parse random.random()\n"
    _, found = again(study)
    assert missing(found) == []


def test_it_is_linear_in_the_study() -> None:
    """No timing: a quadratic search would compare a hundred million pairs here."""
    study = "_x: 0\n---\nName: a\nRepeat: 10000\nx: parse RND_IDX + REP\n"
    _, found = again(study)
    assert missing(found) == []
