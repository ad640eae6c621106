"""``Sweep``: what a definition varies, in which order, under which names, and what expressions see of it."""

from __future__ import annotations

import hashlib
import json
import math
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coolrunner.definition.plan import Plan, read_plan
from coolrunner.errors import DefinitionError
from coolrunner.yamlio import dump
from tests.definitions import experiments, problem, read

HEAD = "{}\n---\nName: s\n"


def rows(text: str, *overrides: str, keys: str = "abc") -> list[tuple[Any, ...]]:
    """Return the values of some keys, by experiment; None where there is none."""
    return [tuple(values.get(key) for key in keys) for values in experiments(text, *overrides)]


def names(text: str, *overrides: str) -> list[str]:
    """Return the names of all experiments."""
    return [planned.name for planned in read(text, *overrides).experiments]


# --- parts and their order ---------------------------------------------------------------------------


def test_a_grid_has_every_combination_and_its_last_key_varies_fastest() -> None:
    assert rows(f"{HEAD}Sweep: {{grid: {{a: [1, 2], b: [x, y, z]}}}}\n", keys="ab") == list(
        product([1, 2], ["x", "y", "z"])
    )


def test_a_zip_goes_in_step() -> None:
    assert rows(f"{HEAD}Sweep: {{zip: {{a: [1, 2], b: [x, y]}}}}\n", keys="ab") == [(1, "x"), (2, "y")]


def test_several_zips_go_in_step_each_by_itself() -> None:
    text = f"{HEAD}Sweep:\n  zip:\n  - {{a: [1, 2], b: [3, 4]}}\n  - {{c: [5, 6]}}\n"
    assert rows(text) == [(1, 3, 5), (1, 3, 6), (2, 4, 5), (2, 4, 6)]


def test_parts_are_combined_in_the_order_in_which_they_are_written() -> None:
    grid_first = f"{HEAD}Sweep:\n  grid: {{a: [1, 2]}}\n  zip: {{b: [3, 4]}}\n"
    zip_first = f"{HEAD}Sweep:\n  zip: {{b: [3, 4]}}\n  grid: {{a: [1, 2]}}\n"
    assert rows(grid_first, keys="ab") == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert rows(zip_first, keys="ab") == [(1, 3), (2, 3), (1, 4), (2, 4)]


def test_alternatives_carry_values_that_belong_together() -> None:
    text = f"""{HEAD}Sweep:
  union:
  - {{a: sgd, b: 0.9}}
  - {{a: adam}}
  grid: {{c: [1, 2]}}
"""
    assert rows(text) == [("sgd", 0.9, 1), ("sgd", 0.9, 2), ("adam", None, 1), ("adam", None, 2)]


def test_an_alternative_may_have_a_sweep_of_its_own_and_so_on() -> None:
    text = f"""{HEAD}Sweep:
  union:
  - a: sgd
    Sweep:
      grid: {{b: [0.9, 0.99]}}
      union:
      - {{c: 1}}
      - {{Sweep: {{zip: {{c: [2, 3], d: [4, 5]}}}}}}
  - {{a: adam}}
"""
    assert rows(text, keys="abcd") == [
        ("sgd", 0.9, 1, None),
        ("sgd", 0.9, 2, 4),
        ("sgd", 0.9, 3, 5),
        ("sgd", 0.99, 1, None),
        ("sgd", 0.99, 2, 4),
        ("sgd", 0.99, 3, 5),
        ("adam", None, None, None),
    ]


def test_several_unions_are_combined() -> None:
    text = f"{HEAD}Sweep: {{union: [[{{a: 1}}, {{a: 2}}], [{{b: 3}}, {{b: 4}}]]}}\n"
    assert rows(text, keys="ab") == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_repeat_applies_to_each_combination_and_global_repeat_to_the_whole_list() -> None:
    text = "Global: {repeat: 2}\n---\nName: s\nRepeat: 2\nSweep: {grid: {a: [1, 2]}}\n---\nName: t\na: 3\n"
    found = [(planned.experiment["a"], planned.experiment["REP"]) for planned in read(text).experiments]
    assert found == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)] * 2


def test_copies_of_a_combination_share_their_drawn_number_and_combinations_do_not() -> None:
    found = read(f"{HEAD}Repeat: 2\nSweep: {{grid: {{a: [1, 2, 3]}}}}\n").experiments
    drawn = [planned.experiment["RND_IDX"] for planned in found]
    assert drawn[::2] == drawn[1::2]
    assert len(set(drawn)) == 3


