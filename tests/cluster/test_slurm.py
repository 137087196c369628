"""The cluster that the other tests of this folder use does what a cluster does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


def test_a_batch_script_runs_on_the_node_that_it_asks_for_with_its_gpu(cluster: Cluster, tmp_path: Path) -> None:
    script = ["--wrap", "echo on $SLURMD_NODENAME gpu $CUDA_VISIBLE_DEVICES"]
    job = cluster.run("sbatch", "--parsable", "-w", "n2", "--gres=gpu:1", "-o", str(tmp_path / "out"), *script)
    cluster.wait_for_state(job, "COMPLETED")
    assert (tmp_path / "out").read_text() == "on n2 gpu 0\n"
