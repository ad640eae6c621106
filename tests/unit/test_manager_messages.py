"""Messages of a manager and pictures of its metrics (EXG-10, EXG-11)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import RunError
from coolrunner.frontends.managing.manager import Manager, create_experiment


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """An experiment that is under way, and shows what it is told."""
    with create_experiment("test", project_dir=tmp_path, capture_output=False) as manager:
        yield manager


def lines(path: Path) -> list[str]:
    """Return the lines of a log without their times."""
    return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in path.read_text().splitlines()]


def test_exg_10_messages_go_to_the_log_of_the_experiment_and_to_that_of_their_run(manager: Manager) -> None:
    @manager.command
    def train() -> None:
        manager.info("epoch %d of %s", 1, "many")
        manager.warning("slow")
        manager.error("broken")
        manager.debug("details")

    manager.info("before")
    manager.run("train")
    inside = [
        "HEADLINE [train] ======== train begins ========",
        "INFO     [train] epoch 1 of many",
        "WARNING  [train] slow",
        "ERROR    [train] broken",
    ]
    assert lines(manager.runs[1].directory.log)[:-1] == inside
    assert lines(manager.experiment_info_log)[:-1] == ["INFO     before", *inside]
    assert "DEBUG    [train] details" in lines(manager.debug_log)
    assert "details" not in manager.experiment_info_log.read_text()


def test_exg_10_nested_runs_have_logs_of_their_own(manager: Manager) -> None:
    manager.add_command(lambda: manager.info("deep inside"), name="inner")
    manager.add_command(lambda: manager.run("inner"), name="outer")
    manager.run("outer")
    outer, inner = (lines(run.directory.log) for run in manager.runs.values())
    assert "INFO     [inner] deep inside" in inner
    assert not any("inner" in line for line in outer)


def test_exg_10_the_start_and_the_end_of_a_command_stand_out(manager: Manager) -> None:
    manager.add_command(lambda: manager.info("usual"), name="train")
    manager.info("to be noted", level=1)
    manager.run("train")
    noted, begin, usual, end = lines(manager.experiment_info_log)
    assert noted == "NOTE     -- to be noted"
    assert begin == "HEADLINE [train] ======== train begins ========"
    assert re.fullmatch(r"HEADLINE \[train\] ======== train is done after \d+\.\d s ========", end)
    assert usual == "INFO     [train] usual"


def test_exg_10_the_run_writes_down_its_own_configuration_and_no_others(manager: Manager) -> None:
    # Every run wrote down the configurations of all runs once.
    manager.add_config({"general": 1, "password": "hidden"})
    manager.add_command(lambda: None, name="train")
    manager.run("train", update_dict={"first": {"deep": 1}})
    manager.run("train", update_dict={"second": 2})
    first, second = (run.directory.log.read_text() for run in manager.runs.values())
    assert "general: 1" in first and "        deep: 1" in first and "second" not in first
    assert "second: 2" in second and "first" not in second
    assert "hidden" not in first and "password: <left out>" in first


@pytest.mark.parametrize(
    ("verbose", "shown"),
    [
        (0, ["warning"]),
        (1, ["info", "warning"]),
        (2, ["debug", "info", "warning"]),
    ],
)
def test_exg_10_the_console_shows_what_is_asked_for(
    tmp_path: Path, verbose: int, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with create_experiment(
        "test", project_dir=tmp_path, verbose=verbose, capture_output=False, ghost=True
    ) as manager:
        manager.debug("debug")
        manager.info("info")
        manager.warn("warning")
    out, err = capsys.readouterr()
    words = [line.split()[-1] for line in err.splitlines()]
    assert out == "" and words == shown
    assert "\x1b" not in err


def test_a_logger_of_the_standard_library_is_there_as_well(manager: Manager) -> None:
    manager.add_command(lambda: manager.logger.info("through the logger"), name="train")
    manager.run("train")
    assert "INFO     [train] through the logger" in lines(manager.runs[1].directory.log)


def test_an_error_that_is_being_handled_is_told_with_its_traceback(manager: Manager) -> None:
    try:
        raise ValueError("no luck")
    except ValueError:
        manager.error("that failed")
    assert "ValueError: no luck" in lines(manager.experiment_info_log)


def test_a_message_that_utf_8_cannot_hold_is_escaped(manager: Manager) -> None:
    manager.info("lone \udc80 surrogate")
    assert "INFO     lone \\udc80 surrogate" in lines(manager.experiment_info_log)


def test_local_variables_are_written_down_for_debugging(manager: Manager) -> None:
    import numpy as np

    class Silent:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    def train(lr: float, token: str = "") -> None:
        array, silent = np.zeros((100, 3)), Silent()  # noqa: F841
        manager.log_locals()

    train(0.5, token="hf_abc")
    manager.log_locals({"only": list(range(1000))})
    text = manager.debug_log.read_text()
    assert (
        "train has\n    lr: 0.5\n    token: <left out>\n    array: ndarray of shape (100, 3), float64\n"
        in text
    )
    assert "silent: <Silent" in text and "hf_abc" not in text
    assert "only: [0, 1, 2, 3, 4, 5, ...]" in text


def test_a_mapping_that_holds_itself_is_shown_to_a_depth(manager: Manager) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    manager.log_locals(circle)
    assert manager.debug_log.read_text().count("self:") < 20


# --- pictures ---


def test_exg_11_metrics_are_drawn_those_of_a_group_in_one_picture(manager: Manager) -> None:
    for n in range(5):
        manager.log_scalar("loss", {"train": 1 / (n + 1), "test$x_{": 2 / (n + 1)})
        manager.log_scalar("speed", n)
        manager.log_scalar("deep/er/group", n)
    manager.log_scalar("broken", float("nan"))
    paths = manager.plot_metrics()
    assert [path.relative_to(manager.saved_metrics).as_posix() for path in paths] == [
        "loss.png",
        "speed.png",
        "deep/er.png",
        "broken.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    (only,) = manager.plot_metrics("loss/train", suffix=".svg")
    assert only.name == "train.svg" and b"<svg" in only.read_bytes()


def test_exg_11_the_pictures_of_a_run_are_with_its_metrics(manager: Manager) -> None:
    @manager.command
    def train() -> list[Path]:
        manager.log_scalar("loss", 1)
        return manager.plot_metrics()

    (path,) = manager.run("train")
    assert path == manager.runs[1].saved_metrics / "loss.png"
    assert manager.plot_metrics(run_id=1, names=["loss"]) == [path]
    assert manager.plot_metrics() == []
    with pytest.raises(RunError, match="no metric 'los' was logged; did you mean 'loss'"):
        manager.plot_metrics("los", run_id=1)
    with pytest.raises(RunError, match=r"'\.xyz' is no form of pictures"):
        manager.plot_metrics(run_id=1, suffix=".xyz")
