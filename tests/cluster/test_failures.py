"""What is wrong on a node is told with its cure, and never taken for an end that the command came to."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.errors import LaunchError
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.conftest import Managers
from tests.cluster.slurm import Cluster
from tests.patience import wait_until
from tests.survival.support import ended, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

_NUMBERS = itertools.count(1)


class Partition:
    """A part of the cluster that starts nothing until it is released."""

    def __init__(self, cluster: Cluster) -> None:
        self.name = f"held{os.getpid()}n{next(_NUMBERS)}"
        self._cluster = cluster
        cluster.run("scontrol", "create", f"PartitionName={self.name}", "Nodes=n1", "State=DOWN")

    def release(self) -> None:
        self._cluster.run("scontrol", "update", f"PartitionName={self.name}", "State=UP")

    def remove(self) -> None:
        """Wait for its jobs, too: Slurm removes no partition that has one which it has not cleared away."""
        wait_until(lambda: not self._cluster.run("squeue", "-h", "-p", self.name), f"an empty {self.name}")
        self._cluster.run("scontrol", "delete", f"PartitionName={self.name}")


@pytest.fixture
def held(cluster: Cluster) -> Generator[Partition]:
    partition = Partition(cluster)
    yield partition
    partition.remove()


async def failed(manager: JobManager, job: Job) -> str:
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", None)
    return end.reason


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("gpus=99", "Requested node configuration is not available"),
        ("partition=nowhere", "invalid partition specified: nowhere"),
        ("constraint=quantum", "Invalid feature specification"),
    ],
)
async def test_what_no_node_can_give_is_refused_in_one_sentence_and_not_queued(
    managers: Managers, cluster: Cluster, asked: str, words: str
) -> None:
    manager = managers()
    with pytest.raises(LaunchError, match=words) as refused:
        await start(manager, "echo ran", on=f"slurm {asked}")
    assert "\n" not in str(refused.value)
    (job,) = await manager.list()
    assert (job.status, words in job.reason) == ("failed", True)
    assert not cluster.has(job.job_id)


async def test_a_node_without_the_python_that_was_named(managers: Managers) -> None:
    manager = managers(slurm_python="/nowhere/python3")
    reason = await failed(manager, await start(manager, "echo ran", on="slurm"))
    assert "no /nowhere/python3" in reason
    assert "set MCP_BG_SLURM_PYTHON to a Python of at least 3.9" in reason


async def test_a_working_directory_that_the_node_does_not_have(
    managers: Managers, held: Partition, tmp_path: Path
) -> None:
    manager = managers()
    here = tmp_path / "here only"
    here.mkdir()
    job = await start(manager, "echo ran", cwd=str(here), on=f"slurm partition={held.name}")
    here.rmdir()
    held.release()
    reason = await failed(manager, job)
    assert f"cannot use {here} as the working directory" in reason
    assert "give one that all nodes share" in reason


async def test_a_directory_that_the_nodes_do_not_share(
    managers: Managers, cluster: Cluster, held: Partition, tmp_path: Path
) -> None:
    shared, away = tmp_path / "shared", tmp_path / "away"
    manager = managers(slurm_dir=str(shared))
    job = await start(manager, "echo ran", on=f"slurm partition={held.name}")
    native_id = cluster.native_id_of(job.job_id)
    os.rename(shared, away)
    held.release()
    await asyncio.to_thread(cluster.wait_for_state, native_id, "FAILED")
    os.rename(away, shared)
    reason = await failed(manager, job)
    assert "set MCP_BG_SLURM_DIR to one that all nodes share" in reason
