"""The scalars of a run: names, values and steps; kills, forks, threads; disks that are full."""

from __future__ import annotations

import csv
import gc
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import BadNameError, RunError, RunWriteError
from coolrunner.runs.metrics import Metrics
from coolrunner.runs.rows import HEADER, Row, metrics_frame, next_steps, read_metrics
from tests.disks import full_after

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "tests" / "data" / "v1" / "metrics.csv"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where metrics are going to be."""
    return tmp_path / "metrics.csv"


def logged(path: Path) -> list[tuple[str, int, float]]:
    """Return name, step and value of each row."""
    return [row[:3] for row in read_metrics(path)]


def wait_until(condition: Any) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


class Listed:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.closed = False

    def scalars(self, rows: Sequence[Row]) -> None:
        self.rows += rows

    def record(self, record: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


# --- what is logged is what is read ---


def test_what_is_logged_is_read_in_the_order_logged(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("loss", 0.5)
    metrics.log("train/acc", 1, step=10, time=12.25)
    metrics.log("loss", 0.25)
    metrics.close()
    rows = list(read_metrics(path))
    assert [row[:3] for row in rows] == [("loss", 0, 0.5), ("train/acc", 10, 1.0), ("loss", 1, 0.25)]
    assert rows[1].time == 12.25
    assert abs(rows[0].time - time.time()) < 60


def test_nan_and_infinities_survive_the_round_trip(path: Path) -> None:
    metrics = Metrics(path)
    for value in (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2):
        metrics.log("x", value)
    metrics.close()
    for values in ([row.value for row in read_metrics(path)], metrics_frame(path)["value"].tolist()):
        assert math.isnan(values[0])
        assert values[1:] == [math.inf, -math.inf, 0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
        assert math.copysign(1, values[3]) == -1


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="/"), min_size=1
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 255)


@given(st.lists(st.tuples(NAMES, st.integers(-(2**63), 2**63 - 1), st.floats()), max_size=20))
def test_any_name_step_and_value_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]]
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.csv"
    metrics = Metrics(path)
    for name, step, value in rows:
        metrics.log(name, value, step)
    metrics.close()
    expected = [(name, step, repr(value)) for name, step, value in rows]
    assert [(row.name, row.step, repr(row.value)) for row in read_metrics(path)] == expected
    frame = metrics_frame(path)
    assert [(*row[:2], repr(row[2])) for row in frame.itertuples(index=False, name=None)] == expected
    if rows:
        with path.open(newline="", encoding="utf-8") as file:
            assert [row[0] for row in csv.reader(file)] == ["name", *(name for name, _, _ in rows)]


def test_names_with_commas_and_quotes_are_quoted_as_csv_wants(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log('a,"b"', 1, time=0)
    metrics.close()
    assert path.read_text() == f'{HEADER}"a,""b""",0,1.0,0.000000\n'


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "a/", "..", "a/../b", "a\nb", "a\0b", "x" * 300, "\ud800", 3]
)
def test_a_name_that_leads_elsewhere_is_refused(path: Path, name: Any) -> None:
    metrics = Metrics(path)
    with pytest.raises(BadNameError, match="the name of a metric"):
        metrics.log(name, 1)
    metrics.close()
    assert not path.exists()


def test_the_scalars_of_numpy_are_numbers(path: Path) -> None:
    metrics = Metrics(path)
    for value in (
        np.float32(0.5),
        np.int64(3),
        np.bool_(True),
        np.array(2.5),
        np.array([[4]]),
        True,
        Decimal("1.5"),
    ):
        metrics.log("x", value)
    metrics.log("x", 1, step=np.int32(40))
    metrics.log("x", 1, step=41.0)  # type: ignore[arg-type]
    metrics.close()
    assert [row.value for row in read_metrics(path)] == [0.5, 3.0, 1.0, 2.5, 4.0, 1.0, 1.5, 1.0, 1.0]
    assert [row.step for row in read_metrics(path)][-2:] == [40, 41]


@pytest.mark.torch
def test_the_scalars_of_torch_are_numbers(path: Path) -> None:
    torch = pytest.importorskip("torch")
    metrics = Metrics(path)
    metrics.log("x", torch.tensor(0.5, requires_grad=True) * 2)
    metrics.log("x", torch.tensor([3], dtype=torch.int8))
    metrics.log("x", torch.tensor(0.5, dtype=torch.bfloat16), step=torch.tensor(7))
    metrics.close()
    assert logged(path) == [("x", 0, 1.0), ("x", 1, 3.0), ("x", 7, 0.5)]


