"""What a definition means: each rule of the design, once."""

from __future__ import annotations

import copy
import socket
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.expressions import Expression, compile_expression
from coolrunner.definition.settings import Settings
from coolrunner.errors import ReadOnlyError
from tests.definitions import ADDED, experiment, experiments, place, problem, problems, read

# --- documents and defaults --------------------------------------------------------------------------


def test_global_reaches_no_experiment() -> None:
    """CR-01."""
    plan = read("Global: {repeat: 2}\nlr: 1\n---\nName: a\n")
    assert all("Global" not in planned.experiment for planned in plan.experiments)


def test_a_missing_global_and_missing_keys_in_it_have_defaults() -> None:
    """CR-01: null stands for the default as well."""
    assert read("lr: 1\n---\nName: a\n").settings.repeat == 1
    assert read("Global: {merge: deep}\n---\nName: a\n").settings.repeat == 1
    empty = read("Global:\n---\nName: a\n").settings
    nulls = read("Global: {repeat: null, queue: null, slack: null, imports: null}\n---\nName: a\n").settings
    for name in Settings.__dataclass_fields__:
        if name != "imports":
            assert getattr(empty, name) == getattr(nulls, name) == getattr(Settings(), name)


def test_a_missing_module_is_an_error() -> None:
    """CR-11."""
    found = problem("lr: 1\n---\nName: a\n", module=None)
    assert found.message == "no experiment has a Module"
    assert place(found) == (1, 1)


def test_a_run_takes_the_place_of_a_module() -> None:
    """CR-11."""
    plan = read("{}\n---\nName: a\nRun: solve timeit.main\n", module=None)
    assert plan.experiments[0].experiment["Run"] == "solve timeit.main"


def test_an_experiment_that_never_runs_needs_no_module() -> None:
    """CR-05."""
    plan = read("{}\n---\nName: skip\n---\nlr: 1\n", module=None)
    assert [planned.runs for planned in plan.experiments] == [False, False]


def test_a_missing_yamllog_is_log_yaml() -> None:
    """CR-14."""
    assert read("{}\n---\nName: a\n").experiments[0].experiment["YamlLog"] == "log.yaml"


def test_a_missing_name_means_skip() -> None:
    """CR-05."""
    plan = read("{}\n---\nlr: 1\n---\nName:\nlr: 2\n---\nName: a\n")
    assert [(planned.runs, planned.name) for planned in plan.experiments] == [
        (False, "skip"),
        (False, "skip"),
        (True, "a"),
    ]


def test_a_study_in_which_nothing_will_run_is_warned_of() -> None:
    """CR-05: a `name` that should have been a `Name` is seen."""
    (warning,) = read("{}\n---\nname: a\n").warnings
    assert "no experiment will run" in warning.message
    assert warning.hint == "did you mean Name in place of name?"


def test_own_keys_come_in_their_own_order_and_then_the_default_keys() -> None:
    """CR-01."""
    plan = read("z: 1\na: 2\nm: 3\n---\nm: 4\nName: x\nb: 5\n")
    keys = [key for key in plan.experiments[0].experiment if key not in ADDED]
    assert keys == ["m", "Name", "b", "z", "a"]


def test_a_nested_mapping_replaces_that_of_the_default() -> None:
    """CR-01."""
    assert experiment("opt: {name: sgd, lr: 1}\n---\nopt: {lr: 2}\n") == {"opt": {"lr": 2}}


def test_merge_deep_merges_nested_mappings_at_every_depth() -> None:
    """CR-01."""
    found = experiment(
        "Global: {merge: deep}\nopt: {name: sgd, lr: 1, more: {a: 1, b: 2}}\nl: [1]\n"
        "---\nopt: {lr: 2, more: {b: 3}}\nl: [2]\n"
    )
    assert found == {"opt": {"lr": 2, "more": {"b": 3, "a": 1}, "name": "sgd"}, "l": [2]}


def test_merge_deep_evaluates_a_defaults_expression_in_the_merged_mapping() -> None:
    """CR-01, CR-09."""
    text = (
        "Global: {merge: deep}\nopt: {twice: parse 2 * lr}\n---\nopt: {lr: 2}\n---\nopt: {lr: 3, twice: 0}\n"
    )
    assert [values["opt"] for values in experiments(text)] == [{"lr": 2, "twice": 4}, {"lr": 3, "twice": 0}]


