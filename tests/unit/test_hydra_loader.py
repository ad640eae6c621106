"""Runs of Hydra as rows: found whatever their paths, read as they are, broken ones named."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coolrunner.results.discovery import find_parts
from coolrunner.results.loaders.hydra import HydraLoader, in_numbers, time_in
from coolrunner.results.loaders.interpolations import resolved
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Role, Row
from coolrunner.yamlio import read_text
from tests.hydra_runs import HOUR, make_runs

runs = pytest.fixture(make_runs, scope="session")


def read(path: Path | str) -> tuple[dict[str, Row], Report]:
    """Return the runs under a path, in their order, by their names as seen from it."""
    report = Report()
    loader = HydraLoader()
    rows = {
        part.name.removeprefix(f"{path}/"): row
        for part in find_parts([str(path)], report, None, ["hydra"])
        for row in loader.read(part, report)
    }
    return rows, report


def a_run(path: Path, config: str = "lr: 0.1\n", **files: str) -> Path:
    """Make a run by hand, for what Hydra does not write."""
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra/config.yaml").write_text(config)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


def by_role(row: Row, role: Role) -> dict[str, Any]:
    return {
        key: value for (key, value), each in zip(row.value.items(), row.roles, strict=True) if each is role
    }


def test_a_job_of_a_sweep_is_a_row_of_its_config_its_results_and_where_it_is_from(runs: Path) -> None:
    rows, report = read(runs / "my_experiment")
    row = rows[f"{HOUR}/1"]
    assert by_role(row, Role.PARAMETER) == {
        "lr": 0.2,
        "seed": 1,
        "dataset": "digits",
        "optimizer": {"name": "adam", "betas": [0.9, 0.999], "weight_decay": 0.2},
        "tags": ["first", "second"],
        "warmup": 0.001,
        "note": None,
    }
    assert by_role(row, Role.RESULT) == {"ACC": 0.8, "confusion": [[3, 1], [0, 4]]}
    assert by_role(row, Role.INFO) == {
        "STUDY": "lstm_finetuning",
        "RUN": str(runs / "my_experiment" / HOUR / "1"),
        "STARTED": "2021-01-26T17:07:39",
        "NUMBER": 1,
        "MODE": "multirun",
        "OVERRIDES": ["lr=0.2"],
    }
    assert report.status == 0


def test_a_single_run_has_no_number(runs: Path) -> None:
    rows, _ = read(runs / "outputs")
    assert list(rows) == ["2021-01-28/09-00-00", "2021-01-29/10-30-00"]
    last = rows["2021-01-29/10-30-00"].value
    assert last["MODE"] == "run"
    assert "NUMBER" not in last
    assert last["OVERRIDES"] == ["lr=0.5", "+extra.depth=3"]
    assert last["extra"] == {"depth": 3}


def test_the_jobs_of_a_sweep_come_in_the_order_of_their_numbers(runs: Path) -> None:
    rows, _ = read(runs / "my_experiment/2021-01-27")
    assert [row.value["NUMBER"] for row in rows.values()] == list(range(12))


def test_any_pattern_of_paths_will_do(runs: Path) -> None:
    rows, _ = read(runs / "sweeps")
    assert list(rows) == [f"baseline/lr_{lr}/seed_{seed}" for lr in (0.02, 0.1) for seed in (1, 2)]
    assert all("STARTED" not in row.value for row in rows.values())


def test_one_run_may_be_named_by_its_directory_or_its_config(runs: Path) -> None:
    place = runs / "my_experiment" / HOUR / "2"
    for path in (place, place / ".hydra", place / ".hydra/config.yaml"):
        rows, _ = read(path)
        assert [row.value["lr"] for row in rows.values()] == [0.3]


def test_the_file_of_a_sweep_is_no_result(runs: Path) -> None:
    assert (runs / "my_experiment" / HOUR / "multirun.yaml").is_file()
    assert (
        HydraLoader().open(runs / "my_experiment" / HOUR / "multirun.yaml", "multirun.yaml", Report()) is None
    )


def test_a_run_that_was_moved_says_where_it_was_written(runs: Path, tmp_path: Path) -> None:
    moved = tmp_path / "kept"
    shutil.copytree(runs / "my_experiment" / HOUR / "0", moved)
    rows, _ = read(moved)
    (row,) = rows.values()
    assert row.value["RUN"] == str(moved)
    assert row.value["OUTPUT_DIR"] == str(runs / "my_experiment" / HOUR / "0")


def test_runs_of_an_older_hydra_tell_by_their_number_whether_they_are_jobs(
    runs: Path, tmp_path: Path
) -> None:
    for source, mode in (
        (runs / "my_experiment" / HOUR / "1", "multirun"),
        (runs / "outputs/2021-01-28/09-00-00", "run"),
    ):
        copy = tmp_path / mode
        shutil.copytree(source, copy)
        facts = copy / ".hydra/hydra.yaml"
        facts.write_text(facts.read_text().replace("  mode: ", "  verbose: "))
        rows, _ = read(copy)
        assert [row.value["MODE"] for row in rows.values()] == [mode]


def test_a_sweep_without_its_file_is_one_by_the_numbers_of_its_jobs(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "my_experiment/2021-01-27", tmp_path / "day")
    (tmp_path / "day/08-00-00/multirun.yaml").unlink()
    rows, _ = read(tmp_path)
    assert [row.value["NUMBER"] for row in rows.values()] == list(range(12))


def test_links_within_a_sweep_add_no_runs(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "my_experiment" / HOUR, tmp_path / "sweep")
    (tmp_path / "sweep/best").symlink_to("1")
    (tmp_path / "sweep/loop").symlink_to(".")
    rows, _ = read(tmp_path)
    assert len(rows) == 3


def test_a_directory_that_is_no_run_is_searched_further(runs: Path) -> None:
    rows, report = read(runs)
    assert len(rows) == 3 + 12 + 2 + 2 + 4
    assert report.status == 0


def test_the_last_run_in_the_directory_of_a_project_hides_no_others(tmp_path: Path) -> None:
    a_run(tmp_path)  # hydra.run.dir=.
    a_run(tmp_path / "outputs/2021-01-26/17-07-39")
    rows, report = read(tmp_path)
    assert list(rows) == ["outputs/2021-01-26/17-07-39"]
    assert list(report.skipped) == ["last run of Hydra in the directory of a project"]


def test_a_name_that_parameters_have_is_theirs(tmp_path: Path) -> None:
    a_run(tmp_path / "run", "ACC: high\nRUN: 5\n", results_json='{"ACC": 0.5}')
    rows, _ = read(tmp_path)
    (row,) = rows.values()
    assert row.value == {"ACC": "high", "RUN": 5, "ACC_": 0.5, "RUN_": str(tmp_path / "run")}


def test_of_two_files_with_the_same_result_the_first_wins(tmp_path: Path) -> None:
    a_run(
        tmp_path / "run",
        results_json='{"ACC": 0.5, "nan": NaN}',
        results_yaml="ACC: 0.6\nF1: 0.7\n",
        metrics_json='{"F1": 0.8, "MAE": 1}',
    )
    rows, report = read(tmp_path)
    found = by_role(next(iter(rows.values())), Role.RESULT)
    assert math.isnan(found.pop("nan"))
    assert found == {"ACC": 0.5, "F1": 0.7, "MAE": 1}
    assert report.status == 0


# --- what is broken ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "place", "why"),
    [
        (b"lr: 0.1\nseed: [1\n", ":2", "not valid YAML"),
        (b"lr: 0.1\nlr: 0.2\n", ":2", "given twice"),
        (b"", "", "empty"),
        (b"- 1\n- 2\n", "", "no mapping"),
        (b"lr: \xff\n", ":1", "not UTF-8"),
        (b"lr: !!python/object/apply:os.system [echo]\n", ":1", ""),
        (b"a: " + b"[" * 5000 + b"]" * 5000 + b"\n", "", "nested too deeply"),
    ],
)
def test_a_broken_run_is_named_and_costs_only_itself(
    config: bytes, place: str, why: str, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "my_experiment" / HOUR, tmp_path / "sweep")
    (tmp_path / "sweep/1/.hydra/config.yaml").write_bytes(config)
    rows, report = read(tmp_path)
    assert list(rows) == ["sweep/0", "sweep/2"]
    (problem,) = report.broken
    assert f"sweep/1/.hydra/config.yaml{place}" in problem
    assert why in problem


def test_a_job_whose_config_is_lost_is_named(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "my_experiment" / HOUR, tmp_path / "sweep")
    shutil.rmtree(tmp_path / "sweep/1/.hydra")
    (tmp_path / "sweep/notes").mkdir()
    (tmp_path / "sweep/notes.txt").write_text("a stray")
    rows, report = read(tmp_path)
    assert list(rows) == ["sweep/0", "sweep/2"]
    assert report.broken == [f"{tmp_path}/sweep/1: a job of a sweep without .hydra/config.yaml"]


@pytest.mark.parametrize("results", ["{", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}", "\0"])
def test_broken_results_cost_only_themselves(results: str, tmp_path: Path) -> None:
    a_run(tmp_path / "run", results_json=results, results_yaml="F1: 0.7\n")
    rows, report = read(tmp_path)
    assert [row.value["F1"] for row in rows.values()] == [0.7]
    assert len(report.broken) == 1
    assert f"{tmp_path}/run/results.json" in report.broken[0]


def test_facts_that_are_damaged_cost_only_themselves(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    (tmp_path / "run/.hydra/hydra.yaml").write_bytes(b"\0" * 100)
    rows, report = read(tmp_path)
    assert [row.value["lr"] for row in rows.values()] == [0.1]
    assert report.broken == [f"{tmp_path}/run/.hydra/hydra.yaml: no config of Hydra: it has no line 'hydra:'"]


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    with (tmp_path / "run/.hydra/config.yaml").open("r+b") as file:
        file.truncate(1 << 34)
    rows, report = read(tmp_path)
    assert not rows
    assert "larger than 16 MiB" in report.broken[0]


def test_a_run_that_vanishes_while_it_is_read_has_no_row(tmp_path: Path) -> None:
    place = a_run(tmp_path / "run")
    report = Report()
    (part,) = find_parts([str(tmp_path)], report, None, ["hydra"])
    shutil.rmtree(place)
    assert list(HydraLoader().read(part, report)) == []
    assert report.status == 0


# --- as OmegaConf reads it -------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="$\\\x00", exclude_categories=["Cs", "Cc"]))
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex("[a-z]{1,4}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)
CONFIGS = st.dictionaries(st.from_regex("[a-z]{1,4}", fullmatch=True), TREES, max_size=4)


@given(config=CONFIGS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_config_is_read_as_omegaconf_reads_it(config: dict[str, Any]) -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="hydra-core is not installed").OmegaConf
    text = omegaconf.to_yaml(omegaconf.create(config))
    expected = omegaconf.to_container(omegaconf.create(text))
    assert repr(read_text(text)) == repr(expected)


REFERENCES = st.sampled_from(
    [
        "${a}",
        "${b}",
        "${c.d}",
        "${c}",
        "x-${a}",
        "${a}${b}",
        "${.a}",
        "${..b}",
        "${c.e.0}",
        "${c[e][1]}",
        "${f}",
    ]
)


@given(
    a=SCALARS | REFERENCES,
    b=SCALARS | REFERENCES,
    d=SCALARS | REFERENCES,
    e=st.lists(SCALARS | REFERENCES, max_size=3),
    f=REFERENCES,
)
@settings(max_examples=100, deadline=None)
def test_references_are_resolved_as_omegaconf_resolves_them(a: Any, b: Any, d: Any, e: Any, f: Any) -> None:
    omegaconf = pytest.importorskip("omegaconf", reason="hydra-core is not installed").OmegaConf
    config = {"a": a, "b": b, "c": {"d": d, "e": e}, "f": f}
    try:
        expected = omegaconf.to_container(omegaconf.create(config), resolve=True)
    except Exception:  # what leads nowhere stays a text here
        resolved(config)
        return
    if "{'d': " in "".join(leaves(expected)) or "[" in "".join(leaves(expected)):
        # Two references deep OmegaConf writes a mapping into a text, one deep it refuses; here it stays one.
        resolved(config)
        return
    assert repr(resolved(config)) == repr(expected)


def leaves(value: Any) -> Iterator[str]:
    """Yield the texts in plain data."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:HOME}",
        "${now:%Y}",
        "${nowhere}",
        "${a.${b}}",
        "${self}",
        "\\${b}",
        "${mul:${b},2}",
        "${unset}",
    ],
)
def test_what_the_file_does_not_answer_stays_a_text(text: str) -> None:
    config = {"self": text, "b": 2, "a": {"2": 3}, "unset": "???"}
    assert resolved(config)["self"] == text


