"""Variants: what differs among the runs of a launcher, crossed, laid over a default, and handed over."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import UserError
from coolrunner.frontends.launching.variants import (
    FILE,
    AttrDict,
    VariantLevel,
    load_variant,
    make_variants,
    save_variant,
    update_config,
)

RATES = VariantLevel([("optimizer", "lr"), ("optimizer", "name")], [[0.1, "sgd"], [0.01, "adam"]], ["a", "b"])
SEEDS = VariantLevel([("seed",)], [[1], [2], [3]], ["s1", "s2", "s3"])


# --- attributes ---


def test_values_are_attributes_at_every_depth() -> None:
    config = AttrDict(optimizer={"lr": 0.1}, layers=[{"width": 3}], sizes=(1, 2))
    assert config.optimizer.lr == 0.1
    assert config.layers[0].width == 3
    config.optimizer.lr = 0.2
    config.new = {"a": {"b": 1}}
    assert config["optimizer"] == {"lr": 0.2}
    assert config.new.a.b == 1
    del config.new
    assert "new" not in config
    config |= {"later": {"x": 1}}
    config.update(other={"y": 2})
    assert config.setdefault("third", {"z": 3}).z + config.other.y + config.later.x == 6


def test_a_missing_attribute_names_the_nearest_key() -> None:
    with pytest.raises(AttributeError, match="no key 'optimiser'; did you mean 'optimizer'"):
        _ = AttrDict(optimizer=1).optimiser
    with pytest.raises(AttributeError):
        del AttrDict().x
    assert not hasattr(AttrDict(a=1), "b")


def test_a_method_wins_over_a_key_of_its_name() -> None:
    config = AttrDict(items=3)
    assert list(config.items()) == [("items", 3)]
    assert config["items"] == 3


def test_a_copy_has_mappings_of_its_own_and_shares_the_rest() -> None:
    shared = object()
    config = AttrDict(a={"b": 1}, c=shared)
    other = config.copy()
    other.a.b = 2
    assert config.a.b == 1
    assert other.c is shared
    for again in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(AttrDict(a={"b": 1})))):
        assert type(again.a) is AttrDict
        assert again.a.b == 1


# --- crossing ---


def test_levels_are_crossed_and_the_last_changes_fastest() -> None:
    variants, log_dirs = make_variants(RATES, SEEDS)
    assert log_dirs == ["a/s1", "a/s2", "a/s3", "b/s1", "b/s2", "b/s3"]
    assert variants[0] == {"optimizer": {"lr": 0.1, "name": "sgd"}, "seed": 1}
    assert variants[5].optimizer.name == "adam"
    assert make_variants(RATES, SEEDS, create_subdirs=False)[1][1] == "a_s2"


def test_variants_share_nothing() -> None:
    variants, _ = make_variants(RATES, SEEDS)
    variants[0].optimizer.lr = 7
    assert variants[1].optimizer.lr == 0.1


def test_without_levels_there_is_one_variant_that_changes_nothing() -> None:
    assert make_variants() == ([{}], [""])


@given(st.lists(st.integers(0, 4), max_size=4))
def test_there_are_as_many_variants_as_the_product_of_the_levels(sizes: list[int]) -> None:
    levels = [
        VariantLevel([(f"k{number}",)], [[value] for value in range(size)], [f"v{n}" for n in range(size)])
        for number, size in enumerate(sizes)
    ]
    variants, log_dirs = make_variants(*levels)
    expected = list(itertools.product(*(range(size) for size in sizes)))
    assert [tuple(variant.values()) for variant in variants] == expected
    assert len(set(log_dirs)) == len(log_dirs) == len(expected)


@pytest.mark.parametrize(
    ("level", "message"),
    [
        (VariantLevel([("a",)], [[1], [2]], ["x", "x"]), "names must be unique: .* 'x'"),
        (VariantLevel([("a",)], [[1], [2]], ["x"]), "level 1 .* 2 lists of values and 1 dir_names"),
        (VariantLevel([("a",), ("b",)], [[1, 2], [3]], ["x", "y"]), r"values\[1\] .* each of the 2 keys"),
        (VariantLevel([("a",), ("b",)], ["ab"], ["x"]), r"values\[0\]"),
        (VariantLevel([("a",)], [[1]], ["../x"]), "a name in level 1"),
        (VariantLevel([()], [[1]], ["x"]), "an empty key"),
        (VariantLevel([("a",), ("a", "b")], [[1, 2]], ["x"]), "a.b cannot be set: 'a' has a value"),
    ],
)
def test_a_level_that_makes_no_sense_is_a_value_error(level: VariantLevel, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make_variants(level)
    assert isinstance(caught.value, UserError)


def test_names_that_meet_only_when_joined_are_refused() -> None:
    first = VariantLevel([("a",)], [[1], [2]], ["x", "x/y"])
    second = VariantLevel([("b",)], [[1], [2]], ["y/z", "z"])
    with pytest.raises(ValueError, match="'x/y/z'"):
        make_variants(first, second)


def test_a_lone_name_is_a_key() -> None:
    variants, _ = make_variants(VariantLevel(["rate"], [[1]], ["x"]))  # type: ignore[list-item]
    assert variants == [{"rate": 1}]


# --- laying over ---


def test_a_variant_changes_single_values_and_nothing_in_its_sources() -> None:
    default = {"optimizer": {"lr": 1.0, "momentum": 0.9}, "seed": 0}
    variant = {"optimizer": {"lr": 2.0}}
    config = update_config(default, variant)
    assert config == {"optimizer": {"lr": 2.0, "momentum": 0.9}, "seed": 0}
    config["optimizer"]["momentum"] = 0
    assert default == {"optimizer": {"lr": 1.0, "momentum": 0.9}, "seed": 0}
    assert variant == {"optimizer": {"lr": 2.0}}
    assert update_config(AttrDict(default), variant).optimizer.lr == 2.0


def test_an_unknown_key_is_named_in_full_with_the_nearest() -> None:
    with pytest.raises(KeyError) as caught:
        update_config({"optimizer": {"momentum": 0.9}}, {"optimizer": {"momentun": 0.5}})
    assert str(caught.value) == (
        "the variant has a key 'optimizer.momentun' that is not in the default configuration; "
        "did you mean 'optimizer.momentum'?"
    )
    assert isinstance(caught.value, UserError)


@pytest.mark.parametrize(("default", "variant"), [({"a": {"b": 1}}, {"a": 1}), ({"a": 1}, {"a": {"b": 1}})])
def test_a_mapping_in_place_of_a_value_is_a_type_error(default: Any, variant: Any) -> None:
    with pytest.raises(TypeError, match=r"^a: the default configuration has"):
        update_config(default, variant)


PLAIN = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)


@given(st.dictionaries(st.sampled_from("abc"), PLAIN))
def test_a_configuration_over_itself_is_the_same(config: dict[str, Any]) -> None:
    assert update_config(config, config) == config


# --- files ---


def test_what_is_saved_is_loaded_with_attributes(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    variant = {"optimizer": {"lr": np.float64(0.5)}, "sizes": (1, 2), "layers": [{"width": 3}]}
    save_variant(variant, tmp_path / "new" / "place")
    loaded = load_variant(tmp_path / "new" / "place")
    assert loaded.optimizer.lr == 0.5
    assert loaded.sizes == [1, 2]
    assert loaded.layers[0].width == 3
    text = (tmp_path / "new" / "place" / FILE).read_text()
    assert FILE == "variant_config.json"
    assert json.loads(text) == loaded


def test_a_value_without_a_plain_form_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    import datetime

    for value in (object(), datetime.date(2026, 11, 21)):
        with pytest.raises(TypeError, match="model"):
            save_variant({"model": {"made": value}}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_variant_that_is_not_there_or_broken_is_an_error_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no variant_config\.json"):
        load_variant(tmp_path)
    (tmp_path / FILE).write_text('{"a": 1,\n  b}')
    with pytest.raises(UserError, match=r"variant_config\.json:2:3: this is no JSON"):
        load_variant(tmp_path)
    (tmp_path / FILE).write_text("[1]")
    with pytest.raises(UserError, match="a mapping was expected, not a list"):
        load_variant(tmp_path)
