"""Shows people that something is under way that takes seconds."""

from __future__ import annotations

import contextlib

from mcp_background_job.cli import terminal


def under_way(text: str, *, as_json: bool) -> contextlib.AbstractContextManager[None]:
    """Return what shows it for as long as it is entered; a pipe is shown nothing."""
    if as_json or not terminal.for_people():
        return contextlib.nullcontext()
    from mcp_background_job.cli.comfyui.prompts.bar import spinner  # noqa: PLC0415  a pipe does without rich

    return spinner(text)