def test_merge_deep_leaves_the_defaults_of_other_experiments_alone() -> None:
    """CR-01."""
    text = "Global: {merge: deep}\nopt: {lr: 1}\n---\nopt: {x: 1}\n---\nopt: {y: 1}\n---\nName: a\n"
    assert [values["opt"] for values in experiments(text)] == [
        {"x": 1, "lr": 1},
        {"y": 1, "lr": 1},
        {"lr": 1},
    ]


def test_an_empty_first_document_means_no_defaults() -> None:
    """CR-01."""
    assert experiments("---\n---\nName: a\n") == [{"Name": "a"}]
    assert experiments("# nothing\n---\nName: a\n---\nName: b\n")[0] == {"Name": "b"}, (
        "the first is the default"
    )


# --- repeats -----------------------------------------------------------------------------------------


@given(
    default=st.integers(0, 3),
    repeats=st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=1, max_size=5),
    whole=st.integers(0, 3),
)
def test_every_experiment_comes_as_often_as_its_repeat_and_the_list_as_often_as_global_repeat(
    default: int, repeats: list[int | None], whole: int
) -> None:
    """CR-02: counts, order, REP, and RND_IDX shared by copies and by nothing else."""
    documents = [
        f"doc: {number}\n" + ("" if repeat is None else f"Repeat: {repeat}\n")
        for number, repeat in enumerate(repeats)
    ]
    text = f"Global: {{repeat: {whole}}}\nRepeat: {default}\n---\n" + "---\n".join(documents)
    plan = read(text)
    expected = [
        (repetition, number, rep)
        for repetition in range(whole)
        for number, repeat in enumerate(repeats)
        for rep in range(default if repeat is None else repeat)
    ]
    values = [planned.experiment for planned in plan.experiments]
    assert [(value["doc"], value["REP"]) for value in values] == [(doc, rep) for _, doc, rep in expected]
    drawn: dict[tuple[int, int], set[int]] = {}
    for (repetition, number, _), value in zip(expected, values, strict=True):
        drawn.setdefault((repetition, number), set()).add(value["RND_IDX"])
    assert all(len(numbers) == 1 for numbers in drawn.values()), "copies share one"
    counts = Counter(number for numbers in drawn.values() for number in numbers)
    assert all(count == 1 for count in counts.values()), "nothing else does"
    assert all(number >= 100_000 for number in counts)
    assert [planned.index for planned in plan.experiments] == list(range(len(expected)))


def test_a_number_set_by_hand_is_kept_by_copies_and_repetitions_and_drawn_for_none() -> None:
    """CR-02."""
    plan = read("Global: {repeat: 2}\n---\nRND_IDX: 123456\nRepeat: 2\n" + "---\nlr: 1\n" * 50)
    numbers = [planned.experiment["RND_IDX"] for planned in plan.experiments]
    assert numbers.count(123456) == 4
    assert len(set(numbers)) == 101


def test_a_number_set_by_hand_may_stand_in_the_default_config_or_be_an_expression() -> None:
    """CR-02."""
    plan = read("RND_IDX: 5\n---\nlr: 1\n---\nRND_IDX: parse 10 + REP\nRepeat: 2\n")
    assert [planned.experiment["RND_IDX"] for planned in plan.experiments] == [5, 10, 11]


def test_copies_are_made_before_parsing_and_count_in_the_history() -> None:
    """CR-02, CR-09."""
    found = experiments("{}\n---\nRepeat: 3\nn: parse len(E)\nlast: parse E[-1].n if E else None\n")
    assert [(values["n"], values["last"]) for values in found] == [(0, None), (1, 0), (2, 1)]


def test_each_repetition_of_the_list_has_a_history_of_its_own() -> None:
    """CR-02."""
    found = experiments("Global: {repeat: 2}\n---\nn: parse len(E)\n---\nn: parse len(E)\n")
    assert [values["n"] for values in found] == [0, 1, 0, 1]


def test_each_repetition_is_evaluated_afresh() -> None:
    """CR-02."""
    found = experiments("Global: {repeat: 3}\n---\nx: parse RND_IDX\n")
    assert len({values["x"] for values in found}) == 3


