"""The state of a queue, folded from its records."""

from __future__ import annotations

from typing import Any

import pytest

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.entries import Entry, Remark
from coolrunner.queue.ledger import Ledger


def folded(*records: dict[str, Any]) -> Ledger:
    """Return the state after some records."""
    ledger = Ledger()
    for record in records:
        ledger.apply(record)
    return ledger


def put(names: str, first: int = 0, **facts: Any) -> dict[str, Any]:
    """Return the record of experiments that were put."""
    rows = [
        [name, f"Name: {name}\nID: {name}", {"name": name, "index": index, **facts}]
        for index, name in enumerate(names, start=first)
    ]
    return {"t": "put", "rows": rows}


def needing(name: str, index: int, *needs: str, **facts: Any) -> dict[str, Any]:
    """Return the record of one that needs others."""
    record = put(name, index, group=0, **facts)
    return {**record, "groups": [list(needs)]}


def end(name: str, status: Status = Status.DONE, **more: Any) -> dict[str, Any]:
    """Return the record of an end."""
    return {"t": "end", "id": name, "status": status.value, **more}


def claim(name: str, runner: str = "r1") -> dict[str, Any]:
    """Return the record of a take."""
    return {"t": "claim", "id": name, "r": runner, "at": 5.0}


def publish(revision: int, at: float = 0.0) -> dict[str, Any]:
    """Return the record of a new file."""
    return {"t": "publish", "revision": revision, "signature": [1, 2, 3], "at": at}


def standings(ledger: Ledger) -> dict[str, str]:
    """Return how it stands with each experiment."""
    return {entry.id: ledger.standing(entry) for entry in ledger.entries.values()}


def waiting(ledger: Ledger) -> str:
    """Return those that wait, in order."""
    return "".join(entry.id for entry in ledger.waiting())


def test_facts_are_kept_by_what_is_not_as_usual() -> None:
    facts = Facts("a", 3, 1, hold=True, priority=0.5, lane="gpus=1", needs=("b",), retries=2, log="log.yaml")
    data = facts.to_data()
    assert "runs" not in data
    assert Facts.from_data(data, ("b",)) == facts
    assert Facts.from_data({**data, "of a later version": 1, "group": 0}, ("b",)) == facts


def test_what_is_known_of_an_experiment_follows_its_life() -> None:
    ledger = folded(put("ab"), claim("a"))
    entry = ledger.entries["a"]
    assert (entry.status, entry.attempts, entry.claim and entry.claim.runner) == (Status.RUNNING, 1, "r1")
    assert ledger.running() == [entry]
    ledger.apply({"t": "worker", "id": "a", "r": "r1", "process": {"pid": 7}})
    assert entry.claim is not None
    assert entry.claim.worker == {"pid": 7}
    ledger.apply(end("a", Status.FAILED, error="ValueError: no", kind="exception", elapsed=1.5))
    assert (entry.error, entry.kind, entry.elapsed) == ("ValueError: no", "exception", 1.5)
    assert (entry.failures, entry.claim, ledger.running()) == (1, None, [])
    ledger.apply({"t": "again", "ids": ["a"]})
    assert (entry.status, entry.failures, entry.attempts, waiting(ledger)) == (Status.WAITING, 0, 1, "ab")


def test_the_worker_of_a_claim_that_went_to_another_runner_is_not_noted() -> None:
    ledger = folded(put("a"), claim("a"), {"t": "free", "id": "a"}, claim("a", "r2"))
    ledger.apply({"t": "worker", "id": "a", "r": "r1", "process": {"pid": 7}})
    entry = ledger.entries["a"]
    assert entry.claim is not None
    assert (entry.claim.runner, entry.claim.worker, entry.losses) == ("r2", None, 1)


def test_the_lost_are_counted_by_themselves() -> None:
    ledger = folded(put("a"), claim("a"), end("a", Status.LOST), claim("a"), {"t": "free", "id": "a"})
    entry = ledger.entries["a"]
    assert (entry.losses, entry.failures, entry.attempts, entry.status) == (2, 0, 2, Status.WAITING)