def test_references_that_would_fill_the_memory_stay_texts() -> None:
    bomb: dict[str, Any] = {f"k{n}": {"x": f"${{k{n + 1}}}", "y": f"${{k{n + 1}}}"} for n in range(40)}
    assert resolved({**bomb, "k40": 1}) == {**bomb, "k40": 1}
    longer: dict[str, Any] = {f"t{n}": f"${{t{n + 1}}}${{t{n + 1}}}" for n in range(60)}
    assert resolved({**longer, "t60": "boom"}) == {**longer, "t60": "boom"}


def test_a_chain_of_a_thousand_references_is_no_crash() -> None:
    chain: dict[str, Any] = {f"k{n}": f"${{k{n + 1}}}" for n in range(1000)}
    assert resolved({**chain, "k1000": 1})["k999"] == 1


def test_paths_are_texts(tmp_path: Path) -> None:
    kind = "!!python/object/apply:pathlib.PosixPath"
    a_run(
        tmp_path / "run",
        f"data: {kind}\n- /\n- data\n- it's\nlist:\n- {kind}\n  - a\n  - b\n- {kind}\n  - c.txt\n"
        f"here: {kind} []\nnew: !!python/object/apply:pathlib._local.PosixPath\n- /data/x\nlr: 1\n",
    )
    rows, report = read(tmp_path)
    assert report.status == 0
    (row,) = rows.values()
    assert by_role(row, Role.PARAMETER) == {
        "data": "/data/it's",
        "list": ["a/b", "c.txt"],
        "here": ".",
        "new": "/data/x",
        "lr": 1,
    }


