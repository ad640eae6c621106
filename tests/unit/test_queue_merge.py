"""What a save means, whatever has happened since its file was opened."""

from __future__ import annotations

from typing import NoReturn

import pytest
import yaml

from coolrunner.errors import UsageError
from coolrunner.queue.base import Status
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.merge import read_save
from coolrunner.queue.saves import Draft, Save, canonical
from coolrunner.queue.text import compose, take_apart
from coolrunner.yamlio import Source, read_text
from tests.queue_studies import SmallScribe, documents, ids, trials, with_documents


class Table:
    """A queue, its file and its people, without any file."""

    def __init__(self, names: str = "") -> None:
        self.ledger = Ledger()
        self.scribe = SmallScribe()
        self.put(names)
        self.last = Save()

    def put(self, names: str) -> None:
        """Add experiments, and show them."""
        items = trials(names, self.ledger.next_index, lr=0.1)
        rows = [[t.id, self.scribe.text_of(t), self.scribe.facts_of(t).to_data()] for t in items]
        self.ledger.apply({"t": "put", "rows": rows})
        self.publish()

    def publish(self) -> str:
        """Write the file anew."""
        ledger = self.ledger
        revision = ledger.published + 1
        ledger.apply({"t": "publish", "revision": revision, "at": 0.0, "signature": []})
        return self.text

    @property
    def text(self) -> str:
        """What the file shows."""
        return compose("x", self.ledger.published, self.ledger.preambles[-1][1], self.ledger.shown())

    def take(self, identity: str) -> str:
        """Let an experiment run; return the text of the file without it."""
        self.ledger.apply({"t": "claim", "id": identity})
        return self.publish()

    def end(self, identity: str, status: Status = Status.DONE) -> str:
        """Let a running one end."""
        self.ledger.apply({"t": "end", "id": identity, "status": status.value})
        return self.publish()

    def save(self, text: str) -> str:
        """Save a text; return what the file shows then."""
        source = Source("queue.yaml", text)
        sheet = take_apart(text, self.ledger.by_text)
        self.last = read_save(
            self.ledger,
            sheet,
            source,
            lambda draft: self.scribe.adopt(draft, self.ledger),
            self.scribe.new_id,
        )
        if self.last.record:
            self.ledger.apply(self.last.record)
        return self.publish()

    @property
    def waiting(self) -> list[str]:
        """The IDs of those that wait, in order; what a person added goes by its name."""
        entries = self.ledger.waiting()
        return [entry.facts.name if entry.id.startswith("new") else entry.id for entry in entries]

    def value(self, identity: str) -> dict[str, object]:
        """Return what stands in a document, its ID left out."""
        value = read_text(self.ledger.entries[identity].text)
        return {key: value[key] for key in value if key not in ("ID", "Name")}

    def status(self, identity: str) -> Status:
        """Return where one is in its life."""
        return self.ledger.entries[identity].status

    def problem(self, text: str) -> str:
        """Save a text that has one mistake; return what is wrong."""
        before = self.ledger.shown()
        self.save(text)
        assert self.ledger.shown() == before
        assert not self.last.record
        (problem,) = self.last.problems
        return str(problem)


def without(text: str, *identities: str) -> str:
    """Delete documents."""
    return with_documents(text, [doc for doc in documents(text) if read_text(doc)["ID"] not in identities])


def order(text: str, identities: str) -> str:
    """Put documents into an order."""
    found = dict(zip(ids(text), documents(text), strict=True))
    return with_documents(text, [found[identity] for identity in identities])


def added(text: str, *new: str, before: str = "") -> str:
    """Add documents at the end, or before one."""
    place = ids(text).index(before) if before else len(documents(text))
    return with_documents(text, [*documents(text)[:place], *new, *documents(text)[place:]])


# --- one person, a file as it is ---------------------------------------------------------------------


def test_a_file_that_is_saved_as_it_is_changes_nothing() -> None:
    table = Table("abc")
    table.save(table.text)
    assert (table.last.record, table.waiting) == ({}, ["a", "b", "c"])


