"""Prompts and batches of ComfyUI as tasks, through a client in this process."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcp_background_job.cli.hooks.others import others
from mcp_background_job.comfyui.batches import feeder_job
from mcp_background_job.comfyui.reports.batch_news import subject_of
from mcp_background_job.config import load_settings
from mcp_background_job.core.news import Reader
from mcp_background_job.jobdir.tasks import TaskStore
from mcp_background_job.jobs import awaiting
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.tasks import promises
from tests.comfyui.lifecycle.lifecycle_support import end_all_jobs
from tests.comfyui.prompts.cancel_support import QUICK, end_of
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.nursery.starts import NURSERY
from tests.patience import PATIENCE_S, WAIT_S, until
from tests.server.tasks.tasking import Tasking
from tests.survival.support import another_manager

pytestmark = pytest.mark.real_process


@pytest.fixture(params=["new"])
def simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[Simulator]:
    """A ComfyUI that servers know of, and that the nursery's children feed."""
    monkeypatch.setattr(feeder_job, "sys", SimpleNamespace(executable=NURSERY.python() or sys.executable))
    with Simulator.start(*QUICK, "--version", request.param) as simulator:
        monkeypatch.setenv("COMFYUI_PORT", str(simulator.port))
        yield simulator


@pytest.fixture
async def renders(simulator: Simulator, client: Tasking, manager: JobManager) -> AsyncGenerator[Tasking]:
    """The client of a server that knows this ComfyUI."""
    del simulator
    yield client
    await end_all_jobs(manager)


async def _works(client: Tasking, task_id: str) -> dict[str, Any]:
    """Look at a task until its prompt runs."""
    return await client.become(task_id, lambda now: "in_progress" in now["statusMessage"], "it runs")


