"""Logs asked by ID: what is logged already, and what a record says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import LogError
from coolrunner.results.logs import finding
from coolrunner.results.logs.finding import LoggedIds, find_record, logged_ids, records_of_study
from coolrunner.results.logs.yamllog import HEADER, YamlLog, record_text
from coolrunner.yamlio import split_documents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is going to be."""
    return tmp_path / "log.yaml"


def append(path: Path, *identities: str, **more: Any) -> None:
    """Append a record for each ID, as a runner would."""
    log = YamlLog(str(path))
    for identity in identities:
        log.append(identity, {"Name": f"of {identity}", **more, "ID": identity, "STUDY": "digits.yaml"})
    log.close()


def add_text(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)


# --- which records count ---------------------------------------------------------------------------


def test_the_ids_of_a_log_are_those_of_its_records(path: Path) -> None:
    append(path, "first", "second", "first")
    assert logged_ids(path) == logged_ids(str(path)) == {"first", "second"}


def test_without_a_log_nothing_is_logged(path: Path) -> None:
    assert logged_ids(path) == set()
    assert find_record(path, "first") is None
    assert list(records_of_study(path, "digits.yaml")) == []


def test_what_keeps_nothing_holds_no_records(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert logged_ids("/dev/null") == logged_ids(pipe) == set()


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=rf"the log {tmp_path} cannot be read: Is a directory"):
        logged_ids(tmp_path)
    with pytest.raises(LogError, match="Not a directory"):
        append(tmp_path / "file", "first")
        find_record(tmp_path / "file" / "log.yaml", "first")


def test_wherever_a_log_breaks_off_its_complete_records_count_and_no_other(path: Path) -> None:
    append(path, "first", "second", note="one\ntwo\n")
    whole = path.read_bytes()
    ends = [end for end in range(len(whole) + 1) if whole[:end].endswith(b"\n...")]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        complete = ["first", "second"][: sum(end <= cut for end in ends)]
        assert logged_ids(path) == set(complete)
        for identity in ("first", "second"):
            assert (find_record(path, identity) is not None) is (identity in complete)


def test_a_torn_record_does_not_count_when_the_next_writer_has_made_comments_of_it(path: Path) -> None:
    append(path, "first")
    add_text(path, "--- # torn\nName: torn\nnote: |\n  a\n")
    append(path, "last")
    assert "# --- # torn\n" in path.read_text()
    assert logged_ids(path) == {"first", "last"}
    assert find_record(path, "torn") is None


def test_a_torn_record_is_not_closed_by_the_mark_of_another(path: Path) -> None:
    add_text(path, HEADER + "--- # torn\nName: a\n---\nName: by hand\n...\n--- # last\nName: b\n...\n")
    assert logged_ids(path) == {"last"}


def test_a_record_whose_place_a_power_cut_has_filled_with_zeros_does_not_count(path: Path) -> None:
    append(path, "first", "second", "third")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Name: of second", b"\0" * 15))
    assert logged_ids(path) == {"first", "third"}
    assert find_record(path, "second") is None


def test_marks_inside_texts_are_no_marks(path: Path) -> None:
    append(path, "first", note="...\n--- # inside\n...\n", other="\n--- # inside\n")
    assert logged_ids(path) == {"first"}
    assert find_record(path, "first")["note"] == "...\n--- # inside\n...\n"  # type: ignore[index]


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_an_editor_may_have_changed_line_ends_and_blanks(path: Path, ends: str) -> None:
    lines = [
        "--- # first \t",
        "Name: a",
        "note: |",
        "  one",
        "  two",
        "... ",
        "--- # second",
        "Name: b",
        "... # b",
    ]
    add_text(path, ends.join(lines))
    assert logged_ids(path) == {"first", "second"}
    assert find_record(path, "first") == {"Name": "a", "note": "one\ntwo\n"}
    assert find_record(path, "second") == {"Name": "b"}


PARTS = [
    "--- # a\nx: 1\n",
    "--- # b \r\nx: 1\n",
    "--- # two words\nx: 1\n",
    "---\nx: 1\n",
    "--- x\n",
    "...\n",
]
PARTS += ["... # end\n", "...x: 1\n", "x: 1\n", "  ...\n", "# --- # c\n", "\n", "..."]


@given(st.lists(st.sampled_from(PARTS), max_size=12), st.integers(0, 8), st.integers(1, 60))
def test_records_are_cut_apart_as_readers_of_logs_do_it(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], missing: int, piece: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "parts.yaml"
    text = "".join(parts)
    text = text[: len(text) - missing]
    path.write_bytes(text.encode())
    expected = {raw.comment for raw in split_documents(text) if raw.ended and raw.comment in ("a", "b")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "_PIECE", piece)
        assert logged_ids(path) == expected
        assert {identity for identity in "abc" if _stands_in(path, identity)} == expected


def _stands_in(path: Path, identity: str) -> bool:
    try:
        return find_record(path, identity) is not None
    except LogError:  # it is there, but is no mapping
        return True


# --- what a record says ----------------------------------------------------------------------------


