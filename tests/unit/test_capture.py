"""What a process prints goes to the log, and is shown where it was shown before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from coolrunner.runs.capture import Capture, CollapsedLog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are another thing there")

_PROJECT = str(Path(__file__).parents[2])
# Without it Python writes a line in one piece.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


class Script:
    """Runs Python code in a process of its own, with `log` and `Capture` in scope."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log.txt"

    def start(self, code: str, **options: object) -> subprocess.Popen[str]:
        begin = (
            "import os, subprocess, sys, threading, time, warnings\n"
            "from pathlib import Path\n"
            "from coolrunner.runs.capture import Capture, CollapsedLog\n"
            "warnings.simplefilter('ignore')\n"
            f"log = CollapsedLog(Path({str(self.log)!r}))\n"
        )
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        environment = {**_ENVIRONMENT, "PYTHONPATH": _PROJECT}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            [sys.executable, "-c", begin + textwrap.dedent(code)], text=True, env=environment, **options
        )

    def run(self, code: str, **options: object) -> tuple[str, str, str]:
        """Return what was shown on standard output and error, and what is in the log."""
        process = self.start(code, **options)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return out, err, self.log.read_text()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


PRINTING = """
    import ctypes, logging
    handler = logging.StreamHandler()
    print("before", flush=True)
    with Capture(log):
        for n in range(20):
            print("out", n)
            print("err", n, file=sys.stderr)
            handler.handle(logging.makeLogRecord({"msg": f"logged {n}"}))
            subprocess.run(["sh", "-c", f"echo child {n}"])
            os.system(f"echo shell {n} >&2")
            os.write(1, b"raw %d\\n" % n)
        ctypes.CDLL(None).puts(b"C")
    print("after", flush=True)
    os.system("echo child after")
"""
PRINTED = [f"{what} {n}" for n in range(20) for what in ("out", "err", "logged", "child", "shell", "raw")] + [
    "C"
]


def test_exg_03_all_that_is_printed_is_in_the_log_in_order_and_shown(script: Script) -> None:
    out, _, log = script.run(PRINTING, stderr=subprocess.STDOUT)
    assert log.splitlines() == PRINTED
    assert out.splitlines() == ["before", *PRINTED, "after", "child after"]


def test_it_is_shown_where_it_was_shown_before(script: Script) -> None:
    out, err, log = script.run(PRINTING)
    errors = [line for line in PRINTED if line.startswith(("err", "logged", "shell"))]
    assert err.splitlines() == errors
    assert out.splitlines() == [
        "before",
        *[line for line in PRINTED if line not in errors],
        "after",
        "child after",
    ]
    assert sorted(log.splitlines()) == sorted(PRINTED)


def test_the_order_of_pythons_streams_is_kept_where_they_lead_to_two_places(script: Script) -> None:
    _, _, log = script.run("""
        import logging
        handler = logging.StreamHandler()
        with Capture(log):
            for n in range(300):
                print("err", n, file=sys.stderr)
                handler.handle(logging.makeLogRecord({"msg": f"logged {n}"}))
                print("out", n)
                if not n % 30:
                    os.system("echo child")
    """)
    expected = []
    for n in range(300):
        expected += [f"err {n}", f"logged {n}", f"out {n}", *([] if n % 30 else ["child"])]
    assert log.splitlines() == expected


def test_one_of_the_two_may_be_captured_alone(script: Script) -> None:
    code = """
        with Capture(log, stderr=False):
            print("out")
            print("err", file=sys.stderr)
            os.system("echo child; echo child err >&2")
    """
    out, err, log = script.run(code)
    assert (out, err, log) == ("out\nchild\n", "err\nchild err\n", "out\nchild\n")


def test_a_progress_bar_is_shown_as_it_is_and_logged_in_its_last_state(script: Script) -> None:
    code = """
        with Capture(log):
            for done in range(0, 101, 10):
                print(f"{done:3d}%", end="\\r", file=sys.stderr)
            print("", file=sys.stderr)
    """
    _, err, log = script.run(code)
    assert err.count("%") == 11
    assert log == "100%\n"