def test_pick_counts_the_final_list_and_leaves_the_history_whole() -> None:
    """CR-07."""
    text = "Global: {repeat: 2}\n---\nName: skip\nlr: 8\n---\nName: a\nRepeat: 2\nlr: parse E[-1].lr / 2\n"
    plan = read(text, pick=["2", "3"])
    assert [(planned.index, planned.name) for planned in plan.chosen] == [(2, "a"), (3, "skip")]
    assert plan.chosen[0].experiment["lr"] == 2
    assert len(plan.experiments) == 6


def test_every_experiment_has_an_identity_of_its_own() -> None:
    """CR-02: RND_IDX may be set by hand, so it is none."""
    plan = read("Global: {repeat: 2}\n---\nRND_IDX: 1\nRepeat: 100\n")
    identities = [planned.id for planned in plan.experiments]
    assert len(set(identities)) == 200
    assert all(len(identity) == 8 and identity.isalnum() and identity[0].isalpha() for identity in identities)


# --- what an expression gives ------------------------------------------------------------------------


def test_expressions_stand_in_values_in_lists_and_in_mappings_at_any_depth() -> None:
    """CR-09."""
    found = experiment(
        "{}\n---\na: [parse 1 + 1, [parse 2 + 2, {b: parse 3 + 3}]]\nc: {d: {e: parse 4 + 4}}\n"
    )
    assert found == {"a": [2, [4, {"b": 6}]], "c": {"d": {"e": 8}}}


def test_only_a_value_that_begins_with_parse_and_a_space_is_an_expression() -> None:
    """CR-09."""
    found = experiment("{}\n---\na: parse\nb: parser 1\nc: ' parse 1'\nd: Parse 1\nparse 1: e\n")
    assert found == {"a": "parse", "b": "parser 1", "c": " parse 1", "d": "Parse 1", "parse 1": "e"}


def test_expressions_are_evaluated_from_top_to_bottom() -> None:
    """CR-09."""
    found = experiment("{}\n---\na: parse 1\nb: parse a + 1\nc: [parse a + b, parse b + b]\nd: parse c[1]\n")
    assert found == {"a": 1, "b": 2, "c": [3, 4], "d": 4}


def test_the_value_of_an_expression_is_plain_data() -> None:
    """CR-09: tuples become lists."""
    found = experiment("{}\n---\na: 'parse (1, (2, 3), {4: (5,)})'\nb: parse a\n")
    assert found["a"] == found["b"] == [1, [2, 3], {4: [5]}]


def test_numpy_in_an_expression_becomes_numbers_and_lists() -> None:
    """CR-09."""
    pytest.importorskip("numpy", reason="numpy converts only where it is installed")
    found = experiment(
        "Global: {imports: [numpy as np]}\n---\n"
        "a: parse np.linspace(0, 1, 3)\nb: parse np.float32(0.5)\nc: parse np.arange(4).reshape(2, 2)\n"
        "d: parse np.int64(3)\ne: parse np.bool_(True)\n"
    )
    assert found == {"a": [0.0, 0.5, 1.0], "b": 0.5, "c": [[0, 1], [2, 3]], "d": 3, "e": True}
    assert [type(found[key]) for key in "bde"] == [float, int, bool]


def test_what_an_expression_gives_is_not_looked_at_again() -> None:
    """CR-09."""
    assert experiment("{}\n---\na: parse 'parse 1 + 1'\nb: parse a\n") == {
        "a": "parse 1 + 1",
        "b": "parse 1 + 1",
    }


def test_an_expression_may_go_over_several_lines() -> None:
    """CR-09: YAML folds them or keeps them."""
    found = experiment("{}\n---\na: parse 1 +\n  2\nb: |\n  parse [1,\n    2]\nc: |\n  parse 1 +\n    2\n")
    assert found == {"a": 3, "b": [1, 2], "c": 3}


# --- what an expression sees -------------------------------------------------------------------------


def test_rep_rnd_idx_and_host_are_in_scope() -> None:
    """CR-02, CR-09."""
    plan = read("{}\n---\nRepeat: 2\na: parse [REP, RND_IDX, HOST]\n")
    for rep, planned in enumerate(plan.experiments):
        assert planned.experiment["a"] == [rep, planned.experiment["RND_IDX"], socket.gethostname()]


