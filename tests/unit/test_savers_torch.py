"""What PyTorch makes, to files and back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.artifacts import save_artifact
from coolrunner.runs.savers import load, save

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def trained() -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def assert_same(one: Any, other: Any) -> None:
    assert list(one) == list(other)
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name])


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6).reshape(2, 3),
        torch.ones(2, dtype=torch.bfloat16),
        torch.tensor(1.5, requires_grad=True),
        torch.nn.Parameter(torch.zeros(2)),
        torch.eye(3).to_sparse(),
        torch.zeros(0),
    ],
    ids=lambda tensor: f"{type(tensor).__name__} {tensor.dtype} {tuple(tensor.shape)}",
)
def test_a_tensor_is_a_pt(tensor: Any, tmp_path: Path) -> None:
    path = save(tensor, tmp_path / "x")
    assert path.name == "x.pt"
    for found in (load(path), torch.load(path, weights_only=True), load(save([tensor], tmp_path / "y"))[0]):
        assert type(found) is type(tensor)
        assert (found.dtype, found.requires_grad) == (tensor.dtype, tensor.requires_grad)
        assert torch.equal(found.to_dense(), tensor.to_dense())


def test_of_a_module_and_an_optimizer_the_state_is_kept(tmp_path: Path) -> None:
    model, optimizer = trained()
    path = save(model, tmp_path / "model")
    assert path.name == "model.pt"
    other, other_optimizer = trained()
    other.load_state_dict(load(path))
    assert_same(model.state_dict(), other.state_dict())
    other_optimizer.load_state_dict(load(save(optimizer, tmp_path / "optimizer.pth")))
    assert_same(load(save(model.state_dict(), tmp_path / "state")), model.state_dict())


def test_a_checkpoint_is_what_torch_reads_as_well(tmp_path: Path) -> None:
    model, optimizer = trained()
    checkpoint = {
        "epoch": 3,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "best": (1, 0.5),
    }
    path = save(checkpoint, tmp_path / "checkpoint")
    assert path.name == "checkpoint.pt"
    for found in (load(path), torch.load(path, weights_only=True)):
        assert (found["epoch"], found["best"]) == (3, (1, 0.5))
        assert_same(found["model"], model.state_dict())


def test_a_checkpoint_with_arrays_and_models_is_a_tree(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    model, optimizer = trained()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    state = {
        "model": model,
        "optimizer": optimizer,
        "schedule": schedule,
        "history": np.arange(3),
        "epoch": 3,
    }
    path = save(state, tmp_path / "state")
    assert path.name == "state.npz"
    found = load(path)
    other, other_optimizer = trained()
    other.load_state_dict(found["model"])
    other_optimizer.load_state_dict(found["optimizer"])
    assert_same(model.state_dict(), other.state_dict())
    assert found["history"].tolist() == [0, 1, 2]
    assert found["schedule"]["step_size"] == 2


def test_a_tensor_that_stands_in_two_places_is_kept_once(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    tensor = torch.zeros(1000)
    path = save({"a": tensor, "b": tensor, "n": np.ones(1)}, tmp_path / "x")
    assert path.stat().st_size < 2 * 4000
    found = load(path)
    assert found["a"] is found["b"]


def test_a_view_of_a_large_tensor_is_kept_without_the_rest(tmp_path: Path) -> None:
    path = save(torch.zeros(1_000_000)[:2], tmp_path / "x")
    assert path.stat().st_size < 10_000
    assert load(path).tolist() == [0.0, 0.0]


class OwnTensor(torch.Tensor):  # type: ignore[misc]
    """Reading it back would run code."""


def test_a_tensor_of_a_type_of_ones_own_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="OwnTensor"):
        save(torch.zeros(1).as_subclass(OwnTensor), tmp_path / "x")


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('it ran')",))


def test_what_else_a_file_holds_is_read_only_where_that_is_said(tmp_path: Path) -> None:
    torch.save({"a": Trap()}, tmp_path / "x.pt")
    with pytest.raises(RunError, match=r"x\.pt holds more than tensors.*pickle=True"):
        load(tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RunError, match=r"y\.pt"):
        load(tmp_path / "y.pt")
    torch.save({"a": Path("x")}, tmp_path / "z.pt")
    assert load(tmp_path / "z.pt", pickle=True) == {"a": Path("x")}


def test_a_full_disk_leaves_no_half_of_a_tensor(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for obj in (torch.zeros(50_000), {"t": torch.zeros(50_000), "n": np.ones(1)}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, before[1]))
        try:
            with pytest.raises(RunWriteError, match="could not be saved"):
                save_artifact(tmp_path, obj, "x")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []
