"""What the tests of Hydra share: a project whose runs real Hydra has made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkouts import ROOT

__all__ = ["HOUR", "call", "make_runs"]

#: A date and a time that the trees of these tests have.
HOUR = "2021-01-26/17-07-39"

_CONFIG = """\
lr: 0.1
seed: 1
dataset: digits
optimizer:
  name: adam
  betas: [0.9, 0.999]
  weight_decay: ${lr}
tags: [first, second]
warmup: 1e-3
note: null
"""

_SCRIPT = """\
import json
import logging
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg):
    place = Path(HydraConfig.get().runtime.output_dir)
    logging.getLogger(__name__).info("trained")
    (place / "metric.npy").write_bytes(b"")
    (place / "results.json").write_text(json.dumps({"ACC": 1 - cfg.lr, "confusion": [[3, 1], [0, 4]]}))


main()
"""


def call(project: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call a script of a project, with Coolrunner at hand."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", script, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def make_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with runs, for ``pytest.fixture(scope="session")``; nobody may change them.

    ====================  ==========================================================================
    ``my_experiment``     a sweep of three jobs and one of twelve, at a date and a time
    ``outputs``           two single runs
    ``multirun``          a sweep where Hydra puts it by itself
    ``sweeps``            a sweep whose jobs are named after their overrides
    ====================  ==========================================================================
    """
    pytest.importorskip("hydra", reason="hydra-core is not installed")
    if not _made:
        _made.append(tmp_path_factory.mktemp("hydra"))
        _fill(_made[0])
    return _made[0]


_made: list[Path] = []


def _fill(project: Path) -> None:
    (project / "config.yaml").write_text(_CONFIG)
    (project / "lstm_finetuning.py").write_text(_SCRIPT)
    many = ",".join(str(number / 100) for number in range(1, 13))
    for arguments in (
        ["-m", "lr=0.1,0.2,0.3", f"hydra.sweep.dir=my_experiment/{HOUR}"],
        ["-m", f"lr={many}", "optimizer.name=sgd", "hydra.sweep.dir=my_experiment/2021-01-27/08-00-00"],
        ["lr=0.4", "hydra.run.dir=outputs/2021-01-28/09-00-00"],
        ["lr=0.5", "+extra.depth=3", "hydra.run.dir=outputs/2021-01-29/10-30-00"],
        ["-m", "seed=1,2"],
        [
            "-m",
            "lr=0.1,0.02",
            "seed=1,2",
            "hydra.sweep.dir=sweeps/baseline",
            "hydra.sweep.subdir=lr_${lr}/seed_${seed}",
        ],
    ):
        done = call(project, "lstm_finetuning.py", *arguments)
        assert done.returncode == 0, done.stderr
