"""Every example of the document that cool-runner came with, and exactly the result that it states."""

from __future__ import annotations

import pytest

from tests.definitions import experiment, experiments, place, pointed_at, problem, problems, read

MINIMAL = """\
Global:
  repeat: 2
  queue: null

Repeat: 1
Name: test
YamlLog: log.yaml
Module: timeit
"""


def test_the_minimal_experiment_is_read_as_it_says() -> None:
    """CR-01, CR-02, CR-11."""
    plan = read(MINIMAL + "---\nlr: 1\n---\nlr: 2\n")
    assert (plan.settings.repeat, plan.settings.queue) == (2, None)
    assert [planned.experiment["lr"] for planned in plan.experiments] == [1, 2, 1, 2]
    for planned in plan.experiments:
        values = planned.experiment
        assert [values[key] for key in ("Name", "Repeat", "YamlLog", "Module")] == [
            "test",
            1,
            "log.yaml",
            "timeit",
        ]
        assert "Global" not in values
        assert planned.runs


def test_experiments_have_priority_over_the_default_config() -> None:
    """CR-01."""
    found = experiments("lr: 1\nmodel: vgg\n---\nlr: 2\n---\nmodel: resnet\n")
    assert found == [{"lr": 2, "model": "vgg"}, {"model": "resnet", "lr": 1}]


def test_repeat_copies_one_experiment_and_global_repeat_the_whole_list() -> None:
    """CR-02: 1, 1, 2, 2 and 1, 2, 1, 2."""
    copied = experiments("Repeat: 2\n---\nlr: 1\n---\nlr: 2\n")
    assert [values["lr"] for values in copied] == [1, 1, 2, 2]
    repeated = experiments("Global: {repeat: 2}\n---\nlr: 1\n---\nlr: 2\n")
    assert [values["lr"] for values in repeated] == [1, 2, 1, 2]


def test_rep_counts_the_copies_from_zero() -> None:
    """CR-02."""
    plan = read("Repeat: 3\n---\nName: a\n---\nName: b\nRepeat: 2\n")
    assert [planned.experiment["REP"] for planned in plan.experiments] == [0, 1, 2, 0, 1]


def test_rnd_idx_can_be_set_by_hand() -> None:
    """CR-02."""
    plan = read("{}\n---\nName: a\nRND_IDX: 7\n---\nName: b\n")
    assert plan.experiments[0].experiment["RND_IDX"] == 7
    assert plan.experiments[1].experiment["RND_IDX"] >= 100_000


def test_a_skipped_experiment_is_not_run_and_can_be_used_in_expressions() -> None:
    """CR-05."""
    plan = read("{}\n---\nName: skip\nlr: 0.5\n---\nName: a\nlr: parse E[-1].lr / 2\n")
    assert [planned.runs for planned in plan.experiments] == [False, True]
    assert plan.experiments[1].experiment["lr"] == 0.25


def test_an_override_updates_the_default_config() -> None:
    """CR-08."""
    assert experiment("lr: 1\n---\nName: a\n", "+lr=2") == {"Name": "a", "lr": 2}


def test_the_override_of_the_document_names_the_queue() -> None:
    """CR-08: it reaches Global.queue and means what it looks like."""
    assert read("{}\n---\nName: a\n", "+Global.queue=queue.yaml").settings.queue == "queue.yaml"


# --- tricks ----------------------------------------------------------------------------------------


def test_trick_1_real_python_code_is_run_and_its_result_saved() -> None:
    """CR-09: with the backslash that Python wants doubled."""
    found = experiment(
        "{}\n---\nName: test\ndirectory: logs\nodd_name: parse '\\\\'.join([directory, Name])\n"
    )
    assert found["odd_name"] == "logs\\test"


def test_trick_1_as_it_is_printed_is_no_python_and_is_shown_with_its_place() -> None:
    """CR-09."""
    found = problem("{}\n---\nName: test\ndirectory: logs\nodd_name: parse '\\'.join([directory, Name])\n")
    assert place(found) == (5, 17)
    assert "odd_name: not a valid expression" in found.message


def test_trick_1_an_expression_sees_one_that_was_resolved_before_it() -> None:
    """CR-09."""
    found = experiment(
        "{}\n---\nName: test\ndirectory: parse Name + '-logs'\nodd_name: parse '/'.join([directory, Name])\n"
    )
    assert found["odd_name"] == "test-logs/test"


