"""``comfyui job``: one prompt of ComfyUI."""

from __future__ import annotations

import math
import time
from typing import Literal

from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson, Follow, OptionalSeconds
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import ending, views
from mcp_background_job.cli.comfyui.prompts.watching import watch
from mcp_background_job.cli.comfyui.views import Nothing
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import report


def job(
    prompt_id: str,
    /,
    *,
    wait: OptionalSeconds = None,
    follow: Follow = False,
    show: Literal["workflow", "texts"] | None = None,
    as_json: AsJson = False,
) -> int:
    """Show one prompt: its status, with progress, outputs, or the failing node with exception and traceback.

    Args:
        prompt_id: Its id, as submit prints it and status lists it.
        wait: Wait this long for its end, in seconds or as 5m.
        follow: Show its progress until it is over, or until --wait. Ctrl-C leaves it running.
        show: Print its workflow too, as JSON, or the texts in it.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _job(comfyui, prompt_id, wait, follow=follow, what=show, as_json=as_json))


async def _job(
    comfyui: ComfyUI, prompt_id: str, wait_s: float | None, *, follow: bool, what: str | None, as_json: bool
) -> int:
    is_awaited = follow or wait_s is not None
    limit_s = wait_s if wait_s is not None else math.inf if follow else 0.0
    view = views.live() if follow and not as_json else Nothing[Prompt]()
    known = report.of_prompt(await watch(comfyui, prompt_id, time.monotonic() + limit_s, view))
    if what is not None:
        known |= report.of_asked(await comfyui.prompts.asked(prompt_id), show=what)
    if as_json:
        terminal.as_json(known)
    else:
        ending.write(known)
    return ending.exit_code(known, is_awaited=is_awaited)
