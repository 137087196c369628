"""Has a server let go of the memory that it holds between prompts, and sees what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mcp_background_job.comfyui.wire.answers import SystemStats
from mcp_background_job.comfyui.wire.client import Client

#: An idle server does it within this time; nothing tells when it has.
_APPLIED_S = 2.0
_LOOK_S = 0.2


@dataclass(frozen=True)
class Freed:
    """What came of the wish.

    Attributes:
        behind: the prompt that runs, behind which it happens: ComfyUI only takes note meanwhile.
        before: what was free before.
        after: what is free now.
    """

    behind: str
    before: SystemStats
    after: SystemStats


async def free(client: Client) -> Freed:
    """Unload models and free memory.

    Raises:
        UnreachableError: the server gives no answer that can be used.
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
