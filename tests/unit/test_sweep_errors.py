"""What is said of each mistake in a ``Sweep``: its place, what was expected, and how to mend it."""

from __future__ import annotations

import pytest

from tests.definitions import place, pointed_at, problem, problems

HEAD = "opt: {lr: 1}\nwidth: 3\ncomp: parse width + 1\n---\nName: s\n"


@pytest.mark.parametrize(
    ("sweep", "there", "message", "hint"),
    [
        ("3", "3", "Sweep is 3; a mapping was expected", "grid: {lr: [0.1, 0.01]}"),
        ("{}", "Sweep", "this sweep varies nothing", "grid: {lr: [0.1, 0.01]}"),
        ("", "Sweep", "this sweep varies nothing", "name keys and values"),
        ("{strict: true}", "Sweep", "this sweep varies nothing", "name keys and values"),
        ("{grid: {}}", "grid", "grid is empty", "name a key, or remove it"),
        ("{grid: [1]}", "[1]", "grid is [1]; a mapping of keys was expected", "write grid: {key: ...}"),
        ("{grid: {a: 3}}", "3}", "a is 3; a list of values was expected", "write [3], or a list"),
        ("{grid: {a: []}}", "[]", "a has no values: the list is empty", "name values"),
        ("{grid: {a: parse 3}}", "parse", "a is 3; a list of values was expected", "write [3]"),
        ("{grid: {a: uniform(0, 1)}}", "uniform", "a list of values was expected", "write random in place"),
        ("{union: [{Sweep: {grid: {a: 'int(0, 1)'}}}]}", "'int", "a list of values", "in place of grid"),
        ("{grd: {a: [1]}}", "grd", "'grd' is no part of a sweep", "did you mean grid?"),
        ("{lr: [1, 2]}", "lr", "'lr' is no part of a sweep", "grid: {lr: [...]}"),
        ("{lr: uniform(0, 1)}", "lr", "'lr' is no part of a sweep", "random: {lr: ...}"),
        ("{zip: {a: [1, 2], b: [1]}}", "[1]", "b has 1 value, a has 2", "equally many"),
        ("{random: {a: uniform(1, 0)}, n: 3}", "1, 0", "a: its low end 1 is above its high end 0", "first"),
        ("{random: {a: 3}, n: 3}", "3}, n", "a is 3; a distribution was expected", "choice([64, 128])"),
        ("{random: {a: uniform(0, 1)}}", "random", "n is missing", "add n: 20"),
        ("{random: {a: uniform(0, 1)}, n: 0}", "0}", "n is 0; a whole number from 1 was expected", ""),
        ("{random: {a: uniform(0, 1)}, n: 1, seed: x}", "x}", "seed is 'x'; a whole number", ""),
        ("{grid: {a: [1]}, n: 3}", "n: 3", "n belongs to random, and there is none", "grid: {n: [1, 2]}"),
        ("{strict: maybe, grid: {a: [1]}}", "maybe", "strict is 'maybe'; true or false was expected", ""),
        ("{strict: true, grid: {widht: [1]}}", "widht", "widht is no key of the default", "width?"),
        ("{strict: true, grid: {opt.l: [1]}}", "opt.l", "opt.l is no key of the default", "opt.lr?"),
        ("{grid: {width.x: [1]}}", "width.x", "width is 3, not a mapping", "vary width as a whole"),
        ("{grid: {REP: [1]}}", "REP", "REP is written by the runner and cannot be varied", "another name"),
        ("{grid: {Repeat: [1, 2]}}", "Repeat", "Repeat cannot be varied", ""),
        ("{grid: {Modul: [a]}}", "Modul", "did you mean Module?", ""),
        ("{grid: {a..b: [1]}}", "a..b", "'a..b' is not a valid key", ""),
        ("{grid: {1: [1]}}", "1: [", "the key 1 is not a name", "put quotes around it"),
        ("{grid: {a: [1]}, zip: {a: [2]}}", "a: [2]", "a is varied twice (line 6)", ""),
        ("{grid: {opt: [1], opt.lr: [2]}}", "opt.lr", "opt.lr is varied with opt", ""),
        ("{union: 3}", "3}", "union is 3; a list of alternatives was expected", "write union: [{"),
        ("{union: []}", "union", "union is empty", "name alternatives"),
        ("{union: [3]}", "3]", "this alternative is 3; a mapping of keys was expected", "- {optimizer"),
        ("{union: [{Sweep: {}}]}", "Sweep: {}", "this sweep varies nothing", ""),
        ("{union: [{a: 1, Sweep: {grid: {a: [2]}}}]}", "a: [2]", "a is varied twice", ""),
        ("{grid: {a: [1]}, exclude: 3}", "3}", "exclude is 3; an expression was expected", "exclude: lr"),
        ("{grid: {a: [1, 2]}, exclude: a > 0}", "exclude", "exclude leaves nothing of 2", ""),
        ("{grid: {alpha: [1]}, exclude: alhpa > 0}", "alhpa", "the name 'alhpa' is not known", "alpha?"),
        ("{grid: {a: [1]}, exclude: a >}", "}", "in exclude: not a valid expression", ""),
        ("{grid: {a: [1]}, exclude: comp > 1}", "comp", "comp has expressions", "write out what comp is"),
        ("{grid: {a: [x]}, exclude: a > 0}", "a > 0", "raises TypeError", ""),
        ("{union: [{b: 2}, {c: 2}], exclude: b > 0}", "b > 0", "in c=2", "not every alternative sets b"),
        ("{grid: {a: [parse 1/0]}}", "1/0", "the expression raises ZeroDivisionError", ""),
        ("{grid: {a: parse nope}}", "nope", "the name 'nope' is not known here", ""),
        ("{grid: {a: parse 1 +}}", "}}", "not a valid expression", ""),
        ("{grid: {Timeout: [3, soon]}}", "soon", "Timeout is 'soon'; a duration was expected", "90s"),
        ("{grid: {Module: [timeit, nowhere_at_all]}}", "nowhere", "cannot be found", ""),
        ("{grid: {Resources.gpu: [1]}}", "Resources.gpu", "Resources has no key 'gpu'", "gpus?"),
        ("{grid: {a: [1]}, search: {lr: uniform(0, 1)}, maximize: A, n: 3}", "grid", "search", "of its own"),
        ("{search: {REP: uniform(0, 1)}, maximize: A, n: 3}", "REP", "cannot be varied", ""),
    ],
)
def test_a_mistake_in_a_sweep_is_shown_at_its_place(sweep: str, there: str, message: str, hint: str) -> None:
    found = problem(f"{HEAD}Sweep: {sweep}\n")
    assert place(found)[0] == 6
    assert pointed_at(found).startswith(there)
    assert message in found.message
    assert hint in found.hint


