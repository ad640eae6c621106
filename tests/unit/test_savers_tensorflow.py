"""What TensorFlow and Keras make, to files and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import RunError
from coolrunner.runs.savers import load, save

pytestmark = pytest.mark.tensorflow
np = pytest.importorskip("numpy", reason="numpy is not installed")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
keras = pytest.importorskip("keras", reason="Keras is not installed")


@pytest.mark.parametrize("make", [tf.constant, tf.Variable, keras.Variable])
def test_a_tensor_is_an_array(make: Any, tmp_path: Path) -> None:
    path = save(make([1.0, 2.0]), tmp_path / "x")
    assert path.name == "x.npy"
    assert load(path).tolist() == [1.0, 2.0]
    found = load(save({"a": make(np.eye(2)), "n": 1}, tmp_path / "y"))
    np.testing.assert_array_equal(found["a"], np.eye(2))


def test_a_tensor_without_a_value_is_an_error(tmp_path: Path) -> None:
    @tf.function(autograph=False)
    def traced(tensor: Any) -> Any:
        with pytest.raises(TypeError, match="without a value"):
            save(tensor, tmp_path / "x")
        return tensor

    traced(tf.constant(1.0))
    with pytest.raises(TypeError, match="RaggedTensor"):
        save(tf.ragged.constant([[1], [1, 2]]), tmp_path / "x")


def test_a_model_comes_back_with_its_weights(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
    path = save(model, tmp_path / "model")
    assert path.name == "model.keras"
    for found in (load(path), load(save({"model": model, "epoch": 1}, tmp_path / "state"))["model"]):
        for one, other in zip(model.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_model_with_code_in_it_is_read_only_where_that_is_said(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    path = save(model, tmp_path / "model")
    with pytest.raises(RunError, match="pickle=True"):
        load(path)
    assert load(path, pickle=True).count_params() == 0
