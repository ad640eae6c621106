"""Finding logs and reading them, whatever is broken in between."""

from __future__ import annotations

import datetime
import math
import os
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.results.logs.reading import Entry, document_text, read_logs
from coolrunner.results.logs.sources import Exclusion, Report, find_logs
from coolrunner.yamlio import dump

GOLDEN = Path(__file__).parents[1] / "data" / "v1"
HEADER = "# Coolrunner log, version 1\n"


def read(*paths: Path | str, exclude: list[str] | None = None) -> tuple[list[Entry], Report]:
    report = Report()
    files = find_logs([str(path) for path in paths], report, Exclusion(exclude or []))
    return list(read_logs(files, report)), report


def names(*paths: Path | str, exclude: list[str] | None = None) -> list[Any]:
    return [entry.value.get("Name") for entry in read(*paths, exclude=exclude)[0]]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# --- golden copies: these have to load for ever ----------------------------------------------------


def test_a_log_of_version_1_reads_as_it_was_written() -> None:
    """CR-14, CR-15."""
    entries, report = read(GOLDEN / "log-complete.yaml")
    first, second = (entry.value for entry in entries)
    assert (report.status, report.files, report.documents) == (0, 1, 2)
    assert math.isnan(first.pop("BEST"))
    assert first == {
        "Name": "vgg",
        "Module": "modules.example",
        "YamlLog": "log.yaml",
        "lr": 0.001,
        "tiny": 1e-05,
        "odd": "1e-3",
        "layers": [64, 32, 10],
        "optimizer": {"name": "adam", "betas": [0.9, 0.999], "empty": {}},
        "objects": "solve torch.optim.Adam",
        "none": None,
        "nothing": [],
        "when": datetime.date(2026, 11, 21),
        "yes": "no",
        "REP": 0,
        "RND_IDX": 481516,
        "ACC": 0.9375,
        "WORST": -math.inf,
        "NOTE": "it's: fine",
        "TEXT": "two\nlines",
        "ID": "k7f3q2ma",
        "STUDY": "study.yaml",
        "HOST": "box",
        "STARTED": "2026-11-21T06:23:29+01:00",
        "TIME_ELAPSED": 1.25,
    }
    assert type(second["ACC"]) is int
    assert [entry.raw.comment for entry in entries] == ["k7f3q2ma", "m2xw5c7d"]


def test_torn_documents_are_left_out_and_named_and_all_others_kept() -> None:
    """CR-15: also those behind the break; what the next writer turned into comments is gone."""
    entries, report = read(GOLDEN / "log-torn.yaml")
    assert [entry.value["Name"] for entry in entries] == ["first", "third", "fifth"]
    assert [line.split(": torn")[0] for line in report.broken] == [
        f"{GOLDEN / 'log-torn.yaml'}:{line}" for line in (7, 22)
    ]
    assert "b3bbbbbb" in report.broken[0]
    assert report.status == 1


def test_a_hand_written_log_is_a_log() -> None:
    """CR-15: a remark behind '---' makes no torn document of what follows."""
    entries, report = read(GOLDEN / "log-hand-written.yaml")
    assert report.status == 0
    assert [entry.value for entry in entries] == [
        {"Name": "first", "sizes": [1, 2], "same": {"lr": 0.1}, "again": {"lr": 0.1}},
        {"Name": "second", "TEXT": "folded text\n"},
        {"Name": "third", "ACC": 0.5},
        {"Name": "fourth", "TEXT": "no line break at the end"},
    ]


def test_a_log_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "log.yaml", "# Coolrunner log, version 2\n--- # a\nName: x\n...\n")
    entries, report = read(tmp_path)
    assert not entries
    assert report.foreign == [
        f"{tmp_path}/log.yaml: a log of version 2, from a newer Coolrunner; this one reads 1"
    ]