# --- paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("multirun/2021-01-26/17-07-39/3", datetime(2021, 1, 26, 17, 7, 39)),
        ("/data/2019-05-05/01-01-01/outputs/2021-01-26/17-07-39", datetime(2021, 1, 26, 17, 7, 39)),
        ("runs/20210126_170739", datetime(2021, 1, 26, 17, 7, 39)),
        ("runs/2021-01-26_17-07-39-resnet", datetime(2021, 1, 26, 17, 7, 39)),
        ("runs/2021-01-26T17:07:39/0", datetime(2021, 1, 26, 17, 7, 39)),
        ("runs/2021-01-26/resnet/17-07-39", datetime(2021, 1, 26, 17, 7, 39)),
        ("2019-05-05/01-01-01/my/project/sweeps/resnet/lr=0.1", None),
        ("runs/2021-01-26", None),
        ("runs/2021-13-45/17-07-39", None),
        ("sweeps/lr=0.1", None),
    ],
)
def test_a_path_tells_date_and_time(path: str, expected: datetime | None) -> None:
    assert time_in(path) == expected


def test_names_are_sorted_by_the_numbers_in_them() -> None:
    names = ["lr=10", "lr=2", "lr=0.1", "lr=0.02", "10", "9", "epoch=3.ckpt", "epoch=20.ckpt"]
    expected = ["9", "10", "epoch=3.ckpt", "epoch=20.ckpt", "lr=0.02", "lr=0.1", "lr=2", "lr=10"]
    assert sorted(names, key=in_numbers) == expected
