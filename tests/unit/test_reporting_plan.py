"""What ``--dry`` shows (CR-07)."""

from __future__ import annotations

import io
import re

import pytest

from coolrunner.reporting.plan import PlanRow, SweepShown, print_plan, print_sweeps
from tests.terminal import Terminal

ROWS = [
    PlanRow(0, "svm", True, {"model": "svm", "settings.C": 1}, [("model", "svm", "s.yaml:5:8")]),
    PlanRow(1, "skip", False, {"model": "svm", "settings.C": 10}),
    PlanRow(
        2,
        "net",
        True,
        {"model": "net", "settings.layers": [64, 32]},
        [
            ("model", "net", "s.yaml:12:5"),
            ("lr", "0.1", "command line"),
            ("seed", "0", "default, s.yaml:3:1"),
        ],
    ),
]


def printed(rows: list[PlanRow], *, verbose: bool = False, width: int | None = None) -> list[str]:
    file = io.StringIO()
    print_plan(rows, verbose=verbose, width=width, file=file)
    return file.getvalue().splitlines()


def test_a_plan_is_a_table_of_index_name_and_the_keys_that_differ() -> None:
    """CR-07."""
    assert printed(ROWS) == [
        "index  Name  model   C  layers",
        "────────────────────────────────",
        "    0  svm   svm     1",
        "    1  skip  svm    10",
        "    2  net   net        [64, 32]",
    ]


def test_verbose_says_where_each_value_came_from() -> None:
    """CR-07."""
    lines = printed(ROWS, verbose=True)
    assert [line.strip() for line in lines if line.startswith("       ")] == [
        "model = svm  s.yaml:5:8",
        "model = net  s.yaml:12:5",
        "lr    = 0.1  command line",
        "seed  = 0    default, s.yaml:3:1",
    ]
    assert lines.index("       model = svm  s.yaml:5:8") < lines.index("       model = net  s.yaml:12:5")


def test_too_many_keys_for_the_width_become_pairs_and_none_is_lost_without_a_word() -> None:
    rows = [PlanRow(i, "svm", True, {f"parameter_{k}": i for k in range(20)}) for i in range(3)]
    narrow = printed(rows, width=60)
    assert all(len(line) <= 60 for line in narrow)
    assert narrow[0].split() == ["index", "Name", "differs", "in"]
    assert "parameter_0=0" in narrow[2]
    assert narrow[2].endswith("…")
    assert printed(rows)[0].split()[-1] == "parameter_19"


def test_experiments_with_keys_of_their_own_are_shown_as_pairs() -> None:
    rows = [PlanRow(i, f"e{i}", True, {f"key{i}": i}) for i in range(9)]
    assert printed(rows)[2:] == [f"    {i}  e{i}    key{i}={i}" for i in range(9)]


def test_a_single_experiment_differs_in_nothing() -> None:
    assert [line.split() for line in printed([PlanRow(0, "svm", True)])][::2] == [
        ["index", "Name"],
        ["0", "svm"],
    ]
    assert printed([]) == []


@pytest.mark.parametrize("verbose", [False, True])
def test_all_of_many_experiments_are_shown(verbose: bool) -> None:
    rows = [PlanRow(i, "svm", True, {"C": i}, [("C", str(i), "s.yaml:1:1")]) for i in range(10_000)]
    shown = [line for line in printed(rows, verbose=verbose) if re.match(r" *\d", line)]
    assert len(shown) == 10_000


def test_on_a_terminal_what_never_runs_is_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    """CR-05."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for verbose in (False, True):
        terminal = Terminal()
        print_plan(ROWS, verbose=verbose, file=terminal.file)
        terminal.close()
        dim = [line for line in terminal.raw.splitlines() if "\x1b[2m" in line and "skip" in line]
        assert len(dim) == 1


def test_what_a_sweep_varies_stands_in_lines_of_its_own() -> None:
    lines = [
        ("grid", "optimizer.lr", "0.1, 0.01", 0),
        ("union", "", "optimizer=sgd", 0),
        ("grid", "momentum", "0.9, 0.99", 1),
    ]
    file = io.StringIO()
    print_sweeps([SweepShown("search", "5 combinations", lines)], file=file)
    assert file.getvalue().splitlines() == [
        "search: 5 combinations",
        "  grid    optimizer.lr  0.1, 0.01",
        "  union                 optimizer=sgd",
        "    grid  momentum      0.9, 0.99",
        "",
    ]


def test_what_is_left_out_in_the_middle_is_said_to_be() -> None:
    rows = [PlanRow(0, "s a=0", True, {"a": 0}), PlanRow(9, "s a=9", True, {"a": 9}, left_out=8)]
    assert [line.split() for line in printed(rows)[2:]] == [
        ["0", "s", "a=0", "0"],
        ["…", "…", "8", "more"],
        ["9", "s", "a=9", "9"],
    ]
