"""ComfyUI as a job on a node, with the project's simulator as ComfyUI."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_background_job.comfyui import together
from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.catalogue import Among
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.core.comfyui.batch import TERMINAL, BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.conftest import Managers
from tests.comfyui.lifecycle.lifecycle_support import end_all_jobs
from tests.comfyui.pools.pool_support import settings_of
from tests.comfyui_simulator.nodes import graphs
from tests.patience import PATIENCE_S, WAIT_S, until

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

_SIMULATOR = f"exec {sys.executable} -m tests.comfyui_simulator --startup-delay 0"


@contextlib.asynccontextmanager
async def _control(manager: JobManager, directory: Path) -> AsyncGenerator[ComfyUI]:
    command = f'{_SIMULATOR} --output-directory {directory}/made --port "$COMFYUI_PORT"'
    comfyui = settings_of(manager, command=command)
    try:
        yield comfyui
    finally:
        await comfyui.close()
        await end_all_jobs(manager)


async def test_comfyui_on_a_node_does_all_that_one_here_does(managers: Managers, tmp_path: Path) -> None:
    manager = managers()
    async with _control(manager, tmp_path) as comfyui:
        started = await comfyui.nodes.start("slurm gpus=1", client="test", wait_s=PATIENCE_S)
        assert started.status == "started", started
        [member] = await comfyui.members.all()
        assert member.endpoint.job_id == started.job_id

        submitted = await member.submitter.submit(
            workflow.of_api(graphs.with_output(graphs.stepped(3, 0.05))), wait_s=WAIT_S
        )
        assert submitted.prompt is not None
        assert submitted.prompt.status == "completed", submitted.prompt
        came = await together.download(
            comfyui, [(submitted.prompt_id, "")], tmp_path / "downloads", report=lambda _: None
        )
        assert came.files
        assert all(file.path.exists() for file in came.files)

        running = await member.submitter.submit(workflow.of_api(graphs.stepped(1000, 0.1)))

        async def is_heard() -> bool:  # by the websocket, that is, and not from the log
            prompt = await member.prompts.get(running.prompt_id)
            return prompt.progress is not None and prompt.progress.source == "websocket"

        await until(is_heard, "progress comes through")
        assert (
            await together.cancel(comfyui, running.prompt_id, by="test", clear_pending=False, pending_only=False)
        ).verdict is Verdict.CANCELLED

        restarted = await member.lifecycle.restart(client="test", force=True, requeue="none", wait_s=PATIENCE_S)
        assert (restarted.status, restarted.job_id != started.job_id) == ("restarted", True), restarted
        assert "another job" in restarted.detail

        items = items_of([workflow.of_api(graphs.sleeping(0.01))], {"1.inputs.seed": [1, 2, 3]}, "product")
        batch_id = (await comfyui.batches.create(items, client="test")).batch.batch_id

        async def is_over() -> bool:
            return (await comfyui.batches.view(batch_id)).status in TERMINAL

        await until(is_over, "the batch is over")
        assert (await comfyui.batches.view(batch_id)).status is BatchStatus.SUCCEEDED

        [member] = [one for one in await comfyui.members.all() if one.endpoint.job_id == restarted.job_id]
        assert (await member.lifecycle.stop(client="test", force=False)).status == "stopped"
        assert [one.endpoint.job_id for one in await comfyui.members.all()] == [""]
        listed = await together.list_prompts(comfyui, among=Among(), limit=20)
        statuses = {row.prompt.prompt_id: row.prompt.status for row in listed.rows}
        assert (statuses[submitted.prompt_id], statuses[running.prompt_id]) == ("completed", "cancelled")
        assert len(statuses) == 5, "those of both ComfyUIs, although both are gone"
