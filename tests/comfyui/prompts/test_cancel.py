"""Prompts are cancelled on a real server: what is said to have happened is what has happened."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.request import new_job_id
from tests.comfyui.prompts.cancel_support import VERSIONS, control_of, controlled, end_of, ended_at, queued
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_process

LONG = 600


# One that runs ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.cancel.verified")
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_interrupt_that_is_heeded_is_answered_when_the_step_ends(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        # A step is over well before the interrupt would be repeated.
        prompt_id = await control.submit_running(graphs.stepped(LONG, 0.5))
        await control.until_begun(prompt_id)
        cancelled = await control.cancel(prompt_id)
        assert time.time() >= ended_at(simulator, prompt_id)  # how much later is for the benchmark to say
        assert cancelled.verdict is Verdict.CANCELLED
        assert end_of(simulator, prompt_id) == "interrupted"
        assert cancelled.interrupts == 1
        assert cancelled.finished
        assert cancelled.finished.interrupted_at == "1"
        kept = control.journal.get(prompt_id)
        assert kept
        assert kept.end is End.CANCELLED


@pytest.mark.requirement("comfyui.cancel.resent")
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_interrupt_that_the_server_forgets_is_sent_again(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version, "--start-gap", "3") as (control, simulator):
        prompt_id = await control.submit_running(graphs.stepped(LONG, 0.1))
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.CANCELLED
        assert end_of(simulator, prompt_id) == "interrupted"
        assert cancelled.interrupts >= 2


@pytest.mark.requirement("comfyui.cancel.finished")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_last_step_that_is_deaf_finishes_and_its_outputs_are_there(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        graph = graphs.chain(graphs.output(), graphs.sleeping(1.5))
        prompt_id = await control.submit_running(graph)

        async def last_runs() -> bool:
            heard = control.events.progress_of(prompt_id)
            return heard is not None and heard.node_id == "2"

        await until(last_runs, "the last step runs")
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.FINISHED
        assert end_of(simulator, prompt_id) == "success"
        assert cancelled.finished
        [file] = cancelled.finished.outputs
        assert (simulator.output_directory / file.filename).exists()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_step_that_swallows_the_interrupt_is_interrupted_by_the_next_one(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        graph = graphs.chain(graphs.swallow_interrupt(3, 0.5), graphs.stepped(LONG, 0.1))
        prompt_id = await control.submit_running(graph)
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.CANCELLED
        assert end_of(simulator, prompt_id) == "interrupted"


async def test_a_prompt_that_fails_by_itself_is_not_called_cancelled(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        prompt_id = await control.submit_running(graphs.chain(graphs.sleeping(0.5), graphs.raising("no")))
        # As if the interrupt had come too late for the node that fails.
        await asyncio.gather(control.submitter.wait(prompt_id, PATIENCE_S))
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.FAILED
        assert cancelled.finished
        assert cancelled.finished.failure
        assert cancelled.finished.failure.message == "no"
        assert end_of(simulator, prompt_id) == "error"


async def test_without_an_id_the_running_one_is_meant(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        running = await control.submit_running(graphs.stepped(LONG, 0.1))
        waiting = await control.submit(graphs.stepped(2, 0.1))
        cancelled = await control.cancel(None)
        assert (cancelled.verdict, cancelled.prompt_id) == (Verdict.CANCELLED, running)
        assert await control.until_over(waiting) == "completed"
        assert end_of(simulator, running) == "interrupted"


async def test_with_nothing_running_nothing_is_cancelled(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        cancelled = await control.cancel(None)
        assert (cancelled.verdict, cancelled.interrupts) == (Verdict.NOTHING_RUNNING, 0)


@pytest.mark.requirement("comfyui.cancel.others")
@pytest.mark.parametrize("version", VERSIONS)
async def test_the_prompt_that_takes_its_place_survives(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        for _ in range(5):
            first = await control.submit(graphs.sleeping(0.05))
            second = await control.submit(graphs.stepped(3, 0.05))
            cancelled = await control.cancel(first)
            assert cancelled.verdict in (Verdict.FINISHED, Verdict.CANCELLED)
            assert await control.until_over(second) == "completed"
            assert end_of(simulator, second) == "success"


async def test_two_who_cancel_one_prompt_both_get_a_true_answer(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        prompt_id = await control.submit_running(graphs.stepped(LONG, 0.2))
        after = await control.submit(graphs.stepped(2, 0.1))
        both = await asyncio.gather(control.cancel(prompt_id), control.cancel(prompt_id))
        assert [one.verdict for one in both] == [Verdict.CANCELLED] * 2
        assert end_of(simulator, prompt_id) == "interrupted"
        assert await control.until_over(after) == "completed"


# Pending ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.cancel.pending")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_pending_prompt_is_taken_out_and_never_runs(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        running = await control.submit_running(graphs.gated(tmp_path / "gate"))
        waiting = await control.submit(graphs.output())
        cancelled = await control.cancel(waiting)
        assert (cancelled.verdict, cancelled.interrupts) == (Verdict.CANCELLED, 0)
        assert waiting not in queued(simulator)
        (tmp_path / "gate").touch()
        assert await control.until_over(running) == "completed"
        assert end_of(simulator, waiting) is None
        # The server has forgotten it: the journal has not.
        assert (await control.prompts.get(waiting)).status == "cancelled"


async def test_only_a_pending_one_is_taken_out_when_one_is_meant(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        running = await control.submit_running(graphs.gated(tmp_path / "gate"))
        waiting = await control.submit(graphs.output())
        assert (await control.canceller.cancel_pending(running)).verdict is Verdict.RUNNING
        assert (await control.canceller.cancel_pending(waiting)).verdict is Verdict.CANCELLED
        (tmp_path / "gate").touch()
        assert await control.until_over(running) == "completed"
        assert end_of(simulator, running) == "success"
        assert (await control.canceller.cancel_pending(running)).verdict is Verdict.FINISHED


async def test_a_pending_prompt_that_begins_while_it_is_taken_out_is_interrupted(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        first = await control.submit_running(graphs.stepped(LONG, 0.05))
        second = await control.submit(graphs.stepped(LONG, 0.05))
        # Both at once: the second begins, or does not, between a look at it and its deletion.
        ended, dropped = await asyncio.gather(control.cancel(first), control.cancel(second))
        assert (ended.verdict, dropped.verdict) == (Verdict.CANCELLED, Verdict.CANCELLED)
        assert queued(simulator) == set()
        assert end_of(simulator, second) in (None, "interrupted")


async def test_what_begins_between_the_look_and_the_deletion_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with controlled(tmp_path) as (control, simulator):
        first = await control.submit_running(graphs.stepped(LONG, 0.05))
        second = await control.submit(graphs.stepped(LONG, 0.05))
        delete = control.client.delete_pending

        async def delete_too_late(prompt_ids: list[str], *, read_s: float) -> None:
            await control.until_begun(first)
            await control.client.interrupt(first)
            await control.until_running(second)
            await control.until_begun(second)
            await delete(prompt_ids, read_s=read_s)

        monkeypatch.setattr(control.client, "delete_pending", delete_too_late)
        cancelled = await control.cancel(second)
        assert (cancelled.verdict, cancelled.interrupts) == (Verdict.CANCELLED, 1)
        assert end_of(simulator, second) == "interrupted"


@pytest.mark.requirement("comfyui.cancel.clear")
async def test_all_pending_ones_are_dropped_and_named(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        running = await control.submit_running(graphs.stepped(LONG, 0.1))
        ours = [await control.submit(graphs.stepped(2, 0.1)) for _ in range(3)]
        theirs = await asyncio.to_thread(submit, simulator, graphs.stepped(2, 0.1))
        cancelled = await control.cancel(None, clear_pending=True)
        assert (cancelled.verdict, cancelled.prompt_id) == (Verdict.CANCELLED, running)
        assert (set(cancelled.dropped), cancelled.kept) == ({*ours, theirs}, ())
        assert queued(simulator) == set()
        for prompt_id in (*ours, theirs):
            assert (await control.prompts.get(prompt_id)).status == "cancelled"
        stranger = control.journal.get(theirs)
        assert stranger
        assert not stranger.is_ours
        assert '"SimStepped"' in stranger.graph


async def test_what_began_before_it_could_be_dropped_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with controlled(tmp_path) as (control, _):
        first = await control.submit_running(graphs.stepped(LONG, 0.05))
        second = await control.submit(graphs.sleeping(0))
        third = await control.submit(graphs.stepped(LONG, 0.05))
        delete = control.client.delete_pending

        async def delete_too_late(prompt_ids: list[str]) -> None:
            await control.until_begun(first)
            await control.client.interrupt(first)
            await control.until_running(third)
            await delete(prompt_ids)

        monkeypatch.setattr(control.client, "delete_pending", delete_too_late)
        cancelled = await control.cancel(first, clear_pending=True)
        assert cancelled.verdict is Verdict.CANCELLED
        assert cancelled.dropped == ()
        assert sorted(cancelled.kept) == sorted(
            [f"{second}: it has begun to run, and completed", f"{third}: it has begun to run"]
        )
        await control.cancel(third)


# Ids -------------------------------------------------------------------------------------------------------------


async def test_the_id_of_a_background_job_is_not_looked_for(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        with pytest.raises(InvalidRequestError, match="kill_job"):
            await control.cancel(new_job_id())


@pytest.mark.parametrize("prompt_id", ["", "  ", "\n"])
async def test_an_empty_id_is_refused(prompt_id: str, tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        running = await control.submit_running(graphs.stepped(LONG, 0.1))
        with pytest.raises(InvalidRequestError, match="empty"):
            await control.cancel(prompt_id)
        assert (await control.prompts.get(running)).status == "in_progress"


@pytest.mark.parametrize("prompt_id", [".", "..", '{"a": 1}'])
async def test_what_no_path_can_hold_is_no_id(prompt_id: str, tmp_path: Path) -> None:
    async with control_of(1, tmp_path) as control:
        with pytest.raises(InvalidRequestError, match="not the id"):
            await control.cancel(prompt_id)


ODD_IDS = ["nobody", "...", "../queue", "a b", "ü", "x?y=1#z", "%2e%2e", "a/b", "A" * 300, "\0"]


@pytest.mark.requirement("comfyui.unknown")
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_unknown_id_is_not_found_and_nothing_is_touched(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        running = await control.submit_running(graphs.stepped(LONG, 0.1))
        for prompt_id in (*ODD_IDS, str(uuid.uuid4())):
            cancelled = await control.cancel(prompt_id)
            assert (cancelled.verdict, cancelled.interrupts) == (Verdict.NOT_FOUND, 0), (prompt_id, cancelled)
            assert (await control.prompts.get(prompt_id)).status == "unknown"
        assert (await control.prompts.get(running)).status == "in_progress"


@pytest.mark.parametrize("prompt_id", ["mine", "a b", "ü/ö?", "...", "A" * 300])
async def test_an_odd_id_that_an_old_server_took_can_be_cancelled(prompt_id: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", "old") as (control, simulator):
        await asyncio.to_thread(submit, simulator, graphs.stepped(LONG, 0.1), prompt_id=prompt_id)
        await control.until_running(prompt_id)
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.CANCELLED
        assert queued(simulator) == set()