def test_keys_at_the_own_level_and_at_every_level_around_are_in_scope_and_the_nearest_wins() -> None:
    """CR-09."""
    found = experiment("""\
{}
---
a: 1
b: 1
c: 1
outer:
  b: 2
  c: 2
  inner: {c: 3, all: 'parse [a, b, c]'}
  items: [{c: 4, all: 'parse [a, b, c]'}, 'parse [a, b, c]']
after: parse [a, b, c]
""")
    assert found["outer"]["inner"]["all"] == [1, 2, 3]
    assert found["outer"]["items"] == [{"c": 4, "all": [1, 2, 4]}, [1, 2, 2]]
    assert found["after"] == [1, 1, 1]


def test_a_key_of_an_outer_level_is_in_scope_though_one_of_its_name_follows_at_the_own_level() -> None:
    """CR-09: what is settled already counts."""
    assert experiment("{}\n---\na: 1\nn: {b: parse a, a: 2}\n")["n"]["b"] == 1


def test_nested_values_are_reached_by_attribute_or_by_index() -> None:
    """CR-09."""
    found = experiment("{}\n---\nm: {n: {l: [{k: 5}]}}\na: parse m.n.l[0].k\nb: parse m['n']['l'][0]['k']\n")
    assert (found["a"], found["b"]) == (5, 5)


def test_the_history_is_reached_by_place_and_by_name_and_can_be_walked_through() -> None:
    """CR-09: the nearest before of that name."""
    found = experiment("""\
{}
---
Name: a
n: 1
---
Name: b
n: 2
---
Name: a
n: 3
---
Name: c
n: 4
last: parse E[-1].n
first: parse E[0].n
named: parse E['a'].n
all: parse [exp.n for exp in E]
many: parse len(E)
some: parse [exp['n'] for exp in E[1:]]
there: parse ['b' in E, 'c' in E]
""")
    keys = ("last", "first", "named", "all", "many", "some", "there")
    assert [found[key] for key in keys] == [3, 1, 3, [1, 2, 3], 3, [2, 3], [True, False]]


def test_skipped_experiments_are_found_by_the_name_skip_and_numbers_by_their_text() -> None:
    """CR-05, CR-09."""
    found = experiment("{}\n---\nn: 1\n---\nName: 18\nn: 2\n---\na: parse E['skip'].n\nb: parse E['18'].n\n")
    assert (found["a"], found["b"]) == (1, 2)


def test_builtins_math_and_imports_are_in_scope() -> None:
    """CR-09."""
    found = experiment(
        "Global: {imports: [random, json, os.path, collections.abc, collections, fractions as fr]}\n---\n"
        "a: parse sorted([3, 1])\nb: parse math.floor(2.5)\nc: parse json.dumps([1])\n"
        "d: parse os.path.join('a', 'b')\ne: parse float(fr.Fraction(1, 2))\n"
        "f: parse random.Random(1).random() < 1\ng: parse issubclass(list, collections.abc.Sequence)\n"
    )
    assert list(found.values()) == [[1, 3], 2, "[1]", "a/b", 0.5, True, True]


def test_imports_of_two_modules_of_one_package_are_both_there() -> None:
    """CR-09."""
    text = "Global: {imports: [xml.dom, xml.sax]}\n---\na: parse xml.sax.__name__ + xml.dom.__name__\n"
    assert experiment(text)["a"] == "xml.saxxml.dom"


def test_a_key_of_the_experiment_wins_over_a_builtin_an_import_and_the_history() -> None:
    """CR-09."""
    found = experiment("{}\n---\nmax: 1\nmath: 2\nE: 3\na: parse [max, math, E]\n")
    assert found["a"] == [1, 2, 3]


@pytest.mark.parametrize("name", ["max", "math", "E", "RND_IDX"])
def test_a_name_further_down_is_an_error_though_something_else_has_that_name(name: str) -> None:
    """CR-09."""
    found = problem(f"{{}}\n---\nName: a\nuse: parse {name}\n{name}: 5\n")
    assert place(found) == (4, 12)
    assert f"{name} stands further down (line 5)" in found.message


