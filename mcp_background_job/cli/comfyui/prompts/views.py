"""What is shown of a prompt while it is watched."""

from __future__ import annotations

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.prompts import sentences
from mcp_background_job.cli.comfyui.views import Lines, View
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import report


def live() -> View[Prompt]:
    """Return the view of a prompt that is followed."""
    if not terminal.for_people():
        return Lines(_place, lambda prompt: sentences.of_prompt(report.of_prompt(prompt)))
    from mcp_background_job.cli.comfyui.prompts.bar import Bar  # noqa: PLC0415  a pipe does without rich

    return Bar()


def _place(prompt: Prompt) -> object:
    """Return at which place in the queue a prompt is, or at which node; ``None`` once it is neither."""
    if prompt.status not in ("pending", "in_progress"):
        return None
    return prompt.status, prompt.position, prompt.progress.node_id if prompt.progress else ""
