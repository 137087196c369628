"""Several ComfyUIs share a batch: nothing runs twice, and nothing is lost, whichever of them ends, hangs or comes back.

The ledgers of the ComfyUIs are the witnesses: they outlive them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import quick
from tests.comfyui.pools.pool_support import opened, pool, soon
from tests.comfyui_simulator.nodes import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.pool")]


async def test_all_members_work_on_a_batch_and_each_prompt_runs_once(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with pool(tmp_path, state_dir, manager, 3) as home:
        batch_id = await home.create(quick(0.2), 12)
        view = await home.over(batch_id)
        assert (view.status, view.counts.succeeded) == (BatchStatus.SUCCEEDED, 12)
        assert sorted(home.events("began").values()) == [1] * 12
        assert all(place.ledger.total("began") >= 2 for place in home.places)


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