def test_trick_1_default_values_are_parsed_at_the_end() -> None:
    """CR-09."""
    assert experiment("path: parse Name + '/logs'\n---\nName: test\n")["path"] == "test/logs"


def test_trick_2_half_of_the_sparsity_of_the_experiment_before() -> None:
    """CR-09."""
    halved = "---\nsparsity: parse 0.5 * E[-1].sparsity\n"
    text = "{}\n---\nsparsity: 0.9\n" + 2 * halved
    assert [values["sparsity"] for values in experiments(text)] == [0.9, 0.45, 0.225]


def test_trick_3_values_of_nested_dictionaries_by_dot_or_by_index() -> None:
    """CR-09."""
    found = experiment("""\
{}
---
pruning_config:
   odd_config:
      sparsity: 0.5
---
sparsity: parse E[-1].pruning_config.odd_config.sparsity
pruning_config:
   sparsity: parse E[-1]['pruning_config']['odd_config']['sparsity']
""")
    assert found == {"sparsity": 0.5, "pruning_config": {"sparsity": 0.5}}


def test_trick_4_values_of_the_levels_around_and_the_deepest_wins() -> None:
    """CR-09: test: 2."""
    found = experiment("""\
{}
---
abc: 1
nested:
   abc: 2
   nested2:
      test: parse abc
""")
    assert found["nested"]["nested2"]["test"] == 2


def test_trick_5_a_directory_named_after_two_experiments() -> None:
    """CR-09: test2/test/VGG."""
    found = experiment("""\
{}
---
Name: test
---
model: VGG
Name: test2
directory: parse f"{Name}/{E[-1].Name}/{model}"
""")
    assert found["directory"] == "test2/test/VGG"


def test_trick_5_items_of_lists_in_this_experiment_and_the_one_before() -> None:
    """CR-09: number2 is 2, number3 is 3."""
    found = experiment("""\
{}
---
list: [1, 2, 3]
---
list: [2, 3, 4]
number2: parse list[0]
number3: parse E[-1].list[2]
""")
    assert (found["number2"], found["number3"]) == (2, 3)


def test_trick_5_a_nested_value_incremented() -> None:
    """CR-09: incremented is 2."""
    found = experiment("""\
{}
---
nested:
   test: 1

incremented: parse nested.test + 1
""")
    assert found["incremented"] == 2


def test_trick_5_an_expression_in_the_default_config_is_resolved_at_the_end() -> None:
    """CR-09: test3: 4, test1: 3."""
    found = experiment("""\
# DEFAULT CONFIG
test1: parse test3 - 1
---
test2: 5
test3: parse test2 - 1
""")
    assert (found["test3"], found["test1"]) == (4, 3)


# --- the two that have to fail -----------------------------------------------------------------------


def test_a_name_that_stands_further_down_is_an_error_that_says_so_and_how_to_mend_it() -> None:
    """CR-09: test2 is unknown, because of the wrong order."""
    found = problem("{}\n---\ntest3: parse test2 - 1\ntest2: 5\n")
    assert place(found) == (3, 14)
    assert pointed_at(found) == "test2 - 1"
    assert "test2 stands further down (line 4)" in found.message
    assert "move it above this line" in found.hint


def test_a_name_only_in_the_default_config_is_an_error_that_says_so_and_how_to_mend_it() -> None:
    """CR-09: test1 is unknown, because the default config cannot be referred to."""
    found = problem("# DEFAULT CONFIG\ntest1: 1\n---\ntest2: parse test1\n")
    assert place(found) == (4, 14)
    assert "test1 stands only in the default config (line 2)" in found.message
    assert "repeat test1 in this experiment, above this line" in found.hint


def test_both_mistakes_are_told_in_one_go() -> None:
    """CR-09."""
    found = problems(
        "# DEFAULT CONFIG\ntest1: 1\n---\ntest3: parse test2 - 1\ntest2: 5\ntest4: parse test1\n"
    )
    assert [place(each) for each in found] == [(4, 14), (6, 14)]


def test_a_default_value_redefined_in_the_experiment_can_be_referred_to() -> None:
    """CR-09: what the document advises."""
    assert experiment("test1: 1\n---\ntest1: 1\ntest2: parse test1\n")["test2"] == 1


# --- conventions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["parameter", "PARAMETER", "_parameter", "Parameter"])
def test_every_convention_of_names_may_be_used(name: str) -> None:
    """CR-10: conventions are no requirement."""
    assert experiment(f"{{}}\n---\n{name}: 1\nuse: parse {name}\n")["use"] == 1
