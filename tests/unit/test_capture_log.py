"""The log of what is printed: each line in its last state."""

from __future__ import annotations

import io
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from coolrunner.runs.capture import CollapsedLog

resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")

Write = Callable[..., bytes]


@pytest.fixture
def logged(tmp_path: Path) -> Write:
    """Write pieces to a new log; return what it holds, which is the same however they are cut."""

    def write(*pieces: bytes) -> bytes:
        found = set()
        whole = b"".join(pieces)
        for number, cut in enumerate((pieces, [whole], [whole[i : i + 1] for i in range(len(whole))])):
            path = tmp_path / f"{number}.txt"
            path.unlink(missing_ok=True)
            log = CollapsedLog(path)
            for piece in cut:
                log.write(piece)
            log.close()
            found.add(path.read_bytes())
        assert len(found) == 1
        return found.pop()

    return write


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"one\ntwo", b"one\ntwo"),
        (b" 10%\r 50%\r100%\n", b"100%\n"),
        (b"10%\r100%\rdone\n", b"done\n"),
        (b"a longer line\rshort\n", b"shortger line\n"),
        (b"a longer line\r\x1b[Kshort\n", b"short\n"),
        (b"a longer line\x1b[2K\rshort\n", b"short\n"),
        (b"a longer line\x1b[1Gshort\x1b[0K\n", b"short\n"),
        (b"line\r\nline\r\n", b"line\nline\n"),
        (b"50%\r", b"50%"),
        (b"12345\b\b\bxy\n", b"12xy5\n"),
        (b"....\b \b\n", b"... \n"),
        (b"1/9\b\b\b2/9\b\b\b3/9", b"3/9"),
        (b"\rone\n\rtwo\x1b[A\rONE\n\rTWO\x1b[A\x1b[B\n", b"ONE\nTWO\n"),
        (b"one\ntwo\n\x1b[2A\x1b[Jthree\n", b"three\n"),
        (b"one\n\x1b[1FONE\n", b"ONE\n"),
        (b"abc\x1b[2DX\x1b[Cd\n", b"aXcd\n"),
        (b"a\x1b[5Cb\n", b"a     b\n"),
        (b"abcdef\x1b[3G\x1b[1Kx\n", b"  xdef\n"),
        (
            b"\x1b[31mred\x1b[0m and \x1b[1;38:5:9mmore\x1b[m\n",
            b"\x1b[31mred\x1b[0m and \x1b[1;38:5:9mmore\x1b[m\n",
        ),
        (b"\x1b[32m 50%\x1b[0m\r\x1b[32m100%\x1b[0m\n", b"\x1b[32m100%\x1b[0m\n"),
        (b"bar\r\x1b[0m\r\x1b[1m\n", b"bar\n"),
        (b"\x1b]0;a title\x07\x1b[?25l\x1b[2J\x1b[Hhidden\x1b[?25h\x1b(B\x1b7\x1b8\n", b"hidden\n"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", b"link\n"),
        ("é█▌ 5%\ré█ 10%\n".encode(), "é█ 10%\n".encode()),
        ("進捗進捗\rab\n".encode(), "ab捗進捗\n".encode()),
        ("進捗\ra\n".encode(), "a 捗\n".encode()),
        ("e\u0301x\rab\n".encode(), b"ab\n"),
        (b"\xff\xfe\x80\n\xe2\x82", b"\xff\xfe\x80\n\xe2\x82"),
        (b"\xff\xfe12\rab\n", b"ab12\n"),
        (b"zero\0byte\n", b"zero\0byte\n"),
        (b"\x1b", b""),
    ],
    ids=repr,
)
def test_exg_03_a_line_is_kept_in_its_last_state(written: bytes, kept: bytes, logged: Write) -> None:
    assert logged(written) == kept


def test_bars_below_each_other_as_tqdm_draws_them(logged: Write) -> None:
    inner = b"".join(b"\n\rinner: %3d%%\x1b[A" % done for done in (0, 50, 100))
    gone = b"\n\r           \x1b[A\r           \r"
    outer = [b"\router: %3d%%" % done for done in (0, 50, 100)]
    written = outer[0] + inner + gone + outer[0] + b"\n" + outer[1] + inner + gone + outer[2] + b"\n"
    assert logged(written) == b"outer:   0%\nouter: 100%\n           "