@pytest.mark.parametrize("value", ["0.5", None, [1.0], 1j, b"1", np.datetime64("2026-01-01"), object()])
def test_what_is_no_number_is_refused_and_the_metric_named(path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=r"the metric 'loss' takes a number, not a \w+"):
        Metrics(path).log("loss", value)


def test_an_array_of_many_is_refused_and_says_what_logs_it(path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"'loss' takes one number, not a ndarray of shape \(2, 3\); log_scalar_batch"
    ):
        Metrics(path).log("loss", np.zeros((2, 3)))


def test_whole_numbers_beyond_a_float_are_infinite(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 10**400)
    metrics.log("x", -(10**400))
    metrics.close()
    assert [row.value for row in read_metrics(path)] == [math.inf, -math.inf]


@pytest.mark.parametrize("step", ["3", 1.5, None.__class__, 2**63, math.inf])
def test_a_step_is_a_whole_number(path: Path, step: Any) -> None:
    with pytest.raises(TypeError, match="the step of 'x' is a whole number"):
        Metrics(path).log("x", 1.0, step)


# --- steps ---


def test_steps_begin_at_0_for_each_metric_and_go_on_after_one_that_was_given(path: Path) -> None:
    metrics = Metrics(path)
    steps = [metrics.log("a", 1), metrics.log("b", 1), metrics.log("a", 1), metrics.log("a", 1, 10)]
    assert [*steps, metrics.log("a", 1), metrics.log("b", 1)] == [0, 0, 1, 10, 11, 1]
    metrics.close()


def test_steps_go_on_where_a_file_ends(path: Path) -> None:
    first = Metrics(path)
    for step in (3, 4, 2):
        first.log('a,"', 1, step)
    first.log("b", 1)
    first.close()
    again = Metrics(path)
    assert [again.log('a,"', 1), again.log("b", 1), again.log("c", 1)] == [3, 1, 0]
    assert again.steps() == {'a,"': 4, "b": 2, "c": 1}
    again.close()


