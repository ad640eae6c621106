"""Experiments in the words of a queue file, and what people write there as experiments of the study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.plan import Planned
from coolrunner.errors import DefinitionError, Problem
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.file import FileQueue, read_ledger
from coolrunner.queue.saves import Draft
from coolrunner.studies.brief import study_record
from coolrunner.studies.scribe import StudyScribe
from coolrunner.yamlio import Source, read_text, split_documents
from tests import definitions
from tests.queue_studies import save

STUDY = """\
lr: 0.1
steps: parse lr * 100
Retries: 1
---
Name: a
---
Name: skip
shape: [1, 2]
---
Name: b
lr: 0.2
Repeat: 2
opt: {name: sgd, eta: solve math.sin}
"""


@dataclass
class Desk:
    """A study whose experiments stand in a queue file."""

    queue: FileQueue[Planned]
    scribe: StudyScribe
    planned: list[Planned]

    def adopt(self, text: str, known: str | None = None, identity: str = "newid111") -> tuple[str, Facts]:
        """Complete the last document of a saved file; `known` is the name of the one that it changes."""
        ledger = self.queue.ledger
        piece = list(split_documents(text))[-1]
        index, before = ledger.next_index, None
        if known is not None:
            entry = next(entry for entry in ledger.entries.values() if entry.facts.name == known)
            identity, index, before = entry.id, entry.facts.index, entry.text
        source = Source("queue.yaml", text)
        value = read_text(piece.text)
        draft = Draft(source, piece.text.removesuffix("\n"), piece.line, value, identity, index, before)
        return self.scribe.adopt(draft, ledger)

    def adopted(self, text: str, known: str | None = None) -> dict[str, Any]:
        value = read_text(self.adopt(text, known)[0])
        assert isinstance(value, dict)
        return value

    def problem(self, text: str, known: str | None = None) -> Problem:
        with pytest.raises(DefinitionError) as raised:
            self.adopt(text, known)
        (found,) = raised.value.problems
        return found

    def text_of(self, name: str) -> str:
        return next(entry.text for entry in self.queue.ledger.entries.values() if entry.facts.name == name)


def desk(path: Path, study: str = STUDY, *overrides: str, code: bool = True) -> Desk:
    plan = definitions.read(study, *overrides)
    scribe = StudyScribe(plan, code=code)
    queue: FileQueue[Planned] = FileQueue(path / "queue.yaml", scribe, create=True, runs=False)
    with queue.session():
        queue.write(study_record(plan))
    queue.put(plan.experiments)
    queue.close()
    return Desk(queue, scribe, plan.experiments)


# --- experiments to text, and back -----------------------------------------------------------------


def test_a_document_says_where_it_comes_from_and_ends_with_its_id(tmp_path: Path) -> None:
    study = desk(tmp_path)
    first, *_, last = study.scribe.text_of(study.planned[2]).split("\n")
    assert first == "# study.yaml, line 10"
    assert last == f"ID: {study.planned[2].id}"


def test_a_document_is_the_experiment_as_it_was_resolved(tmp_path: Path) -> None:
    study = desk(tmp_path)
    value = read_text(study.scribe.text_of(study.planned[3]))
    assert isinstance(value, dict)
    assert list(value) == [*study.planned[3].experiment.inputs, "ID"]
    assert (value["steps"], value["REP"], value["opt"]) == (20.0, 1, {"name": "sgd", "eta": "solve math.sin"})


def test_what_was_written_is_read_back_the_same(tmp_path: Path) -> None:
    study = desk(tmp_path)
    for planned in study.planned:
        item = study.scribe.item_of(study.queue.ledger.entries[planned.id])
        assert item.experiment.inputs == planned.experiment.inputs
        assert list(item.experiment.inputs) == list(planned.experiment.inputs)
        assert (item.id, item.index, item.before, item.runs, item.needs) == (
            planned.id,
            planned.index,
            planned.before,
            planned.runs,
            planned.needs,
        )


def test_another_runner_knows_it_without_the_definition(tmp_path: Path) -> None:
    study = desk(tmp_path)
    entry = study.queue.ledger.entries[study.planned[0].id]
    assert StudyScribe().item_of(entry).experiment.inputs == study.planned[0].experiment.inputs


def test_what_the_queue_has_to_know_stands_in_its_facts(tmp_path: Path) -> None:
    keys = "Priority: 2.5\nResources: {cpus: 2, gpus: 0.5}\nHold: true\nYamlLog: x.yaml\nAfter: a\n"
    study = desk(tmp_path, STUDY + f"---\nName: c\n{keys}")
    facts = study.scribe.facts_of(study.planned[-1])
    assert (facts.name, facts.index, facts.first, facts.runs) == ("c", 4, 0, True)
    assert (facts.hold, facts.priority, facts.retries, facts.log) == (True, 2.5, 1, "x.yaml")
    assert facts.lane == "cpus=2 gpus=0.5"
    assert facts.needs == (study.planned[0].id,)


def test_what_is_skipped_or_not_picked_is_known_and_does_not_wait(tmp_path: Path) -> None:
    study = desk(tmp_path)
    assert study.queue.status(study.planned[1].id) is Status.SKIPPED
    study.scribe.left_out = {planned.id for planned in study.planned[1:]}
    assert [study.scribe.facts_of(planned).runs for planned in study.planned] == [True, False, False, False]


# --- a new document --------------------------------------------------------------------------------


def test_a_short_document_gets_the_defaults_a_number_and_its_id(tmp_path: Path) -> None:
    value = desk(tmp_path).adopted("Name: new\nlr: 0.5\n")
    assert list(value)[:2] == ["Name", "lr"]
    assert (value["steps"], value["Retries"], value["Module"]) == (50.0, 1, definitions.MODULE)
    assert (value["YamlLog"], value["REP"], value["ID"]) == ("log.yaml", 0, "newid111")
    assert 100_000 <= value["RND_IDX"] < 1_000_000


def test_overrides_of_the_command_line_hold_for_it_too(tmp_path: Path) -> None:
    study = desk(tmp_path, STUDY, "+lr=0.7", "+Global.merge=deep")
    assert study.adopted("Name: new\n")["lr"] == 0.7


def test_its_comments_and_lines_stay_as_they_were_written(tmp_path: Path) -> None:
    text, _ = desk(tmp_path).adopt("# try this\nName: new  # mine\n\nlr:   parse 1 / 4\n")
    assert text.startswith("# try this\nName: new  # mine\n\nlr:   0.25\n")


def test_its_expressions_see_the_whole_study_so_far(tmp_path: Path) -> None:
    study = desk(tmp_path)
    value = study.adopted(
        "Name: new\nlast: parse E[-1].REP\nfirst: parse E[0].lr\nname: parse E['b'].lr\ncount: parse len(E)\n"
        "all: parse [exp.Name for exp in E]\nis_there: \"parse 'a' in E\"\nshape: parse E['skip'].shape\n"
    )
    assert (value["last"], value["first"], value["name"], value["count"]) == (1, 0.1, 0.2, 4)
    assert value["all"] == ["a", "skip", "b", "b"]
    assert (value["is_there"], value["shape"]) == (True, [1, 2])


def test_two_of_one_save_see_each_other(tmp_path: Path) -> None:
    study = desk(tmp_path)
    ledger = study.queue.ledger
    text = "Name: one\nx: 5\n---\nName: two\nx: parse E[-1].x + 1\n"
    source = Source("queue.yaml", text)
    found = []
    for number, piece in enumerate(split_documents(text)):
        value = read_text(piece.text)
        index = ledger.next_index + number
        draft = Draft(source, piece.text.removesuffix("\n"), piece.line, value, f"new{number}", index)
        found.append(read_text(study.scribe.adopt(draft, ledger)[0])["x"])
    assert found == [5, 6]


def test_its_needs_are_those_that_it_names(tmp_path: Path) -> None:
    study = desk(tmp_path)
    ids = [planned.id for planned in study.planned]
    assert study.adopt("Name: new\nAfter: b\n")[1].needs == (ids[2], ids[3])
    assert study.adopt("Name: new\nAfter: [a, b]\n")[1].needs == (ids[0], ids[2], ids[3])
    assert study.adopt("Name: new\nx: solve E['b'].ACC\n")[1].needs == (ids[3],)
    assert study.adopt("Name: new\nx: solve E[0].ACC + E[-1].ACC\n")[1].needs == (ids[0], ids[3])
    assert study.adopt("Name: new\nx: solve E['skip'].shape\n")[1].needs == ()


# --- several of one save ----------------------------------------------------------------------------


def needs(study: Desk, added: str, *changes: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    """Save documents behind those in the queue; return the names that each experiment waits for."""
    queue: FileQueue[Planned] = FileQueue(study.queue.path, study.scribe, runs=False)
    text = queue.path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    try:
        save(queue.path, text.removesuffix("...\n") + f"---\n{added}...\n")
        queue.sync_file()
        if queue.problem():
            raise AssertionError(queue.problem())
        entries = queue.ledger.entries.values()
        names = {entry.id: entry.facts.name for entry in entries}
        return {entry.facts.name: tuple(names[one] for one in entry.facts.needs) for entry in entries}
    finally:
        queue.close()


def test_one_may_wait_for_another_of_the_same_save_wherever_that_stands(tmp_path: Path) -> None:
    added = "Name: last\nAfter: [one, two]\n---\nName: one\n---\nName: two\nAfter: one\n---\nName: two\n"
    found = needs(desk(tmp_path), added)
    assert found["last"] == ("one", "two", "two")
    assert found["one"] == ()


def test_one_that_waited_in_the_queue_already_may_wait_for_a_new_one(tmp_path: Path) -> None:
    change = ("Name: a\n", "Name: a\nAfter: new\n")
    assert needs(desk(tmp_path), "Name: new\n", change)["a"] == ("new",)


def test_a_new_name_counts_in_the_save_that_gives_it(tmp_path: Path) -> None:
    found = needs(desk(tmp_path), "Name: new\nAfter: renamed\n", ("Name: a\n", "Name: renamed\n"))
    assert found["new"] == ("renamed",)


def test_those_of_one_name_wait_for_the_ones_above_them(tmp_path: Path) -> None:
    study = desk(tmp_path)
    assert needs(study, "Name: b\nAfter: b\n---\nName: b\nAfter: b\n")
    added = [entry for entry in read_ledger(study.queue.path).entries.values() if entry.draft]
    b, first = [planned.id for planned in study.planned[2:]], added[0].id
    assert [entry.facts.needs for entry in added] == [tuple(b), (*b, first)]


def test_one_that_an_after_of_the_defaults_names_does_not_wait_for_itself(tmp_path: Path) -> None:
    study = desk(tmp_path, "After: pretrain\n---\nName: pretrain\n---\nName: a\n")
    assert needs(study, "Name: late\n")["late"] == ("pretrain",)
    (tmp_path / "other").mkdir()
    study = desk(tmp_path / "other", "After: more\n---\nName: a\nAfter: []\n")
    found = needs(study, "Name: new\n---\nName: more\n")
    assert (found["new"], found["more"]) == (("more",), ())


def test_a_circle_in_one_save_is_refused(tmp_path: Path) -> None:
    added = "Name: x\nAfter: z\n---\nName: y\nAfter: x\n---\nName: z\nAfter: y\n---\nName: w\nAfter: z\n"
    with pytest.raises(AssertionError) as raised:
        needs(desk(tmp_path), added)
    message = str(raised.value)
    assert "it would wait for itself: z → y → x → z" in message
    assert message.count("wait for itself") == 1


def test_a_circle_that_a_save_breaks_open_is_none(tmp_path: Path) -> None:
    study = desk(tmp_path, "lr: 1\n---\nName: a\n---\nName: b\nAfter: a\n")
    found = needs(study, "Name: c\n", ("Name: a\n", "Name: a\nAfter: b\n"), ("After: a\n", ""))
    assert (found["a"], found["b"]) == (("b",), ())


def test_what_was_not_changed_in_a_document_waits_for_the_same(tmp_path: Path) -> None:
    """Though its name has a wider meaning in the queue: all repetitions of the list."""
    study = desk(tmp_path, "Global: {repeat: 2}\nlr: 1\n---\nName: a\n---\nName: b\nAfter: a\n")
    assert needs(study, "Name: c\n", ("lr: 1\n", "lr: 2\n"))["b"] == ("a",)


# --- what is wrong with one ------------------------------------------------------------------------


def test_a_mistake_is_shown_at_its_place_in_the_queue_file(tmp_path: Path) -> None:
    found = desk(tmp_path).problem("Name: first\n---\n# a comment\nName: new\nlr: parse 1 +\n")
    assert definitions.place(found)[0] == 5
    assert found.position is not None
    assert found.position.file == "queue.yaml"
    assert found.line == "lr: parse 1 +"


def test_after_one_that_nobody_knows_offers_the_nearest(tmp_path: Path) -> None:
    study = desk(tmp_path, STUDY + "---\nName: pretrain\n")
    found = study.problem("Name: new\nAfter: pretrian\n")
    assert "no experiment of this study is named 'pretrian'" in str(found)
    assert "did you mean pretrain?" in str(found)
    assert definitions.place(found) == (2, 8)


def test_a_circle_names_all_that_are_in_it(tmp_path: Path) -> None:
    study = desk(tmp_path, STUDY + "---\nName: c\nAfter: b\n---\nName: d\nAfter: c\n")
    text = study.text_of("b").replace("Name: b\n", "Name: b\nAfter: d\n")
    assert "it would wait for itself: b → d → c → b" in str(study.problem(text, "b"))


def test_without_code_an_expression_is_refused(tmp_path: Path) -> None:
    study = desk(tmp_path, "lr: 1\n---\nName: a\n", code=False)
    assert "--no-code" in str(study.problem("Name: new\nlr: parse 1\n"))


# --- a change --------------------------------------------------------------------------------------


def test_a_change_keeps_its_id_and_place_and_gets_no_defaults(tmp_path: Path) -> None:
    study = desk(tmp_path)
    before = study.text_of("a")
    text, facts = study.adopt(before.replace("lr: 0.1\n", "lr: 0.3\n"), "a")
    assert text == before.replace("lr: 0.1\n", "lr: 0.3\n")
    assert (facts.index, facts.first) == (0, 0)
    assert "Retries" not in study.adopted(before.replace("Retries: 1\n", ""), "a")


def test_only_what_a_person_changed_is_evaluated(tmp_path: Path) -> None:
    """What the runner wrote is a text, though it looks like an expression."""
    study = desk(tmp_path, "lr: 1\n---\nName: a\ntext: \"parse 'parse ' + str(1 + 1)\"\nx: 1\n")
    before = study.text_of("a")
    assert "text: parse 2\n" in before
    value = study.adopted(before.replace("x: 1\n", "x: parse len(Name)\n"), "a")
    assert (value["text"], value["x"]) == ("parse 2", 1)


def test_hold_priority_and_needs_of_a_change_reach_the_queue(tmp_path: Path) -> None:
    study = desk(tmp_path)
    text = study.text_of("a").replace("Name: a\n", "Name: a\nHold: true\nPriority: 7\nAfter: b\n")
    _, facts = study.adopt(text, "a")
    assert (facts.hold, facts.priority) == (True, 7)
    assert facts.needs == (study.planned[2].id, study.planned[3].id)
