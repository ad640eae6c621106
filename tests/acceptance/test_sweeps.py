"""``Sweep`` from the command line: run, kept in a queue, picked, resumed."""

from __future__ import annotations

import pytest
import yaml

from tests.studies import Project

STUDY = """\
Module: modules.module
optimizer: {name: sgd, lr: 1.0}
---
Name: s
Sweep:
  grid: {optimizer.lr: [0.1, 0.01], batch: [32, 64]}
  exclude: batch == 64 and optimizer.lr > 0.05
total: parse batch * 2
---
Name: r
Sweep: {random: {batch: int(1, 1000)}, n: 3}
"""

MODULE = "def main(exp):\n    exp.RESULT = exp.batch * exp.optimizer.lr\n"


@pytest.fixture
def swept(project: Project) -> Project:
    """A study of six experiments in two sweeps."""
    project.module(MODULE)
    project.study(STUDY)
    return project


def told(project: Project) -> list[tuple[str, int, float]]:
    return [(record["Name"], record["batch"], record["optimizer"]["lr"]) for record in project.log()]


def test_each_combination_is_run_and_logged_with_its_values(swept: Project, executor: list[str]) -> None:
    assert swept.run("--exp", "study.yaml", "--quiet", *executor).status == 0
    found = told(swept)
    assert found[:3] == [
        ("s lr=0.1 batch=32", 32, 0.1),
        ("s lr=0.01 batch=32", 32, 0.01),
        ("s lr=0.01 batch=64", 64, 0.01),
    ]
    assert len(found) == 6
    records = swept.log()
    assert all("Sweep" not in record for record in records)
    assert len({record["RND_IDX"] for record in records}) == 6
    assert [record["total"] for record in records[:3]] == [64, 64, 128]


def test_combinations_stand_in_a_queue_file_and_can_be_removed_from_it(swept: Project) -> None:
    text = STUDY.replace("optimizer: {name", "Hold: true\noptimizer: {name")
    swept.study(text)
    assert swept.run("--exp", "study.yaml", "--quiet", "--inline", "--queue-file", "q.yaml").status == 0
    waiting = [each for each in yaml.safe_load_all((swept.path / "q.yaml").read_text()) if each]
    assert [each["Name"] for each in waiting][:2] == ["s lr=0.1 batch=32", "s lr=0.01 batch=32"]
    assert len(waiting) == 6
    assert all("Sweep" not in each for each in waiting)


def test_a_sweep_that_was_run_in_part_is_resumed_with_the_rest(swept: Project) -> None:
    assert swept.run("--exp", "study.yaml", "--quiet", "--inline", "--pick", "1", "4").status == 0
    assert len(told(swept)) == 2
    assert swept.run("--exp", "study.yaml", "--quiet", "--inline", "--resume").status == 0
    found = told(swept)
    assert len(found) == len(set(found)) == 6


def test_a_mistake_in_a_sweep_is_told_before_anything_runs(swept: Project) -> None:
    swept.study(STUDY.replace("[32, 64]", "32"))
    done = swept.run("--exp", "study.yaml", "--inline")
    assert done.status == 2
    assert "study.yaml:6:44: batch is 32; a list of values was expected" in done.stderr
    assert not (swept.path / "log.yaml").exists()


def test_dry_shows_what_is_varied_and_the_first_and_last_experiments(project: Project) -> None:
    project.module("def main(exp):\n    pass\n")
    numbers = list(range(10))
    keys = "".join(f"    k{n}: {numbers}\n" for n in range(6))
    project.study(f"Module: modules.module\n---\nName: s\nRepeat: 2\nSweep:\n  grid:\n{keys}")
    done = project.run("--exp", "study.yaml", "--dry")
    assert done.status == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "s: 1,000,000 combinations, 2,000,000 experiments"
    assert lines[1] == "grid k0 0, 1, 2, 3, 4, … 4 more …, 9"
    assert any(line.startswith("0 s k0=0 k1=0 k2=0 k3=0 k4=0 k5=0") for line in lines)
    assert "… … 1,999,990 more" in lines
    assert lines[-1].startswith("1999999 s k0=9 k1=9 k2=9 k3=9 k4=9 k5=9")


def test_what_was_picked_is_shown_whole(project: Project) -> None:
    project.module("def main(exp):\n    pass\n")
    numbers = list(range(100))
    project.study(f"Module: modules.module\n---\nName: s\nSweep: {{grid: {{a: {numbers}}}}}\n")
    done = project.run("--exp", "study.yaml", "--dry", "--pick", "20-60")
    assert len([line for line in done.stdout.splitlines() if " s a=" in line]) == 41