async def test_the_result_of_a_prompt_is_that_of_its_submission(renders: Tasking, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    task_id = await renders.start("comfyui_submit", workflow=graphs.with_output(graphs.gated(gate)), wait_s=0)
    wait = await renders.start("comfyui_job", prompt_id=task_id, wait_s=0.1)
    assert (await _works(renders, task_id))["status"] == "working"
    assert wait.startswith("w")
    gate.touch()
    ended, waited = await renders.end(task_id), await renders.end(wait)
    assert ended["status"] == waited["status"] == "completed"
    facts = ended["result"]["structuredContent"]
    assert (facts["prompt_id"], facts["status"], len(facts["outputs"])) == (task_id, "completed", 1)
    assert (ended["result"]["isError"], "number" in facts) == (False, True)
    assert waited["result"]["structuredContent"]["outputs"] == facts["outputs"]


async def test_a_prompt_that_fails_completes_as_the_call_would_have_answered(renders: Tasking, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = await renders.start("comfyui_submit", workflow=graphs.gated(gate), wait_s=0)
    task_id = await renders.start("comfyui_submit", workflow=graphs.raising("deliberate"), wait_s=0)
    gate.touch()
    ended = await renders.end(task_id)
    await renders.end(first)
    assert (ended["status"], ended["result"]["structuredContent"]["status"]) == ("completed", "failed")
    same = await renders.call("comfyui_submit", workflow=graphs.raising("deliberate"), wait_s=WAIT_S)
    assert ended["result"]["isError"] == same["isError"]


@pytest.mark.parametrize("simulator", ["new", "old"], indirect=True)
async def test_a_cancel_of_a_wait_leaves_the_prompt_and_one_of_the_prompt_stops_it(
    renders: Tasking, simulator: Simulator, tmp_path: Path
) -> None:
    task_id = await renders.start("comfyui_submit", workflow=graphs.gated(tmp_path / "gate"), wait_s=0)
    await _works(renders, task_id)
    wait = await renders.start("comfyui_job", prompt_id=task_id, wait_s=0.1)
    await renders.ask("tasks/cancel", wait)
    assert (await renders.get(wait))["status"] == "cancelled"
    assert (await renders.get(task_id))["status"] == "working"
    for _ in range(2):
        await renders.ask("tasks/cancel", task_id)
    assert (await renders.end(task_id))["status"] == "cancelled"
    assert await asyncio.to_thread(end_of, simulator, task_id) == "interrupted"


async def test_a_batch_is_a_task_and_a_wait_for_it_another(renders: Tasking, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    workflow, overrides = graphs.with_output(graphs.gated(gate)), {"9.inputs.text": ["tea", "milk"]}
    batch = await renders.start("comfyui_submit", workflow=workflow, overrides=overrides, wait_s=0)
    wait, given_up = [await renders.start("comfyui_batch", batch_id=batch, wait_s=0.1) for _ in range(2)]
    assert "0 of 2 over" in (await renders.get(batch))["statusMessage"]
    await renders.ask("tasks/cancel", given_up)
    gate.touch()
    ended, waited = await renders.end(batch), await renders.end(wait)
    assert (await renders.get(given_up))["status"] == "cancelled"
    for one in (ended, waited):
        facts = one["result"]["structuredContent"]
        assert (facts["batch_id"], facts["status"], facts["counts"]["succeeded"]) == (batch, "succeeded", 2)
    assert "endings" not in (await renders.call("list_jobs"))["structuredContent"]


async def test_the_end_of_a_batch_is_left_to_its_task_by_answers_and_stop_hooks(
    renders: Tasking, manager: JobManager, state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, tasks = tmp_path / "gate", TaskStore(manager.state.tasks)
    batch = await renders.start("comfyui_submit", workflow=[graphs.gated(gate), graphs.gated(gate)], wait_s=0)
    wait = await renders.start("comfyui_batch", batch_id=batch, wait_s=0.1)
    record = tasks.find(batch)
    assert record is not None
    gate.touch()
    await _over(manager, batch)
    assert "endings" not in (await renders.call("list_jobs"))["structuredContent"]
    with another_manager(state_dir) as others_manager:
        async with others(others_manager, load_settings()) as found:
            reader = Reader(record.reader, record.conversation)
            hook = awaiting.Awaiting(others_manager, found, tasks, [reader])
            assert await _told(hook) == []
            assert (await renders.end(batch))["status"] == "completed"
            assert "endings" not in (await renders.call("list_jobs"))["structuredContent"]
            await renders.end(wait)
            # Its client has come for it: it is no news either when nobody promises anything any more.
            monkeypatch.setattr(awaiting, "FORGOTTEN_S", 0.0)
            assert await _told(hook) == []


async def test_the_end_of_a_batch_whose_client_has_forgotten_the_task_is_told_once(
    renders: Tasking, manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    batch = await renders.start("comfyui_submit", workflow=[graphs.gated(gate), graphs.gated(gate)], wait_s=0)
    gate.touch()
    await _over(manager, batch)
    monkeypatch.setattr(promises, "FORGOTTEN_S", 0.0)
    (ending,) = (await renders.call("list_jobs"))["structuredContent"]["endings"]
    assert batch in ending
    assert (await renders.end(batch))["status"] == "completed"
    assert "endings" not in (await renders.call("list_jobs"))["structuredContent"]


async def _over(manager: JobManager, batch: str) -> None:
    """Wait until a batch has ended, without being told so."""
    subject = subject_of(batch)

    async def is_over() -> bool:
        assert manager.news.others is not None
        return (await manager.news.others.look([subject])).items[subject] is not None

    await until(is_over, "the batch has ended")


async def _told(hook: awaiting.Awaiting) -> list[str]:
    return await hook.told(goes_on_by_hook=False, is_wanted=lambda: True, deadline=time.monotonic() + PATIENCE_S)


async def test_a_cancel_of_a_batch_stops_the_prompt_that_runs(
    renders: Tasking, simulator: Simulator, tmp_path: Path
) -> None:
    workflow = graphs.chain(graphs.gated(tmp_path / "gate"), graphs.gated(tmp_path / "gate"))
    batch = await renders.start("comfyui_submit", workflow=[workflow, workflow], wait_s=0)
    running = await _running_of(renders, batch)
    await renders.ask("tasks/cancel", batch)
    assert (await renders.end(batch))["status"] == "cancelled"
    assert await asyncio.to_thread(end_of, simulator, running) == "interrupted"


async def _running_of(client: Tasking, batch: str) -> str:
    found: list[str] = []

    async def runs() -> bool:
        facts = (await client.call("comfyui_batch", batch_id=batch))["structuredContent"]
        found[:] = [row["prompt_id"] for row in facts.get("running_prompts", [])]
        return bool(found)

    await until(runs, "a prompt of the batch runs")
    return found[0]
