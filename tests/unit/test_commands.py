"""``Command``: how a command is read, filled, and found wrong before anything runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.commands import CommandMistake, parse_command
from coolrunner.definition.placeholders import as_argument
from tests.definitions import place, pointed_at, problem, problems, read

VALUES = {"lr": 1e-5, "name": "a b", "optimizer": {"lr": 0.1}, "sizes": [64, 32], "a.b": 7, "n": {1: "one"}}


def words(command: Any, **values: Any) -> list[str]:
    return parse_command(command).fill({**VALUES, **values}, {"RUN": "/runs/my run", "ID": "abc"}).words


def mistake(command: Any) -> CommandMistake:
    with pytest.raises(CommandMistake) as caught:
        parse_command(command)
    return caught.value


# --- what it means ---------------------------------------------------------------------------------


def test_a_text_is_split_as_a_shell_would_and_then_filled() -> None:
    assert words("train --lr {lr} --out {RUN}/x 'two words' \"--name={name}\"") == [
        *("train", "--lr", "1e-05", "--out", "/runs/my run/x", "two words", "--name=a b")
    ]


def test_a_list_is_taken_word_by_word() -> None:
    assert words(["train", "two words", "{name}", 3, 0.5, True, "|"]) == [
        *("train", "two words", "a b", "3", "0.5", "true", "|")
    ]


def test_nested_values_are_named_by_their_paths() -> None:
    assert words("x {optimizer.lr} {sizes[0]} {sizes[-1]} {a.b} {n.1} {ID}") == [
        *("x", "0.1", "64", "32", "7", "one", "abc")
    ]


def test_doubled_braces_are_braces() -> None:
    assert words(["x", '{{"lr": {lr}}}', "{{lr}}", "{{{lr}}}"]) == ["x", '{"lr": 1e-05}', "{lr}", "{1e-05}"]


def test_a_value_is_not_looked_at_for_placeholders() -> None:
    assert words("x {name}", name="{lr} {{ }") == ["x", "{lr} {{ }"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_value_splits_or_joins_words(value: str) -> None:
    assert words("x --a={v} {v} y", v=value) == ["x", f"--a={value}", value, "y"]


@given(st.lists(st.text(st.characters(exclude_characters="\0{}", exclude_categories=["Cs"]), min_size=1)))
def test_a_text_and_a_list_say_the_same(given_words: list[str]) -> None:
    given_words = ["x", *(word for word in given_words if word not in ("|", "&", ";", ">", "<"))]
    assert words(shlex.join(given_words)) == words(given_words) == given_words


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        *((True, "true"), (False, "false"), (None, "null"), (3, "3"), (1e-3, "0.001"), (1e-7, "1e-07")),
        *(("", ""), ("ä", "ä"), ([1, 2.5, "a"], '[1, 2.5, "a"]'), ({"a": [True]}, '{"a": [true]}')),
        *((float("inf"), "inf"), (PurePosixPath("/a/b"), "/a/b")),
    ],
)
def test_values_are_written_as_programs_of_any_language_read_them(value: Any, argument: str) -> None:
    assert as_argument(value) == argument


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert [as_argument(value) for value in (numpy.float64(0.5), numpy.int64(3), numpy.bool_(True))] == [
        *("0.5", "3", "true")
    ]
    assert as_argument(numpy.arange(3)) == "[0, 1, 2]"


@pytest.mark.parametrize("value", [object(), b"x", "a\0b"])
def test_what_has_no_form_as_an_argument_is_refused(value: Any) -> None:
    with pytest.raises(CommandMistake):
        as_argument(value)


def test_a_mapping_says_more_than_the_words() -> None:
    command = {
        "run": "./x {lr}",
        "result": "{RUN}/out.json",
        "directory": "{RUN}",
        "environment": {"LR": "{lr}"},
    }
    filled = parse_command(command).fill(VALUES, {"RUN": "/r"})
    assert (filled.words, filled.result, filled.directory) == (["./x", "1e-05"], "/r/out.json", "/r")
    assert filled.environment == {"LR": "1e-05"}


# --- what is wrong with it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "Command names no program"),
        ([], "Command names no program"),
        (["", "a"], "Command names no program"),
        (7, "Command is 7; a text or a list of words was expected"),
        ("x 'open", "Command cannot be split into words: a quote is not closed"),
        ("x \\", "Command cannot be split into words: it ends with a lone backslash"),
        ("x {lr", "a single '{'"),
        ("x lr}", "a single '}'"),
        ("x {}", "{} names no key"),
        ("x {lr:.3f}", "there is no value"),
        (["x", ["y"]], "this is ['y']; a word was expected"),
        ({"run": "x", "results": "y"}, "Command has no part 'results'"),
        ({"result": "y"}, "Command has no run"),
        ({"run": "x", "result": 3}, "result is 3; a path was expected"),
        ({"run": "x", "environment": ["A"]}, "environment is ['A']; a mapping was expected"),
    ],
)
def test_a_command_that_is_not_written_correctly_is_refused(command: Any, message: str) -> None:
    if message == "there is no value":
        with pytest.raises(CommandMistake, match=r"there is no value for {lr:.3f}"):
            words(command)
    else:
        assert str(mistake(command)) == message


@pytest.mark.parametrize("sign", ["|", ">", "&&", ";", "2>&1"])
def test_signs_for_a_shell_are_refused_for_there_is_none(sign: str) -> None:
    found = mistake(f"train {sign} other")
    assert str(found) == f"{sign!r} means something to a shell only"
    assert "[bash, -c, '...']" in found.hint
    assert words(f"train '{sign}x'") == ["train", f"{sign}x"]


@pytest.mark.parametrize(
    "command",
    [
        ["bash", "-c", "train --lr {name}"],
        ["/bin/sh", "-e", "-c", "train {name}"],
        ["env", "A=1", "bash", "-lc", "train '{name}'"],
        "sh -c 'train {name}'",
        {"run": ["nice", "zsh", "-c", "{name}"]},
    ],
)
def test_a_value_cannot_become_a_part_of_a_shells_script(command: Any) -> None:
    found = mistake(command)
    assert str(found) == "the value of {name} would become a part of a shell's script"
    assert "as an argument" in found.hint


def test_a_shells_script_may_have_arguments_and_variables() -> None:
    assert words(["bash", "-c", 'train "$1"', "_", "{name}"])[-1] == "a b"
    assert words(["bash", "script.sh", "-c", "{name}"])[-1] == "a b"


# --- in a definition -------------------------------------------------------------------------------


def test_a_command_takes_the_place_of_a_module() -> None:
    plan = read("{}\n---\nName: a\nlr: 0.1\nCommand: python3 -c pass {lr}\n", module=None)
    assert plan.experiments[0].experiment.inputs["Command"] == "python3 -c pass {lr}"


def test_an_unknown_placeholder_is_an_error_at_its_place() -> None:
    found = problem("{}\n---\nName: a\nepochs: 1\nCommand: echo --lr {epoch}\n", module=None)
    assert (place(found), found.message) == ((5, 20), "experiment 'a': there is no value for {epoch}")
    assert pointed_at(found) == "{epoch}"
    assert found.hint == "did you mean {epochs}?"


def test_an_unknown_nested_placeholder_names_the_nearest() -> None:
    text = "{}\n---\nName: a\noptimizer: {momentum: 0.9}\nCommand: [echo, '{optimizer.momentun}']\n"
    found = problem(text, module=None)
    assert found.hint == "did you mean {optimizer.momentum}?"
    assert pointed_at(found).startswith("'{optimizer.momentun}'")


def test_one_unknown_placeholder_in_many_experiments_is_one_error() -> None:
    documents = "".join(f"---\nName: e{number}\nlr: 1\n" for number in range(5))
    found = problem(f"Command: echo {{lrr}}\n{documents}---\nName: fine\nlrr: 1\n", module=None)
    assert place(found) == (1, 15)
    assert found.hint == "did you mean {lr}?\nthe same in 4 more experiments"


def test_the_keys_of_the_default_config_and_those_of_the_runner_can_be_named() -> None:
    command = "echo {lr} {REP} {RND_IDX} {Name} {RUN} {ID} {RESULT} {PARAMS}"
    (planned,) = read(f"lr: 1\nCommand: {command}\n---\nName: a\n", module=None).experiments
    assert planned.experiment.inputs["Command"] == command


def test_a_value_that_is_solved_later_is_not_looked_for_now() -> None:
    text = "{}\n---\nName: a\nbest: solve E['x']\nCommand: echo {best.lr} {best}\n"
    plan = read(text.replace("---\n", "---\nName: x\nCommand: echo\n---\n"), module=None)
    assert plan.experiments[1].experiment.inputs["Command"] == "echo {best.lr} {best}"


def test_a_run_directory_that_is_not_made_cannot_be_named() -> None:
    found = problem("Global: {root: null}\n---\nName: a\nCommand: echo {RUN}\n", module=None)
    assert found.message == "experiment 'a': there is no run directory to stand for {RUN}"


def test_a_program_that_is_not_there_is_an_error() -> None:
    found = problem("{}\n---\nName: a\nCommand: no-such-program-here --x\n", module=None)
    assert found.message == "there is no program 'no-such-program-here' on this machine"
    assert place(found) == (4, 10)


def test_a_program_of_other_machines_is_not_looked_for_here() -> None:
    read("Global: {executor: inline}\n---\nName: a\nCommand: [echo]\n", module=None)
    text = "Global: {executor: slurm}\n---\nName: a\nCommand: no-such-program-here\n"
    assert all("no program" not in each.message for each in problems(text + "Timeout: x\n", module=None))


def test_a_file_that_may_not_be_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").write_text("#!/bin/sh\n")
    (tmp_path / "train.py").write_text("")
    found = problem("{}\n---\nName: a\nCommand: ./train\n", module=None)
    assert found.message == "./train may not be run: chmod +x ./train"
    read("{}\n---\nName: a\nCommand: train.py\n", module=None)
    (tmp_path / "train").chmod(0o755)
    read("{}\n---\nName: a\nCommand: ./train\n", module=None)


@pytest.mark.parametrize("other", ["Module: timeit", "Run: solve timeit.main"])
def test_a_command_beside_a_module_is_an_error_until_one_is_null(other: str) -> None:
    key = other.partition(":")[0]
    found = problem(f"{other}\n---\nName: a\nCommand: echo\n", module=None)
    assert found.message == f"Command and {key} are both given, and one of them can be run"
    assert f"{key}: null" in found.hint
    read(f"{other}\n---\nName: a\nCommand: echo\n{key}: null\n---\nName: b\n", module=None)


def test_braces_without_quotes_are_explained() -> None:
    found = problem("{}\n---\nName: a\nlr: 1\nCommand: [echo, {lr}]\n", module=None)
    assert (place(found), found.message) == ((5, 17), "YAML takes {lr} for a mapping")
    assert found.hint == 'put quotes around it: "{lr}"'


def test_a_command_may_be_an_expression() -> None:
    text = "{}\n---\nName: a\nsizes: [1, 2]\nCommand: 'parse [\"echo\", *map(str, sizes)]'\n"
    plan = read(text, module=None)
    assert list(plan.experiments[0].experiment.inputs["Command"]) == ["echo", "1", "2"]


def test_a_command_is_known_before_the_experiment_starts() -> None:
    found = problem("{}\n---\nName: a\nCommand: solve sys.executable\n", module=None)
    assert found.message == "Command is a 'solve' value; a program was expected"


def test_what_is_skipped_may_lack_values() -> None:
    text = f"{{}}\n---\nName: skip\nCommand: '{sys.executable} {{lr}}'\n---\nName: a\nCommand: echo\n"
    assert [planned.runs for planned in read(text, module=None).experiments] == [False, True]
