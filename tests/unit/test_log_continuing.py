"""A log that is read on from where the reading before it ended, and in pieces."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.results.loaders.logs import LogLoader
from coolrunner.results.logs import bytes as logbytes
from coolrunner.results.logs.collect import digest
from coolrunner.results.logs.reading import read_logs
from coolrunner.results.logs.sources import Report, find_logs
from coolrunner.results.logs.yamllog import YamlLog
from coolrunner.results.parts import Part, Row
from coolrunner.yamlio import read_text, stream
from coolrunner.yamlio.stream import document_at, read_stream, split_documents


class Known:
    """What somebody knows of a log who reads on whenever asked to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        self.report = Report()
        self.kept = 0
        self._state: dict[str, Any] | None = None

    def update(self) -> list[Row]:
        """Read on; return the rows that came."""
        part = LogLoader().open(self.path, "log.yaml", Report())
        assert part is not None
        self.report = Report()
        rows = LogLoader().read_on(part, self.report, self._state)
        self.kept = rows.kept
        new = list(rows)
        self.rows = [row for row in self.rows if row.number <= rows.kept] + new
        self._state = json.loads(json.dumps(rows.state))
        return new


def plainly(path: Path) -> tuple[list[Row], Report]:
    """Read a log from its beginning."""
    report = Report()
    part = Part("log", str(path), "log.yaml", ())
    return list(LogLoader().read(part, report)), report


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_PIECE", 50)
    monkeypatch.setattr(logbytes, "_PIECE", 50)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("continued") / "log.yaml"


pieces = st.sampled_from(
    [
        b"... # remark\n",
        b"# Coolrunner log, version 1\n",
        b"--- # abc\nName: a\nACC: 1\n...\n",
        b"--- # def\r\nName: a\r\nACC: 2\r\n...\r\n",
        b"--- # abc\nName: t",
        b"orn\n",
        '--- # ghi\nName: é\nnote: "größe"\n...\n'.encode(),
        b"---\nName: by hand\nlr: 1e-3\n",
        b"lr: 2\n",
        b"---",
        b"...",
        b"...\n",
        b"\n",
        b"- 1\n",
        b"--- # a remark\n[1, 2]\n",
        b"a: [\n",
        b"\xc3",
        b"\xa9\n",
        b"\0\0\0\n",
        b"%YAML 1.1\n",
        b"Global: 1\n",
        b"\xef\xbb\xbf",
    ]
)
changes = st.one_of(
    st.tuples(st.just("append"), st.lists(pieces, min_size=1, max_size=4).map(b"".join)),
    st.tuples(st.just("append"), st.lists(pieces, min_size=1, max_size=4).map(b"".join)),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("insert"), st.tuples(st.floats(0, 1), pieces)),
    st.tuples(st.just("replace"), st.lists(pieces, max_size=6).map(b"".join)),
)


def changed(data: bytes, change: tuple[str, Any]) -> bytes:
    what, how = change
    if what == "append":
        return data + bytes(how)
    if what == "cut":
        return data[: int(how * len(data))]
    if what == "insert":
        place = int(how[0] * len(data))
        return data[:place] + bytes(how[1]) + data[place:]
    return bytes(how)


@given(st.lists(changes, min_size=1, max_size=6))
def test_what_is_read_on_is_what_is_read_from_the_beginning(log: Path, steps: list[tuple[str, Any]]) -> None:
    """CR-15: rows, places and what could not be read, after any appends, edits, cuts and replacements."""
    data = b""
    known = Known(log)
    for step in steps:
        data = changed(data, step)
        log.write_bytes(data)
        known.update()
        rows, report = plainly(log)
        assert known.rows == rows
        assert known.report == report
        for row in rows:
            assert row.digest == digest(row.value)
            assert read_text(document_at(log, row.start, row.stop)) == row.value
            assert data[: row.start].count(b"\n") + 1 == row.line


def test_of_a_log_that_a_runner_appends_to_only_the_new_is_read(tmp_path: Path) -> None:
    log = YamlLog(str(tmp_path / "log.yaml"))
    known = Known(tmp_path / "log.yaml")
    for number in range(5):
        log.append(f"id{number}", {"Name": "x", "lr": 0.1, "REP": 0, "ACC": number / 10})
        assert [row.value["ACC"] for row in known.update()] == [number / 10]
    for _ in range(3):
        assert not known.update()
        assert known.kept == 5
    log.close()


