"""Names: what a program makes up is made safe, what a person writes is refused where it leads elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import BadNameError, RunError
from coolrunner.runs.names import absolute, parts_of, safe_part

# Surrogates too: they are what an argument that is not UTF-8 becomes.
ANY_TEXT = st.text(st.characters(codec=None), max_size=400)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("resnet", "resnet"), ("lr=0.1", "lr=0.1"), ("my run", "my run"), ("é", "é"), ("50%", "50%"),
        (9, "9"), (None, "None"), (0.5, "0.5"), (Path("a/b"), "a%2Fb"),
        ("a/b", "a%2Fb"), ("..", "%2E."), (".", "%2E"), (".git", "%2Egit"), ("", "_"),
        ("a\0b", "a%00b"), ("a\nb", "a%0Ab"), ("\udcff", "%ED%B3%BF"), ("a%2Fb", "a%252Fb"),
    ],
)  # fmt: skip
def test_a_text_becomes_one_part_of_a_path(text: object, safe: str) -> None:
    assert safe_part(text) == safe


@given(ANY_TEXT)
def test_every_text_becomes_one_safe_part(text: str) -> None:
    safe = safe_part(text)
    assert safe
    assert safe == safe.strip("\0\n/")
    assert "/" not in safe
    assert not safe.startswith(".")
    assert safe.isprintable() or not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in safe)
    assert len(safe.encode()) <= 120
    assert parts_of(safe, "it") == (safe,)
    assert os.path.normpath(f"a/{safe}") == f"a/{safe}"


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_become_different_parts(one: str, other: str) -> None:
    assert (safe_part(one) == safe_part(other)) == (one == other) or {one, other} == {"", "_"}


@pytest.mark.parametrize(
    "pair", [("a/b", "a%2Fb"), ("%", "%25"), ("x" * 300, "x" * 301), ("é" * 100, "é" * 101)]
)
def test_texts_that_are_nearly_alike_stay_apart(pair: tuple[str, str]) -> None:
    assert safe_part(pair[0]) != safe_part(pair[1])


def test_a_long_text_is_cut_between_characters() -> None:
    for length in range(90, 140):
        assert len(safe_part("é" * length).encode()) <= 120
        assert not safe_part("a" + "/" * length)[:-9].endswith(("%", "%2"))
    assert safe_part("x" * 120) == "x" * 120
    assert len(safe_part("x" * 300, limit=40)) == 40


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)), ("arg1/9", ("arg1", "9")), ("my mark", ("my mark",)), ("é/..x", ("é", "..x")),
        (".x", (".x",)), ("x" * 255, ("x" * 255,)), ("a:b", ("a:b",)), ("-1", ("-1",)),
    ],
)  # fmt: skip
def test_a_name_nests_with_slashes(text: str, parts: tuple[str, ...]) -> None:
    assert parts_of(text, "the mark") == parts


@pytest.mark.parametrize(
    "text",
    ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "../../etc", "a\0", "a\nb", "a\rb", "\x1b[31m",
     "\x85", "\u2028", "\ud800", "x" * 256, "é" * 128, 7, None, b"a"],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(text: object) -> None:
    with pytest.raises(BadNameError, match=r"^the mark ") as caught:
        parts_of(text, "the mark")  # type: ignore[arg-type]
    assert isinstance(caught.value, RunError)
    assert isinstance(caught.value, ValueError)
    # It can be printed anywhere, on one line.
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@given(ANY_TEXT)
def test_a_name_that_is_taken_stays_below_where_it_is_put(text: str) -> None:
    try:
        parts = parts_of(text, "it")
    except BadNameError:
        return
    assert "/".join(parts) == text
    assert os.path.normpath(f"/root/{text}") == f"/root/{text}"
    os.fsencode(text)


def test_an_absolute_path_has_no_dots_and_its_links_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert absolute("link/../link/x") == tmp_path / "link" / "x"
