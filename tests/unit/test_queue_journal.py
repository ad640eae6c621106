"""The journal of a queue: what was written is there, whoever was killed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coolrunner.errors import QueueError
from coolrunner.queue.journal import Journal

HEADER = b'{"t":"journal","version":1}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal is to be."""
    return tmp_path / "journal.jsonl"


def opened(path: Path) -> Journal:
    """Return a journal that is open and known to the end."""
    journal = Journal(path, create=True)
    list(journal.read())
    return journal


def append(journal: Journal, *numbers: int) -> None:
    """Write records as a runner does."""
    with journal.locked():
        list(journal.read())
        journal.append([{"t": "n", "n": number} for number in numbers])


def numbers(journal: Journal) -> list[int]:
    """Return the numbers that have come."""
    return [record["n"] for record in journal.read() if record["t"] == "n"]


def test_what_one_writes_another_reads_in_order_and_once(path: Path) -> None:
    one, other = opened(path), opened(path)
    append(one, 1, 2)
    append(other, 3)
    assert other.has_more() is False
    assert one.has_more() is True
    assert numbers(one) == [3]
    append(one, 4)
    assert numbers(other) == [4]
    assert numbers(opened(path)) == []
    assert numbers(Journal(path)) == [1, 2, 3, 4]


def test_it_is_lines_of_json_with_its_version_first(path: Path) -> None:
    journal = opened(path)
    append(journal, 1)
    with journal.locked():
        journal.append([{"t": "put", "text": "Name: \U0001d11e \udc80\nx: 'é'"}])
    first, second, third = path.read_bytes().splitlines()
    assert (first + b"\n", second) == (HEADER, b'{"t":"n","n":1}')
    assert json.loads(third)["text"] == "Name: \U0001d11e \udc80\nx: 'é'"


def test_any_size_of_record_is_read_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coolrunner.queue.journal._CHUNK", 7)
    journal = opened(path)
    append(journal, *range(20))
    assert numbers(Journal(path)) == list(range(20))


@pytest.mark.parametrize("size", [1, 5, 14, 15])
def test_what_a_killed_writer_left_without_its_end_does_not_count(path: Path, size: int) -> None:
    journal = opened(path)
    append(journal, 1, 22)
    other = opened(path)
    os.truncate(path, path.stat().st_size - size)
    assert numbers(Journal(path)) == [1]
    fresh = opened(path)
    append(fresh, 3)
    assert numbers(Journal(path)) == [1, 3]
    assert path.read_bytes().splitlines()[1:] == [b'{"t":"n","n":1}', b'{"t":"n","n":3}']
    journal.close()
    other.close()


def test_half_a_line_that_one_has_seen_may_be_another_line_later(path: Path) -> None:
    one, other = opened(path), opened(path)
    append(one, 1)
    with path.open("ab") as file:
        file.write(b'{"t":"n","n":2')
    with other.locked():
        assert numbers(other) == [1]
    append(one, 3)  # as long as the half line was, with its end
    assert path.stat().st_size == len(HEADER) + 2 * len(b'{"t":"n","n":1}\n')
    assert other.has_more()
    assert numbers(other) == [3]


@pytest.mark.parametrize("left", [b"", HEADER[:5], HEADER[:-1]])
def test_a_journal_whose_first_writer_was_killed_is_begun_anew(path: Path, left: bytes) -> None:
    path.write_bytes(left)
    journal = opened(path)
    append(journal, 1)
    assert path.read_bytes() == HEADER + b'{"t":"n","n":1}\n'


def test_a_line_that_is_no_json_is_passed_over_and_counted(path: Path) -> None:
    path.write_bytes(HEADER + b'{"t":"n","n":1}\n\0\0\0\0\n[1]\n{"t":"n","n":2}\n')
    journal = Journal(path)
    assert numbers(journal) == [1, 2]
    assert journal.damaged == 2


