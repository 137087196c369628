"""A real Slurm for the tests of this folder, which ``make test-cluster`` runs, and managers of jobs on it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.slurm import Cluster, Slurm

Managers = Callable[..., JobManager]

#: The files whose tests wait longest. They begin first, so that none of them is left to one worker at the end.
_LONGEST = ("test_dead_daemons.py", "test_contract.py", "test_killed_servers.py", "test_comfyui.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, if they run against a cluster."""
    if "CLUSTER" in os.environ:
        ranks = {name: rank for rank, name in enumerate(_LONGEST)}
        items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """A Slurm of two nodes with eight processors and one GPU each, and of one apart. All tests share it, at once."""
    if "CLUSTER" not in os.environ:
        pytest.skip("make test-cluster runs this, against a real Slurm")
    return Cluster(Path(os.environ["CLUSTER"]))


@pytest.fixture
def mortal() -> Generator[Slurm]:
    """A Slurm of one node, whose daemons may be killed."""
    if "CLUSTER" not in os.environ:
        pytest.skip("make test-cluster runs this, against a real Slurm")
    slurm = Slurm(("n1",))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def home(cluster: Cluster) -> Cluster:
    """The cluster of the managers; a test with another cluster overrides it."""
    return cluster


@pytest.fixture
async def managers(home: Cluster, state_dir: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Managers]:
    """Makes managers in this process whose jobs run on the cluster; after the test, none of the jobs is left."""
    for name, value in home.environment.items():
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
        home.clear(manager.places.discover())
        manager.close()


@pytest.fixture
def manager(managers: Managers) -> JobManager:
    """A manager whose jobs run on the cluster."""
    return managers()
