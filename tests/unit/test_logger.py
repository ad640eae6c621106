"""The logger of a run: prefixes and steps, and each kind of data as a file that anybody can read."""

from __future__ import annotations

import asyncio
import contextvars
import csv
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from coolrunner.errors import BadNameError, RunError, RunWriteError
from coolrunner.runs import current
from coolrunner.runs.logger import Logger, logger
from coolrunner.runs.root import Root
from coolrunner.runs.rows import read_metrics
from coolrunner.runs.session import NoRun, Run
from coolrunner.runs.status import RunState
from tests.disks import full_after


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Make a run, and be in it."""
    made = Run(Root(tmp_path / "results").create("lr: 0.1\n", RunState()))
    with current.entered(made):
        yield made


def scalars(run: Run) -> list[tuple[str, int, float]]:
    """Return name, step and value of each row of a run."""
    run.metrics.flush()
    return [row[:3] for row in read_metrics(run.directory.metrics)]


def files(run: Run) -> list[str]:
    """Return the paths of the files of a run."""
    return sorted(str(path.relative_to(run.files)) for path in run.files.rglob("*") if path.is_file())


# --- reached from anywhere ---


def test_the_logger_is_that_of_the_run_which_is_under_way(tmp_path: Path, run: Run) -> None:
    logger.log_scalar("outer", 1)
    inner = Run(Root.inside(run.directory).create("{}\n", RunState()))
    with current.entered(inner):
        logger.log_scalar("inner", 2)
    logger.log_scalar("outer", 3)
    assert scalars(run) == [("outer", 0, 1.0), ("outer", 1, 3.0)]
    assert scalars(inner) == [("inner", 0, 2.0)]
    assert run.logger is run.logger
    assert "log_scalar" in dir(logger)
    assert not hasattr(logger, "__wrapped__")


def test_outside_of_a_run_everything_works_and_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    none = Logger(NoRun())
    none.log_scalar("x", 1)
    none.log_scalar_batch("x", [1, 2])
    none.log_text("hello")
    none.log("hello")
    none.log_histogram("h", [1, 2])
    none.log_image("i", np.zeros((2, 2)))
    none.log_gif("g", np.zeros((2, 2, 2)))
    none.log_embedding("e", np.zeros((2, 2)))
    none.log_table("t", {"a": [1]})
    none.tensorboard()
    none.dump_data()
    none.close()
    with pytest.raises(BadNameError):
        none.log_text("hello", name="..")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == "hello\n"


# --- prefixes ---


def test_prefixes_nest(run: Run) -> None:
    with logger.prefix("O/"):
        logger.log_scalar("a", 1)
        with logger.prefix("I/"):
            logger.log_scalar("a", 2)
            logger.log_scalar_batch("b", [1.0])
            logger.log_text("hello")
        logger.log_scalars({"a": 3, "c": 4})
    logger.log_scalar("a", 5)
    assert [row for row in scalars(run) if "b" not in row[0]] == [
        ("O/a", 0, 1.0), ("O/I/a", 0, 2.0), ("O/a", 1, 3.0), ("O/c", 0, 4.0), ("a", 0, 5.0)
    ]  # fmt: skip
    assert ("O/I/b/Average", 0, 1.0) in scalars(run)
    assert files(run) == ["text/O/I/text.txt"]


def test_a_prefix_ends_with_its_block_also_where_that_fails(run: Run) -> None:
    with pytest.raises(ZeroDivisionError), logger.prefix("O/"), logger.prefix("I/"):
        raise ZeroDivisionError
    logger.log_scalar("a", 1)
    logger.push_prefix("P/")
    logger.log_scalar("a", 1)
    logger.pop_prefix()
    with pytest.raises(ValueError, match="no prefix"):
        logger.pop_prefix()
    assert [name for name, _, _ in scalars(run)] == ["a", "P/a"]


def test_each_thread_and_each_task_has_prefixes_of_its_own(run: Run) -> None:
    def work() -> None:
        with logger.prefix("thread/"):
            run.logger.log_scalar("a", 1)

    async def task(name: str) -> None:
        with logger.prefix(f"{name}/"):
            await asyncio.sleep(0)
            logger.log_scalar("a", 1)
            await asyncio.sleep(0)

    async def tasks() -> None:
        await asyncio.gather(task("one"), task("two"))

    with logger.prefix("main/"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        asyncio.run(tasks())
        contextvars.copy_context().run(logger.push_prefix, "lost/")
        logger.log_scalar("a", 1)
    assert sorted(name for name, _, _ in scalars(run)) == ["main/a", "main/one/a", "main/two/a", "thread/a"]


# --- steps ---


def test_each_name_counts_its_own_steps_until_the_logger_has_one(run: Run) -> None:
    logger.log_scalar("a", 1)
    logger.log_scalar("a", 1)
    logger.log_scalar("b", 1)
    logger.set_step(10)
    logger.log_scalar("a", 1)
    logger.log_scalar("b", 1)
    logger.log_scalar("b", 1, step=12)
    logger.log_scalar("a", 1)
    assert logger.step == 12
    assert [(name, step) for name, step, _ in scalars(run)] == [
        ("a", 0), ("a", 1), ("b", 0), ("a", 10), ("b", 10), ("b", 12), ("a", 12)
    ]  # fmt: skip


def test_dump_data_writes_an_iteration_and_begins_the_next(run: Run) -> None:
    for value in range(3):
        logger.log_scalar("loss", value)
        logger.log_scalar_batch("reward", [value, value + 1])
        logger.log_image("seen", np.zeros((2, 2), "uint8"))
        logger.dump_data()
        assert len(list(read_metrics(run.directory.metrics))) == 6 * (value + 1)
    assert [(name, step) for name, step, _ in scalars(run) if name in ("loss", "reward/Len")] == [
        (name, step) for step in range(3) for name in ("loss", "reward/Len")
    ]
    assert files(run) == [f"images/seen-{step}.png" for step in range(3)]
    assert logger.step == 3


def test_dump_data_goes_on_after_steps_that_were_given(run: Run) -> None:
    for epoch in range(5, 8):
        logger.log_scalar("loss", 1, epoch)
        logger.dump_data()
        assert logger.step == epoch + 1


def test_steps_of_files_go_on_where_an_earlier_process_ended(run: Run) -> None:
    for value in range(3):
        logger.log_histogram("a/b", [value])
        logger.log_text(f"one\n2\ttwo {value}", name="a")
    logger.log_histogram("a/b", [1], step=20)
    logger.log_text("at 20", 20, name="a")
    again = Logger(run)
    again.log_histogram("a/b", [1])
    again.log_histogram("a/c", [1])
    again.log_text("more", name="a")
    assert files(run) == [
        *(f"histograms/a/b-{step}.json" for step in (0, 1, 2, 20, 21)), "histograms/a/c-0.json", "text/a.txt"
    ]  # fmt: skip
    assert (run.files / "text/a.txt").read_text().splitlines()[-1].startswith("21\t")


def test_a_step_must_be_a_whole_number(run: Run) -> None:
    with pytest.raises(TypeError, match="the step of 'x' is a whole number"):
        logger.log_image("x", np.zeros((2, 2)), "three")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="whole number"):
        logger.set_step(1.5)  # type: ignore[arg-type]
    assert files(run) == []


# --- batches ---


@pytest.mark.parametrize(
    "values", [[1, 2.0, 3], (1, 2, 3, math.nan), np.array([[1, 2, 3]]), pd.Series([1, 2, 3, None])]
)
def test_a_batch_is_said_in_five_numbers_and_nan_counts_for_nothing(run: Run, values: Any) -> None:
    logger.log_scalar_batch("x", values, 7)
    found = {name: value for name, _, value in scalars(run)}
    assert found == {
        "x/Average": 2, "x/Std": pytest.approx(math.sqrt(2 / 3)), "x/Max": 3, "x/Min": 1, "x/Len": 3
    }  # fmt: skip
    assert {step for _, step, _ in scalars(run)} == {7}


@pytest.mark.parametrize("values", [[], [math.nan], np.zeros(0), np.array([np.nan, np.nan])])
def test_a_batch_of_nothing_is_nan_and_its_length_0(run: Run, values: Any) -> None:
    logger.log_scalar_batch("x", values)
    found = {name: value for name, _, value in scalars(run)}
    assert found.pop("x/Len") == 0
    assert len(found) == 4
    assert all(math.isnan(value) for value in found.values())


def test_values_without_names_are_refused(run: Run) -> None:
    values: Any = [1, 2]
    with pytest.raises(TypeError, match="by name, and not list"):
        logger.log_scalars(values)


def test_a_batch_may_hold_infinities_and_whole_numbers_of_any_size(run: Run) -> None:
    logger.log_scalar_batch("x", [1, math.inf])
    logger.log_scalar_batch("y", np.array([1, 2**62]))
    found = {name: value for name, _, value in scalars(run)}
    assert found["x/Max"] == found["x/Average"] == math.inf
    assert math.isnan(found["x/Std"])
    assert found["y/Max"] == 2**62


@pytest.mark.torch
def test_a_batch_may_come_from_torch(run: Run) -> None:
    torch = pytest.importorskip("torch")
    logger.log_scalar_batch("x", torch.tensor([1.0, 3.0], requires_grad=True))
    logger.log_scalar_batch("y", [torch.tensor(1.0), torch.tensor(3.0)])
    logger.log_scalar_batch("z", torch.tensor([1.0, 3.0], dtype=torch.bfloat16))
    logger.log_image("i", torch.rand(3, 4, 5))
    found = {name: value for name, _, value in scalars(run)}
    assert found["x/Average"] == found["y/Average"] == found["z/Average"] == 2
    with Image.open(run.files / "images/i-0.png") as image:
        assert image.size == (5, 4)


@pytest.mark.parametrize("values", [["a"], np.array(["a"]), [None], 3 + 1j])
def test_a_batch_of_what_are_no_numbers_is_refused(run: Run, values: Any) -> None:
    with pytest.raises(TypeError, match="'x'"):
        logger.log_scalar_batch("x", values)


# --- text ---


def test_text_is_appended_with_its_step_and_time(run: Run) -> None:
    logger.log_text("Start", 0)
    logger.log_text("two\nlines", 3)
    lines = (run.files / "text/text.txt").read_text().splitlines()
    assert [line.split("\t")[::2] for line in lines] == [["0", "Start"], ["3", "two"], ["", "lines"]]


def test_text_that_utf8_cannot_hold_is_shown_escaped(run: Run) -> None:
    logger.log_text("a\udcffb\0")
    assert "a\\udcffb\0" in (run.files / "text/text.txt").read_text()


def test_a_text_that_is_given_as_tensorboard_wants_it_says_which_comes_first(run: Run) -> None:
    with pytest.raises(TypeError, match="the text comes first"):
        logger.log_text("notes", "hello")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a text, not int"):
        logger.log_text(3)  # type: ignore[arg-type]


def test_log_shows_its_text_as_well(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with logger.prefix("O/"):
        logger.log("hello")
    assert capsys.readouterr().out == "O/hello\n"
    assert files(run) == ["text/O/text.txt"]


# --- histograms ---


def test_a_histogram_is_json_that_counts_nan_and_infinities_apart(run: Run) -> None:
    logger.log_histogram("weights", [[0, 1], [2, math.nan], [math.inf, -math.inf]], 4, bins=2)
    data = json.loads((run.files / "histograms/weights-4.json").read_text(), parse_constant=pytest.fail)
    assert data["edges"] == [0, 1, 2]
    assert data["counts"] == [1, 2]
    assert (data["version"], data["name"], data["step"]) == (1, "weights", 4)
    assert (data["count"], data["nan"], data["infinite"], data["max"]) == (5, 1, 2, None)


def test_a_histogram_of_nothing_has_no_bins(run: Run) -> None:
    logger.log_histogram("a", [])
    logger.log_histogram("a", [math.nan], bins=[0, 1])
    for step in (0, 1):
        assert json.loads((run.files / f"histograms/a-{step}.json").read_text())["counts"] == []


# --- pictures ---


def pixels(run: Run, name: str) -> Any:
    """Return a picture of a run as an array."""
    with Image.open(run.files / "images" / name) as image:
        return np.asarray(image)


def test_an_image_may_be_floats_bytes_or_bools_with_channels_first_or_last(run: Run) -> None:
    grey = np.array([[0, 128], [255, 1], [3, 4]], "uint8")
    colour = np.arange(30, dtype="uint8").reshape(2, 5, 3)
    logger.log_image("i", grey, 0)
    logger.log_image("i", colour, 1)
    logger.log_image("i", colour.transpose(2, 0, 1), 2)
    logger.log_image("i", grey[:, :, None], 3)
    logger.log_image("i", np.dstack([colour, colour[:, :, :1]]), 4)
    logger.log_image("i", np.array([[0.0, 0.5], [1.0, 7.0], [-1.0, math.nan]]), 5)
    logger.log_image("i", np.array([[True, False]]), 6)
    logger.log_image("i", np.array([[300, -5]]), 7)
    assert (pixels(run, "i-0.png") == grey).all()
    assert (pixels(run, "i-1.png") == colour).all()
    assert (pixels(run, "i-2.png") == colour).all()
    assert (pixels(run, "i-3.png") == grey).all()
    assert pixels(run, "i-4.png").shape == (2, 5, 4)
    assert pixels(run, "i-5.png").tolist() == [[0, 128], [255, 255], [0, 0]]
    assert pixels(run, "i-6.png").tolist() == [[255, 0]]
    assert pixels(run, "i-7.png").tolist() == [[255, 0]]


def test_an_image_may_come_from_pil_in_any_mode(run: Run) -> None:
    for mode, kept in (
        ("L", "L"),
        ("1", "L"),
        ("P", "RGB"),
        ("CMYK", "RGB"),
        ("LA", "RGBA"),
        ("RGBA", "RGBA"),
    ):
        logger.log_image(mode, Image.new(mode, (3, 2)))
        with Image.open(run.files / f"images/{mode}-0.png") as image:
            assert (image.mode, image.size) == (kept, (3, 2))


def test_an_image_may_be_a_figure_of_matplotlib(run: Run) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=100)
    figure.subplots().plot([1, 2])
    logger.log_image("curve", figure)
    assert pixels(run, "curve-0.png").shape == (100, 200, 4)


@pytest.mark.parametrize("shape", [(4,), (5, 5, 5), (2, 3, 4, 3), (0, 3), (5, 6, 2)])
def test_an_array_that_is_no_image_is_refused_and_the_shapes_are_told(
    run: Run, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"'i' has the shape .* not \(height, width\)"):
        logger.log_image("i", np.zeros(shape))
    with pytest.raises(TypeError, match="'i' takes an array, a PIL image or a figure, not str"):
        logger.log_image("i", "picture.png")
    assert files(run) == []


def frames(run: Run, name: str) -> list[Any]:
    """Return the frames of an animation of a run as arrays."""
    with Image.open(run.files / "gifs" / name) as gif:
        found = []
        for index in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(index)
            found.append(np.asarray(gif.convert("RGB")))
        return found


def test_a_gif_may_be_an_array_or_a_list_of_frames(run: Run) -> None:
    video = np.zeros((3, 4, 6, 3), "uint8")
    for index in range(3):
        video[index, :, :, index] = 255
    logger.log_gif("v", video)
    logger.log_gif("v", video.transpose(0, 3, 1, 2))
    logger.log_gif("v", video.transpose(0, 3, 1, 2)[None])
    logger.log_gif("v", [frame.transpose(2, 0, 1) for frame in video], duration=0.5)
    logger.log_video("v", (Image.fromarray(frame) for frame in video))
    for step in range(5):
        assert (np.array(frames(run, f"v-{step}.gif")) == video).all()
    with Image.open(run.files / "gifs/v-3.gif") as gif:
        assert gif.info["duration"] == 500
        assert gif.info["loop"] == 0


def test_a_gif_of_nothing_or_of_several_sizes_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="'v' has no frames"):
        logger.log_gif("v", [])
    with pytest.raises(ValueError, match="of several sizes"):
        logger.log_gif("v", [np.zeros((2, 2)), np.zeros((3, 2))])
    with pytest.raises(ValueError, match="3 or 4 dimensions"):
        logger.log_gif("v", np.zeros((2, 2)))


# --- embeddings and tables ---


def test_an_embedding_is_an_array_with_labels_beside_it(run: Run) -> None:
    vectors = np.arange(6.0).reshape(3, 2)
    logger.log_embedding("e", vectors, labels=["a", "b\tc", 3])
    logger.log_embedding("e", vectors.tolist(), labels={"digit": [1, 2, 3], "who": ["x", "y", "z"]})
    logger.log_embedding("e", vectors)
    assert (np.load(run.files / "embeddings/e-0.npy", allow_pickle=False) == vectors).all()
    assert (run.files / "embeddings/e-0.tsv").read_text() == "a\nb c\n3\n"
    assert (run.files / "embeddings/e-1.tsv").read_text() == "digit\twho\n1\tx\n2\ty\n3\tz\n"
    assert len(files(run)) == 5


def test_an_embedding_has_as_many_labels_and_images_as_points(run: Run) -> None:
    with pytest.raises(ValueError, match="'e' has 2 points and 1 labels"):
        logger.log_embedding("e", np.zeros((2, 2)), labels=["a"])
    with pytest.raises(ValueError, match="'e' has 2 points and 3 images"):
        logger.log_embedding("e", np.zeros((2, 2)), images=np.zeros((3, 4, 4)))
    with pytest.raises(ValueError, match=r"\(points, dimensions\), not \(2,\)"):
        logger.log_embedding("e", [1, 2])
    assert files(run) == []


@pytest.mark.parametrize(
    "table",
    [
        {"a": [1, 2], "b": ["x", "y,z"]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y,z"}],
        pd.DataFrame({"a": [1, 2], "b": ["x", "y,z"]}),
    ],
)
def test_a_table_is_csv_whatever_it_is_made_from(run: Run, table: Any) -> None:
    logger.log_table("t", table)
    logger.log_table("t", table, columns=["b"])
    logger.log_table("t", [[1, "x"], [2, "y,z"]], columns=["a", "b"])
    for name, columns in (("t-0.csv", ["a", "b"]), ("t-1.csv", ["b"]), ("t-2.csv", ["a", "b"])):
        with (run.files / "tables" / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows == [
            {key: row[key] for key in columns} for row in ({"a": "1", "b": "x"}, {"a": "2", "b": "y,z"})
        ]


def test_the_named_index_of_a_frame_is_a_column(run: Run) -> None:
    logger.log_table("t", pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="who")))
    assert (run.files / "tables/t-0.csv").read_text() == "who,a\nx,1\n"


def test_what_is_no_table_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="not of one length: a 1, b 2"):
        logger.log_table("t", {"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="rows of the table 't' are not of one length"):
        logger.log_table("t", [[1], [1, 2]])
    with pytest.raises(TypeError, match="'t' takes a frame, a mapping of columns, or a list of rows"):
        logger.log_table("t", [1, 2])
    for no_table in (3, "a,b", None):
        with pytest.raises(TypeError, match="takes a frame"):
            logger.log_table("t", no_table)
    with pytest.raises(ValueError, match="has 2 columns, and 1 names"):
        logger.log_table("t", [[1, 2]], columns=["a"])


# --- names, and disks that are full ---


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/etc/x", "a\nb", "a\0", "x" * 300])
def test_nothing_is_written_outside_of_the_run(run: Run, name: str) -> None:
    for log in (
        lambda: logger.log_image(name, np.zeros((2, 2))),
        lambda: logger.log_text("x", name=name),
        lambda: logger.log_table(name, {"a": [1]}),
        lambda: logger.log_histogram(name, [1]),
    ):
        with pytest.raises(BadNameError):
            log()
    assert files(run) == []


def test_a_name_that_is_long_for_a_file_is_cut(run: Run) -> None:
    for name in ("x" * 255, "x" * 254 + "y", ".hidden"):
        logger.log_histogram(name, [1])
        logger.log_histogram(name, [1])
        logger.log_text("x", name=name)
    assert len(files(run)) == 9
    assert not any(Path(name).name.startswith(".") for name in files(run))


def test_the_same_step_of_a_name_is_replaced_whole(run: Run) -> None:
    logger.log_histogram("a", [1, 2], 3)
    logger.log_histogram("a", [1, 2, 3], 3)
    assert files(run) == ["histograms/a-3.json"]
    assert json.loads((run.files / "histograms/a-3.json").read_text())["count"] == 3


def test_a_full_disk_is_said_and_nothing_half_written_stays(run: Run) -> None:
    logger.log_text("short")
    before = (run.files / "text/text.txt").read_bytes()
    with full_after(300):
        with pytest.raises(RunWriteError, match=r"noise-0\.png cannot be written"):
            logger.log_image("noise", np.random.default_rng(0).random((50, 50)))
        with pytest.raises(RunWriteError, match=r"text\.txt cannot be written"):
            logger.log_text("long " * 1000)
    assert files(run) == ["text/text.txt"]
    assert (run.files / "text/text.txt").read_bytes() == before
    logger.log_text("again")
    assert len((run.files / "text/text.txt").read_text().splitlines()) == 2


def test_what_is_not_installed_is_named_with_how_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(RunError, match="needs pillow, which is not installed: pip install pillow"):
        logger.log_image("i", np.zeros((2, 2)))
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(RunError, match=r"pip install 'coolrunner\[tensorboard\]'"):
        logger.tensorboard()


def test_the_names_of_rlpyt_do_the_same(run: Run) -> None:
    logger.set_iteration(3)
    with logger.tabular_prefix("O/"):
        logger.record_tabular("a", 1)
        logger.record_tabular_misc_stat("b", [1, 3])
    logger.dump_tabular()
    assert ("O/a", 3, 1.0) in scalars(run)
    assert ("O/b/Average", 3, 2.0) in scalars(run)
    assert logger.step == 4


def test_threads_log_pictures_of_one_name_without_a_step_twice(run: Run) -> None:
    def work() -> None:
        for _ in range(20):
            run.logger.log_image("seen", np.zeros((2, 2)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(run)) == 80
