"""The races that were measured on real servers, run again and again: no answer is ever wrong."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts.cancel_plan import Place, Verdict
from mcp_background_job.comfyui.prompts.prompts import locate
from mcp_background_job.errors import UnreachableError
from tests.comfyui.prompts.cancel_support import VERSIONS, Control, controlled, end_of, queued
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.cancel.races")]

#: In the normal run, and at night.
REPETITIONS = [
    pytest.param(6, id="some"),
    pytest.param(200, id="many", marks=[pytest.mark.nightly, pytest.mark.timeout(1500)]),
]

#: What a server's own word for an end allows to be said of a cancel.
TRUE = {
    "interrupted": {Verdict.CANCELLED},
    "success": {Verdict.FINISHED},
    None: {Verdict.CANCELLED},  # it was taken out of the queue, which leaves no trace
}


async def _cancel(control: Control, simulator: Simulator, prompt_id: str) -> Verdict:
    """Cancel, and hold the verdict against what the server has."""
    cancelled = await control.cancel(prompt_id)
    end = end_of(simulator, prompt_id)
    assert cancelled.verdict in TRUE[end], (cancelled, end)
    assert prompt_id not in queued(simulator)
    return cancelled.verdict


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_a_cancel_right_after_the_submission(times: int, version: str, tmp_path: Path) -> None:
    """The interrupt that is lost because the prompt is just beginning."""
    async with controlled(tmp_path, "--version", version, "--start-gap", "0.01") as (control, simulator):
        for _ in range(times):
            prompt_id = await control.submit(graphs.stepped(600, 0.02))
            assert await _cancel(control, simulator, prompt_id) is Verdict.CANCELLED


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_a_cancel_at_the_end(times: int, version: str, tmp_path: Path) -> None:
    """The prompt that ends by itself while it is being canceled."""
    chance = random.Random(7)  # noqa: S311  no secret
    seen: Counter[Verdict] = Counter()
    async with controlled(tmp_path, "--version", version, "--history-gap", "0.005") as (control, simulator):
        for _ in range(times):
            prompt_id = await control.submit(graphs.stepped(10, 0.03))
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            seen[await _cancel(control, simulator, prompt_id)] += 1
    assert set(seen) == {Verdict.CANCELLED, Verdict.FINISHED} or times < 50, seen


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_a_cancel_of_one_whose_turn_comes(times: int, version: str, tmp_path: Path) -> None:
    """The pending prompt that begins while it is taken out; and the one behind it, which is to survive."""
    chance = random.Random(7)  # noqa: S311  no secret
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        for _ in range(times):
            first = await control.submit(graphs.stepped(2, 0.02))
            second = await control.submit(graphs.stepped(600, 0.02))
            third = await control.submit(graphs.sleeping(0.01))
            await asyncio.sleep(chance.uniform(0.0, 0.06))
            assert await _cancel(control, simulator, second) is Verdict.CANCELLED
            assert await control.until_over(third) == "completed"
            assert [end_of(simulator, one) for one in (first, third)] == ["success", "success"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_a_prompt_that_ends_is_never_out_of_sight(times: int, version: str, tmp_path: Path) -> None:
    """The job that seems to vanish between queue and history, and the history that comes after the event."""
    async with controlled(tmp_path, "--version", version, "--history-gap", "0.003") as (control, _):
        for _ in range(times):
            prompt_id = await control.submit(graphs.stepped(1, 0.01))
            deadline = time.monotonic() + PATIENCE_S
            place = Place.PENDING
            while place is not Place.ENDED:
                place = (await locate(control.client, prompt_id)).place
                assert place is not Place.ABSENT
                assert time.monotonic() < deadline
            assert (await control.prompts.get(prompt_id)).status == "completed"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_a_wait_for_a_short_prompt_ends_with_its_end(times: int, version: str, tmp_path: Path) -> None:
    """The end that is heard of before it stands in the history."""
    async with controlled(tmp_path, "--version", version, "--history-gap", "0.003") as (control, _):
        for _ in range(times):
            prompt = (await control.submitter.wait(await control.submit(graphs.sleeping(0.01)), PATIENCE_S)).status
            assert prompt == "completed"


async def test_the_gap_between_two_prompts_is_not_taken_for_nothing_running(tmp_path: Path) -> None:
    async with controlled(tmp_path, "--next-gap", "0.2") as (control, simulator):
        first = await control.submit(graphs.stepped(1, 0.01))
        second = await control.submit(graphs.stepped(600, 0.05))
        await control.until_over(first)
        assert queued(simulator) == {second}
        cancelled = await control.cancel(None)
        assert (cancelled.verdict, cancelled.prompt_id) == (Verdict.CANCELLED, second)
        assert cancelled.took_s > 0


async def test_a_cancel_says_how_long_it_took_whatever_came_of_it(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        nothing = await control.cancel(None)
        assert (nothing.verdict, nothing.took_s > 0) == (Verdict.NOTHING_RUNNING, True)


async def test_of_a_server_that_has_just_ended_it_is_not_said_that_it_may_be_the_same(tmp_path: Path) -> None:
    """A feeder would take the prompts that went with it for taken out of its queue."""
    async with controlled(tmp_path) as (control, simulator):
        assert await control.prompts.server_began() is not None
        await asyncio.to_thread(simulator.stop)
        with pytest.raises(UnreachableError):
            await control.prompts.server_began()
