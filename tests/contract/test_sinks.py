"""What holds for everything that keeps what is logged."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coolrunner.errors import RunWriteError
from coolrunner.runs.metrics import Metrics
from coolrunner.runs.pictures import Animation, Picture
from coolrunner.runs.records import Embedding, Histogram, Record, Table, Text
from coolrunner.runs.root import Root
from coolrunner.runs.rows import Row
from coolrunner.runs.sinks import FileSink, Sink
from coolrunner.runs.status import RunState
from coolrunner.runs.tensorboard import TensorBoardSink
from tests.disks import full_after

PIXELS = np.random.default_rng(0).random((30, 40, 3))
MAKERS: dict[str, Callable[[str, int], Record]] = {
    "text": lambda name, step: Text(name, step, 1.5, "two\nlines \udcff"),
    "histogram": lambda name, step: Histogram.of(name, step, 1.5, [1, 2, math.nan, math.inf]),
    "empty histogram": lambda name, step: Histogram.of(name, step, 1.5, []),
    "picture": lambda name, step: Picture.of(name, step, 1.5, PIXELS),
    "animation": lambda name, step: Animation.of(name, step, 1.5, [PIXELS, PIXELS], 0.1),
    "embedding": lambda name, step: Embedding.of(name, step, 1.5, PIXELS[0], range(40), np.zeros((40, 4, 4))),
    "table": lambda name, step: Table.of(name, step, 1.5, {"a|\n": [None, "\udcff"]}),
    "empty table": lambda name, step: Table.of(name, step, 1.5, []),
}


def _files(path: Path) -> Sink:
    return FileSink(Root(path).create("{}\n", RunState()))


def _tensorboard(path: Path) -> Sink:
    pytest.importorskip("tensorboard")
    return TensorBoardSink(path / "tensorboard")


@pytest.fixture(params=[_files, _tensorboard], ids=["files", "tensorboard"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    """Return one of each kind, which writes below `tmp_path`."""
    made: Sink = request.param(tmp_path / "root")
    return made


def contents(tmp_path: Path) -> dict[str, bytes]:
    """Return all files that there are."""
    return {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("kind", MAKERS)
def test_it_takes_every_kind_of_record_under_any_name(sink: Sink, kind: str, tmp_path: Path) -> None:
    for step, name in enumerate(["a", "O/I/a", 'größe, "q"', ".hidden", "x" * 255, "50%"]):
        sink.record(MAKERS[kind](name, step))
        sink.record(MAKERS[kind](name, -step))
    sink.close()
    assert all(name.startswith("root/") for name in contents(tmp_path))


def test_it_takes_scalars_of_any_value(sink: Sink) -> None:
    sink.scalars([])
    sink.scalars(
        [Row("a", step, value, 1.5) for step, value in enumerate([0, math.nan, math.inf, 1e300, -0.0])]
    )
    sink.scalars([Row("a", step, 0, 1.5) for step in (-(2**63), 2**63 - 1)])
    sink.close()


def test_it_may_be_closed_twice_and_goes_on_after_that(sink: Sink, tmp_path: Path) -> None:
    sink.record(MAKERS["picture"]("a", 1))
    sink.close()
    sink.close()
    before = contents(tmp_path)
    sink.record(MAKERS["picture"]("a", 2))
    sink.close()
    assert sum(map(len, contents(tmp_path).values())) > sum(map(len, before.values()))


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(sink: Sink, tmp_path: Path) -> None:
    sink.record(MAKERS["text"]("a", 1))
    before = contents(tmp_path)
    for kind in ("picture", "animation", "text"):
        record = Text("a", 1, 1.5, "long " * 5000) if kind == "text" else MAKERS[kind]("a", 2)
        with full_after(1000), pytest.raises(RunWriteError, match="cannot be written"):
            sink.record(record)
    assert contents(tmp_path) == before
    sink.record(MAKERS["picture"]("a", 2))
    sink.close()


def test_a_forked_process_may_log_too(sink: Sink, tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.csv", [sink])
    metrics.log("a", 1)
    sink.record(MAKERS["text"]("a", 0))
    child = os.fork()
    if not child:
        status = 1
        try:
            metrics.log("b", 1)
            metrics.flush()
            sink.record(MAKERS["text"]("a", 1))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    sink.record(MAKERS["text"]("a", 2))
    metrics.close()
    text = b"".join(contents(tmp_path).values())
    assert text.count(b"lines") == 3


def test_it_says_what_it_is(sink: Sink, tmp_path: Path) -> None:
    assert str(tmp_path) in str(sink)
