"""What a person writes into a queue, and the experiment and the text that come of it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.adding import Adding, Completed, complete_text
from coolrunner.definition.expressions import History
from coolrunner.definition.inplace import same, with_values
from coolrunner.errors import DefinitionError, Problem
from coolrunner.experiment import Experiment
from coolrunner.yamlio import Source, read_documents, read_text, split_documents

STUDY = """\
Global: {imports: [random]}
Module: timeit
Name: vgg
lr: 0.1
steps: parse lr * 100
optimizer: {name: sgd, momentum: 0.9}
---
Name: a
"""
ADDED = ("Module", "YamlLog", "REP", "RND_IDX")


def history(*experiments: dict[str, Any]) -> History:
    past = History()
    for values in experiments:
        past.append(Experiment(values))
    return past


def complete(
    text: str,
    study: str = STUDY,
    *overrides: str,
    past: History | None = None,
    known: dict[str, Any] | None = None,
    code: bool = True,
    **options: Any,
) -> Completed:
    """Return the experiment of the last document of a queue."""
    source = Source("queue.yaml", text)
    document = list(read_documents(source))[-1]
    adding = Adding("study.yaml", study, overrides, code=code)
    return adding.complete(source, document, past or History(), known=known, **options)


def values(text: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Return an experiment without what the runner adds."""
    found = complete(text, *arguments, **options).values
    return {key: value for key, value in found.items() if key not in ADDED}


def problems(text: str, *arguments: Any, **options: Any) -> list[Problem]:
    with pytest.raises(DefinitionError) as raised:
        complete(text, *arguments, **options)
    return list(raised.value.problems)


def problem(text: str, *arguments: Any, **options: Any) -> Problem:
    found = problems(text, *arguments, **options)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def adopted(text: str, *arguments: Any, **options: Any) -> str:
    """Return the text of a queue's one document after it was completed, with RND_IDX 123456."""
    completed = complete(text, *arguments, **options)
    if completed.added.count("RND_IDX"):
        completed.values["RND_IDX"] = 123456
    (raw,) = split_documents(text)
    return complete_text(raw.text, completed, "k7f3q2ma")


# --- a new document --------------------------------------------------------------------------------


def test_a_short_document_gets_the_defaults_of_its_study() -> None:
    found = complete("Name: b\nlr: 0.5\n")
    assert list(found.values) == [
        "Name", "lr", "Module", "steps", "optimizer", "YamlLog", "REP", "RND_IDX",
    ]  # fmt: skip
    assert (found.values["steps"], found.values["YamlLog"], found.values["REP"]) == (50, "log.yaml", 0)
    assert found.added == ["Module", "steps", "optimizer", "YamlLog", "REP", "RND_IDX"]


def test_a_document_of_nothing_is_an_experiment_of_defaults_alone() -> None:
    assert values("---\n{}\n") == {
        "Name": "vgg", "lr": 0.1, "steps": 10, "optimizer": {"name": "sgd", "momentum": 0.9},
    }  # fmt: skip


def test_a_nested_mapping_replaces_the_default_s_or_is_merged_as_the_study_says() -> None:
    text = "optimizer: {name: adam}\n"
    assert values(text)["optimizer"] == {"name": "adam"}
    deep = values(text, STUDY, "+Global.merge=deep")["optimizer"]
    assert deep == {"name": "adam", "momentum": 0.9}


def test_overrides_change_the_defaults_and_not_what_was_written() -> None:
    assert values("Name: b\n", STUDY, "++lr=7")["lr"] == 7
    assert values("Name: b\nlr: 8\n", STUDY, "++lr=7")["lr"] == 8


def test_without_a_definition_there_are_no_defaults() -> None:
    assert values("Name: b\nModule: timeit\nlr: 1\n", "") == {"Name": "b", "lr": 1}


def test_expressions_are_evaluated_with_the_history_of_the_study() -> None:
    past = history({"Name": "a", "lr": 1.0}, {"Name": "b", "lr": 2.0})
    text = "Name: c\nlr: parse E[-1].lr + E['a'].lr\nsteps: parse lr\nof: {host: parse len(HOST) > 0}\n"
    found = complete(text, past=past)
    assert found.values["lr"] == found.values["steps"] == 3.0
    assert found.changed == [(("lr",), 3.0), (("steps",), 3.0), (("of", "host"), True)]


def test_rnd_idx_is_drawn_and_never_one_that_is_taken() -> None:
    asked: list[int] = []

    def taken(number: int) -> bool:
        asked.append(number)
        return len(asked) < 50

    index = complete("Name: b\n", rnd_taken=taken).values["RND_IDX"]
    assert index == asked[-1] >= 100_000
    assert len(asked) == 50


