"""What a search keeps at Optuna: a file that survives, trials that are told once, values as they ran."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.sweeps.distributions import Choice, Int, LogInt, LogUniform, QUniform, Uniform
from coolrunner.definition.sweeps.search import Goal, Method, Search
from coolrunner.errors import QueueError, UsageError

optuna = pytest.importorskip("optuna")

from coolrunner.studies.searching.methods import Ranges, make_pruner, make_sampler  # noqa: E402
from coolrunner.studies.searching.storage import SearchFile  # noqa: E402
from coolrunner.studies.searching.trials import Trials  # noqa: E402

SPACE = {("lr",): LogUniform(1e-5, 0.1), ("model", "layers"): Int(1, 6), ("act",): Choice(("relu", [1, 2]))}
GOALS = (Goal("ACC", maximize=True),)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SearchFile]:
    """A new file of trials."""
    made = SearchFile(tmp_path / "trials.optuna.jsonl")
    yield made
    made.close()


def opened(file: SearchFile, **changes: Any) -> Trials:
    """Return the trials of a search, as a process sees them that begins now."""
    search = Search(1, SPACE, changes.pop("goals", GOALS), changes.pop("n", 10), **changes)
    return Trials(search, "tuned", optuna.storages.JournalStorage(file), 1)


def frozen(trials: Trials) -> list[Any]:
    """Return what Optuna knows."""
    found: list[Any] = trials._study.get_trials()
    return found


# --- the file --------------------------------------------------------------------------------------


def test_optuna_reads_the_file_as_one_of_its_own(file: SearchFile, tmp_path: Path) -> None:
    trials = opened(file)
    trials.tell(trial := trials.ask(), [0.5], trial.point)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "trials.optuna.jsonl"))
    study = optuna.load_study(study_name="tuned", storage=optuna.storages.JournalStorage(backend))
    assert study.best_value == 0.5
    study.tell(study.ask(), 0.7)
    trials.refresh()
    assert trials.count == 2


def test_half_a_line_that_a_power_cut_left_is_cut_off(file: SearchFile, tmp_path: Path) -> None:
    trials = opened(file)
    trials.ask()
    whole = (tmp_path / "trials.optuna.jsonl").read_bytes()
    with (tmp_path / "trials.optuna.jsonl").open("ab") as damaged:
        damaged.write(b'{"op_code": 6, "wor')
    again = SearchFile(tmp_path / "trials.optuna.jsonl")
    assert opened(again).count == 1
    opened(again).ask()
    data = (tmp_path / "trials.optuna.jsonl").read_bytes()
    assert data.startswith(whole)
    assert all(json.loads(line) for line in data.splitlines())
    again.close()


def test_a_line_that_is_no_record_is_named(file: SearchFile, tmp_path: Path) -> None:
    opened(file).ask()
    path = tmp_path / "trials.optuna.jsonl"
    path.write_text(path.read_text().replace("{", "oh ", 1))
    again = SearchFile(path)
    with pytest.raises(QueueError, match=r"trials.optuna.jsonl:1: is no record of Optuna's"):
        opened(again)
    again.close()


def test_a_full_disk_leaves_the_file_whole(
    file: SearchFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = opened(file)
    before = (tmp_path / "trials.optuna.jsonl").read_bytes()
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:5]))
        with pytest.raises(QueueError, match="No space left"):
            trials.ask()
    assert (tmp_path / "trials.optuna.jsonl").read_bytes() == before


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match=r"the search cannot be kept in .*: No such file"):
        SearchFile(tmp_path / "missing" / "file")


# --- asking and telling ----------------------------------------------------------------------------


def test_values_come_as_they_were_written_lists_too(file: SearchFile) -> None:
    trials = opened(file, seed=0)
    points = [trials.ask().point for _ in range(8)]
    assert {type(point["act",]) for point in points} == {str, list}
    assert all(1e-5 <= point["lr",] <= 0.1 and 1 <= point["model", "layers"] <= 6 for point in points)


def test_one_who_goes_on_knows_what_was_asked_and_for_whom(file: SearchFile) -> None:
    trials = opened(file)
    trials.assign(asked := trials.ask(), ["abc", "abd"])
    trials.tell(told := trials.ask(), [1.0], told.point)
    again = opened(file)
    assert again.count == 2
    (pending,) = again.pending.values()
    assert (pending.number, pending.ids, pending.point) == (asked.number, ("abc", "abd"), asked.point)


def test_one_who_goes_on_does_not_draw_the_same_again(file: SearchFile) -> None:
    draws = [opened(file, seed=3, sampler=Method("random")).ask().point["lr",] for _ in range(5)]
    assert len(set(draws)) == 5


def test_what_is_told_twice_is_told_once(file: SearchFile) -> None:
    first, second = opened(file), opened(file)
    trial = first.ask()
    second.refresh()
    other = second.pending[trial.number]
    first.tell(trial, [1.0], trial.point)
    second.tell(other, [1.0], other.point)
    assert [(t.state.name, t.values) for t in frozen(first)] == [("COMPLETE", [1.0])]


def test_a_trial_that_ran_with_other_values_is_told_as_it_ran(file: SearchFile) -> None:
    trials = opened(file)
    trials.assign(trial := trials.ask(), ["abc"])
    trials.tell(trial, [1.0], {**trial.point, ("lr",): 0.5, ("act",): "gelu"})
    asked, ran = frozen(trials)
    assert (asked.state.name, ran.state.name, ran.values) == ("FAIL", "COMPLETE", [1.0])
    assert ran.params == {"lr": 0.5, "model.layers": trial.point["model", "layers"]}
    assert ran.user_attrs == {"ID": ["abc"], "instead of": 0}
    assert (trials.count, trials.pending) == (1, {})
    assert (opened(file).count, opened(file).pending) == (1, {})


def test_a_kill_between_the_two_halves_of_that_loses_and_doubles_nothing(
    file: SearchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = opened(file)
    trials.assign(trial := trials.ask(), ["abc"])
    ran = {**trial.point, ("lr",): 0.5}
    with monkeypatch.context() as patch:
        patch.setattr(Trials, "_end", lambda *_: None)
        trials.tell(trial, [1.0], ran)
    again = opened(file)
    assert again.count == 1
    again.tell(again.pending[0], [1.0], ran)
    assert [trial.state.name for trial in frozen(again)] == ["FAIL", "COMPLETE"]


def test_one_that_failed_and_has_a_result_later_is_told_with_it(file: SearchFile) -> None:
    trials = opened(file)
    trials.assign(trial := trials.ask(), ["abc"])
    trials.tell_failed(trial, final=False)
    again = opened(file)
    (pending,) = again.pending.values()
    again.tell(pending, [2.0], pending.point)
    assert [(t.state.name, t.values) for t in frozen(again)] == [("FAIL", None), ("COMPLETE", [2.0])]
    assert opened(file).pending == {}


def test_what_is_final_is_heard_of_no_more(file: SearchFile) -> None:
    trials = opened(file)
    trials.assign(failed := trials.ask(), ["abc"])
    trials.tell_failed(failed, final=True)
    trials.assign(pruned := trials.ask(), ["abd"])
    trials.tell_pruned(pruned, final=True)
    assert opened(file).pending == trials.pending == {}
    assert [trial.state.name for trial in frozen(trials)] == ["FAIL", "PRUNED"]


def test_the_best_are_one_or_those_that_none_is_better_than(file: SearchFile, tmp_path: Path) -> None:
    assert opened(file).best() == []
    trials = opened(file)
    for value in (1.0, 3.0, 2.0):
        trials.tell(trial := trials.ask(), [value], trial.point)
    assert [trial.values for trial in trials.best()] == [[3.0]]
    other = SearchFile(tmp_path / "other")
    several = opened(other, goals=(*GOALS, Goal("TIME", maximize=False)))
    for values in ([1.0, 1.0], [2.0, 2.0], [0.5, 2.0]):
        several.tell(trial := several.ask(), values, trial.point)
    assert sorted(trial.values for trial in several.best()) == [[1.0, 1.0], [2.0, 2.0]]
    other.close()


def test_a_pruner_hears_each_step_once(file: SearchFile) -> None:
    trials = opened(file, pruner=Method("threshold", {"lower": 1.0}))
    trial = trials.ask()
    assert not trials.report(trial, 2.0, 0)
    assert not trials.report(trial, 0.0, 0)
    assert not trials.report(trial, float("nan"), 1)
    assert trials.report(trial, 0.5, 2)
    assert frozen(trials)[0].intermediate_values == {0: 2.0, 2: 0.5}


# --- ranges and methods ----------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(allow_nan=True), st.integers(-(10**6), 10**6), st.text(max_size=3), st.none(), st.booleans()
)
RANGES = {
    ("a",): Uniform(0, 1),
    ("b",): LogUniform(1e-5, 1),
    ("c",): QUniform(0, 1, 0.25),
    ("d",): Int(0, 10, 5),
    ("e",): LogInt(1, 100),
    ("f",): Choice((1, True, None, "x", [1])),
}


@given(st.dictionaries(st.sampled_from(list(RANGES)), NUMBERS))
def test_whatever_a_person_wrote_optuna_takes_what_it_can_compare(values: dict[Any, Any]) -> None:
    params, ranges = Ranges(RANGES).as_ran(values)
    trial = optuna.create_trial(values=[0.0], params=params, distributions=ranges)
    assert params.keys() <= {path[0] for path in values}
    assert trial.params == params


def test_options_that_python_takes_for_equal_are_told_apart() -> None:
    ranges = Ranges(RANGES)
    labels = ranges.distributions["f"].choices  # type: ignore[attr-defined]
    assert [ranges.point({"f": label})["f",] for label in labels] == [1, True, None, "x", [1]]
    assert ranges.point({"f": labels[1]})["f",] is True


@pytest.mark.parametrize("name", ["tpe", "random", "grid", "nsga2", "nsga3", "qmc"])
def test_each_sampler_finds_values_in_the_space(tmp_path: Path, name: str) -> None:
    space = {("a",): QUniform(0, 1, 0.5), ("b",): Int(1, 2), ("c",): Choice(("x", "y"))}
    search = Search(1, space, GOALS, 12, Method(name))
    file = SearchFile(tmp_path / "file")
    trials = Trials(search, "tuned", optuna.storages.JournalStorage(file), 2)
    points = []
    for _ in range(12):
        points.append(tuple((trial := trials.ask()).point.values()))
        trials.tell(trial, [1.0], trial.point)
    assert {point[1] for point in points} <= {1, 2}
    assert name != "grid" or len(set(points)) == 12
    file.close()


def test_an_option_that_is_none_is_told_with_the_nearest() -> None:
    search = Search(1, SPACE, GOALS, 5, Method("tpe", {"n_startup_trial": 1}), Method("median", {"x": 1}))
    with pytest.raises(UsageError, match="no option 'n_startup_trial'; did you mean n_startup_trials"):
        make_sampler(search, 0, 0, 1)
    with pytest.raises(UsageError, match="the pruner median has no option 'x'; known are n_startup_trials"):
        make_pruner(search)