def test_what_is_deleted_is_gone() -> None:
    table = Table("abc")
    table.save(without(table.text, "a", "c"))
    assert table.waiting == ["b"]
    assert [table.status(one) for one in "ac"] == [Status.REMOVED] * 2


def test_what_is_changed_runs_so() -> None:
    table = Table("ab")
    table.save(table.text.replace("lr: 0.1\nID: b", "lr: 0.2\nHold: true\nPriority: 3\nID: b"))
    assert table.value("b") == {"lr": 0.2, "Hold": True, "Priority": 3}
    facts = table.ledger.entries["b"].facts
    assert (facts.hold, facts.priority, facts.index) == (True, 3, 1)
    assert table.value("a") == {"lr": 0.1}


def test_the_order_is_that_of_the_file() -> None:
    table = Table("abcd")
    for wanted in ("dabc", "abcd", "badc", "dcba", "bdac"):
        table.save(order(table.text, wanted))
        assert table.waiting == list(wanted)


def test_moving_one_touches_no_other() -> None:
    table = Table("abcdef")
    table.save(order(table.text, "fabcde"))
    assert [row[0] for row in table.last.record["place"]] == ["f"]


def test_a_short_document_becomes_an_experiment_where_it_stands() -> None:
    table = Table("ab")
    table.save(added(table.text, "Name: n", before="b"))
    assert table.waiting == ["a", "n", "b"]
    (entry,) = (entry for entry in table.ledger.waiting() if entry.facts.name == "n")
    assert table.value(entry.id) == {"size": 1}
    assert (entry.facts.index, table.ledger.roster[2]) == (2, entry.id)


def test_two_short_documents_in_one_save_are_two() -> None:
    table = Table("a")
    table.save(added(table.text, "Name: n", "Name: n"))
    assert table.waiting == ["a", "n", "n"]
    assert len(set(ids(table.text))) == 3


def test_comments_stay_where_a_person_wrote_them() -> None:
    table = Table("abc")
    a, b, c = documents(table.text)
    edited = [f"# on a\n{a}", "# alone", f"{b}\n# behind b", c, "# the end"]
    table.save(with_documents(table.text.replace("\n---\n", "\n# mine\n---\n", 1), edited))
    assert documents(table.text) == edited
    assert table.ledger.preambles[-1][1] == "# mine\n"
    table.take("b")
    assert "# on a\n" in table.text
    assert "---\n# alone\n---\nName: c" in table.text
    table.take("a")
    table.take("c")
    assert documents(table.text) == ["# alone", "# the end"]


def test_a_document_that_was_commented_out_can_be_put_back() -> None:
    table = Table("abc")
    text = table.save(table.text.replace("Name: b\nlr: 0.1\nID: b", "# Name: b\n# lr: 0.1\n# ID: b"))
    assert table.waiting == ["a", "c"]
    assert documents(text)[1] == "# Name: b\n# lr: 0.1\n# ID: b"
    table.save(text.replace("# Name: b\n# lr: 0.1\n# ID: b", "Name: b\nlr: 0.1\nID: b"))
    assert table.waiting == ["a", "b", "c"]
    assert table.ledger.remarks[-1][1] == []


def test_comments_between_documents_move_with_what_they_stand_before() -> None:
    table = Table("abc")
    table.save(added(table.text, "# alone", before="b"))
    table.put("d")
    assert documents(table.text)[1] == "# alone"
    table.save(order(table.text.replace("# alone\n---\n", ""), "dabc"))
    assert table.waiting == ["d", "a", "b", "c"]
    assert "# alone" not in table.text


def test_a_comment_in_a_document_stays_when_its_form_alone_was_changed() -> None:
    table = Table("ab")
    table.save(table.text.replace("lr: 0.1\nID: b", "lr: 0.1  # low\nID: b"))
    assert "lr: 0.1  # low\nID: b" in table.text
    assert table.scribe.adopted == []  # nothing was changed in it


def test_a_cut_one_that_is_pasted_in_the_next_save_waits_again() -> None:
    table = Table("abc")
    cut = table.save(without(table.text, "b"))
    assert table.waiting == ["a", "c"]
    table.save(added(cut, "Name: b\nlr: 0.1\nID: b"))
    assert table.waiting == ["a", "c", "b"]
    assert table.status("b") is Status.WAITING


