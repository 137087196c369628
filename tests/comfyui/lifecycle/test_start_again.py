"""A ComfyUI that was started here comes back after a crash, and a prompt that ends it twice is told with why."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.feeder_support import no_jobs
from tests.comfyui.lifecycle.lifecycle_support import CHECKOUT, control_of, the_listener, watching
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import free_port
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.start.again")]


@pytest.fixture(autouse=True)
def _fed_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with no_jobs(monkeypatch):
        yield


def _command(port: int, directory: Path) -> str:
    output = ["--output-directory", str(directory / "output"), "--startup-delay", "0"]
    return f"exec {shlex.join([sys.executable, str(CHECKOUT / 'main.py'), '--port', str(port), *output])}"


async def test_a_crash_is_followed_by_another_start_and_names_the_prompt_that_caused_it_twice(
    tmp_path: Path, manager: JobManager
) -> None:
    port = free_port()
    async with control_of(manager, port, command=_command(port, tmp_path)) as control:
        started = await control.lifecycle.start(client="test", wait_s=PATIENCE_S, again="on-failure")
        assert (started.status, started.pid) == ("started", the_listener(port))
        several = [graphs.sleeping(0.01), graphs.os_exit(42), graphs.sleeping(0.01)]
        items = items_of([workflow.of_api(graph) for graph in several], {}, "product")
        batch = (await control.comfyui.batches.create(items)).batch
        async with asyncio.timeout(PATIENCE_S):
            await control.comfyui.feed(job_id=None, client="test", say=lambda _: None)
        view = await control.comfyui.batches.view(batch.batch_id)
        assert (view.status, view.counts.succeeded, view.counts.failed) == (BatchStatus.FAILED, 2, 1)
        reason = view.failures[0].reason
        assert "for the second time: exit code 42; the last lines of job" in reason
        assert "got prompt" in reason
        job = await control.lifecycle.job.named_job()
        assert job is not None
        assert (job.job_id, job.status) == (started.job_id, "running"), "it is the same job"


async def test_a_restart_keeps_that_it_comes_back_and_a_stop_ends_it(tmp_path: Path, manager: JobManager) -> None:
    port = free_port()
    async with control_of(manager, port, command=_command(port, tmp_path)) as control:
        await control.lifecycle.start(client="test", wait_s=PATIENCE_S, again="on-failure")
        restarted = await control.restart()
        assert restarted.status == "restarted"
        job = await control.lifecycle.job.named_job()
        assert job is not None
        spec = (await manager.details(job.job_id)).spec
        assert spec is not None
        assert spec.attempts_file is not None
        with watching(the_listener(port)) as [process]:
            assert (await control.stop()).status == "stopped"
            process.wait_dead()
        assert (await manager.find(job.job_id)).status == "killed"