def test_much_output_is_neither_lost_nor_held_up(script: Script) -> None:
    code = """
        with Capture(log):
            subprocess.run(["sh", "-c", "yes 0123456789 | head -c 8000000"])
            for n in range(20000):
                print("line", n)
    """
    out, _, log = script.run(code)
    assert out == log
    assert len(log) > 8_000_000
    assert log.endswith("line 19999\n")


# --- the end, whatever it is ---


def test_what_a_child_prints_after_the_end_is_shown_and_not_logged(script: Script) -> None:
    code = """
        with Capture(log):
            child = subprocess.Popen(["sh", "-c", "echo early; read line; echo late"], stdin=subprocess.PIPE)
            time.sleep(0.2)
        log.close()
        print("after", flush=True)
        child.communicate(b"go on\\n")
        assert child.returncode == 0
        time.sleep(0.2)
    """
    out, _, log = script.run(code)
    assert out == "early\nafter\nlate\n"
    assert log == "early\n"


def test_a_child_that_never_stops_printing_does_not_hold_up_the_end(script: Script) -> None:
    code = """
        with Capture(log):
            child = subprocess.Popen(["yes"])
            time.sleep(0.1)
        child.kill()
        child.wait()
    """
    _, _, log = script.run(code, stdout=subprocess.DEVNULL)
    assert set(log.splitlines()) <= {"y", ""}


def test_one_who_does_not_look_any_more_holds_up_nothing(script: Script) -> None:
    code = """
        with Capture(log):
            for n in range(50000):
                print("line", n)
        sys.stdout = open(os.devnull, "w")
    """
    process = script.start(code)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    process.stderr.close()
    assert script.log.read_text().endswith("line 49999\n")


def test_what_was_printed_right_before_a_kill_is_there(script: Script) -> None:
    code = """
        Capture(log).start()
        print("last words")
        time.sleep(0.3)
        os.kill(os.getpid(), 9)
    """
    process = script.start(code)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert out == "last words\n"
    assert script.log.read_text() == "last words\n"


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(0)", "exit()", "os.write(1, b'x' * 3000000)", "threading.Thread(target=later).start()"],
)
def test_a_capture_that_nobody_stops_ends_with_the_interpreter(end: str, script: Script) -> None:
    code = f"""
        def later():
            time.sleep(0.1)
            print("later")
        Capture(log).start()
        print("line")
        print("no line feed", end="")
        {end}
    """
    out, _, log = script.run(code)
    assert out == log
    assert log.startswith("line\n")
    assert "no line feed" in log


def test_an_exception_passes_and_its_traceback_is_shown(script: Script) -> None:
    process = script.start("""
        with Capture(log):
            print("line")
            raise ValueError("wrong")
    """)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "ValueError: wrong" in err
    assert script.log.read_text() == "line\n"


# --- what else there is ---


def test_captures_are_nested_and_end_in_any_order(script: Script, tmp_path: Path) -> None:
    code = f"""
        other = CollapsedLog(Path({str(tmp_path / "other.txt")!r}))
        outer, inner = Capture(log), Capture(other)
        outer.start()
        print("outer")
        inner.start()
        print("both")
        os.system("echo both too")
        outer.stop()
        print("inner")
        inner.stop()
        assert threading.active_count() == 1
        print("none")
        with outer:
            with inner:
                print("both again")
            print("outer again")
        print("none again")
        os.system("echo none either")
    """
    out, _, log = script.run(code)
    assert out.splitlines() == [
        *(
            "outer",
            "both",
            "both too",
            "inner",
            "none",
            "both again",
            "outer again",
            "none again",
            "none either",
        )
    ]
    assert log.splitlines() == ["outer", "both", "both too", "both again", "outer again"]
    inner = (tmp_path / "other.txt").read_text()
    assert inner.splitlines() == ["both", "both too", "inner", "both again"]


def test_what_is_listened_to_may_end_in_any_order(script: Script, tmp_path: Path) -> None:
    code = f"""
        other = CollapsedLog(Path({str(tmp_path / "other.txt")!r}))
        outer, inner = Capture(log, "sys"), Capture(other, "sys")
        outer.start()
        inner.start()
        print("both")
        outer.stop()
        print("inner")
        inner.stop()
        print("none")
        assert "write" not in vars(sys.stdout)
    """
    out, _, log = script.run(code)
    assert (out, log) == ("both\ninner\nnone\n", "both\n")
    assert (tmp_path / "other.txt").read_text() == "both\ninner\n"


