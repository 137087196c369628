"""A canceled batch is canceled: after the answer nothing of it is submitted, and the answer says what becomes of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_background_job.comfyui.batches import CanceledBatch
from mcp_background_job.core.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batch_support import IN_FLIGHT_S, VERSIONS, House, house, quick, suspended
from tests.comfyui.cancel_support import end_of
from tests.comfyui_simulator import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.timeout(120)]

#: In the normal run, and at night.
REPETITIONS = [
    pytest.param(7, id="some"),
    pytest.param(500, id="many", marks=[pytest.mark.nightly, pytest.mark.timeout(3600)]),
]

#: A batch of so many trivial prompts takes about as long as the longest time before its cancel.
MANY = 40
LONGEST_S = 1.6


async def _assert_true(home: House, batch_id: str, canceled: CanceledBatch, taken: int) -> None:
    """Hold an answer against the ledger of the server and the file of the journal, long enough after it was given."""
    await asyncio.sleep(IN_FLIGHT_S)
    assert home.ledger.total("submitted") == taken, "something was submitted after the answer"
    view = await home.over(batch_id)
    assert home.ledger.total("submitted") == taken, "something was submitted after the answer"
    rows = home.rows(batch_id)
    ended = {row.prompt_id for row in rows if row.ending == "completed"}
    gone = {row.prompt_id for row in rows if row.ending == "cancelled"}
    stopped = {str(one.prompt_id) for one in canceled.interrupted if one.finished is not None} & gone
    assert len(ended) + len(gone) == len(rows) == view.counts.total
    assert (view.counts.succeeded, view.counts.canceled) == (len(ended), len(gone))
    assert canceled.pending == len(gone - stopped), canceled
    assert set(canceled.running) <= ended
    assert (canceled.mode == "immediate") == (not canceled.running and not canceled.unknown)
    assert view.status is (BatchStatus.CANCELED if gone else BatchStatus.SUCCEEDED)
    # What the journal calls canceled never ran, or was stopped; what it calls completed ran to its end, once.
    began, over = home.ledger.count("began"), home.ledger.count("ended")
    assert {prompt_id for prompt_id in gone if began[prompt_id]} <= stopped
    assert all(began[prompt_id] == over[prompt_id] == 1 for prompt_id in ended)


@pytest.mark.requirement("comfyui.batch.cancel")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("times", REPETITIONS)
async def test_after_the_answer_nothing_of_the_batch_is_submitted(
    times: int, version: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    chance = random.Random(f"{version} {times}")  # noqa: S311  no secret
    async with house(tmp_path, state_dir, manager, "--version", version) as home:
        for _ in range(times):
            batch_id = await home.create(MANY)
            await asyncio.sleep(chance.uniform(0.0, LONGEST_S))  # the random moment
            canceled = await home.batches.cancel(batch_id, by="test", interrupt=chance.random() < 0.3)
            await _assert_true(home, batch_id, canceled, home.ledger.total("submitted"))