def test_how_many_there_are_of_each_status_is_known() -> None:
    ledger = folded(put("abcdef"), put("s", 6, runs=False), *map(claim, "abcde"), end("a"))
    for name, status in zip("bcd", (Status.FAILED, Status.INTERRUPTED, Status.LOST), strict=True):
        ledger.apply(end(name, status))
    ledger.apply({"t": "save", "remove": ["f"]})
    counts = {status.value: count for status, count in ledger.counts.items() if count}
    assert counts == {
        "done": 1, "failed": 1, "interrupted": 1, "waiting": 1, "running": 1, "removed": 1, "skipped": 1
    }  # fmt: skip


def test_a_record_that_does_not_fit_changes_nothing() -> None:
    ledger = folded(put("ab"), claim("a"))
    for record in (end("b", Status.FAILED, error="x"), claim("a", "r2"), {"t": "again", "ids": ["a"]}):
        with pytest.raises(IllegalMove):
            ledger.apply(record)
    with pytest.raises(KeyError):
        ledger.apply(end("z"))
    assert ledger.entries["b"].error == ""
    assert standings(ledger) == {"a": "running", "b": "waiting"}


def test_a_record_of_a_later_version_is_left_out() -> None:
    ledger = folded(put("a"), {"t": "telepathy", "id": "z"}, {})
    assert waiting(ledger) == "a"


def test_what_the_study_gave_and_whether_it_pauses_is_known() -> None:
    ledger = folded({"t": "study", "name": "x.yaml", "defaults": "a: 1"}, put("a"))
    assert ledger.study == {"name": "x.yaml", "defaults": "a: 1"}
    ledger.apply({"t": "pause", "why": "too many failed"})
    assert (ledger.paused, ledger.first()) == ("too many failed", None)
    ledger.apply({"t": "pause"})
    assert ledger.first() is ledger.entries["a"]


def test_runners_come_and_go() -> None:
    ledger = folded({"t": "runner", "r": "r1", "process": {"pid": 1}, "at": 3.0}, {"t": "gone", "r": "r2"})
    assert not ledger.runners["r1"].gone
    ledger.apply({"t": "gone", "r": "r1"})
    assert (ledger.runners["r1"].gone, ledger.runners["r1"].began) == (True, 3.0)


def test_only_a_running_one_can_be_cancelled_and_only_this_time() -> None:
    ledger = folded(put("ab"), claim("a"), {"t": "cancel", "id": "a"}, {"t": "cancel", "id": "b"})
    assert ledger.cancelled == {"a"}
    ledger.apply({"t": "free", "id": "a"})
    ledger.apply(claim("a"))
    assert ledger.cancelled == set()


# --- revisions ---------------------------------------------------------------------------------------


def since(ledger: Ledger, name: str = "a") -> int:
    """Return the first revision that shows one as it is now."""
    return ledger.entries[name].since


def test_it_is_known_since_which_revision_one_is_shown_or_not() -> None:
    ledger = folded(put("a"))
    assert (since(ledger), ledger.entries["a"].born) == (1, 1)
    found = []
    for revision, record in enumerate(
        [
            claim("a"),
            end("a", Status.FAILED),
            {"t": "again", "ids": ["a"]},
            {"t": "save", "remove": ["a"]},
            {"t": "save", "restore": ["a"]},
            claim("a"),
            end("a", Status.LOST),
            end("a"),
        ],
        start=1,
    ):
        ledger.apply(publish(revision))
        ledger.apply(record)
        found.append(since(ledger))
    # Failing changes nothing about it: it was not shown while it ran either.
    assert found == [2, 2, 4, 5, 6, 7, 8, 9]


