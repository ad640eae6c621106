"""What an experiment may ask of its machine, and what is said of what it may not."""

from __future__ import annotations

import pytest

from coolrunner.definition.resources import Resources, ResourcesError, parse_resources


def test_cpus_gpus_and_memory_are_read() -> None:
    assert parse_resources({"cpus": 2, "gpus": 1, "memory": "8G"}) == Resources(2, 1, 8 * 2**30)


@pytest.mark.parametrize("value", [None, {}, {"cpus": None, "gpus": 0}])
def test_nothing_asked_is_nothing_needed(value: object) -> None:
    assert parse_resources(value) == Resources()
    assert Resources().text == ""


def test_a_share_of_a_gpu_is_below_one_and_more_is_a_whole_number() -> None:
    assert parse_resources({"gpus": 0.5}).gpus == 0.5
    assert parse_resources({"gpus": 2.0}).text == "gpus=2"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * 2**30),
        ("512M", 512 * 2**20),
        ("1.5GiB", 3 * 2**29),
        ("2 TB", 2 * 2**40),
        ("4096k", 4 * 2**20),
        (3 * 2**30, 3 * 2**30),
        (str(2**30), 2**30),
    ],
)
def test_a_size_of_memory_counts_in_powers_of_1024(text: object, size: int) -> None:
    assert parse_resources({"memory": text}).memory == size


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ([2], "Resources is [2]; a mapping was expected, such as {cpus: 2", ""),
        ({"cpu": 2}, "Resources has no key 'cpu'", "did you mean cpus?"),
        ({"disk": 2}, "Resources has no key 'disk'", "known are cpus, gpus, memory"),
        ({"cpus": 0}, "Resources.cpus is 0; a whole number from 1 was expected", ""),
        ({"cpus": 0.5}, "Resources.cpus is 0.5; a whole number from 1 was expected", ""),
        ({"cpus": True}, "Resources.cpus is true; a whole number from 1 was expected", ""),
        (
            {"gpus": 1.5},
            "a share is of one GPU, so above 1 a whole number was expected",
            "write 2, or a share",
        ),
        ({"gpus": -1}, "Resources.gpus is -1; a number of GPUs was expected", ""),
        ({"gpus": float("nan")}, "Resources.gpus is nan; a number of GPUs was expected", ""),
        ({"gpus": "solve x"}, "Resources.gpus is 'solve x'; a number of GPUs was expected", ""),
        ({"memory": "8 apples"}, "Resources.memory is '8 apples'; a size was expected, such as 8G", ""),
        ({"memory": 1.5}, "Resources.memory is 1.5; a size was expected", "write 1.5G"),
        ({"memory": 8}, "Resources.memory is 8; a number without a unit is in bytes", "write 8G"),
        ({"memory": -8}, "Resources.memory is -8; a size was expected", ""),
    ],
)
def test_what_makes_no_sense_is_told_what_was_expected(value: object, message: str, hint: str) -> None:
    with pytest.raises(ResourcesError) as raised:
        parse_resources(value)
    assert message in str(raised.value)
    assert hint in raised.value.hint
    assert bool(hint) == bool(raised.value.hint)


@pytest.mark.parametrize(
    "resources",
    [
        Resources(),
        Resources(2, 0.5, 2**33),
        Resources(gpus=1 / 3),
        Resources(gpus=12),
        Resources(memory=2**20),
    ],
)
def test_the_text_of_resources_gives_them_back(resources: Resources) -> None:
    assert Resources.from_text(resources.text) == resources


def test_those_that_ask_for_the_same_have_one_text() -> None:
    asked = [{"memory": "1G", "cpus": 2, "gpus": 1.0}, {"cpus": 2.0, "gpus": 1, "memory": "1024M"}]
    assert {parse_resources(value).text for value in asked} == {"cpus=2 gpus=1 memory=1073741824"}