def test_steps_go_on_from_a_snapshot(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("a", 1, 5)
    then = metrics.steps()
    metrics.log("a", 1)
    metrics.log("b", 1)
    metrics.go_on_from(then)
    assert [metrics.log("a", 1), metrics.log("b", 1)] == [6, 0]
    metrics.close()


def test_the_latest_value_is_known_and_a_misspelt_name_told(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("accuracy", 0.5)
    metrics.log("accuracy", 0.75)
    assert metrics.latest("accuracy") == 0.75
    with pytest.raises(RunError, match=r"'acuracy' was logged yet; did you mean 'accuracy'\?"):
        metrics.latest("acuracy")
    metrics.close()


# --- when it is written ---


def test_what_is_logged_is_in_the_file_soon_and_the_thread_goes_when_it_is_idle(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    wait_until(lambda: len(logged(path)) == 1)
    wait_until(lambda: "coolrunner-metrics" not in {thread.name for thread in threading.enumerate()})
    metrics.log("x", 2)
    wait_until(lambda: len(logged(path)) == 2)
    metrics.close()


def test_many_values_are_written_at_once_by_whoever_logs_them(path: Path) -> None:
    metrics = Metrics(path)
    for value in range(5000):
        metrics.log("x", value)
    assert len(logged(path)) >= 4096
    metrics.close()
    assert [row.value for row in read_metrics(path)] == list(range(5000))


def test_no_file_is_made_where_nothing_is_logged(path: Path) -> None:
    Metrics(path).close()
    assert not path.exists()
    assert list(read_metrics(path)) == []
    assert next_steps(path) == {}
    assert metrics_frame(path).empty


def test_the_directory_of_the_file_is_made(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "saved_metrics" / "metrics.csv")
    metrics.log("x", 1)
    metrics.close()
    assert len(logged(tmp_path / "saved_metrics" / "metrics.csv")) == 1


def test_what_is_logged_after_the_end_is_written_too(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    metrics.close()
    metrics.log("x", 2)
    metrics.close()
    assert logged(path) == [("x", 0, 1.0), ("x", 1, 2.0)]


def test_metrics_without_a_file_keep_nothing_and_look_at_names_and_values() -> None:
    metrics = Metrics(None)
    assert [metrics.log("x", 1), metrics.log("x", 2)] == [0, 1]
    with pytest.raises(BadNameError):
        metrics.log("/x", 1)
    with pytest.raises(TypeError):
        metrics.log("x", "one")
    for _ in range(5000):
        metrics.log("x", 1)
    assert not metrics._rows
    metrics.close()


def test_metrics_that_nobody_holds_are_let_go(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    metrics.close()
    key = id(metrics)
    del metrics
    wait_until(
        lambda: gc.collect() >= 0 and not any(id(o) == key for o in gc.get_objects() if type(o) is Metrics)
    )


# --- sinks ---


def test_sinks_get_every_row_once_it_is_written(path: Path) -> None:
    sink = Listed()
    metrics = Metrics(path, [sink])
    metrics.log('a,"', 1, 5, time=2.0)
    metrics.flush()
    assert sink.rows == [Row('a,"', 5, 1.0, 2.0)]
    metrics.close()
    assert sink.closed


def test_a_sink_that_fails_is_warned_of_once_and_costs_no_row(path: Path) -> None:
    class Broken(Listed):
        def scalars(self, rows: Sequence[Row]) -> None:
            raise OSError("gone")

        def __str__(self) -> str:
            return "a sink"

    other = Listed()
    metrics = Metrics(path, [Broken(), other])
    metrics.log("x", 1)
    with pytest.warns(RuntimeWarning, match="a sink gets no more scalars: OSError: gone"):
        metrics.flush()
    metrics.log("x", 2)
    metrics.close()
    assert len(logged(path)) == len(other.rows) == 2


# --- threads, forks, other processes ---


def test_threads_log_to_the_same_metric_without_a_step_twice(path: Path) -> None:
    metrics = Metrics(path)
    threads = [threading.Thread(target=lambda: [metrics.log("x", 1) for _ in range(3000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics.close()
    assert sorted(row.step for row in read_metrics(path)) == list(range(12000))


def test_a_fork_writes_nothing_of_its_parent_twice(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("parent", 1)
    child = os.fork()
    if not child:
        metrics.log("child", 2)
        metrics.flush()
        os._exit(0)
    os.waitpid(child, 0)
    metrics.log("parent", 3)
    metrics.close()
    assert sorted(logged(path)) == [("child", 0, 2.0), ("parent", 0, 1.0), ("parent", 1, 3.0)]


def test_a_fork_finds_no_thread_of_ours_and_nothing_waits_longer_for_it(path: Path) -> None:
    # From 3.12 on, Python warns of a fork while there are threads.
    metrics = Metrics(path)
    for count in (1, 2, 3):
        metrics.log("x", 1)
        assert "coolrunner-metrics" in {thread.name for thread in threading.enumerate()}
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        assert "coolrunner-metrics" not in {thread.name for thread in threading.enumerate()}
        assert len(logged(path)) == count
    metrics.log("x", 1)
    wait_until(lambda: len(logged(path)) == 4)
    metrics.close()


def test_a_fork_while_threads_log_and_write_does_not_block(path: Path) -> None:
    metrics = Metrics(path)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            metrics.log("x", 1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if not child:
                metrics.log("child", 1)
                metrics.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    metrics.close()
    names = [row.name for row in read_metrics(path)]
    assert names.count("child") == 10
    steps = [row.step for row in read_metrics(path) if row.name == "x"]
    assert sorted(steps) == list(range(len(steps)))


def _log_in_a_worker(path: Path, name: str, count: int) -> None:
    metrics = Metrics(path)
    for value in range(count):
        metrics.log(name, value)
    # It is not closed: its process ends.


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_workers_of_multiprocessing_lose_nothing_when_they_end(path: Path, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    workers = [context.Process(target=_log_in_a_worker, args=(path, f"w{i}", 3000)) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rows = logged(path)
    assert len(rows) == 6000
    assert path.read_text().count(HEADER) == 1
    for worker in range(2):
        assert [step for name, step, _ in rows if name == f"w{worker}"] == list(range(3000))


def test_what_a_script_logged_is_written_when_it_ends(path: Path) -> None:
    # Nobody holds it when the process ends.
    script = """
import sys, pathlib
from coolrunner.runs.metrics import Metrics
Metrics(pathlib.Path(sys.argv[1])).log("x", 1)
"""
    subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, check=True)
    assert logged(path) == [("x", 0, 1.0)]


# --- kills ---

LOGS_FOREVER = """
import sys, time, pathlib
from coolrunner.runs.metrics import Metrics
metrics = Metrics(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
while True:
    now = time.time()
    metrics.log("loss", now, time=now)
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("pause", [0.05, 0.0])
def test_a_kill_costs_the_last_second_of_scalars_at_most(path: Path, pause: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOGS_FOREVER, path, str(pause)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        wait_until(lambda: len(logged(path)) > 20)
        killed = time.time()
        process.kill()
        process.wait()
    rows = list(read_metrics(path))
    assert [row.step for row in rows] == list(range(len(rows)))
    # Half a second is what is promised to wait; the machine may be busy for as long again.
    assert killed - rows[-1].value < 1.0


def test_a_torn_last_row_is_passed_over_and_cut_off_by_the_next_writer(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    metrics.log("x", 2)
    metrics.close()
    torn = path.read_bytes()[:-3]  # it would still read as a row, with another time
    path.write_bytes(torn)
    assert logged(path) == [("x", 0, 1.0)]
    assert metrics_frame(path)["value"].tolist() == [1.0]
    again = Metrics(path)
    again.log("x", 3)
    again.close()
    assert logged(path) == [("x", 0, 1.0), ("x", 1, 3.0)]


@pytest.mark.parametrize("torn", [b"name,st", b"\0" * 100_000, HEADER.encode() + b"\0" * 100_000])
def test_a_file_that_is_torn_in_its_header_or_ends_in_zeros_is_mended(path: Path, torn: bytes) -> None:
    path.write_bytes(torn)
    metrics = Metrics(path)
    metrics.log("x", 1)
    metrics.close()
    assert path.read_text().splitlines()[0] == HEADER.strip()
    assert logged(path) == [("x", 0, 1.0)]


def test_lines_that_are_no_rows_are_passed_over_and_the_first_is_named(path: Path) -> None:
    path.write_text(f"{HEADER}x,0,1.0,0\nnonsense\nx,1,two,0\nx,1,2.0,0\n")
    with pytest.warns(RuntimeWarning, match=r"metrics.csv:3: not a row .* and 1 more"):
        assert logged(path) == [("x", 0, 1.0), ("x", 1, 2.0)]
    with pytest.warns(RuntimeWarning, match="metrics.csv:3"):
        assert metrics_frame(path)["value"].tolist() == [1.0, 2.0]


IS_INTERRUPTED = """
import os, pathlib, signal, sys, threading, time
from coolrunner.runs.metrics import Metrics

metrics = Metrics(pathlib.Path(sys.argv[1]))
armed, done, interrupted = False, False, 0

def interrupt(*_):
    if armed:
        raise KeyboardInterrupt

def press():
    global done
    for _ in range(300):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.002)
    done = True

signal.signal(signal.SIGINT, interrupt)
thread = threading.Thread(target=press)
thread.start()
while not done:
    try:
        armed = True
        while not done:
            metrics.log("x", 1.0)
            metrics.flush()
    except KeyboardInterrupt:
        interrupted += 1
    finally:
        armed = False
thread.join()
metrics.close()
print(metrics.steps()["x"], interrupted)
"""


def test_ctrl_c_costs_at_most_the_row_that_it_interrupts_and_writes_none_twice(path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", IS_INTERRUPTED, path], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    # The step after the last; one is lost where Ctrl-C came before its row was there.
    last, interrupted = map(int, result.stdout.split())
    steps = [row.step for row in read_metrics(path)]
    assert steps == sorted(set(steps))
    assert steps[-1] == last - 1
    assert interrupted > 50
    assert last - len(steps) <= interrupted


def test_a_signal_handler_may_log_in_the_midst_of_logging(path: Path) -> None:
    metrics = Metrics(path)
    before = signal.signal(signal.SIGALRM, lambda *_: metrics.log("alarm", 1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(20000):
            metrics.log("x", 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    metrics.close()
    rows = logged(path)
    assert [step for name, step, _ in rows if name == "x"] == list(range(20000))
    assert ("alarm", 0, 1.0) in rows


# --- disks that are full ---


def test_a_full_disk_is_said_once_and_what_was_written_stays_readable(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    metrics.flush()
    with full_after(path.stat().st_size + 10):
        metrics.log("x", 2)
        with pytest.raises(RunWriteError, match=r"metrics.csv cannot be written: .*; 1 values wait"):
            metrics.flush()
        metrics.log("x", 3)
        metrics.flush()
        assert logged(path) == [("x", 0, 1.0)]
    metrics.flush()  # there is room again
    metrics.close()
    assert logged(path) == [("x", 0, 1.0), ("x", 1, 2.0), ("x", 2, 3.0)]


def test_a_disk_takes_as_many_rows_as_it_has_room_for(path: Path) -> None:
    sink = Listed()
    metrics = Metrics(path, [sink])
    for value in range(100):
        metrics.log("x", value)
    with full_after(1000):
        with pytest.raises(RunWriteError, match="values wait"):
            metrics.flush()
        written = logged(path)
        assert written == [("x", n, float(n)) for n in range(len(written))]
        assert 20 < len(written) == len(sink.rows) < 100
        assert path.read_bytes().endswith(b"\n")
    metrics.close()
    assert [row.step for row in read_metrics(path)] == [row.step for row in sink.rows] == list(range(100))


def test_a_full_disk_that_the_background_met_is_said_in_the_next_call(path: Path) -> None:
    metrics = Metrics(path)
    with full_after(10):
        metrics.log("x", 1)
        wait_until(lambda: metrics._limit == 0)
        with pytest.raises(RunWriteError) as caught:
            metrics.log("x", 2)
        assert isinstance(caught.value, OSError)
        assert caught.value.errno
        for value in range(3, 10_000):
            metrics.log("x", value)
    metrics.close()
    assert len(logged(path)) == 9999


def test_a_disk_that_is_full_twice_is_said_twice(path: Path) -> None:
    metrics = Metrics(path)
    for _ in range(2):
        metrics.log("x", 1)
        with full_after(path.stat().st_size if path.exists() else 0), pytest.raises(RunWriteError):
            metrics.flush()
        metrics.flush()
    metrics.close()
    assert len(logged(path)) == 2


def test_values_that_are_lost_in_the_end_are_an_error_or_a_warning(path: Path) -> None:
    metrics = Metrics(path)
    metrics.log("x", 1)
    with full_after(0), pytest.raises(RunWriteError):
        metrics.close()
    metrics.log("x", 2)
    with full_after(0):
        with pytest.raises(RunWriteError):
            metrics.flush()
        with pytest.warns(RuntimeWarning, match="1 values could not be written"):
            metrics.close()
    assert logged(path) == []


def test_memory_is_bounded_while_the_disk_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coolrunner.runs.metrics._KEPT", 5000)
    metrics = Metrics(path)
    with full_after(0):
        metrics.log("x", 0)
        with pytest.raises(RunWriteError):
            metrics.flush()
        for value in range(1, 20_001):
            metrics.log("x", value)
    with pytest.warns(RuntimeWarning, match="values could not be written"):
        metrics.close()
    steps = [row.step for row in read_metrics(path)]
    assert len(steps) <= 8000
    assert steps[-1] == 20_000


# --- the format ---


def test_the_stored_rows_of_version_1_are_read() -> None:
    rows = list(read_metrics(STORED))
    assert [row.name for row in rows] == [
        "loss",
        "train/acc",
        'with, "quotes"',
        "größe µ",
        "loss",
        "loss",
        "loss",
    ]
    assert [row.step for row in rows] == [0, 10, 0, -1, 1, 2, 3]
    assert [repr(row.value) for row in rows] == ["0.1", "1.0", "1e-05", "-2.5e+300", "nan", "inf", "-inf"]
    assert rows[0].time == 1795242209.123456
    assert metrics_frame(STORED)["name"].tolist() == [row.name for row in rows]


def test_the_stored_rows_of_version_1_are_what_is_written(path: Path) -> None:
    metrics = Metrics(path)
    for row in read_metrics(STORED):
        metrics.log(row.name, row.value, row.step, row.time)
    metrics.close()
    assert path.read_bytes() == STORED.read_bytes()
