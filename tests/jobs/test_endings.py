"""What has ended since the last look, whoever started it."""

from __future__ import annotations

import pytest

from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobs.endings import Endings, run_of
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest


@pytest.fixture
def endings(memory_manager: JobManager) -> Endings:
    return Endings(memory_manager.places)


async def start(manager: JobManager, **env: str) -> str:
    return (await manager.start(StartRequest(command="obeys", stdin="pipe", env=env))).job.job_id


async def end(manager: JobManager, job_id: str) -> None:
    await manager.send_input(await manager.find(job_id), b"exit 3\n")


def found(endings: Endings) -> list[tuple[str, str]]:
    return [(job.job_id, job.status) for job in endings.look()]


async def test_each_end_is_found_once_in_the_order_of_ends(memory_manager: JobManager, endings: Endings) -> None:
    first, second = await start(memory_manager), await start(memory_manager)
    assert found(endings) == []
    await end(memory_manager, second)
    await end(memory_manager, first)
    assert found(endings) == [(second, "failed"), (first, "failed")]
    assert found(endings) == []


async def test_what_had_ended_before_is_no_news(memory_manager: JobManager) -> None:
    before, open_still = await start(memory_manager), await start(memory_manager)
    await end(memory_manager, before)
    endings = Endings(memory_manager.places)
    assert found(endings) == []
    await end(memory_manager, open_still)
    assert found(endings) == [(open_still, "failed")]


async def test_a_job_that_came_and_went_between_two_looks_is_found(
    memory_manager: JobManager, endings: Endings
) -> None:
    assert found(endings) == []
    job_id = await start(memory_manager)
    await end(memory_manager, job_id)
    assert found(endings) == [(job_id, "failed")]


async def test_an_id_that_was_only_taken_is_no_end(memory_manager: JobManager, endings: Endings) -> None:
    await memory_manager.claim_id()
    assert found(endings) == found(endings) == []


async def test_runs_are_known_among_jobs_until_they_end(memory_manager: JobManager, endings: Endings) -> None:
    plain, run = await start(memory_manager), await start(memory_manager, **{RUN_ID_VARIABLE: "rabcd"})
    endings.look()
    assert endings.open_runs() == {"rabcd": run}
    assert (run_of(memory_manager.places, run), run_of(memory_manager.places, plain)) == ("rabcd", None)
    await end(memory_manager, run)
    endings.look()
    assert endings.open_runs() == {}
