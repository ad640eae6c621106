"""The text of a queue file, written and taken apart."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.queue.text import FIRST_LINE, Piece, Sheet, compose, compose_bytes, take_apart

THREE = ["Name: a\nID: k1", "# of digits.yaml, line 20\nName: b\nID: k2", "{Name: c, ID: k3}"]


def texts(sheet: Sheet) -> list[str]:
    """Return the documents of a sheet."""
    return [piece.text for piece in sheet.pieces if not piece.is_remark]


def remarks(sheet: Sheet) -> list[str]:
    """Return the comments between them."""
    return [piece.text for piece in sheet.pieces if piece.is_remark]


def places(sheet: Sheet) -> list[tuple[int, int]]:
    """Return where they all begin."""
    return [sheet.place(piece) for piece in sheet.pieces]


# --- as it is written --------------------------------------------------------------------------------


def test_a_file_says_what_it_is_and_ends_with_the_mark_of_the_end() -> None:
    text = compose("digits.yaml", 12, "# mine\n", THREE)
    assert text.startswith(f"{FIRST_LINE}: the experiments of digits.yaml that wait, in order.\n")
    assert "\n# revision 12\n# mine\n---\nName: a\n" in text
    assert text.endswith("\n---\n{Name: c, ID: k3}\n...\n")


def test_any_reader_of_yaml_finds_the_experiments() -> None:
    text = compose("digits.yaml", 12, "# mine\n", THREE)
    assert [document["ID"] for document in yaml.safe_load_all(text)] == ["k1", "k2", "k3"]
    assert list(yaml.safe_load_all(compose("", 1, "", []))) == []


def test_a_file_without_experiments_says_so() -> None:
    text = compose("digits.yaml", 3, "# mine\n", [])
    assert text.endswith("# revision 3\n# mine\n# nothing waits\n")
    sheet = take_apart(text)
    assert (sheet.revision, sheet.preamble, sheet.pieces, sheet.whole) == (3, "# mine\n", [], True)


def test_a_file_is_taken_apart_as_it_was_composed() -> None:
    sheet = take_apart(compose("digits.yaml", 12, "# mine\n\n# and more\n", [*THREE, "# by itself"]))
    assert (sheet.revision, sheet.preamble) == (12, "# mine\n\n# and more\n")
    assert (texts(sheet), remarks(sheet)) == (THREE, ["# by itself"])
    assert (sheet.whole, sheet.appended, sheet.open_end) == (True, False, False)


LINES = st.sampled_from(
    [
        "Name: a",
        "lr: 0.1",
        "",
        "# note",
        "  x: 1",
        "- 1",
        "{a: 1}",
        "...x",
        "---x",
        " ---",
        " ...",
        "%x",
        "#---",
    ]
)
CHUNKS = st.lists(LINES, min_size=1, max_size=4).map("\n".join).filter(lambda text: bool(text.strip()))


@given(st.lists(CHUNKS, max_size=5), st.lists(st.sampled_from(["# a", "", "#b"]), max_size=3))
def test_any_file_is_taken_apart_as_it_was_composed(chunks: list[str], comments: list[str]) -> None:
    preamble = "".join(f"{line}\n" for line in comments)
    preamble = preamble if preamble.strip() else ""
    text = compose("x", 7, preamble, chunks)
    sheet = take_apart(text)
    assert [piece.text for piece in sheet.pieces] == chunks
    assert (sheet.revision, sheet.preamble, sheet.whole) == (7, preamble, True)
    assert compose("x", 7, sheet.preamble, (piece.text for piece in sheet.pieces)) == text
    assert compose_bytes("x", 7, preamble, chunks).decode() == text
    assert take_apart(text, {chunk for chunk in chunks if "a" in chunk}).pieces == [
        Piece(text, at, is_remark and "a" not in text) for text, at, is_remark in sheet.pieces
    ]
    for piece in sheet.pieces:
        line, column = sheet.place(piece)
        assert text.split("\n")[line - 1][column - 1 :] == piece.text.split("\n")[0]


def test_a_long_file_is_written_as_it_is_composed() -> None:
    documents = [f"Name: é{number}\nx: \udc80" for number in range(2500)]
    text = compose("x", 1, "# ü\n", documents)
    assert compose_bytes("x", 1, "# ü\n", documents) == text.encode("utf-8", "surrogatepass")


# --- as people and their programs save it ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "documents", "comments", "where"),
    [
        ("Name: a\n", ["Name: a"], [], [(1, 1)]),
        ("Name: a", ["Name: a"], [], [(1, 1)]),
        ("---\nName: a\n---\nName: b\n", ["Name: a", "Name: b"], [], [(2, 1), (4, 1)]),
        ("Name: a\n---\nName: b\n...\n", ["Name: a", "Name: b"], [], [(1, 1), (3, 1)]),
        ("\n\n---   \n\nName: a\n\n---\t\nName: b", ["\nName: a\n", "Name: b"], [], [(4, 1), (8, 1)]),
        ("--- # first\nName: a\n--- {Name: b}\n", ["# first\nName: a", "{Name: b}"], [], [(1, 5), (3, 5)]),
        ("---\n---\nName: a\n---\n---\n...\n", ["Name: a"], [], [(3, 1)]),
        ("--- null\n...\n---\nName: a\n...\n", ["null", "Name: a"], [], [(1, 5), (4, 1)]),
        ("---\n# Name: a\n---\nName: b\n...\n", ["Name: b"], ["# Name: a"], [(2, 1), (4, 1)]),
        ("---\nName: a\n...\n# done\n", ["Name: a"], ["# done"], [(2, 1), (4, 1)]),
        ("---\nName: a\n... # done\n", ["Name: a"], ["# done"], [(2, 1), (3, 5)]),
        (
            "%YAML 1.1\n---\nName: a\n...\n%YAML 1.1\n---\nName: b\n",
            ["Name: a", "Name: b"],
            [],
            [(3, 1), (7, 1)],
        ),
        ("---\ntext: |\n  ---\n  ...\n...\n", ["text: |\n  ---\n  ..."], [], [(2, 1)]),
    ],
)
def test_documents_are_found_where_they_stand(
    text: str, documents: list[str], comments: list[str], where: list[tuple[int, int]]
) -> None:
    sheet = take_apart(text)
    assert (texts(sheet), remarks(sheet), places(sheet)) == (documents, comments, where)


def test_what_is_written_behind_the_mark_of_the_end_counts() -> None:
    text = compose("x", 1, "", THREE)
    for more in ("---\nName: d\n", "Name: d\n", "---\nName: d\n...\n", "\n\n--- # new\nName: d\n"):
        sheet = take_apart(text + more)
        assert texts(sheet)[:3] == THREE
        assert texts(sheet)[3].endswith("Name: d")
        assert sheet.whole == more.endswith("...\n") != sheet.appended


def test_two_files_in_one_are_one() -> None:
    first, second = compose("x", 2, "# a\n", ["Name: a"]), compose("x", 1, "# b\n", ["Name: b"])
    sheet = take_apart(first + second)
    assert (sheet.revision, texts(sheet)) == (2, ["Name: a", "Name: b"])
    assert (sheet.preamble, remarks(sheet)) == ("# a\n", ["# b\n"])


@pytest.mark.parametrize("size", range(1, 12))
def test_a_file_that_is_cut_off_is_not_whole(size: int) -> None:
    assert not take_apart(compose("x", 1, "", THREE)[:-size].removesuffix("\n...")).whole


@pytest.mark.parametrize("end", ["\n---\n", "\n---", "\n--- \n", "\n---\n\n", "\n---\n  "])
def test_a_file_that_ends_before_a_document_is_open(end: str) -> None:
    sheet = take_apart(compose("x", 1, "", THREE).removesuffix("\n...\n") + end)
    assert (sheet.open_end, sheet.whole, texts(sheet)) == (True, False, THREE)


@pytest.mark.parametrize("text", ["", "\n", "# mine\n", "  \n\n"])
def test_an_empty_file_has_nothing_and_is_not_whole(text: str) -> None:
    sheet = take_apart(text)
    assert (sheet.revision, sheet.pieces, sheet.whole, sheet.open_end) == (None, [], False, False)
    assert sheet.preamble == (text if "mine" in text else "")


def test_the_revision_is_found_wherever_it_stands_at_the_top() -> None:
    for head in ("# revision 3\n", "# mine\n# revision 3\n", f"{FIRST_LINE}\n\n# revision 3  \n"):
        assert take_apart(f"{head}---\nName: a\n").revision == 3
    for head in ("", "# revision\n", "# revision x\n", "  # revision 3\n", "# revision 3 or so\n"):
        assert take_apart(f"{head}---\nName: a\n").revision is None
    assert take_apart("Name: a\n# revision 3\n---\nName: b\n# revision 3\n").revision is None


def test_a_line_of_ours_that_a_person_removes_or_moves_does_not_come_twice() -> None:
    text = compose("x", 4, "# mine\n", THREE)
    first, help_one, help_two, revision, mine, *rest = text.splitlines(keepends=True)
    for head in (
        [first, help_two, revision, mine],
        [revision, mine, first],
        [mine, help_one, revision, help_two],
    ):
        sheet = take_apart("".join([*head, *rest]))
        assert (sheet.revision, sheet.preamble) == (4, "# mine\n")
        assert compose("x", 4, sheet.preamble, texts(sheet)) == text


def test_a_comment_right_above_a_document_is_its_own() -> None:
    sheet = take_apart("# revision 1\n# mine\n---\n# about a\nName: a\n# and after\n---\nName: b\n")
    assert (sheet.preamble, texts(sheet)) == ("# mine\n", ["# about a\nName: a\n# and after", "Name: b"])


def test_places_are_found_in_any_order() -> None:
    sheet = take_apart(compose("x", 1, "", THREE))
    forth = places(sheet)
    assert [sheet.place(piece) for piece in reversed(sheet.pieces)] == forth[::-1]


# --- what was left as it is --------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 6), unique=True, min_size=1),
    st.lists(st.one_of(st.integers(0, 8), st.none()), max_size=8),
)
def test_what_stands_above_and_below_all_changes_is_known_at_once(
    then: list[int], now: list[int | None]
) -> None:
    shown = [f"Name: a\nID: k{number}" for number in then]
    saved = ["# a remark" if number is None else f"Name: a\nID: k{number}" for number in now]
    text = compose("", 1, "", saved)
    known = set(shown)
    sheet, plain = take_apart(text, known, shown), take_apart(text, known)
    found: list[int] = []
    for place, number, length in sheet.stretches:
        assert length
        assert sheet.texts[place : place + length] == shown[number : number + length]
        found += [*range(place, place + length), *range(number, number + length)]
    assert len(found) <= 2 * min(len(shown), len(sheet.texts))
    assert sheet.pieces == plain.pieces
    assert (sheet.whole, sheet.revision, sheet.preamble) == (plain.whole, plain.revision, plain.preamble)


def test_of_a_long_file_only_the_changed_documents_are_looked_at() -> None:
    shown = [f"Name: a\nID: k{number}" for number in range(9)]
    saved = [*shown[:4], "Name: b\nID: k4", *shown[5:]]
    sheet = take_apart(compose("", 1, "", saved), set(shown), shown)
    assert sheet.stretches == [(0, 0, 4), (5, 5, 3)]
    assert sheet.texts == saved
