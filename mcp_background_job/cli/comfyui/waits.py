"""Shows people that something is under way that takes seconds."""

from __future__ import annotations

import contextlib
import sys

#: What a cancel does meanwhile; see ``comfyui.prompts.cancel_plan`` for its times.
CANCELLING = "cancelling: the interrupt is repeated until the prompt stops, for up to 50 s"


def under_way(text: str, *, as_json: bool) -> contextlib.AbstractContextManager[None]:
    """Return what shows it, with the time that it takes, on a terminal for as long as it is entered."""
    if as_json or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from mcp_background_job.cli.comfyui.prompts.bar import spinner  # noqa: PLC0415  a pipe does without rich

    return spinner(text)
