"""A queue that version 1 has written, and that must always be understood."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coolrunner.queue.base import Facts, Status
from coolrunner.queue.entries import Remark
from coolrunner.queue.file import FileQueue, journal_of, read_ledger
from coolrunner.queue.ledger import Ledger
from coolrunner.yamlio import read_text
from tests.queue_studies import SmallScribe, documents, ids

GOLDEN = Path(__file__).parents[1] / "data" / "v1" / "queue.yaml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of it."""
    path = tmp_path / "queue.yaml"
    shutil.copy(GOLDEN, path)
    shutil.copytree(journal_of(GOLDEN), journal_of(path))
    return path


def test_its_journal_tells_all() -> None:
    ledger = read_ledger(GOLDEN)
    assert {name: (entry.status, entry.attempts) for name, entry in ledger.entries.items()} == {
        "aaaa1111": (Status.DONE, 2),
        "bbbb2222": (Status.WAITING, 0),
        "cccc3333": (Status.WAITING, 0),
        "dddd4444": (Status.SKIPPED, 0),
        "eeee5555": (Status.RUNNING, 2),
        "ffff6666": (Status.REMOVED, 0),
        "gggg7777": (Status.DONE, 1),
        "hhhh8888": (Status.WAITING, 1),
        "iiii9999": (Status.INTERRUPTED, 1),
        "jjjj0000": (Status.WAITING, 0),
    }
    assert [entry.id for entry in ledger.waiting()] == ["bbbb2222", "jjjj0000", "cccc3333", "hhhh8888"]
    assert ledger.entries["eeee5555"].facts == Facts(
        "gpu", 4, lane="cpus=1 gpus=1", retries=2, log="log.yaml"
    )
    assert ledger.entries["jjjj0000"].facts == Facts("short", 9, needs=("aaaa1111",), log="log.yaml")
    assert ledger.roster[3] == "dddd4444"
    assert (ledger.roster[11], ledger.next_index) == ("cccc3333", 12)
    assert (ledger.published, ledger.preamble_at(4), ledger.preamble_at(2)) == (4, "# mine\n", "")
    assert ledger.remarks_at(4) == [Remark("# Name: later\n# lr: 7", 3.0)]
    assert (ledger.study["name"], ledger.study["skipped"], ledger.paused) == ("digits.yaml", 1, "")
    assert {name: runner.gone for name, runner in ledger.runners.items()} == {
        "4711-aaaaaa": True,
        "4800-bbbbbb": False,
    }
    entry = ledger.entries["cccc3333"]
    assert read_text(entry.first_text)["lr"] == 0.3
    assert read_text(entry.text)["note"] == 'it\'s: "é" \U0001d11e'


def test_its_file_shows_what_its_journal_tells() -> None:
    ledger = read_ledger(GOLDEN)
    assert documents(GOLDEN.read_text()) == ledger.shown()


def test_a_runner_goes_on_with_it(path: Path) -> None:
    before = path.read_text()
    queue: FileQueue[object] = FileQueue(path, SmallScribe())  # type: ignore[arg-type]
    queue.sync_file()
    assert (path.read_text(), list(queue.messages())) == (before, [])
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item.id)  # type: ignore[attr-defined]
    assert taken == ["bbbb2222", "jjjj0000", "cccc3333", "hhhh8888"]
    # That of another machine may still be running.
    assert queue.status("eeee5555") is Status.RUNNING
    queue.close()
    assert documents(path.read_text()) == ["# Name: later\n# lr: 7"]


def test_a_save_of_it_is_understood(path: Path) -> None:
    queue: FileQueue[object] = FileQueue(path, SmallScribe())  # type: ignore[arg-type]
    path.write_text(path.read_text().replace("lr: 0.35\n", "lr: 0.4\n"))
    queue.sync_file()
    assert ids(path.read_text().replace("---\n# Name: later\n# lr: 7\n", "")) == [
        "bbbb2222", "jjjj0000", "cccc3333", "hhhh8888"
    ]  # fmt: skip
    assert read_text(queue.ledger.entries["cccc3333"].text)["lr"] == 0.4
    queue.close()


def test_every_kind_of_record_is_in_it() -> None:
    kinds = {line.split('"')[3] for line in (journal_of(GOLDEN) / "journal.jsonl").read_text().splitlines()}
    assert kinds == {"journal", *Ledger()._apply}
