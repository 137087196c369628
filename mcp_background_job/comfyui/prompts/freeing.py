"""Has a server free the memory that it holds between prompts, and measures the result."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mcp_background_job.comfyui.wire.answers import SystemStats
from mcp_background_job.comfyui.wire.client import Client

#: Seconds: an idle server frees memory within this time; no event says when.
_APPLIED_S = 2.0
_LOOK_S = 0.2


@dataclass(frozen=True)
class Freed:
    """The result of a request to free memory.

    Attributes:
        behind: the running prompt; ComfyUI only notes the request, and frees memory after this prompt.
        before: the free memory before.
        after: the free memory now.
    """

    behind: str
    before: SystemStats
    after: SystemStats


async def free(client: Client) -> Freed:
    """Unload models and free memory.

    Raises:
        UnreachableError: the server does not answer, or its answer cannot be used.
    """
    queue, before = await client.queue(), await client.stats()
    await client.free()
    after = before
    deadline = time.monotonic() + _APPLIED_S
    while not queue.running and not _has_grown(before, after) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_S)
        after = await client.stats()
    return Freed(queue.running[0].prompt_id if queue.running else "", before, after)


def _has_grown(before: SystemStats, after: SystemStats) -> bool:
    pairs = zip(before.devices, after.devices, strict=False)
    return any(later.vram_free > earlier.vram_free for earlier, later in pairs if later.type != "cpu")
