"""A prompt that ends ComfyUI is sent twice, and fails; what only waited, and what we ended ourselves, is innocent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import House, house, quick
from tests.comfyui.batches.feeder_support import feed, no_jobs, restarted
from tests.comfyui_simulator.nodes import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.batch.poison")]


@pytest.fixture(autouse=True)
def _fed_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with no_jobs(monkeypatch):
        yield


def _assert_each_ran(home: House, batch_id: str, poison: set[int]) -> None:
    rows = home.rows(batch_id)
    began, ended = home.ledger.count("began"), home.ledger.count("ended")
    for row in rows:
        if row.position in poison:
            assert (row.ending, began[row.prompt_id]) == ("failed", 2), row
            assert "ended while it ran, for the second time: its server ended; cause unknown" in row.reason
        else:
            assert (row.ending, ended[row.prompt_id]) == ("completed", 1), row
    assert Counter(row.ending for row in rows) == {"completed": len(rows) - len(poison), "failed": len(poison)}


@pytest.mark.parametrize("number", [12, pytest.param(200, marks=pytest.mark.nightly)])
async def test_what_ends_comfyui_twice_has_failed_and_the_rest_runs_once(
    number: int, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    poison = {1, number // 2, number - 1} if number > 12 else {1, 8}
    kinds = [graphs.os_exit(42) if place in poison else quick() for place in range(number)]
    async with house(tmp_path, state_dir, manager) as home, restarted(home):
        batch_id = await home.create_of(kinds)
        said = await feed(home)
        view = await home.batches.view(batch_id)
        assert (view.status, view.counts.succeeded) == (BatchStatus.FAILED, number - len(poison))
        assert said[-1] == f"batch {batch_id} failed"
        _assert_each_ran(home, batch_id, poison)


async def test_what_waits_behind_somebody_elses_prompt_is_innocent_of_the_end(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        theirs = graphs.gated(home.gate)
        await home.control.submit(theirs)  # not of the feeder, so anybody's to it
        batch_id = await home.create_of([quick(), quick()])
        feeding = asyncio.create_task(feed(home))
        await home.until_ledger("submitted", 3)
        for _ in range(3):
            await asyncio.to_thread(home.place.kill)
            await asyncio.to_thread(home.place.start)
            begun = home.ledger.total("began")
            await home.control.submit(theirs, front=True)
            await home.until_ledger("began", begun + 1)
        home.gate.touch()
        await feeding
        assert (await home.batches.view(batch_id)).counts.succeeded == 2


async def test_what_ran_when_comfyui_ended_is_told_of_a_single_prompt_too(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        comfyui = home.control.comfyui
        running = await home.control.submit(graphs.gated(home.gate))
        waiting = await home.control.submit(quick())
        await home.until_ledger("began", 1)
        assert (await comfyui.prompts.get(running)).status == "in_progress"
        await asyncio.to_thread(home.place.kill)
        status = await comfyui.status()
        assert f"prompt {running}: ComfyUI ended while it ran" in status.crash
        assert "ComfyUI ended while it ran" in (await comfyui.prompts.get(running)).reason
        assert "while it ran" not in (await comfyui.prompts.get(waiting)).reason
        await asyncio.to_thread(home.place.start)
        assert f"prompt {running}: ComfyUI ended while it ran" in (await comfyui.status()).crash, "at the first look"
        one, other = await comfyui.prompts.get(running), await comfyui.prompts.get(waiting)
        assert (one.status, one.reason) == (
            "lost_to_restart",
            "ComfyUI ended while it ran: its server ended; cause unknown",
        )
        assert (other.status, "while it ran" in other.reason) == ("lost_to_restart", False)
        explained, _ = await comfyui.catalogue.errors(among=await comfyui.among(None, None, ""), limit=5)
        assert [(row.row.prompt.prompt_id, "while it ran" in row.row.cause) for row in explained] == [(running, True)]
        assert running in (await comfyui.status()).crash