def test_a_deleted_one_may_come_back_changed() -> None:
    table = Table("ab")
    cut = table.save(without(table.text, "b"))
    table.save(added(cut, "Name: b\nlr: 0.3\nID: b", before="a"))
    assert (table.waiting, table.value("b")) == (["b", "a"], {"lr": 0.3})


def test_the_whole_queue_is_deleted_by_an_empty_file() -> None:
    for text in ("", "\n", "...\n"):
        table = Table("abc")
        table.save(text)
        assert table.waiting == []
        assert table.text.endswith("# nothing waits\n")


# --- copies ------------------------------------------------------------------------------------------


def test_a_copy_without_its_id_is_a_new_experiment() -> None:
    table = Table("ab")
    table.save(added(table.text, "Name: a\nlr: 0.1"))
    assert table.waiting == ["a", "b", "a"]
    assert table.status("a") is Status.WAITING


@pytest.mark.parametrize("before", ["a", "b", ""])
def test_a_changed_copy_is_a_new_experiment_wherever_it_stands(before: str) -> None:
    table = Table("ab")
    table.save(added(table.text, "Name: copy\nlr: 0.5\nID: a", before=before))
    assert sorted(table.waiting) == ["a", "b", "copy"]
    assert table.value("a") == {"lr": 0.1}


def test_an_equal_copy_is_dropped() -> None:
    table = Table("ab")
    table.save(added(table.text, "# again\nlr: 0.1\nName: a\nID: a", "Name: b\nlr: 0.1\nID: b"))
    assert table.waiting == ["a", "b"]
    assert len(documents(table.text)) == 2


def test_of_two_changed_ones_the_first_is_the_experiment() -> None:
    table = Table("ab")
    text = without(table.text, "a")
    table.save(added(text, "Name: a\nlr: 1\nID: a", "Name: c\nlr: 2\nID: a", "Name: a\nlr: 1\nID: a"))
    assert table.waiting == ["b", "a", "c"]
    assert table.value("a") == {"lr": 1}


def test_a_changed_copy_of_a_running_one_is_new_and_the_stale_one_is_ignored() -> None:
    table = Table("ab")
    old = table.text
    table.take("a")
    for form in ("Name: a\nlr: 0.1\nID: a", "lr: 0.1\nName: a\nID: a"):
        stale = added(without(old, "a"), "Name: copy\nlr: 2\nID: a", form, before="b")
        table.save(stale)
        assert (table.waiting, table.last.refused) == (["copy", "b"], [])


def test_an_unknown_id_is_kept_and_two_of_it_are_two() -> None:
    table = Table("a")
    table.save(added(table.text, "Name: m\nID: mine", "Name: m\nID: mine", "Name: n\nID: mine"))
    assert [entry.id for entry in table.ledger.waiting()][:2] == ["a", "mine"]
    assert table.waiting == ["a", "mine", "n"]


def test_the_id_of_a_skipped_one_is_not_given_away() -> None:
    table = Table("a")
    table.ledger.apply({"t": "put", "rows": [["s", "Name: skip\nID: s", {"name": "skip", "runs": False}]]})
    table.save(added(table.text, "Name: m\nID: s"))
    assert table.waiting == ["a", "m"]
    assert table.status("s") is Status.SKIPPED


def test_a_new_id_is_none_that_a_person_has_given() -> None:
    table = Table("a")
    numbers = iter(["a", "mine", "free"])
    table.scribe.new_id = lambda: next(numbers)  # type: ignore[method-assign]
    table.save(added(table.text, "Name: m\nID: mine", "Name: n"))
    assert [entry.id for entry in table.ledger.waiting()] == ["a", "mine", "free"]


# --- stale saves -------------------------------------------------------------------------------------


def test_a_stale_save_starts_nothing_again() -> None:
    table = Table("abcdef")
    old = table.text
    for one, status in zip("abcd", (Status.DONE, Status.FAILED, Status.INTERRUPTED, None), strict=True):
        table.take(one)
        if status:
            table.end(one, status)
    table.save(old)
    assert (table.waiting, table.last.record, table.last.refused) == (["e", "f"], {}, [])