def test_one_mistake_that_all_combinations_meet_is_told_once() -> None:
    found = problem(f"{HEAD}x: parse nope\nSweep: {{grid: {{a: [1, 2, 3]}}}}\n")
    assert found.message == "in x of experiment 's a=1': the name 'nope' is not known here"
    assert found.hint == "the same in 2 more experiments"


def test_a_runners_key_that_is_wrong_in_all_combinations_is_told_once() -> None:
    found = problem(f"{HEAD}Timeout: soon\nSweep: {{grid: {{a: [1, 2, 3]}}}}\n")
    assert place(found) == (6, 10)


def test_what_is_wrong_with_a_sweep_is_told_without_what_comes_of_it() -> None:
    found = problem(f"{HEAD}x: parse a * 2\nSweep: {{grid: {{a: 3}}}}\n")
    assert place(found) == (7, 19)


def test_mistakes_in_several_sweeps_are_told_together() -> None:
    text = f"{HEAD}Sweep: {{grid: {{a: 3, b: []}}}}\n---\nName: t\nSweep: {{zip: {{a: [1], b: [1, 2]}}}}\n"
    assert [place(found) for found in problems(text)] == [(6, 19), (6, 25), (9, 26)]


def test_a_mistake_on_the_command_line_is_shown_there() -> None:
    found = problem(HEAD, "+Sweep.grid.a=3")
    assert str(found.position) == "command line"
    assert found.message == "a is 3; a list of values was expected"


def test_a_mistake_in_the_sweep_of_the_default_config_is_told_once() -> None:
    found = problem("Sweep: {grid: {a: 3}}\n---\nName: s\n---\nName: t\n")
    assert place(found) == (1, 19)


def test_exclude_is_code_and_refused_without_it() -> None:
    text = f"{HEAD.replace('parse width + 1', '4')}Sweep: {{grid: {{a: [1, 2]}}, exclude: a > 1}}\n"
    found = problem(text, code=False)
    assert found.message == "an expression, refused by --no-code: exclude"


def test_a_broken_line_is_shown_as_it_was_written() -> None:
    found = problem("{}\n---\nName: s\nSweep: {random: {a: uniform(0, 1), b: [1, }, n: 3}\n")
    assert "uniform(0, 1)" in found.line
