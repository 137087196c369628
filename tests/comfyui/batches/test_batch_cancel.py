"""A canceled batch is canceled: after the answer nothing of it is submitted, and the answer says what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from mcp_background_job.comfyui.batches.batch_view import CanceledBatch
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.errors import RegistryError
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import IN_FLIGHT_S, VERSIONS, House, house, suspended
from tests.comfyui.prompts.cancel_support import end_of
from tests.comfyui_simulator.nodes import graphs

pytestmark = pytest.mark.real_process

#: In the normal run, and at night.
REPETITIONS = [
    pytest.param(2, id="some"),
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


async def _cancel(home: House, batch_id: str, *, interrupt: bool = False) -> CanceledBatch:
    return await home.batches.cancel(batch_id, by="test", interrupt=interrupt)


async def _with_one_running(home: House) -> tuple[str, str]:
    """Make a batch of which one prompt runs, until the gate opens, and one waits; returns its id and the first's."""
    batch_id = await home.create(5, graphs.gated(home.gate))
    await home.until_ledger("began", 1)
    await home.until_ledger("submitted", 2)
    return batch_id, home.rows(batch_id)[0].prompt_id


@pytest.mark.requirement("comfyui.batch.cancel")
@pytest.mark.parametrize("version", VERSIONS)
async def test_what_runs_ends_by_itself_and_its_output_counts(
    version: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, "--version", version) as home:
        batch_id, first = await _with_one_running(home)
        canceled = await _cancel(home, batch_id)
        assert (canceled.mode, canceled.pending, canceled.running) == ("cancel_after_current", 4, (first,))
        assert canceled.view.status is BatchStatus.CANCELING
        home.gate.touch()
        await _assert_true(home, batch_id, canceled, 2)
        assert end_of(home.place.simulator, first) == "success"


@pytest.mark.requirement("comfyui.batch.cancel")
@pytest.mark.parametrize("version", VERSIONS)
async def test_with_interrupt_what_runs_is_stopped_and_verified(
    version: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, "--version", version) as home:
        batch_id = await home.create(5, graphs.stepped(1000, 0.02))
        await home.until_ledger("began", 1)
        first = home.rows(batch_id)[0].prompt_id
        canceled = await _cancel(home, batch_id, interrupt=True)
        assert (canceled.mode, canceled.pending, canceled.running) == ("immediate", 4, ())
        assert canceled.view.status is BatchStatus.CANCELED
        assert end_of(home.place.simulator, first) == "interrupted"
        await _assert_true(home, batch_id, canceled, home.ledger.total("submitted"))