def test_the_last_record_of_an_id_is_found(path: Path) -> None:
    append(path, "first", ACCURACY=0.5, sizes=[1, 2])
    append(path, "second")
    append(path, "first", ACCURACY=0.75, sizes=[1, 2])
    assert find_record(path, "first") == {
        "Name": "of first",
        "ACCURACY": 0.75,
        "sizes": [1, 2],
        "ID": "first",
        "STUDY": "digits.yaml",
    }
    assert find_record(path, "fir") is find_record(path, "f.*") is None


def test_a_complete_record_is_found_before_a_torn_one_of_the_same_id(path: Path) -> None:
    append(path, "first", "second")
    add_text(path, "--- # first\nName: torn\n")
    assert find_record(path, "first")["Name"] == "of first"  # type: ignore[index]


def test_a_record_that_cannot_be_read_is_named_with_its_line(path: Path) -> None:
    append(path, "first")
    add_text(path, "--- # bad\nName: [a\nlr: 1\n...\n--- # list\n- 1\n...\n")
    with pytest.raises(LogError, match=rf"^{path}:(8|9):"):
        find_record(path, "bad")
    with pytest.raises(LogError, match=rf"^{path}:12: record list is not a mapping"):
        find_record(path, "list")
    path.write_bytes(b"--- # bytes\nName: a\nx: \xff\n...\n")
    with pytest.raises(LogError, match=rf"^{path}:2: record bytes is not UTF-8: byte 0xff"):
        find_record(path, "bytes")


# --- the records of a study ------------------------------------------------------------------------


@pytest.mark.parametrize("study", ["digits.yaml", "my study: 'größer'.yaml", "1", "a\nb"])
def test_the_records_of_a_study_come_in_their_order(path: Path, study: str) -> None:
    texts = [
        record_text(identity, {"Name": identity, "note": "digits.yaml", "STUDY": name})
        for identity, name in [("a", study), ("b", "other.yaml"), ("c", study), ("a", study)]
    ]
    add_text(path, HEADER + "".join(texts) + "--- # torn\n" + f"Name: torn\nSTUDY: {study!r}\n")
    assert [record["Name"] for record in records_of_study(path, study)] == ["a", "c", "a"]


def test_a_broken_record_of_a_study_is_an_error_or_a_warning(path: Path) -> None:
    append(path, "first")
    add_text(path, "--- # bad\nSTUDY: digits.yaml\nName: [a\n...\n")
    append(path, "last")
    with pytest.raises(LogError):
        list(records_of_study(path, "digits.yaml"))
    warnings: list[str] = []
    found = [record["ID"] for record in records_of_study(path, "digits.yaml", warnings.append)]
    assert found == ["first", "last"]
    assert len(warnings) == 1 and warnings[0].startswith(f"{path}:")


# --- a log that grows ------------------------------------------------------------------------------


def test_an_update_tells_what_was_appended_since(path: Path) -> None:
    ids = LoggedIds(path)
    assert ids.update() == set()
    append(path, "first")
    assert ids.update() == {"first"}
    append(path, "second", "third")
    assert ids.update() == {"second", "third"}
    assert ids.update() == set()
    assert "first" in ids and "third" in ids and "fourth" not in ids and len(ids) == 3


def test_an_update_reads_nothing_again(path: Path) -> None:
    append(path, "first", "second")
    ids = LoggedIds(path)
    ids.update()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"--- # first", b"--- # other"))  # long before the end: nobody looks there
    append(path, "third")
    assert ids.update() == {"third"}
    assert "first" in ids and "other" not in ids


def test_a_record_counts_once_it_is_complete_wherever_its_writer_was(path: Path) -> None:
    append(path, "first")
    text = record_text("second", {"Name": "b", "note": "one\ntwo"})
    ids = LoggedIds(path)
    ids.update()
    for letter in text[:-2]:
        add_text(path, letter)
        assert ids.update() == set()
    add_text(path, text[-2])
    assert ids.update() == {"second"}
    add_text(path, text[-1])
    append(path, "third")
    assert ids.update() == {"third"}


def test_a_torn_record_that_was_seen_is_forgotten_when_it_is_mended(path: Path) -> None:
    append(path, "first")
    add_text(path, "--- # torn\nName: " + "x" * 1000)
    ids = LoggedIds(path)
    assert ids.update() == {"first"}
    append(path, "last")
    assert ids.update() == {"last"}
    assert "torn" not in ids


def replaced(path: Path) -> None:
    append(path.with_name("new.yaml"), "new", "other", "third")
    path.with_name("new.yaml").replace(path)


def cut(path: Path) -> None:
    os.truncate(path, 0)
    append(path, "new")


def rewritten(path: Path) -> None:
    path.write_text(HEADER + record_text("new", {"note": "x" * 1000}))


@pytest.mark.parametrize("change", [replaced, cut, rewritten])
def test_a_log_that_is_another_is_read_from_its_beginning(path: Path, change: Any) -> None:
    append(path, "first", "second")
    ids = LoggedIds(path)
    ids.update()
    change(path)
    assert "new" in ids.update()
    assert "new" in ids and "first" not in ids


def test_a_log_that_was_moved_away_has_no_ids(path: Path) -> None:
    append(path, "first")
    ids = LoggedIds(path)
    ids.update()
    path.rename(path.with_name("old.yaml"))
    assert ids.update() == set() and "first" not in ids
    append(path, "second")
    assert ids.update() == {"second"}