def test_a_document_that_nothing_closes_yet_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "log.yaml"
    path.write_text("---\nName: a\n---\nName: b\n")
    known = Known(path)
    known.update()
    with path.open("a") as file:
        file.write("lr: 1\n---\nName: c\n")
    assert [row.value for row in known.update()] == [{"Name": "b", "lr": 1}, {"Name": "c"}]
    assert known.kept == 1


def test_the_first_mark_of_a_log_by_hand_changes_what_came_before(tmp_path: Path) -> None:
    """A remark behind '---' is an ID from then on, and a document without an end is torn."""
    path = tmp_path / "log.yaml"
    path.write_text("--- # one\nName: a\n--- # two\nName: b\n")
    known = Known(path)
    assert len(known.update()) == 2
    with path.open("a") as file:
        file.write("...\n")
    known.update()
    assert known.kept == 0
    assert [row.comment for row in known.rows] == ["two"]
    assert "torn" in known.report.broken[0]


def test_the_text_of_a_row_is_found_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "log.yaml"
    path.write_bytes("\ufeff%YAML 1.1\r\n--- # a\r\nName: é\r\n...\r\nx: ü\r\n--- {y: 1}\n".encode())
    rows, _ = plainly(path)
    texts = [document_at(path, row.start, row.stop) for row in rows]
    assert texts == ["Name: é\n", "x: ü\n", "{y: 1}\n"]
    assert [row.value for row in rows] == [{"Name": "é"}, {"x": "ü"}, {"y": 1}]


@given(st.lists(pieces, max_size=12).map(b"".join))
def test_a_file_in_pieces_is_cut_as_its_text_is(log: Path, data: bytes) -> None:
    """CR-15."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    log.write_bytes(text.encode())
    with log.open("rb") as file:
        cut = [(raw.text, raw.line, raw.comment, raw.ended) for raw in read_stream(file)]
    assert cut == [(raw.text, raw.line, raw.comment, raw.ended) for raw in split_documents(text)]


def test_a_document_that_is_too_long_is_passed_over_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "DOCUMENT_LIMIT", 200)
    path = tmp_path / "log.yaml"
    long = "".join(f"key{number}: {number}\n" for number in range(100))
    path.write_text(f"---\nName: a\n---\n{long}---\nName: b\n--- # id\nName: c\n...\n")
    known = Known(path)
    assert [row.value["Name"] for row in known.update()] == ["a", "b", "c"]
    assert known.report.broken == ["log.yaml:3: a document of more than 64 MB"]
    assert [row.line for row in known.rows] == [2, 105, 107]
    with path.open("a") as file:
        file.write(f"---\n{long}")
    known.update()
    assert (known.rows, known.report) == plainly(path)
    assert len(known.report.broken) == 2


def test_roles_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "log.yaml"
    path.write_text(
        "---\nName: a\nModule: m\nlr: 1\nREP: 0\nRND_IDX: 1\nacc: 1\nID: x\n"
        "---\nName: b\nlr: 1\nACC: 1\nID: y\n"
    )
    rows, _ = plainly(path)
    assert [[role.value[0] for role in row.roles] for row in rows] == [list("pipiiri"), list("ppri")]


def test_what_is_appended_while_a_log_is_read_comes_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "log.yaml"
    path.write_text("".join(f"--- # id{number}\nName: {number}\n...\n" for number in range(10)))
    part = Part("log", str(path), "log.yaml", ())
    report = Report()
    rows = LogLoader().read_on(part, report)
    reading = iter(rows)
    first = next(reading)
    with path.open("a") as file:
        file.write("--- # late\nName: late\n...\n--- # torn\nNa")
    assert [first.value["Name"], *(row.value["Name"] for row in reading)] == list(range(10))
    assert not report.broken
    late = LogLoader().read_on(part, report, rows.state)
    assert [row.value["Name"] for row in late] == ["late"]
    assert late.kept == 10


def test_a_pipe_that_is_named_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "".join(f"---\nName: {number}\n" for number in range(100))
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    report = Report()
    assert len(list(read_logs(find_logs([str(pipe)], report), report))) == 100
    writer.join()


def test_a_long_log_is_known_again_by_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbytes, "_WHOLE", 1000)
    path = tmp_path / "log.yaml"
    path.write_text("".join(f"--- # id{number}\nName: {number:03}\n...\n" for number in range(100)))
    known = Known(path)
    known.update()
    with path.open("a") as file:
        file.write("--- # new\nName: new\n...\n")
    assert [row.value["Name"] for row in known.update()] == ["new"]
    path.write_text(path.read_text().replace("Name: 0", "Name: 1"))
    known.update()
    assert known.kept == 0
