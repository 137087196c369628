"""The queue of a ComfyUI as a whole: paused and resumed, its pending prompts moved, and all of them dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import House, house, quick
from tests.comfyui.batches.feeder_support import feed, no_jobs
from tests.comfyui.lifecycle.lifecycle_support import pending
from tests.comfyui.talk import running, submit
from tests.comfyui_simulator.nodes import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.queue.pause")]


@pytest.fixture(autouse=True)
def _fed_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with no_jobs(monkeypatch):
        yield


def _order(home: House) -> list[str]:
    """Return which prompts have begun, in order."""
    return [prompt_id for event, prompt_id in home.ledger.events() if event == "began"]


async def _with_one_running(home: House) -> str:
    """Submit a prompt that runs until the gate is opened; returns its id."""
    first = await home.control.submit(graphs.gated(home.gate))
    await home.until_ledger("began", 1)
    return first


async def test_a_pause_takes_back_what_is_ours_and_pending_and_a_resume_sends_it_under_the_same_ids(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        comfyui = home.control.comfyui
        first = await _with_one_running(home)
        theirs = submit(home.place.simulator, quick())
        mine = [await home.control.submit(quick()) for _ in range(3)]

        paused = await comfyui.queue.pause(by="me")
        assert (paused.is_paused, paused.taken_back, paused.kept) == (True, tuple(mine), ())
        assert (paused.running, paused.others) == ((first,), 1)
        assert pending(home.place.simulator) == [theirs]
        late = await home.control.submit(quick())
        urgent = await home.control.submit(quick(), front=True)
        assert await home.control.state_of(late) == "pending"
        home.gate.touch()
        await home.until_ledger("ended", 2)
        await feed(home)  # it has nothing to do
        assert home.ledger.total("began") == 2

        resumed = await comfyui.queue.resume()
        assert (resumed.is_paused, resumed.waiting) == (False, 5)
        await feed(home)
        await home.until_ledger("ended", 7)
        assert _order(home) == [first, theirs, urgent, *mine, late]
        assert set(home.ledger.count("began").values()) == {1}
        assert [await home.control.state_of(one) for one in (*mine, late, urgent)] == ["completed"] * 5


async def test_a_batch_on_a_paused_queue_waits_says_so_and_goes_on_where_it_was(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        comfyui = home.control.comfyui
        batch_id = await home.create(4, graphs.gated(home.gate))
        feeding = asyncio.create_task(feed(home))
        await home.until_ledger("submitted", 2)
        await home.until_ledger("began", 1)
        paused = await comfyui.queue.pause(by="me")
        assert len(paused.taken_back) == len(paused.running) == 1
        view = await home.batches.view(batch_id)
        assert (view.counts.pending, view.counts.running, view.status) == (3, 1, BatchStatus.RUNNING)
        assert "paused by me" in view.trouble
        home.gate.touch()
        await home.until(batch_id, lambda view: view.counts.succeeded == 1, "what ran is over")
        assert home.ledger.total("submitted") == 2
        await comfyui.queue.resume()
        await feeding
        assert (await home.batches.view(batch_id)).counts.succeeded == 4
        assert set(home.ledger.count("began").values()) == {1}


async def test_a_pause_while_comfyui_is_away_holds_and_says_what_it_does_not_know(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        await asyncio.to_thread(home.place.kill)
        paused = await home.control.comfyui.queue.pause(by="me")
        assert (paused.is_paused, paused.taken_back) == (True, ())
        assert "stays there: ComfyUI" in paused.trouble
        waiting = await home.control.submit(quick())  # it is not asked for
        assert await home.control.state_of(waiting) == "pending"
        await asyncio.to_thread(home.place.start)
        await home.control.comfyui.queue.resume()
        await feed(home)
        await home.until_ledger("ended", 1)


@pytest.mark.requirement("comfyui.queue.move")
async def test_a_pending_prompt_is_moved_to_the_front_and_to_the_end_whosever_it_is(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        queue = home.control.comfyui.queue
        first = await _with_one_running(home)
        mine = [await home.control.submit(quick()) for _ in range(3)]
        theirs = submit(home.place.simulator, quick())
        assert "at the front" in await queue.move(theirs, "front")
        assert "at the end" in await queue.move(mine[0], "end")
        assert pending(home.place.simulator) == [theirs, mine[1], mine[2], mine[0]]
        for one, why in ((first, "runs already"), ("no-such-prompt", "is not in the queue")):
            with pytest.raises(InvalidRequestError, match=why):
                await queue.move(one, "front")
        assert running(home.place.simulator) == [first]
        home.gate.touch()
        await home.until_ledger("ended", 5)
        assert _order(home) == [first, theirs, mine[1], mine[2], mine[0]]


@pytest.mark.requirement("comfyui.queue.move")
async def test_a_prompt_of_a_batch_is_moved_whether_it_was_sent_or_not(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        queue = home.control.comfyui.queue
        batch_id = await home.create(6, graphs.gated(home.gate))
        ids = [row.prompt_id for row in home.rows(batch_id)]
        feeding = asyncio.create_task(feed(home))
        await home.until_ledger("submitted", 2)
        await home.until_ledger("began", 1)
        assert "is the next to be sent" in await queue.move(ids[4], "front")
        assert "is the last to be sent" in await queue.move(ids[1], "end")
        home.gate.touch()
        await feeding
        assert _order(home) == [ids[0], ids[4], ids[2], ids[3], ids[5], ids[1]]
        assert (await home.batches.view(batch_id)).counts.succeeded == 6


@pytest.mark.requirement("comfyui.queue.drop")
async def test_all_but_what_runs_is_dropped_with_what_batches_have_yet_to_send(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        comfyui = home.control.comfyui
        first = await _with_one_running(home)
        theirs = submit(home.place.simulator, quick())
        batch_id = await home.create(5)
        feeding = asyncio.create_task(feed(home))
        await home.until_ledger("submitted", 4)
        canceled = await comfyui.cancel(None, by="me", pending_only=True)
        assert (str(canceled.verdict), canceled.batches, canceled.unsent) == ("cancelled", (batch_id,), 3)
        assert (len(canceled.dropped), canceled.kept) == (3, ())
        assert theirs in canceled.dropped
        assert f"{first} runs" in canceled.detail
        assert (running(home.place.simulator), pending(home.place.simulator)) == ([first], [])
        await feeding
        home.gate.touch()
        assert (await home.batches.view(batch_id)).status is BatchStatus.CANCELED
        await home.until_ledger("ended", 1)
        assert _order(home) == [first]


@pytest.mark.requirement("comfyui.queue.drop")
async def test_all_is_dropped_and_what_waits_for_a_paused_queue_too(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        comfyui = home.control.comfyui
        first = await home.control.submit(graphs.stepped(1000, 0.02))
        await home.until_ledger("began", 1)
        await comfyui.queue.pause(by="me")
        waiting = await home.control.submit(quick())
        canceled = await comfyui.cancel(None, by="me", clear_pending=True)
        assert (str(canceled.verdict), canceled.prompt_id, canceled.unsent) == ("cancelled", first, 1)
        assert await home.control.state_of(waiting) == "cancelled"
        with pytest.raises(InvalidRequestError, match="pending_only leaves the running prompt alone"):
            await comfyui.cancel(first, by="me", pending_only=True)
