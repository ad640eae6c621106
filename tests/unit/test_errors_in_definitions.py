"""What is said of each mistake in a definition: its place, what was expected, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.durations import parse_duration
from coolrunner.definition.plan import read_plan
from coolrunner.errors import DefinitionError, Problem, UsageError
from tests.definitions import place, pointed_at, problem, problems, read

HEAD = "{}\n---\n"


def told(found: Problem) -> str:
    """Return message and hint."""
    return f"{found.message}\n{found.hint}"


# --- how it is shown ---------------------------------------------------------------------------------


def test_a_mistake_is_shown_with_file_line_column_the_line_a_caret_and_a_hint(project: Path) -> None:
    """CR-09: the whole of what a person sees."""
    (project / "study.yaml").write_text("Module: timeit\n---\nName: vgg\nlr0: 1\nrate: parse lr_0 / 2\n")
    with pytest.raises(DefinitionError) as caught:
        read_plan("study.yaml")
    assert str(caught.value) == (
        "study.yaml:5:13: in rate of experiment 'vgg': the name 'lr_0' is not known here\n"
        "    rate: parse lr_0 / 2\n"
        "                ^\n"
        "    did you mean lr0?"
    )


def test_all_mistakes_are_told_in_one_go_in_the_order_of_the_file(project: Path) -> None:
    """CR-09, CR-10: settings, names, types, expressions, Modules and overrides."""
    (project / "study.yaml").write_text("""\
Global:
  repat: 2
