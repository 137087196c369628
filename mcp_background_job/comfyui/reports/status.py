"""The present state of a server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.process.gpu_memory import NOTHING_KNOWN, GpuMemory
from mcp_background_job.comfyui.process.process import Baselines, ServerProcess
from mcp_background_job.comfyui.prompts import signs
from mcp_background_job.comfyui.prompts.prompts import Prompt, Prompts
from mcp_background_job.comfyui.wire.answers import SystemStats
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.job import Job
from mcp_background_job.errors import UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.processes.threads import Activity
from mcp_background_job.registry.journal_base import Journal


@dataclass(frozen=True)
class Status:
    """The known facts about a server.

    Attributes:
        url: of the server.
        trouble: why it does not answer; the queue is then unknown, not empty.
        stats: version, memory, devices.
        running: its running prompts.
        pending: its waiting prompts, in their order.
        unfinished: journalled prompts without an end, if the server does not answer.
        process: the process behind it, if it is on this machine.
        activity: the activity of the process's threads.
        job: the job that it runs as, or last ran as, if it was started here.
        batches: the open batches.
        warnings: signs of trouble, in sentences.
        crash: the prompt that ran when the server ended by itself, and how it ended; empty if that is long ago.
        gpu_memory: the processes that hold GPU memory of this machine, if the server runs here.
        at: the moment of these observations (seconds since the epoch).
    """

    url: str
    trouble: UnreachableError | None = None
    stats: SystemStats | None = None
    running: tuple[Prompt, ...] = ()
    pending: tuple[Prompt, ...] = ()
    unfinished: tuple[Submission, ...] = ()
    process: ServerProcess | None = None
    activity: Activity | None = None
    job: Job | None = None
    batches: tuple[BatchView, ...] = ()
    crash: str = ""
    warnings: tuple[str, ...] = ()
    gpu_memory: GpuMemory = NOTHING_KNOWN
    at: float = 0.0


async def status_of(client: Client, journal: Journal, prompts: Prompts, baselines: Baselines) -> Status:
    """Look at a server."""
    endpoint = client.endpoint
    process = await lanes.scan(ServerProcess.find, endpoint)
    activity = None
    if process:
        await lanes.scan(baselines.take, process, endpoint.port)
        activity = await lanes.scan(process.activity)
    try:
        queue, stats = await asyncio.gather(client.queue(), client.stats())
    except UnreachableError as error:
        unfinished = await lanes.journal(journal.open_on, endpoint.url)
        return Status(
            endpoint.url,
            error,
            unfinished=tuple(unfinished),
            process=process,
            activity=activity,
            warnings=signs.told(await signs.seen(process, activity, baselines, None, port=endpoint.port)),
            at=time.time(),
        )
    ids = [item.prompt_id for item in (*queue.running, *queue.pending)]
    known = await lanes.journal(lambda: {prompt_id: journal.get(prompt_id) for prompt_id in ids})
    running = [await prompts.queued(queue, item.prompt_id, known[item.prompt_id]) for item in queue.running]
    pending = [await prompts.queued(queue, item.prompt_id, known[item.prompt_id]) for item in queue.pending]
    first = running[0] if running else None
    return Status(
        endpoint.url,
        stats=stats,
        warnings=signs.told(await signs.seen(process, activity, baselines, first, port=endpoint.port)),
        running=tuple(running),
        pending=tuple(pending),
        process=process,
        activity=activity,
        at=time.time(),
    )