def test_starting_and_stopping_twice_is_no_harm(script: Script) -> None:
    code = """
        capture = Capture(log)
        capture.stop()
        capture.start()
        capture.start()
        print("one")
        capture.stop()
        capture.stop()
        print("two")
    """
    out, _, log = script.run(code)
    assert (out, log) == ("one\ntwo\n", "one\n")


def test_nothing_is_left_open(script: Script) -> None:
    code = """
        def opened():
            return sorted(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))
        with Capture(log):
            print("first")
        before = opened()
        for n in range(50):
            with Capture(log):
                print(n)
        assert opened() == before, opened()
        assert threading.active_count() == 1
    """
    _, _, log = script.run(code)
    assert log.splitlines() == ["first", *map(str, range(50))]


def test_a_forked_process_prints_to_the_same_places(script: Script) -> None:
    code = """
        with Capture(log):
            print("parent")
            child = os.fork()
            if not child:
                print("child")
                os.system("echo child of the child")
            else:
                os.waitpid(child, 0)
        print("after in the", "parent" if child else "child", flush=True)
        if not child:
            os._exit(0)
    """
    out, _, log = script.run(code)
    assert log.splitlines() == ["parent", "child", "child of the child"]
    after = ["after in the child", "after in the parent"]
    assert sorted(out.splitlines()) == [*after, "child", "child of the child", "parent"]


