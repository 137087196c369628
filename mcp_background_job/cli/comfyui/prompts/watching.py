"""Watches a prompt, and tells when it is over."""

from __future__ import annotations

import time

from mcp_background_job.cli.comfyui import watching
from mcp_background_job.cli.comfyui.views import View
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.core.comfyui.submission import End

#: A server that has answered may be silent for so long, since loading a large model holds its interpreter for seconds.
_SILENCE_S = 10.0

#: A prompt that a restart carries over is waited for so long: a ComfyUI with many custom nodes takes minutes to start.
_RESTART_S = 300.0


async def watch(comfyui: ComfyUI, prompt_id: str, deadline: float, view: View[Prompt]) -> Prompt:
    """Return what is known of a prompt when it is over, or at a monotonic moment; Ctrl-C leaves it alone."""

    async def look() -> Prompt:
        return await (await comfyui.members.at(prompt_id)).prompts.get(prompt_id)

    return await watching.watch(
        look,
        _Patience().is_over,
        deadline,
        view,
        left_alone=f"prompt {prompt_id} goes on; {PROGRAM} comfyui job {prompt_id} --follow watches "
        f"it again, {PROGRAM} comfyui cancel {prompt_id} stops it",
    )


class _Patience:
    """Tells whether a prompt is over; one that neither runs nor waits is looked at for a while all the same."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seen_at: float | None = None

    def is_over(self, prompt: Prompt) -> bool:
        now = time.monotonic()
        if is_under_way(prompt):
            self._seen_at = now
            return False
        return now - (self._seen_at or self._began) >= _patience_s(prompt, was_seen=self._seen_at is not None)


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
