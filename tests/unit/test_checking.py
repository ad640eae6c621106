"""What does not fit together in results."""

from __future__ import annotations

from pathlib import Path

import pytest

from coolrunner.results.joining import joined
from coolrunner.results.rows import Rows, find_rows
from coolrunner.results.showing.checking import alike_keys, lost_runs, mixed_keys, twice


def rows_of(path: Path, *documents: str) -> Rows:
    """Write a log by hand and read it."""
    (path / "a.yaml").write_text("".join(f"---\n{document}\n" for document in documents))
    return joined(find_rows([path / "a.yaml"], cache="never"))


def test_a_key_with_values_of_several_types_is_told_with_counts_examples_and_places(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "lr: 0.1", "lr: 1", "lr: '0.1'", "lr: 0.2", "lr: null", "x: 1")
    (mixed,) = mixed_keys(rows)
    assert mixed.name == "lr"
    told = {kind: (each.count, each.value, str(each.place)) for kind, each in mixed.kinds.items()}
    place = str(tmp_path / "a.yaml")
    assert told == {
        "float": (2, 0.1, f"{place}:2"),
        "int": (1, 1, f"{place}:4"),
        "str": (1, "0.1", f"{place}:6"),
    }


def test_whole_numbers_and_others_are_of_one_type_and_null_is_of_any(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "lr: 1\nx: null", "lr: 0.1\nx: text", "lr: null\nx: other")
    assert mixed_keys(rows) == []


def test_a_key_that_is_a_mapping_elsewhere_is_mixed(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "optimizer: adam", "optimizer: {name: adam, lr: 0.1}")
    (mixed,) = mixed_keys(rows)
    assert mixed.name == "optimizer"
    assert {kind: each.value for kind, each in mixed.kinds.items()} == {
        "str": "adam",
        "map": {"name": "adam", "lr": 0.1},
    }


@pytest.mark.parametrize(
    "one, other",
    [
        ("batch_size", "batchSize"),
        ("batch_size", "Batch-Size"),
        ("momentum", "momentun"),
        ("momentum", "momntum"),
        ("optimizer", "optimiser"),
        ("model/width", "model_width"),
    ],
)
def test_keys_whose_names_differ_by_a_slip_may_be_one(tmp_path: Path, one: str, other: str) -> None:
    rows = rows_of(tmp_path, f"{one}: 1", f"{one}: 2", f"{other}: 3")
    (alike,) = alike_keys(rows)
    assert alike.names == (one, other)
    assert [(each.count, each.value) for each in alike.examples] == [(2, 1), (1, 3)]


@pytest.mark.parametrize(
    "one, other",
    [
        ("loss1", "loss2"),
        ("x", "y"),
        ("dim_x", "dim_y"),
        ("lr", "lrs"),
        ("precision", "recall"),
        ("a1b", "a2b"),
    ],
)
def test_keys_that_are_meant_to_differ_are_left_alone(tmp_path: Path, one: str, other: str) -> None:
    assert alike_keys(rows_of(tmp_path, f"{one}: 1", f"{other}: 3")) == []


def test_keys_that_stand_in_one_row_are_two(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "momentum: 1", "momentun: 1", "momentum: 1\nmomentun: 1")
    assert alike_keys(rows) == []


def test_an_experiment_that_stands_twice_is_told_with_its_places(tmp_path: Path) -> None:
    one = "Name: a\nREP: 0\nACC: 1\nID: k7f3q2ma"
    rows = rows_of(tmp_path, one, "ID: abcdefgh", one.replace("ACC: 1", "ACC: 2"))
    (doubled,) = twice(rows)
    place = str(tmp_path / "a.yaml")
    assert (doubled.id, list(map(str, doubled.places)), doubled.same) == (
        "k7f3q2ma",
        [f"{place}:2", f"{place}:9"],
        False,
    )
    assert lost_runs(rows) == []


def test_many_keys_take_no_longer_than_their_number(tmp_path: Path) -> None:
    keys = "\n".join(f"parameter_number_{number}_of_many: {number}" for number in range(3000))
    assert alike_keys(rows_of(tmp_path, keys)) == []
