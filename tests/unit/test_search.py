"""What a search says: read with every mistake in its place, and told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from coolrunner.definition.plan import read_plan
from coolrunner.definition.sweeps.distributions import Choice, Int, LogUniform
from coolrunner.definition.sweeps.search import Goal, Method, Search
from coolrunner.errors import DefinitionError

GOOD = "{search: {optimizer.lr: loguniform(1e-5, 1e-1), layers: int(1, 6)}, maximize: ACC, n: 50}"


def read(folder: Path, sweep: str, default: str = "optimizer: {lr: 1}") -> Search:
    """Return the search of a definition with this Sweep."""
    (folder / "module.py").write_text("def main(exp): pass\n")
    path = folder / "study.yaml"
    path.write_text(f"Module: module\n{default}\n---\nName: tuned\nSweep: {sweep}\n")
    search = read_plan(path).sweeps[1].search
    assert search is not None
    return search


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Module be found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_search_is_read_as_it_is_written(tmp_path: Path) -> None:
    search = read(tmp_path, GOOD)
    assert search.space == {("optimizer", "lr"): LogUniform(1e-5, 0.1), ("layers",): Int(1, 6)}
    assert (search.goals, search.n) == ((Goal("ACC", maximize=True),), 50)
    assert (search.sampler, search.pruner, search.metric) == (Method("tpe"), Method("none"), "ACC")
    assert search.describe() == "maximize ACC, 50 trials, tpe"
    assert search.lines() == [("optimizer.lr", "1e-05 to 0.1, logarithmic"), ("layers", "1 to 6, whole")]


def test_a_search_makes_no_experiment_before_it_runs(tmp_path: Path) -> None:
    read(tmp_path, GOOD)
    assert read_plan(tmp_path / "study.yaml").experiments == []


def test_all_that_can_be_said_is_understood(tmp_path: Path) -> None:
    search = read(
        tmp_path,
        "{search: {a: [1, 2], b: {c: 'int(1, 3)'}}, maximize: [A], minimize: [B, C], n: 7,\n"
        "  seed: 3, jobs: 2, sampler: {name: nsga2, population_size: 4}}",
    )
    assert search.space == {("a",): Choice((1, 2)), ("b", "c"): Int(1, 3)}
    assert [str(goal) for goal in search.goals] == ["maximize A", "minimize B", "minimize C"]
    assert (search.seed, search.jobs, search.sampler.options) == (3, 2, {"population_size": 4})
    pruned = read(tmp_path, GOOD.replace("n: 50", "n: 5, pruner: median, metric: val/acc"))
    assert (pruned.pruner.name, pruned.metric, pruned.prunes) == ("median", "val/acc", True)


def test_a_grid_has_as_many_trials_as_points(tmp_path: Path) -> None:
    sweep = "{search: {a: [1, 2], b: quniform(0, 1, 0.5)}, maximize: A, sampler: grid}"
    assert read(tmp_path, sweep).n == 6


SPACE = "search: {optimizer.lr: loguniform(1e-5, 1e-1), layers: int(1, 6)}"


@pytest.mark.parametrize(
    ("change", "stands", "said"),
    [
        (("int(1, 6)", "int(6, 1)"), "6, 1)", "its low end 6 is above its high end 1"),
        (("int(1, 6)", "intt(1, 6)"), "intt", "there is no distribution intt|did you mean int?"),
        (("int(1, 6)", "3"), "3}", "layers is 3; a distribution or a list was expected"),
        (("int(1, 6)", "[]"), "[]", "layers has nothing to choose from"),
        (("int(1, 6)", "normal(0, 1)"), "normal", "normal has no bounds, which a search needs|uniform(low"),
        (("maximize: ACC, ", ""), "search", "nothing says what is searched for"),
        (("maximize: ACC", "maximize: [ACC, ACC]"), "ACC]", "ACC is named twice"),
        (("maximize: ACC", "maximize: 3"), "3, n", "the name of a result was expected"),
        ((", n: 50", ""), "search", "n says how many trials there are, and is missing"),
        (("n: 50", "n: 0"), "0}", "n is 0; a whole number from 1 was expected"),
        (("n: 50", "n: 50, sampler: tpee"), "tpee", "there is no sampler tpee|did you mean tpe?"),
        (("n: 50", "n: 50, pruner: medain"), "medain", "there is no pruner medain|did you mean median?"),
        (("n: 50", "n: 50, jobs: x"), "x}", "jobs is 'x'; a whole number from 1"),
        (("n: 50", "n: 50, maximise: ACC"), "maximise", "no key 'maximise'|did you mean maximize?"),
        (("n: 50", "n: 50, grid: {a: [1]}"), "grid", "grid and search do not stand together"),
        (("n: 50", "sampler: grid"), "loguni", "optimizer.lr: a grid needs values that can be counted"),
        (("n: 50", "n: 9, pruner: median, minimize: B"), "median", "several goals cannot be pruned"),
        (("n: 50", "n: 9, sampler: cmaes, minimize: B"), "cmaes", "cmaes searches for one goal, here are 2"),
        (
            ("int(1, 6)}, maximize: ACC, n: 50", "[1, 2]}, maximize: A, n: 9, sampler: grid"),
            "loguni",
            "a grid",
        ),
        ((SPACE, "search: {a: [1, 2]}, sampler: grid"), "50}", "n is 50, but the grid has only 2"),
        ((SPACE, "search: {}"), "{}", "search is empty"),
        ((SPACE, "search: 3"), "3, ", "search is 3; keys with distributions were expected"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, change: tuple[str, str], stands: str, said: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(DefinitionError) as error:
        read(tmp_path, GOOD.replace(*change))
    (problem,) = error.value.problems
    for part in said.split("|"):
        assert part in f"{problem.message} {problem.hint}"
    assert problem.position
    assert problem.position.line == 5
    assert problem.line[problem.position.column - 1 :].startswith(stands)


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as error:
        read(tmp_path, GOOD.replace("int(1, 6)", "int(6, 1)").replace("n: 50", "n: 50, jobs: 0, seed: -1"))
    assert len(error.value.problems) == 3


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("{search: {layrs: int(1, 3)}, strict: true, maximize: ACC, n: 3}", "layrs is no key of the default"),
        (
            "{search: {optimizer: choice(a, b), optimizer.lr: int(1, 3)}, maximize: ACC, n: 3}",
            "optimizer.lr is varied with optimizer, one of which holds the other",
        ),
    ],
)
def test_the_keys_of_a_search_are_looked_at_as_those_of_a_grid(
    tmp_path: Path, sweep: str, message: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(tmp_path, sweep)
    assert message in str(caught.value)