def test_rnd_idx_and_rep_of_a_copied_document_stay() -> None:
    text = "Name: b\nRepeat: 3\nk: parse RND_IDX + REP\nYamlLog: l.yaml\nREP: 2\nRND_IDX: 345678\n"
    found = complete(text).values
    assert (found["REP"], found["RND_IDX"], found["k"], found["Repeat"]) == (2, 345678, 345680, 3)
    assert list(found)[-2:] == ["REP", "RND_IDX"]


def test_two_documents_of_one_save_get_numbers_of_their_own() -> None:
    source = Source("queue.yaml", "Name: a\n---\nName: b\n")
    adding = Adding("study.yaml", STUDY)
    found = {adding.complete(source, each, History()).values["RND_IDX"] for each in read_documents(source)}
    assert len(found) == 2


def test_the_default_s_repeat_is_for_the_definition_alone() -> None:
    assert "Repeat" not in complete("Name: b\n", STUDY, "+Repeat=3").values


def test_an_id_is_no_value() -> None:
    assert "ID" not in complete("Name: b\nID: k7f3q2ma\n").values


def test_what_it_waits_for_is_told() -> None:
    found = complete("Name: b\nAfter: [a, c]\nx: solve E['p'].ACC + E[-1].ACC\n")
    assert found.after == ("a", "c")
    assert [asked.key for asked in found.past] == ["p", -1]


def test_the_names_that_expressions_mention_are_told() -> None:
    assert {"lr", "width"} <= complete("width: 3\nsize: parse width * 2\n").used


def test_what_is_doubtful_is_told_once_for_what_was_written() -> None:
    (warning,) = complete("Name: b\ntimeout: 3\n", STUDY, "+repeat=1").warnings
    assert "the runner's own is Timeout" in warning.message


# --- what is wrong with it -------------------------------------------------------------------------

QUEUE = "# a queue\n---\nName: first\n---\nName: b\n"


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ("lr: parse 1/0", (6, 11), "in lr of experiment 'b': the expression raises ZeroDivisionError"),
        ("k: parse steps", (6, 10), "steps stands only in the default config (study.yaml:5:1)"),
        ("k: parse l\nl: 1", (6, 10), "l stands further down (line 7)"),
        ("k: parse E['x'].lr", (6, 10), "no experiment before this one is named 'x'"),
        ("k: parse (", (6, 10), "not a valid expression"),
        ("Modul: x", (6, 1), "Modul is no parameter of the runner; did you mean Module?"),
        ("Module: no_such_module", (6, 9), "the Module 'no_such_module' cannot be found"),
        ("Module: null", (6, 9), "experiment 'b' has no Module"),
        ("Timeout: soon", (6, 10), "Timeout is 'soon'; a duration was expected"),
        ("Hold: 1", (6, 7), "Hold is 1; true or false was expected"),
        ("Priority: high", (6, 11), "Priority is 'high'; a number was expected"),
        ("Retries: 0.5", (6, 10), "Retries is 0.5; a whole number from 0 was expected"),
        ("Resources: {cpus: 0}", (6, 19), "Resources.cpus is 0"),
        ("After: [true]", (6, 9), "After[0] is true; the name of an experiment"),
        ("STARTED: now", (6, 1), "STARTED is written by the runner and cannot be set"),
        ("Sweep: 3", (6, 1), "a document in a queue is one experiment, so that it has no Sweep"),
        ("REP: -1", (6, 6), "REP is -1; a whole number from 0 was expected"),
        ("RND_IDX: x", (6, 10), "RND_IDX is 'x'; a whole number was expected"),
        ("Repeat: 3", (6, 1), "a document in a queue is one experiment and cannot be repeated"),
        ("Global: {merge: deep}", (6, 1), "Global belongs in the definition"),
        ("YamlLog: queue.yaml", (6, 10), "YamlLog is 'queue.yaml', which is the queue"),
        ("3: x", (6, 1), "the key 3 is not a name"),
    ],
)
def test_a_mistake_is_shown_at_its_place_in_the_queue(
    lines: str, place: tuple[int, int], message: str
) -> None:
    found = problem(f"{QUEUE}{lines}\n")
    assert message in found.message
    assert found.position is not None
    assert (found.position.file, found.position.line, found.position.column) == ("queue.yaml", *place)


@pytest.mark.parametrize(
    ("text", "study", "message"),
    [
        ("Name: skip\n", STUDY, "this experiment is named skip"),
        ("Name: null\n", STUDY, "this experiment has no Name"),
        ("lr: 1\n", "Module: timeit\n", "this experiment has no Name"),
    ],
)
def test_nothing_in_a_queue_is_skipped(text: str, study: str, message: str) -> None:
    found = problem(text, study)
    assert found.message == message
    assert "give it a name, or remove the document" in found.hint