async def test_two_who_cancel_at_once_both_get_true_answers(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id, first = await _with_one_running(home)
        answers = await asyncio.gather(_cancel(home, batch_id), _cancel(home, batch_id))
        for canceled in answers:
            assert (canceled.mode, canceled.running) == ("cancel_after_current", (first,))
        assert max(canceled.pending for canceled in answers) == 4
        home.gate.touch()
        view = await home.over(batch_id)
        assert (view.counts.succeeded, view.counts.canceled) == (1, 4)
        again = await _cancel(home, batch_id)
        assert (again.pending, again.running) == (0, ())
        assert "had ended already" in again.view.detail


async def test_what_is_pending_at_the_server_is_taken_out_though_whoever_canceled_has_died(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id, first = await _with_one_running(home)
        # All that is left of one who was killed right after the wish was noted.
        await asyncio.to_thread(home.batches._batches.request_cancel, batch_id, by="dead", at=time.time())
        await home.until(batch_id, lambda view: view.counts.canceled == 4, "what waits is taken out")
        home.gate.touch()
        view = await home.over(batch_id)
        assert (view.counts.succeeded, view.counts.canceled) == (1, 4)
        assert set(home.ledger.count("began")) == {first}


@pytest.mark.parametrize("how", ["killed", "kill_job"])
async def test_a_cancel_right_after_the_death_of_the_feeder(
    how: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id, first = await _with_one_running(home)
        if how == "killed":
            os.kill(await home.feeder_pid(), signal.SIGKILL)
        else:
            await manager.kill((await home.feeder()).job_id, by="somebody", grace_s=0)
        canceled = await _cancel(home, batch_id)
        assert (canceled.mode, canceled.pending, canceled.running) == ("cancel_after_current", 4, (first,))
        home.gate.touch()
        await _assert_true(home, batch_id, canceled, 2)


@pytest.mark.nightly
async def test_what_a_suspended_feeder_has_claimed_is_not_sent_later(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create(1000)
        pid = await home.feeder_pid()
        await home.until_ledger("submitted", 1)
        chance = random.Random(1)  # noqa: S311  no secret
        while True:  # until it is met between its claim and its request
            with suspended(pid):
                sending = [row.prompt_id for row in home.rows(batch_id) if row.stage == "sending"]
                await asyncio.sleep(0.1 if sending else 0.0)  # what it has written arrives
                if sending and not home.ledger.count("submitted", sending):
                    # Met within a transaction it keeps the journal locked, and there is no answer.
                    with contextlib.suppress(RegistryError):
                        canceled = await _cancel(home, batch_id)
                        taken = home.ledger.total("submitted")
                        break
            await asyncio.sleep(chance.uniform(0.0, 0.02))
        await _assert_true(home, batch_id, canceled, taken)


async def test_a_cancel_while_comfyui_is_away_is_immediate(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id, _ = await _with_one_running(home)
        await asyncio.to_thread(home.place.kill)
        await home.until(batch_id, lambda view: "nothing listens" in view.trouble, "the trouble is told")
        canceled = await _cancel(home, batch_id)
        assert canceled.mode == "cancel_after_current", "what was sent may have ended, or may run for all that is known"
        assert canceled.pending == 3
        assert len(canceled.unknown) == 2
        await asyncio.to_thread(home.place.start)
        view = await home.over(batch_id)
        assert (view.status, view.counts.canceled, view.counts.total) == (BatchStatus.CANCELED, 5, 5)
        assert home.ledger.total("submitted") == 2


@pytest.mark.nightly
async def test_a_cancel_while_comfyui_is_held_takes_out_what_waits_when_it_answers_again(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        # It goes on for a while after it lets go, longer than a feeder waits before it asks again.
        batch_id = await home.create(5, graphs.chain(graphs.gil_hold(12), graphs.sleeping(12)))
        await home.until_ledger("began", 1)
        await home.until_ledger("submitted", 2)
        await asyncio.sleep(0.3)  # it holds the interpreter a moment after it has begun
        first = home.rows(batch_id)[0].prompt_id
        canceled = await _cancel(home, batch_id)
        assert canceled.mode == "cancel_after_current"
        assert first in canceled.unknown
        assert canceled.pending + len(canceled.unknown) + len(canceled.running) == 5
        view = await home.over(batch_id, 60)
        assert (view.counts.succeeded, view.counts.canceled) == (1, 4)
        assert set(home.ledger.count("began")) == {first}


@pytest.mark.parametrize("interrupt", [False, True])
async def test_a_cancel_with_a_dead_worker_says_that_the_prompt_stays(
    *, interrupt: bool, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(5, graphs.sys_exit())
        await home.until_ledger("began", 1)
        await home.until_ledger("submitted", 2)
        first = home.rows(batch_id)[0].prompt_id
        canceled = await _cancel(home, batch_id, interrupt=interrupt)
        assert (canceled.mode, canceled.pending, canceled.running) == ("cancel_after_current", 4, (first,))
        assert [str(one.verdict) for one in canceled.interrupted] == (["wedged"] if interrupt else [])
        assert canceled.view.status is BatchStatus.CANCELING
        assert home.ledger.total("submitted") == 2


async def test_a_cancel_while_others_look_and_make_batches(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id, first = await _with_one_running(home)
        looking = asyncio.gather(*(home.batches.view(batch_id) for _ in range(10)))
        making = asyncio.gather(*(home.create(2) for _ in range(2)))
        canceled = await _cancel(home, batch_id)
        await looking
        assert (canceled.pending, canceled.running) == (4, (first,))
        home.gate.touch()
        view = await home.over(batch_id)
        assert (view.counts.succeeded, view.counts.canceled) == (1, 4)
        for other in await making:
            assert (await home.over(other)).status is BatchStatus.SUCCEEDED
        assert home.ledger.total("submitted") == 2 + 4


@pytest.mark.parametrize("action", ["stop", "restart"])
async def test_a_prompt_of_a_cancelled_batch_ends_with_its_comfyui(
    action: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id, first = await _with_one_running(home)
        await _cancel(home, batch_id)
        act = home.control.stop if action == "stop" else home.control.restart
        refusal = await home.control.refusal(act())
        assert f"1 prompt of cancelled batches ({first}" in refusal
        assert "would be cut off, and not run again" in refusal
        outcome = await act(force=True)
        assert (outcome.cancelled, outcome.of_batches, outcome.lost) == ((first,), (), ())
        assert [row.ending for row in home.rows(batch_id)] == ["cancelled"] * 5
        assert "its batch was cancelled" in home.rows(batch_id)[0].reason
        await home.over(batch_id)
        assert home.ledger.total("submitted") == 2
        await home.control.stop(force=True)


async def test_the_feeder_cancels_what_a_crash_takes_along_of_a_cancelled_batch(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id, first = await _with_one_running(home)
        await _cancel(home, batch_id)
        await asyncio.to_thread(home.place.kill)
        await asyncio.to_thread(home.place.start)
        await home.over(batch_id)
        row = home.rows(batch_id)[0]
        assert (row.prompt_id, row.ending) == (first, "cancelled")
        assert "its batch was cancelled" in row.reason
        assert home.ledger.total("submitted") == 2