def test_a_stale_save_with_an_edit_changes_what_still_waits() -> None:
    table = Table("abc")
    old = table.text
    table.take("a")
    table.save(old.replace("lr: 0.1\nID: c", "lr: 0.7\nID: c"))
    assert (table.waiting, table.value("c")) == (["b", "c"], {"lr": 0.7})


@pytest.mark.parametrize("end", [None, Status.DONE, Status.FAILED, Status.INTERRUPTED])
def test_an_edit_to_one_that_runs_or_ran_is_refused_and_kept_as_a_comment(end: Status | None) -> None:
    table = Table("ab")
    old = table.text
    table.take("a")
    if end:
        table.end("a", end)
    edited = old.replace("lr: 0.1\nID: a", "lr: 0.7  # higher\nID: a")
    table.save(edited)
    (refused,) = table.last.refused
    assert (refused.id, refused.status, refused.line) == ("a", end or Status.RUNNING, 6)
    assert table.waiting == ["b"]
    kept = table.ledger.preambles[-1][1]
    assert kept.endswith("make this a document:\n#   Name: a\n#   lr: 0.7  # higher\n")
    table.save(edited)
    assert table.ledger.preambles[-1][1] == kept
    text = table.text.replace("#   Name: a\n#   lr: 0.7  # higher\n", "---\nName: a\nlr: 0.7  # higher\n")
    table.save(text)
    assert table.waiting == ["a", "b"]  # the new one, by its name


def test_a_refused_document_in_braces_is_kept_without_its_id() -> None:
    table = Table("ab")
    old = table.text
    table.take("a")
    table.save(old.replace("Name: a\nlr: 0.1\nID: a", "{Name: a, lr: 0.2, ID: a}"))
    assert table.ledger.preambles[-1][1].endswith("#   Name: a\n#   lr: 0.2\n")


def test_one_that_runs_and_is_put_back_on_purpose_is_refused() -> None:
    table = Table("ab")
    new = table.take("a")
    table.save(added(new, "Name: a\nlr: 0.1\nID: a"))
    assert [refused.id for refused in table.last.refused] == ["a"]
    assert table.waiting == ["b"]


def test_a_stale_save_deletes_only_what_its_own_revision_showed() -> None:
    table = Table("abc")
    old = table.text
    table.put("de")
    table.save(without(old, "b"))
    assert table.waiting == ["a", "c", "d", "e"]


def test_one_that_came_back_since_is_not_deleted_by_a_stale_save() -> None:
    table = Table("abc")
    old = table.text
    table.take("b")
    table.end("b", Status.LOST)
    table.save(without(old, "b"))
    assert table.waiting == ["a", "b", "c"]


def test_a_stale_save_leaves_alone_what_others_have_changed() -> None:
    table = Table("abc")
    old = table.text
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.5\nID: b"))
    table.save(old.replace("lr: 0.1\nID: c", "lr: 0.6\nID: c"))
    assert (table.value("b"), table.value("c")) == ({"lr": 0.5}, {"lr": 0.6})


def test_a_comment_in_a_stale_save_does_not_undo_what_others_have_changed() -> None:
    table = Table("ab")
    old = table.text
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.5\nID: b"))
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.1  # low\nID: b"))
    assert table.value("b") == {"lr": 0.5}


def test_of_two_who_change_one_document_the_last_one_counts() -> None:
    table = Table("ab")
    old = table.text
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.5\nID: b"))
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.7\nID: b"))
    assert table.value("b") == {"lr": 0.7}


def test_what_others_have_deleted_stays_deleted_and_is_told() -> None:
    table = Table("abc")
    old = table.text
    table.save(without(old, "b"))
    table.save(old.replace("lr: 0.1\nID: c", "lr: 0.6\nID: c"))
    assert (table.waiting, table.last.stay_removed) == (["a", "c"], ["b"])
    reordered = old.replace("Name: b\nlr: 0.1\n", "lr: 0.1\nName: b\n")
    table.save(reordered)
    assert (table.waiting, table.last.stay_removed) == (["a", "c"], ["b"])


