"""Several ComfyUIs share a batch: nothing runs twice, and nothing is lost, whichever of them ends, hangs or comes back.

The ledgers of the ComfyUIs are the witnesses: they outlive them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcp_background_job.actions.comfyui.queue import ListPrompts, Queueing
from mcp_background_job.actions.comfyui.renders import LookAtPrompt, Rendering, Status
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli.session import caller
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.pools.pool_support import opened, pool, soon
from tests.comfyui_simulator.nodes import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.pool")]


async def test_all_members_work_on_a_batch_and_each_prompt_runs_once(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    gate = tmp_path / "gate"
    async with pool(tmp_path, state_dir, manager, 3) as home:
        with opened(gate):
            batch_id = await home.create(graphs.gated(gate), 12)
            await soon(lambda: all(place.ledger.total("began") == 1 for place in home.places), "all are busy")
        view = await home.over(batch_id)
        assert (view.status, view.counts.succeeded) == (BatchStatus.SUCCEEDED, 12)
        assert sorted(home.events("began").values()) == [1] * 12

        urls = {place.simulator.url for place in home.places}
        opened_one = at_hand(home.comfyui)
        known = await Rendering(opened_one).comfyui_status(caller(), Status())
        assert (known["reachable"], {server["url"] for server in known["servers"]}) == (True, urls)
        listed = await Queueing(opened_one).comfyui_jobs(caller(), ListPrompts(batch=batch_id))
        assert [row["status"] for row in listed["jobs"]] == ["completed"] * 12
        assert {row["server"] for row in listed["jobs"]} == urls
        for row in listed["jobs"][:4]:  # whoever has made it is asked
            prompt = await Rendering(opened_one).comfyui_job(caller(), LookAtPrompt(prompt_id=row["prompt_id"]))
            assert prompt["status"] == "completed"


async def test_what_a_killed_member_had_runs_elsewhere_and_nothing_twice(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    gate = tmp_path / "gate"
    async with pool(tmp_path, state_dir, manager) as home:
        with opened(gate):
            batch_id = await home.create(graphs.gated(gate), 6)
            first, second = home.places
            await soon(lambda: first.ledger.total("began") == second.ledger.total("began") == 1, "both are busy")
            await asyncio.to_thread(first.kill)
        view = await home.over(batch_id)
        assert (view.status, view.counts.succeeded) == (BatchStatus.SUCCEEDED, 6)
        assert sorted(second.ledger.count("ended").values()) == [1] * 6, "the killed one has ended nothing"
