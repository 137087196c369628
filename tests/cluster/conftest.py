"""A real Slurm for the tests of this folder, which ``make test-cluster`` runs, and managers of jobs on it."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.slurm import Slurm, missing

Managers = Callable[..., JobManager]


@pytest.fixture(scope="session")
def cluster() -> Generator[Slurm]:
    """A Slurm of three nodes with eight processors and one GPU each. One for all tests: they leave it as it was."""
    if "CLUSTER" not in os.environ:
        pytest.skip("make test-cluster runs this, against a real Slurm")
    if packages := missing():
        pytest.skip(f"these packages are missing, and cannot be installed: {' '.join(packages)}")
    slurm = Slurm()
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
async def managers(cluster: Slurm, state_dir: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Managers]:
    """Makes managers in this process whose jobs run on the cluster; afterwards it has no jobs."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MCP_BG_SLURM_PYTHON", sys.executable)
    monkeypatch.setenv("MCP_BG_SLURM_POLL_S", "1")
    monkeypatch.setenv("MCP_BG_PLACES", "slurm")
    made: list[JobManager] = []

    def make(**settings: str) -> JobManager:
        for name, value in settings.items():
            monkeypatch.setenv(f"MCP_BG_{name.upper()}", value)
        made.append(build(load_settings(state_dir=state_dir)))
        return made[-1]

    yield make
    for manager in made:
        await manager.places.finish()
        manager.close()
    cluster.run("scancel", "-u", getpass.getuser())
    cluster.wait_for_no_jobs()


@pytest.fixture
def manager(managers: Managers) -> JobManager:
    """One of them."""
    return managers()