@pytest.mark.parametrize("key", ["Nmae", "name", "Nam"])
def test_a_name_that_is_misspelt_is_recognised(key: str) -> None:
    found = problem(f"lr: 1\n{key}: new\n", "Module: timeit\n")
    assert found.message == f"this experiment has no Name; is {key} meant as Name?"
    assert found.position is not None
    assert (found.position.line, found.position.column) == (2, 1)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "---\n# nothing\n---\n"])
def test_a_document_is_a_mapping(text: str) -> None:
    assert problem(text).position is not None


def test_a_mistake_in_a_default_is_shown_in_the_definition() -> None:
    found = problem("Name: b\nlr: text\n", STUDY.replace("lr * 100", "lr - 100"))
    assert found.position is not None
    assert (found.position.file, found.position.line) == ("study.yaml", 5)


def test_a_definition_that_cannot_be_read_is_shown() -> None:
    found = problem("Name: b\n", "Global: {merge: up}\nName: a\n")
    assert "Global.merge is 'up'" in found.message


def test_no_code_refuses_what_was_written_and_what_the_definition_has() -> None:
    assert "refused by --no-code" in problem("x: parse 1\n", "Module: timeit\nName: a\n", code=False).message
    assert "refused by --no-code" in problem("Name: b\n", code=False).message


def test_a_module_that_was_mended_meanwhile_is_found(project: Path) -> None:
    source = Source("queue.yaml", "Name: b\nModule: trainer_of_mine\n")
    (document,) = read_documents(source)
    adding = Adding("study.yaml", STUDY)
    with pytest.raises(DefinitionError, match="cannot be found"):
        adding.complete(source, document, History())
    (project / "trainer_of_mine.py").write_text("def main(exp): pass\n")
    importlib.invalidate_caches()
    assert adding.complete(source, document, History()).values["Module"] == "trainer_of_mine"


# --- a document that the runner wrote, and a person changed ----------------------------------------

KNOWN = {
    "Name": "a",
    "Module": "timeit",
    "text": "parse what the runner wrote",
    "nested": {"list": [1, "parse this too"], "lr": 1},
    "Repeat": 2,
    "YamlLog": "l.yaml",
    "REP": 1,
    "RND_IDX": 222222,
}


def test_what_the_runner_wrote_is_not_looked_at_again() -> None:
    text = (
        "Name: a\nModule: timeit\ntext: parse what the runner wrote\n"
        "nested: {list: [1, parse this too], lr: parse 2*3}\n"
        "Repeat: 2\nYamlLog: l.yaml\nREP: 1\nRND_IDX: 222222\nID: k7f3q2ma\n"
    )
    found = complete(text, known=KNOWN)
    assert found.values == {**KNOWN, "nested": {"list": [1, "parse this too"], "lr": 6}}
    assert found.changed == [(("nested", "lr"), 6)]
    assert found.added == []
    code = complete(text.replace("parse 2*3", "3"), "Module: timeit\n", known=KNOWN, code=False)
    assert code.values["nested"]["lr"] == 3


def test_keys_that_were_removed_stay_removed_but_for_those_of_the_runner() -> None:
    found = complete("Name: a\nModule: timeit\n", known=KNOWN).values
    assert found == {"Name": "a", "Module": "timeit", "YamlLog": "l.yaml", "REP": 1, "RND_IDX": 222222}


def test_a_changed_experiment_still_has_a_name_and_a_module() -> None:
    found = problems("lr: 2\n", known=KNOWN)
    assert [each.message for each in found] == ["this experiment has no Name"]
    assert "has no Module" in problem("Name: a\n", known=KNOWN).message


def test_a_changed_repeat_is_told_to_write_copies() -> None:
    found = problem("Name: a\nModule: timeit\nRepeat: 5\n", known=KNOWN)
    assert found.hint == "write the document as often as it is to run"


# --- the text --------------------------------------------------------------------------------------


def test_the_lines_that_a_person_wrote_stay_as_they_are() -> None:
    text = "# a try with more\nName: 'b'   # quoted\n\nlr:   parse 0.1 * 5  # five times\nsteps: 0x10\n"
    assert adopted(text) == (
        "# a try with more\nName: 'b'   # quoted\n\nlr:   0.5  # five times\nsteps: 0x10\n"
        "Module: timeit\noptimizer:\n  name: sgd\n  momentum: 0.9\n"
        "YamlLog: log.yaml\nREP: 0\nRND_IDX: 123456\nID: k7f3q2ma\n"
    )


