"""Experiments of many logs in one, each once."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import LogError, UsageError
from coolrunner.results.logs.collect import collect, digest
from coolrunner.results.logs.reading import Entry, read_logs
from coolrunner.results.logs.sources import LogFile, Report, find_logs
from coolrunner.results.showing.output import NewFile
from coolrunner.yamlio import read_text, split_documents

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text("ab1", max_size=2),
    st.dates(),
    st.binary(),
)
keys = st.one_of(st.text("abc", max_size=2), st.integers(0, 2))
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same data with the keys of every mapping in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: shuffled(item, rng) for key, item in items}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def same(a: Any, b: Any) -> bool:
    """What 'equal data' means, written down plainly."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        pairs = {(type(key), key) for key in a} == {(type(key), key) for key in b}
        return pairs and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


@given(data, st.randoms(use_true_random=False))
def test_the_order_of_keys_makes_no_difference_at_any_level(value: Any, rng: random.Random) -> None:
    """CR-15."""
    assert digest(value) == digest(shuffled(value, rng))


@given(data, data)
def test_different_data_is_told_apart(a: Any, b: Any) -> None:
    """CR-15."""
    assert (digest(a) == digest(b)) is same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x: 1", "x: 1.0"),
        ("x: 1", "x: true"),
        ("x: 1.0", "x: true"),
        ("x: 1", "x: '1'"),
        ("x: [1, 2]", "x: [2, 1]"),
        ("x: null", "{}"),
        ("x: null", "x: 'None'"),
        ("1: x", "'1': x"),
        ("x: {}", "x: []"),
        ("x: 2021-01-01", "x: '2021-01-01'"),
    ],
)
def test_values_that_look_alike_are_told_apart(a: str, b: str) -> None:
    """CR-15."""
    assert digest(read_text(a)) != digest(read_text(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("x: .nan", "x: .NaN"),
        ("x: 0.1", "x: 1e-1"),
        ("a: 1\nb: {c: 2, d: 3}", "b:\n  d: 3\n  c: 2\na: 1  # the same"),
        ("x: &x [1]\ny: *x", "x: [1]\ny:\n- 1"),
    ],
)
def test_equal_data_is_the_same_however_it_is_written(a: str, b: str) -> None:
    """CR-15."""
    assert digest(read_text(a)) == digest(read_text(b))


def entries_of(text: str) -> list[Entry]:
    raws = enumerate(split_documents(text), 1)
    return [Entry(read_text(raw.text), raw, "log.yaml", number) for number, raw in raws]


def collected(text: str) -> str:
    parts: list[str] = []
    collect(entries_of(text), parts.append)
    return "".join(parts)


def test_the_first_of_equal_experiments_is_kept_in_its_own_text() -> None:
    """CR-15."""
    log = "--- # k7f3q2ma\nName: a   # a remark\nlr: 1.0\n...\n---\nlr: 1.0\nName: a\n---\nName: a\nlr: 1"
    assert collected(log) == (
        "# Coolrunner log, version 1\n"
        "--- # k7f3q2ma\nName: a   # a remark\nlr: 1.0\n...\n"
        "---\nName: a\nlr: 1\n...\n"
    )


def test_collecting_a_collection_changes_nothing() -> None:
    """CR-15."""
    once = collected(
        "--- # id\na: 1\n...\n--- # some words\nb: |\n  x\n\n---\n{c: [1, {d: 2}]}\n--- !!map\ne: 3\n"
    )
    assert collected(once) == once


def test_without_experiments_nothing_is_written() -> None:
    assert collected("") == ""


# --- the new file ----------------------------------------------------------------------------------


def new_file(folder: Path, text: str) -> Path:
    with NewFile(str(folder), ".yaml") as output:
        output.write(text)
        return Path(output.finish())


def test_new_files_never_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CR-15: two collections in one second."""
    monkeypatch.setattr(
        "time.strftime", lambda form: form.replace("%Y-%m-%d_%H-%M-%S", "2026-11-21_06-23-29")
    )
    paths = [new_file(tmp_path / "deep" / "dest", text) for text in "abc"]
    stem = "logs_2026-11-21_06-23-29"
    assert [path.name for path in paths] == [f"{stem}.yaml", f"{stem}-2.yaml", f"{stem}-3.yaml"]
    assert [path.read_text() for path in paths] == ["a", "b", "c"]
    assert sorted((tmp_path / "deep" / "dest").iterdir()) == sorted(paths)


def test_a_file_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    def break_off() -> None:
        with NewFile(str(tmp_path), ".yaml") as output:
            output.write("half of it")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_nothing_written_makes_no_file_and_no_directory(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "new"), ".yaml") as output:
        assert output.finish() == ""
    assert not (tmp_path / "new").exists()


def test_a_destination_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="this is a file"):
        NewFile(str(tmp_path / "file"), ".yaml")
    with pytest.raises(UsageError, match="--dest names a directory"):
        NewFile(str(tmp_path / "logs.yaml"), ".yaml")
    with pytest.raises(LogError, match="cannot be written"):
        new_file(tmp_path / "file" / "below", "text")


def test_a_collection_is_not_part_of_a_collection_that_runs_beside_it(tmp_path: Path) -> None:
    with NewFile(str(tmp_path), ".yaml") as output:
        output.write("Name: half")
        assert list(find_logs([str(tmp_path)], Report())) == []


def test_reading_stops_at_nothing_that_another_file_holds(tmp_path: Path) -> None:
    """CR-15: a file that vanishes between finding and reading is named."""
    report = Report()
    gone = LogFile("gone.yaml", tmp_path / "gone.yaml")
    assert list(read_logs([gone], report)) == []
    assert report.broken == ["gone.yaml: cannot be read: No such file or directory"]