# --- what is broken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "line", "why"),
    [
        ("Name: [1", 5, "not valid YAML"),
        ("Name: 1\nName: 2", 5, "given twice"),
        ("Name: x\n\tlr: 3", 5, "not valid YAML"),
        ("- 1\n- 2", 4, "a list, not a mapping"),
        ("just words", 4, "a text, not a mapping"),
        ("when: 2021-13-45", 4, "looks like a date"),
        ("x: !unknown 3", 4, "not valid YAML"),
        ("x: \x00", 4, "not valid YAML"),
    ],
)
def test_a_broken_document_hides_no_other(tmp_path: Path, broken: str, line: int, why: str) -> None:
    """CR-15."""
    path = write(tmp_path / "log.yaml", f"---\nName: before\n---\n{broken}\n---\nName: behind\n")
    entries, report = read(path)
    assert [entry.value["Name"] for entry in entries] == ["before", "behind"]
    assert len(report.broken) == 1
    place, _, reason = report.broken[0].partition(": ")
    assert place in (f"{path}:{line}", f"{path}:{line - 1}", f"{path}:{line + 1}")
    assert why in reason
    assert report.status == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"- 1\n- 2\n", "it holds a list, not mappings"),
        (b"word\n", "it holds a text, not mappings"),
        (b"---\n3\n---\n4\n", "it holds a number, not mappings"),
        (b"Name: caf\xe9\n", "not UTF-8: byte 0xe9 cannot be read"),
        ("Name: x\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_file_that_holds_no_mappings_is_foreign(tmp_path: Path, content: bytes, why: str) -> None:
    """CR-15."""
    (tmp_path / "other.yaml").write_bytes(content)
    entries, report = read(tmp_path)
    assert not entries
    assert not report.broken
    assert len(report.foreign) == 1
    assert why in report.foreign[0]
    assert report.status == 1


@pytest.mark.parametrize(
    "content", ["", "\n", "# only a remark\n", "---\n---\n...\n", HEADER, "--- # k7f3q2ma\n", "~\n"]
)
def test_empty_documents_are_nothing_to_speak_of(tmp_path: Path, content: str) -> None:
    write(tmp_path / "log.yaml", content)
    assert read(tmp_path) == ([], Report())


def test_other_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_bytes(
        b"\xef\xbb\xbf---\r\nName: a\r\nTEXT: |\r\n  x\r\n  y\r\n---\r\nName: b\r\n"
    )
    assert [entry.value for entry in read(tmp_path)[0]] == [{"Name": "a", "TEXT": "x\ny\n"}, {"Name": "b"}]


def test_many_broken_places_are_counted_and_only_some_named(tmp_path: Path) -> None:
    write(tmp_path / "log.yaml", "Name: x\n" + "---\na: [\n" * 50)
    _, report = read(tmp_path)
    assert len(report.lines()) == 22
    assert report.lines()[-1] == "  and 30 more (-v names all)"
    assert len(report.lines(everything=True)) == 51


# --- what is something else ------------------------------------------------------------------------


def test_what_is_plainly_something_else_is_skipped_and_counted(tmp_path: Path) -> None:
    """CR-15: without changing the exit status."""
    write(tmp_path / "a.yaml", "Name: a\n")
    write(tmp_path / "definition.yaml", "Global:\n  repeat: 2\nName: x\n---\nName: y\n")
    write(tmp_path / "queue.yaml", "# Coolrunner queue, version 1\n--- # id\nName: x\n")
    write(tmp_path / "a.failed.yaml", "Name: x\nERROR: y\n")
    for number in (1, 2):
        write(tmp_path / f"runs/{number}/params.yaml", f"Name: run {number}\n")
        write(tmp_path / f"runs/{number}/status.yaml", "status: done\n")
        write(tmp_path / f"runs/{number}/files/more.yaml", "Name: inner\n")
    write(tmp_path / "plain/params.yaml", "Name: no run\n")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "1.yaml").symlink_to("../runs/1/params.yaml")
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / "2").symlink_to("../runs/2")
    entries, report = read(tmp_path)
    assert [entry.value["Name"] for entry in entries] == ["a", "no run"]
    assert {kind: len(paths) for kind, paths in report.skipped.items()} == {
        "definition": 1,
        "queue file": 1,
        "log of failures": 1,
        "run directory": 2,
    }
    assert report.status == 0
    assert "2 run directories" in report.lines()[0]


def test_a_definition_is_known_by_its_first_document_only(tmp_path: Path) -> None:
    write(tmp_path / "log.yaml", "Name: a\n---\nName: b\nGlobal: 3\n")
    assert names(tmp_path) == ["a", "b"]


def test_a_definition_without_global_has_settings_of_the_runner_and_no_name(tmp_path: Path) -> None:
    write(tmp_path / "definition.yaml", "Module: m\nlr: 1\n---\nName: x\n")
    entries, report = read(tmp_path)
    assert not entries
    assert list(report.skipped) == ["definition"]
    # A filter may have left the names out of a log.
    write(tmp_path / "log.yaml", "# Coolrunner log, version 1\n--- # id\nModule: m\nACC: 1\n...\n")
    assert [entry.value for entry in read(tmp_path)[0]] == [{"Module": "m", "ACC": 1}]


# --- finding ---------------------------------------------------------------------------------------