def test_what_others_have_deleted_and_a_stale_save_changes_is_a_new_experiment() -> None:
    table = Table("abc")
    old = table.text
    table.save(without(old, "b"))
    edited = old.replace("Name: b\nlr: 0.1", "Name: bb\nlr: 0.9")
    table.save(edited)
    assert table.waiting == ["a", "bb", "c"]
    table.save(edited)
    assert table.waiting == ["a", "bb", "c"]
    assert table.status("b") is Status.REMOVED


def test_a_stale_save_keeps_the_order_that_others_have_made() -> None:
    table = Table("abcd")
    old = table.text
    table.save(order(old, "dabc"))
    table.save(old.replace("lr: 0.1\nID: b", "lr: 0.5\nID: b"))
    assert table.waiting == ["d", "a", "b", "c"]


def test_a_stale_save_with_another_order_moves_what_its_person_moved() -> None:
    table = Table("abcd")
    old = table.text
    table.take("a")
    table.put("e")
    table.save(order(old, "dabc"))
    assert table.waiting == ["d", "b", "c", "e"]


def test_a_short_document_that_is_saved_again_is_the_same_experiment() -> None:
    table = Table("ab")
    stale = added(table.text, "Name: n")
    table.save(stale)
    table.save(stale)
    assert table.waiting == ["a", "b", "n"]
    (new,) = (entry.id for entry in table.ledger.waiting() if entry.facts.name == "n")
    table.take(new)
    table.save(stale)
    assert (table.waiting, table.last.refused) == (["a", "b"], [])
    table.save(added(stale, "Name: n"))
    assert table.waiting == ["a", "b", "n"]


def test_a_short_document_with_an_id_that_is_saved_again_is_the_same_experiment() -> None:
    table = Table("a")
    stale = added(table.text, "Name: n\nID: mine")
    table.save(stale)
    table.save(stale)
    assert table.value("mine") == {"size": 1}
    table.save(stale.replace("Name: n\n", "Name: n\nlr: 3\n"))
    assert table.value("mine") == {"lr": 3, "size": 1}  # still short, so it gets what it lacks
    table.save(table.text.replace("size: 1\n", ""))
    assert table.value("mine") == {"lr": 3}  # seen as a whole, and changed


def test_an_edit_that_was_completed_and_is_saved_again_is_the_same_edit() -> None:
    table = Table("ab")
    stale = table.text.replace("lr: 0.1\nID: b", "twice: 4\nID: b")
    table.save(stale)
    assert table.value("b") == {"size": 8}
    adopted = len(table.scribe.adopted)
    table.save(stale)
    assert (len(table.scribe.adopted), table.last.record) == (adopted, {})


def test_what_was_added_with_an_edit_and_removed_by_others_stays_removed() -> None:
    table = Table("a")
    stale = added(table.text, "Name: n")
    text = table.save(stale)
    table.save(without(text, ids(text)[1]))
    table.save(stale)
    assert table.waiting == ["a"]


def test_the_comments_at_the_top_stay_as_the_last_person_left_them() -> None:
    table = Table("ab")
    old = table.text
    table.save(old.replace("\n---\n", "\n# one\n---\n", 1))
    table.save(old)
    assert table.ledger.preambles[-1][1] == "# one\n"
    table.save(old.replace("\n---\n", "\n# two\n---\n", 1))
    assert table.ledger.preambles[-1][1] == "# two\n"


def test_the_comments_between_documents_stay_as_the_last_person_left_them() -> None:
    table = Table("ab")
    old = table.text
    table.save(added(old, "# one", before="b"))
    table.save(old)
    assert "# one" in table.text
    table.save(added(old, "# two", before="b"))
    assert "# two" in table.text
    assert "# one" not in table.text


# --- revisions ---------------------------------------------------------------------------------------


def test_a_revision_that_the_journal_does_not_know_is_passed_by() -> None:
    table = Table("ab")
    table.save(table.text.replace("# revision 1\n", "# revision 40\n"))
    assert table.waiting == ["a", "b"]
    assert "# revision 41\n" in table.text


def test_a_save_without_a_header_counts_as_made_from_the_last_revision() -> None:
    table = Table("abc")
    body = table.text.partition("---\n")[2]
    table.save(body.replace("Name: a\nlr: 0.1\nID: a\n---\n", ""))
    assert table.waiting == ["b", "c"]