Modul: nowhere.at_all
a: parse 1 +
---
Name: one
Repeat: two
b: parse nope
---
- a list
---
Name: two
Repat: 3
Module: nowhere.at_all
c: parse 1 / 0
""")
    with pytest.raises(DefinitionError) as caught:
        read_plan("study.yaml", ["+a..b=1"])
    shown = [str(found).splitlines()[0] for found in caught.value.problems]
    assert [line.partition(": ")[0] for line in shown] == [
        "command line",
        "study.yaml:2:3",
        "study.yaml:3:1",
        "study.yaml:4:13",
        "study.yaml:7:9",
        "study.yaml:10:1",
        "study.yaml:13:1",
    ]


def test_expressions_and_modules_are_told_together_once_the_documents_are_right() -> None:
    """CR-09, CR-11."""
    text = (
        "Module: nowhere_at_all\nx: parse nope\n---\nName: a\ny: parse E[-1].z\nTimeout: soon\nz: parse 1 +\n"
    )
    found = problems(text)
    assert [place(each) for each in found] == [(1, 9), (2, 10), (5, 10), (6, 10), (7, 13)]


def test_one_mistake_in_the_default_config_that_many_experiments_meet_is_told_once() -> None:
    """CR-09."""
    found = problem("x: parse 1 / 0\n" + "".join(f"---\nName: e{i}\n" for i in range(5)))
    assert place(found) == (1, 10)
    assert "of experiment 'e0'" in found.message
    assert found.hint == "the same in 4 more experiments"


def test_one_mistake_that_all_copies_meet_is_told_once() -> None:
    """CR-02, CR-09."""
    found = problem("Global: {repeat: 2}\n---\nName: a\nRepeat: 3\nx: parse nope\n")
    assert found.hint == "the same in 5 more experiments"


def test_what_refers_to_a_value_that_could_not_be_evaluated_is_no_further_mistake() -> None:
    """CR-09."""
    text = """\
{}
---
Name: a
x: parse 1 / 0
y: parse x + 1
n: {x: parse nope, y: parse x}
l: [parse nope2]
---
Name: b
a: parse E[-1].x
b: parse '[E[-1].x, 1]'
c: parse E[-1].x.y[0]
d: parse E[-1].n.x + 1
e: parse f"{E[-1].x}"
f: parse E[-1].n
g: parse E[-1].l
h: parse len(E[-1].x) if E[-1].x else 2
i: parse getattr(E[-1].x, 'name', 5)
""".replace("'[E[-1].x, 1]'", "[E[-1].x, 1]")
    assert [place(each)[0] for each in problems(text)] == [4, 6, 7]


def test_the_runners_own_keys_are_not_complained_of_where_they_could_not_be_evaluated() -> None:
    """CR-09."""
    lines = "".join(f"{key}: [parse 1 / 0]\n" for key in ("Name", "Module", "YamlLog", "Timeout", "RND_IDX"))
    assert [place(each)[0] for each in problems(f"{HEAD}{lines}")] == [3, 4, 5, 6, 7]
    assert [place(each)[0] for each in problems(f"{HEAD}{lines}".replace("[", "").replace("]", ""))] == [
        3,
        4,
        5,
        6,
        7,
    ]


def test_of_very_many_mistakes_the_first_are_shown_and_the_others_counted() -> None:
    """CR-09."""
    found = problems(HEAD + "".join(f"x{i}: parse nope\n" for i in range(70)))
    assert len(found) == 51
    assert str(found[-1]) == "... and 20 more problems"


# --- the file ----------------------------------------------------------------------------------------


def test_a_missing_file_is_an_error_that_offers_one_of_a_similar_name(project: Path) -> None:
    """CR-07."""
    (project / "experiment.yaml").write_text("a: 1\n")
    with pytest.raises(DefinitionError) as caught:
        read_plan("experimnt.yaml")
    assert str(caught.value) == "experimnt.yaml: this file does not exist\n    did you mean experiment.yaml?"
    with pytest.raises(DefinitionError, match=r"nowhere/study\.yaml: this file does not exist"):
        read_plan("nowhere/study.yaml")


def test_a_directory_is_an_error(project: Path) -> None:
    """CR-07."""
    with pytest.raises(DefinitionError, match="this is a directory; a YAML file was expected"):
        read_plan(str(project))


def test_a_path_that_cannot_be_read_is_an_error_that_says_why(project: Path) -> None:
    """CR-07."""
    (project / "study.yaml").write_text("a: 1\n")
    with pytest.raises(DefinitionError, match=r"study\.yaml/x\.yaml: cannot be read: Not a directory"):
        read_plan("study.yaml/x.yaml")
    with pytest.raises(DefinitionError, match="cannot be read: File name too long"):
        read_plan("x" * 300)


def test_a_file_that_is_not_utf_8_is_an_error_with_the_place_of_the_byte() -> None:
    """CR-01."""
    found = problem("a: 1\nb: é ".encode() + b"\xe9\n")
    assert place(found) == (2, 6)
    assert "not UTF-8: byte 0xe9" in found.message
    assert "encoding UTF-8" in found.hint


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """CR-01."""
    assert read("\ufeffa: 1\n---\nName: b\n").experiments[0].experiment["a"] == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- # this\n# that\n"])
def test_an_empty_file_is_an_error(text: str) -> None:
    """CR-01."""
    assert "this file is empty; a definition was expected" in problem(text).message


def test_a_default_config_alone_is_an_error_that_says_what_is_missing() -> None:
    """CR-01."""
    found = problem("# a comment\nlr: 1\nName: a\n")
    assert place(found) == (2, 1)
    assert "there is no experiment" in found.message
    assert "add a document for each experiment, after a line '---'" in found.hint


@pytest.mark.parametrize(
    ("document", "what"),
    [("- a\n- b\n", "a list"), ("just a text\n", "'just a text'"), ("5\n", "5")],
)
def test_a_document_that_is_no_mapping_is_an_error(document: str, what: str) -> None:
    """CR-01."""
    found = problem(f"lr: 1\n---\nName: a\n---\n{document}---\nName: b\n")
    assert place(found) == (5, 1)
    assert "a mapping (Key: value) was expected" in found.message
    assert found.message.endswith(f"this document is {what}")


def test_a_document_that_is_no_mapping_for_want_of_a_space_is_told_so() -> None:
    """CR-01."""
    assert problem(f"{HEAD}Name:test\n").hint == "write a space after the colon"


def test_a_default_config_that_is_no_mapping_is_an_error() -> None:
    """CR-01."""
    found = problems("- a\n---\nName: b\nRepat: 1\n")
    assert [place(each) for each in found] == [(1, 1), (4, 1)]


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\n---\n---\nName: b\n", 2), ("a: 1\n---\nName: b\n---\n", 4)]
)
def test_an_empty_document_is_an_error_that_points_to_its_marker(text: str, line: int) -> None:
    """CR-01."""
    found = problem(text)
    assert place(found) == (line, 1)
    assert "this document is empty" in found.message
    assert "write {}" in found.hint


# --- YAML --------------------------------------------------------------------------------------------

BAD_YAML: list[Any] = [
    ("lr:0.1\nb: 2", (3, 1), "mapping values are not allowed", "write a space after the colon"),
    ("lr\n\nb: 2", (3, 1), "mapping values are not allowed", "is a colon missing?"),
    ("b: 2\nlr:0.1", (4, 1), "could not find expected ':'", "write a space after the colon"),
    ("b: 2\nlr\nc: 3", (4, 1), "could not find expected ':'", "is a colon missing?"),
    ("opt:\n\tlr: 1", (4, 1), "cannot start any token", "never with tabs"),
    ("a: [1, 2", (3, 4), "did not find expected ',' or ']'", "this bracket is never closed"),
    ("a: {b: 1", (3, 4), "did not find expected ',' or '}'", "this bracket is never closed"),
    ("a: {b: parse E[-1].b}", (3, 15), "did not find expected ',' or '}'", "put quotes around the whole of"),
    ("a: [parse b['c'], 2]", (3, 12), "did not find expected ',' or ']'", "put quotes around the whole of"),
    ("a: 'text", (3, 4), "unexpected end of stream", "this quotation mark is never closed"),
    ("a: b: c", (3, 5), "mapping values are not allowed", "put quotes around a value that contains ': '"),
    ("a: 1\n   b: 2", (4, 5), "mapping values are not allowed", "is this line indented as it should be?"),
    ("a:\n    b: 1\n  c: 2", (5, 3), "did not find expected key", "is this line indented as it should be?"),
    ("a: {b}/c", (3, 7), "did not find expected key", "put quotes around the whole of a value"),
    ("a: 'it's'", (3, 8), "did not find expected key", "put quotes around the whole of a value"),
    ("a: %x", (3, 4), "cannot start any token", "put quotes around a text that begins with this character"),
    ("a: @x", (3, 4), "cannot start any token", "put quotes around a text that begins with this character"),
    ("a: *.py", (3, 5), "alphabetic or numeric", "put quotes around a text that begins with this character"),
    ("a: {{ b }}", (3, 5), "unhashable key", "put quotes around a text that begins with {"),
    ("a: *b", (3, 4), "undefined alias", "put quotes around a text that begins with this character"),
    ("a: !b c", (3, 4), "constructor for the tag '!b'", "put quotes around a text that begins with this"),
    ('a: "C:\\path"', (3, 7), "unknown escape character", "use single quotes"),
    ("a: 1\nb: 2\na: 3", (5, 1), "the key 'a' is given twice in one mapping", "begins after a line '---'"),
    ("a: {b: 1, c: 2, b: 3}", (3, 17), "the key 'b' is given twice in one mapping", ""),
    ("a: &x 1\nb: 2\nb: *x", (5, 1), "the key 'b' is given twice in one mapping", ""),
    ("day: 2021-13-45", (3, 6), "looks like a date or a number, but month must be in 1..12", "put quotes"),
    ("a: &x 1\nday: 2021-13-45", (4, 6), "looks like a date or a number", "put quotes around it"),
    ("a: &x [*x]", (3, 4), "recursive", ""),
    ("a: &x {b: *x}", (3, 4), "recursive", ""),
    ("a: !!set {b}", (3, 1), "type set at a is no plain data", ""),
    ("a: !!python/name:os.system b", (3, 4), "could not determine a constructor", ""),
    ("a: \x07", (3, 4), "control characters are not allowed", ""),
    ("a: " + "[" * 5000, (3, 253), "nested too deeply", ""),
    ("a: &x " + "[" * 300 + "]" * 300, (0, 0), "nested too deeply", ""),
]  # fmt: skip


@pytest.mark.parametrize(("document", "where", "message", "hint"), BAD_YAML)
def test_bad_yaml_is_told_where_it_is_mended(
    document: str, where: tuple[int, int], message: str, hint: str
) -> None:
    """CR-01."""
    found = problem(f"{HEAD}{document}\n")
    assert message in found.message
    assert hint in found.hint
    assert place(found) == where


@pytest.mark.parametrize(("document", "where", "message", "hint"), BAD_YAML[:22])
def test_bad_yaml_is_told_with_the_same_place_between_other_documents(
    document: str, where: tuple[int, int], message: str, hint: str
) -> None:
    """CR-01: and hides nothing in them."""
    found = problems(f"{HEAD}{document}\n---\nName: b\nRepat: 1\nx: parse 1 +\n")
    assert place(found[0]) == where
    assert message in found[0].message
    assert hint in found[0].hint
    assert [each.message.partition(";")[0] for each in found[1:]] == [
        "Repat is no parameter of the runner",
        "in x: not a valid expression: invalid syntax",
    ]


def test_documents_that_begin_behind_their_marker_are_told_with_the_right_places() -> None:
    """CR-01."""
    found = problems(
        "--- {a: 1}\n--- {b: [1}\n--- # c\nName: a\n--- {Name: b, Repeat: two}\r\n--- {Repat: 1}\n"
    )
    assert [place(each) for each in found] == [(2, 11), (5, 23), (6, 6)]


def test_a_broken_default_config_hides_no_mistakes_of_the_experiments() -> None:
    """CR-01: those that can be known without it."""
    found = problems("a: [1\n---\nName: b\nRepeat: two\nx: parse width\n")
    assert [place(each) for each in found] == [(1, 4), (4, 9)]


# --- names and settings ------------------------------------------------------------------------------


def test_an_unknown_setting_is_an_error_that_offers_the_nearest() -> None:
    """CR-02."""
    found = problem("Global:\n  repeet: 2\n---\nName: a\n")
    assert place(found) == (2, 3)
    assert told(found) == "Global has no setting 'repeet'\ndid you mean repeat?"


def test_an_unknown_setting_that_is_near_to_none_is_told_which_there_are() -> None:
    """CR-02."""
    found = problem("Global: {xyz: 2}\n---\nName: a\n")
    assert pointed_at(found) == "xyz: 2}"
    assert "known are repeat, queue, root, merge, imports" in found.hint


@pytest.mark.parametrize(
    ("setting", "column", "message", "hint"),
    [
        ("repeat: two", 11, "Global.repeat is 'two'; a whole number from 0 was expected", ""),
        ("repeat: -1", 11, "Global.repeat is -1; a whole number from 0 was expected", ""),
        ("repeat: true", 11, "Global.repeat is true; a whole number from 0 was expected", ""),
        ("queue: 3", 10, "Global.queue is 3; the path of a file was expected", "queue: queue.yaml"),
        ("queue: ''", 10, "Global.queue is ''; the path of a file was expected", "queue: queue.yaml"),
        ("queue: /", 10, "Global.queue is '/', a directory; a file was expected", "name a file"),
        ("root: [out]", 9, "Global.root is ['out']; the path of a directory", "root: null for none"),
        ("jobs: 0", 9, "Global.jobs is 0; a whole number from 1, or auto, was expected", ""),
        ("jobs: true", 9, "Global.jobs is true; a whole number from 1, or auto, was expected", ""),
        ("gpus: 0", 9, "Global.gpus is 0; a list of GPUs was expected", "[0, 1]"),
        ("gpus: [0, -1]", 13, "Global.gpus[1] is -1; the index or the UUID of a GPU was expected", "[0, 1]"),
        ("gpus: [0, 1, '0']", 16, "Global.gpus[2] is '0', which is named twice", "leave it out"),
        ("breaker: 5", 12, "Global.breaker is 5; true or false was expected", ""),
        ("merge: dep", 10, "Global.merge is 'dep'; replace or deep was expected", "did you mean deep?"),
        ("executor: inlin", 13, "Global.executor is 'inlin'; local or inline", "did you mean inline?"),
        ("grace: soon", 10, "Global.grace is 'soon'; a duration was expected", ""),
        ("fail_fast: 1", 14, "Global.fail_fast is 1; true or false was expected", ""),
        ("max_failures: 0", 17, "Global.max_failures is 0; a whole number from 1 was expected", ""),
        ("imports: [math, nowhere_at_all]", 19, "Global.imports[1] is 'nowhere_at_all'; there is no", ""),
        ("imports: from os import path", 12, "is not of the form 'module' or 'module as name'", ""),
        ("imports: [5]", 13, "Global.imports[0] is 5; the name of a module was expected", ""),
        ("imports: {a: b}", 12, "Global.imports is {'a': 'b'}; a list of modules was expected", ""),
        ("slack: true", 10, "Global.slack is true; a mapping was expected", "write slack: {channel: "),
        ("slack: {chanel: x}", 10, "Global.slack has no setting 'chanel'", "did you mean channel?"),
        ("slack: {message: exp.A}", 10, "Global.slack names no channel", "add channel: '#name'"),
        ("slack: {channel: 5}", 20, "Global.slack.channel is 5; the name of a channel", "put quotes"),
        ("slack: {channel: a, message: 5}", 32, "Global.slack.message is 5; an expression over", "such as"),
        ("slack: {channel: a, message: exp.}", 32, "an expression over exp was expected", "such as"),
        ("slack: {channel: a, message: ACC}", 32, "mentions ACC, which is not known there", "write exp.ACC"),
    ],
)  # fmt: skip
def test_a_setting_of_the_wrong_kind_is_told_what_was_expected(
    setting: str, column: int, message: str, hint: str
) -> None:
    """CR-02, CR-03, CR-17."""
    found = problem(f"Global:\n  {setting}\n---\nName: a\n")
    assert place(found) == (2, column)
    assert message in found.message
    assert hint in found.hint


def test_a_message_for_slack_may_use_exp_imports_and_builtins() -> None:
    """CR-17."""
    message = "textwrap.fill(str(round(exp.A, 2)))"
    text = f"Global:\n  imports: [textwrap]\n  slack:\n    channel: '#x'\n    message: {message}\n"
    slack = read(f"{text}---\nName: a\n").settings.slack
    assert slack is not None
    assert (slack.channel, slack.message) == ("#x", message)


def test_global_that_is_no_mapping_and_global_in_an_experiment_are_errors() -> None:
    """CR-01."""
    assert told(problem("Global: 5\n---\nName: a\n")) == "Global is 5; a mapping was expected\n"
    found = problem("{}\n---\nName: a\nGlobal: {repeat: 2}\n")
    assert (place(found), found.message) == ((4, 1), "Global belongs in the first document")


def test_a_misspelt_parameter_of_the_runner_is_an_error_that_offers_the_right_one() -> None:
    """CR-10."""
    found = problem(f"{HEAD}Name: a\nRepat: 3\n")
    assert (place(found), found.message) == (
        (4, 1),
        "Repat is no parameter of the runner; did you mean Repeat?",
    )
    found = problem("Globel:\n  repeat: 2\n---\nName: a\n")
    assert (place(found), found.message) == (
        (1, 1),
        "Globel is no parameter of the runner; did you mean Global?",
    )


@pytest.mark.parametrize("key", ["REP", "ID", "TIME_ELAPSED", "HOST", "SOLVED", "TRACEBACK"])
def test_what_the_runner_writes_cannot_be_set(key: str) -> None:
    """CR-02."""
    found = problem(f"{HEAD}Name: a\n{key}: 1\n")
    assert (place(found), told(found)) == (
        (4, 1),
        f"{key} is written by the runner and cannot be set\nremove it, or choose another name",
    )


@pytest.mark.parametrize(
    ("lines", "at", "message", "hint"),
    [
        ("Hold: 'yes'", "'yes'", "Hold is 'yes'; true or false was expected", ""),
        ("Hold: solve x", "solve x", "Hold is 'solve x'; true or false", "cannot be a 'solve' value"),
        (
            "Priority: true",
            "true",
            "Priority is true; a number was expected",
            "of a higher number are taken first",
        ),
        ("Priority: .nan", ".nan", "Priority is nan; a number was expected", "taken first"),
        ("Retries: -1", "-1", "Retries is -1; a whole number from 0 was expected", ""),
        ("Retries: parse 1 / 2", "parse 1 / 2", "Retries is 0.5; a whole number from 0 was expected", ""),
        ("Resources: 4", "4", "Resources is 4; a mapping was expected, such as {cpus: 2", ""),
        ("Resources: {cpus: 1, gpu: 1}", "gpu: 1}", "Resources has no key 'gpu'", "did you mean gpus?"),
        ("Resources: {gpus: 1.5}", "1.5}", "Resources.gpus is 1.5; a share is of one GPU", "write 2"),
        ("Resources:\n  memory: 4 apples", "4 apples", "Resources.memory is '4 apples'; a size was", ""),
        ("After: [{a: 1}]", "{a: 1}]", "After[0] is {'a': 1}; the name of an experiment", ""),
    ],
)
def test_what_the_queue_needs_to_know_is_looked_at(lines: str, at: str, message: str, hint: str) -> None:
    for text in (f"{HEAD}{lines}\n", f"{lines}\n---\nName: a\n"):
        found = problem(text)
        assert message in found.message
        assert pointed_at(found) == at
        assert hint in found.hint


def test_a_queue_is_not_the_definition_and_no_log(project: Path) -> None:
    path = project / "study.yaml"
    path.write_text("Global: {queue: ./study.yaml}\nModule: timeit\n---\nName: a\n")
    with pytest.raises(DefinitionError, match=r"study.yaml:1:17: Global.queue is this definition itself"):
        read_plan(path)
    found = problem("Global: {queue: q.yaml}\n---\nName: a\nYamlLog: ./q.yaml\n")
    assert found.message == "YamlLog is './q.yaml', which is the queue; a file of its own was expected"
    assert place(found) == (4, 10)


def test_a_key_that_is_no_name_is_an_error() -> None:
    """CR-01."""
    found = problems(f"{HEAD}on: 1\n7: 1\n~: 1\n")
    assert [(place(each), each.message) for each in found] == [
        ((3, 1), "the key true is not a name"),
        ((4, 1), "the key 7 is not a name"),
        ((5, 1), "the key null is not a name"),
    ]
    assert "YAML reads yes, no, on and off as true and false" in found[0].hint


@pytest.mark.parametrize("value", ["two", "-1", "true", "1.5", "null", "[1]", "parse 3"])
def test_a_repeat_that_is_no_count_is_an_error(value: str) -> None:
    """CR-02."""
    found = problem(f"{HEAD}Name: a\nRepeat: {value}\n")
    assert place(found) == (4, 9)
    assert "a whole number of copies was expected" in found.message
    assert ("repeated before they are parsed" in found.hint) == value.startswith("parse")


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        ("Name: yes", 7, "Name is true; a text was expected", "put quotes around it"),
        ("Name: [a]", 7, "Name is ['a']; a text was expected", "put quotes around it"),
        ("Timeout: soon", 10, "Timeout is 'soon'; a duration was expected", "30m, 2h"),
        ("Timeout: -1", 10, "Timeout is -1; a duration was expected", "30m, 2h"),
        ("YamlLog: 5", 10, "YamlLog is 5; the path of a file was expected", ""),
        ("YamlLog:", 9, "YamlLog is null; the path of a file was expected", ""),
        ("RND_IDX: x", 10, "RND_IDX is 'x'; a whole number was expected", ""),
        ("RND_IDX: true", 10, "RND_IDX is true; a whole number was expected", ""),
        ("Run: timeit.main", 6, "Run is 'timeit.main'; 'solve package.module.function' was expected", ""),
        ("Timeout: parse 'so' + 'on'", 10, "Timeout is 'soon'; a duration was expected", "30m, 2h"),
    ],
)
def test_a_parameter_of_the_runner_of_the_wrong_kind_is_told_what_was_expected(
    line: str, column: int, message: str, hint: str
) -> None:
    """CR-02, CR-11, CR-14."""
    found = problem(f"{HEAD}Name: a\n{line}\n".replace("Name: a\nName", "lr: 1\nName"))
    assert place(found) == (4, column)
    assert found.message == message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("90", 90), ("1.5", 1.5), ("30s", 30), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400),
     ("1 h 30 m", 5400)],
)  # fmt: skip
def test_a_timeout_is_seconds_or_has_units(value: str, seconds: float) -> None:
    """CR-11."""
    plan = read(f"{HEAD}Name: a\nTimeout: {value}\n")
    assert parse_duration(plan.experiments[0].experiment["Timeout"]) == seconds


# --- Modules -----------------------------------------------------------------------------------------


def test_a_module_that_cannot_be_found_is_told_once_with_its_place() -> None:
    """CR-11."""
    found = problem("lr: 1\nModule: nowhere_at_all\n---\nName: a\n---\nName: b\n")
    assert (place(found), found.message) == ((2, 9), "the Module 'nowhere_at_all' cannot be found")


def test_a_module_beside_a_definition_that_lies_elsewhere_is_told_where_to_start(project: Path) -> None:
    """CR-11."""
    (project / "study").mkdir()
    (project / "study" / "model.py").write_text("def main(exp): pass\n")
    (project / "study" / "study.yaml").write_text("Module: model\n---\nName: a\n")
    with pytest.raises(DefinitionError) as caught:
        read_plan("study/study.yaml")
    (found,) = caught.value.problems
    assert found.message == "the Module 'model' cannot be found"
    assert found.hint.endswith("is there, but the import path begins where the command was started: cd study")


def test_some_experiments_without_a_module_are_named() -> None:
    """CR-11."""
    found = problems("lr: 1\n---\nName: a\nModule: timeit\n---\nName: b\n---\nName: c\n")
    assert [(place(each), each.message) for each in found] == [
        ((6, 1), "experiment 'b' has no Module"),
        ((8, 1), "experiment 'c' has no Module"),
    ]


def test_a_key_that_was_meant_to_be_the_module_is_seen() -> None:
    """CR-10, CR-11."""
    found = problem("module: timeit\n---\nName: a\n", module=None)
    assert told(found) == "no experiment has a Module\ndid you mean Module in place of module?"


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("modules/digits.py", "write it as Python imports it: modules.digits"),
        ("./modules/digits", "write it as Python imports it: modules.digits"),
        ("modules digits", ""),
        ("[a]", ""),
        ("5", ""),
    ],
)
def test_a_module_of_another_form_is_told_what_was_expected(module: str, hint: str) -> None:
    """CR-11."""
    found = problem(f"Module: {module}\n---\nName: a\n")
    assert place(found) == (1, 9)
    assert "package.module or package.module:function was expected" in found.message
    assert found.hint == hint


# --- expressions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("parse 1 +", 13),
        ("parse (1,", 10),
        ("parse    (1,", 13),
        ("parse 1 +* 2", 13),
        ("'parse 1 +* 2'", 14),
        ("parse x = 5", 12),
        ("parse import os", 10),
        ("parse 1)", 11),
        ("[1, parse 1 +* 2]", 17),
        ("solve 1 +* 2", 13),
        ("'parse '", 11),
    ],
)  # fmt: skip
def test_an_expression_that_is_no_python_is_told_with_the_place_in_it(value: str, column: int) -> None:
    """CR-09, CR-12."""
    found = problem(f"{HEAD}Name: a\nx: {value}\n")
    assert place(found) == (4, column)
    assert ": not a valid expression: " in found.message
    assert "is taken for a Python expression" in found.hint


def test_an_expression_that_yaml_cuts_at_a_comment_is_told_so() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nx: parse Name + ' #1'\n")
    assert place(found)[0] == 4
    assert found.hint == "YAML takes what follows ' #' for a comment; put quotes around the whole value"


@pytest.mark.parametrize("mark", ["|", ">", ">-", "|2-"])
def test_an_expression_in_a_block_of_lines_is_told_with_its_first_line(mark: str) -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nx: {mark}\n  parse [1,\n    nope]\ny: 1\n")
    assert place(found)[0] == 5
    assert found.line == "  parse [1,"
    assert "the name 'nope' is not known here" in found.message
    assert found.hint.startswith("expression: [1,")


def test_an_expression_in_a_mapping_in_a_list_is_told_with_its_key_and_place() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nlayers:\n  - width: 1\n  - width: parse depth\n    depth: 3\n")
    assert place(found) == (6, 18)
    assert found.message == "in layers[1].width of experiment 'a': depth stands further down (line 7)"


def test_an_unknown_name_is_told_with_the_nearest_known_one() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nlearning_rate: 1\nx: parse 2 * learningrate\n")
    assert place(found) == (5, 14)
    assert pointed_at(found) == "learningrate"
    assert told(found) == (
        "in x of experiment 'a': the name 'learningrate' is not known here\ndid you mean learning_rate?"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("lenn", "len"), ("rnage", "range"), ("REPS", "REP"), ("e", "E"), ("mth", "math"), ("nope", "")],
)
def test_the_nearest_name_may_be_a_builtin_or_the_runners_but_no_silly_one(name: str, meant: str) -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nx: parse {name}\n")
    assert found.hint == (f"did you mean {meant}?" if meant else "")


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("np.sqrt(4)", "Global: {imports: [numpy as np]}"),
        ("os.environ['X']", "Global: {imports: [os]}"),
        ("E[vgg].lr", "an experiment is reached by its name in quotes: E['vgg']"),
    ],
)
def test_an_unknown_name_that_is_a_module_or_an_experiment_is_told_how_to_write_it(
    expression: str, hint: str
) -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: vgg\n---\nName: a\nx: parse {expression}\n")
    assert "is not known here" in found.message
    assert hint in found.hint


def test_a_key_in_its_own_expression_is_told_how_to_mend_it() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nlr: parse lr * 2\n")
    assert "lr is being defined here and has no value yet" in found.message
    assert "such as _lr, above this line" in found.hint


def test_a_mapping_in_its_own_expression_is_told_how_to_mend_it() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nopt:\n  lr: 1\n  wd: parse opt.lr\n")
    assert "opt is being defined here; its keys above this line are known by their own names" in found.message
    assert found.hint == "leave out 'opt.'"


def test_a_list_in_its_own_expression_is_told_how_to_mend_it() -> None:
    """CR-09: unlike those of a mapping, its items have no names to be known by."""
    found = problem(f"{HEAD}Name: a\nsizes:\n- 1\n- parse sizes[0]\n")
    assert "sizes is being defined here and has no value yet" in found.message
    assert "such as _sizes, above this line" in found.hint


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("E[-1].x", "IndexError: E[-1]: no experiment comes before this one"),
        ("E[0]['x']", "IndexError: E[0]: no experiment comes before this one"),
        ("E['a'].x", "KeyError: no experiment before this one is named 'a'"),
    ],
)
def test_the_history_in_the_first_experiment_is_told_to_be_empty(expression: str, message: str) -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nx: parse {expression}\n")
    assert place(found) == (4, 10)
    assert f"in x of experiment 'a': the expression raises {message}" == found.message
    assert "E is empty in the first experiment" in found.hint


def test_an_experiment_further_down_that_is_asked_for_by_name_is_told_with_its_place() -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: a\nx: parse E['b'].y\n---\nName: b\ny: 1\n")
    assert place(found) == (4, 10)
    assert "no experiment before this one is named 'b'" in found.message
    assert found.hint == "'b' stands further down (line 6): move it above this experiment"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("E[-2].x", "IndexError: E[-2]: only 1 experiment comes before this one"),
        ("E['vg'].x", "KeyError: no experiment before this one is named 'vg'; did you mean 'vgg'?"),
        ("E[-1].sparsty", "AttributeError: there is no key 'sparsty'; did you mean 'sparsity'?"),
        ("E[-1]['sparsty']", "KeyError: there is no key 'sparsty'; did you mean 'sparsity'?"),
        ("E[-1].opt.lrr", "AttributeError: there is no key 'lrr'; did you mean 'lr'?"),
    ],
)
def test_what_the_history_does_not_have_is_told_with_the_nearest(expression: str, message: str) -> None:
    """CR-09."""
    found = problem(f"{HEAD}Name: vgg\nsparsity: 1\nopt: {{lr: 1}}\n---\nName: b\nx: parse {expression}\n")
    assert place(found) == (8, 10)
    assert found.message == f"in x of experiment 'b': the expression raises {message}"
    assert not found.hint


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("int('a')", "ValueError: invalid literal for int() with base 10: 'a'"),
        ("{}['k']", "KeyError: k"),
        ("exit(3)", "SystemExit: 3"),
        ("[][1]", "IndexError: list index out of range"),
        ("next(iter([]))", "StopIteration"),
        ("Name.append(1)", "AttributeError: 'str' object has no attribute 'append'"),
    ],
)
def test_an_expression_that_raises_shows_experiment_key_expression_and_exception(
    expression: str, message: str
) -> None:
    """CR-09: and no traceback of ours."""
    found = problem(f"{HEAD}Name: a\nn:\n  x: parse {expression}\n")
    assert place(found) == (5, 12)
    assert found.message == f"in n.x of experiment 'a': the expression raises {message}"
    assert expression in found.line


@pytest.mark.parametrize(
    ("expression", "kind", "hint"),
    [
        ("{1, 2}", "set", "sorted(...)"),
        ("range(3)", "range", "list(...)"),
        ("{}.keys()", "dict_keys", "list(...)"),
        ("(i for i in [1])", "generator", "list(...)"),
        ("print", "builtin_function_or_method", "use 'solve'"),
        ("int", "type", "use 'solve'"),
        ("math", "module", "use 'solve'"),
        ("1j", "complex", "numbers, texts, lists and mappings"),
        ("E", "History", "as in [exp.Name for exp in E]"),
        ("[1, {'a': E[-1]}]", "Experiment", "take one of its keys"),
    ],
)
def test_an_expression_that_gives_no_plain_data_is_told_what_to_do(
    expression: str, kind: str, hint: str
) -> None:
    """CR-09."""
    found = problem(f'{HEAD}Name: skip\n---\nName: a\nx: "parse {expression}"\n')
    assert place(found) == (6, 11)
    assert "the expression gives no plain data: a value of type " in found.message
    assert kind in found.message
    assert hint in found.hint


def test_an_import_that_fails_is_told_with_its_exception(project: Path) -> None:
    """CR-09."""
    (project / "broken_helper.py").write_text("raise RuntimeError('not today')\n")
    found = problem("Global: {imports: [broken_helper]}\n---\nName: a\nx: parse broken_helper.y\n")
    assert place(found) == (4, 10)
    assert "broken_helper cannot be imported: RuntimeError: not today" in found.message


def test_what_python_warns_of_in_an_expression_is_a_warning_with_its_place() -> None:
    """CR-09."""
    (warning,) = read(f"{HEAD}Name: a\nx: parse Name is 'a'\n").warnings
    assert place(warning) == (4, 10)
    assert 'Did you mean "=="?' in warning.message


# --- overrides and --pick ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "column", "message", "hint"),
    [
        ("+x", 1, "an override is written +Key=value, without spaces around the =", ""),
        ("+a..b=1", 2, "'a..b' is not a valid key: names joined with dots were expected", ""),
        ("++.a=1", 3, "'.a' is not a valid key", ""),
        ("+Global.repat=2", 2, "Global has no setting 'repat'", "did you mean repeat?"),
        ("+Global.repeat=two", 16, "Global.repeat is 'two'; a whole number from 0 was expected", ""),
        ("+Globl.repeat=2", 2, "Globl is no parameter of the runner; did you mean Global?", ""),
        ("+Repat=2", 2, "Repat is no parameter of the runner; did you mean Repeat?", ""),
        ("++REP=2", 3, "REP is written by the runner and cannot be set", "choose another name"),
        ("+lr.x=2", 2, "lr.x cannot be set: lr is 0.1, not a mapping", "set lr as a whole: +lr='{x: ...}'"),
        ("+x=[1, 2", 4, "did not find expected ',' or ']'", "this bracket is never closed"),
        ("+x=a: b", 5, "mapping values are not allowed", "put quotes around a value that contains ': '"),
        ("+x={a: 1, a: 2}", 11, "the key 'a' is given twice in one mapping", ""),
        ("+x=parse nope", 10, "in x of experiment 'a': the name 'nope' is not known here", ""),
        ("+x=parse 1 +* 2", 13, "in x: not a valid expression", "is taken for a Python expression"),
        ("+x.y=[parse 1 / 0]", 13, "in x.y[0] of experiment 'a': the expression raises ZeroDiv", ""),
        ("+Timeout=soon", 10, "Timeout is 'soon'; a duration was expected", "30m"),
        ("+x=\udcff", 4, "surrogates not allowed", ""),
    ],
)  # fmt: skip
def test_a_wrong_override_is_shown_with_the_place_in_it(
    override: str, column: int, message: str, hint: str
) -> None:
    """CR-08."""
    found = problem("lr: 0.1\nModule: timeit\n---\nName: a\n", override)
    assert str(found).startswith("command line: ")
    assert place(found) == (0, column)
    assert found.line == override
    assert message in found.message
    assert hint in found.hint


def test_a_pick_out_of_range_is_told_with_the_other_mistakes() -> None:
    """CR-07."""
    with pytest.raises(UsageError, match="there is no experiment 3; this study has 1"):
        read(f"{HEAD}Name: a\n", pick=["3"])
    found = problems(f"{HEAD}Name: a\nx: parse nope\n", pick=["3"])
    assert [each.message.partition(":")[0] for each in found] == ["--pick", "in x of experiment 'a'"]


def test_a_pick_is_not_counted_against_a_list_of_unknown_length() -> None:
    """CR-07: how many experiments there are is not known."""
    assert len(problems(f"{HEAD}Name: a\nRepeat: two\n", pick=["3"])) == 1
    assert len(problems(f"{HEAD}Name: a\nRepeat: two\n", pick=["x"])) == 2
