"""Takes pending prompts out of a server's queue, by id and with verification: later prompts are not touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_background_job.comfyui.wire.answers import Queue
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream

#: The number of looks for removed prompts before they count as staying.
_LOOKS = 20
_LOOK_S = 0.1


@dataclass(frozen=True)
class TakenOut:
    """The result of taking prompts out.

    Attributes:
        out: the prompts that are no longer at the server.
        kept: the others, each with where it is instead.
    """

    out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


async def take_out(client: Client, events: EventStream, prompt_ids: Sequence[str]) -> TakenOut:
    """Take out prompts.

    Raises:
        UnreachableError: the server does not answer; some may be out.
    """
    if not prompt_ids:
        return TakenOut()
    await client.delete_pending(prompt_ids)
    left = set(prompt_ids)
    now = await client.queue()
    for _ in range(_LOOKS):
        left = {prompt_id for prompt_id in prompt_ids if now.position(prompt_id) is not None}
        if not left:
            break
        await client.delete_pending(sorted(left))
        await events.moved(_LOOK_S)
        now = await client.queue()
    begun = {one: await _begun(client, now, one) for one in prompt_ids if one not in left}
    kept = [f"{prompt_id}: still pending" for prompt_id in prompt_ids if prompt_id in left]
    kept += [f"{prompt_id}: {how}" for prompt_id, how in begun.items() if how]
    return TakenOut(tuple(prompt_id for prompt_id, how in begun.items() if not how), tuple(kept))


async def _begun(client: Client, queue: Queue, prompt_id: str) -> str:
    if queue.is_running(prompt_id):
        return "it has begun to run"
    finished = await client.finished(prompt_id)
    return f"it has begun to run, and {finished.end}" if finished else ""
