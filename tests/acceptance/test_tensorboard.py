"""A real TensorBoard, started on loopback, serves what was logged."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coolrunner.runs import current
from coolrunner.runs.logger import logger
from coolrunner.runs.root import Root
from coolrunner.runs.rows import Row, read_metrics
from coolrunner.runs.session import Run
from coolrunner.runs.status import RunState
from coolrunner.runs.tensorboard import TensorBoardSink
from tests.disks import full_after

pytest.importorskip("tensorboard")

LOSS = 'train/loss, "q" µ'


class Served:
    """What a TensorBoard says of one run."""

    def __init__(self, address: str, run: str) -> None:
        self._address = address
        self._run = run
        # A proxy would not reach loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: Any) -> bytes:
        """Return an answer to this run's data."""
        query = {"run": self._run, **query}
        with self._opener.open(
            f"{self._address}data/plugin/{path}?{urllib.parse.urlencode(query)}"
        ) as answer:
            return bytes(answer.read())

    def data(self, path: str, **query: Any) -> Any:
        return json.loads(self.get(path, **query))

    def tags(self, plugin: str) -> set[str]:
        """Return the names that a plugin knows."""
        return set(self.data(f"{plugin}/tags").get(self._run, ()))

    def picture(self, tag: str) -> Any:
        """Return the picture under a name."""
        found = self.data("images/images", tag=tag, sample=0)
        with self._opener.open(
            f"{self._address}data/plugin/images/individualImage?{found[0]['query']}"
        ) as answer:
            image = Image.open(BytesIO(answer.read()))
        return found[0]["step"], image