def test_an_experiment_has_no_sweep_among_its_parameters() -> None:
    assert all(
        "Sweep" not in planned.experiment.inputs
        for planned in read(f"{HEAD}Sweep: {{grid: {{a: [1, 2]}}}}\n").experiments
    )


# --- exclude -----------------------------------------------------------------------------------------


def test_exclude_leaves_combinations_out() -> None:
    text = f"{HEAD}Sweep: {{grid: {{a: [1, 2], b: [1, 2]}}, exclude: a == b}}\n"
    assert rows(text, keys="ab") == [(1, 2), (2, 1)]


def test_exclude_may_be_several_expressions_and_use_constants_and_imports() -> None:
    text = """\
Global: {imports: [math]}
limit: 3
---
Name: s
Sweep:
  grid: {a: [1, 2, 4], opt.lr: [1, 2]}
  exclude:
  - a > limit
  - math.sqrt(opt.lr) == 1 and a == 1
"""
    assert [(e["a"], e["opt"]["lr"]) for e in experiments(text)] == [(1, 2), (2, 1), (2, 2)]


def test_an_exclude_within_an_alternative_concerns_that_alone() -> None:
    text = f"""{HEAD}Sweep:
  union:
  - a: 1
    Sweep: {{grid: {{b: [1, 2, 3]}}, exclude: b == a + 1}}
  - {{a: 2, b: 2}}
"""
    assert rows(text, keys="ab") == [(1, 1), (1, 3), (2, 2)]


# --- where keys stand --------------------------------------------------------------------------------


def test_dots_lead_into_mappings_and_the_rest_of_a_mapping_stays() -> None:
    text = "opt: {name: sgd, lr: 1}\n---\nName: s\nSweep: {grid: {opt.lr: [2, 3], new.deep.key: [4]}}\n"
    found = experiments(text)
    assert [e["opt"] for e in found] == [{"name": "sgd", "lr": 2}, {"name": "sgd", "lr": 3}]
    assert found[0]["new"] == {"deep": {"key": 4}}


def test_a_mapping_of_deeper_keys_is_the_same_as_dots() -> None:
    assert experiments(f"{HEAD}Sweep: {{grid: {{a: {{b: [1, 2], c.d: [3]}}}}}}\n") == experiments(
        f"{HEAD}Sweep: {{grid: {{a.b: [1, 2], a.c.d: [3]}}}}\n"
    )


def test_the_documents_own_mapping_is_varied_where_it_has_one() -> None:
    text = "opt: {name: sgd, lr: 1}\n---\nName: s\nopt: {name: adam}\nSweep: {grid: {opt.lr: [2]}}\n"
    assert experiments(text)[0]["opt"] == {"name": "adam", "lr": 2}


def test_mappings_that_are_merged_with_the_defaults_are_so_with_a_sweep() -> None:
    text = """\
Global: {merge: deep}
opt: {name: sgd, lr: 1, warm: parse lr * 2}
---
Name: s
opt: {name: adam}
Sweep: {grid: {opt.lr: [2, 3]}}
"""
    assert [e["opt"] for e in experiments(text)] == [
        {"name": "adam", "lr": 2, "warm": 4},
        {"name": "adam", "lr": 3, "warm": 6},
    ]


def test_a_varied_key_keeps_its_place_and_a_new_one_stands_in_the_place_of_the_sweep() -> None:
    text = "z: 1\n---\nName: s\na: 1\nSweep: {grid: {z: [1], new: [2], a: [3]}}\nb: 2\n"
    assert list(experiments(text)[0]) == ["Name", "a", "new", "b", "z"]


def test_a_key_that_has_a_dot_in_its_name_is_varied_by_that_name() -> None:
    assert experiments('"a.b": 1\n---\nName: s\nSweep: {grid: {a.b: [2]}}\n')[0]["a.b"] == 2


def test_values_may_be_anything_that_yaml_can_say() -> None:
    text = f"{HEAD}Sweep: {{grid: {{a: [null, true, [1, 2], {{x: 1}}, 'solve timeit.main']}}}}\n"
    assert [e["a"] for e in experiments(text)] == [None, True, [1, 2], {"x": 1}, "solve timeit.main"]


# --- expressions -------------------------------------------------------------------------------------


def test_expressions_of_the_same_experiment_see_what_is_varied_wherever_they_stand() -> None:
    text = """\
opt: {lr: 1, name: sgd}
late: parse a * 100
---
Name: s
above: parse a * 10
nested: {x: parse a + opt.lr}
Sweep: {grid: {a: [1, 2], opt.lr: [5]}}
below: parse above + a
"""
    found = experiments(text)
    assert [(e["above"], e["nested"]["x"], e["below"], e["late"]) for e in found] == [
        (10, 6, 11, 100),
        (20, 7, 22, 200),
    ]


