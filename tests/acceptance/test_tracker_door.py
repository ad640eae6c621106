"""What users of experiment_tracker write, on runs that real Hydra has made."""

from __future__ import annotations

import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import UsageError
from coolrunner.frontends.tracking.tracker import FileLoader, load, load_project, load_run
from coolrunner.results.frames import analysis
from coolrunner.results.logs.failures import read_failures
from coolrunner.results.rows import CACHE, find_rows
from tests.exparsers import git
from tests.hydra_runs import HOUR, call, make_runs

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
numpy = pytest.importorskip("numpy")
runs = pytest.fixture(make_runs, scope="session")

LABEL = "2021-01-26 17-07-39"
CONFIG = ["lr", "seed", "dataset", "optimizer/name", "optimizer/betas", "optimizer/weight_decay"]
CONFIG += ["tags", "warmup", "note"]


@pytest.fixture
def project(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project of the runs, which is the working directory."""
    place = tmp_path / "project"
    shutil.copytree(runs, place)
    monkeypatch.chdir(place)
    monkeypatch.setenv(CACHE, "never")
    return place


def run_snippet(text: str, **names: Any) -> dict[str, Any]:
    exec(compile(text, "snippet", "exec"), names)
    return names


# --- as the document of experiment_tracker shows it, with its import lines changed ---------------------

SIMPLE = """\
import coolrunner as experiment_tracker
df = experiment_tracker.load_project(base_path="experiments", query_string="*.ckpt", logic="multirun") # logic can either be "multirun" [if hydra is run with -m flag] or "singlerun"
"""  # noqa: E501

FILTERED = """\
import coolrunner as experiment_tracker
df = experiment_tracker.load_project(base_path="final_results/train_wc_uncond", query_string="results.json", filter_hms="2022-10-09")
"""  # noqa: E501

LISTED = """\
from coolrunner import process
loader = process.file_loader.FileLoader(query_string=["*.npy","*.log"])
df = loader.load_project("my_experiment")
"""

LOADED = """\
results = [np.load(x,allow_pickle=True) for x in  df.loc[:,collected_path_0]]
"""

ONE = """\
row = df.loc[ ('2021-01-26 17-07-39', 1),:]
"""


def test_trk_01_the_first_snippet_loads_a_project(project: Path) -> None:
    shutil.copytree("my_experiment", "experiments")
    for run in Path("experiments").glob("*/*/*/"):
        (run / "last.ckpt").touch()
    df = run_snippet(SIMPLE)["df"]
    assert len(df) == 15
    assert df.loc[(LABEL, 1), "collected_path_0"] == f"experiments/{HOUR}/1/last.ckpt"


def test_trk_03_the_second_snippet_loads_a_day(project: Path) -> None:
    base = Path("final_results/train_wc_uncond")
    shutil.copytree("my_experiment", base)
    (base / "2021-01-27").rename(base / "2022-10-09")
    df = run_snippet(FILTERED)["df"]
    assert list(df.index) == [("2022-10-09 08-00-00", number) for number in range(12)]


def test_trk_04_the_third_snippet_loads_files_of_several_kinds_and_the_others_use_the_frame(
    project: Path,
) -> None:
    for number, path in enumerate(sorted(Path("my_experiment").glob("*/*/*/metric.npy"))):
        numpy.save(path, numpy.array([number]))
    names = run_snippet(LISTED)
    df = names["df"]
    assert list(df.columns) == [*CONFIG, "collected_path_0", "collected_path_1"]
    assert df.loc[(LABEL, 2), "collected_path_1"] == f"my_experiment/{HOUR}/2/lstm_finetuning.log"
    results = run_snippet(LOADED, df=df, np=numpy, collected_path_0="collected_path_0")["results"]
    assert [int(result[0]) for result in results[:3]] == [0, 1, 2]
    row = run_snippet(ONE, df=df)["row"]
    assert row["lr"] == 0.2
    assert row["optimizer/weight_decay"] == 0.2


# --- the items -----------------------------------------------------------------------------------------


def test_trk_01_jobs_of_sweeps_and_single_runs_are_kept_apart(project: Path) -> None:
    jobs = load_project(".", "results.json")
    assert len(jobs) == 3 + 12 + 2 + 4
    single = load_project(".", "results.json", logic="singlerun")
    assert list(single.index) == [("2021-01-28 09-00-00", 0), ("2021-01-29 10-30-00", 0)]
    assert list(single["lr"]) == [0.4, 0.5]


def test_trk_01_any_pattern_of_paths_is_labelled_with_the_path_of_the_sweep(project: Path) -> None:
    frame = load_project("sweeps", "results.json")
    assert list(frame.index) == [("baseline", number) for number in range(4)]
    assert list(frame["lr"]) == [0.1, 0.1, 0.02, 0.02]
    assert list(frame["seed"]) == [1, 2, 1, 2]


@pytest.mark.parametrize("base", [f"my_experiment/{HOUR}", "my_experiment/2021-01-26", "my_experiment", "."])
def test_trk_01_any_directory_around_the_runs_will_do(base: str, project: Path) -> None:
    assert load_project(base, "*.npy").loc[(LABEL, 1), "lr"] == 0.2


def test_trk_01_two_experiments_of_one_second_are_told_apart_by_their_paths(project: Path) -> None:
    shutil.copytree(f"my_experiment/{HOUR}", f"other/{HOUR}")
    frame = load_project(".", "*.npy")
    labels = list(dict.fromkeys(label for label, _ in frame.index))
    assert f"my_experiment/{HOUR}" in labels
    assert f"other/{HOUR}" in labels
    assert frame.index.is_unique


def test_trk_02_rows_are_in_the_order_of_date_and_number(project: Path) -> None:
    frame = load_project("my_experiment", "*.npy")
    assert list(frame.index) == [
        *((LABEL, number) for number in range(3)),
        *(("2021-01-27 08-00-00", number) for number in range(12)),
    ]
    assert frame.index.names == ["Date", "Run"]
    assert frame.index.is_monotonic_increasing
    assert list(frame.loc["2021-01-27 08-00-00", "lr"]) == [number / 100 for number in range(1, 13)]


def test_trk_02_the_columns_are_the_config_in_its_order_with_the_types_of_its_values(project: Path) -> None:
    frame = load_project("my_experiment", "*.npy")
    assert list(frame.columns) == [*CONFIG, "collected_path_0"]
    assert str(frame.dtypes["lr"]) == "float64"
    assert str(frame.dtypes["seed"]) == "int64"
    assert str(frame.dtypes["warmup"]) == "float64"
    assert frame.loc[(LABEL, 0), "optimizer/betas"] == [0.9, 0.999]
    assert frame.loc[(LABEL, 0), "dataset"] == "digits"


def test_trk_02_what_only_some_runs_have_is_missing_in_the_others(project: Path) -> None:
    frame = load_project("outputs", "*.json", logic="singlerun")
    assert str(frame.dtypes["extra/depth"]) == "float64"
    assert math.isnan(frame["extra/depth"].iloc[0])
    assert frame["extra/depth"].iloc[1] == 3


def test_trk_02_each_glob_keeps_columns_of_its_own(project: Path) -> None:
    run = Path("my_experiment") / HOUR
    for name in ("epoch=2.ckpt", "epoch=10.ckpt"):
        (run / "1" / name).touch()
    (run / "2/metric.npy").unlink()
    frame = load_project("my_experiment", ["*.ckpt", "*.npy", "*.nothing", "*.log"], filter_date="2021-01-26")
    assert frame.attrs["collected"] == {
        "*.ckpt": ["collected_path_0", "collected_path_1"],
        "*.npy": ["collected_path_2"],
        "*.nothing": ["collected_path_3"],
        "*.log": ["collected_path_4"],
    }
    paths = frame[[name for name in frame.columns if name.startswith("collected_path")]]
    names = [[Path(path).name if isinstance(path, str) else None for path in row] for row in paths.values]
    log = "lstm_finetuning.log"
    assert names == [
        [None, None, "metric.npy", None, log],
        ["epoch=2.ckpt", "epoch=10.ckpt", "metric.npy", None, log],
        [None, None, None, None, log],
    ]


def test_trk_02_paths_are_relative_where_that_of_the_project_is(project: Path) -> None:
    relative = load_project("my_experiment", "*.npy")["collected_path_0"]
    absolute = load_project(project / "my_experiment", "*.npy")["collected_path_0"]
    assert [str(project / path) for path in relative] == list(absolute)
    assert all(Path(path).is_file() for path in relative)


@pytest.mark.parametrize(
    "filters",
    [
        {"filter_hms": "2021-01-26"},
        {"filter_hms": "17-07-39"},
        {"filter_hms": "17:07:39"},
        {"filter_hms": "2021-01-26 17-07-39"},
        {"filter_date": "2021-01-26"},
        {"filter_date": "2021-01-26", "filter_hms": "17-07-39"},
        {"filter_date": datetime.date(2021, 1, 26)},
        {"filter_hms": datetime.time(17, 7, 39)},
        {"filter_date": datetime.datetime(2021, 1, 26, 17, 7, 39)},
        {"filter_date": "2021-01-26", "filter_hms": "last"},
    ],
)
def test_trk_03_a_day_a_time_or_both_choose_experiments(project: Path, filters: dict[str, Any]) -> None:
    assert list(load_project("my_experiment", "*.npy", **filters).index) == [(LABEL, n) for n in range(3)]


@pytest.mark.parametrize("filters", [{"filter_date": "last"}, {"filter_hms": "last"}])
def test_trk_03_last_is_the_last_experiment(project: Path, filters: dict[str, Any]) -> None:
    frame = load_project("my_experiment", "*.npy", **filters)
    assert {date for date, _ in frame.index} == {"2021-01-27 08-00-00"}


def test_trk_03_what_is_no_filter_is_said_to_be_none(project: Path) -> None:
    with pytest.raises(UsageError, match="such as '2021-01-26 17-07-39', not 'yesterday'"):
        load_project("my_experiment", "*.npy", filter_date="yesterday")


def test_trk_04_load_is_load_project_and_one_run_is_a_frame_of_one_row(project: Path) -> None:
    assert load("my_experiment", "*.npy").equals(load_project("my_experiment", "*.npy"))
    frame = load_run(f"my_experiment/{HOUR}/1", "*.npy")
    assert list(frame.index) == [0]
    assert frame.loc[0, "lr"] == 0.2
    assert frame.loc[0, "collected_path_0"] == f"my_experiment/{HOUR}/1/metric.npy"


def test_trk_04_runs_with_too_few_files_are_left_out_with_a_warning(project: Path) -> None:
    (Path("my_experiment") / HOUR / "1/metric.npy").unlink()
    with pytest.warns(UserWarning, match=f"without '\\*.npy':\n  my_experiment/{HOUR}/1") as caught:
        frame = load_project("my_experiment", "*.npy")
    assert caught[0].filename == __file__
    assert (LABEL, 1) not in frame.index
    assert len(frame) == 14
    with pytest.warns(UserWarning, match="with less than 2 files '\\*.npy' or '\\*.log'"):
        frame = FileLoader(["*.npy", "*.log"], min_required_files=2).load_project("my_experiment")
    assert len(frame) == 14
    assert len(FileLoader("*.npy", min_required_files=0).load_project("my_experiment")) == 15


def test_trk_04_what_cannot_be_meant_is_refused(project: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'multirun'"):
        FileLoader("*.npy", logic="mulitrun")
    with pytest.raises(TypeError, match="a glob or a list of globs"):
        FileLoader(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "query", "logic", "why"),
    [
        ("outputs", "*", "multirun", "logic='singlerun' finds 2"),
        ("nowhere", "*", "multirun", "no directory"),
        ("my_experiment", "*.ckpt", "multirun", "no run in my_experiment has a file '\\*.ckpt'"),
        (".hydra", "*", "multirun", "no directory with a .hydra/config.yaml"),
    ],
)
def test_trk_04_finding_nothing_is_a_value_error_that_says_why(
    base: str, query: str, logic: str, why: str, project: Path
) -> None:
    Path(".hydra").mkdir()
    with pytest.raises(ValueError, match=why):
        load_project(base, query, logic)


def test_trk_02_strays_and_broken_runs_are_passed_over_with_a_warning(project: Path) -> None:
    base = Path("my_experiment")
    for stray in (".DS_Store", "notes.txt", "2021-01-26/.DS_Store", f"{HOUR}/plot.png"):
        (base / stray).write_text("stray")
    (base / "figures/draft").mkdir(parents=True)
    (base / HOUR / "1/.hydra/config.yaml").write_text("lr: [0.1\n")
    with pytest.warns(UserWarning, match=f"cannot be read:\n  my_experiment/{HOUR}/1/.hydra/config.yaml:"):
        frame = load_project(base, "*.npy")
    assert len(frame) == 14


def test_trk_05_the_frame_is_sorted_grouped_and_exported_by_pandas(project: Path) -> None:
    frame = load_project("my_experiment", "*.npy")
    by_rate = frame.sort_values("lr", ascending=False)
    assert list(by_rate["lr"].head(2)) == [0.3, 0.2]
    groups = frame.groupby("optimizer/name")["lr"].max()
    assert dict(groups) == {"adam": 0.3, "sgd": 0.12}
    tagged = frame[[("second" in tags) for tags in frame["tags"]]]
    assert len(tagged) == 15
    back = pandas.read_csv(Path(_written(frame, "csv")), index_col=["Date", "Run"], dtype={"dataset": object})
    assert list(back["lr"]) == list(frame["lr"])
    assert json.loads(frame.reset_index().to_json(orient="records"))[0]["optimizer/name"] == "adam"
    assert pandas.read_pickle(Path(_written(frame, "pickle"))).equals(frame)


def _written(frame: Any, kind: str) -> str:
    getattr(frame, f"to_{kind}")(f"frame.{kind}")
    return f"frame.{kind}"


def test_trk_05_the_frame_is_seen_in_plotly(project: Path) -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    from coolrunner.results.frames.figures import parallel_coordinates

    frame = load_project("my_experiment", "*.npy")
    frame["ACC"] = [
        json.loads((Path(path).parent / "results.json").read_text())["ACC"]
        for path in frame["collected_path_0"]
    ]
    figure = parallel_coordinates(frame, color="ACC")
    assert {dimension.label for dimension in figure.data[0].dimensions} >= {"lr", "optimizer/name"}


def test_trk_06_runs_that_share_all_but_the_seed_are_one_group(project: Path) -> None:
    frame = load_project("sweeps", "results.json")
    frame["ACC"] = [json.loads(Path(path).read_text())["ACC"] for path in frame["collected_path_0"]]
    assert analysis.group_repeats(frame).nunique() == 2
    table = analysis.aggregate(frame, of=["ACC"], what=["mean", "n"])
    assert len(table) == 2
    best = analysis.top(frame, 1, "ACC")
    assert best.index[0] in {("baseline", 2), ("baseline", 3)}
    assert "dataset" not in analysis.drop_constant(frame).columns


# --- in scripts ----------------------------------------------------------------------------------------

TRACKED = """\
import hydra
from coolrunner.frontends.tracking.hydra import save_hash, tracked


@hydra.main(version_base=None, config_path=".", config_name="config")
@tracked("logbook.yaml", refuse_dirty=True)
def main(cfg):
    if cfg.lr > 1:
        raise ValueError("diverged")
    return {"ACC": 1 - cfg.lr}


main()
"""

PLAIN = """\
import hydra
from coolrunner.frontends.tracking.hydra import save_hash


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg):
    save_hash(cfg)
    return 1 - cfg.lr


