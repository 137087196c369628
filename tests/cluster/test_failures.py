"""What is wrong on a node is told with its cure, and never taken for an end that the command came to."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.conftest import Managers
from tests.cluster.slurm import Slurm
from tests.survival.support import ended, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


@pytest.fixture
def held(cluster: Slurm) -> Generator[Slurm]:
    """The cluster, which starts nothing until it is ``released``."""
    cluster.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    yield cluster
    released(cluster)


def released(cluster: Slurm) -> None:
    cluster.run("scontrol", "update", "PartitionName=main", "State=UP")


def native_id_of(cluster: Slurm, job: Job) -> str:
    return cluster.run("squeue", "-h", "-t", "all", "--name", job.job_id, "-o", "%i")


async def failed(manager: JobManager, job: Job) -> str:
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", None)
    return end.reason


async def test_a_node_without_the_python_that_was_named(managers: Managers) -> None:
    manager = managers(slurm_python="/nowhere/python3")
    reason = await failed(manager, await start(manager, "echo ran", on="slurm"))
    assert "no /nowhere/python3" in reason
    assert "set MCP_BG_SLURM_PYTHON to a Python of at least 3.9" in reason


async def test_a_working_directory_that_the_node_does_not_have(managers: Managers, held: Slurm, tmp_path: Path) -> None:
    manager = managers()
    here = tmp_path / "here only"
    here.mkdir()
    job = await start(manager, "echo ran", cwd=str(here), on="slurm")
    here.rmdir()
    released(held)
    reason = await failed(manager, job)
    assert f"cannot use {here} as the working directory" in reason
    assert "give one that all nodes share" in reason


async def test_a_directory_that_the_nodes_do_not_share(managers: Managers, held: Slurm, tmp_path: Path) -> None:
    shared, away = tmp_path / "shared", tmp_path / "away"
    manager = managers(slurm_dir=str(shared))
    job = await start(manager, "echo ran", on="slurm")
    native_id = native_id_of(held, job)
    os.rename(shared, away)
    released(held)
    held.wait_for_state(native_id, "FAILED")
    os.rename(away, shared)
    reason = await failed(manager, job)
    assert "set MCP_BG_SLURM_DIR to one that all nodes share" in reason