@pytest.mark.parametrize("text", [b"Name: a\n", b"{}\n", b'{"t":"put"}\n', b"\n"])
def test_another_file_is_no_journal(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(QueueError, match="is no journal of a queue"):
        opened(path)


def test_a_journal_of_a_later_version_is_left_alone(path: Path) -> None:
    path.write_bytes(b'{"t":"journal","version":2}\n')
    with pytest.raises(QueueError, match="later version of Coolrunner; update"):
        opened(path)


def test_a_journal_that_is_missing_or_a_directory_cannot_be_opened(path: Path) -> None:
    with pytest.raises(QueueError, match=r"cannot be opened: No such file"):
        Journal(path)
    path.mkdir()
    with pytest.raises(QueueError, match=r"cannot be opened: Is a directory"):
        Journal(path, create=True)


def test_a_lock_is_held_by_one_and_goes_with_its_process(path: Path) -> None:
    journal = opened(path)
    script = (
        "import pathlib, sys, time\n"
        "from coolrunner.queue.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "with journal.locked():\n"
        "    list(journal.read())\n"
        "    journal.append([{'t': 'n', 'n': 1}])\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        with path.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
    with journal.locked():
        assert numbers(journal) == [1]


def test_a_lock_that_is_held_may_be_asked_for_again(path: Path) -> None:
    journal = opened(path)
    with journal.locked(), journal.locked():
        journal.append([{"t": "n", "n": 1}])
    append(journal, 2)
    assert numbers(Journal(path)) == [1, 2]


def test_a_journal_that_is_gone_replaced_or_cut_off_is_not_written_to(path: Path) -> None:
    journal = opened(path)
    append(journal, 1, 2)
    kept = path.with_name("kept")
    path.rename(kept)
    with pytest.raises(QueueError, match="is gone; without it nothing more is started"), journal.locked():
        pass
    path.write_bytes(HEADER)
    with pytest.raises(QueueError, match="begun anew by another runner"), journal.locked():
        pass
    kept.rename(path)
    append(journal, 3)
    os.truncate(path, len(HEADER))
    with pytest.raises(QueueError, match="has lost its end"), journal.locked():
        pass


def test_what_cannot_be_written_whole_is_not_written_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(path)
    append(journal, 1)
    before = path.read_bytes()

    def full(file: int, data: bytes, offset: int) -> int:
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return write(file, data[:5], offset)

    write = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(QueueError, match="cannot be written: No space left on device"):
            append(journal, 2)
    assert path.read_bytes() == before
    append(journal, 3)
    assert numbers(Journal(path)) == [1, 3]


def test_what_was_written_is_brought_to_the_disk_when_asked(path: Path) -> None:
    journal = opened(path)
    journal.sync()
    append(journal, 1)
    assert journal.dirty
    journal.sync()
    assert not journal.dirty
    journal.close()
    journal.close()


def test_one_may_read_without_the_right_to_write(path: Path) -> None:
    append(opened(path), 1)
    path.chmod(0o444)
    assert numbers(Journal(path, writable=False)) == [1]


def test_two_halves_of_a_record_are_no_record_though_they_make_one_together(path: Path) -> None:
    lines = [b'{"t":"a"}', b'{"t":["b"', b'"c"]}', b'{"t":"d"}']
    path.write_bytes(HEADER + b"\n".join(lines) + b"\n")
    journal = Journal(path)
    assert [record["t"] for record in journal.read()] == ["journal", "a", "d"]
    assert journal.damaged == 2
    journal.close()


def test_a_record_longer_than_what_is_read_at_once_is_read_whole(path: Path) -> None:
    journal = opened(path)
    journal.append([{"t": "a", "text": "x" * 3_000_000}, {"t": "b"}])
    other = Journal(path)
    assert [record["t"] for record in other.read()] == ["journal", "a", "b"]
    assert not other.has_more()
    journal.close()
    other.close()