def test_expressions_of_every_form_are_replaced_where_they_stand() -> None:
    text = """\
Name: b
steps: 1
optimizer:   # a mapping
- parse 1 +
    2        # of two lines
- {a: parse 2, b: [parse 3, x]}  # in braces
-   k: "parse 'q' * 2"
    block: |
      parse [4,
        5]
    # between
    last: >-
      parse 'a: b'

lr: 'parse
  6'
"""
    assert (
        adopted(text, "Module: timeit\n")
        == """\
Name: b
steps: 1
optimizer:   # a mapping
- 3        # of two lines
- {a: 2, b: [3, x]}  # in braces
-   k: qq
    block: [4, 5]
    # between
    last: 'a: b'

lr: 6
Module: timeit
YamlLog: log.yaml
REP: 0
RND_IDX: 123456
ID: k7f3q2ma
"""
    )


def test_an_id_that_stood_there_is_replaced_in_its_place() -> None:
    text = "ID: oldoldol  # of the copied one\nName: b\nModule: timeit\nREP: 1\nRND_IDX: 7\nYamlLog: l.yaml\n"
    assert adopted(text, "") == text.replace("oldoldol", "k7f3q2ma")


def test_keys_that_deep_defaults_add_are_written_in_their_mapping() -> None:
    text = "Name: b\noptimizer:\n    name: adam  # not sgd\n    # more\nlr: 1\n"
    assert adopted(text, STUDY, "+Global.merge=deep", "+optimizer.groups={a: 1}").startswith(
        "Name: b\noptimizer:\n    name: adam  # not sgd\n    momentum: 0.9\n    groups:\n      a: 1\n"
        "    # more\nlr: 1\nModule: timeit\n"
    )


def test_a_document_in_braces_is_written_anew_below_its_comments() -> None:
    assert adopted("# short\n\n{Name: b, lr: parse 1 + 1}\n", "Module: timeit\n") == (
        "# short\n\nName: b\nlr: 2\nModule: timeit\nYamlLog: log.yaml\nREP: 0\nRND_IDX: 123456\n"
        "ID: k7f3q2ma\n"
    )


def test_a_comment_is_put_above_once() -> None:
    completed = complete("Name: b\n")
    once = complete_text("Name: b\n", completed, "k7f3q2ma", "added by hand")
    assert once.startswith("# added by hand\nName: b\n")
    assert complete_text(once, completed, "k7f3q2ma", "added by hand") == once


def test_a_person_s_line_breaks_are_kept() -> None:
    assert "lr: 2\r\nModule: timeit\r\n" in adopted("Name: b\r\nlr: parse 1+1\r\n", "Module: timeit\n")


@pytest.mark.parametrize(
    "text",
    [
        "a: &x parse 1\nb: *x\n",
        "base: &b {k: parse 1}\nderived: {<<: *b, l: 2}\n",
        "a: !!str parse 1\nb:\n  ? x\n  : y\n",
        "a: |+\n  parse 1\n\n\n",
        "a:\nb: parse None\nc: parse float('nan')\n",
        "'a b': parse '# no comment'\n\"c\": parse 'x\\ny'\n",
        "a: parse '- x'  \n\n\n# the end",
        "e: |\n  keep\n  this",
        "é: parse 'ü'\n",
        "? a\n: parse 1\n",
        "a: [parse 1, # one\n  parse 2]\nb: []\n",
        "a:\n- - parse 1\n  - x\n-\n  k: parse 2\n",
        "a: parse dict(x=1)\nb:\n- \"parse dict(x=[1, dict(y='z: 1')])\"\n",
        "a: |2-\n    parse 1\n",
        "a: parse 1\n...\n",
    ],
)
def test_the_text_always_reads_back_as_the_experiment(text: str) -> None:
    (raw,) = split_documents(text)
    completed = complete(f"{text}", "Module: timeit\nName: b\n")
    written = complete_text(raw.text, completed, "k7f3q2ma")
    assert same(read_text(written), {**completed.values, "ID": "k7f3q2ma"}), written


def test_same_minds_the_type_and_not_the_order_of_keys() -> None:
    nan = float("nan")
    assert same({"a": [1, nan], "b": None}, {"b": None, "a": [1, nan]})
    assert not same({"a": 1}, {"a": True})
    assert not same([1, 2], [1])
    assert not same({"a": 1}, {"a": 1, "b": 2})


def test_a_value_that_is_as_it_was_is_not_written_anew() -> None:
    text = "a: 1e-3   # small\nb: 010\n"
    assert with_values(text, {"a": 1e-3, "b": 8}) == text


def test_a_queue_that_stands_in_a_directory_of_its_own_may_use_a_log_of_its_name(project: Path) -> None:
    source = Source("queues/queue.yaml", "Name: b\nYamlLog: queue.yaml\n")
    document = next(iter(read_documents(source)))
    assert Adding("study.yaml", STUDY).complete(source, document, History()).values["YamlLog"] == "queue.yaml"
