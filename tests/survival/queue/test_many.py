"""Many jobs at once."""

from __future__ import annotations

import asyncio

import pytest

from mcp_background_job.core.job import JobChoice
from tests.survival.support import another_manager, ended, output_of, start

pytestmark = pytest.mark.real_process


@pytest.mark.requirement("start.many")
@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.nightly)])
async def test_many_jobs_at_once_all_end_with_their_own_code_and_output(
    state_dir: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_BG_MAX_JOBS", str(2 * count))
    with another_manager(state_dir) as manager:
        await manager.places.start()
        jobs = await asyncio.gather(
            *(start(manager, f"read line; echo $line {i}; exit {i % 128}", stdin="pipe") for i in range(count))
        )
        assert len(await manager.list(JobChoice(statuses=("running",)), limit=2 * count)) == count
        await asyncio.gather(*(manager.send_input(job, b"go\n") for job in jobs))
        for number, job in enumerate(jobs):
            now = await ended(manager, job, 40)
            assert now.exit_code == number % 128
            assert output_of(manager, job.job_id) == b"go %d\n" % number