def test_the_order_is_by_path_and_then_by_position(tmp_path: Path) -> None:
    """CR-15."""
    for name in ("b.yaml", "a/z.yml", "a/b/c.YAML", "c.yaml", "a.yaml"):
        write(tmp_path / name, f"Name: {name}\n---\nName: {name} 2\n")
    found = names(tmp_path)
    assert found[::2] == ["a/b/c.YAML", "a/z.yml", "a.yaml", "b.yaml", "c.yaml"]
    assert found[1::2] == [f"{name} 2" for name in found[::2]]
    assert names(tmp_path / "c.yaml", tmp_path / "a", tmp_path / "c.yaml")[::2] == [
        "c.yaml",
        "a/b/c.YAML",
        "a/z.yml",
    ]


def test_hidden_names_and_other_endings_are_passed_over_unless_they_are_named(tmp_path: Path) -> None:
    write(tmp_path / ".cache/x.yaml", "Name: in a hidden directory\n")
    write(tmp_path / ".x.yaml", "Name: hidden\n")
    write(tmp_path / "x.txt", "Name: text\n")
    assert names(tmp_path) == []
    assert names(tmp_path / ".cache", tmp_path / ".x.yaml", tmp_path / "x.txt") == [
        "in a hidden directory",
        "hidden",
        "text",
    ]


def test_symlink_loops_end_and_nothing_is_read_twice(tmp_path: Path) -> None:
    """CR-15."""
    write(tmp_path / "a/log.yaml", "Name: a\n")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "again.yaml").symlink_to("log.yaml")
    (tmp_path / "b").symlink_to("a")
    assert names(tmp_path, tmp_path / "a") == ["a"]


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").symlink_to("nowhere.yaml")
    _, report = read(tmp_path)
    assert report.broken == [
        f"{tmp_path}/log.yaml: cannot be read: this link leads to nowhere.yaml, which does not exist"
    ]


def test_a_pipe_is_read_only_where_it_is_asked_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert names(tmp_path) == []


@pytest.mark.parametrize("pattern", ["old", "ol*", "data/old", "./data/old/", "data/*/log.yaml", "d*a/old"])
def test_exclude_takes_names_globs_and_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    """CR-15."""
    write(tmp_path / "data/old/log.yaml", "Name: old\n")
    write(tmp_path / "data/log.yaml", "Name: kept\n")
    monkeypatch.chdir(tmp_path)
    assert names("data", exclude=[pattern]) == ["kept"]
    assert names(str(tmp_path), exclude=[pattern]) == ["kept"]


def test_an_exclusion_that_met_nothing_is_known(tmp_path: Path) -> None:
    write(tmp_path / "log.yaml", "Name: a\n")
    exclude = Exclusion(["log.yaml", "lgo.yaml"])
    report = Report()
    assert not list(find_logs([str(tmp_path)], report, exclude))
    assert list(exclude.unused) == ["lgo.yaml"]


def test_missing_paths_are_all_named_with_the_nearest_name(tmp_path: Path) -> None:
    """CR-15."""
    write(tmp_path / "logs.yaml", "Name: a\n")
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "log.yaml", tmp_path / "nowhere/x", tmp_path)
    first, second = str(caught.value).split("\n")
    assert (
        first
        == f"{tmp_path}/log.yaml: there is no such file or directory; did you mean {tmp_path}/logs.yaml?"
    )
    assert second.endswith("nowhere/x: there is no such file or directory")


# --- copying text ----------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\n\t")),
    st.dates(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=5,
)
experiments = st.dictionaries(
    st.text(string.ascii_lowercase, min_size=1, max_size=8), values, min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copied")


@given(st.lists(st.tuples(experiments, st.booleans(), st.booleans()), min_size=1, max_size=3))
def test_copied_documents_read_back_equal(
    folder: Path, documents: list[tuple[dict[str, Any], bool, bool]]
) -> None:
    """CR-15: in plain PyYAML as well, whoever wrote them, and whether or not a line break ends the file."""
    parts = []
    for value, by_pyyaml, _ in documents:
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if by_pyyaml else dump(value)
        parts.append(f"---\n{text}")
    original = "".join(
        part + ("...\n" if ended else "") for part, (*_, ended) in zip(parts, documents, strict=True)
    )
    original = original.removesuffix("\n") if documents[0][2] else original
    entries, report = read(write(folder / "log.yaml", original))
    assert report.status == 0
    copied = HEADER + "".join(map(document_text, entries))
    again, report = read(write(folder / "copy.yaml", copied))
    assert report.status == 0
    assert [entry.value for entry in again] == [entry.value for entry in entries]
    assert list(yaml.safe_load_all(copied)) == list(yaml.safe_load_all(original))