def test_a_forked_process_is_not_stuck_where_its_parent_is_gone(script: Script) -> None:
    code = """
        Capture(log).start()
        if os.fork():
            os._exit(0)
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        time.sleep(0.2)
        while True:
            os.write(1, b"x" * 100000)
    """
    process = script.start(code)
    process.communicate(timeout=30)  # ends as soon as the child is gone as well
    assert process.returncode == 0


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_workers_of_multiprocessing_are_captured(method: str, script: Script, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        textwrap.dedent(f"""
            import multiprocessing
            from pathlib import Path
            from coolrunner.runs.capture import Capture, CollapsedLog

            def work(n):
                print("worker", n)
                return n

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                with Capture(CollapsedLog(Path({str(script.log)!r}))), context.Pool(2) as pool:
                    assert pool.map(work, range(4)) == [0, 1, 2, 3]
                    pool.close()
                    pool.join()
        """)
    )
    environment = {**_ENVIRONMENT, "PYTHONPATH": _PROJECT, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == sorted(["worker 0", "worker 1", "worker 2", "worker 3", ""])
    assert sorted(script.log.read_text().splitlines()) == ["worker 0", "worker 1", "worker 2", "worker 3"]


def test_threads_print_while_captures_come_and_go(script: Script) -> None:
    code = """
        stop = threading.Event()
        counts = []
        def work():
            count = 0
            while not stop.is_set():
                os.write(1, b"tick\\n")
                count += 1
            counts.append(count)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        for n in range(20):
            with Capture(log):
                time.sleep(0.005)
        stop.set()
        for thread in threads: thread.join()
        print(sum(counts), file=sys.stderr)
    """
    out, err, log = script.run(code)
    # In between a thread may print into what the last capture is still showing.
    assert sorted(out) == sorted("tick\n" * int(err))
    assert set(log.splitlines()) == {"tick"}


@pytest.mark.parametrize(
    "change",
    [
        "sys.stdout = None",
        "sys.stdout.close()",
        "sys.stdout.detach()",
        "sys.stdout = open(os.devnull, 'w')",
        "os.close(1)",
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
    ],
)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_whatever_becomes_of_a_stream_the_other_goes_on(change: str, when: str, script: Script) -> None:
    code = f"""
        before, meanwhile = ({change!r}, "") if {when == "before"} else ("", {change!r})
        exec(before)
        with Capture(log):
            exec(meanwhile)
            print("line", file=sys.stderr)
            os.system("echo child >&2")
        print("after", file=sys.stderr)
        sys.stdout = None
    """
    _, err, log = script.run(code)
    assert err == "line\nchild\nafter\n"
    assert log == "line\nchild\n"


def test_closed_descriptors_are_captured_and_closed_again(script: Script) -> None:
    code = """
        os.close(1)
        with Capture(log):
            os.system("echo child")
        try:
            os.fstat(1)
        except OSError:
            os.write(2, b"closed")
        sys.stdout = None
    """
    _, err, log = script.run(code)
    assert (err, log) == ("closed", "child\n")


def test_streams_redirected_within_are_left_alone(script: Script) -> None:
    code = """
        import contextlib, io
        with Capture(log):
            with contextlib.redirect_stdout(io.StringIO()) as inside:
                print("inside")
            print("outside")
        assert inside.getvalue() == "inside\\n"
    """
    out, _, log = script.run(code)
    assert out == log == "outside\n"


@pytest.mark.parametrize("level", ["fd", "sys"])
def test_a_notebooks_stream_without_a_descriptor_is_listened_to(level: str, script: Script) -> None:
    code = f"""
        import io
        class Notebook(io.TextIOBase):
            def __init__(self): self.cells = []
            def write(self, text):
                self.cells.append(text)
                return len(text)
        cell = sys.stdout = Notebook()
        with Capture(log, {level!r}):
            assert sys.stdout is cell
            print("one")
            os.system("echo child")
            print("two")
        print("three")
        assert "".join(cell.cells) == "one\\ntwo\\nthree\\n"
        assert "write" not in vars(cell)
    """
    out, _, log = script.run(code)
    assert out == "child\n"
    assert log == ("one\nchild\ntwo\n" if level == "fd" else "one\ntwo\n")


def test_with_sys_the_streams_stay_what_they_are(script: Script) -> None:
    code = """
        import logging
        handler = logging.StreamHandler()
        stream, file, terminal = sys.stdout, sys.stdout.fileno(), sys.stdout.isatty()
        with Capture(log, "sys"):
            assert sys.stdout is stream
            assert (sys.stdout.fileno(), sys.stdout.isatty()) == (file, terminal)
            print("out")
            print("err", file=sys.stderr)
            handler.handle(logging.makeLogRecord({"msg": "logged"}))
            sys.stdout.writelines(["two\\n", "lines\\n"])
            os.system("echo child")
        print("after")
    """
    out, err, log = script.run(code)
    assert log == "out\nerr\nlogged\ntwo\nlines\n"
    assert err == "err\nlogged\n"
    assert sorted(out.splitlines()) == ["after", "child", "lines", "out", "two"]


def test_with_sys_a_debugger_works(script: Script) -> None:
    code = """
        import pdb
        with Capture(log, "sys"):
            value = 41
            pdb.set_trace()
            value += 1
            print("value", value)
    """
    process = script.start(code, stdin=subprocess.PIPE)
    out, err = process.communicate("value = 42\ncontinue\n", timeout=30)
    assert process.returncode == 0, err
    assert "(Pdb)" in out
    assert "value 43" in out
    assert "value 43" in script.log.read_text()


def test_a_stream_for_both_is_listened_to_once(script: Script) -> None:
    code = """
        sys.stderr = sys.stdout
        with Capture(log, "sys"):
            print("one", file=sys.stderr)
    """
    assert script.run(code)[2] == "one\n"


def test_there_are_two_levels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'fd' or 'sys'"):
        Capture(CollapsedLog(tmp_path / "log.txt"), "file")  # type: ignore[arg-type]


# --- within a test, where the streams are those of pytest ---


def test_it_works_within_pytest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    with Capture(log):
        sys.stdout.write("out\n")
        sys.stderr.write("err\n")
        subprocess.run(["sh", "-c", "echo child; echo child err >&2"], check=True)
    log.close()
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("out\nchild\n", "err\nchild err\n")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines[:2] == ["out", "err"]
    assert sorted(lines[2:]) == ["child", "child err"]


def test_it_works_within_pytest_where_only_pythons_streams_are_captured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = CollapsedLog(tmp_path / "log.txt")
    with Capture(log):
        sys.stdout.write("out\n")
    log.close()
    assert capsys.readouterr().out == "out\n"
    assert (tmp_path / "log.txt").read_text() == "out\n"


def test_a_log_that_breaks_does_not_stop_who_prints(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def write(self, data: bytes) -> None:
            raise RuntimeError

    with Capture(Broken()):
        sys.stdout.write("out\n")
        os.write(1, b"raw\n")
    assert sorted(capfd.readouterr().out.split()) == ["out", "raw"]