def test_a_varied_key_replaces_an_expression_which_is_not_evaluated() -> None:
    assert rows(f"{HEAD}a: parse 1 / 0\nSweep: {{grid: {{a: [1, 2]}}}}\n", keys="a") == [(1,), (2,)]


def test_the_history_holds_every_combination() -> None:
    text = f"{HEAD}Sweep: {{grid: {{a: [1, 2]}}}}\n---\nName: t\nb: 'parse [e.a for e in E]'\n"
    assert experiments(text)[-1]["b"] == [1, 2]


def test_a_list_may_be_an_expression_over_constants() -> None:
    text = "base: 10\n---\nName: s\nSweep: {grid: {a: 'parse range(base, base + 3)', b: [parse base / 4]}}\n"
    assert rows(text, keys="ab") == [(10, 2.5), (11, 2.5), (12, 2.5)]


# --- names -------------------------------------------------------------------------------------------


def test_names_show_what_was_varied_and_only_that() -> None:
    text = f"{HEAD}Sweep: {{grid: {{opt.lr: [0.1, 1.0e-5], opt.name: [sgd, adam], fixed: [1]}}}}\n"
    assert names(text) == [
        "s lr=0.1 opt.name=sgd",
        "s lr=0.1 opt.name=adam",
        "s lr=1e-05 opt.name=sgd",
        "s lr=1e-05 opt.name=adam",
    ]


def test_keys_whose_last_parts_are_equal_are_named_in_full() -> None:
    assert names(f"{HEAD}Sweep: {{grid: {{a.lr: [1, 2], b.lr: [3, 4]}}}}\n")[0] == "s a.lr=1 b.lr=3"


def test_a_name_that_is_an_expression_says_it_differently() -> None:
    text = "{}\n---\nName: parse f'run-{a}'\nSweep: {grid: {a: [1, 2]}}\n"
    assert names(text) == ["run-1", "run-2"]


def test_a_name_that_is_varied_itself_stays_as_it_is() -> None:
    assert names("{}\n---\nSweep: {grid: {Name: [x, y], a: [1, 2]}}\n") == ["x", "x", "y", "y"]


def test_a_name_of_the_default_config_shows_what_was_varied_and_expressions_see_it() -> None:
    text = "Name: d\ntag: parse Name + '!'\n---\nSweep: {grid: {a: [1, 2]}}\n"
    assert [(e["Name"], e["tag"]) for e in experiments(text)] == [("d a=1", "d a=1!"), ("d a=2", "d a=2!")]


@pytest.mark.parametrize("name", ["skip", "~"])
def test_what_is_skipped_stays_skipped(name: str) -> None:
    text = f"{{}}\n---\nName: {name}\nSweep: {{grid: {{a: [1, 2]}}}}\n---\nName: t\n"
    assert [planned.runs for planned in read(text).experiments] == [False, False, True]


# --- the default config and the command line ---------------------------------------------------------


def test_a_sweep_in_the_default_config_is_for_every_document_without_its_own() -> None:
    text = """\
Sweep: {grid: {a: [1, 2]}}
---
Name: s
---
Name: t
Sweep: {grid: {b: [3]}}
---
Name: u
Sweep: null
"""
    assert rows(text, keys="ab") == [(1, None), (2, None), (None, 3), (None, None)]


def test_the_command_line_sets_a_sweep_or_a_key_of_it() -> None:
    assert rows(HEAD, "+Sweep.grid.a=[1, 2]", keys="a") == [(1,), (2,)]
    swept = f"{HEAD}Sweep: {{grid: {{a: [1, 2], b: [3]}}}}\n"
    assert rows(swept, "++Sweep.grid.a=[7]", keys="ab") == [(7, 3)]
    assert experiments("o: {x: 0, y: 1}\n---\nName: s\n", "+Sweep.grid.o.x=[5]")[0]["o"] == {"x": 5, "y": 1}


# --- random ------------------------------------------------------------------------------------------

RANDOM = (
    f"{HEAD}Sweep: {{random: {{o.lr: loguniform(1e-5, 1e-1), b: uniform(0, 0.5), c: choice(x, y)}}, n: 5}}\n"
)


DRAWN = [(0.74434357939, 655), (0.32805000999, 683), (0.439780536878, 210)]


def test_draws_are_read_also_where_they_stand_in_braces() -> None:
    found = experiments(RANDOM)
    assert len(found) == 5
    assert all(1e-5 <= e["o"]["lr"] <= 1e-1 and 0 <= e["b"] <= 0.5 and e["c"] in "xy" for e in found)


