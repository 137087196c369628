"""Looks at a prompt again and again until it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.prompts.views import View
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.core.comfyui.submission import End

#: Between two looks; a prompt that takes milliseconds is over at the first ones.
_FIRST_LOOK_S = 0.02
_LOOK_S = 0.25

#: A look that takes long (a queue of large graphs) is not repeated at once: a third of the time is spent in looks.
_LOOKS_SHARE = 2.0

#: A server that has answered may be silent for so long, since loading a large model holds its interpreter for seconds.
_SILENCE_S = 10.0

#: A prompt that a restart carries over is waited for so long: a ComfyUI with many custom nodes takes minutes to start.
_RESTART_S = 300.0


async def watch(comfyui: ComfyUI, prompt_id: str, deadline: float, view: View) -> Prompt:
    """Return what is known of a prompt when it is over, or at a monotonic moment; Ctrl-C leaves it alone."""
    prompt = None
    try:
        with view:
            async for prompt in _looks(comfyui, prompt_id, deadline):
                view.show(prompt)
    except asyncio.CancelledError:
        terminal.say_interrupted(
            f"prompt {prompt_id} is left alone, and goes on; {PROGRAM} comfyui job {prompt_id} --follow watches it "
            f"again, {PROGRAM} comfyui cancel {prompt_id} stops it"
        )
        raise
    assert prompt is not None  # noqa: S101  for the type checker: there is always one look
    return prompt


async def _looks(comfyui: ComfyUI, prompt_id: str, deadline: float) -> AsyncIterator[Prompt]:
    seen_at: float | None = None
    began = time.monotonic()
    pause = _FIRST_LOOK_S
    while True:
        asked_at = time.monotonic()
        prompt = await (await comfyui.members.at(prompt_id)).prompts.get(prompt_id)
        now = time.monotonic()
        yield prompt
        if is_under_way(prompt):
            seen_at = now
        elif now - (seen_at or began) >= _patience_s(prompt, was_seen=seen_at is not None):
            return
        if now >= deadline:
            return
        await asyncio.sleep(min(max(pause, _LOOKS_SHARE * (now - asked_at)), deadline - now))
        pause = min(2 * pause, _LOOK_S)


def _patience_s(prompt: Prompt, *, was_seen: bool) -> float:
    """Return for how long a prompt that neither runs nor waits is looked at all the same."""
    if is_carried_over(prompt):
        return _RESTART_S
    return _SILENCE_S if was_seen and is_unanswered(prompt) else 0.0


def is_under_way(prompt: Prompt) -> bool:
    """Tell whether a prompt runs or waits, as far as the server says."""
    return prompt.status in ("pending", "in_progress")


def is_unanswered(prompt: Prompt) -> bool:
    """Tell whether a prompt is unknown because the server gave no answer."""
    return prompt.status == "unknown" and prompt.reason.startswith("unreachable")


def is_carried_over(prompt: Prompt) -> bool:
    """Tell whether a prompt that went with its server is to be submitted again when that is back."""
    return prompt.status == End.LOST and prompt.submission is not None and prompt.submission.requeue
