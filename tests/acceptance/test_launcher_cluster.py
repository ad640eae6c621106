"""The launcher on a cluster: what is submitted, what the job does, and the same on a real Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import UsageError
from coolrunner.frontends.launching.cluster import ClusterHandler, SlurmHandler, SubmittedRun, run_on_cluster
from coolrunner.frontends.launching.job import main as job_main
from tests.checkouts import ROOT
from tests.slurm import needs_slurm, shared_slurm

VARIANTS = [{"lr": 1}, {"lr": 2}]
NAMES = ["a b%j", "c"]

TRAIN = """
import sys, time
from coolrunner import affinity_from_code, current_run, load_variant, logger
code, log_dir, run_id, seconds = sys.argv[1:]
run = current_run()
print("attempt", run.attempt, "of", code, flush=True)
time.sleep(0 if run.attempt > 1 else float(seconds))
cpus = affinity_from_code(code)["all_cpus"]
logger.log_scalar("lr", load_variant(log_dir).lr)
logger.log_scalar("cpus", len(cpus))
sys.exit(load_variant(log_dir).lr - 1)
"""


class Shell(ClusterHandler):
    """A cluster of this machine alone, whose jobs run as they are submitted."""

    call_script_cmd = "sh"
    cluster_manager_name = "shell"

    def make_script(
        self, log_dir: str, script_name: str, run_id: int | str, call_command: Sequence[str]
    ) -> str:
        import shlex

        path = Path(log_dir, f"{script_name}_{run_id}.sh")
        path.write_text(
            f"{shlex.join(call_command)} >{shlex.quote(log_dir)}/job.log 2>&1\necho job {run_id}\n"
        )
        return str(path)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in [name for name in os.environ if name.startswith("COOLRUNNER_")]:
        monkeypatch.delenv(name)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def submit(handler: ClusterHandler, seconds: float = 0.0, **more: Any) -> list[SubmittedRun]:
    return run_on_cluster(
        "train.py",
        handler,
        "demo x",
        1,
        VARIANTS,
        NAMES,
        common_args=[seconds],
        **{"script_name": "job", **more},
    )


def status(run: SubmittedRun) -> dict[str, Any]:
    path = run.dir / "status.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text()) if path.exists() else {}
    return found


def test_a_job_makes_the_run_and_keeps_its_exit_status(place: Path) -> None:
    first, second = submit(Shell())
    assert [first.job, second.job] == ["0", "0"]
    assert first.dir.relative_to(place).parts[:3] == ("data", "shell", "demo x")
    assert first.dir.parts[-2:] == ("a b%j", "run_0")
    assert (status(first)["status"], status(first)["exit"]) == ("done", 0)
    assert (status(second)["status"], status(second)["exit"]) == ("failed", 1)
    assert "attempt 1 of cluster" in (first.dir / "log.txt").read_text()
    assert "lr,0,2" in (second.dir / "metrics.csv").read_text()


def test_a_job_that_is_refused_says_why_and_how_many_went_before(place: Path) -> None:
    class Strict(Shell):
        def make_script(self, log_dir: str, *arguments: Any) -> str:
            path = super().make_script(log_dir, *arguments)
            if log_dir.endswith("c"):
                Path(path).write_text("echo no room >&2\nexit 1\n")
            return path

    with pytest.raises(UsageError, match=r"sh refuses .*job_0\.sh: no room; 1 jobs were submitted before"):
        submit(Strict())


def test_a_job_that_is_started_again_goes_on_in_its_directory_unless_it_is_done(place: Path) -> None:
    first, second = submit(Shell())
    for run in (first, second):
        told = [str(run.dir.parent), run.log_dir, "0", str(place / "train.py"), "0", "--", sys.executable]
        assert job_main(told) == (0 if run is first else 1)
    assert status(first)["attempt"] == 1
    assert status(second)["attempt"] == 2


def test_what_is_submitted_to_slurm_has_the_options_and_survives_any_name(place: Path) -> None:
    handler = SlurmHandler(
        mem="16G",
        time="3-12:00:00",
        n_gpus=2,
        n_cpus=4,
        partition="gpu",
        exclude="n[1-3]",
        cuda_module="cuda-10.0",
        other_modules=["git"],
        cmd_prefix="export A=1",
        singularity_img="/images/x y.sif",
    )
    command = handler.command([sys.executable])
    assert command == ["singularity", "exec", "--nv", "/images/x y.sif", "python"]
    where = place / 'a "b" 50%'
    where.mkdir()
    text = Path(handler.make_script(str(where), "title/x", 3, ["python", "it's", *command])).read_text()
    assert text.splitlines()[1:] == [
        "#SBATCH --job-name=title%2Fx",
        "#SBATCH --nodes=1",
        "#SBATCH --mem=16G",
        "#SBATCH --time=3-12:00:00",
        f'#SBATCH --output="{place}/a \\"b\\" 50%%/run_3.stdout"',
        f'#SBATCH --error="{place}/a \\"b\\" 50%%/run_3.stderr"',
        "#SBATCH --partition=gpu",
        '#SBATCH --exclude="n[1-3]"',
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gres=gpu:2",
        "export A=1",
        "module load cuda-10.0",
        "module load git",
        "module load singularity",
        "exec python 'it'\"'\"'s' singularity exec --nv '/images/x y.sif' python",
    ]


def test_without_a_scheduler_nothing_is_made(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(UsageError, match="there is no sbatch on this machine"):
        submit(SlurmHandler())
    with pytest.raises(UsageError, match="cannot be debugged"):
        submit(SlurmHandler(), debug_mode=1)
    assert not (place / "data").exists()


# --- the real thing ---


@pytest.fixture
def slurm() -> SlurmHandler:
    shared_slurm()
    return SlurmHandler(mem="100M", time="00:05:00", n_cpus=1)


def wait_for(what: Callable[[], object]) -> None:
    for _ in range(1200):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it has not come to that")


@needs_slurm
@pytest.mark.slurm
@pytest.mark.slow
def test_slurm_runs_each_as_a_job(slurm: SlurmHandler) -> None:
    first, second = submit(slurm)
    wait_for(lambda: status(first).get("ended") and status(second).get("ended"))
    assert (status(first)["status"], status(second)["status"], status(second)["exit"]) == (
        "done",
        "failed",
        1,
    )
    assert "attempt 1 of cluster" in (first.dir / "log.txt").read_text()
    assert first.job.isdecimal() and first.dir.parts[-5] == "slurm"


@needs_slurm
@pytest.mark.slurm
@pytest.mark.slow
def test_a_job_that_slurm_ends_is_interrupted_and_requeued_it_goes_on(slurm: SlurmHandler) -> None:
    first, second = submit(slurm, seconds=60)
    wait_for(lambda: all(status(run) for run in (first, second)))
    wait_for(lambda: all("attempt 1" in (run.dir / "log.txt").read_text() for run in (first, second)))
    subprocess.run(["scancel", first.job], check=True)
    wait_for(lambda: status(first)["status"] == "interrupted")
    subprocess.run(["scontrol", "requeue", second.job], check=True)
    wait_for(lambda: status(second)["status"] == "interrupted")

    time.sleep(2)  # Slurm refuses a job that begins again within the second of its end

    def hurry() -> bool:
        # Slurm lets a requeued job wait for two minutes otherwise.
        subprocess.run(["scontrol", "update", f"JobId={second.job}", "StartTime=now"], capture_output=True)
        return status(second)["attempt"] == 2

    wait_for(hurry)
    wait_for(lambda: status(second).get("ended"))
    assert status(second)["exit"] == 1


@needs_slurm
@pytest.mark.slurm
@pytest.mark.slow
def test_a_partition_that_is_not_there_is_an_error_before_anything_is_submitted(slurm: SlurmHandler) -> None:
    slurm.partition = "nowhere"
    with pytest.raises(UsageError, match=r"sbatch refuses .*invalid partition specified: nowhere"):
        submit(slurm)