def test_a_save_without_a_header_that_shows_what_was_taken_was_made_before() -> None:
    table = Table("abc")
    body = table.text.partition("---\n")[2]
    table.take("a")
    table.put("d")
    for form in (body, body.replace("Name: a\nlr: 0.1", "lr: 0.1\nName: a")):
        table.save(form)
        assert (table.waiting, table.last.refused) == (["b", "c", "d"], [])


@pytest.mark.parametrize("sort_keys", [True, False])
def test_a_file_that_python_wrote_anew_is_understood(sort_keys: bool) -> None:
    table = Table("abc")
    values = list(yaml.safe_load_all(table.text))
    values[1]["lr"] = 0.5
    table.save(yaml.safe_dump_all([values[2], values[1], {"Name": "n"}], sort_keys=sort_keys))
    assert (table.waiting, table.value("b")) == (["c", "b", "n"], {"lr": 0.5})
    assert len(table.scribe.adopted) == 2  # only what was changed


# --- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("Name: [x", "queue.yaml:10:7: not valid YAML"),
        ("Name: x\nName: y", "queue.yaml:11:1"),
        (
            "# note\n\n- a\n- b",
            "queue.yaml:12:1: a mapping (Key: value) was expected, this document is a list",
        ),
        (
            "just words",
            "queue.yaml:10:1: a mapping (Key: value) was expected, this document is a single value",
        ),
        ("lr: 3", "queue.yaml:10:1: no Name"),
        ("Name: x\nID: ../up", "queue.yaml:11:5: '../up' cannot be an ID"),
        ("Name: x\nID: [1]", "queue.yaml:11:5: '[1]' cannot be an ID"),
        ("Name: x\nID: a b", "queue.yaml:11:5: 'a b' cannot be an ID"),
    ],
)
def test_a_save_with_a_mistake_says_where_it_is_and_changes_nothing(document: str, message: str) -> None:
    table = Table("ab")
    text = added(table.text, document, "Name: new", before="b").replace("Name: a", "Name: aa")
    assert message in table.problem(text)


def test_a_mistake_behind_the_marker_is_shown_in_its_column() -> None:
    table = Table("a")
    message = table.problem(table.text.replace("...\n", "--- {Name: x, Name: y}\n"))
    assert message.startswith("queue.yaml:9:15: the key 'Name' is given twice")


def test_whatever_keeps_a_document_from_being_completed_is_a_mistake_in_it() -> None:
    def adopt(draft: Draft, ledger: Ledger) -> NoReturn:
        raise UsageError("the definition is gone")

    table = Table("a")
    table.scribe.adopt = adopt  # type: ignore[method-assign]
    assert table.problem(added(table.text, "Name: x")) == "queue.yaml:10:1: the definition is gone"


def test_all_mistakes_are_told() -> None:
    table = Table("ab")
    table.save(added(table.text, "lr: 1", "lr: [", before="b"))
    assert len(table.last.problems) == 2


def test_a_document_of_nothing_is_nothing() -> None:
    table = Table("ab")
    table.save(added(table.text, "null", "~", before="b"))
    assert (table.waiting, table.last.problems) == (["a", "b"], [])


def test_the_last_line_of_a_block_is_read_with_its_break() -> None:
    table = Table("a")
    table.save(added(table.text, "Name: n\nID: mine\ntext: |\n  one"))
    assert table.value("mine") == {"text": "one\n", "size": 1}


# --- equality ----------------------------------------------------------------------------------------


def test_equal_data_in_any_order_of_keys_is_equal_and_nothing_else() -> None:
    assert canonical({"a": 1, "b": [1.0, None]}) == canonical({"b": [1.0, None], "a": 1})
    different = [
        1,
        1.0,
        True,
        "1",
        "True",
        [1],
        {"a": 1},
        {1: "a"},
        {"1": "a"},
        None,
        "None",
        float("nan"),
        "nan",
    ]
    assert len({canonical(value) for value in different}) == len(different)
    assert canonical(float("nan")) == canonical(float("nan"))
    assert canonical(10**5000) != canonical(10**5000 + 1)