main()
"""

CALLBACK = """\
lr: 0.1
automatic_commit:
  activated: true
hydra:
  callbacks:
    tracking:
      _target_: coolrunner.frontends.tracking.hydra.Tracking
      logbook: logbook.yaml
      refuse_dirty: true
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with three scripts of Hydra."""
    pytest.importorskip("hydra", reason="hydra-core is not installed")
    place = tmp_path / "repository"
    place.mkdir()
    (place / "tracked.py").write_text(TRACKED)
    (place / "plain.py").write_text(PLAIN)
    (place / "config.yaml").write_text("lr: 0.1\nwarm: ${lr}\nautomatic_commit:\n  activated: true\n")
    (place / ".gitignore").write_text("outputs\nmultirun\nlogbook*\n")
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "first")
    return place


def logbook(place: Path, name: str = "logbook.yaml") -> list[dict[str, Any]]:
    with find_rows([place / name], cache="never") as rows:
        assert rows.report.status == 0
        return list(rows.values())


def commit_of(place: Path) -> str:
    return git(place, "rev-parse", "HEAD")


def test_trk_07_a_tracked_script_keeps_the_commit_of_each_run_and_a_logbook(repository: Path) -> None:
    done = call(repository, "tracked.py", "-m", "lr=0.1,0.2", "hydra.sweep.dir=multirun/a")
    assert done.returncode == 0, done.stderr
    commit = commit_of(repository)
    for number in (0, 1):
        record = repository / f"multirun/a/{number}/commit_{commit}.json"
        assert json.loads(record.read_text())["commit_hash"] == commit
    first, second = logbook(repository)
    assert first["lr"] == first["warm"] == 0.1
    assert second["ACC"] == 0.8
    assert second["STUDY"] == "tracked"
    assert second["RUN"] == str(repository / "multirun/a/1")
    assert second["COMMIT"] == commit
    assert second["TIME_ELAPSED"] >= 0


def test_trk_07_a_dirty_repository_is_refused(repository: Path) -> None:
    (repository / "new.py").write_text("unknown to git\n")
    assert call(repository, "tracked.py").returncode == 0
    with (repository / "plain.py").open("a") as file:
        file.write("# changed\n")
    for script in ("tracked.py", "plain.py"):
        done = call(repository, script, "-m", "lr=0.1,0.2")
        assert done.returncode != 0
        assert "is dirty: commit the changes" in done.stderr
    assert call(repository, "plain.py", "automatic_commit.activated=false").returncode == 0
    assert len(logbook(repository)) == 1


def test_trk_07_a_run_that_fails_is_in_the_log_of_failures(repository: Path) -> None:
    assert call(repository, "tracked.py", "lr=2").returncode != 0
    (failed,) = read_failures(repository / "logbook.failed.yaml")
    assert failed.inputs["lr"] == 2
    assert "ERROR: 'ValueError: diverged'" in (repository / "logbook.failed.yaml").read_text()
    assert not (repository / "logbook.yaml").exists()


def test_trk_07_the_callback_needs_no_change_of_the_script(repository: Path) -> None:
    (repository / "config.yaml").write_text(CALLBACK)
    git(repository, "commit", "-aqm", "second")
    done = call(repository, "plain.py", "-m", "lr=0.1,0.25", "hydra.sweep.dir=multirun/b")
    assert done.returncode == 0, done.stderr
    assert "Callback" not in done.stderr
    first, second = logbook(repository)
    assert [first["lr"], second["lr"]] == [0.1, 0.25]
    assert second["RESULT"] == 0.75
    assert "hydra" not in second
    (repository / "plain.py").write_text(PLAIN + "# changed\n")
    done = call(repository, "plain.py", "hydra.run.dir=outputs/refused")
    assert done.returncode == 1
    assert "is dirty: commit the changes" in done.stderr
    assert not (repository / "outputs/refused").exists()


def test_trk_07_changes_that_are_allowed_are_kept_as_a_patch(repository: Path) -> None:
    (repository / "tracked.py").write_text(TRACKED.replace("refuse_dirty=True", "refuse_dirty=False"))
    assert call(repository, "tracked.py", "hydra.run.dir=outputs/a").returncode == 0
    assert "+@tracked(" in (repository / "outputs/a/changes.patch").read_text()
    assert logbook(repository)[0]["COMMIT"] == f"{commit_of(repository)}-dirty"


def test_trk_07_paths_beside_the_collected_ones_are_iterated(project: Path) -> None:
    from coolrunner.frontends.tracking.hydra import iterate_paths

    frame = load_project("my_experiment", "*.npy", filter_date="2021-01-26")
    pairs = list(iterate_paths(frame, "results.json"))
    assert pairs[1] == ((LABEL, 1), Path("my_experiment") / HOUR / "1/results.json")


def test_importing_it_loads_neither_streamlit_nor_pandas_nor_hydra() -> None:
    doors = "coolrunner.frontends.tracking.process, coolrunner.frontends.tracking.hydra"
    command = f"import sys, {doors}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert not {"streamlit", "pandas", "numpy", "hydra", "omegaconf", "plotly"} & set(done.stdout.split())


def test_a_second_load_of_many_runs_is_the_same_from_the_cache(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, "always")
    first = load_project("my_experiment", "*.npy")
    assert first.equals(load_project("my_experiment", "*.npy"))
    (Path("my_experiment") / HOUR / "0/.hydra/config.yaml").write_text("lr: 7\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_project("my_experiment", "*.npy").loc[(LABEL, 0), "lr"] == 7
