from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build_runs
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from tests.agents.fake_agents import Agents
from tests.conftest import Liveness


@pytest.fixture
async def runs(manager: JobManager) -> AsyncGenerator[RunManager]:
    """A manager of runs in this process."""
    runs = build_runs(manager, load_settings())
    yield runs
    await runs.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The directory in which agents work."""
    path = tmp_path / "workspace"
    path.mkdir()
    return path


@pytest.fixture
def agents(tmp_path: Path, workspace: Path, liveness: Liveness) -> Agents:
    """Scripts that write the streams of agents."""
    return Agents(tmp_path, workspace, liveness)
