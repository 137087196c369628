"""``comfyui submit``: put a workflow into ComfyUI's queue."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson, OptionalSeconds
from mcp_background_job.cli.comfyui import ending, views
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.comfyui.watching import watch
from mcp_background_job.cli.session import CLIENT
from mcp_background_job.cli.terminal import PROGRAM
from mcp_background_job.comfyui import report, workflow
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.report import Report
from mcp_background_job.comfyui.workflow import Workflow


def submit(
    workflow_path: Annotated[str, Parameter(name="WORKFLOW")],
    /,
    *,
    note: str = "",
    front: bool = False,
    wait: OptionalSeconds = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    as_json: AsJson = False,
) -> int:
    """Put a workflow into ComfyUI's queue; prints the prompt's id, or how it ended if that is waited for.

    Args:
        workflow_path: File with the workflow in API format.
        note: What it is for; shown in lists.
        front: Before all pending ones.
        wait: Wait this long for its end, in seconds or as 5m.
        follow: Show its progress until it is over, or until --wait. Ctrl-C leaves it running.
        as_json: Print JSON, with the field names of the tools.
    """
    loaded = workflow.load(workflow_path)
    return with_comfyui(
        lambda comfyui: _submit(comfyui, loaded, note, front=front, wait_s=wait, follow=follow, as_json=as_json)
    )


async def _submit(
    comfyui: ComfyUI, loaded: Workflow, note: str, *, front: bool, wait_s: float | None, follow: bool, as_json: bool
) -> int:
    submitted = await comfyui.submitter.submit(loaded, note=note, client=CLIENT, front=front)
    is_awaited = follow or wait_s is not None
    if submitted.prompt and is_awaited:
        deadline = time.monotonic() + (math.inf if wait_s is None else wait_s)
        view = views.live() if follow and not as_json else views.Nothing()
        submitted = replace(submitted, prompt=await watch(comfyui, submitted.prompt_id, deadline, view))
    known = report.of_submission(submitted)
    if as_json:
        terminal.as_json(known)
    elif known["status"] == "refused" or is_awaited:
        ending.write(known)
    else:
        _write_queued(known)
    return ending.exit_code(known, is_awaited=is_awaited)


def _write_queued(known: Report) -> None:
    ending.warn(known)
    if terminal.for_people():
        terminal.line(f"{ending.sentence(known)}; see: {PROGRAM} comfyui job {known['prompt_id']} --follow")
    else:
        terminal.line(known["prompt_id"])