def test_bars_as_rich_draws_them(tmp_path: Path, logged: Write) -> None:
    from rich.console import Console
    from rich.progress import Progress

    terminal = io.StringIO()
    console = Console(force_terminal=True, width=60, file=terminal, color_system=None)
    with Progress(console=console, auto_refresh=False) as progress:
        one, two = progress.add_task("one", total=3), progress.add_task("two", total=3)
        for number in range(3):
            progress.advance(one)
            progress.advance(two)
            console.print("step", number)
            progress.refresh()
    lines = logged(terminal.getvalue().encode()).decode().splitlines()
    assert lines[:3] == ["step 0", "step 1", "step 2"]
    assert [(line[:3], "100%" in line) for line in lines[3:]] == [("one", True), ("two", True)]


def test_the_file_holds_the_last_state_after_every_write(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    for done in range(101):
        log.write(b"\r%3d%%" % done)
        assert (tmp_path / "log.txt").read_bytes() == b"%3d%%" % done
    log.write(b"\rdone\n")
    log.close()
    assert (tmp_path / "log.txt").read_bytes() == b"done\n"


def test_lines_without_codes_are_kept_to_the_byte(logged: Write) -> None:
    numbers = random.Random(0)
    lines = [numbers.randbytes(numbers.randrange(200)) for _ in range(60)]
    data = b"\n".join(lines).translate(None, b"\r\b\x1b")
    assert logged(data) == data


def test_a_cursor_goes_back_only_so_far(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    for number in range(200):
        log.write(b"line %d\n" % number)
    log.write(b"\x1b[500A\x1b[2Khere")
    log.close()
    lines = (tmp_path / "log.txt").read_bytes().splitlines()
    assert len(lines) == 200
    assert lines.index(b"here") > 100


def test_an_endless_line_takes_no_memory(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    piece = b"x" * (1 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        log.write(piece)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    log.write(b"\rend\n")
    log.close()
    assert (tmp_path / "log.txt").stat().st_size == (100 << 20) + len("end\n") - len("end")
    assert grown < 20_000  # kB


def test_a_log_is_gone_on_with_on_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    for text in (b"first\n", b"torn: 50%", b"again\r", b"\nlast"):
        log = CollapsedLog(path)
        log.write(text)
        log.close()
    assert path.read_bytes() == b"first\ntorn: 50%\nagain\n\nlast"


def test_a_log_that_is_emptied_meanwhile_has_no_hole(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = CollapsedLog(path)
    log.write(b"before\nbar: 50%")
    os.truncate(path, 0)
    log.write(b"\rafter\n")
    assert path.read_bytes() == b"after\n"


def test_a_log_without_a_directory_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CollapsedLog(tmp_path / "gone" / "log.txt")


def test_a_full_disk_costs_some_output_and_the_log_says_how_much(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = CollapsedLog(path)
    log.write(b"before\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for _ in range(3):
            log.write(b"x" * 1000 + b"\r")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert log.error is not None
    log.write(b"after\n")
    lines = path.read_bytes().splitlines()
    assert (lines[0], lines[-1]) == (b"before", b"after")
    assert lines[-2] == b"[3003 bytes are missing here: File too large]"


def test_what_is_written_after_the_end_is_ignored(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    log.close()
    log.write(b"late")
    log.close()
    assert (tmp_path / "log.txt").read_bytes() == b""


def test_threads_write_whole_pieces(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")

    def write(name: bytes) -> None:
        for number in range(300):
            log.write(b"%s %d\n" % (name, number))

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = (tmp_path / "log.txt").read_bytes().splitlines()
    for name in (b"a", b"b", b"c"):
        assert [line for line in lines if line.startswith(name)] == [b"%s %d" % (name, n) for n in range(300)]


def test_a_signal_handler_may_write_while_a_write_goes_on(tmp_path: Path) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    heard = 0

    def handle(*_: object) -> None:
        nonlocal heard
        heard += 1
        log.write(b"signal\n")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    written = 0
    try:
        while heard < 50:
            log.write(b"line\n\rbar\r")
            written += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    log.close()
    text = (tmp_path / "log.txt").read_bytes()
    assert text.count(b"signal") == heard
    assert text.count(b"line") >= written - 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_writes_to_the_same_log(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    log = CollapsedLog(path)
    log.write(b"before\nbar: 10%")
    children = []
    for number in range(2):
        child = os.fork()
        if not child:
            for done in range(100):
                log.write(b"child %d: %d%%\rchild %d: line %d\n" % (number, done, number, done))
            os._exit(0)
        children.append(child)
    for done in range(100):
        log.write(b"parent: line %d\n" % done)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    log.write(b"after\n")
    log.close()
    lines = path.read_bytes().replace(b"bar: 10%", b"bar: 10%\n").splitlines()
    for name in (b"child 0", b"child 1", b"parent"):
        assert [line for line in lines if line.startswith(name)] == [
            b"%s: line %d" % (name, n) for n in range(100)
        ]
    assert lines[-1] == b"after"
