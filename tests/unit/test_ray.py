"""What can be said of Ray without a cluster."""

from __future__ import annotations

import io
import sys
import tarfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from coolrunner.definition.clusters import RaySettings
from coolrunner.definition.resources import Resources
from coolrunner.errors import BackendError, UsageError
from coolrunner.execution.ray.cluster import RayCluster, task_options
from coolrunner.execution.ray.travel import Luggage, bring_home, pack_earlier
from coolrunner.runs.attempts import Order, begin
from coolrunner.runs.root import Root


def test_a_missing_library_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'coolrunner\[ray\]'"):
        RayCluster(RaySettings("auto"))


def test_an_experiment_that_asks_for_nothing_gets_one_cpu_as_ray_has_it() -> None:
    assert task_options(Resources(), "a") == {"num_cpus": 1, "num_gpus": 0, "name": "a"}
    asked = Resources(cpus=4, gpus=0.5, memory=1 << 30)
    assert task_options(asked, "b") == {"num_cpus": 4, "num_gpus": 0.5, "name": "b", "memory": 1 << 30}


def _order(root: Root) -> Order:
    ticket = root.allocate("far")
    return Order(str(root.path), ticket, "lr: 0.1\n", project=str(root.path.parent))


def test_a_run_that_was_made_elsewhere_comes_home_with_all_that_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = Root(tmp_path / "results")
    root.make()
    order = _order(root)
    luggage = Luggage(order)
    assert luggage.order is not None
    assert not luggage.order.ticket.where.is_relative_to(root.path)
    there, _ = begin(luggage.order)
    (there.path / "deep").mkdir()
    (there.path / "deep" / "weights.bin").write_bytes(b"\0" * 1000)
    (Root(luggage.order.root).store / "ab").mkdir(parents=True)
    (Root(luggage.order.root).store / "ab" / "cd").write_text("shared")
    packed = luggage.pack()
    assert not there.path.exists()
    assert bring_home(packed, order) == ""
    assert (order.ticket.where / "deep" / "weights.bin").read_bytes() == b"\0" * 1000
    assert (root.store / "ab" / "cd").read_text() == "shared"
    assert [run.number for run in root.indexed()] == [order.ticket.number]


def test_a_run_that_is_gone_on_with_elsewhere_has_there_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = Root(tmp_path / "results")
    root.make()
    order = _order(root)
    assert pack_earlier(order) == b""
    here, _ = begin(order)
    (here.path / "snapshot").write_text("42")
    again = replace(order, again=True)
    luggage = Luggage(again, pack_earlier(again))
    assert luggage.order is not None
    assert (luggage.order.ticket.where / "snapshot").read_text() == "42"
    luggage.pack()


def test_what_does_not_belong_to_a_run_is_not_unpacked(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    root.make()
    order = _order(root)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("run/../../../out", "/etc/out", "elsewhere/out", "run/in"):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 1, datetime.now().timestamp()
            tar.addfile(member, io.BytesIO(b"x"))
    assert bring_home(buffer.getvalue(), order) == ""
    assert [path.name for path in tmp_path.rglob("out")] == []
    assert (order.ticket.where / "in").read_bytes() == b"x"


def test_what_cannot_be_unpacked_is_told(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    root.make()
    assert bring_home(b"broken", _order(root)).startswith("its run directory could not be brought here: ")


def test_a_cluster_that_does_not_answer_is_told_at_once() -> None:
    pytest.importorskip("ray")
    with pytest.raises(BackendError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \(Global\.ray"):
        RayCluster(RaySettings("127.0.0.1:1"))


def test_an_address_from_the_environment_is_looked_at_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(BackendError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \(RAY_ADDRESS\)"):
        RayCluster(RaySettings())