def test_draws_are_the_same_for_ever() -> None:
    """The values are written down here: another release draws the same."""
    text = f"{HEAD}Sweep: {{random: {{a: uniform(0, 1), b: 'int(1, 1000)'}}, n: 3, seed: 7}}\n"
    assert rows(text, keys="ab") == DRAWN


def test_a_draw_is_the_hash_that_the_documentation_says() -> None:
    digest = hashlib.sha256(b"3/o.lr/2/0").digest()
    number = (int.from_bytes(digest[:7], "big") >> 3) / 2**53
    found = experiments(f"{HEAD}Sweep: {{random: {{o.lr: uniform(0, 1)}}, n: 3, seed: 3}}\n")
    assert math.isclose(found[2]["o"]["lr"], number, rel_tol=1e-11)


def test_more_draws_and_other_keys_leave_a_draw_as_it_was() -> None:
    few = [e["o"]["lr"] for e in experiments(RANDOM)]
    more = experiments(RANDOM.replace("n: 5", "n: 9").replace("b: uniform(0, 0.5), ", ""))
    assert [e["o"]["lr"] for e in more][:5] == few
    assert few != [e["o"]["lr"] for e in experiments(RANDOM.replace("n: 5", "n: 5, seed: 1"))]


def test_each_combination_of_a_grid_meets_the_same_draws() -> None:
    text = f"{HEAD}Sweep: {{grid: {{a: [1, 2]}}, random: {{b: uniform(0, 1)}}, n: 3}}\n"
    found = rows(text, keys="ab")
    assert [b for a, b in found if a == 1] == [b for a, b in found if a == 2]


# --- parts of a sweep --------------------------------------------------------------------------------

MILLION = f"{HEAD}total: parse k0 + k1\nSweep:\n  grid:\n" + "".join(
    f"    k{n}: {list(range(10))}\n" for n in range(6)
)


def part(text: str, tmp_path: Any, **options: Any) -> Plan:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return read_plan(path, ["+Module=timeit"], **options)


def test_a_few_of_a_million_are_made_without_the_others(tmp_path: Any) -> None:
    plan = part(MILLION, tmp_path, pick=["0", "123456", "999999"], only_picked=True)
    assert plan.count == 10**6
    assert [planned.index for planned in plan.experiments] == [0, 123456, 999999]
    assert [plan.experiments[1].experiment[f"k{n}"] for n in range(6)] == [1, 2, 3, 4, 5, 6]
    assert plan.experiments[1].experiment["total"] == 3
    assert plan.chosen == plan.experiments


def test_what_is_picked_is_what_the_whole_list_has_there(tmp_path: Any) -> None:
    text = """\
Global: {repeat: 2}
---
Name: r
Repeat: 2
---
Name: s
Repeat: 3
Sweep: {grid: {a: [1, 2], b: [1, 2]}, exclude: a < b, random: {c: uniform(0, 1)}, n: 2}
---
Name: t
"""
    whole = part(text, tmp_path)
    picked = part(text, tmp_path, pick=[f"0-{whole.count - 1}"], only_picked=True)
    assert whole.count == len(whole.experiments) == 2 * (2 + 3 * 2 * 3 + 1)

    def told(plan: Plan) -> list[Any]:
        left_out = {"RND_IDX"}
        return [
            (
                p.index,
                p.before,
                p.first,
                p.document,
                {k: v for k, v in p.experiment.inputs.items() if k not in left_out},
            )
            for p in plan.experiments
        ]

    assert told(picked) == told(whole)


@pytest.mark.parametrize("more", ["After: t\n", "x: parse len(E)\n", "x: solve E[-1].ACC\n"])
def test_all_are_made_where_one_may_ask_for_another(tmp_path: Any, more: str) -> None:
    text = f"{{}}\n---\nName: t\n---\nName: s\n{more}Sweep: {{grid: {{a: [1, 2, 3]}}}}\n"
    plan = part(text, tmp_path, pick=["2"], only_picked=True)
    assert len(plan.experiments) == 4
    assert [planned.index for planned in plan.chosen] == [2]


def test_a_plan_that_is_looked_at_needs_the_ends_of_a_long_sweep_alone(tmp_path: Any) -> None:
    plan = part(MILLION, tmp_path, ends=3)
    indices = [planned.index for planned in plan.experiments]
    assert indices == [0, 1, 2, 999997, 999998, 999999]
    assert [left_out for _, left_out in plan.shown(2)] == [0, 0, 999996, 0]


def test_more_than_fits_is_an_error_unless_some_are_picked(tmp_path: Any) -> None:
    text = MILLION.replace("    k0:", "    j: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n    k0:")
    found = problem(text)
    assert (
        found.message
        == "this sweep has 11,000,000 experiments; more than 10,000,000 cannot be run in one study"
    )
    assert "--pick" in found.hint
    assert part(text, tmp_path, pick=["10999999"], only_picked=True).experiments[0].experiment["j"] == 10


def test_origins_lead_to_the_value_in_the_sweep() -> None:
    plan = read("o: {lr: 1, x: 2}\n---\nName: s\nSweep:\n  grid:\n    a: [1, 22]\n    o.lr: [3]\n")
    origins = {key: origin for key, _, origin in plan.origins(plan.experiments[1])}
    assert origins["a"].startswith("its sweep, ")
    assert origins["a"].endswith("study.yaml:6:12")
    assert origins["o"].endswith("study.yaml:1:4, and its sweep")


def test_drawn_numbers_can_be_given_again() -> None:
    text = f"{HEAD}x: parse RND_IDX\nSweep: {{grid: {{a: [1, 2]}}}}\n---\nName: t\n"
    first = read(text)
    again = read(text, draws=first.draws)
    assert [p.experiment["RND_IDX"] for p in again.experiments] == [
        p.experiment["RND_IDX"] for p in first.experiments
    ]
    assert [p.experiment["x"] for p in again.experiments[:2]] == [
        p.experiment["x"] for p in first.experiments[:2]
    ]


# --- laws --------------------------------------------------------------------------------------------

lists = st.lists(st.integers(0, 5), min_size=1, max_size=3)
grids = st.dictionaries(st.sampled_from("abcdef"), lists, min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(grids, st.integers(0, 12))
def test_the_count_is_the_product_less_what_is_excluded(grid: dict[str, list[int]], limit: int) -> None:
    total = " + ".join(grid)
    combinations = list(product(*grid.values()))
    kept = [values for values in combinations if sum(values) <= limit]
    text = HEAD + dump({"Sweep": {"grid": grid, "exclude": f"{total} > {limit}"}})
    if not kept:
        assert "leaves nothing" in problem(text).message
        return
    found = [tuple(values[key] for key in grid) for values in experiments(text)]
    assert found == kept
    assert read(text).count == len(kept)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 8))
def test_random_draws_repeat(seed: int, count: int) -> None:
    sweep = {"random": {"a": "normal(0, 1)", "b": ["x", "y"]}, "n": count, "seed": seed}
    text = HEAD + dump({"Sweep": sweep})
    assert rows(text) == rows(text)
    assert len(rows(text)) == count


@settings(max_examples=30, deadline=None)
@given(grids, grids)
def test_order_is_that_of_nested_loops_over_the_parts(
    first: dict[str, list[int]], second: dict[str, list[int]]
) -> None:
    other = {f"{key}2": values for key, values in second.items()}
    text = HEAD + json.dumps({"Sweep": {"grid": first, "union": [{"Sweep": {"grid": other}}]}})[1:-1] + "\n"
    keys = [*first, *other]
    found = [tuple(values[key] for key in keys) for values in experiments(text)]
    assert found == list(product(*first.values(), *other.values()))


# --- searches ----------------------------------------------------------------------------------------

SEARCH = """\
o: {lr: 1, name: sgd}
---
Name: s
Repeat: 2
Sweep: {search: {o.lr: uniform(0, 1), a: 'int(1, 9)'}, maximize: ACC, n: 3}
x: parse 10 / a
"""


def test_a_search_has_no_experiments_until_it_asks_for_one() -> None:
    plan = read(SEARCH)
    assert plan.count == 0
    made = plan.expansion.trial(1, {("o", "lr"): 0.5, ("a",): 2}, "lr=0.5 a=2", 7)
    assert [(planned.index, planned.name, planned.experiment["REP"]) for planned in made] == [
        (7, "s lr=0.5 a=2", 0),
        (8, "s lr=0.5 a=2", 1),
    ]
    assert made[0].experiment["o"] == {"lr": 0.5, "name": "sgd"}
    assert made[0].experiment["x"] == 5
    assert made[0].experiment["RND_IDX"] == made[1].experiment["RND_IDX"]


def test_a_trial_whose_expressions_fail_says_so_and_the_next_one_does_not() -> None:
    expansion = read(SEARCH).expansion
    with pytest.raises(DefinitionError, match="ZeroDivisionError"):
        expansion.trial(1, {("o", "lr"): 0.5, ("a",): 0}, "", 0)
    assert expansion.trial(1, {("o", "lr"): 0.5, ("a",): 5}, "", 0)[0].experiment["x"] == 2
