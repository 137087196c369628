"""MCP_BG_ON_END is run once at the end of each batch, and of each prompt without one, by whoever feeds the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.at_end import MAX_RUN_S, PREFIX
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.ends import SqliteEnds
from tests.comfyui.batches.batch_support import House, house, quick
from tests.comfyui.batches.feeder_support import feed, no_jobs
from tests.comfyui_simulator.nodes import graphs
from tests.patience import WAIT_S

pytestmark = pytest.mark.real_process


@pytest.fixture(autouse=True)
def _fed_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with no_jobs(monkeypatch):
        yield


async def commands_of(home: House, subject: str) -> list[Job]:
    """Return the jobs that have run the command at an end, oldest first, when they have ended."""
    found = [job for job in await home.manager.list(limit=100) if job.name == f"{PREFIX}{subject}"]
    for job in found:
        await home.manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S))
    return sorted([await home.manager.find(job.job_id) for job in found], key=lambda job: job.created_at)


async def told_to(home: House, job: Job) -> dict[str, str]:
    lines = (await home.manager.tail(job, lines=500)).text.splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("MCP_BG_"))


async def test_it_is_told_how_a_batch_ended_once_for_each_end(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    manager.on_end = "env"
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create_of([quick(), graphs.raising()], note="sun\nsets")
        assert not await commands_of(home, batch_id)
        await feed(home)
        await feed(home)  # a second one finds nothing to run
        [job] = await commands_of(home, batch_id)
        facts = await told_to(home, job)
        assert (facts["MCP_BG_EVENT"], facts["MCP_BG_BATCH_ID"]) == ("batch_ended", batch_id)
        assert (facts["MCP_BG_STATUS"], facts["MCP_BG_NOTE"]) == ("failed", "sun")
        numbers = [facts[f"MCP_BG_{name}"] for name in ("PROMPTS", "SUCCEEDED", "FAILED", "CANCELED")]
        assert numbers == ["2", "1", "1", "0"]
        assert facts["MCP_BG_COMFYUI_URL"] == home.control.comfyui.endpoint.url
        spec = records.read(Spec, manager.state.job(job.job_id).spec)
        assert spec
        assert (spec.on_end, spec.is_own, spec.timeout_s) == ("", True, MAX_RUN_S)

        await home.batches.retry_failed(batch_id)
        await feed(home)
        assert len(await commands_of(home, batch_id)) == 2


async def test_a_feeder_that_died_before_it_could_note_that_leaves_its_successor_nothing_to_run(
    tmp_path: Path, state_dir: str, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.on_end = "true"
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create()
        with monkeypatch.context() as dying:
            dying.setattr(SqliteEnds, "told", _die)
            with pytest.raises(KeyError):
                await feed(home)
        await feed(home)
        assert len(await commands_of(home, batch_id)) == 1


def _die(*_: object, **__: object) -> None:
    raise KeyError


async def test_the_end_of_a_lone_prompt_is_seen_by_a_feeder_that_has_sent_nothing(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    manager.on_end = "env"
    async with house(tmp_path, state_dir, manager) as home:
        prompt_id = await home.control.submit(graphs.gated(home.gate))
        feeding = asyncio.create_task(feed(home))
        await home.until_ledger("began", 1)
        assert not await commands_of(home, prompt_id)
        home.gate.touch()
        await feeding
        [job] = await commands_of(home, prompt_id)
        facts = await told_to(home, job)
        assert (facts["MCP_BG_EVENT"], facts["MCP_BG_PROMPT_ID"]) == ("prompt_ended", prompt_id)
        assert facts["MCP_BG_STATUS"] == "completed"
        assert float(facts["MCP_BG_DURATION_S"]) >= 0


async def test_its_failure_is_told_with_the_batch_and_changes_nothing_about_it(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    manager.on_end = "exit 7"
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create()
        await feed(home)
        [job] = await commands_of(home, batch_id)
        view = await home.batches.view(batch_id)
        assert view.status is BatchStatus.SUCCEEDED
        assert "MCP_BG_ON_END" in view.detail
        assert job.job_id in view.detail


async def test_what_was_canceled_before_it_was_sent_has_ended_and_without_the_setting_nothing_is_run(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        silent = await home.create()
        manager.on_end = "env"
        told = await home.create()
        for batch_id in (silent, told):
            await home.batches.cancel(batch_id, by="test")
        await feed(home)
        assert not await commands_of(home, silent)
        [job] = await commands_of(home, told)
        assert job.state is State.EXITED
        assert (await told_to(home, job))["MCP_BG_STATUS"] == "canceled"