def test_a_document_and_a_place_are_known_as_each_revision_showed_them() -> None:
    ledger = folded(put("ab"), publish(1), publish(2))
    ledger.apply({"t": "save", "edit": [["a", "new", {"name": "new"}]], "place": [["a", 2.5]]})
    ledger.apply(publish(3))
    ledger.apply({"t": "save", "edit": [["a", "newer", None]], "place": [["a", 0.5]]})
    entry = ledger.entries["a"]
    assert [entry.text_at(revision) for revision in range(5)] == ["Name: a\nID: a"] * 3 + ["new", "newer"]
    assert [entry.order_at(revision) for revision in range(5)] == [1.0] * 3 + [2.5, 0.5]
    assert (entry.first_text, entry.text, entry.facts.name) == ("Name: a\nID: a", "newer", "new")
    assert ledger.by_text.get("newer") == "a"
    assert "new" not in ledger.by_text


def test_comments_are_known_as_each_revision_showed_them() -> None:
    ledger = folded(put("a"), publish(1))
    ledger.apply({"t": "save", "preamble": "# one\n", "remarks": [["#", 1.0, False]]})
    ledger.apply(publish(2))
    ledger.apply({"t": "save", "preamble": "# two\n", "remarks": []})
    assert [ledger.preamble_at(revision) for revision in range(4)] == ["", "", "# one\n", "# two\n"]
    assert [ledger.remarks_at(revision) for revision in range(4)] == [[], [], [Remark("#", 1.0)], []]


def test_it_is_known_which_revision_was_there_at_a_time() -> None:
    ledger = folded(publish(1, 10.0), publish(2, 20.0), publish(3, 30.0))
    assert [ledger.revision_at(time) for time in (5.0, 10.0, 25.0, 99.0)] == [0, 1, 2, 3]


def test_what_the_file_does_not_show_yet_is_counted() -> None:
    ledger = folded(put("ab"), claim("a"), {"t": "worker", "id": "a", "r": "r1", "process": {}})
    assert ledger.unshown == 2
    ledger.apply(publish(1))
    assert (ledger.unshown, ledger.published, ledger.signature) == (0, 1, [1, 2, 3])


def test_the_file_shows_comments_between_what_waits() -> None:
    ledger = folded(put("abc"))
    ledger.apply({"t": "save", "remarks": [["#b", 2.0, False], ["#c", 3.0, True], ["#top", 0.5, False]]})
    ledger.apply(claim("b"))
    assert [text[:7] for text in ledger.shown()] == ["#top", "Name: a", "#b", "Name: c", "#c"]


# --- needs -------------------------------------------------------------------------------------------


def test_those_that_wait_for_what_will_not_run_are_blocked() -> None:
    ledger = folded(
        put("abh"), put("k", 3, hold=True), needing("c", 4, "a"), needing("d", 5, "c"), needing("e", 6, "k"),
        needing("f", 7, "e", "h"), needing("g", 8, "nobody"), needing("i", 9, "h", hold=True),
    )  # fmt: skip
    assert standings(ledger) == {
        **dict.fromkeys("abhcd", "waiting"), **dict.fromkeys("ki", "held"), **dict.fromkeys("efg", "blocked")
    }  # fmt: skip
    for record in (claim("a"), end("a", Status.FAILED)):
        assert (standings(ledger)["c"], standings(ledger)["d"]) == ("waiting", "waiting")
        ledger.apply(record)
    assert (standings(ledger)["c"], standings(ledger)["d"]) == ("blocked", "blocked")
    assert list(ledger.unmet(ledger.entries["d"])) == ["c"]
    ledger.apply({"t": "again", "ids": ["a"]})
    assert standings(ledger)["d"] == "waiting"


def test_those_that_wait_for_each_other_are_waiting_for_ever() -> None:
    ledger = folded(needing("a", 0, "b"), needing("b", 1, "a"))
    assert (standings(ledger), ledger.first()) == ({"a": "waiting", "b": "waiting"}, None)


def test_needs_may_change_while_one_waits() -> None:
    ledger = folded(put("ab"), needing("c", 2, "a"), claim("a"), claim("b"))
    assert ledger.first() is None
    assert ledger.has_dependents()
    ledger.apply({"t": "save", "groups": [["b"]], "edit": [["c", "text", {"name": "c", "group": 0}]]})
    ledger.apply(end("a"))
    assert ledger.first() is None
    ledger.apply(end("b"))
    assert ledger.first() is ledger.entries["c"]
    assert not ledger.has_dependents()


