"""Batches, sessions, lists, errors and the history, as an agent meets them: a real client of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcp_background_job.comfyui.batches.feeder_job import name_of
from tests.comfyui.lifecycle.lifecycle_support import end_all_jobs
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui.talk import entry
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, WAIT_S
from tests.server.calls import Caller
from tests.survival.support import another_manager

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.batch.told")]


@contextlib.asynccontextmanager
async def _client(state_dir: str, port: int) -> AsyncGenerator[Caller]:
    environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir, "COMFYUI_PORT": str(port)}
    python, *arguments = program()
    transport = StdioTransport(python, arguments, env=environment)
    async with Client(transport) as client:
        yield Caller(client)


@contextlib.asynccontextmanager
async def _served(state_dir: str) -> AsyncGenerator[tuple[Caller, Simulator]]:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        try:
            async with _client(state_dir, simulator.port) as client:
                yield client, simulator
        finally:
            with another_manager(state_dir) as manager:
                await end_all_jobs(manager)


async def _until(client: Caller, batch_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look at a batch until something holds of it."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds(facts := await client.facts("comfyui_batch", batch_id=batch_id, wait_s=0.05)):
        assert time.monotonic() < deadline, facts
    return facts


async def _running(client: Caller, batch_id: str) -> dict[str, Any]:
    """Look at a batch until one of its prompts runs."""
    return await _until(client, batch_id, lambda facts: "running_prompts" in facts)


async def test_a_workflow_with_overrides_is_a_batch_that_is_watched_to_its_end(state_dir: str) -> None:
    async with _served(state_dir) as (client, simulator):
        made = await client.facts(
            "comfyui_submit",
            workflow=graphs.with_output(graphs.sleeping(0.05)),
            overrides={"1.inputs.seed": [1, 2, 3], "9.inputs.text": ["tea", "milk"]},
            note="breakfast",
            wait_s=0,
        )
        assert (made["total"], made["note"]) == (6, "breakfast")
        assert made["status"] in ("pending", "running")
        done = await client.facts("comfyui_batch", batch_id=made["batch_id"], wait_s=WAIT_S)
        assert (done["status"], done["counts"]["succeeded"]) == ("succeeded", 6)
        assert "trouble" not in done
        jobs = await client.facts("comfyui_jobs", batch=made["batch_id"])
        assert {job["status"] for job in jobs["jobs"]} == {"completed"}
        assert {job["note"] for job in jobs["jobs"]} == {
            f"breakfast: seed={seed}, text={text}" for seed in (1, 2, 3) for text in ("tea", "milk")
        }
        assert {job["outputs"] for job in jobs["jobs"]} == {1}
        listed = await client.facts("comfyui_batch")
        assert [(row["batch_id"], row["done"]) for row in listed["batches"]] == [(made["batch_id"], "6 of 6")]
        waited = await client.facts("wait_for_job", job_id=name_of(simulator.url))
        assert waited["status"] == "completed"


async def test_several_workflows_are_a_batch_whose_failures_are_told_and_run_again(
    state_dir: str, tmp_path: Path
) -> None:
    path = tmp_path / "raising.json"
    path.write_text(json.dumps(graphs.raising("deliberate failure")))
    async with _served(state_dir) as (client, simulator):
        made = await client.facts(
            "comfyui_submit",
            workflow=[graphs.output("one"), graphs.raising("deliberate"), graphs.load_checkpoint("gone.safetensors")],
            wait_s=WAIT_S,
        )
        assert (made["status"], made["counts"]["succeeded"], made["counts"]["failed"]) == ("failed", 1, 2)
        causes = [failure["cause"] for failure in made["failures"]]
        assert any("RuntimeError: deliberate" in cause for cause in causes)
        assert any("gone.safetensors" in cause for cause in causes)
        errors = await client.facts("comfyui_errors", batch=made["batch_id"])
        assert len(errors["errors"]) == 2
        assert [one["missing_models"] for one in errors["errors"] if "missing_models" in one] == [["gone.safetensors"]]
        again = await client.facts("comfyui_batch", batch_id=made["batch_id"], action="retry_failed")
        assert again["detail"] == "2 failed prompts run again"
        done = await client.facts("comfyui_batch", batch_id=made["batch_id"], wait_s=WAIT_S)
        assert (done["status"], done["total"], done["counts"]["failed"]) == ("failed", 3, 2)
        old, new = ({failure["prompt_id"] for failure in one["failures"]} for one in (made, done))
        assert not old & new
        for prompt_id in old & {one for one in old if entry(simulator, one)}:
            assert (await client.facts("comfyui_job", prompt_id=prompt_id))["status"] == "failed"


async def test_cancel_pause_and_resume_say_what_will_happen(state_dir: str) -> None:
    async with _served(state_dir) as (client, _):
        made = await client.facts(
            "comfyui_submit",
            workflow=graphs.stepped(50_000, 0.02),
            overrides={"1.inputs.seed": list(range(10))},
            wait_s=0,
        )
        batch_id = made["batch_id"]
        assert (await _running(client, batch_id))["status"] == "running"
        paused = await client.facts("comfyui_batch", batch_id=batch_id, action="pause")
        assert paused["status"] == "paused"
        resumed = await client.facts("comfyui_batch", batch_id=batch_id, action="resume")
        assert resumed["status"] == "running"
        (running,) = [one["prompt_id"] for one in (await _running(client, batch_id))["running_prompts"]]
        canceled = await client.facts("comfyui_batch", batch_id=batch_id, action="cancel")
        assert canceled["status"] == "canceling"
        assert canceled["cancel_summary"] == {
            "mode": "cancel_after_current",
            "canceled_pending": 9,
            "running_prompts": [running],
        }
        assert "9 pending prompts were cancelled, and nothing more of the batch will be sent" in canceled["detail"]
        assert f"{running} runs to its end" in canceled["detail"]
        assert "is being cancelled" in await client.error("comfyui_batch", batch_id=batch_id, action="resume")
        stopped = await client.facts("comfyui_batch", batch_id=batch_id, action="cancel", interrupt=True)
        assert stopped["status"] == "canceled"
        assert stopped["cancel_summary"] == {"mode": "immediate", "canceled_pending": 0, "running_prompts": []}
        assert stopped["interrupted"] == {running: "cancelled"}
        assert f"{running}, which ran, was to be stopped: cancelled" in stopped["detail"]
        again = await client.facts("comfyui_batch", batch_id=batch_id, action="cancel")
        assert again["detail"] == "it had ended already; nothing was cancelled"
        assert "comfyui_submit(prompt_id=" in await client.error(
            "comfyui_batch", batch_id=batch_id, action="retry_failed"
        )


async def test_a_time_limit_holds_for_a_single_prompt_too(state_dir: str) -> None:
    async with _served(state_dir) as (client, _):
        made = await client.facts("comfyui_submit", workflow=graphs.stepped(1000, 0.02), prompt_timeout_s=0.5, wait_s=0)
        over = await client.facts("comfyui_batch", batch_id=made["batch_id"], wait_s=WAIT_S)
        assert (over["status"], over["total"]) == ("failed", 1)
        assert over["failures"][0]["cause"] == "stopped at its time limit of 0.5 s"


async def test_what_cannot_be_done_is_refused_in_a_sentence(state_dir: str) -> None:
    async with _served(state_dir) as (client, _):
        quick = graphs.sleeping(0.01)
        refusals: list[tuple[dict[str, Any], str]] = [
            ({"overrides": {"1.inputs.nope": [1]}}, "has no input 'nope'"),
            ({"overrides": {"1.inputs.seed": []}}, "empty list"),
            ({"overrides": {"1.inputs.seed": [1]}, "max_queued": 0}, "max_queued=0"),
            ({"overrides": {"1.inputs.seed": [1]}, "prompt_timeout_s": -1}, "prompt_timeout_s=-1"),
            ({"overrides": {"1.inputs.seed": [1]}, "front": True}, "front is for a single prompt"),
        ]
        for arguments, said in refusals:
            assert said in await client.error("comfyui_submit", workflow=quick, **arguments)
        assert "batch has 1 to" in await client.error("comfyui_submit", workflow=[])
        assert "there is no batch 'bnone'" in await client.error("comfyui_batch", batch_id="bnone")
        assert "cancel takes a batch_id" in await client.error("comfyui_batch", action="cancel")
        assert "there is no session 'none'" in await client.error("comfyui_session", name="none")
        assert "track takes a prompt_id" in await client.error("comfyui_session", action="track")
        assert "limit=0" in await client.error("comfyui_jobs", limit=0)
        assert "'done'" in await client.error("comfyui_jobs", status="done")
        assert "keep=-1" in await client.error("comfyui_clear_history", keep=-1)
        assert (await client.facts("comfyui_batch"))["batches"] == []


async def test_sessions_remember_what_was_submitted_by_whomever(state_dir: str) -> None:
    async with _served(state_dir) as (client, simulator):
        begun = await client.facts("comfyui_session", action="new", name="portraits")
        assert begun["name"] == "portraits"
        single = await client.facts("comfyui_submit", workflow=graphs.output("one"), note="first", wait_s=WAIT_S)
        batch = await client.facts(
            "comfyui_submit", workflow=graphs.sleeping(0.01), overrides={"1.inputs.seed": [1, 2]}, wait_s=WAIT_S
        )
        assert batch["status"] == "succeeded"
        shown = await client.facts("comfyui_session")
        assert (shown["name"], shown["prompts"]) == ("portraits", 3)
        assert single["prompt_id"] in {job["prompt_id"] for job in shown["jobs"]}
        await client.facts("comfyui_session", action="new", name="landscapes")
        tracked = await client.facts("comfyui_session", action="track", prompt_id=single["prompt_id"], note="again")
        assert (tracked["session"], tracked["status"]) == ("landscapes", "completed")
        listed = await client.facts("comfyui_session", action="list")
        assert [(row["name"], row["prompts"], row.get("current", False)) for row in listed["sessions"]] == [
            ("landscapes", 1, True),
            ("portraits", 3, False),
        ]
        of_portraits = await client.facts("comfyui_jobs", session="portraits")
        assert len(of_portraits["jobs"]) == 3
        cleared = await client.facts("comfyui_clear_history", keep=0)
        assert (cleared["removed"], cleared["kept"], cleared["journalled"]) == (3, 0, 3)
        assert entry(simulator, single["prompt_id"]) is None
        kept = await client.facts("comfyui_job", prompt_id=single["prompt_id"])
        assert (kept["status"], len(kept["outputs"])) == ("completed", 1)


async def test_the_status_of_comfyui_tells_of_batches_that_are_not_over(state_dir: str) -> None:
    async with _served(state_dir) as (client, simulator):
        made = await client.facts(
            "comfyui_submit",
            workflow=graphs.stepped(1000, 0.02),
            overrides={"1.inputs.seed": list(range(3))},
            wait_s=0,
        )
        await _running(client, made["batch_id"])
        status = await client.facts("comfyui_status")
        (told,) = status["batches"]
        assert told.startswith(f"{made['batch_id']} running")
        await asyncio.to_thread(simulator.stop)
        # A request that was under way may have met another trouble before.
        away = await _until(client, made["batch_id"], lambda facts: "nothing listens" in facts.get("trouble", ""))
        assert away["status"] == "running"
        canceled = await client.facts("comfyui_batch", batch_id=made["batch_id"], action="cancel")
        assert canceled["cancel_summary"]["mode"] == "cancel_after_current"
        assert "is unknown: ComfyUI gives no answer" in canceled["detail"]


async def test_what_runs_on_another_server_is_left_to_that_one(state_dir: str) -> None:
    async with _served(state_dir) as (client, simulator):
        long = graphs.stepped(300, 0.1)
        alone = (await client.facts("comfyui_submit", workflow=long, wait_s=0))["prompt_id"]
        made = await client.facts("comfyui_submit", workflow=long, overrides={"1.inputs.seed": [1, 2]}, wait_s=0)
        # Started later than both were submitted, as one that was restarted.
        with await asyncio.to_thread(Simulator.start, *QUICK) as other:
            async with _client(state_dir, other.port) as elsewhere:
                for action in ("status", "cancel", "pause", "resume", "retry_failed"):
                    refused = await elsewhere.error("comfyui_batch", batch_id=made["batch_id"], action=action)
                    assert f"runs on ComfyUI at {simulator.url}" in refused
                job = await elsewhere.facts("comfyui_job", prompt_id=alone)
                assert (job["status"], f"ComfyUI at {simulator.url}" in job["reason"]) == ("unknown", True)
        assert (await client.facts("comfyui_job", prompt_id=alone))["status"] == "in_progress"
        await client.facts("comfyui_batch", batch_id=made["batch_id"], action="cancel", interrupt=True)
        await _until(client, made["batch_id"], lambda facts: facts["status"] == "canceled")
        assert not any("reason" in one for one in (await client.facts("comfyui_jobs", status="cancelled"))["jobs"])
