from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.server.tasks.tasking import Gate, Tasking, tasking


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Tasking]:
    """A client that knows tasks, and that can ask a person."""
    async with tasking(build_server(manager, load_settings())) as client:
        yield client


@pytest.fixture
def new_gate(tmp_path: Path) -> Generator[Callable[[], Gate]]:
    """Make gates: a line goes to one of the jobs that read from a gate."""
    gates: list[Gate] = []

    def make() -> Gate:
        gates.append(Gate(tmp_path / f"gate-{len(gates)}"))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()