def test_one_that_needs_what_is_done_already_can_be_taken() -> None:
    ledger = folded(put("a"), claim("a"), end("a"), needing("b", 1, "a"))
    assert ledger.first() is ledger.entries["b"]


def test_a_late_result_frees_those_that_need_it() -> None:
    ledger = folded(put("a"), needing("b", 1, "a"), claim("a"), end("a", Status.LOST), end("a"))
    assert ledger.first() is ledger.entries["b"]


# --- what is taken -----------------------------------------------------------------------------------


def drained(ledger: Ledger) -> str:
    """Take all that can be taken."""
    taken = ""
    while (entry := ledger.first()) is not None:
        ledger.apply(claim(entry.id))
        taken += entry.id
    return taken


def test_a_new_place_or_priority_or_lane_holds_from_the_next_take_on() -> None:
    ledger = folded(put("abcd"))
    ledger.apply({"t": "save", "place": [["d", 0.5]], "edit": [["c", "c", {"priority": 1, "lane": "x"}]]})
    assert (ledger.lanes(), drained(ledger)) == (["x", ""], "cdab")


def test_what_is_held_and_then_released_goes_in_its_place() -> None:
    ledger = folded(put("abc"))
    ledger.apply({"t": "save", "edit": [["a", "a", {"hold": True}]]})
    assert ledger.first() is ledger.entries["b"]
    ledger.apply({"t": "save", "edit": [["a", "a2", {}]]})
    assert drained(ledger) == "abc"


def test_what_is_in_doubt_is_not_taken_until_it_is_clear() -> None:
    ledger = folded(put("abc"))
    ledger.doubt({"a", "c"})
    assert ledger.is_doubted("a")
    assert drained(ledger) == "b"
    ledger.doubt({"c"})
    assert drained(ledger) == "a"
    ledger.doubt(set())
    assert drained(ledger) == "c"


def test_one_that_waits_for_its_time_does_not_lose_it_by_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.time", lambda: now)
    ledger = folded(put("a"), claim("a"), end("a", Status.FAILED, until=130.0))
    ledger.doubt({"a"})
    assert (ledger.first(), ledger.next_time()) == (None, None)
    ledger.doubt(set())
    assert (ledger.first(), ledger.next_time()) == (None, 130.0)
    now = 131.0
    assert drained(ledger) == "a"


def test_removed_ones_are_not_taken_and_restored_ones_are() -> None:
    ledger = folded(put("abc"), {"t": "save", "remove": ["a", "b"]})
    ledger.apply({"t": "save", "restore": ["b"], "place": [["b", 9.0]]})
    assert drained(ledger) == "cb"


def test_a_new_experiment_takes_its_place_in_the_study() -> None:
    ledger = folded(put("ab"))
    ledger.apply({"t": "save", "new": [["n", "Name: n", {"name": "n", "index": 2}, 1.5, "words"]]})
    assert (waiting(ledger), ledger.roster, ledger.next_index) == ("anb", {0: "a", 1: "b", 2: "n"}, 3)
    assert ledger.drafts == {"words": ["n"]}
    ledger.apply(put("c", 3))
    assert waiting(ledger) == "anbc"


def test_a_list_that_goes_on_shares_experiments_with_the_one_before() -> None:
    ledger = folded(put("ab"), {"t": "list", "rows": [[2, "b"], [3, "a"]]})
    assert (ledger.roster, ledger.next_index) == ({0: "a", 1: "b", 2: "b", 3: "a"}, 4)


def test_an_entry_knows_what_each_revision_showed() -> None:
    entry = Entry("a", "one", Facts(), 1.0, 3)
    entry.retext("two", 5)
    assert [entry.text_at(revision) for revision in (3, 4, 5, 9)] == ["one", "one", "two", "two"]
    assert (entry.first_text, entry.text) == ("one", "two")