def test_a_name_in_the_default_config_alone_is_an_error_though_a_builtin_has_that_name() -> None:
    """CR-09."""
    found = problem("max: 1\n---\nName: a\nuse: parse max\n")
    assert "max stands only in the default config (line 1)" in found.message


def test_a_name_in_the_default_config_of_a_merged_mapping_is_an_error_that_says_so() -> None:
    """CR-09."""
    found = problem("Global: {merge: deep}\nopt:\n  lr: 1\n---\nName: a\nopt:\n  wd: parse lr\n")
    assert place(found) == (7, 13)
    assert "lr stands only in the default config (line 3)" in found.message


def test_names_inside_an_expression_are_its_own() -> None:
    """CR-09: comprehensions, lambdas and := bind names, whatever stands further down."""
    found = experiment("""\
{}
---
a: parse [x * y for x in range(3) for y in [x + 1] if (z := x) or z == 0]
b: "parse (lambda x, *y, z=2, **k: x + z)(1)"
c: parse (x := 5) + x
d: "parse {x: y for x, y in [(1, 2)]}"
e: "parse [(lambda: x + q)() for x in [1] for q in [2]]"
f: parse sum(x for x in [1, 2])
x: 100
y: 100
z: 100
q: 100
k: 100
""")
    assert [found[key] for key in "abcdef"] == [[0, 2, 6], 3, 10, {1: 2}, [3], 3]


def test_a_name_that_is_used_before_it_is_bound_inside_is_taken_from_outside() -> None:
    """CR-09."""
    found = experiment("{}\n---\nx: [1, 2]\na: parse [x for x in x]\nb: 'parse (x := x + [3])'\n")
    assert (found["a"], found["b"]) == ([1, 2], [1, 2, 3])


def test_defaults_come_last_and_see_the_keys_of_the_experiment_and_the_defaults_above() -> None:
    """CR-09."""
    found = experiments("a: parse x + 1\nb: parse a + x\n---\nx: 1\n---\nx: 2\na: 10\n")
    assert [(values["a"], values["b"]) for values in found] == [(2, 3), (10, 12)]


def test_a_default_that_an_experiment_has_itself_is_not_evaluated() -> None:
    """CR-09."""
    assert experiment("a: parse 1 / 0\n---\na: 1\n") == {"a": 1}


# --- solve, skip, names ------------------------------------------------------------------------------


def test_a_solve_value_is_kept_as_its_text() -> None:
    """CR-12: it is resolved right before the run."""
    plan = read("{}\n---\na: solve torch.optim.Adam\nb: [solve 1 / 0]\nc: parse a\n")
    values = plan.experiments[0].experiment
    assert values["a"] == values["c"] == "solve torch.optim.Adam"
    assert values["b"] == ["solve 1 / 0"]
    assert not plan.needs_past


def test_a_solve_value_that_mentions_the_history_makes_results_be_kept() -> None:
    """CR-12."""
    assert read("{}\n---\nName: a\n---\nb: {c: [\"solve E['a'].ACC\"]}\n").needs_past


def test_the_names_that_expressions_mention_have_done_their_part() -> None:
    """CR-13: a key that only an expression uses is not reported as never read."""
    plan = read("d: parse width\n---\nwidth: 1\ndepth: 2\na: [{b: parse width * depth}]\nc: solve height\n")
    assert plan.used >= {"width", "depth", "height"}


def test_numbers_without_a_dot_are_floats_and_a_quoted_one_is_a_text() -> None:
    """CR-09."""
    found = experiment("{}\n---\na: 1e-3\nb: '1e-3'\nc: 1E5\nd: -2e+3\ne: 1.5e3\nf: 0x10\ng: 1_000\n")
    assert found == {"a": 0.001, "b": "1e-3", "c": 1e5, "d": -2000.0, "e": 1500.0, "f": 16, "g": 1000}