def log_everything(run: Run) -> None:
    """Log what there is, at steps that can be told apart."""
    run.logger.tensorboard()
    run.log_scalar("before/the logger", 0.5)
    for step in range(3000):
        logger.log_scalar(LOSS, math.sin(step))
    for value in (math.nan, math.inf, -math.inf, 1e300):
        logger.log_scalar("odd", value)
    with logger.prefix("O/"):
        logger.log_scalar_batch("reward", [1.0, 3.0, math.nan], 7)
    logger.log_text("# Start\nof the work", 3)
    logger.log_histogram("weights", np.arange(100), 5, bins=10)
    logger.log_image("digit", np.arange(72, dtype="uint8").reshape(8, 9), 1)
    logger.log_gif("moving", np.eye(8)[:, :, None].repeat(8, 2) * np.ones((8, 8, 8)), 2)
    logger.log_table("confusion", {"a": [1, 2], "b": ["x|y", "z"]}, 4)
    logger.log_embedding(
        "digits",
        np.arange(20).reshape(5, 4),
        6,
        labels={"label": "abcde", "n": range(5)},
        images=np.zeros((5, 4, 4)),
    )
    thread = threading.Thread(target=lambda: logger.log_scalar("thread", 1))
    thread.start()
    thread.join()
    child = os.fork()
    if not child:
        logger.log_scalar("child", 2)
        logger.log_text("from the child", name="notes")
        run.metrics.flush()
        os._exit(0)
    os.waitpid(child, 0)
    logger.log_scalar("parent", 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that has logged everything, and was resumed once."""
    directory = Root(tmp_path_factory.mktemp("study") / "results").create("{}\n", RunState())
    run = Run(directory)
    with current.entered(run):
        log_everything(run)
    again = Run(directory)
    with current.entered(again):
        again.logger.tensorboard()
        logger.log_scalar("parent", 4)
    return again


@pytest.fixture(scope="module")
def served(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start a TensorBoard over the directory of runs."""
    log = tmp_path_factory.mktemp("tensorboard") / "log.txt"
    command = [sys.executable, "-m", "tensorboard.main", "--host", "127.0.0.1", "--port", "0"]
    # By itself it keeps a thousand points of a curve.
    command += ["--logdir", str(run.dir.parent), "--samples_per_plugin", "scalars=100000"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        address = None
        deadline = time.monotonic() + 60
        while address is None:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            address = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
            time.sleep(0.05)
        served = Served(address[0], f"{run.name}/tensorboard")
        while not {"child", "parent"} <= served.tags("scalars") or not served.tags("text"):
            assert time.monotonic() < deadline, served.tags("scalars")
            time.sleep(0.1)
        yield served
    finally:
        process.terminate()
        process.wait()


def test_tensorboard_serves_the_same_scalars(run: Run, served: Served) -> None:
    rows = [row for row in read_metrics(run.directory.metrics) if row.name == LOSS]
    points = served.data("scalars/scalars", tag=LOSS)
    assert len(points) == len(rows) == 3000
    assert [step for _, step, _ in points] == [row.step for row in rows]
    assert [value for _, _, value in points] == [float(np.float32(row.value)) for row in rows]
    assert [when for when, _, _ in points] == pytest.approx([row.time for row in rows], abs=1e-5)


def test_tensorboard_serves_every_metric_under_its_own_name(run: Run, served: Served) -> None:
    names = {row.name for row in read_metrics(run.directory.metrics)}
    assert {"before/the logger", LOSS, "O/reward/Len", "thread", "child", "parent"} <= names
    assert served.tags("scalars") == names
    (_, step, value), *_ = served.data("scalars/scalars", tag="O/reward/Average")
    assert (step, value) == (7, 2)


def test_tensorboard_serves_nan_and_infinities(served: Served) -> None:
    points = served.data("scalars/scalars", tag="odd")
    assert [value for _, _, value in points] == ["NaN", "Infinity", "-Infinity", "Infinity"]


def test_a_run_that_was_resumed_goes_on_with_its_steps(served: Served) -> None:
    assert [point[1:] for point in served.data("scalars/scalars", tag="parent")] == [[0, 3], [1, 4]]


def test_tensorboard_shows_text_and_tables(served: Served) -> None:
    assert served.tags("text") == {"text", "notes", "confusion"}
    (text,) = served.data("text/text", tag="text")
    assert text["step"] == 3
    assert "<h1>Start</h1>" in text["text"]
    (table,) = served.data("text/text", tag="confusion")
    assert "<table>" in table["text"]
    assert "x|y" in table["text"]


def test_tensorboard_shows_histograms(served: Served) -> None:
    ((_, step, bins),) = served.data("histograms/histograms", tag="weights")
    assert step == 5
    assert sum(count for _, _, count in bins) == pytest.approx(100)
    assert (bins[0][0], bins[-1][1]) == (0, 99)


def test_tensorboard_shows_images_and_animations(served: Served) -> None:
    step, image = served.picture("digit")
    assert step == 1
    assert (np.asarray(image) == np.arange(72).reshape(8, 9)).all()
    step, gif = served.picture("moving")
    assert (step, gif.format, gif.n_frames) == (2, "GIF", 8)


def test_tensorboard_projects_embeddings(served: Served) -> None:
    (entry,) = served.data("projector/info")["embeddings"]
    assert entry["tensorName"] == "digits:00006"
    assert entry["tensorShape"] == [5, 4]
    assert entry["sprite"]["singleImageDim"] == [4, 4]
    vectors = np.frombuffer(served.get("projector/tensor", name="digits:00006"), "float32")
    assert vectors.tolist() == list(range(20))
    assert served.get("projector/metadata", name="digits:00006").decode().splitlines()[:2] == [
        "label\tn",
        "a\t0",
    ]
    assert served.get("projector/sprite_image", name="digits:00006").startswith(b"\x89PNG")


def test_a_run_that_does_not_ask_for_it_has_no_event_files(tmp_path: Path) -> None:
    made = Run(Root(tmp_path / "results").create("{}\n", RunState()))
    with current.entered(made):
        logger.log_scalar("x", 1)
        logger.log_text("hello")
    assert not made.directory.tensorboard.exists()
    assert "tensorboard" not in {path.name for path in made.dir.iterdir()}


def test_an_event_file_that_the_disk_did_not_take_whole_can_be_read(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sink = TensorBoardSink(tmp_path)
    sink.scalars([Row("x", 0, 0.5, 1.0)])
    (file,) = tmp_path.iterdir()
    with full_after(file.stat().st_size + 10), pytest.raises(OSError):
        sink.scalars([Row("x", 1, 0.25, 2.0)])
    sink.scalars([Row("x", 2, 0.125, 3.0)])
    sink.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    found = [(event.wall_time, event.step, event.value) for event in events.Scalars("x")]
    assert found == [(1.0, 0, 0.5), (3.0, 2, 0.125)]
