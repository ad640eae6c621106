"""Texts made to fill the memory or to take for ever: refused with their place, or read within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from coolrunner.errors import YamlError
from coolrunner.results.logs.reading import read_logs
from coolrunner.results.logs.sources import LogFile, Report
from coolrunner.yamlio import lines, read_text, reading, source


def laughs(levels: int, times: int = 10) -> str:
    """Anchors each of which holds the one before `times` times."""
    text = "a0: &a0 [lol, lol]\n"
    for level in range(1, levels):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * times)}]\n"
    return text


def merges(levels: int) -> str:
    """Merge keys that come to the same."""
    text = "a0: &a0 {x: 1}\n"
    for level in range(1, levels):
        text += f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 4)}], k{level}: 1}}\n"
    return text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (laughs(12), "its aliases come to more than 10,000,000 characters"),
        (laughs(60, 2), "its aliases come to more than 10,000,000 characters"),
        (merges(40), "its aliases come to more than 10,000,000 characters"),
        (f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 1000}]\n", "its aliases come to more than"),
        ("a: " + "[" * 100_000, "nested too deeply"),
        ("a: &x " + "[" * 100_000, "nested too deeply"),
        ("a: " + "{b: " * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        ("? " * 100_000 + "a", "nested too deeply"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(1000)), "nested too deeply"),
        (f"a: {'1' * 100_000}", "it has more than 20,000 characters"),
        (f"a: 1{':1' * 100_000}", "it has more than 20,000 characters"),
        (f"a: 0x{'f' * 100_000}", "it has more than 20,000 characters"),
        (f"a: &x 1{':1' * 100_000}", "it has more than 20,000 characters"),
        (f"a: !!int 1{':1' * 100_000}", "it has more than 20,000 characters"),
        (f"{'k' * 1_000_000}: 1", "mapping values are not allowed"),
        ("a: !!python/object/apply:os.abort []", "could not determine a constructor"),
        ("a: !!python/name:os.system b", "could not determine a constructor"),
    ],
)
def test_a_bomb_is_refused_with_its_place_and_hides_nothing(tmp_path: Path, text: str, why: str) -> None:
    """CR-15."""
    path = tmp_path / "log.yaml"
    path.write_text(f"---\nName: before\n---\n{text}\n---\nName: behind\n")
    report = Report()
    found = list(read_logs([LogFile("log.yaml", path)], report))
    assert [entry.value["Name"] for entry in found] == ["before", "behind"]
    (told,) = report.broken
    assert why in told
    place, line = told.split(": ")[0].split(":")
    assert place == "log.yaml"
    assert 4 <= int(line) <= 4 + text.count("\n")
    assert len(told) < 300


@pytest.mark.parametrize(
    "text",
    [
        laughs(4),
        f"a: &a 1\nb: [{'*a, ' * 10_000}]\n",
        "b:\n" + "".join(f"- &a{number} {number}\n" for number in range(10_000)),
        f"? {'k' * 100_000}\n: 1\n",
        f"a: {'x' * 1_000_000}\n",
        f"a: '{'x ' * 1_000_000}'\n",
        f'a: "{"é" * 1_000_000}"\n',
        "a: |\n" + f"  {'x' * 98}\n" * 10_000,
        f"a: [{', '.join(['0.125'] * 100_000)}]\n",
        "a: " + "[" * 200 + "]" * 200 + "\n",
        f"a: {'1' * 4000}.5\n",
        f"a: {'ab12' * 20_000}\n",
    ],
)
def test_what_is_only_long_is_read(text: str) -> None:
    assert read_text(text)


def test_lists_and_mappings_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PARTS_LIMIT", 100)
    for head in ("", "x: &x 1\n"):
        with pytest.raises(YamlError, match="more than 100 lists and mappings"):
            read_text(f"{head}a: [{'{}, ' * 101}]\n")
        assert read_text(f"{head}a: [{'{}, ' * 97}]\n")


def test_a_text_that_is_very_long_is_left_to_libyaml_and_its_mistakes_have_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "_TEXT_LIMIT", 100)
    monkeypatch.setattr(source, "_CUT_LIMIT", 100)
    text = "".join(f"k{number}: {number}\n" for number in range(100))
    assert len(read_text(text)) == 100
    with pytest.raises(YamlError, match=r"log\.yaml:101:1: the key 'k0' is given twice"):
        read_text(f"{text}k0: 1\n", "log.yaml")