def test_nested_mappings_and_lists_are_read_only() -> None:
    """CR-13: those with expressions in them as well."""
    text = "{}\n---\na: {b: [1]}\nc: {d: [parse 1], e: parse dict(f=1)}\ng: parse [1]\n"
    values = read(text).experiments[0].experiment
    for change in (
        lambda: values["a"].update(b=1),
        lambda: values["a"]["b"].append(1),
        lambda: values["c"].pop("d"),
        lambda: values["c"]["d"].append(1),
        lambda: values["c"]["e"].clear(),
        lambda: values["g"].append(1),
    ):
        with pytest.raises(ReadOnlyError):
            change()


@pytest.mark.parametrize(
    "key", ["Repat", "Repaet", "Repeats", "Modul", "Mobule", "YamlLgo", "Yamllog", "Timout"]
)
def test_a_capitalised_key_one_letter_away_from_the_runners_own_is_an_error(key: str) -> None:
    """CR-10."""
    found = problem(f"{{}}\n---\nName: a\n{key}: 5\n")
    assert f"{key} is no parameter of the runner; did you mean " in found.message
    assert place(found) == (4, 1)


@pytest.mark.parametrize("key", ["Rum", "Runs", "Nam", "Nmae", "Game"])
def test_one_letter_away_from_a_short_name_is_a_warning(key: str) -> None:
    """CR-10."""
    (warning,) = read(f"{{}}\n---\nName: a\n{key}: 5\n").warnings
    assert f"{key} is no parameter of the runner; did you mean " in warning.message
    assert warning.position is not None and warning.position.line == 4


@pytest.mark.parametrize("key", ["repeat", "yamllog", "timeout", "global"])
def test_a_parameter_of_the_runner_in_lower_case_is_warned_of(key: str) -> None:
    """CR-10: it goes to the Module."""
    (warning,) = read(f"{{}}\n---\nName: a\n{key}: 5\n").warnings
    assert f"{key} goes to the Module; the runner's own is " in warning.message
    assert place(warning) == (4, 1)


@pytest.mark.parametrize("key", ["repat", "REPAT", "Batch", "Reported", "module", "_Repat"])
def test_other_keys_are_nobodys_business(key: str) -> None:
    """CR-10."""
    assert not read(f"{{}}\n---\nName: a\n{key}: 5\n").warnings


@pytest.mark.parametrize("key", ["get", "keys", "items", "run", "slot", "values", "update"])
def test_a_key_that_is_a_method_of_an_experiment_is_warned_of(key: str) -> None:
    """CR-13."""
    plan = read(f"{{}}\n---\nName: a\n{key}: 5\n---\nName: b\n{key}: 5\n")
    (warning,) = plan.warnings
    assert f"this key is reached as exp['{key}']" in warning.message
    assert plan.experiments[0].experiment[key] == 5


def test_without_code_every_expression_is_refused_with_its_place() -> None:
    """CR-09, CR-12."""
    default = "Global: {slack: {channel: '#x', message: exp.ACC}}\na: parse 1\n"
    found = problems(f"{default}---\nb: [solve x, parse 2]\nc: text\n", code=False)
    assert [place(each) for each in found] == [(1, 42), (2, 4), (4, 5), (4, 14)]
    assert all("refused by --no-code" in each.message for each in found)


def test_without_code_an_override_is_refused_as_well() -> None:
    """CR-08, CR-09."""
    found = problem("a: 1\n---\nName: b\n", "+x=[parse 2 * 3]", code=False)
    assert (place(found), found.line) == ((0, 5), "+x=[parse 2 * 3]")


def test_without_code_a_definition_without_expressions_is_read() -> None:
    """CR-09."""
    assert len(read("a: 1\n---\nName: b\n", code=False).experiments) == 1


# --- cost --------------------------------------------------------------------------------------------


def test_an_expression_is_compiled_once() -> None:
    """CR-09."""
    first = compile_expression("width * 2 + 17")
    assert compile_expression("width * 2 + 17") is first
    assert isinstance(first, Expression)
    before = compile_expression.cache_info().misses
    read("{}\n---\nRepeat: 50\nwidth: 1\na: parse width * 2 + 17\n")
    assert compile_expression.cache_info().misses == before


