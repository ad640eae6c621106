"""What the name of a key tells."""

from __future__ import annotations

import pytest

from coolrunner.keys import is_seed, lower_is_better, main_result


@pytest.mark.parametrize(
    "name",
    ["LOSS", "TEST_LOSS", "val/loss", "ValLoss", "LOSS2", "RMSE", "ERR", "test.error", "TIME", "PPL", "COST"],
)
def test_losses_errors_times_and_costs_are_better_the_lower_they_are(name: str) -> None:
    assert lower_is_better(name)


@pytest.mark.parametrize("name", ["ACCURACY", "F1", "TERRAIN", "LOSSLESS", "TIMES_WON", "MAP", "PEERS", ""])
def test_everything_else_is_better_the_higher_it_is(name: str) -> None:
    assert not lower_is_better(name)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["EPOCHS", "ACCURACY"], "ACCURACY"),
        (["LOSS", "ACC"], "ACC"),
        (["TRAIN_ACC", "TEST_ACC"], "TEST_ACC"),
        (["TRAIN_ACC", "TEST_LOSS"], "TEST_LOSS"),
        (["MY_OWN", "OTHER"], "MY_OWN"),
        (["FIT_TIME"], "FIT_TIME"),
        ([], ""),
    ],
)
def test_the_result_that_ranks_is_the_one_a_person_would_choose(names: list[str], key: str) -> None:
    assert main_result(names) == key


@pytest.mark.parametrize(
    "key", ["seed", "_seed", "data.seed", "random_state", "rng", "torch_seed", "Seed", "data/seed"]
)
def test_keys_that_tell_repetitions_apart_are_known(key: str) -> None:
    assert is_seed(key)


@pytest.mark.parametrize("key", ["lr", "seedling", "C", "range", "seed.size", "seed/size"])
def test_other_keys_are_not_taken_for_seeds(key: str) -> None:
    assert not is_seed(key)
