"""The end of a job is told by the answer that shows it, or else by the next one: never by none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.client import CallToolResult

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import WAIT_S
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

#: Answers that show a job, by the tool and its arguments.
_SHOWS: dict[str, Callable[[str], dict[str, Any]]] = {
    "list_jobs": lambda _job_id: {},
    "get_job_status": lambda job_id: {"job_id": job_id},
    "tail_job_output": lambda job_id: {"job_id": job_id},
    "get_job_output": lambda job_id: {"job_id": job_id},
    "wait_for_job": lambda job_id: {"job_id": [job_id], "wait_s": 0},
}


def _said(answer: CallToolResult) -> str:
    return "\n".join(getattr(part, "text", "") for part in answer.content)


async def _end(manager: JobManager, job_id: str, go: Path) -> None:
    await asyncio.to_thread(go.touch)
    await manager.wait(await manager.find(job_id), WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S))


@pytest.fixture
def end_before_news(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """End the newest job between the moment when an answer is made and that in which its news are looked for."""

    def arrange(go: Path) -> None:
        to_tell = manager.news.to_tell

        async def late(*args: Any, **kwargs: Any) -> list[str]:
            monkeypatch.setattr(manager.news, "to_tell", to_tell)
            (job,) = await manager.list()
            await _end(manager, job.job_id, go)
            return await to_tell(*args, **kwargs)

        monkeypatch.setattr(manager.news, "to_tell", late)

    return arrange


@pytest.mark.parametrize("tool", _SHOWS)
async def test_an_answer_that_shows_a_job_running_does_not_swallow_its_end(
    client: Caller, end_before_news: Callable[[Path], None], tmp_path: Path, tool: str
) -> None:
    go = tmp_path / "go"
    job = await client.facts("execute_command", command=f"until [ -e {go} ]; do sleep 0.05; done; exit 6", wait_s=0)
    end_before_news(go)
    answer = await client.client.call_tool(tool, _SHOWS[tool](job["job_id"]))
    assert "running" in _said(answer)
    # What ends in the very moment in which an answer is made is told by that or by the next.
    told = _said(answer) + str((await client.facts("list_jobs", status="running")).get("endings"))
    assert told.count(f"{job['job_id']} failed, exit 6") == 1
    assert "endings" not in await client.facts("list_jobs", status="running")


async def test_a_job_that_ends_while_the_answer_to_its_start_is_on_its_way_is_told(
    client: Caller, end_before_news: Callable[[Path], None], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    end_before_news(go)
    job = await client.facts("execute_command", command=f"until [ -e {go} ]; do sleep 0.05; done; exit 6", wait_s=0)
    assert job["status"] == "running"
    assert job["endings"][0].startswith(f"{job['job_id']} failed, exit 6")


@pytest.mark.parametrize("tool", _SHOWS)
async def test_an_answer_that_shows_how_a_job_ended_tells_it_once(
    client: Caller, manager: JobManager, tmp_path: Path, tool: str
) -> None:
    go = tmp_path / "go"
    job = await client.facts("execute_command", command=f"until [ -e {go} ]; do sleep 0.05; done; exit 6", wait_s=0)
    await _end(manager, job["job_id"], go)
    answer = await client.client.call_tool(tool, _SHOWS[tool](job["job_id"]))
    assert _said(answer).count("failed") == 1
    assert "endings" not in await client.facts("list_jobs", status="running")