def test_what_holds_no_expression_is_shared_by_all_copies_and_experiments() -> None:
    """CR-09: an experiment costs its keys and its expressions, not its size."""
    copied = "Repeat: 3\nown: {big: [1, 2]}\nmixed: {big: [1, 2], x: parse REP}\n"
    plan = read(f"default: {{big: [1, 2]}}\n---\n{copied}---\nName: a\n")
    first, second, *_, last = (planned.experiment for planned in plan.experiments)
    assert first["own"] is second["own"]
    assert first["default"] is second["default"] is last["default"]
    assert first["mixed"] is not second["mixed"]
    assert first["mixed"]["big"] is second["mixed"]["big"]


def test_an_expression_gets_the_history_itself() -> None:
    """CR-09: no copy of it, and one for a whole repetition of the list."""
    plan = read("Global: {repeat: 2}\n---\nRepeat: 3\na: parse id(E)\n---\na: parse id(E)\n")
    assert len({planned.experiment["a"] for planned in plan.experiments[:4]}) == 1
    assert plan.experiments[0].history is plan.experiments[3].history
    assert plan.experiments[3].history is not plan.experiments[4].history
    assert [planned.before for planned in plan.experiments] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_value_that_two_experiments_share_cannot_be_changed_through_a_copy() -> None:
    """CR-13: a Module's deep copy is its own."""
    plan = read("{}\n---\nRepeat: 2\na: {b: [1]}\n")
    mine = copy.deepcopy(plan.experiments[0].experiment["a"])
    mine["b"].append(2)
    assert plan.experiments[1].experiment["a"] == {"b": [1]}


def test_where_each_value_came_from_is_known() -> None:
    """CR-07: --dry -v shows it."""
    plan = read("Module: timeit\nlr: 1\n---\nName: a\nx: 5\n", "+lr=2", "++x=6")
    origins = {
        key: (value, origin.rpartition("study.yaml")[2])
        for key, value, origin in plan.origins(plan.experiments[0])
    }
    assert origins["Name"] == ("a", ":4:7")
    assert origins["Module"] == ("timeit", ":1:9")
    assert origins["lr"] == (2, "default, command line")
    assert origins["x"] == (6, "command line")
    assert origins["REP"] == (0, "the runner")
    assert origins["YamlLog"] == ("log.yaml", "the runner")


def test_the_runner_is_told_what_an_experiment_says_of_its_place_in_the_queue() -> None:
    text = (
        "Retries: 1\n---\nName: a\nHold: parse 1 > 0\nPriority: parse 2 * 2.5\n---\nName: b\nRetries: 0\n"
        "Resources: {cpus: 2, gpus: 0.5, memory: 8G}\nAfter: a\n"
    )
    first, second = (planned.experiment.inputs for planned in read(text).experiments)
    assert (first["Hold"], first["Priority"], first["Retries"]) == (True, 5, 1)
    assert second["Resources"] == {"cpus": 2, "gpus": 0.5, "memory": "8G"}
    assert (second["After"], second["Retries"]) == ("a", 0)


def test_the_settings_of_a_queue_and_its_machine_are_read() -> None:
    settings = read(
        "Global: {queue: q.yaml, jobs: 4, gpus: [0, GPU-1a2b], breaker: false}\n---\nName: a\n"
    ).settings
    assert (settings.queue, settings.jobs, settings.gpus) == ("q.yaml", 4, ("0", "GPU-1a2b"))
    assert not settings.breaker
    other = read("Global: {jobs: auto, gpus: []}\n---\nName: a\n").settings
    assert (other.queue, other.jobs, other.gpus, other.breaker) == (None, "auto", (), True)
    assert read("{}\n---\nName: a\n").settings.gpus is None


def test_the_numbers_that_were_drawn_can_be_used_again() -> None:
    documents = "Name: a\nRepeat: 2\nx: parse RND_IDX\n---\nName: b\nRND_IDX: 7\n---\nName: c\n"
    text = f"Global: {{repeat: 2}}\n---\n{documents}"
    plan = read(text)
    assert list(plan.draws) == [(0, 1), (0, 3), (1, 1), (1, 3)]
    again = read(text, draws=plan.draws)
    assert again.draws == plan.draws
    assert [one.experiment for one in again.experiments] == [one.experiment for one in plan.experiments]
    some = read(text, draws={(1, 1): 123456})
    assert [one.experiment["RND_IDX"] == 123456 for one in some.experiments] == [False] * 4 + [True] * 2 + [
        False
    ] * 2
